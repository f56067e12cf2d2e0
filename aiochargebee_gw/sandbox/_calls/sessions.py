"""Hosted pages, portal sessions and documents: things behind a link."""

from __future__ import annotations

import secrets

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._kinds import MISSING
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._params import (
    CHECKOUT_NEW,
    CHECKOUT_NEW_FOR_ITEMS,
    INVOICE_PDF,
    MANAGE_PAYMENT_SOURCES,
    PORTAL_SESSION_CREATE,
)
from aiochargebee_gw.sandbox._problems import missing, wrong_state, wrong_value

PAGE_SECONDS = 3 * 3_600
SESSION_SECONDS = 3_600


def checkout_new_for_items(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /hosted_pages/checkout_new_for_items``: needs ``subscription_items[item_price_id][0]``."""
    params = desk.params(call, CHECKOUT_NEW_FOR_ITEMS)
    rows = params.get("subscription_items")
    if not rows:
        raise missing("subscription_items[item_price_id][0]")
    for index, row in enumerate(rows):
        desk.find("item_price", row["item_price_id"], param=f"subscription_items[item_price_id][{index}]")
    return _page(desk, "checkout_new", params)


def checkout_new(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /hosted_pages/checkout_new`` (Product Catalog 1.0): needs ``subscription[plan_id]``."""
    params = desk.params(call, CHECKOUT_NEW)
    desk.find("plan", params["subscription"]["plan_id"], param="subscription[plan_id]")
    return _page(desk, "checkout_new", params)


def manage_payment_sources(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /hosted_pages/manage_payment_sources``: needs ``customer[id]`` of a customer that exists."""
    params = desk.params(call, MANAGE_PAYMENT_SOURCES)
    desk.find("customer", params["customer"]["id"], param="customer[id]")
    return _page(desk, "manage_payment_sources", params)


def _page(desk: Desk, type: str, params: JsonObject) -> JsonObject:
    at = desk.at()
    id = f"hp_{desk.new_id()}"
    kept = ("pass_thru_content", "layout", "business_entity_id", "brand_id")
    value: JsonObject = {
        "id": id,
        "type": type,
        "url": f"{desk.origin()}/pages/v3/{id}/",
        "state": "created",
        "embed": bool(params.get("embed")),
        **{name: params[name] for name in kept if name in params},
        "created_at": at,
        "expires_at": at + PAGE_SECONDS,
    }
    return {"hosted_page": desk.create("hosted_page", without_nulls(value))}


def create_portal_session(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /portal_sessions``: needs ``customer[id]`` of a customer that exists."""
    params = desk.params(call, PORTAL_SESSION_CREATE)
    customer = desk.find("customer", params["customer"]["id"], param="customer[id]")
    at = desk.at()
    token = secrets.token_urlsafe(24)
    value: JsonObject = {
        "id": f"portal_{desk.new_id()}",
        "token": token,
        "access_url": f"{desk.origin()}/portal/v2/authenticate?token={token}",
        "redirect_url": params.get("redirect_url"),
        "status": "created",
        "created_at": at,
        "expires_at": at + SESSION_SECONDS,
        "customer_id": customer["id"],
        "linked_customers": [_linked(desk, customer)],
    }
    return {"portal_session": desk.create("portal_session", without_nulls(value))}


def _linked(desk: Desk, customer: JsonObject) -> JsonObject:
    statuses = {row["status"] for row in desk.store.owned("subscription", customer["id"])}
    value: JsonObject = {
        "customer_id": customer["id"],
        "email": customer.get("email"),
        "has_billing_address": "billing_address" in customer,
        "has_payment_method": desk.card_of(customer["id"]) is not None,
        "has_active_subscription": not statuses.isdisjoint({"active", "in_trial", "non_renewing"}),
        "object": "linked_customer",
    }
    return without_nulls(value)


def invoice_pdf(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/pdf``: a link that needs no credentials, not the bytes themselves."""
    desk.params(call, INVOICE_PDF)
    return _document(desk, "invoice", id)


def credit_note_pdf(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /credit_notes/{id}/pdf``."""
    desk.form(call, "credit_note.pdf")
    return _document(desk, "credit_note", id)


def quote_pdf(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /quotes/{id}/pdf``."""
    desk.form(call, "quote.pdf")
    return _document(desk, "quote", id)


def _document(desk: Desk, kind: str, id: str) -> JsonObject:
    desk.find(kind, id)
    url, valid_till = desk.download_url(id, kind=kind)
    download: JsonObject = {
        "download_url": url,
        "valid_till": valid_till,
        "mime_type": "application/pdf",
        "object": "download",
    }
    return {"download": download}


def acknowledge(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /hosted_pages/{id}/acknowledge``: only one that succeeded, else 409."""
    page = desk.find("hosted_page", id)
    desk.form(call, "hosted_page.acknowledge")
    if page["state"] != "succeeded":
        raise wrong_state(f"The hosted page {id} is {page['state']}, not succeeded.")
    return {"hosted_page": desk.save("hosted_page", {**page, "state": "acknowledged"})}


def activate(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /portal_sessions/{id}/activate``: with its token, once, before it expires."""
    session = desk.find("portal_session", id)
    params = desk.form(call, "portal_session.activate")
    if params["token"] != session["token"]:
        raise wrong_value("token", "is not the token of this session")
    if session["status"] not in ("created", "not_yet_activated") or session.get("expires_at", MISSING) <= desk.at():
        raise wrong_state(f"The portal session {id} is {session['status']}, or has expired.")
    return {"portal_session": desk.save("portal_session", {**session, "status": "activated", "login_at": desk.at()})}


def logout(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /portal_sessions/{id}/logout``."""
    session = desk.find("portal_session", id)
    desk.form(call, "portal_session.logout")
    if session["status"] == "logged_out":
        raise wrong_state(f"The portal session {id} is logged out already.")
    return {"portal_session": desk.save("portal_session", {**session, "status": "logged_out", "logout_at": desk.at()})}


OPERATIONS = (
    ("POST", "credit_notes/*/pdf", credit_note_pdf, None),
    ("POST", "quotes/*/pdf", quote_pdf, None),
    ("POST", "hosted_pages/*/acknowledge", acknowledge, None),
    ("POST", "portal_sessions/*/activate", activate, None),
    ("POST", "portal_sessions/*/logout", logout, None),
)
