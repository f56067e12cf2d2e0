"""Which operation of the description a path means, and what it answers."""

from __future__ import annotations

from functools import cache

from attrs import frozen

from aiochargebee_gw.sandbox._catalogue import Operation, Shape, describe, whole

_IRREGULAR = {"in_app_subscriptions": ""}
"""Ids in these paths name no object of the site."""
_ALSO_KEPT = ("address", "resource_migration")


@frozen
class Entry:
    """One key of an answer: the resource it holds ("" for a value), alone or in a list."""

    name: str
    resource: str
    many: bool
    shape: Shape

    @property
    def required(self) -> bool:
        """Whether every answer has it."""
        return self.shape.required


@cache
def paths() -> dict[tuple[str, str], Operation]:
    """Verb and path, its id as ``*``, of all operations on the site's own host."""
    return {
        (one.method, one.path.strip("/").replace("{id}", "*")): one for one in describe().operations if one.host is None
    }


@cache
def kept() -> frozenset[str]:
    """The resources that can be listed or retrieved, so that rows of them are worth storing."""
    found = set(_ALSO_KEPT)
    for one in paths().values():
        if one.method == "GET" and (one.listing or one.path.endswith("/{id}")):
            found |= {entry.resource for entry in entries(one)}
    return frozenset(found - {""})


@cache
def event_types() -> frozenset[str]:
    """All types of events."""
    shape = describe().attributes("event")["event_type"]
    return frozenset(describe().options(shape.values))


def entries(operation: Operation) -> list[Entry]:
    """What an operation answers, key by key."""
    return [_entry(name, shape) for name, shape in operation.answer.items()]


def _entry(name: str, shape: Shape) -> Entry:
    many = shape.item is not None
    record = (shape.item.record if shape.item is not None else shape.record) or ""
    resource = record.partition(".")[0]
    return Entry(name, resource if record and record == whole(resource) else "", many, shape)


def main_entry(operation: Operation) -> Entry | None:
    """The key that the operation is about: its own resource, else the first one that is always there."""
    found = entries(operation)
    own = next((entry for entry in found if entry.resource == operation.resource), None)
    return own or next((entry for entry in found if entry.required), found[0] if found else None)


def parent_of(operation: Operation) -> str:
    """The resource whose id is in the path, "" for none."""
    root, _, rest = operation.path.strip("/").partition("/")
    if not rest.startswith("{id}"):
        return ""
    return _IRREGULAR.get(root, singular(root))


def singular(plural: str) -> str:
    """``currencies`` gives ``currency``."""
    return f"{plural[:-3]}y" if plural.endswith("ies") else plural.removesuffix("s")
