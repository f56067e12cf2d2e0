"""From the catalogue's JSON to the model: what there is, what is carried, and that no two things share a name."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator
from typing import Any

from .catalogue import Catalogue
from .enums import GLOBAL, Enums
from .model import Api, Attribute, Enum, Operation, Record, Resource, Type
from .names import CatalogueError, plural, prefixed
from .operations import operations_of
from .types import Context, attribute

__all__ = ["build"]

# What records have already, and what the gateway has: no field and no resource may take these names.
_OF_RECORDS = frozenset(("raw", "extra", "custom_fields", "detach", "object"))
_OF_GATEWAY = frozenset(("aclose", "call", "connections", "download", "settings", "stats", "using", "with_options"))


def build(catalogue: Catalogue) -> Api:
    """The model of everything in the catalogue. Raises `CatalogueError` for two things of one name."""
    context = Context(catalogue.resources, Enums(catalogue.resources, catalogue.enums))
    resources = {name: _resource(context, name) for name in catalogue.resources}
    _check_names(resources.values(), context.enums)
    referred, enums = _reach(resources, catalogue.carried)
    return Api(
        resources=resources,
        enums=tuple(sorted((made for made in enums if made.home == GLOBAL), key=lambda made: made.name)),
        carried=catalogue.carried,
        referred=referred,
        digest=catalogue.digest,
    )


def _resource(context: Context, name: str) -> Resource:
    document = context.documents[name]
    cls = document["class"]
    parts = [
        _record(context, prefixed(cls, part), "Part", _holders(name, part, document), fields)
        for part, fields in document["sub_resources"].items()
    ]
    operations = operations_of(context, name)
    return Resource(
        name=name,
        cls=cls,
        plural=plural(name, (operation.path for operation in operations)),
        records=(*parts, _record(context, cls, "Record", f"A `{name}` object.", document["fields"])),
        enums=tuple(made for made in context.enums if made.home == name),
        operations=operations,
    )


def _record(context: Context, cls: str, base: str, doc: str, fields: dict[str, Any]) -> Record:
    made = tuple(attribute(context, cls, name, told) for name, told in fields.items())
    for field in made:
        if field.name in _OF_RECORDS or field.name.startswith("_") or keyword.iskeyword(field.name):
            raise CatalogueError(f"{cls} cannot have an attribute called {field.name}")
    return Record(name=cls, base=base, doc=doc, fields=made)


def _holders(resource: str, part: str, document: dict[str, Any]) -> str:
    """Where a part stands: "Part of an `invoice`: `line_items`."."""
    reference = f"{resource}.{part}"
    names = [
        name
        for name, told in document["fields"].items()
        if reference in (told.get("ref"), told.get("items", {}).get("ref"))
    ]
    where = f": {', '.join(f'`{name}`' for name in names)}" if names else ""
    return f"Part of a `{resource}` object{where}."


def _check_names(resources: Iterable[Resource], enums: Enums) -> None:
    classes: dict[str, str] = {made.name: f"an enum in {made.home}" for made in enums}
    plurals: dict[str, str] = {}
    for resource in resources:
        answers = [operation.answer for operation in resource.operations]
        for record in (*resource.records, *answers):
            if other := classes.get(record.name):
                raise CatalogueError(f"{record.name} of {resource.name} is also {other}")
            classes[record.name] = f"a class of {resource.name}"
        if not resource.operations:
            continue
        if other := "the gateway" if resource.plural in _OF_GATEWAY else plurals.get(resource.plural):
            raise CatalogueError(f"{resource.name} cannot be called {resource.plural}: taken by {other}")
        plurals[resource.plural] = resource.name


def _reach(resources: dict[str, Resource], carried: tuple[str, ...]) -> tuple[tuple[str, ...], set[Enum]]:
    """The other resources that the carried ones refer to, directly or not, and all enums in use."""
    reached: set[str] = set()
    enums: set[Enum] = set()
    waiting = list(carried)
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        resource = resources[name]
        used = set(resource.enums)
        for kind in _types(resource, operations=name in carried):
            if kind.record:
                waiting.append(kind.record[0])
            if kind.enum:
                used.add(kind.enum)
        waiting.extend(made.home for made in used if made.home != GLOBAL)
        enums |= used
    return tuple(sorted(reached - set(carried))), enums


def _types(resource: Resource, *, operations: bool) -> Iterator[Type]:
    for record in resource.records:
        yield from _inner(record.fields)
    for operation in resource.operations if operations else ():
        yield from _inner(operation.answer.fields)
        yield from _inner(operation.params)
        yield from _filter_types(operation)


def _inner(fields: Iterable[Attribute]) -> Iterator[Type]:
    for field in fields:
        yield field.type
        yield from _inner(field.type.fields)
        if field.type.item:
            yield field.type.item
            yield from _inner(field.type.item.fields)


def _filter_types(operation: Operation) -> Iterator[Type]:
    for each in operation.filters:
        yield Type(kind="enum", enum=each.enum)
