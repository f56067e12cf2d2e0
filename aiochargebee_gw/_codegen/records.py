"""Writes `records/`: one module a resource, the global enums, and the lazy map of all names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .enums import GLOBAL
from .model import Api, Attribute, Enum, Record, Resource, Type
from .names import member_names
from .text import WIDTH, chained, comment, declared, docstring, imported, literal, quoted

__all__ = ["annotation", "enum_module", "index_module", "record_module"]

# Not frozen: that took 4 to 6 % more time for pages of invoices on Python 3.13 (benchmarks/decode.py).
_OPTIONS = "eq=False, repr=False, kw_only=True, weakref_slot=False, getstate_setstate=False"
_SECRET = re.compile(r"(^|_)(PAS+WO?R?D|PASS(PHRASE)?|PWD|TOKEN|SECRETE?)($|_)")
_SCALARS = {
    "str": "str", "int": "int", "float": "float", "bool": "bool", "time": "datetime", "json": "Any",
}  # fmt: skip


def enum_module(api: Api) -> str:
    """`records/enums.py`."""
    head = '"""Sets of values that several resources share."""\n\nfrom __future__ import annotations\n'
    exported = literal([made.name for made in api.enums], 0, 10)
    body = "\n\n\n".join([f"from .._record import OpenEnum\n\n__all__ = {exported}", *map(_enum, api.enums)])
    return f"{head}\n{body}\n"


def _enum(made: Enum) -> str:
    members = [_member(name, value) for value, name in member_names(made.values).items()]
    return "\n".join([f"class {made.name}(OpenEnum):", *(members or ["    pass"])])


def _member(name: str, value: str) -> str:
    line = f"    {name} = {quoted(value)}{_excuse(name)}"
    return line if len(line) <= WIDTH else f"    {name} = (\n        {quoted(value)}\n    )"


def _excuse(name: str) -> str:
    """What ruff takes for a password, or for a name that can be misread, is neither."""
    if name in ("I", "O"):
        return "  # noqa: E741"
    return "  # noqa: S105" if _SECRET.search(name) else ""


def record_module(api: Api, resource: Resource) -> str:
    """`records/<resource>.py`."""
    envelopes = list(_envelopes(resource)) if resource.name in api.carried else []
    records = [*resource.records, *(record for record, _ in envelopes)]
    types = [kind for record in records for field in record.fields for kind in (field.type, field.type.item) if kind]
    lazy = _lazy(resource, types)
    blocks = [
        "\n".join(_head(resource, types, records, lazy)),
        *map(_enum, resource.enums),
        *(_class(record) for record in resource.records),
    ]
    for record, aliases in envelopes:
        named = "\n".join(_alias(alias, record.name) for alias in aliases)
        blocks += [_class(record), *([named] if named else [])]
    return "\n\n\n".join(blocks) + "\n"


def _alias(name: str, cls: str) -> str:
    flat = f"{name} = {cls}"
    return flat if len(flat) <= WIDTH else f"{name} = (\n    {cls}\n)"


def _envelopes(resource: Resource) -> Iterator[tuple[Record, list[str]]]:
    """One class a distinct shape, with the names that mean the same."""
    shapes: dict[object, list[tuple[str, str]]] = {}
    for operation in resource.operations:
        shape = (operation.listing, operation.answer.fields)
        shapes.setdefault(shape, []).append((operation.answer.name, operation.name))
    for (_, fields), users in ((key, users) for key, users in shapes.items() if isinstance(key, tuple)):
        what = "A row of" if users[0][0].endswith("Row") else "Answer of"
        doc = f"{what} {', '.join(f'`{name}`' for _, name in users)}."
        yield Record(name=users[0][0], base="Envelope", doc=doc, fields=fields), [name for name, _ in users[1:]]


def _lazy(resource: Resource, types: Iterable[Type]) -> dict[str, str]:
    """Names that stand in annotations and live in other record modules."""
    found: dict[str, str] = {}
    for kind in types:
        if kind.record and kind.record[0] != resource.name:
            found[kind.record[1]] = kind.record[0]
        if kind.enum and kind.enum.home not in (resource.name, GLOBAL):
            found[kind.enum.name] = kind.enum.home
    return dict(sorted(found.items()))


def _head(resource: Resource, types: list[Type], records: list[Record], lazy: dict[str, str]) -> Iterator[str]:
    kinds = {kind.kind for kind in types}
    enums = {kind.enum.name for kind in types if kind.enum and kind.enum.home == GLOBAL}
    bases = {record.base for record in records} | ({"OpenEnum"} if resource.enums else set())
    bases |= {"PROMISED"} if any(map(_promises, records)) else set()
    typing = (["TYPE_CHECKING"] if lazy else []) + (["Any"] if "json" in kinds else [])
    yield f'"""Records of `{resource.name}`."""'
    yield ""
    yield "from __future__ import annotations"
    yield ""
    standard = [
        *(["import builtins"] if any(_shadowed(record) for record in records) else []),
        *(["from datetime import datetime"] if "time" in kinds else []),
        *([imported("typing", typing)] if typing else []),
    ]
    yield from [*standard, ""] if standard else []
    yield from ("from attrs import define", "", imported(".._record", bases))
    yield from [imported(".enums", enums)] if enums else []
    if lazy:
        yield ""
        yield "if TYPE_CHECKING:"
        for module in sorted(set(lazy.values())):
            yield imported(f".{module}", [name for name, home in lazy.items() if home == module], 4)
        yield ""
        yield f"_LAZY = {literal(lazy, 0, 8)}"


def _class(record: Record) -> str:
    lines = [f"@define({_OPTIONS})", f"class {record.name}({record.base}):", docstring([record.doc], 4), ""]
    shadowed = _shadowed(record)
    for field in record.fields:
        written = annotation(field.type, "builtins.list" if shadowed else "list")
        lines.append(comment(_declaration(record, field, written), field.note))
    # Not what is promised: it comes as good as always, and msgspec fills in the default of what does not.
    optional = [f"self.{field.name}" for field in record.fields if not field.required]
    if optional:
        lines += ["", "    def __attrs_pre_init__(self) -> None:", chained(optional, "None", 8)]
    return "\n".join(lines).rstrip()


def _declaration(record: Record, field: Attribute, written: str) -> str:
    if not field.required:
        return declared(field.name, _optional(written), " = None")
    return declared(field.name, written, "" if record.base == "Envelope" else " = PROMISED")


def _promises(record: Record) -> bool:
    return record.base != "Envelope" and any(field.required for field in record.fields)


def _shadowed(record: Record) -> bool:
    return any(field.name == "list" for field in record.fields)


def _optional(written: str) -> str:
    return written if written == "Any" else f"{written} | None"


def annotation(kind: Type, list_name: str = "list") -> str:
    """A type of an answer as it is annotated."""
    if kind.item:
        return f"{list_name}[{annotation(kind.item)}]"
    if kind.record:
        return kind.record[1]
    return kind.enum.name if kind.enum else _SCALARS[kind.kind]


def index_module(api: Api) -> str:
    """`records/__init__.py`: where each name lives, without importing anything."""
    homes: dict[str, list[str]] = {GLOBAL: [made.name for made in api.enums]}
    for resource in api.recorded:
        homes[resource.name] = [*(made.name for made in resource.enums), *(record.name for record in resource.records)]
        if resource.name in api.carried:
            homes[resource.name] += [operation.answer.name for operation in resource.operations]
    homes = {module: sorted(names) for module, names in sorted(homes.items()) if names}
    every = sorted(name for names in homes.values() for name in names)
    where = {name: module for module, names in homes.items() for name in names}
    lines = [
        '"""Records of the API: attrs classes and open enums, each imported when it is touched."""',
        "",
        "from __future__ import annotations",
        "",
        "import importlib",
        "from typing import TYPE_CHECKING, Any",
        "",
        "if TYPE_CHECKING:",
        *(imported(f".{module}", names, 4) for module, names in homes.items()),
        "",
        f"__all__ = {literal(every, 0, 10)}",
        "",
        f"_HOMES = {literal({name: where[name] for name in every}, 0, 9)}",
        _INDEX_CODE,
    ]
    return "\n".join(lines)


_INDEX_CODE = """
if not TYPE_CHECKING:  # a type checker must go on to report what is not there

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(f"{__name__}.{home}"), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
"""
