"""List calls by description: the same pages, filters and cursors as everywhere, made from an operation's row."""

from __future__ import annotations

from functools import cache
from urllib.parse import urlencode

from aiochargebee_gw.sandbox._catalogue import Filter, Operation, describe
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._filters import Field, Sql
from aiochargebee_gw.sandbox._form import pairs, split_key
from aiochargebee_gw.sandbox._generic.index import entries, kept, main_entry, parent_of
from aiochargebee_gw.sandbox._generic.params import typed
from aiochargebee_gw.sandbox._generic.rows import find
from aiochargebee_gw.sandbox._kinds import kind_of
from aiochargebee_gw.sandbox._listing import behind, joined
from aiochargebee_gw.sandbox._lists import ListSpec
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._paging import page, read_query
from aiochargebee_gw.sandbox._problems import missing

_LINKS = {
    ("item", "attached_item"): "parent_item_id",
    ("item", "item_entitlement"): "item_id",
    ("feature", "item_entitlement"): "feature_id",
}


def link(parent: str, resource: str) -> str | None:
    """The attribute by which rows of a resource say whose they are; None where their record does not say."""
    name = _LINKS.get((parent, resource), f"{parent}_id")
    return name if name in describe().attributes(resource) else None


def answer_list(desk: Desk, call: Call, operation: Operation, id: str) -> bytes:
    """The body of one page; raises ``Problem`` (400, and 404 for the parent of a nested list)."""
    spec = spec_of(operation)
    sent = pairs(call.query)
    params = typed(desk, operation, [pair for pair in sent if split_key(pair[0])[0] in operation.params])
    _require(operation, dict(sent))
    rest = [pair for pair in sent if pair[0] == "include_deleted" or split_key(pair[0])[0] not in operation.params]
    query = read_query(spec, urlencode(rest), strict=desk.strict)
    base = _belonging(desk, operation, spec.kind, id)
    for name, value in params.items():
        if value is not None and name != "include_deleted" and name in describe().attributes(spec.kind):
            base = joined(base, Sql(f"json_extract(o.body, '$.{name}') = ?", (value,)))
    if call.lag > 0:
        base = joined(base, behind(call, desk.at() - int(call.lag)))
    return page(desk.store, spec, query, base)


def _require(operation: Operation, sent: dict[str, str]) -> None:
    for name, one in operation.filters.items():
        if one.required and not any(sent.get(f"{name}[{operator}]") for operator in one.operators):
            raise missing(f"{name}[{one.operators[0]}]")


def _belonging(desk: Desk, operation: Operation, resource: str, id: str) -> Sql | None:
    parent = parent_of(operation)
    if not parent:
        return None
    # Whose parent cannot be retrieved has no rows that a client could know of.
    if parent in kept():
        find(desk, parent, id)
    name = link(parent, resource)
    if name is None:
        # What no record ties to its parent belongs to none.
        return Sql("0")
    return Sql(f"{_column(resource, name)[0]} = ?", (id,))


@cache
def spec_of(operation: Operation) -> ListSpec:
    """The list of an operation as the paging code knows lists."""
    main = main_entry(operation)
    resource = main.resource if main is not None else operation.resource
    return ListSpec(
        operation.path,
        resource,
        {name: _field(resource, name, one) for name, one in operation.filters.items()},
        operation.sorts,
        deleted=operation.deleted,
        custom=operation.custom,
        beside=tuple(entry.name for entry in entries(operation) if entry.name != resource),
        catalog=operation.catalog,
    )


def _field(resource: str, name: str, one: Filter) -> Field:
    attributes = describe().attributes(resource)
    outer, *inner = split_key(name)
    values = describe().options(one.values)
    if inner and outer not in attributes and f"{outer}s" in attributes:
        # The name is the description's own.
        member = f"EXISTS (SELECT 1 FROM json_each(o.body, '$.{outer}s') AS e WHERE {{}})"  # noqa: S608
        return Field(one.kind, one.operators, f"json_extract(e.value, '$.{inner[0]}')", values, member=member)
    if not inner and outer not in attributes and one.kind == "boolean":
        return Field("none", one.operators, "NULL")
    path = inner[0] if outer == resource else ".".join((outer, *inner))
    expression, sentinel = _column(resource, path)
    return Field(one.kind, one.operators, expression, values, sentinel=sentinel, indexed=expression == "o.id")


def _column(resource: str, name: str) -> tuple[str, bool]:
    """SQL for an attribute, and whether its column holds a sentinel where it is absent."""
    kind = kind_of(resource)
    if name == kind.key:
        return "o.id", False
    if name == kind.born:
        return "o.born", True
    if name == "updated_at":
        return "o.changed", True
    if name in (kind.owner, kind.subscription):
        return "o.owner" if name == kind.owner else "o.sub", False
    return f"json_extract(o.body, '$.{name}')", False
