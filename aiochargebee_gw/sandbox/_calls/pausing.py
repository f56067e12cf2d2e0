"""Pausing and resuming subscriptions, now or later (https://apidocs.chargebee.com/docs/api/subscriptions)."""

from __future__ import annotations

from aiochargebee_gw.sandbox._calls.subscriptions import check_term, outcome
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._ledger import invoices
from aiochargebee_gw.sandbox._life import agenda, rows, transitions
from aiochargebee_gw.sandbox._life.billing import bill_lines
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._problems import missing, wrong_state, wrong_value


def pause(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/pause``: only one in trial, active or non-renewing can be paused, else 409."""
    value = agenda.touch(desk, id)
    params = desk.form(call, "subscription.pause")
    if value["status"] not in ("in_trial", "active", "non_renewing"):
        raise wrong_state(f"The subscription {id} is {value['status']} and cannot be paused.")
    option = params.get("pause_option") or "immediately"
    resume_date: int | None = params.get("resume_date")
    when = _when(desk, value, params, option)
    if option == "billing_cycles":
        resume_date = transitions.skip_terms(value, params.get("skip_billing_cycles") or 1)
    if resume_date is not None and resume_date <= (when or desk.at()):
        raise wrong_value("resume_date", "must be after the pause")
    if resume_date is not None:
        value["resume_date"] = resume_date
    note = rows.note_of(desk, id)
    if when is not None:
        value["pause_date"] = when
        rows.tell(desk, "subscription_pause_scheduled", rows.keep(desk, value, note))
        return outcome(desk, id)
    _drop_cancellation(value)
    transitions.pause(desk, value, note)
    bill = None
    if params.get("unbilled_charges_handling") == "invoice":
        bill = bill_lines(desk, id, [], discounted=False)
    if params.get("invoice_dunning_handling") == "stop":
        _stop_dunning(desk, id)
    return outcome(desk, id, None if bill is None else bill["id"])


def _when(desk: Desk, value: JsonObject, params: JsonObject, option: str) -> int | None:
    if option == "immediately":
        return None
    if value["status"] != "active":
        raise wrong_state(f"A subscription that is {value['status']} can only be paused immediately.")
    if option in ("end_of_term", "billing_cycles"):
        check_term(value)
        return int(value["current_term_end"])
    at: int | None = params.get("pause_date")
    if at is None:
        raise missing("pause_date")
    if at <= desk.at():
        raise wrong_value("pause_date", "must be in the future")
    return at


def _drop_cancellation(value: JsonObject) -> None:
    for name in ("cancelled_at", "cancel_schedule_created_at"):
        value.pop(name, None)


def _stop_dunning(desk: Desk, id: str) -> None:
    condition = "o.sub = ? AND json_extract(o.body, '$.dunning_status') = 'in_progress'"
    for bill in desk.store.matching("invoice", condition, (id,)):
        bill |= {"dunning_status": "stopped", "status": "not_paid"}
        bill.pop("next_retry_at", None)
        invoices.keep(desk, bill, "dunning_updated")


def resume(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/resume``: a paused one goes on, now or on a date; any other is 409."""
    value = agenda.touch(desk, id)
    params = desk.form(call, "subscription.resume")
    if value["status"] != "paused":
        raise wrong_state(f"The subscription {id} is {value['status']}, not paused.")
    note = rows.note_of(desk, id)
    if params.get("resume_option") == "specific_date":
        at: int | None = params.get("resume_date")
        if at is None:
            raise missing("resume_date")
        if at <= desk.at():
            raise wrong_value("resume_date", "must be in the future")
        value["resume_date"] = at
        rows.tell(desk, "subscription_resumption_scheduled", rows.keep(desk, value, note))
        return outcome(desk, id)
    bill = transitions.resume(desk, value, note, strict=True)
    return outcome(desk, id, None if bill is None else bill["id"])


def remove_scheduled_pause(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/remove_scheduled_pause``: 409 where none is scheduled."""
    value = agenda.touch(desk, id)
    desk.form(call, "subscription.remove_scheduled_pause")
    if value["status"] == "paused" or "pause_date" not in value:
        raise wrong_state(f"No pause of the subscription {id} is scheduled.")
    del value["pause_date"]
    value.pop("resume_date", None)
    rows.tell(desk, "subscription_scheduled_pause_removed", rows.keep(desk, value, rows.note_of(desk, id)))
    return outcome(desk, id)


def remove_scheduled_resumption(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/remove_scheduled_resumption``: 409 where none is scheduled."""
    value = agenda.touch(desk, id)
    desk.form(call, "subscription.remove_scheduled_resumption")
    if value["status"] != "paused" or "resume_date" not in value:
        raise wrong_state(f"No resumption of the subscription {id} is scheduled.")
    del value["resume_date"]
    rows.tell(desk, "subscription_scheduled_resumption_removed", rows.keep(desk, value, rows.note_of(desk, id)))
    return outcome(desk, id)


OPERATIONS = (
    ("POST", "subscriptions/*/pause", pause, None),
    ("POST", "subscriptions/*/resume", resume, None),
    ("POST", "subscriptions/*/remove_scheduled_pause", remove_scheduled_pause, None),
    ("POST", "subscriptions/*/remove_scheduled_resumption", remove_scheduled_resumption, None),
)
