"""Cancelling subscriptions: at once, at the end of the term or on a date."""

from __future__ import annotations

from aiochargebee_gw.sandbox._calls.reads import beside_subscription
from aiochargebee_gw.sandbox._dates import add_period
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._params import SUBSCRIPTION_CANCEL, SUBSCRIPTION_CANCEL_FOR_ITEMS, Schema
from aiochargebee_gw.sandbox._problems import missing, wrong_state, wrong_value

_ENDED = ("cancelled", "transferred")
_AT_TERM_END = ("end_of_term", "end_of_billing_term")


def cancel(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/cancel`` (1.0)."""
    return _cancel(desk, call, id, SUBSCRIPTION_CANCEL)


def cancel_for_items(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/cancel_for_items`` (2.0)."""
    return _cancel(desk, call, id, SUBSCRIPTION_CANCEL_FOR_ITEMS)


def _cancel(desk: Desk, call: Call, id: str, schema: Schema) -> JsonObject:
    """Already cancelled is 409; ``end_of_term`` leaves it ``non_renewing``, cancelled at its term's end."""
    value = desk.find("subscription", id)
    params = desk.params(call, schema)
    if value["status"] in _ENDED:
        raise wrong_state(f"The subscription {id} is already {value['status']}.")
    when = _when(desk, value, params)
    code = params.get("cancel_reason_code")
    if code is not None:
        value["cancel_reason_code"] = code
    if when is None:
        _end(value, desk.at())
        event = "subscription_cancelled"
    else:
        _schedule(value, when, desk.at())
        event = "subscription_cancellation_scheduled"
    saved = desk.save("subscription", value)
    customer = desk.store.get("customer", saved["customer_id"])
    desk.emit(event, {"subscription": saved, "customer": customer})
    return beside_subscription(desk, saved)


def _when(desk: Desk, value: JsonObject, params: JsonObject) -> int | None:
    """The Unix second of a cancellation that lies ahead, None for at once."""
    option = params.get("cancel_option")
    if params.get("end_of_term") or option in _AT_TERM_END:
        return _term_end(value, desk.at())
    at: int | None = params.get("cancel_at")
    if option == "specific_date" and at is None:
        raise missing("cancel_at")
    if at is None:
        return None
    if at <= desk.at():
        raise wrong_value("cancel_at", "must be in the future")
    return at


def _term_end(value: JsonObject, now: int) -> int:
    end: int | None = value.get("current_term_end") or value.get("trial_end") or value.get("start_date")
    if end is None:
        raise wrong_state("The subscription has no term that could end.")
    first, terms = end, 0
    # Seeded terms stand still while the clock runs on: catch up with the renewals in between.
    while end <= now:
        terms += 1
        end = add_period(first, terms * value.get("billing_period", 1), value.get("billing_period_unit", "month"))
    return end


def _end(value: JsonObject, at: int) -> None:
    value |= {"status": "cancelled", "cancelled_at": at, "mrr": 0}
    if "current_term_end" in value:
        value["current_term_end"] = at
    _forget(value)


def _schedule(value: JsonObject, when: int, now: int) -> None:
    value |= {"status": "non_renewing", "cancelled_at": when, "cancel_schedule_created_at": now}
    if "current_term_end" in value:
        value["current_term_end"] = max(when, value["current_term_end"])
    value["remaining_billing_cycles"] = 0
    _forget(value)


def _forget(value: JsonObject) -> None:
    for name in ("next_billing_at", "pause_date", "resume_date"):
        value.pop(name, None)
    for item in value.get("subscription_items", ()):
        item.pop("next_billing_at", None)
