"""What lies ahead of a subscription, read from the subscription alone: pure functions, Unix seconds."""

from __future__ import annotations

from attrs import frozen

from aiochargebee_gw.sandbox._dates import add_period
from aiochargebee_gw.sandbox._json import JsonObject

LIVE = ("future", "in_trial", "active", "non_renewing", "paused")
RUNNING = ("in_trial", "active", "non_renewing")
_ORDER = ("cancel", "change", "pause", "start", "activate", "renew", "resume")
"""What goes first of two things in one second."""


@frozen
class Step:
    """The next thing that happens to a subscription."""

    due: int
    name: str


def next_step(value: JsonObject, note: JsonObject) -> Step | None:
    """The earliest step, None for a subscription that nothing lies ahead of."""
    found = [Step(due, name) for name, due in _dues(value, note).items() if due is not None]
    return min(found, key=lambda step: (step.due, _ORDER.index(step.name)), default=None)


def _dues(value: JsonObject, note: JsonObject) -> dict[str, int | None]:
    status = value["status"]
    change = note.get("scheduled", {}).get("at")
    ends = value.get("cancelled_at") if status not in ("cancelled", "transferred") else None
    if status == "future":
        return {"start": value.get("start_date"), "cancel": ends}
    if status == "in_trial":
        return {"activate": value.get("trial_end"), "cancel": ends, "change": change}
    if status == "active":
        return {"renew": value.get("next_billing_at"), "pause": value.get("pause_date"), "change": change}
    if status == "non_renewing":
        return {"cancel": ends, "pause": value.get("pause_date"), "change": change}
    if status == "paused":
        return {"resume": value.get("resume_date")}
    return {}


def term_of(value: JsonObject) -> tuple[int, str]:
    """How long a term is: a count and a unit."""
    return max(1, value.get("billing_period", 1)), value.get("billing_period_unit", "month")


def anchored(value: JsonObject, note: JsonObject) -> JsonObject:
    """``anchor`` and ``terms`` with ``current_term_end = anchor + terms * period``: a 31st stays a 31st."""
    if "current_term_end" not in value:
        return {}
    period, unit = term_of(value)
    end: int = value["current_term_end"]
    anchor, terms = note.get("anchor") or end, note.get("terms", 0)
    if "anchor" in note and add_period(anchor, terms * period, unit) == end:
        return {"anchor": anchor, "terms": terms}
    start: int = value.get("current_term_start") or end
    if add_period(start, period, unit) == end:
        return {"anchor": start, "terms": 1}
    return {"anchor": end, "terms": 0}


def first_term(value: JsonObject, note: JsonObject, start: int, *, bills: bool = True) -> None:
    """Begin a term at ``start``, from which all later ones are counted."""
    period, unit = term_of(value)
    end = add_period(start, period, unit)
    note |= {"anchor": start, "terms": 1}
    set_term(value, start, end, bills=bills)


def next_term(value: JsonObject, note: JsonObject) -> None:
    """The term after the current one; the first one of a subscription that has none."""
    if "current_term_end" not in value:
        first_term(value, note, value["next_billing_at"])
        return
    note |= anchored(value, note)
    note["terms"] += 1
    period, unit = term_of(value)
    set_term(value, value["current_term_end"], add_period(note["anchor"], note["terms"] * period, unit))


def set_term(value: JsonObject, start: int, end: int, *, bills: bool = True) -> None:
    """Set the current term, on the subscription and on its items."""
    value |= {"current_term_start": start, "current_term_end": end}
    value["next_billing_at"] = end if bills else None
    for item in value.get("subscription_items", []):
        if item.get("item_type") == "plan":
            item |= {"current_term_start": start, "current_term_end": end}
    set_next_billing(value, end if bills else None)


def set_next_billing(value: JsonObject, at: int | None) -> None:
    """When it bills next; None for never."""
    rows = [value, *(item for item in value.get("subscription_items", []) if item.get("item_type") == "plan")]
    for row in rows:
        if at is None:
            row.pop("next_billing_at", None)
        else:
            row["next_billing_at"] = at
