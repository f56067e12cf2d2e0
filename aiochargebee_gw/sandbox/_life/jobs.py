"""Work that ends by itself a while after a call: exports, time travel, quotes that expire."""

from __future__ import annotations

import base64

from aiochargebee_gw.sandbox import _archive
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._life import rows

EXPORT_SECONDS = 2
TRAVEL_SECONDS = 2
DELOREAN = "delorean"
_OFFERS = ("item_family", "item", "item_price", "plan", "addon", "coupon", "coupon_set", "coupon_code")
_SETTINGS = ("webhook_endpoint", "business_entity", "configuration")
_MACHINE = ("time_machine", DELOREAN)


def begin_export(desk: Desk, id: str, name: str, kind: str, ids: list[str]) -> None:
    """Put an export on the agenda: the rows are those that were there when it was asked for."""
    note: JsonObject = {"name": name, "kind": kind, "ids": ids}
    desk.store.set_note("export", id, desk.at() + EXPORT_SECONDS, note)


def finish_export(desk: Desk, id: str) -> None:
    """An export is ready for its download."""
    note = desk.store.note("export", id) or {}
    found = [value for row in note["ids"] if (value := desk.store.get(note["kind"], row)) is not None]
    packed = base64.b64encode(_archive.zipped(note["name"], found)).decode()
    desk.store.set_note("export", id, None, {})
    desk.store.set_note("export_file", id, None, {"zip": packed})
    url, valid_till = desk.download_url(id, kind="export", suffix="zip")
    download = {"download_url": url, "valid_till": valid_till, "mime_type": "application/zip", "object": "download"}
    desk.save("export", {**desk.find("export", id), "status": "completed", "download": download})


def machine(desk: Desk) -> JsonObject:
    """The time machine as it is."""
    note = desk.store.note(*_MACHINE)
    if note is not None:
        return dict(note["shown"])
    opened = int(desk.opened)
    times = {"genesis_time": opened, "destination_time": opened}
    return {"name": DELOREAN, "time_travel_status": "succeeded", **times, "object": "time_machine"}


def begin_travel(desk: Desk, to: int, *, afresh: bool) -> JsonObject:
    """Set out; the site arrives a little later."""
    shown = {**machine(desk), "time_travel_status": "in_progress", "destination_time": to}
    if afresh:
        shown["genesis_time"] = to
    desk.store.set_note(*_MACHINE, desk.at() + TRAVEL_SECONDS, {"shown": shown, "to": to, "afresh": afresh})
    return shown


def finish_travel(desk: Desk, _id: str) -> None:
    """Arrive: what is due on the way is done next, each at its own time."""
    note = desk.store.note(*_MACHINE) or {}
    shown = {**note["shown"], "time_travel_status": "succeeded"}
    if note["afresh"]:
        desk.store.wipe(keep=(*_OFFERS, *_SETTINGS))
    else:
        rows.enrol_all(desk)
    desk.store.set_note(*_MACHINE, None, {"shown": shown})
    if desk.time is not None:
        desk.time.set(max(note["to"], 0 if note["afresh"] else desk.time.now()))


def expire_quote(desk: Desk, id: str) -> None:
    """A quote that nobody accepted in time."""
    note = desk.store.note("quote", id) or {}
    desk.store.set_note("quote", id, None, note)
    quote = desk.store.get("quote", id)
    if quote is not None and quote["status"] in ("open", "proposed", "pending_approval", "approval_rejected"):
        saved = desk.save("quote", {**quote, "status": "expired"})
        desk.emit("quote_updated", {"quote": saved, "customer": desk.store.get("customer", saved["customer_id"])})
