"""What the store must know about each resource: its key, its clock attributes, its owners, its defaults."""

from __future__ import annotations

from attrs import field, frozen

from aiochargebee_gw.sandbox._json import JsonObject

MISSING = 9_999_999_999
"""Sort value (seconds) of a row without the sort attribute: such rows come last when ascending."""
STATUS_DELETED = ("plan", "addon")
"""Kinds without a ``deleted`` attribute: their status says it."""


@frozen
class Kind:
    """One resource.

    ``born`` is the attribute of its default order (``None``: the store's own creation time), ``owner``
    and ``subscription`` name the attributes that tie it to a customer and a subscription, ``soft`` says
    that deleting keeps the row with ``deleted: true``, ``versioned`` that it has ``updated_at``, ``numbered`` that it
    has a ``resource_version`` then.
    """

    name: str
    born: str | None = "created_at"
    key: str = "id"
    owner: str | None = None
    subscription: str | None = None
    soft: bool = False
    versioned: bool = True
    numbered: bool = True
    defaults: JsonObject = field(factory=dict)


_CUSTOMER: JsonObject = {
    "auto_collection": "on",
    "net_term_days": 0,
    "allow_direct_debit": False,
    "taxability": "taxable",
    "pii_cleared": "active",
    "channel": "web",
    "card_status": "no_card",
    "promotional_credits": 0,
    "unbilled_charges": 0,
    "refundable_credits": 0,
    "excess_payments": 0,
    "preferred_currency_code": "USD",
    "deleted": False,
}
_SUBSCRIPTION: JsonObject = {
    "currency_code": "USD",
    "status": "active",
    "has_scheduled_advance_invoices": False,
    "has_scheduled_changes": False,
    "channel": "web",
    "deleted": False,
    "decommissioned": False,
}
_INVOICE: JsonObject = {
    "recurring": True,
    "status": "paid",
    "price_type": "tax_exclusive",
    "currency_code": "USD",
    "tax": 0,
    "sub_total": 0,
    "total": 0,
    "amount_due": 0,
    "amount_paid": 0,
    "amount_adjusted": 0,
    "credits_applied": 0,
    "term_finalized": True,
    "is_gifted": False,
    "deleted": False,
}
_TRANSACTION: JsonObject = {
    "payment_method": "card",
    "gateway": "chargebee",
    "type": "payment",
    "currency_code": "USD",
    "status": "success",
    "amount": 0,
    "deleted": False,
}
_CARD: JsonObject = {
    "status": "valid",
    "gateway": "chargebee",
    "iin": "411111",
    "last4": "1111",
    "card_type": "visa",
    "funding_type": "credit",
    "expiry_month": 12,
    "expiry_year": 2030,
}
_ITEM: JsonObject = {
    "status": "active",
    "type": "plan",
    "is_giftable": False,
    "enabled_for_checkout": True,
    "enabled_in_portal": True,
    "metered": False,
    "deleted": False,
}
_ITEM_PRICE: JsonObject = {
    "status": "active",
    "pricing_model": "per_unit",
    "currency_code": "USD",
    "free_quantity": 0,
    "item_type": "plan",
    "deleted": False,
}
_PLAN: JsonObject = {
    "currency_code": "USD",
    "period": 1,
    "period_unit": "month",
    "pricing_model": "per_unit",
    "charge_model": "per_unit",
    "free_quantity": 0,
    "status": "active",
    "enabled_in_hosted_pages": True,
    "enabled_in_portal": True,
    "addon_applicability": "all",
    "giftable": False,
}
_ADDON: JsonObject = {
    "pricing_model": "per_unit",
    "type": "quantity",
    "charge_type": "recurring",
    "currency_code": "USD",
    "period": 1,
    "period_unit": "month",
    "status": "active",
    "enabled_in_portal": True,
}
_COUPON: JsonObject = {
    "discount_type": "percentage",
    "discount_percentage": 10.0,
    "duration_type": "forever",
    "status": "active",
    "apply_discount_on": "not_applicable",
    "apply_on": "invoice_amount",
    "redemptions": 0,
    "deleted": False,
}
_CREDIT_NOTE: JsonObject = {
    "type": "refundable",
    "status": "refund_due",
    "price_type": "tax_exclusive",
    "currency_code": "USD",
    "sub_total": 0,
    "total": 0,
    "deleted": False,
}
_UNBILLED: JsonObject = {
    "currency_code": "USD",
    "entity_type": "adhoc",
    "amount": 0,
    "is_voided": False,
    "deleted": False,
}
_SOURCE: JsonObject = {
    "type": "card",
    "reference_id": "tok",
    "status": "valid",
    "gateway": "chargebee",
    "deleted": False,
}
_PROMOTION: JsonObject = {
    "type": "increment",
    "amount": 0,
    "currency_code": "USD",
    "description": "Credits",
    "credit_type": "general",
    "closing_balance": 0,
}
_CODE: JsonObject = {"status": "not_redeemed", "coupon_id": "", "coupon_set_id": "", "coupon_set_name": ""}
_QUOTE: JsonObject = {
    "status": "open",
    "operation_type": "onetime_invoice",
    "price_type": "tax_exclusive",
    "valid_till": MISSING,
    "sub_total": 0,
    "total": 0,
    "amount_paid": 0,
    "credits_applied": 0,
    "version": 1,
    "currency_code": "USD",
    "deleted": False,
}
_EXPORT: JsonObject = {"operation_type": "customers", "mime_type": "zip", "status": "in_process"}
_EVENT: JsonObject = {"source": "api", "webhook_status": "not_configured", "api_version": "v2", "content": {}}
_ENDPOINT: JsonObject = {
    "name": "Webhook",
    "url": "http://127.0.0.1/",
    "api_version": "v2",
    "disabled": False,
    "primary_url": False,
    "send_card_resource": False,
}
_PAGE: JsonObject = {"type": "checkout_new", "state": "created", "embed": False, "content": {}}
_PORTAL: JsonObject = {"token": "token", "access_url": "https://site.example.com/portal", "status": "created"}

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("customer", soft=True, defaults=_CUSTOMER),
        Kind("card", key="payment_source_id", owner="customer_id", defaults=_CARD),
        Kind("subscription", owner="customer_id", soft=True, defaults=_SUBSCRIPTION),
        Kind("invoice", "date", owner="customer_id", subscription="subscription_id", soft=True, defaults=_INVOICE),
        Kind(
            "transaction", "date", owner="customer_id", subscription="subscription_id", soft=True, defaults=_TRANSACTION
        ),
        Kind("item_family", None, soft=True, defaults={"status": "active", "deleted": False}),
        Kind("item", None, soft=True, defaults=_ITEM),
        Kind("item_price", soft=True, defaults=_ITEM_PRICE),
        Kind("plan", None, soft=True, defaults=_PLAN),
        Kind("addon", None, soft=True, defaults=_ADDON),
        Kind("coupon", soft=True, defaults=_COUPON),
        Kind("coupon_set", None, versioned=False, defaults={"coupon_id": ""}),
        Kind("coupon_code", None, key="code", versioned=False, defaults=_CODE),
        Kind(
            "credit_note", "date", owner="customer_id", subscription="subscription_id", soft=True, defaults=_CREDIT_NOTE
        ),
        Kind(
            "unbilled_charge",
            owner="customer_id",
            subscription="subscription_id",
            soft=True,
            numbered=False,
            defaults=_UNBILLED,
        ),
        Kind("promotional_credit", owner="customer_id", versioned=False, defaults=_PROMOTION),
        Kind("payment_source", owner="customer_id", soft=True, defaults=_SOURCE),
        Kind("export", versioned=False, defaults=_EXPORT),
        Kind("quote", "date", owner="customer_id", subscription="subscription_id", soft=True, defaults=_QUOTE),
        Kind("event", "occurred_at", versioned=False, defaults=_EVENT),
        Kind("webhook_endpoint", None, versioned=False, defaults=_ENDPOINT),
        Kind("hosted_page", defaults=_PAGE),
        Kind("portal_session", owner="customer_id", versioned=False, defaults=_PORTAL),
    )
}


def kind_of(name: str) -> Kind:
    """The kind of that name, one of :data:`KINDS` or one that the catalogue alone describes; raises ``ValueError``."""
    if name in KINDS:
        return KINDS[name]
    # Read only when it is needed.
    from aiochargebee_gw.sandbox._generic.kinds import described

    found = described(name)
    if found is None:
        raise ValueError(f"the sandbox keeps no {name!r}; it keeps {', '.join(sorted(KINDS))} and all other resources")
    return found
