"""Writes `fields/`: a module a resource whose globals are what its lists filter and sort by."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve, frozen

from .model import Api, Filter, Record
from .names import CatalogueError, camel
from .text import WIDTH, bracketed, imported, literal, quoted
from .types import OPERATORS

__all__ = ["Listed", "fields_index", "fields_module", "kinds_module", "listed"]

_MIXINS = {
    operator: camel(operator) for operator in dict.fromkeys(name for names in OPERATORS.values() for name in names)
}
_GENERIC = frozenset(("is", "is_not", "in", "not_in", "between"))
_VALUES = {"string": "str", "enum": "V", "number": "int", "timestamp": "_f.Moment", "boolean": "bool"}
_KINDS = {"str": "string", "int": "number", "time": "timestamp", "bool": "boolean", "enum": "enum"}


@frozen(kw_only=True)
class Listed:
    """A field: the union of what the lists of its resource take."""

    filter: Filter
    sortable: bool

    @property
    def kind_class(self) -> str:
        """Its class in `_kinds`: `StringIsIsNot`, `TimestampAfterBeforeOnBetweenSortable`."""
        operators = "".join(_MIXINS[operator] for operator in self.filter.operators)
        return self.filter.kind.capitalize() + operators + ("Sortable" if self.sortable else "")


@frozen(kw_only=True)
class Fields:
    """The fields of one resource, and whether a list of it takes custom fields."""

    resource: str
    fields: tuple[Listed, ...]
    custom: bool


def listed(api: Api) -> tuple[Fields, ...]:
    """Of each resource that is the row of a carried list and has anything to filter or sort by."""
    found: dict[str, dict[str, Listed]] = {}
    custom: set[str] = set()
    for resource in api.operated:
        for operation in resource.operations:
            if not operation.paged or operation.main is None:
                continue
            fields = found.setdefault(operation.main[1], {})
            for each in operation.filters:
                before = fields.get(each.wire)
                fields[each.wire] = Listed(filter=_union(before.filter, each) if before else each, sortable=False)
            for name in operation.sorts:
                had = fields.get(name) or Listed(filter=_sort_only(api, operation.main, name), sortable=True)
                fields[name] = evolve(had, sortable=True)
            if operation.custom_filters:
                custom.add(operation.main[1])
            if "custom" in fields:
                raise CatalogueError(f"{operation.main[1]} has a field called custom: the way to custom fields")
    made = (
        Fields(resource=name, fields=tuple(_sorted_last(api, name, fields)), custom=name in custom)
        for name, fields in sorted(found.items())
    )
    return tuple(each for each in made if each.fields or each.custom)


def _sorted_last(api: Api, resource: str, fields: dict[str, Listed]) -> Iterator[Listed]:
    """A second list without the sort must not take it away again."""
    sorts = {
        name
        for holder in api.operated
        for operation in holder.operations
        if operation.main and operation.main[1] == resource
        for name in operation.sorts
    }
    for name, field in fields.items():
        yield evolve(field, sortable=name in sorts)


def _union(one: Filter, other: Filter) -> Filter:
    if one.kind != other.kind:
        raise CatalogueError(f"two lists filter {one.wire} as {one.kind} and as {other.kind}")
    both = {*one.operators, *other.operators}
    operators = tuple(operator for operator in OPERATORS[one.kind] if operator in both)
    values = tuple(dict.fromkeys([*one.values, *other.values])) if one.values and other.values else ()
    return evolve(one, operators=operators, values=values, enum=one.enum or other.enum)


def _sort_only(api: Api, main: tuple[str, str, str], name: str) -> Filter:
    records: dict[str, Record] = {record.name: record for record in api.resources[main[1]].records}
    for field in records[main[2]].fields:
        if field.name == name:
            return Filter(wire=name, kind=_KINDS[field.type.kind], operators=())
    raise CatalogueError(f"lists of {main[1]} are sorted by {name}, which its record lacks")


def kinds_module(api: Api) -> str:
    """`fields/_kinds.py`: one class for each combination of operators."""
    classes = {field.kind_class: field for fields in listed(api) for field in fields.fields}
    lines = [
        '"""A class for each combination of operators that the API has."""',
        "",
        "from typing import TypeVar",
        "",
        "from .. import filters as _f",
        "",
        f"__all__ = {literal(sorted(classes), 0, 10)}",
        "",
        'V = TypeVar("V")',
    ]
    for name, field in sorted(classes.items()):
        bases = [_mixin(operator, field.filter.kind) for operator in field.filter.operators]
        bases += ["_f.Sortable"] if field.sortable else []
        lines += ["", "", bracketed(f"class {name}(", bases, "):"), "    __slots__ = ()"]
    return "\n".join(lines) + "\n"


def _mixin(operator: str, kind: str) -> str:
    return f"_f.{_MIXINS[operator]}" + (f"[{_VALUES[kind]}]" if operator in _GENERIC else "")


def fields_module(fields: Fields) -> str:
    """`fields/<resource>.py`."""
    enums = [each.filter.enum for each in fields.fields if each.filter.enum]
    homes = sorted({made.home for made in enums})
    lines = [
        f'"""What lists of `{fields.resource}` are filtered and sorted by."""',
        "",
        "import typing as _t",
        "",
        "from .. import filters as _f",
        *(["from . import _kinds as _k"] if fields.fields else []),
        "",
        *(["if _t.TYPE_CHECKING:"] if homes else []),
        *(f"    from ..records import {home} as _{home}" for home in homes),
        *([""] if homes else []),
    ]
    lines += _assignments(fields)
    if fields.custom:
        lines.append(f"custom: _f.CustomFields = _f.CustomFields({quoted(fields.resource)})")
    return "\n".join(lines) + "\n" + _MODULE_CODE.format(fields.resource)


def _assignments(fields: Fields) -> Iterator[str]:
    groups: dict[str, list[tuple[str, Listed]]] = {}
    for field in fields.fields:
        outer, _, inner = field.filter.wire.partition("[")
        if inner:
            groups.setdefault(outer, []).append((inner.rstrip("]"), field))
    for outer, members in groups.items():
        yield f"\nclass _{camel(outer)}(_f.FieldGroup):"
        yield f'    _NAME = "{fields.resource}.{outer}"'
        for name, field in members:
            yield _assignment(fields.resource, name, field, 4)
    if groups:
        yield "\n"
    for field in fields.fields:
        name, _, inner = field.filter.wire.partition("[")
        if not inner:
            yield _assignment(fields.resource, name, field, 0)
        elif groups[name][0][1] is field:
            yield f"{name}: _{camel(name)} = _{camel(name)}()"


def _assignment(resource: str, name: str, field: Listed, indent: int) -> str:
    told = field.filter
    cls = f"_k.{field.kind_class}"
    written = cls
    if told.kind == "enum" and _GENERIC & {*told.operators}:
        value = f"_{told.enum.home}.{told.enum.name} | str" if told.enum else "str"
        # In quotes: the enum is imported for type checkers only, and the future import would be one more global here.
        written = f'"{cls}[{value}]"'
    head = f"{name}: {written} = {cls}("
    if len(head) + indent > WIDTH:
        head = f"{name}: (\n{' ' * indent}    {written}\n{' ' * indent}) = {cls}("
    items = [quoted(resource), quoted(told.wire), quoted(told.kind)]
    if told.values:
        items.append(literal(told.values, indent + 4, indent + 4))
    return bracketed(head, items, ")", indent)


_MODULE_CODE = """
if not _t.TYPE_CHECKING:

    def __getattr__(name):
        if name.startswith("_"):
            raise AttributeError(f"module {{__name__!r}} has no attribute {{name!r}}")
        legal = [key for key in globals() if key[0].isalpha()]
        raise _f.unknown_field("{0}", name, legal)
"""


def fields_index(api: Api) -> str:
    """`fields/__init__.py`."""
    names = [fields.resource for fields in listed(api)]
    typing = ["TYPE_CHECKING", "Any"]
    lines = [
        '"""What lists are filtered and sorted by: `from aiochargebee_gw.fields import customer`."""',
        "",
        "from __future__ import annotations",
        "",
        "import importlib",
        imported("typing", typing),
        "",
        *(["if TYPE_CHECKING:", imported(".", names, 4), ""] if names else []),
        f"__all__ = {literal(names, 0, 10)}",
        _INDEX_CODE,
    ]
    return "\n".join(lines)


_INDEX_CODE = """
if not TYPE_CHECKING:  # a type checker must go on to report what is not there

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
"""
