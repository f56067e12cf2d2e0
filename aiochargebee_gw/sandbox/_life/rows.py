"""Reading and writing subscriptions together with what the agenda knows of them."""

from __future__ import annotations

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._kinds import MISSING
from aiochargebee_gw.sandbox._life import schedule
from aiochargebee_gw.sandbox._life.selling import worth

KIND = "subscription"


def note_of(desk: Desk, id: str) -> JsonObject:
    """What the agenda knows: ``anchor`` and ``terms`` of its terms, ``scheduled`` changes."""
    return desk.store.note(KIND, id) or {}


def keep(desk: Desk, value: JsonObject, note: JsonObject) -> JsonObject:
    """Write a subscription back, with its worth a month, and put its next step on the agenda."""
    value["mrr"] = worth(value)
    if "pause_date" in value and value["status"] not in (*schedule.RUNNING, "paused"):
        value.pop("pause_date")
    saved = desk.save(KIND, value)
    plan(desk, saved, note)
    return saved


def plan(desk: Desk, value: JsonObject, note: JsonObject) -> None:
    """Put the next step of a subscription on the agenda."""
    step = None if value.get("deleted") else schedule.next_step(value, note)
    desk.store.set_note(KIND, value["id"], None if step is None else step.due, note)


def tell(desk: Desk, event: str, value: JsonObject) -> None:
    """The event of a subscription, with its customer and card."""
    owner = value["customer_id"]
    content = {"subscription": value, "customer": desk.store.get("customer", owner), "card": desk.card_of(owner)}
    desk.emit(event, content)


def enrol(desk: Desk, value: JsonObject) -> JsonObject:
    """Put a seeded or inserted subscription on the agenda.

    What was due before the site opened counts as done elsewhere: its terms roll on without invoices or events.
    """
    note: JsonObject = {}
    opened = int(desk.opened)
    for _ in range(100_000):
        step = schedule.next_step(value, note)
        if step is None or step.due > opened:
            break
        _roll(value, note, step)
    else:
        raise RuntimeError(f"the terms of subscription {value['id']} do not end")
    note |= schedule.anchored(value, note)
    desk.store.put(KIND, value)
    plan(desk, value, note)
    return value


def _roll(value: JsonObject, note: JsonObject, step: schedule.Step) -> None:
    if step.name == "cancel":
        value["status"] = "cancelled"
        schedule.set_next_billing(value, None)
    elif step.name == "pause":
        value["status"] = "paused"
        schedule.set_next_billing(value, None)
    elif step.name == "renew":
        schedule.next_term(value, note)
    else:
        value.pop("pause_date", None)
        value.pop("resume_date", None)
        value |= {"status": "active"}
        value.setdefault("started_at", step.due)
        value.setdefault("activated_at", step.due)
        schedule.first_term(value, note, step.due)


def enrol_all(desk: Desk) -> None:
    """Put every live subscription on the agenda that is not there yet: the seeded business begins to run.

    One whose dates were changed behind the agenda's back, by ``Sandbox.update``, gets its place anew.
    """
    with desk.store.atomic():
        for id in desk.store.ids(KIND, _NOT_ENROLLED):
            enrol(desk, desk.find(KIND, id))
        for id in desk.store.ids(KIND, _EARLIER):
            plan(desk, desk.find(KIND, id), note_of(desk, id))


# The names are this package's own.
_LIVE = "json_extract(o.body, '$.status') IN ('future', 'in_trial', 'active', 'non_renewing', 'paused')"
_NOT_ENROLLED = f"{_LIVE} AND NOT EXISTS (SELECT 1 FROM agenda AS a WHERE a.kind = 'subscription' AND a.id = o.id)"  # noqa: S608
_NEXT = ", ".join(
    f"COALESCE(json_extract(o.body, '$.{name}'), {MISSING})"
    for name in ("next_billing_at", "cancelled_at", "pause_date", "resume_date")
)
_EARLIER = (
    f"{_LIVE} AND EXISTS (SELECT 1 FROM agenda AS a WHERE a.kind = 'subscription' AND a.id = o.id "  # noqa: S608
    f"AND COALESCE(a.due, {MISSING}) > MIN({_NEXT}))"
)
