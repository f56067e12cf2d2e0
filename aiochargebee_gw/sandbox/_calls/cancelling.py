"""Cancelling subscriptions: at once, at the end of the term or on a date; taking that back; bringing them back."""

from __future__ import annotations

from aiochargebee_gw.sandbox._calls.subscriptions import outcome
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._ledger import credits, refunds, unbilled
from aiochargebee_gw.sandbox._life import agenda, changes, rows, schedule, selling, transitions
from aiochargebee_gw.sandbox._life.billing import bill_lines
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._params import SUBSCRIPTION_CANCEL, SUBSCRIPTION_CANCEL_FOR_ITEMS, Schema
from aiochargebee_gw.sandbox._problems import missing, wrong_state, wrong_value

_AT_TERM_END = ("end_of_term", "end_of_billing_term")


def cancel(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/cancel`` (1.0)."""
    return _cancel(desk, call, id, SUBSCRIPTION_CANCEL)


def cancel_for_items(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/cancel_for_items`` (2.0)."""
    return _cancel(desk, call, id, SUBSCRIPTION_CANCEL_FOR_ITEMS)


def _cancel(desk: Desk, call: Call, id: str, schema: Schema) -> JsonObject:
    """Already cancelled is 409; ``end_of_term`` leaves it ``non_renewing``, cancelled at its term's end."""
    value = agenda.touch(desk, id)
    params = desk.params(call, schema)
    if value["status"] in transitions.ENDED:
        raise wrong_state(f"The subscription {id} is already {value['status']}.")
    when = _when(desk, value, params)
    if params.get("cancel_reason_code") is not None:
        value["cancel_reason_code"] = params["cancel_reason_code"]
    note = rows.note_of(desk, id)
    if when is not None:
        _schedule(desk, value, note, when)
        return outcome(desk, id)
    old = value | {}
    transitions.end(desk, value, note)
    notes = _credit(desk, old, params)
    bill = _charges_left(desk, id, params.get("unbilled_charges_option"))
    if params.get("account_receivables_handling") == "write_off":
        _write_off(desk, id)
    if params.get("refundable_credits_handling") == "schedule_refund":
        _refund(desk, old)
    return outcome(desk, id, bill, notes)


def _when(desk: Desk, value: JsonObject, params: JsonObject) -> int | None:
    """The Unix second of a cancellation that lies ahead, None for at once."""
    option = params.get("cancel_option")
    if params.get("end_of_term") or option in _AT_TERM_END:
        return _term_end(value)
    at: int | None = params.get("cancel_at")
    if option == "specific_date" and at is None:
        raise missing("cancel_at")
    if at is None:
        return None
    if at <= desk.at():
        raise wrong_value("cancel_at", "must be in the future")
    return at


def _term_end(value: JsonObject) -> int:
    if value["status"] == "paused":
        raise wrong_state("A paused subscription has no term that will end.")
    end: int | None = value.get("current_term_end") or value.get("trial_end") or value.get("start_date")
    if end is None:
        raise wrong_state("The subscription has no term that could end.")
    return end


def _schedule(desk: Desk, value: JsonObject, note: JsonObject, when: int) -> None:
    value |= {"cancelled_at": when, "cancel_schedule_created_at": desk.at()}
    if value["status"] in ("active", "non_renewing"):
        value |= {"status": "non_renewing", "remaining_billing_cycles": 0}
        value["current_term_end"] = max(when, value.get("current_term_end", when))
    schedule.set_next_billing(value, None)
    value.pop("pause_date", None)
    value.pop("resume_date", None)
    rows.tell(desk, "subscription_cancellation_scheduled", rows.keep(desk, value, note))


def _credit(desk: Desk, old: JsonObject, params: JsonObject) -> list[str]:
    option = params.get("credit_option_for_current_term_charges") or "none"
    if option not in ("prorate", "full") or "current_term_end" not in old:
        return []
    lines = selling.recurring_lines(desk, old, 0, 0)
    made = changes.credit_unused(desk, old["id"], lines, desk.at(), "subscription_cancellation", full=option == "full")
    return [row["id"] for row in made]


def _charges_left(desk: Desk, id: str, option: str | None) -> str | None:
    """Unbilled charges are invoiced unless they are to be deleted; gives the invoice's id."""
    if option == "delete":
        for row in unbilled.open_charges(desk, id):
            unbilled.drop(desk, row)
        return None
    bill = bill_lines(desk, id, [], discounted=False)
    return None if bill is None else bill["id"]


def _write_off(desk: Desk, id: str) -> None:
    condition = "o.sub = ? AND json_extract(o.body, '$.amount_due') > 0"
    for bill in desk.store.matching("invoice", condition, (id,)):
        if bill["status"] != "pending":
            credits.adjust(desk, bill, bill["amount_due"], "write_off")


def _refund(desk: Desk, old: JsonObject) -> None:
    for note in credits.available(desk, old["customer_id"], old["currency_code"]):
        if note.get("subscription_id") == old["id"]:
            refunds.online(desk, note, note["amount_available"])


def remove_scheduled_cancellation(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/remove_scheduled_cancellation``: it renews again."""
    value = agenda.touch(desk, id)
    params = desk.form(call, "subscription.remove_scheduled_cancellation")
    if value["status"] not in schedule.LIVE or "cancelled_at" not in value:
        raise wrong_state(f"No cancellation of the subscription {id} is scheduled.")
    for name in ("cancelled_at", "cancel_schedule_created_at", "cancel_reason_code", "remaining_billing_cycles"):
        value.pop(name, None)
    if params.get("billing_cycles") is not None:
        value["remaining_billing_cycles"] = params["billing_cycles"]
    if value["status"] == "non_renewing":
        value["status"] = "active"
    again = {"future": value.get("start_date"), "in_trial": value.get("trial_end")}
    schedule.set_next_billing(value, again.get(value["status"], value.get("current_term_end")))
    saved = rows.keep(desk, value, rows.note_of(desk, id))
    rows.tell(desk, "subscription_scheduled_cancellation_removed", saved)
    return outcome(desk, id)


def reactivate(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/reactivate``: a cancelled one begins a new term, or a trial, now."""
    value = agenda.touch(desk, id)
    params = desk.form(call, "subscription.reactivate")
    if value["status"] != "cancelled":
        raise wrong_state(f"The subscription {id} is {value['status']}, not cancelled.")
    at = desk.at()
    for name in ("cancelled_at", "cancel_reason", "cancel_reason_code", "cancel_schedule_created_at"):
        value.pop(name, None)
    value.pop("remaining_billing_cycles", None)
    if params.get("billing_cycles") is not None:
        value["remaining_billing_cycles"] = params["billing_cycles"]
    trial = _trial(params, at)
    note = rows.note_of(desk, id)
    if trial is not None:
        for name in ("current_term_start", "current_term_end"):
            value.pop(name, None)
        value |= {"status": "in_trial", "trial_start": at, "trial_end": trial}
        schedule.set_next_billing(value, trial)
    else:
        transitions.begin_term(value, note, at)
        value["activated_at"] = at
        value.setdefault("started_at", at)
    rows.tell(desk, "subscription_reactivated", rows.keep(desk, value, note))
    return (
        _billed(desk, id, immediately=params.get("invoice_immediately") is not False)
        if trial is None
        else outcome(desk, id)
    )


def _trial(params: JsonObject, at: int) -> int | None:
    end: int | None = params.get("trial_end")
    if params.get("trial_period_days"):
        end = at + int(params["trial_period_days"]) * 86_400
    return end if end is not None and end > at else None


def _billed(desk: Desk, id: str, *, immediately: bool) -> JsonObject:
    if immediately:
        bill = transitions.bill_term(desk, id, strict=True)
        return outcome(desk, id, None if bill is None else bill["id"])
    value = desk.find("subscription", id)
    lines = selling.recurring_lines(desk, value, value["current_term_start"], value["current_term_end"])
    made = unbilled.add(desk, value, [line for line in lines if line.amount])
    return outcome(desk, id, charges=[row["id"] for row in made])


def delete(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/delete``: the subscription is marked deleted; its unbilled charges go with it."""
    value = agenda.touch(desk, id)
    desk.form(call, "subscription.delete")
    for row in unbilled.open_charges(desk, id):
        unbilled.drop(desk, row)
    saved = rows.keep(desk, {**value, "deleted": True}, rows.note_of(desk, id))
    rows.tell(desk, "subscription_deleted", saved)
    return {
        name: item
        for name, item in {
            "subscription": saved,
            "customer": desk.store.get("customer", saved["customer_id"]),
            "card": desk.card_of(saved["customer_id"]),
        }.items()
        if item is not None
    }


OPERATIONS = (
    ("POST", "subscriptions/*/cancel", cancel, "pc1"),
    ("POST", "subscriptions/*/cancel_for_items", cancel_for_items, "pc2"),
    ("POST", "subscriptions/*/remove_scheduled_cancellation", remove_scheduled_cancellation, None),
    ("POST", "subscriptions/*/reactivate", reactivate, None),
    ("POST", "subscriptions/*/delete", delete, None),
)
