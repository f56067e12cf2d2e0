"""Writes `resources/`: a class a resource with a method an operation, and the class that they all hang on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .model import Api, Attribute, Filter, Operation, Resource
from .names import CatalogueError, camel
from .operations import holds_filters, keyword_filters, spec
from .params import params_name
from .text import WIDTH, bracketed, docstring, imported, literal, quoted

__all__ = ["index_module", "resource_module"]

_CATALOGS = {"pc1": "Product Catalog 1.0 only.", "pc2": "Product Catalog 2.0 only."}
_OPTIONS = frozenset(("timeout", "retry", "headers", "idempotency_key", "order_by", "into"))


def resource_module(api: Api, resource: Resource) -> str:
    """`resources/<plural>.py`."""
    lists = [operation for operation in resource.operations if operation.paged]
    posted = [operation for operation in resource.operations if operation.listing and not operation.paged]
    # A method called `list` would stand for the type in every annotation of its class.
    blocks = [
        "\n".join(_head(resource, lists, posted)),
        "\n".join(_constant(api, resource, operation) for operation in resource.operations),
        "\n".join(_class(api, resource)),
    ]
    return "\n\n".join(blocks) + "\n"


def _head(resource: Resource, lists: list[Operation], posted: list[Operation]) -> Iterator[str]:
    singles = [operation for operation in resource.operations if not operation.listing]
    operations = (["ListOperation"] if lists or posted else []) + (["Operation"] if singles else [])
    yield f'"""Operations of `{resource.name}`."""'
    yield ""
    yield "from __future__ import annotations"
    yield ""
    yield imported("typing", ["TYPE_CHECKING", *(["Any", "TypeVar", "overload"] if lists else [])])
    yield ""
    yield imported(".._operation", operations)
    yield "from .._resource import Resource"
    ruled = any(operation.filters for operation in lists)
    ruled = ruled or any(holds_filters(param.type) for each in resource.operations for param in each.params)
    yield from ["from ..filters import FilterRule"] if ruled else []
    yield ""
    yield "if TYPE_CHECKING:"
    yield from ["    from collections.abc import Iterable"] if _listed_by_id(resource) else []
    yield "    from typing import Unpack"
    yield ""
    many = _listed_by_id(resource)
    if many:
        yield f"    from .._options import {'DeletableBatchOptions' if many.include_deleted else 'BatchOptions'}"
        yield "    from ..batches import Many"
    yield from ["    from ..filters import Filter"] if lists else []
    pages = [*(["Page"] if posted else []), *(["Pages"] if lists else [])]
    yield from [imported("..pagination", pages, 4)] if pages else []
    yield f"    from ..params import {resource.name} as _p"
    yield f"    from ..records import {resource.name} as _r"
    others = {operation.main[1:] for operation in (*lists, *posted) if operation.main}
    for module, cls in sorted(others):
        if module != resource.name:
            yield f"    from ..records.{module} import {cls}"
    yield from ["", 'T = TypeVar("T")'] if lists else []


def _constant(api: Api, resource: Resource, operation: Operation) -> str:
    name = f"_{operation.name.upper()}"
    kind = "ListOperation" if operation.listing else "Operation"
    items = [
        f'resource="{resource.name}"',
        f'name="{operation.name}"',
        f'method="{operation.method}"',
        f"path={quoted(operation.path)}",
        f'answer="{operation.answer.name}"',
        *_list_items(operation),
    ]
    filters = list(keyword_filters(operation.params))
    specs = {
        param.name: spec(param.type, param.name, operation.json_keys)
        for param in operation.params
        if not holds_filters(param.type)
    }
    required = tuple(param.name for param in operation.params if param.required)
    items += _given("params", specs)
    if filters:
        items.append("\n".join(["filter_params={", *map(_rule, filters), "    }"]))
    items += _given("required", required)
    items += _given("custom_fields", operation.custom_fields) + _given("keyed", operation.keyed)
    items += _given("record_path", operation.record_path)
    items += _given("json_body", operation.json_body) + _given("sub_domain", operation.sub_domain)
    items += _given("catalog", operation.catalog) + _given("instead", _instead(api, operation))
    head = bracketed(f"{name}: {kind}[", _generics(resource, operation), f"] = {kind}(")
    if "\n" not in head:
        return bracketed(head, items, ")")
    *first, last = head.split("\n")
    return "\n".join([*first, bracketed(last, items, ")")])


def _generics(resource: Resource, operation: Operation) -> list[str]:
    main = [_main_class(resource, operation)] if operation.listing else []
    return [*main, f"_r.{operation.answer.name}"]


def _main_class(resource: Resource, operation: Operation) -> str:
    if operation.main is None:
        raise CatalogueError(f"{operation.path} lists nothing")
    _, module, cls = operation.main
    return f"_r.{cls}" if module == resource.name else cls


def _list_items(operation: Operation) -> list[str]:
    if operation.main is None:
        return []
    key, module, cls = operation.main
    items = [f'main="{key}"', f'record="{module}.{cls}"']
    items += [] if operation.paged else ["paged=False"]
    if operation.filters:
        items.append("\n".join(["filters={", *map(_rule, operation.filters), "    }"]))
    items += _given("required_filters", tuple(each.wire for each in operation.filters if each.required))
    items += _given("sorts", operation.sorts) + _given("default_sort", operation.default_sort)
    items += _given("include_deleted", operation.include_deleted)
    return items + _given("custom_filters", operation.custom_filters)


def _rule(told: Filter) -> str:
    items = [quoted(told.kind), literal(told.operators, 12)]
    if told.values:
        items.append(literal(told.values, 12, 12))
    return bracketed(f"{quoted(told.wire)}: FilterRule(", items, "),", 8)


def _given(name: str, value: Any) -> list[str]:
    return [f"{name}=" + literal(value, 4, 5 + len(name))] if value else []


def _instead(api: Api, operation: Operation) -> str | None:
    """The method that does the same in the other product catalogue, as a user writes it."""
    if operation.instead is None:
        return None
    resource, name = operation.instead
    return f"{api.resources[resource].plural}.{name}"


def _class(api: Api, resource: Resource) -> Iterator[str]:
    cls = camel(resource.plural)
    yield f"\nclass {cls}(Resource):"
    yield docstring([f"Operations of `{resource.name}`, on `gateway.{resource.plural}`."], 4)
    for operation in resource.operations:
        if clash := {param.name for param in operation.params} & _OPTIONS:
            raise CatalogueError(f"{operation.path} has parameters that are options too: {', '.join(sorted(clash))}")
        yield ""
        yield from _paged(api, resource, operation) if operation.paged else _single(api, resource, operation)
    if listing := _listed_by_id(resource):
        yield ""
        yield from _get_many(resource, listing)


def _single(api: Api, resource: Resource, operation: Operation) -> Iterator[str]:
    answer = f"_r.{operation.answer.name}"
    items = ["self", *_id(operation), f"**params: Unpack[_p.{params_name(resource, operation)}]"]
    returns = f") -> {answer}:"
    if operation.listing:
        returns = _returning("Page", [_main_class(resource, operation), answer], ":")
    yield bracketed(f"async def {operation.name}(", items, returns, 4)
    yield docstring(_doc(api, operation), 8)
    call = "_posted" if operation.listing else "_call"
    yield f"        return await self.{call}(_{operation.name.upper()}, {_id_value(operation)}, params)"


def _paged(api: Api, resource: Resource, operation: Operation) -> Iterator[str]:
    row = f"_r.{operation.answer.name}"
    params = f"**params: Unpack[_p.{params_name(resource, operation)}]"
    needed = [each.wire for each in operation.filters if each.required]
    # One filter at least where the API refuses the list without it; which one is checked when the call is made.
    filters = [*(["required: Filter", "/"] if needed else []), "*filters: Filter"]
    start = ["self", *(item for item in _id(operation) if item != "/" or not needed), *filters]
    for into, kind in (("None = None", _main_class(resource, operation)), ("type[T]", "T")):
        yield "    @overload"
        items = [*start, f"into: {into}", params]
        yield bracketed(f"def {operation.name}(", items, _returning("Pages", [kind, row], ": ..."), 4)
    yield bracketed(
        f"def {operation.name}(", [*start, "into: type[T] | None = None", params],
        _returning("Pages", ["Any", row], ":"), 4,
    )  # fmt: skip
    yield docstring(_doc(api, operation), 8)
    given = "(required, *filters)" if needed else "filters"
    yield f"        return self._list(_{operation.name.upper()}, {_id_value(operation)}, {given}, into, params)"


def _listed_by_id(resource: Resource) -> Operation | None:
    """The list that finds the resource's own records by a list of ids."""
    for operation in resource.operations:
        if operation.name == "list" and operation.paged and operation.main and operation.main[1] == resource.name:
            by_id = any(each.wire == "id" and "in" in each.operators for each in operation.filters)
            return operation if by_id and "{id}" not in operation.path else None
    return None


def _get_many(resource: Resource, operation: Operation) -> Iterator[str]:
    options = "DeletableBatchOptions" if operation.include_deleted else "BatchOptions"
    start = ["self", "ids: Iterable[str]", "/", "*"]
    for into, kind in (("None = None", _main_class(resource, operation)), ("type[T]", "T")):
        yield "    @overload"
        items = [*start, f"into: {into}", f"**options: Unpack[{options}]"]
        yield bracketed("def get_many(", items, f") -> Many[{kind}]: ...", 4)
    items = [*start, "into: type[T] | None = None", f"**options: Unpack[{options}]"]
    yield bracketed("def get_many(", items, ") -> Many[Any]:", 4)
    told = (
        "Each record once, in batches of 100 ids that are asked for concurrently; `missing` tells which were not found."
    )
    yield docstring([f"GET /api/v2{operation.path} by `id[in]`.", told], 8)
    yield f"        return self._many(_{operation.name.upper()}, ids, into, options)"


def _returning(cls: str, arguments: list[str], end: str) -> str:
    flat = f") -> {cls}[{', '.join(arguments)}]{end}"
    if len(flat) + 4 <= WIDTH:
        return flat
    return "\n".join([f") -> {cls}[", *(f"        {each}," for each in arguments), f"    ]{end}"])


def _id(operation: Operation) -> list[str]:
    return ["id: str", "/"] if "{id}" in operation.path else []


def _id_value(operation: Operation) -> str:
    return "id" if "{id}" in operation.path else "None"


def _doc(api: Api, operation: Operation) -> list[str]:
    required = [f"`{param.name}`" for param in operation.params if param.required]
    filters = [f"`{each.wire}`" for each in operation.filters if each.required]
    told = [f"Required: {', '.join(required)}." if required else ""]
    told += [f"A filter by {', '.join(filters)} is required." if filters else ""]
    told += [_returns(operation)]
    told += ["Takes custom fields (`cf_*`)." if operation.custom_fields else ""]
    if operation.method == "POST":
        told += ["An idempotency key is sent and honoured." if operation.keyed else "No idempotency key is honoured."]
    told += ["Sent as JSON." if operation.json_body else ""]
    if operation.sub_domain:
        host = f"{{site}}.{operation.sub_domain}.chargebee.com"
        told += [f"Refused: it is on the host `{host}`, which the gateway does not reach."]
    told += [_CATALOGS[operation.catalog] if operation.catalog else ""]
    told += [f"The other catalogue has `{instead}`." if (instead := _instead(api, operation)) else ""]
    lines = [f"{operation.method} /api/v2{operation.path}.", " ".join(text for text in told if text)]
    return [*lines, *_parameters(operation)]


def _parameters(operation: Operation) -> list[str]:
    """A line for each parameter: its type as a caller gives it, and the limits that the API sets."""
    given = [f"`{param.name}`: {_told(param)}" for param in operation.params]
    if operation.paged:
        given += ["`limit`: int, 1 to 100, rows of a page", "`offset`: str, a cursor to start from"]
        given += [f"`order_by`: {', '.join(operation.sorts)}"] if operation.sorts else []
    return ["Parameters:", *(f"- {line}" for line in given)] if given else []


def _told(param: Attribute) -> str:
    kind = param.type.item or param.type
    name = _TOLD.get(kind.kind, kind.kind)
    if kind.enum:
        name = kind.enum.name
    if kind.fields:
        name = f"object of {', '.join(field.name for field in kind.fields)}"
    shown = f"list of {name}" if param.type.item else name
    return ", ".join([shown, *([param.note] if param.note else []), *(["required"] if param.required else [])])


_TOLD = {"time": "datetime", "json": "any JSON", "filter": "filter, an object of operators"}


def _returns(operation: Operation) -> str:
    always = [f"`{field.name}`" for field in operation.answer.fields if field.required]
    maybe = [f"`{field.name}`" for field in operation.answer.fields if not field.required]
    if not always and not maybe:
        return "Returns nothing."
    what = " and ".join(filter(None, [", ".join(always), f"where there is one {', '.join(maybe)}" if maybe else ""]))
    if not operation.listing:
        return f"Returns {what}."
    sorted_by = f" Sorted by `{operation.default_sort}` unless told otherwise." if operation.default_sort else ""
    return f"Rows hold {what}.{sorted_by}"


def index_module(api: Api) -> str:
    """`resources/__init__.py`."""
    resources = sorted(api.operated, key=lambda resource: resource.plural)
    lines = [
        '"""Every resource as an attribute, imported when it is touched."""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import TYPE_CHECKING",
        "",
        "if TYPE_CHECKING:",
        "    from .._resource import Caller",
        *(f"    from .{resource.plural} import {camel(resource.plural)}" for resource in resources),
        "",
        '__all__ = ["Resources"]',
        "",
        "",
        "class Resources:",
        '    """The resources of the API under their plurals. What they are called by is `_caller`."""',
        "",
        "    _caller: Caller",
    ]
    for resource in resources:
        cls = camel(resource.plural)
        lines += [
            "",
            "    @property",
            f"    def {resource.plural}(self) -> {cls}:",
            f'        """Operations of `{resource.name}`."""',
            f"        from .{resource.plural} import {cls}",
            "",
            f"        return {cls}(self._caller)",
        ]
    return "\n".join(lines) + "\n"
