"""The rows of resources without a state machine: kept as the store keeps all rows, found by what they say."""

from __future__ import annotations

import re

from aiochargebee_gw.sandbox._catalogue import describe
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._generic.index import event_types
from aiochargebee_gw.sandbox._generic.values import complete, made
from aiochargebee_gw.sandbox._json import JsonObject, decode_object, without_nulls
from aiochargebee_gw.sandbox._kinds import KINDS, kind_of
from aiochargebee_gw.sandbox._problems import duplicate, not_found
from aiochargebee_gw.sandbox._store import Hit

_AMOUNT = re.compile(
    r"(?:^|_)(?:adjusted|allocated|amount|available|credits|due|paid|refunded|tax|total|unused)(?:_|$)"
)


def find(desk: Desk, resource: str, id: str, *, param: str | None = None) -> JsonObject:
    """A row that is there and not deleted; raises ``Problem`` (404)."""
    value = desk.store.get(resource, id)
    if value is None or is_deleted(value):
        raise not_found(resource, id, param)
    return value


def is_deleted(value: JsonObject) -> bool:
    """Whether a row says of itself that it was deleted."""
    return value.get("deleted") is True or ("deleted" not in value and value.get("status") == "deleted")


def where(desk: Desk, resource: str, wanted: JsonObject) -> list[tuple[str, JsonObject]]:
    """The live rows whose attributes have these values, with the ids they are stored under, the newest first."""
    marks = "".join(f" AND json_extract(o.body, '$.{name}') = ?" for name in wanted)
    # The names are attributes of the description, the values are bound.
    sql = (
        "SELECT o.born, o.row, o.id, o.owner, CAST(o.body AS BLOB) FROM objects AS o "  # noqa: S608
        f"WHERE o.kind = ? AND o.deleted = 0{marks} ORDER BY o.row DESC"
    )
    hits: list[Hit] = desk.store.select(sql, (resource, *wanted.values()))
    return [(hit.id, decode_object(hit.body)) for hit in hits]


def create(desk: Desk, resource: str, given: JsonObject) -> JsonObject:
    """Store a new row and its event; an id that is taken is 400 ``duplicate_entry``."""
    kind = kind_of(resource)
    value = made(desk, resource, {**_amounts(resource), **kind.defaults, **given})
    if kind.key and desk.store.text(resource, value[kind.key]) is not None:
        raise duplicate(kind.key, value[kind.key])
    value = desk.create(resource, value)
    announce(desk, resource, value, "created")
    return value


def _amounts(resource: str) -> JsonObject:
    """Zero for each amount of a resource that other calls reckon with."""
    if resource not in KINDS:
        return {}
    shapes = describe().attributes(resource)
    return {name: 0 for name, shape in shapes.items() if shape.kind == "int" and _AMOUNT.search(name)}


def save(desk: Desk, resource: str, value: JsonObject, changes: JsonObject, id: str = "") -> JsonObject:
    """Write changes to a row, None clears an attribute; the ``id`` is that of a row without one of its own."""
    value = without_nulls({**value, **changes})
    changed = {**value, **complete(desk, resource, value)}
    if "modified_at" in describe().attributes(resource):
        changed["modified_at"] = desk.at()
    if kind_of(resource).key:
        return desk.save(resource, changed)
    desk.store.put(resource, changed, id=id)
    return changed


def discard(desk: Desk, resource: str, value: JsonObject, id: str = "") -> JsonObject:
    """Delete a row: marked where its record can say so, else taken out."""
    kind = kind_of(resource)
    attributes = describe().attributes(resource)
    status = attributes.get("status")
    if "deleted" in attributes:
        value = save(desk, resource, value, {"deleted": True}, id)
    elif status is not None and "deleted" in describe().options(status.values):
        value = save(desk, resource, value, {"status": "deleted"}, id)
    else:
        desk.store.remove(resource, id or value[kind.key])
    announce(desk, resource, value, "deleted")
    return value


def announce(desk: Desk, resource: str, value: JsonObject, *verbs: str) -> None:
    """Append the event of a change where Chargebee knows one: ``comment_created``, ``coupon_updated``."""
    name = next((f"{resource}_{verb}" for verb in verbs if f"{resource}_{verb}" in event_types()), None)
    if name is not None:
        desk.emit(name, {resource: value})
