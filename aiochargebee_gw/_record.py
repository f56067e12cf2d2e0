"""What all records have in common: open enums, and the bytes that their classes do not declare.

Generated classes derive from `Record` (an object of the API), `Part` (an object inside one) and `Envelope` (a row or an
answer: records by name). msgspec decodes JSON straight into them; `decoder` builds and keeps its decoders.

An absent attribute would cost msgspec 160 to 330 ns (it asks, and drops an AttributeError); each class therefore
presets its optional attributes in one chained store, `__attrs_pre_init__`, which the generator writes.
"""

from __future__ import annotations

import functools
import importlib
import operator
import re
import sys
import types
import typing
from collections import deque
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import count, repeat
from typing import Any, Self, TypeVar

import attrs
import msgspec

from ._wire.document import Path, Source, fields_of, loads

__all__ = ["PROMISED", "Envelope", "OpenEnum", "Part", "Record", "attach_all", "decoder", "filled", "resolve"]

PROMISED: Any = None
"""The default of an attribute that the API's documentation promises, and whose type therefore has no None. Should the
server leave one out all the same, it is None, and the 99 other attributes are still there: an export must not end with
the first row that is not as documented."""

T = TypeVar("T")


class OpenEnum(StrEnum):
    """A set of values that the server may extend: a value not listed survives as a member that says so.

    Chargebee's documentation asks clients to expect new values. `known` is False for such a value; it compares equal
    to its text, pickles, and stays out of `list(E)`.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        return member

    @property
    def known(self) -> bool:
        """Whether this release lists the value."""
        return self._value_ in type(self)._value2member_map_


class Part:
    """An object inside a record (an address, a line item): equal when all its attributes are."""

    __slots__ = ()

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in attrs.fields(type(self)))  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._values() == self._values()

    def __hash__(self) -> int:
        return hash((type(self), getattr(self, "id", None)))

    def __getstate__(self) -> tuple[Any, ...]:
        return self._values()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        for field, value in zip(attrs.fields(type(self)), state, strict=True):  # type: ignore[arg-type]
            object.__setattr__(self, field.name, value)

    def __repr__(self) -> str:
        # Records hold personal data: what a log shows is the kind and the id, attrs.asdict() shows the rest.
        shown = getattr(self, "id", None)
        return f"<{type(self).__name__}>" if shown is None else f"<{type(self).__name__} id={shown!r}>"


class Record(Part):
    """An object of the API. `extra`, `custom_fields` and `raw` are found in the answer's bytes when asked for.

    A record keeps the whole answer that it came from alive; `detach()` lets go of all but its own bytes.
    """

    __slots__ = ("_origin",)
    _origin: tuple[Source, Path]

    @property
    def raw(self) -> bytes:
        """This object's JSON as the server sent it; empty for a record that was not decoded from an answer."""
        try:
            source, path = self._origin
        except AttributeError:
            return b""
        return source.find(path)

    @property
    def custom_fields(self) -> dict[str, Any]:
        """The `cf_*` attributes that the class does not declare, as plain JSON values."""
        return {key: loads(value) for key, value in self._undeclared().items() if key.startswith("cf_")}

    @property
    def extra(self) -> dict[str, Any]:
        """All other attributes that the class does not declare, as plain JSON values."""
        return {key: loads(value) for key, value in self._undeclared().items() if not key.startswith("cf_")}

    def detach(self) -> Self:
        """Keep this record's own bytes and let the rest of its answer go. Returns the record."""
        if raw := self.raw:
            self._attach(Source(raw), ())
        return self

    def _attach(self, source: Source, path: Path) -> None:
        _set_origin(self, (source, path))

    def _undeclared(self) -> dict[str, bytes]:
        raw = self.raw
        if not raw:
            return {}
        declared = _declared(type(self))
        return {key: value for key, value in fields_of(raw).items() if key not in declared}

    def __getstate__(self) -> tuple[Any, ...]:
        return self.raw, *self._values()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        raw, *values = state
        super().__setstate__(tuple(values))
        if raw:
            self._attach(Source(raw), ())


_set_origin = Record._origin.__set__  # type: ignore[misc, attr-defined]


def attach_all(found: Iterable[Record], source: Source) -> None:
    """Tell the main records of a page, in their order, where they came from: all in C, 6 microseconds a hundred."""
    deque(map(_set_origin, found, zip(repeat(source), count())), maxlen=0)


class Envelope(Part):
    """A row of a list or the answer of a call: what came back, by name."""

    __slots__ = ()

    def _attach(self, source: Source, *prefix: str | int) -> None:
        for field in attrs.fields(type(self)):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, Record):
                value._attach(source, (*prefix, field.name))
            elif isinstance(value, list):
                for number, item in enumerate(value):
                    if isinstance(item, Record):
                        item._attach(source, (*prefix, field.name, number))


_names: dict[type, frozenset[str]] = {}
_decoders: dict[type, msgspec.json.Decoder[Any]] = {}


def _declared(cls: type) -> frozenset[str]:
    if cls not in _names:
        _names[cls] = frozenset(field.name for field in attrs.fields(cls)) | {"object"}
    return _names[cls]


def decoder(cls: type[T], /) -> msgspec.json.Decoder[T]:
    """A decoder of bytes into *cls*: integers become aware datetimes, unknown keys are skipped."""
    if cls not in _decoders:
        _decoders[cls] = msgspec.json.Decoder(filled(cls), strict=False)
    return _decoders[cls]


_NAME = re.compile(r"[A-Za-z_]\w*")
_resolved: set[type] = set()
_filled: dict[type, type] = {}


def filled(cls: type[T], /) -> type[T]:
    """The class to give to msgspec for *cls*: a subclass whose instances preset what may be absent, then are of *cls*.

    Changing an instance's class costs 30 ns, and a frozen class then costs no more: the subclass is not frozen. A class
    that presets for itself, or that wants to know of its subclasses, is taken as it is.
    """
    kept: Any = cls
    if not attrs.has(cls):
        return kept  # type: ignore[no-any-return]
    resolve(kept)
    if not _is_plain(kept):
        return kept  # type: ignore[no-any-return]
    if kept not in _filled:
        # Kept before its attributes are looked at: classes may hold each other.
        made = _filled[kept] = type(kept.__name__, (kept,), _filling(kept))
        hints = typing.get_type_hints(kept, include_extras=True)
        made.__annotations__ = {name: _inside(hints[name]) for name in attrs.fields_dict(kept)}
    return _filled[kept]


def _is_plain(cls: type) -> bool:
    return (
        type(cls) is type
        and not hasattr(cls, "__attrs_pre_init__")
        and not any("__init_subclass__" in vars(base) for base in cls.__mro__[:-1])
    )


def _filling(cls: type) -> dict[str, Any]:
    """The body of that subclass. No slots of its own: else its instances could not change their class."""
    names: dict[str, Any] = {"cls": cls}
    lines = ["def preset(self):"]
    for number, field in enumerate(attrs.fields(cls)):
        if field.default is not attrs.NOTHING and not isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
            names[f"default{number}"] = field.default
            lines.append(f"    self.{field.name} = {None if field.default is None else f'default{number}'}")
    lines.append("    self.__class__ = cls")
    exec("\n".join(lines), names)  # noqa: S102  (names of attributes; a loop would cost what this saves)
    return {
        "__slots__": (),
        "__module__": cls.__module__,
        "__setattr__": object.__setattr__,
        "__delattr__": object.__delattr__,
        "__attrs_pre_init__": names["preset"],
    }


def _inside(hint: Any) -> Any:
    """A type with the classes in it replaced."""
    if isinstance(hint, type) and attrs.has(hint):
        return filled(hint)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is None or origin is typing.Literal:
        return hint
    if origin is typing.Annotated:
        return typing.Annotated[(_inside(inner[0]), *inner[1:])]
    replaced = tuple(_inside(each) if each is not Ellipsis else each for each in inner)
    if replaced == inner:
        return hint
    if origin in (typing.Union, types.UnionType):
        return functools.reduce(operator.or_, replaced)
    return origin[replaced]


def resolve(cls: type) -> None:
    """Give the modules of generated classes the names that their annotations use, of *cls* and of all that it holds.

    A record module lists the records of other modules in `_LAZY` (name -> module) and imports them for type checkers
    only: they would be slow to import, and they refer to each other in circles.
    """
    if cls in _resolved:
        return
    _resolved.add(cls)
    for base in cls.__mro__:
        _import_names(base)
    for hint in typing.get_type_hints(cls).values():
        for found in _classes(hint):
            resolve(found)


def _import_names(cls: type) -> None:
    module = sys.modules.get(cls.__module__)
    lazy: dict[str, str] = getattr(module, "_LAZY", {})
    if module is None or not lazy:
        return
    for annotation in cls.__annotations__.values():
        for name in _NAME.findall(annotation):
            if name in lazy and name not in module.__dict__:
                module.__dict__[name] = getattr(importlib.import_module(f"{__package__}.records.{lazy[name]}"), name)


def _classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and attrs.has(hint):
        yield hint
    for inner in typing.get_args(hint):
        yield from _classes(inner)
