"""Writing customers: https://apidocs.chargebee.com/docs/api/customers."""

from __future__ import annotations

from aiochargebee_gw.sandbox._calls.reads import with_card
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._kinds import KINDS
from aiochargebee_gw.sandbox._ledger import wallet
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._params import CUSTOMER_CREATE, CUSTOMER_DELETE, CUSTOMER_UPDATE
from aiochargebee_gw.sandbox._problems import duplicate

_NOT_ATTRIBUTES = ("card", "bank_account", "token_id", "payment_method", "payment_intent", "taxjar_exemption_category")


def create(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /customers``; an id that is taken is 400 ``duplicate_entry``."""
    params = desk.params(call, CUSTOMER_CREATE, custom="customer")
    value, card = add_customer(desk, params, "id")
    return without_nulls({"customer": value, "card": card})


def add_customer(desk: Desk, params: JsonObject, id_param: str) -> tuple[JsonObject, JsonObject | None]:
    """Store a customer, and a card when one was sent; ``id_param`` names the id in a ``duplicate_entry``."""
    params = without_nulls(params)
    id = params.get("id") or desk.new_id()
    if desk.store.text("customer", id) is not None:
        raise duplicate(id_param, id)
    card = _card(params.get("card", {}), desk)
    value = {name: item for name, item in params.items() if name not in _NOT_ATTRIBUTES}
    value = _dressed({**value, "id": id})
    made = desk.create("customer", value)
    if card is not None:
        wallet.add(desk, id, card, primary=True)
        made = desk.find("customer", id)
    stored_card = desk.card_of(id)
    desk.emit("customer_created", {"customer": made, "card": stored_card})
    if card is not None:
        desk.emit("card_added", {"customer": made, "card": stored_card})
    return made, stored_card


def update(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /customers/{id}``; a blank value clears the attribute, what is left out stays."""
    value = desk.find("customer", id)
    params = desk.params(call, CUSTOMER_UPDATE, custom="customer")
    params.pop("taxjar_exemption_category", None)
    value.update(_dressed(params))
    # A required attribute cannot be absent: clearing it brings the default back.
    for name, default in KINDS["customer"].defaults.items():
        if value.get(name) is None:
            value[name] = default
    saved = desk.save("customer", value)
    desk.emit("customer_changed", {"customer": saved})
    return with_card(desk, {"customer": saved}, id)


def delete(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /customers/{id}/delete``: the customer and what hangs on it are marked deleted, the card taken out.

    With ``delete_payment_method=false`` the card stays, and comes with the answer; nobody can retrieve it any more.
    """
    params = desk.params(call, CUSTOMER_DELETE)
    value = desk.find("customer", id)
    for kind in ("subscription", "invoice", "transaction", "credit_note"):
        for row in desk.store.owned(kind, id):
            desk.emit(f"{kind}_deleted", {kind: desk.save(kind, {**row, "deleted": True}), "customer": value})
            desk.store.drop_note(kind, row["id"])
    for row in desk.store.owned("unbilled_charge", id):
        desk.discard("unbilled_charge", row)
    if params.get("delete_payment_method") is not False:
        card = desk.card_of(id)
        for source in wallet.sources(desk, id):
            desk.save("payment_source", {**source, "deleted": True})
        if card is not None:
            desk.discard("card", card)
            desk.emit("card_deleted", {"customer": value, "card": card})
        value |= {"card_status": "no_card", "primary_payment_source_id": None, "payment_method": None}
    saved = desk.save("customer", {**value, "deleted": True})
    desk.emit("customer_deleted", {"customer": saved})
    return with_card(desk, {"customer": saved}, id)


def _dressed(value: JsonObject) -> JsonObject:
    """Nested objects say what they are."""
    dressed = dict(value)
    if isinstance(dressed.get("billing_address"), dict):
        address = without_nulls(dressed["billing_address"])
        dressed["billing_address"] = {"validation_status": "not_validated", **address, "object": "billing_address"}
    for name, object_name in (
        ("entity_identifiers", "entity_identifier"),
        ("tax_providers_fields", "tax_providers_field"),
    ):
        if dressed.get(name):
            dressed[name] = [{**without_nulls(row), "object": object_name} for row in dressed[name]]
    return dressed


def _card(params: JsonObject, desk: Desk) -> JsonObject | None:
    """The payment source behind the card parameters of a new customer; 402 for a number that gateways refuse."""
    sent = without_nulls(params)
    if not (sent.get("number") or sent.get("tmp_token")):
        return None
    card = wallet.card_of_number(desk, {"number": "4111111111111111", **sent}, "card")
    names = ("gateway", "gateway_account_id")
    return {"type": "card", "card": card, **{name: sent[name] for name in names if name in sent}}
