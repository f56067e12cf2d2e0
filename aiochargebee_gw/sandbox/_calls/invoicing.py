"""Making one-off invoices, adding to pending ones, closing, voiding, deleting them.

https://apidocs.chargebee.com/docs/api/invoices
"""

from __future__ import annotations

from typing import Any

from aiochargebee_gw.sandbox._billing.amounts import price_of
from aiochargebee_gw.sandbox._billing.lines import Line
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._ledger import credits, invoices, payments
from aiochargebee_gw.sandbox._life import billing, coupons, sales, selling
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._problems import missing, not_found, wrong_state, wrong_value


def create(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /invoices`` (1.0): addons and charges of a customer or a subscription."""
    params = desk.form(call, "invoice.create", custom="invoice")
    owner = owner_of(desk, params)
    currency = currency_of(params, owner)
    lines = [_addon_line(desk, row, index, currency) for index, row in enumerate(params.get("addons") or ())]
    return _invoiced(desk, params, owner, currency, lines + charge_lines(desk, params))


def create_for_charge_items_and_charges(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /invoices/create_for_charge_items_and_charges`` (2.0). A declined card leaves it ``payment_due``."""
    params = desk.form(call, "invoice.create_for_charge_items_and_charges", custom="invoice")
    owner = owner_of(desk, params)
    currency = currency_of(params, owner)
    return _invoiced(desk, params, owner, currency, item_lines(desk, params, currency) + charge_lines(desk, params))


def charge(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /invoices/charge`` (1.0): one charge."""
    params = desk.form(call, "invoice.charge")
    owner = owner_of(desk, params)
    if params.get("amount") is None:
        raise missing("amount")
    lines = charge_lines(desk, {"charges": [params]})
    return _invoiced(desk, params, owner, currency_of(params, owner), lines)


def charge_addon(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /invoices/charge_addon`` (1.0): one addon."""
    params = desk.form(call, "invoice.charge_addon")
    owner = owner_of(desk, params)
    currency = currency_of(params, owner)
    return _invoiced(desk, params, owner, currency, [_named_addon(desk, params, currency)])


def owner_of(desk: Desk, params: JsonObject) -> tuple[JsonObject, JsonObject | None]:
    """The customer, and the subscription where one is named; one of both is needed."""
    if params.get("subscription_id"):
        value = desk.find("subscription", params["subscription_id"], param="subscription_id")
        return desk.find("customer", value["customer_id"]), value
    if not params.get("customer_id"):
        raise missing("customer_id")
    return desk.find("customer", params["customer_id"], param="customer_id"), None


def currency_of(params: JsonObject, owner: tuple[JsonObject, JsonObject | None]) -> str:
    """The currency asked for, else that of the subscription or the customer."""
    customer, value = owner
    if value is not None:
        return str(value["currency_code"])
    return str(params.get("currency_code") or customer.get("preferred_currency_code", "USD"))


def charge_lines(desk: Desk, params: JsonObject) -> list[Line]:
    """The ad hoc charges of a call."""
    at, found = desk.at(), []
    for index, row in enumerate(params.get("charges") or ()):
        if row.get("amount") is None:
            raise missing(f"charges[amount][{index}]")
        if row.get("description") is None:
            raise missing(f"charges[description][{index}]")
        found.append(
            Line(
                entity_type="adhoc",
                description=row["description"],
                amount=row["amount"],
                unit_amount=row["amount"],
                date_from=row.get("date_from") or at,
                date_to=row.get("date_to") or row.get("date_from") or at,
                taxable=row.get("taxable") is not False,
                subscription_id=params.get("subscription_id"),
            )
        )
    return found


def item_lines(desk: Desk, params: JsonObject, currency: str) -> list[Line]:
    """The item prices of a call: charges and addons, no plans."""
    return [
        _item_line(desk, row, f"item_prices[item_price_id][{index}]", currency)
        for index, row in enumerate(params.get("item_prices") or ())
    ]


def _item_line(desk: Desk, row: JsonObject, param: str, currency: str) -> Line:
    if row.get("item_price_id") is None:
        raise missing(param)
    price = sales.on_sale(desk, "item_price", row["item_price_id"], param)
    if price["item_type"] == "plan":
        raise wrong_value(param, "a plan cannot be charged once")
    _check_currency(price, currency, param)
    name = price.get("external_name") or price["name"]
    return _line(desk, row, price, f"{price['item_type']}_item_price", name, price.get("is_taxable", True))


def _addon_line(desk: Desk, row: JsonObject, index: int, currency: str) -> Line:
    param = f"addons[id][{index}]"
    if row.get("id") is None:
        raise missing(param)
    addon = sales.on_sale(desk, "addon", row["id"], param)
    _check_currency(addon, currency, param)
    return _line(desk, row, addon, "addon", addon.get("invoice_name") or addon["name"], addon.get("taxable", True))


def _named_addon(desk: Desk, params: JsonObject, currency: str) -> Line:
    addon = sales.on_sale(desk, "addon", params["addon_id"], "addon_id")
    _check_currency(addon, currency, "addon_id")
    row = {
        "quantity": params.get("addon_quantity"),
        "unit_price": params.get("addon_unit_price"),
        "date_from": params.get("date_from"),
        "date_to": params.get("date_to"),
    }
    return _line(desk, row, addon, "addon", addon.get("invoice_name") or addon["name"], addon.get("taxable", True))


def _check_currency(priced: JsonObject, currency: str, param: str) -> None:
    if priced["currency_code"] != currency:
        raise wrong_value(param, f"is not sold in {currency}")


def _line(desk: Desk, row: JsonObject, priced: JsonObject, entity_type: str, name: str, taxable: bool) -> Line:
    at = desk.at()
    quantity = row.get("quantity") or 1
    cost = price_of(priced, quantity, row.get("unit_price"))
    return Line(
        entity_type=entity_type,
        entity_id=priced["id"],
        description=row.get("description") or name,
        amount=cost.amount,
        unit_amount=cost.unit_amount,
        quantity=quantity,
        date_from=row.get("date_from") or at,
        date_to=row.get("date_to") or row.get("date_from") or at,
        pricing_model=priced.get("pricing_model", "flat_fee"),
        taxable=taxable,
    )


def _invoiced(
    desk: Desk, params: JsonObject, owner: tuple[JsonObject, JsonObject | None], currency: str, lines: list[Line]
) -> JsonObject:
    customer, value = owner
    if not lines:
        raise wrong_value("charges[amount][0]", "nothing to invoice")
    terms = [selling.coupon_term(coupon, currency) for coupon in coupons.given(desk, params)]
    terms += _discounts(params)
    term: int | None = params.get("net_term_days")
    extra: dict[str, Any] = {name: item for name, item in params.items() if name.startswith("cf_")}
    extra["po_number"] = params.get("po_number")
    if params.get("invoice_note"):
        extra["notes"] = [{"note": params["invoice_note"], "object": "note"}]
    bill = invoices.issue(
        desk,
        invoices.Order(
            customer=customer,
            lines=lines,
            currency=currency,
            subscription_id=None if value is None else value["id"],
            terms=terms,
            net_term_days=customer.get("net_term_days", 0) if term is None else term,
            recurring=False,
            pending=bool(params.get("create_pending_invoice")),
            extra=extra,
        ),
    )
    auto = params.get("auto_collection")
    settled = billing.settle(
        desk, bill, wanted=params.get("payment_source_id"), collects=None if auto is None else auto == "on"
    )
    return {"invoice": settled}


def _discounts(params: JsonObject) -> list[JsonObject]:
    return [
        {
            "entity_type": selling.MANUAL[row["apply_on"]],
            "entity_id": f"discount_{index}",
            "description": "Discount",
            "percentage": row.get("percentage"),
            "amount": row.get("amount"),
            "only": [row["item_price_id"]] if row.get("item_price_id") else None,
        }
        for index, row in enumerate(params.get("discounts") or ())
    ]


def _pending(desk: Desk, id: str) -> JsonObject:
    bill = desk.find("invoice", id)
    if bill["status"] != "pending":
        raise wrong_state(f"The invoice {id} is {bill['status']}, not pending.")
    return bill


def add_charge(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/add_charge``: only to a pending invoice, else 409."""
    bill = _pending(desk, id)
    params = desk.form(call, "invoice.add_charge")
    row = {**params, **(params.get("line_item") or {})}
    return _with(desk, bill, charge_lines(desk, {"charges": [row]}))


def add_charge_item(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/add_charge_item`` (2.0)."""
    bill = _pending(desk, id)
    params = desk.form(call, "invoice.add_charge_item")
    row = params.get("item_price") or {}
    return _with(desk, bill, [_item_line(desk, row, "item_price[item_price_id]", bill["currency_code"])])


def add_addon_charge(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/add_addon_charge`` (1.0)."""
    bill = _pending(desk, id)
    params = desk.form(call, "invoice.add_addon_charge")
    row = {**params, **without_nulls(params.get("line_item") or {})}
    return _with(desk, bill, [_named_addon(desk, row, bill["currency_code"])])


def _with(desk: Desk, bill: JsonObject, lines: list[Line]) -> JsonObject:
    value = desk.store.get("subscription", bill.get("subscription_id", ""))
    terms = selling.discount_terms(desk, value) if value is not None else []
    return {"invoice": invoices.rewrite(desk, bill, [*invoices.lines_of(bill), *lines], terms)}


def close(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/close``: a pending invoice becomes final and is collected."""
    bill = _pending(desk, id)
    desk.form(call, "invoice.close")
    return {"invoice": billing.settle(desk, invoices.close(desk, bill))}


def void(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/void``: payments become excess payments, credits are available again."""
    bill = desk.find("invoice", id)
    params = desk.form(call, "invoice.void_invoice")
    _check_open(bill)
    bill = _freed(desk, bill)
    at = desk.at()
    bill |= {"status": "voided", "voided_at": at, "amount_due": 0, "amount_to_collect": 0}
    for name in ("paid_at", "next_retry_at", "dunning_status"):
        bill.pop(name, None)
    if params.get("void_reason_code"):
        bill["void_reason_code"] = params["void_reason_code"]
    saved = invoices.keep(desk, bill, "invoice_updated")
    invoices.give_back_promotions(desk, saved)
    return {"invoice": saved}


def _check_open(bill: JsonObject) -> None:
    if bill["status"] == "voided":
        raise wrong_state(f"The invoice {bill['id']} is voided already.")
    live = [row for row in bill.get("issued_credit_notes", []) if row["cn_status"] != "voided"]
    if live or bill.get("adjustment_credit_notes"):
        raise wrong_state(f"The invoice {bill['id']} has credit notes.")


def _freed(desk: Desk, bill: JsonObject) -> JsonObject:
    for row in bill.get("linked_payments", []):
        bill, _ = payments.unlink(desk, bill, row["txn_id"])
    for row in bill.get("applied_credits", []):
        _, bill = credits.release(desk, row["cn_id"], bill)
    return bill


def delete(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/delete``: as voiding, but the invoice is gone."""
    bill = desk.find("invoice", id)
    desk.form(call, "invoice.delete")
    if bill["status"] != "voided":
        _check_open(bill)
        bill = _freed(desk, bill)
        invoices.give_back_promotions(desk, bill)
        bill |= {"status": "voided", "voided_at": desk.at(), "amount_due": 0, "amount_to_collect": 0}
        bill = invoices.keep(desk, bill)
    desk.store.drop_note("invoice", id)
    saved = desk.save("invoice", {**bill, "deleted": True})
    desk.emit("invoice_deleted", invoices.beside(desk, saved))
    return {"invoice": saved}


def update_details(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /invoices/{id}/update_details``: addresses, VAT number, purchase order."""
    bill = desk.find("invoice", id)
    params = desk.form(call, "invoice.update_details", custom="invoice")
    for name in ("billing_address", "shipping_address"):
        if params.get(name):
            bill[name] = {"validation_status": "not_validated", **without_nulls(params[name]), "object": name}
    for name in ("vat_number", "vat_number_prefix", "po_number"):
        if name in params:
            bill[name] = params[name]
    bill |= {name: item for name, item in params.items() if name.startswith("cf_")}
    return {"invoice": invoices.keep(desk, without_nulls(bill), "invoice_updated")}


def retrieve(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``GET /invoices/{id}``."""
    return {"invoice": desk.find("invoice", id)}


def check_invoice(desk: Desk, id: str, param: str) -> JsonObject:
    """An invoice that a parameter names; raises ``Problem`` (404)."""
    bill = desk.store.get("invoice", id)
    if bill is None or bill["deleted"]:
        raise not_found("invoice", id, param)
    return bill


OPERATIONS = (
    ("POST", "invoices", create, "pc1"),
    ("POST", "invoices/create_for_charge_items_and_charges", create_for_charge_items_and_charges, "pc2"),
    ("POST", "invoices/charge", charge, "pc1"),
    ("POST", "invoices/charge_addon", charge_addon, "pc1"),
    ("POST", "invoices/*/add_charge", add_charge, None),
    ("POST", "invoices/*/add_charge_item", add_charge_item, "pc2"),
    ("POST", "invoices/*/add_addon_charge", add_addon_charge, "pc1"),
    ("POST", "invoices/*/close", close, None),
    ("POST", "invoices/*/void", void, None),
    ("POST", "invoices/*/delete", delete, None),
    ("POST", "invoices/*/update_details", update_details, None),
)
