"""The catalogue's operations in the model, with the rules for sorting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from attrs import evolve

from .catalogs import catalogs_of, instead_of
from .model import Attribute, Enum, Filter, Operation, Record, Type
from .names import CatalogueError, camel
from .types import Context, answer_type, enum_class, legal_operators, parameter

__all__ = ["operations_of", "spec"]

_SORT_AXES = ("created_at", "date", "updated_at", "occurred_at")
_PAGING = frozenset(("limit", "offset", "sort_by"))


def operations_of(context: Context, resource: str) -> tuple[Operation, ...]:
    """The operations of one file, in its order."""
    told = context.documents[resource]["operations"]
    catalogs = catalogs_of(resource, told)
    return tuple(
        evolve(
            _operation(context, resource, name, row),
            catalog=catalogs[name],
            instead=instead,
            record_path=_record_path(told, name),
        )
        for name, row in told.items()
        for instead in [instead_of(context.documents, resource, name, catalogs)]
    )


def _record_path(told: dict[str, Any], name: str) -> str | None:
    """The path of `retrieve`, for an operation that creates a record under the `id` among its parameters."""
    creates = name == "create" or name.startswith(("create_", "import_"))
    own = told[name]["params"].get("id", {})
    if not creates or own.get("type") != "str" or told[name]["http"] != "POST" or "retrieve" not in told:
        return None
    path: str = told["retrieve"]["path"]
    # That of a usage is its subscription's.
    return path if path.endswith("/{id}") else None


def _operation(context: Context, resource: str, name: str, row: dict[str, Any]) -> Operation:
    listing = row["list"]
    filtering = listing and row["http"] == "GET"
    answer = _answer(context, resource, name, row)
    main = _main(answer) if listing else None
    sorts = tuple((row.get("sort_by") or {}).get("asc", ())) if filtering else ()
    return Operation(
        name=name,
        method=row["http"],
        path=row["path"],
        params=tuple(_params(context, row, filtering=filtering)),
        json_keys=row["json_keys"],
        answer=answer,
        listing=listing,
        paged=filtering,
        main=main,
        filters=tuple(_filters(context, row, main)) if filtering and main else (),
        sorts=sorts,
        default_sort=_default_sort(row, sorts),
        include_deleted=bool(row.get("include_deleted")),
        custom_filters=bool(row.get("custom_field_filters")),
        custom_fields=row["http"] == "POST" and bool(row.get("custom_fields")),
        keyed=row["idempotent"],
        json_body=row["json_body"],
        sub_domain=row["sub_domain"],
    )


def _answer(context: Context, resource: str, name: str, row: dict[str, Any]) -> Record:
    cls = f"{context.documents[resource]['class']}{camel(name)}{'Row' if row['list'] else 'Answer'}"
    told = row["rows"] if row["list"] else row["response"] or {}
    fields = tuple(
        Attribute(name=key, type=answer_type(context, value), required=bool(value.get("required")))
        for key, value in told.items()
    )
    return Record(name=cls, base="Envelope", doc="", fields=fields)


def _main(row: Record) -> tuple[str, str, str]:
    """Key, module and class of a row's main record: the first one that every row has."""
    for field in row.fields:
        if field.required and field.type.record:
            return field.name, *field.type.record
    raise CatalogueError(f"{row.name} has no record that every row holds")


def _params(context: Context, row: dict[str, Any], *, filtering: bool) -> Iterator[Attribute]:
    for name, told in row["params"].items():
        if filtering and (name in _PAGING or told["type"] == "filter" or _holds_filters(told)):
            continue
        yield parameter(context, name, told)


def _holds_filters(told: dict[str, Any]) -> bool:
    kinds = {field["type"] == "filter" for field in told.get("fields", {}).values()}
    if kinds == {True, False}:
        raise CatalogueError("an object holds filters and other parameters")
    return kinds == {True}


def _filters(context: Context, row: dict[str, Any], main: tuple[str, str, str]) -> Iterator[Filter]:
    for name, told in row["params"].items():
        if told["type"] == "filter" and name not in _PAGING:
            yield _filter(context, main[1], (name,), told)
        elif _holds_filters(told):
            for inner, field in told["fields"].items():
                yield _filter(context, main[1], (name, inner), field)


def _filter(context: Context, resource: str, path: tuple[str, ...], told: dict[str, Any]) -> Filter:
    enum = _enum_at(context, resource, path) if told["filter"] == "enum" else None
    return Filter(
        wire=path[0] + "".join(f"[{step}]" for step in path[1:]),
        kind=told["filter"],
        operators=legal_operators(told),
        # What any source lists is let through: a value that the site does not know is an error of the server's.
        values=tuple(dict.fromkeys([*told.get("values", ()), *(enum.values if enum else ())])),
        enum=enum,
        required=bool(told.get("required")),
    )


def _enum_at(context: Context, resource: str, path: tuple[str, ...]) -> Enum | None:
    """The enum of the record's attribute that a filter is named after, if it has one."""
    document = context.documents[resource]
    fields = document["fields"]
    for step in path[:-1]:
        # A filter of a list of parts is named after one of them: omnichannel_subscription_item[status].
        told = fields.get(step) or fields.get(step + "s")
        reference = (told or {}).get("ref") or (told or {}).get("items", {}).get("ref")
        if not reference:
            return None
        module, _, name = reference.partition(".")
        holder = context.documents[module]
        fields = holder["fields"] if name == holder["class"] else holder["sub_resources"][name]
    told = fields.get(path[-1])
    if told is None or not (told.get("enum") or told.get("items", {}).get("enum")):
        return None
    return enum_class(answer_type(context, told))


def _default_sort(row: dict[str, Any], sorts: tuple[str, ...]) -> str | None:
    """The time of creation where the list sorts by it, else the next best; an override may say `default_sort`."""
    if chosen := row.get("default_sort"):
        if chosen not in sorts:
            raise CatalogueError(f"{row['path']} is not sorted by {chosen}")
        return cast("str", chosen)
    return next((axis for axis in _SORT_AXES if axis in sorts), None)


def spec(kind: Type, name: str, json_keys: dict[str, int], level: int = 0) -> Any:
    """How `_wire.form` writes a parameter. `json_keys` says which names go as one JSON text, and at which level: 0 is
    the parameter itself, 1 what stands in an object or in an item of a list."""
    if kind.kind == "json" or json_keys.get(name) == level:
        return "json"
    if kind.item:
        return [_fields_spec(kind.item, json_keys, level) if kind.item.fields else kind.item.kind]
    if kind.kind == "object":
        return _fields_spec(kind, json_keys, level)
    return kind.kind


def _fields_spec(kind: Type, json_keys: dict[str, int], level: int) -> dict[str, Any]:
    return {field.name: spec(field.type, field.name, json_keys, level + 1) for field in kind.fields}


def holds_filters(kind: Type) -> bool:
    """Whether a parameter is a filter, or an object of filters."""
    return kind.kind == "filter" or any(field.type.kind == "filter" for field in kind.fields)


def keyword_filters(params: Iterable[Attribute]) -> Iterator[Filter]:
    """The filters among an operation's parameters, by their names on the wire."""
    for param in params:
        if param.type.kind == "filter":
            yield _keyword_filter(param.name, param.type)
        for field in param.type.fields:
            if field.type.kind == "filter":
                yield _keyword_filter(f"{param.name}[{field.name}]", field.type)
            elif holds_filters(param.type):
                raise CatalogueError(f"{param.name} holds filters and other parameters")


def _keyword_filter(wire: str, kind: Type) -> Filter:
    return Filter(wire=wire, kind=kind.filter_kind, operators=kind.operators, values=kind.values)
