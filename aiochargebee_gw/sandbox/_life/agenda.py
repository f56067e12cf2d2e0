"""The agenda of a site: everything that is due, each once, in order, at its own time."""

from __future__ import annotations

from collections.abc import Callable

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._ledger import invoices
from aiochargebee_gw.sandbox._life import changes, dunning, jobs, rows, schedule, transitions
from aiochargebee_gw.sandbox._problems import Problem

Worker = Callable[[Desk, str], None]
_AT_ONCE = 10
"""So many steps may follow one another in one second of one row: a change, then the renewal."""


def catch_up(desk: Desk) -> int:
    """Do all that is due by now; gives the number of steps. Each step is whole or not at all."""
    done = again = 0
    last: tuple[int, str, str] | None = None
    while True:
        found = desk.store.next_due()
        if found is None or found[0] > desk.now():
            return done
        again = again + 1 if found == last else 0
        due, kind, id = last = found
        if again > _AT_ONCE:
            raise RuntimeError(f"what was due for {kind} {id} at {due} is still due")
        _do(desk, due, kind, id)
        done += 1


def _do(desk: Desk, due: int, kind: str, id: str) -> None:
    try:
        with desk.store.atomic():
            _WORKERS[kind](desk.as_of(due), id)
    except Problem:
        # An inserted row whose customer is not there cannot be billed: it stands still from now on.
        desk.store.set_note(kind, id, None, desk.store.note(kind, id) or {})


def touch(desk: Desk, id: str) -> JsonObject:
    """A subscription as it is by now: a seeded one joins the agenda first. Raises ``Problem`` (404)."""
    value = desk.find("subscription", id)
    if desk.store.note(rows.KIND, id) is None and value["status"] in schedule.LIVE:
        rows.enrol(desk, value)
        catch_up(desk)
    return desk.find("subscription", id)


def _subscription(desk: Desk, id: str) -> None:
    value = desk.store.get("subscription", id)
    note = rows.note_of(desk, id)
    step = None if value is None or value.get("deleted") else schedule.next_step(value, note)
    if value is None or step is None:
        desk.store.set_note(rows.KIND, id, None, note)
        return
    if step.due > desk.at():
        rows.plan(desk, value, note)
        return
    match step.name:
        case "cancel":
            transitions.end(desk, value, note)
        case "change":
            changes.apply_scheduled(desk, value, note)
        case "pause":
            transitions.pause(desk, value, note)
        case "start":
            transitions.start(desk, value, note)
        case "activate":
            transitions.activate(desk, value, note)
        case "resume":
            transitions.resume(desk, value, note)
        case _:
            transitions.renew(desk, value, note)


def _invoice(desk: Desk, id: str) -> None:
    """A posted invoice falls due; a failed payment is tried again."""
    bill = desk.store.get("invoice", id)
    desk.store.drop_note("invoice", id)
    if bill is None or bill.get("deleted"):
        return
    if bill["status"] == "posted":
        bill["status"] = "payment_due"
        invoices.keep(desk, bill, "invoice_updated")
    elif bill.get("dunning_status") == "in_progress" and bill["amount_due"] > 0:
        bill = dunning.retry(desk, bill)
        if bill.get("dunning_status") == "exhausted":
            _give_up(desk, bill)


def _give_up(desk: Desk, bill: JsonObject) -> None:
    value = desk.store.get("subscription", bill["subscription_id"])
    if value is not None and value["status"] in schedule.LIVE and not value["deleted"]:
        transitions.end(desk, value, rows.note_of(desk, value["id"]), reason="not_paid")


_WORKERS: dict[str, Worker] = {
    "subscription": _subscription,
    "invoice": _invoice,
    "export": jobs.finish_export,
    "time_machine": jobs.finish_travel,
    "quote": jobs.expire_quote,
}
