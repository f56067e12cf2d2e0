"""The steps of a subscription's life, each taken at the moment it is due; every one writes, bills and tells."""

from __future__ import annotations

from aiochargebee_gw.sandbox._dates import add_period
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._life import rows, schedule, selling
from aiochargebee_gw.sandbox._life.billing import bill_lines

ENDED = ("cancelled", "transferred")


def start(desk: Desk, value: JsonObject, note: JsonObject) -> None:
    """A future subscription begins: with its trial, or at once with its first term."""
    begin = value["start_date"]
    value["started_at"] = begin
    if value.get("trial_end", 0) > begin:
        value |= {"status": "in_trial", "trial_start": begin}
        schedule.set_next_billing(value, value["trial_end"])
        rows.tell(desk, "subscription_started", rows.keep(desk, value, note))
        return
    value.pop("trial_end", None)
    rows.tell(desk, "subscription_started", {**value, "status": "active"})
    activate(desk, value, note)


def activate(desk: Desk, value: JsonObject, note: JsonObject, *, strict: bool = False) -> JsonObject | None:
    """The first paid term begins; after a trial that is to end in a cancellation, that happens instead."""
    at = desk.at()
    if value["status"] == "in_trial" and value.get("trial_end_action") == "cancel_subscription":
        end(desk, value, note)
        return None
    begin_term(value, note, at)
    value["activated_at"] = at
    value.setdefault("started_at", at)
    saved = rows.keep(desk, value, note)
    rows.tell(desk, "subscription_activated", saved)
    return bill_term(desk, saved["id"], first=True, strict=strict)


def begin_term(value: JsonObject, note: JsonObject, at: int) -> None:
    """An active term from ``at``; the last of a limited number of terms makes it ``non_renewing``."""
    value["status"] = "active"
    schedule.first_term(value, note, at)
    _count_cycle(value)


def _count_cycle(value: JsonObject) -> None:
    left = value.get("remaining_billing_cycles")
    if left is None:
        return
    value["remaining_billing_cycles"] = max(0, left - 1)
    if left <= 1:
        value |= {"status": "non_renewing", "cancelled_at": value["current_term_end"]}
        schedule.set_next_billing(value, None)


def bill_term(desk: Desk, id: str, *, first: bool = False, strict: bool = False) -> JsonObject | None:
    """The invoice of the current term; with the one-off charges and the set-up fee the first time."""
    value = desk.find("subscription", id)
    begin, end_ = value["current_term_start"], value["current_term_end"]
    lines = selling.recurring_lines(desk, value, begin, end_)
    if first:
        lines += selling.charge_lines(desk, value, begin)
        drop_charges(desk, value)
    return bill_lines(desk, id, lines, first=first, strict=strict)


def drop_charges(desk: Desk, value: JsonObject) -> None:
    """One-off charges leave the items once they are billed."""
    items = value.get("subscription_items", [])
    done = [item for item in items if item.get("item_type") == "charge" and "charge_on_event" not in item]
    if not done:
        return
    value["subscription_items"] = [item for item in items if item not in done]
    charged = [
        {"item_price_id": item["item_price_id"], "last_charged_at": desk.at(), "object": "charged_item"}
        for item in done
    ]
    value["charged_items"] = [*value.get("charged_items", []), *charged]
    desk.store.put("subscription", value)


def renew(desk: Desk, value: JsonObject, note: JsonObject) -> None:
    """The next term begins and is billed."""
    _drop_finished(value)
    schedule.next_term(value, note)
    _count_cycle(value)
    saved = rows.keep(desk, value, note)
    rows.tell(desk, "subscription_renewed", saved)
    bill_term(desk, saved["id"])


def _drop_finished(value: JsonObject) -> None:
    """Addons that were sold for a number of terms leave after the last one."""
    kept: list[JsonObject] = []
    for item in value.get("subscription_items", []):
        left = item.get("billing_cycles")
        if left is not None and item.get("item_type") == "addon":
            if left <= 1:
                continue
            item["billing_cycles"] = left - 1
        kept.append(item)
    if kept:
        value["subscription_items"] = kept


def pause(desk: Desk, value: JsonObject, note: JsonObject) -> JsonObject:
    """Nothing is billed until it is resumed."""
    value |= {"status": "paused", "pause_date": desk.at()}
    schedule.set_next_billing(value, None)
    note.pop("scheduled", None)
    value["has_scheduled_changes"] = False
    value.pop("changes_scheduled_at", None)
    saved = rows.keep(desk, value, note)
    rows.tell(desk, "subscription_paused", saved)
    return saved


def resume(desk: Desk, value: JsonObject, note: JsonObject, *, strict: bool = False) -> JsonObject | None:
    """Go on: within the term that was paid, or with a new term from now; gives the new invoice if any."""
    at = desk.at()
    value.pop("pause_date", None)
    value.pop("resume_date", None)
    if "current_term_end" not in value and value.get("trial_end", 0) > at:
        value["status"] = "in_trial"
        schedule.set_next_billing(value, value["trial_end"])
        rows.tell(desk, "subscription_resumed", rows.keep(desk, value, note))
        return None
    value["status"] = "active"
    value.setdefault("activated_at", at)
    fresh = value.get("current_term_end", 0) <= at
    if fresh:
        begin_term(value, note, at)
    elif value.get("remaining_billing_cycles") == 0:
        value |= {"status": "non_renewing", "cancelled_at": value["current_term_end"]}
    else:
        schedule.set_next_billing(value, value["current_term_end"])
    saved = rows.keep(desk, value, note)
    rows.tell(desk, "subscription_resumed", saved)
    return bill_term(desk, saved["id"], strict=strict) if fresh else None


def end(desk: Desk, value: JsonObject, note: JsonObject, *, reason: str | None = None) -> JsonObject:
    """Cancelled, from now on."""
    at = desk.at()
    value |= {"status": "cancelled", "cancelled_at": at}
    if reason is not None:
        value["cancel_reason"] = reason
    if "current_term_end" in value:
        value["current_term_end"] = at
        value["current_term_start"] = min(value["current_term_start"], at)
    schedule.set_next_billing(value, None)
    for name in ("pause_date", "resume_date", "changes_scheduled_at"):
        value.pop(name, None)
    value["has_scheduled_changes"] = False
    note.pop("scheduled", None)
    saved = rows.keep(desk, value, note)
    rows.tell(desk, "subscription_cancelled", saved)
    return saved


def skip_terms(value: JsonObject, count: int) -> int:
    """The Unix second at which a pause over ``count`` terms after the current one ends."""
    period, unit = schedule.term_of(value)
    return add_period(value["current_term_end"], count * period, unit)
