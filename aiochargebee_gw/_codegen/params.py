"""Writes `params/`: a `TypedDict` of each operation's keywords, and of the objects in them."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator

from attrs import define, field

from .model import Api, Attribute, Enum, Operation, Resource, Type
from .names import CatalogueError, camel, singular
from .text import WIDTH, bracketed, comment, declared, imported, literal, quoted

__all__ = ["filters_module", "params_module", "params_name"]

_SCALARS = {
    "str": "str", "int": "int", "float": "float | Decimal", "bool": "bool", "time": "datetime", "json": "Any",
    "enum": "str",
}  # fmt: skip
_FILTER_VALUES = {"string": "str", "enum": "str", "number": "int", "timestamp": "datetime", "boolean": "bool"}


def params_name(resource: Resource, operation: Operation) -> str:
    """The class of an operation's keywords: `CustomerCreateParams`."""
    return f"{resource.cls}{camel(operation.name)}Params"


@define
class _Module:
    """The classes of one module so far. A class whose text is already there becomes another name of it."""

    blocks: list[str] = field(factory=list)
    names: dict[str, str] = field(factory=dict)
    written: set[str] = field(factory=set)
    enums: set[Enum] = field(factory=set)
    kinds: set[str] = field(factory=set)
    filters: set[str] = field(factory=set)
    bases: set[str] = field(factory=set)

    def add(self, name: str, head: str, body: str) -> str:
        """Write a class and return its name. *head* has `{}` where the name stands."""
        if name in self.written:
            raise CatalogueError(f"two parameter objects are called {name}")
        self.written.add(name)
        if original := self.names.get(head + body):
            flat = f"{name} = {original}"
            self.blocks.append(flat if len(flat) <= WIDTH else f"{name} = (\n    {original}\n)")
        else:
            self.names[head + body] = name
            self.blocks.append(head.format(name) + "\n" + body)
        return name


def params_module(api: Api, resource: Resource) -> str:
    """`params/<resource>.py`."""
    module = _Module()
    for operation in resource.operations:
        _operation(module, resource, operation)
    body = ""
    for before, block in zip(["", *module.blocks], module.blocks, strict=False):
        plain = before and not before.startswith("class") and not block.startswith("class")
        body += ("\n" if plain else "\n\n\n") + block
    return "\n".join(_head(module, resource)) + body + "\n"


def _operation(module: _Module, resource: Resource, operation: Operation) -> None:
    base = _base(operation)
    module.bases.add(base)
    prefix = resource.cls + camel(operation.name)
    lines = list(_fields(module, prefix, operation.params))
    if operation.paged and operation.include_deleted and not any(p.name == "include_deleted" for p in operation.params):
        raise CatalogueError(f"{operation.path} has include_deleted, but not as a parameter")
    doc = f'    """Keywords of {operation.method} /api/v2{operation.path}."""'
    # Not shared between operations: a docstring that names one of them would mislead for the others.
    body = "\n".join([doc, "", *lines] if lines else [doc])
    module.add(f"{prefix}Params", "class {}(" + base + ", total=False):", body)


def _base(operation: Operation) -> str:
    if operation.paged:
        return "SortedListOptions" if operation.sorts else "ListOptions"
    if operation.method == "GET":
        return "CallOptions"
    return "CustomWriteOptions" if operation.custom_fields else "WriteOptions"


def _fields(module: _Module, prefix: str, params: Iterable[Attribute]) -> Iterator[str]:
    for param in params:
        written = _annotation(module, prefix, param.name, param.type)
        if param.required:
            written = f"Required[{written}]"
        elif written != "Any":
            written += " | None"
        yield comment(declared(param.name, written), param.note)


def _annotation(module: _Module, prefix: str, name: str, kind: Type) -> str:
    module.kinds.add(kind.kind)
    if kind.item:
        inner = kind.item
        return f"Sequence[{_annotation(module, prefix, singular(name) if inner.fields else name, inner)}]"
    if kind.kind == "object":
        body = "\n".join(_fields(module, prefix + camel(name), kind.fields))
        return module.add(prefix + camel(name), "class {}(TypedDict, total=False):", body or "    pass")
    if kind.kind == "filter":
        cls = filter_name(kind)
        module.filters.add(cls)
        return cls
    if kind.enum:
        module.enums.add(kind.enum)
        return f"{kind.enum.name} | str"
    return _SCALARS[kind.kind]


def _head(module: _Module, resource: Resource) -> Iterator[str]:
    kinds = module.kinds
    needed = "".join(module.blocks)
    typing = ["TYPE_CHECKING"] if kinds & {"list", "time", "float"} or module.enums else []
    typing += [name for name in ("Any", "Required", "TypedDict") if f"{name}[" in needed or _stands(name, needed)]
    yield f'"""Keywords of the operations of `{resource.name}`."""'
    yield ""
    yield "from __future__ import annotations"
    yield ""
    yield from [imported("typing", typing), ""] if typing else []
    yield imported(".._options", module.bases)
    yield from [imported("._filters", module.filters)] if module.filters else []
    if "TYPE_CHECKING" not in typing:
        return
    yield ""
    yield "if TYPE_CHECKING:"
    yield from ["    from collections.abc import Sequence"] if "list" in kinds else []
    yield from ["    from datetime import datetime"] if "time" in kinds else []
    yield from ["    from decimal import Decimal"] if "float" in kinds else []
    if not module.enums:
        return
    yield from [""] if kinds & {"list", "time", "float"} else []
    for home in sorted({made.home for made in module.enums}):
        yield imported(f"..records.{home}", [made.name for made in module.enums if made.home == home], 4)


def _stands(name: str, text: str) -> bool:
    return f": {name}" in text or f"({name}," in text or f"[{name}]" in text


def filter_name(kind: Type) -> str:
    """The class of a filter that is given as a keyword: `StringIsIsNot`."""
    return kind.filter_kind.capitalize() + "".join(map(camel, kind.operators))


def filters_module(api: Api) -> str:
    """`params/_filters.py`: filters given as keywords, `{"is": "x"}`, one class a set of operators."""
    kinds: dict[str, Type] = {}
    for resource in api.operated:
        for operation in resource.operations:
            for param in operation.params:
                for kind in (param.type, *(inner.type for inner in param.type.fields)):
                    if kind.kind == "filter":
                        kinds[filter_name(kind)] = kind
    body = "\n".join(
        [f"__all__ = {literal(sorted(kinds), 0, 10)}", *(_filter(name, kinds[name]) for name in sorted(kinds))]
    )
    lines = [
        '"""Filters that are given as keywords: `customer={"email": {"is": "a@b.example"}}`."""',
        "",
        "from __future__ import annotations",
        "",
        *(["from collections.abc import Sequence"] if "Sequence" in body else []),
        *(["from datetime import datetime"] if "datetime" in body else []),
        *(["from typing import TypedDict", ""] if kinds else []),
        body,
    ]
    return "\n".join(lines) + "\n"


def _filter(name: str, kind: Type) -> str:
    fields = {operator: _filter_value(kind, operator) for operator in kind.operators}
    if not any(map(keyword.iskeyword, fields)):
        return "\n".join(
            ["", "", f"class {name}(TypedDict, total=False):", *(f"    {k}: {v}" for k, v in fields.items())]
        )
    # `is` and `in` are no names that the body of a class could hold.
    given = ", ".join(f"{quoted(operator)}: {value}" for operator, value in fields.items())
    return "\n" + bracketed(f"{name} = TypedDict(", [quoted(name), "{" + given + "}", "total=False"], ")")


def _filter_value(kind: Type, operator: str) -> str:
    value = _FILTER_VALUES[kind.filter_kind]
    if operator in ("in", "not_in", "between"):
        return f"Sequence[{value}]"
    return "bool" if operator == "is_present" else value
