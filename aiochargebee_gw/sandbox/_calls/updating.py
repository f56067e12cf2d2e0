"""Changing subscriptions: items and plans, now or at the term's end; the term; coupons; charges for later."""

from __future__ import annotations

from aiochargebee_gw.sandbox._billing.amounts import share
from aiochargebee_gw.sandbox._billing.lines import Line
from aiochargebee_gw.sandbox._calls.invoicing import charge_lines
from aiochargebee_gw.sandbox._calls.reads import beside_subscription
from aiochargebee_gw.sandbox._calls.subscriptions import KEPT, check_term, outcome
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._ledger import unbilled
from aiochargebee_gw.sandbox._life import agenda, changes, coupons, rows, sales, schedule, selling, transitions
from aiochargebee_gw.sandbox._life.billing import bill_lines
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._problems import missing, wrong_state, wrong_value


def update_for_items(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/update_for_items`` (2.0)."""
    return _update(desk, id, desk.form(call, "subscription.update_for_items", custom="subscription"))


def update(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}`` (1.0)."""
    return _update(desk, id, desk.form(call, "subscription.update", custom="subscription"))


def _update(desk: Desk, id: str, params: JsonObject) -> JsonObject:
    """``end_of_term`` keeps the change for the renewal; else it takes effect now, prorated unless ``prorate=false``."""
    value = agenda.touch(desk, id)
    _check_state(value, params)
    when = _when(desk, value, params)
    _own_attributes(desk, value, params)
    note = rows.note_of(desk, id)
    if when is not None:
        changes.schedule_change(desk, value, note, params, when)
        return outcome(desk, id)
    if value["status"] == "cancelled":
        return _come_back(desk, value, note, params)
    if value["status"] in ("future", "in_trial"):
        return _before_billing(desk, value, note, params)
    prorate = params.get("prorate") is not False
    done = changes.apply(desk, value, note, params, prorate=prorate)
    return outcome(desk, id, done.invoice_id, done.credit_notes, done.unbilled)


def _check_state(value: JsonObject, params: JsonObject) -> None:
    status = value["status"]
    if status in ("paused", "transferred") or (status == "cancelled" and not params.get("reactivate")):
        raise wrong_state(f"The subscription {value['id']} is {status} and cannot be changed.")
    if status in ("active", "non_renewing"):
        check_term(value)


def _when(desk: Desk, value: JsonObject, params: JsonObject) -> int | None:
    option = params.get("change_option")
    if params.get("end_of_term") or option == "end_of_term":
        end: int | None = value.get("current_term_end") if value["status"] != "in_trial" else value.get("trial_end")
        if value["status"] not in ("active", "in_trial") or end is None:
            raise wrong_state("Only an active subscription can be changed at the end of its term.")
        return end
    if option != "specific_date":
        return None
    at: int | None = params.get("changes_scheduled_at")
    if at is None:
        raise missing("changes_scheduled_at")
    if at <= desk.at() or at > value.get("current_term_end", at):
        raise wrong_value("changes_scheduled_at", "must be in the future and within the current term")
    return at


def _own_attributes(desk: Desk, value: JsonObject, params: JsonObject) -> None:
    """What takes effect at once and bills nothing; a blank value clears."""
    names = [name for name in KEPT if name not in ("setup_fee", "coupon")]
    for name in [*names, *(name for name in params if name.startswith("cf_"))]:
        if name in params:
            value[name] = params[name]
    if params.get("shipping_address"):
        sent = without_nulls(params["shipping_address"])
        value["shipping_address"] = {"validation_status": "not_validated", **sent, "object": "shipping_address"}
    if params.get("replace_coupon_list"):
        value["coupons"] = []
    fresh = coupons.redeem_all(desk, params)
    value["coupons"] = [*(value.get("coupons") or []), *fresh] or None
    _discounts(desk, value, params.get("discounts") or [])
    for name in [name for name, item in value.items() if item is None]:
        del value[name]


def _discounts(desk: Desk, value: JsonObject, sent: list[JsonObject]) -> None:
    gone = {row["id"] for row in sent if row.get("operation_type") == "remove" and row.get("id")}
    fresh = [row for row in sent if row.get("operation_type") != "remove"]
    if not gone and not fresh:
        return
    kept = [row for row in value.get("discounts", []) if row["id"] not in gone]
    value["discounts"] = kept + coupons.discount_rows(desk, value["currency_code"], fresh, len(kept))


def _before_billing(desk: Desk, value: JsonObject, note: JsonObject, params: JsonObject) -> JsonObject:
    """A future or trial subscription: nothing is billed yet, so nothing is prorated."""
    at, id = desk.at(), value["id"]
    changed = changes.recast(desk, value, params)
    if params.get("setup_fee") is not None:
        changed["setup_fee"] = params["setup_fee"]
    start, trial = params.get("start_date"), params.get("trial_end")
    if changed["status"] == "future" and start is not None:
        if start <= at:
            raise wrong_value("start_date", "must be in the future")
        changed |= {"start_date": start, "next_billing_at": start}
    extended = trial is not None and trial > changed.get("trial_end", 0)
    if trial is not None and trial > at:
        changed["trial_end"] = trial
        if changed["status"] == "in_trial":
            schedule.set_next_billing(changed, trial)
    saved = rows.keep(desk, changed, note)
    rows.tell(desk, "subscription_trial_extended" if extended else "subscription_changed", saved)
    if trial is not None and trial <= at and saved["status"] == "in_trial":
        saved.pop("trial_end_action", None)
        saved["trial_end"] = at
        bill = transitions.activate(desk, saved, note, strict=True)
        return outcome(desk, id, None if bill is None else bill["id"])
    return outcome(desk, id)


def _come_back(desk: Desk, value: JsonObject, note: JsonObject, params: JsonObject) -> JsonObject:
    """A cancelled subscription is changed and reactivated in one call."""
    changed = changes.recast(desk, value, params)
    for name in ("cancelled_at", "cancel_reason", "cancel_reason_code", "cancel_schedule_created_at"):
        changed.pop(name, None)
    if params.get("billing_cycles") is None:
        changed.pop("remaining_billing_cycles", None)
    transitions.begin_term(changed, note, desk.at())
    changed["activated_at"] = desk.at()
    rows.tell(desk, "subscription_reactivated", rows.keep(desk, changed, note))
    bill = transitions.bill_term(desk, value["id"], first=True, strict=True)
    return outcome(desk, value["id"], None if bill is None else bill["id"])


def retrieve_with_scheduled_changes(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``GET /subscriptions/{id}/retrieve_with_scheduled_changes``: as it will be; 409 where nothing is scheduled."""
    value = desk.find("subscription", id)
    planned = rows.note_of(desk, id).get("scheduled")
    if planned is None:
        raise wrong_state(f"No change of the subscription {id} is scheduled.")
    return beside_subscription(desk, changes.recast(desk, value, planned["params"]))


def remove_scheduled_changes(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/remove_scheduled_changes``."""
    value = agenda.touch(desk, id)
    desk.form(call, "subscription.remove_scheduled_changes")
    note = rows.note_of(desk, id)
    if "scheduled" not in note:
        raise wrong_state(f"No change of the subscription {id} is scheduled.")
    del note["scheduled"]
    value |= {"has_scheduled_changes": False}
    value.pop("changes_scheduled_at", None)
    rows.tell(desk, "subscription_scheduled_changes_removed", rows.keep(desk, value, note))
    return outcome(desk, id)


def change_term_end(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/change_term_end``: the term (or trial) ends then; ``prorate`` bills or credits."""
    value = agenda.touch(desk, id)
    params = desk.form(call, "subscription.change_term_end")
    end: int = params["term_ends_at"]
    if end <= desk.at():
        raise wrong_value("term_ends_at", "must be in the future")
    if value["status"] not in ("in_trial", "active", "non_renewing"):
        raise wrong_state(f"The subscription {id} is {value['status']} and has no term that could be changed.")
    note = rows.note_of(desk, id)
    if value["status"] != "in_trial":
        check_term(value)
    if value["status"] == "in_trial":
        value["trial_end"] = end
        schedule.set_next_billing(value, end)
        rows.tell(desk, "subscription_changed", rows.keep(desk, value, note))
        return outcome(desk, id)
    return _new_term_end(desk, value, note, params, end)


def _new_term_end(desk: Desk, value: JsonObject, note: JsonObject, params: JsonObject, end: int) -> JsonObject:
    id, begin, old = value["id"], value["current_term_start"], value["current_term_end"]
    schedule.set_term(value, begin, end, bills=value["status"] == "active")
    value = without_nulls(value)
    note |= {"anchor": end, "terms": 0}
    if value["status"] == "non_renewing":
        value["cancelled_at"] = end
    if "scheduled" in note and note["scheduled"]["at"] == old:
        note["scheduled"]["at"] = value["changes_scheduled_at"] = end
    rows.tell(desk, "subscription_changed", rows.keep(desk, value, note))
    if not params.get("prorate"):
        return outcome(desk, id)
    lines = selling.recurring_lines(desk, value, begin, old)
    if end < old:
        made = changes.credit_unused(desk, id, lines, end, "subscription_change")
        return outcome(desk, id, notes=[row["id"] for row in made])
    longer = [_stretched(line, begin, old, end) for line in lines]
    bill = bill_lines(desk, id, [line for line in longer if line.amount], strict=True)
    return outcome(desk, id, None if bill is None else bill["id"])


def _stretched(line: Line, begin: int, old: int, end: int) -> Line:
    amount = share(line.amount, end - old, old - begin)
    return changes.part_of(line, amount, old, end)


def add_charge_at_term_end(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/add_charge_at_term_end``: an unbilled charge, which the renewal takes along.

    The estimate in the answer says when it was made, and no more.
    """
    value = agenda.touch(desk, id)
    params = desk.form(call, "subscription.add_charge_at_term_end")
    if params.get("amount") is None:
        raise missing("amount")
    return _at_term_end(desk, value, charge_lines(desk, {"charges": [params], "subscription_id": id}))


def charge_addon_at_term_end(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/charge_addon_at_term_end`` (1.0)."""
    value = agenda.touch(desk, id)
    params = desk.form(call, "subscription.charge_addon_at_term_end")
    row = {"id": params["addon_id"], "quantity": params.get("addon_quantity")}
    row["unit_price"] = params.get("addon_unit_price")
    at = desk.at()
    made = sales.addon_rows(desk, [row], value["currency_code"])
    return _at_term_end(desk, value, [selling.addon_line(desk, id, one, at, at) for one in made])


def _at_term_end(desk: Desk, value: JsonObject, lines: list[Line]) -> JsonObject:
    if value["status"] not in ("active", "non_renewing", "in_trial"):
        raise wrong_state(f"The subscription {value['id']} is {value['status']} and has no term that will end.")
    unbilled.add(desk, value, lines)
    return {"estimate": {"created_at": desk.at(), "object": "estimate"}}


def remove_coupons(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /subscriptions/{id}/remove_coupons``: those named, or all."""
    value = agenda.touch(desk, id)
    params = desk.form(call, "subscription.remove_coupons")
    gone = params.get("coupon_ids")
    kept = [row for row in value.get("coupons", []) if gone and row["coupon_id"] not in gone]
    value["coupons"] = kept or None
    rows.tell(desk, "subscription_changed", rows.keep(desk, value, rows.note_of(desk, id)))
    return outcome(desk, id)


OPERATIONS = (
    ("POST", "subscriptions/*/update_for_items", update_for_items, "pc2"),
    ("POST", "subscriptions/*", update, "pc1"),
    ("GET", "subscriptions/*/retrieve_with_scheduled_changes", retrieve_with_scheduled_changes, None),
    ("POST", "subscriptions/*/remove_scheduled_changes", remove_scheduled_changes, None),
    ("POST", "subscriptions/*/change_term_end", change_term_end, None),
    ("POST", "subscriptions/*/remove_coupons", remove_coupons, None),
    ("POST", "subscriptions/*/add_charge_at_term_end", add_charge_at_term_end, None),
    ("POST", "subscriptions/*/charge_addon_at_term_end", charge_addon_at_term_end, "pc1"),
)
