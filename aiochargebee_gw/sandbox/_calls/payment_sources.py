"""Payment sources and cards: https://apidocs.chargebee.com/docs/api/payment_sources."""

from __future__ import annotations

from aiochargebee_gw.sandbox._calls.reads import with_card
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._ledger import wallet
from aiochargebee_gw.sandbox._ledger.sources import refusal
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._problems import declined, missing, not_found, wrong_value

_TOKEN_CARD: JsonObject = {
    "iin": "411111",
    "last4": "1111",
    "brand": "visa",
    "funding_type": "credit",
    "expiry_month": 12,
    "expiry_year": 2099,
    "masked_number": "************1111",
    "object": "card",
}
"""What stands behind a token: the sandbox makes none, so every token is good for a card that can be charged."""


def create_card(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /payment_sources/create_card``; a number that gateways refuse is 402."""
    params = desk.form(call, "payment_source.create_card")
    sent = without_nulls(params.get("card") or {})
    values: JsonObject = {"type": "card", "card": wallet.card_of_number(desk, sent, "card")}
    if "gateway_account_id" in sent:
        values["gateway_account_id"] = sent["gateway_account_id"]
    return _added(desk, params, values)


def create_using_token(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /payment_sources/create_using_token``: Chargebee's own ``token_id``."""
    params = desk.form(call, "payment_source.create_using_token")
    return _added(desk, params, {"type": "card", "card": dict(_TOKEN_CARD)})


def create_using_temp_token(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /payment_sources/create_using_temp_token``."""
    params = desk.form(call, "payment_source.create_using_temp_token")
    return _added(desk, params, _by_type(params, params["tmp_token"]))


def create_using_permanent_token(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /payment_sources/create_using_permanent_token``: ``card`` may say which one stands behind it."""
    params = desk.form(call, "payment_source.create_using_permanent_token")
    values = _by_type(params, params.get("reference_id") or params.get("payment_method_token"))
    told = without_nulls(params.get("card") or {})
    if "card" in values and told:
        values["card"] |= told
        if "last4" in told:
            values["card"]["masked_number"] = f"************{told['last4']}"
        reason = refusal(values["card"]["iin"], values["card"]["last4"])
        if reason is not None:
            raise declined("payment_method_verification_failed", reason.text)
    return _added(desk, params, values)


def _by_type(params: JsonObject, reference: str | None) -> JsonObject:
    values: JsonObject = {
        "type": params["type"],
        "reference_id": reference,
        "gateway_account_id": params.get("gateway_account_id"),
        "issuing_country": params.get("issuing_country"),
        "card": dict(_TOKEN_CARD) if params["type"] == "card" else None,
    }
    return without_nulls(values)


def create_bank_account(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /payment_sources/create_bank_account``."""
    params = desk.form(call, "payment_source.create_bank_account")
    sent = without_nulls(params.get("bank_account") or {})
    number = sent.get("account_number") or sent.get("iban")
    if number is None:
        raise missing("bank_account[account_number]")
    shown = ("first_name", "last_name", "bank_name", "account_type", "echeck_type", "account_holder_type", "email")
    account = {name: sent[name] for name in shown if name in sent}
    values: JsonObject = {
        "type": "direct_debit",
        "issuing_country": params.get("issuing_country"),
        "bank_account": {"last4": number[-4:], **account, "object": "bank_account"},
    }
    return _added(desk, params, without_nulls(values))


def _added(desk: Desk, params: JsonObject, values: JsonObject) -> JsonObject:
    customer = desk.find("customer", params["customer_id"], param="customer_id")
    made = wallet.add(desk, customer["id"], values, primary=bool(params.get("replace_primary_payment_source")))
    answer = _beside(desk, made)
    desk.emit("payment_source_added", answer)
    if answer["customer"]["primary_payment_source_id"] == made["id"] and made["type"] == "card":
        desk.emit("card_added", {"customer": answer["customer"], "card": desk.card_of(customer["id"])})
    return answer


def _beside(desk: Desk, source: JsonObject) -> JsonObject:
    return {"customer": desk.find("customer", source["customer_id"]), "payment_source": source}


def update_card(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /payment_sources/{id}/update_card``: names, expiry, billing address."""
    source = desk.find("payment_source", id)
    params = desk.form(call, "payment_source.update_card")
    if source["type"] != "card":
        raise wrong_value("id", "is no card")
    for name, value in (params.get("card") or {}).items():
        if name != "additional_information":
            source["card"][name] = value
    source["card"] = without_nulls(source["card"])
    source["status"] = "valid"
    saved = wallet.change(desk, source)
    answer = _beside(desk, saved)
    desk.emit("payment_source_updated", answer)
    if answer["customer"].get("primary_payment_source_id") == id:
        desk.emit("card_updated", {"customer": answer["customer"], "card": desk.card_of(saved["customer_id"])})
    return answer


def retrieve(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``GET /payment_sources/{id}``."""
    return {"payment_source": desk.find("payment_source", id)}


def delete(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /payment_sources/{id}/delete``."""
    source = desk.find("payment_source", id)
    desk.form(call, "payment_source.delete")
    return _gone(desk, source)


def delete_local(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /payment_sources/{id}/delete_local``: here, the same."""
    source = desk.find("payment_source", id)
    desk.form(call, "payment_source.delete_local")
    return _gone(desk, source)


def _gone(desk: Desk, source: JsonObject) -> JsonObject:
    card = desk.store.get("card", source["id"])
    answer = _beside(desk, wallet.take_away(desk, source))
    desk.emit("payment_source_deleted", answer)
    if card is not None:
        desk.emit("card_deleted", {"customer": answer["customer"], "card": card})
    return answer


def assign_payment_role(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /customers/{id}/assign_payment_role``: ``primary``, ``backup`` or ``none``."""
    customer = desk.find("customer", id)
    params = desk.form(call, "customer.assign_payment_role")
    source = desk.store.get("payment_source", params["payment_source_id"])
    if source is None or source["deleted"] or source["customer_id"] != id:
        raise not_found("payment_source", params["payment_source_id"], "payment_source_id")
    is_primary = customer.get("primary_payment_source_id") == source["id"]
    if params["role"] == "primary":
        wallet.make_primary(desk, source)
    elif is_primary:
        raise wrong_value("role", "the primary payment source keeps its role until another one gets it")
    elif params["role"] == "backup":
        desk.save("customer", {**customer, "backup_payment_source_id": source["id"]})
    elif customer.get("backup_payment_source_id") == source["id"]:
        desk.save("customer", {**customer, "backup_payment_source_id": None})
    answer = _beside(desk, source)
    desk.emit("customer_changed", {"customer": answer["customer"]})
    return answer


def update_card_for_customer(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /customers/{id}/credit_card``: the card becomes the primary source in the place of the one before."""
    customer = desk.find("customer", id)
    params = desk.form(call, "card.update_card_for_customer")
    card = wallet.card_of_number(desk, without_nulls(params), "")
    old = desk.store.get("payment_source", customer.get("primary_payment_source_id", ""))
    wallet.add(desk, id, {"type": "card", "card": card}, primary=True)
    if old is not None and not old["deleted"]:
        wallet.take_away(desk, old)
    answer = {"customer": desk.find("customer", id), "card": desk.card_of(id)}
    desk.emit("card_updated" if old is not None else "card_added", answer)
    return answer


def delete_card_for_customer(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /customers/{id}/delete_card``."""
    customer = desk.find("customer", id)
    desk.form(call, "card.delete_card_for_customer")
    card = desk.card_of(id)
    source = desk.store.get("payment_source", customer.get("primary_payment_source_id", ""))
    if card is None:
        raise not_found("card", id)
    if source is not None and not source["deleted"]:
        wallet.take_away(desk, source)
    else:
        desk.discard("card", card)
        desk.save("customer", {**customer, "card_status": "no_card", "primary_payment_source_id": None})
    desk.emit("card_deleted", {"customer": desk.find("customer", id), "card": card})
    return with_card(desk, {"customer": desk.find("customer", id)}, id)


OPERATIONS = (
    ("POST", "payment_sources/create_card", create_card, None),
    ("POST", "payment_sources/create_using_token", create_using_token, None),
    ("POST", "payment_sources/create_using_temp_token", create_using_temp_token, None),
    ("POST", "payment_sources/create_using_permanent_token", create_using_permanent_token, None),
    ("POST", "payment_sources/create_bank_account", create_bank_account, None),
    ("POST", "payment_sources/*/update_card", update_card, None),
    ("GET", "payment_sources/*", retrieve, None),
    ("POST", "payment_sources/*/delete", delete, None),
    ("POST", "payment_sources/*/delete_local", delete_local, None),
    ("POST", "customers/*/assign_payment_role", assign_payment_role, None),
    ("POST", "customers/*/credit_card", update_card_for_customer, None),
    ("POST", "customers/*/delete_card", delete_card_for_customer, None),
)
