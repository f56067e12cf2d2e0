"""Subscriptions of every status, in the shape of either Product Catalog."""

from __future__ import annotations

from random import Random

from attrs import frozen

from aiochargebee_gw.sandbox._dates import terms
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._money import Line
from aiochargebee_gw.sandbox._seed.people import DAY, NO_UPDATE_SHARE, Person
from aiochargebee_gw.sandbox._seed.products import PRODUCTS, Product, plan_id, price, price_id

_PLANS = tuple(product for product in PRODUCTS if product.type == "plan" and product.status == "active")
_ADDONS = tuple(product for product in PRODUCTS if product.type == "addon")
STATUSES = (
    *("active",) * 66,
    *("cancelled",) * 16,
    *("non_renewing",) * 6,
    *("in_trial",) * 5,
    *("paused",) * 3,
    *("future",) * 3,
    "transferred",
)


@frozen
class Deal:
    """What one subscription was sold as; times are Unix seconds."""

    id: str
    customer_id: str
    plan: Product
    unit: str
    quantity: int
    addon: Product | None
    currency: str
    legacy: bool
    status: str
    created: int
    started: int
    updated: int | None
    now: int

    @property
    def unit_price(self) -> int:
        """Price of one plan unit; volume pricing is cheaper from the eleventh on."""
        full = price(self.plan, self.currency, self.unit)
        return full * 8 // 10 if self.plan.model == "volume" and self.quantity > 10 else full

    @property
    def plan_amount(self) -> int:
        """Price of the plan for one term."""
        return self.unit_price if self.plan.model == "flat_fee" else self.unit_price * self.quantity

    @property
    def addon_price(self) -> int:
        """Price of the addon for one month, 0 without one."""
        return price(self.addon, self.currency, "month") if self.addon else 0

    @property
    def plan_reference(self) -> str:
        """The id under which the plan is sold in this Product Catalog."""
        sell = plan_id if self.legacy else price_id
        return sell(self.plan, self.currency, self.unit)


def deal(rng: Random, who: Person, id: str, customer_id: str, *, legacy: bool, now: int) -> Deal:
    """Draw a subscription for a customer; the first customer's is an active one."""
    plan = rng.choice(_PLANS)
    unit = "year" if rng.random() < 0.3 else "month"
    quantity = 1 if plan.model == "flat_fee" else rng.randrange(1, 25)
    addon = rng.choice(_ADDONS) if unit == "month" and not legacy and rng.random() < 0.25 else None
    status = rng.choice(STATUSES) if id != "sub_1" else "active"
    created = min(who.created + rng.randrange(2 * DAY), now - DAY)
    if status == "in_trial":
        created = now - rng.randrange(1, 10) * DAY
    if status == "future":
        created = max(who.created, now - rng.randrange(1, 20) * DAY)
    updated = None if rng.random() < NO_UPDATE_SHARE else created
    if updated is not None and status != "future":
        updated = created + int((now - created) * rng.random())
    return Deal(
        id, customer_id, plan, unit, quantity, addon, who.currency, legacy, status, created, created, updated, now
    )


def subscription(rng: Random, sold: Deal, *, rich: bool) -> JsonObject:
    """The subscription object, attributes in the vendor's order."""
    schedule = _schedule(rng, sold)
    changed = sold.created if sold.updated is None else sold.updated
    monthly = sold.plan_amount // (12 if sold.unit == "year" else 1) + sold.addon_price
    value: JsonObject = {
        "id": sold.id,
        "currency_code": sold.currency,
        "billing_period": 1,
        "billing_period_unit": sold.unit,
        "customer_id": sold.customer_id,
        "status": sold.status,
        "created_at": sold.created,
        **schedule,
        "auto_collection": rng.choice(("on", "on", "off")) if rich else None,
        "po_number": f"PO-{rng.randrange(1000, 9999)}" if rich else None,
        "created_from_ip": f"198.51.100.{rng.randrange(1, 255)}" if rich else None,
        "resource_version": changed * 1000 + rng.randrange(1000),
        "updated_at": sold.updated,
        "has_scheduled_advance_invoices": False,
        "has_scheduled_changes": rng.random() < 0.03,
        "channel": "web",
        "net_term_days": rng.choice((0, 30)) if rich else None,
        **(_legacy_plan(sold) if sold.legacy else _items(sold, schedule)),
        "due_invoices_count": 0,
        "mrr": 0 if sold.status in ("cancelled", "future", "in_trial") else monthly,
        "exchange_rate": 1.0 if rich else None,
        "base_currency_code": sold.currency if rich else None,
        **(_rich(rng, sold) if rich else {}),
        "deleted": False,
        "decommissioned": False,
        "object": "subscription",
    }
    return without_nulls(value)


def _schedule(rng: Random, sold: Deal) -> JsonObject:
    if sold.status == "future":
        return {"start_date": sold.now + rng.randrange(1, 60) * DAY}
    if sold.status == "in_trial":
        end = sold.created + 14 * DAY
        trial: JsonObject = {"trial_start": sold.created, "trial_end": end, "started_at": sold.created}
        return {**trial, "next_billing_at": end, "trial_end_action": "site_default"}
    last = sold.now if sold.status not in ("cancelled", "transferred") else _ended(rng, sold)
    start, end = terms(sold.started, last, 1, sold.unit)[-1]
    value: JsonObject = {
        "started_at": sold.started,
        "activated_at": sold.started,
        "current_term_start": start,
        "current_term_end": end,
    }
    return {**value, **_ending(rng, sold, last, end)}


def _ended(rng: Random, sold: Deal) -> int:
    return sold.created + 1 + int((sold.now - sold.created - 1) * rng.random())


def _ending(rng: Random, sold: Deal, last: int, term_end: int) -> JsonObject:
    if sold.status == "active":
        return {"next_billing_at": term_end, "remaining_billing_cycles": 3 if rng.random() < 0.1 else None}
    if sold.status == "non_renewing":
        return {"cancelled_at": term_end, "cancel_schedule_created_at": sold.now - DAY, "remaining_billing_cycles": 0}
    if sold.status == "paused":
        return {"pause_date": sold.now - 3 * DAY, "resume_date": sold.now + 60 * DAY}
    code = rng.choice(("Too expensive", "Switched", "Ikke i bruk"))
    reason = rng.choice((None, None, None, "not_paid", "no_card"))
    return {"cancelled_at": last, "current_term_end": last, "cancel_reason": reason, "cancel_reason_code": code}


def _legacy_plan(sold: Deal) -> JsonObject:
    return {
        "plan_id": sold.plan_reference,
        "plan_quantity": sold.quantity,
        "plan_unit_price": sold.unit_price,
        "plan_amount": sold.plan_amount,
        "plan_free_quantity": 0,
    }


def _items(sold: Deal, schedule: JsonObject) -> JsonObject:
    plan: JsonObject = {
        "item_price_id": sold.plan_reference,
        "item_type": "plan",
        "quantity": sold.quantity,
        "unit_price": sold.unit_price,
        "amount": sold.plan_amount,
        "current_term_start": schedule.get("current_term_start"),
        "current_term_end": schedule.get("current_term_end"),
        "next_billing_at": schedule.get("next_billing_at"),
        "billing_period": 1,
        "billing_period_unit": sold.unit,
        "free_quantity": 0,
        "trial_end": schedule.get("trial_end"),
        "object": "subscription_item",
    }
    rows = [without_nulls(plan)]
    if sold.addon is not None:
        addon = {
            "item_price_id": price_id(sold.addon, sold.currency, "month"),
            "item_type": "addon",
            "quantity": 1,
            "unit_price": sold.addon_price,
            "amount": sold.addon_price,
            "free_quantity": 0,
            "object": "subscription_item",
        }
        rows.append(addon)
    return {"subscription_items": rows, "item_tiers": _tiers(sold)}


def _tiers(sold: Deal) -> list[JsonObject] | None:
    if sold.plan.model != "volume":
        return None
    full = price(sold.plan, sold.currency, sold.unit)
    base = {"item_price_id": sold.plan_reference, "index": 0, "object": "item_tier"}
    return [
        {**base, "starting_unit": 1, "ending_unit": 10, "price": full},
        {**base, "starting_unit": 11, "price": full * 8 // 10},
    ]


def _rich(rng: Random, sold: Deal) -> JsonObject:
    address = {"line1": "Warehouse 3", "city": "Ålesund", "country": "NO", "validation_status": "not_validated"}
    coupon = {"coupon_id": "WELCOME", "applied_count": 1, "object": "coupon"}
    return {
        "total_dues": 0,
        "coupons": [coupon] if rng.random() < 0.2 else None,
        "shipping_address": {**address, "object": "shipping_address"},
        "invoice_notes": "Takk!" if rng.random() < 0.3 else None,
        "meta_data": {"deal": sold.id},
        "override_relationship": False,
        "create_pending_invoices": False,
        "auto_close_invoices": True,
        "cf_cost_center": rng.choice(("CC-100", "CC-200", "CC-Ø")),
        "cf_seats_used": rng.randrange(sold.quantity + 1),
        "cf_self_service": rng.random() < 0.5,
        "cf_onboarded_at": sold.created + 7 * DAY,
    }


def lines(sold: Deal, start: int, end: int) -> list[Line]:
    """The invoice lines of one term."""
    kind = "plan" if sold.legacy else "plan_item_price"
    name = sold.plan.name
    found = [
        Line(sold.plan_reference, kind, name, sold.quantity, sold.unit_price, start, end, sold.plan.model),
    ]
    if sold.addon is not None:
        reference = price_id(sold.addon, sold.currency, "month")
        addon = Line(reference, "addon_item_price", sold.addon.name, 1, sold.addon_price, start, end)
        found.append(addon)
    return found


def billed_terms(sold: Deal, value: JsonObject, limit: int) -> list[tuple[int, int]]:
    """The last ``limit`` terms of a subscription that were invoiced."""
    if "activated_at" not in value:
        return []
    until = min(value.get("cancelled_at", sold.now), sold.now)
    return terms(sold.started, until, 1, sold.unit)[-limit:]
