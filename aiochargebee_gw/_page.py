"""The logic of a cursor, and of a page's rows, without any I/O."""

from __future__ import annotations

import functools
import hashlib
import importlib
from operator import attrgetter
from types import GenericAlias
from typing import Any, TypeVar

import msgspec

from ._operation import ListOperation
from ._record import Envelope, Record, attach_all, decoder, filled
from ._repair import decode_without_nulls
from ._wire import document
from .errors import DecodeError, PaginationError, RepeatedOffset

__all__ = [
    "Trail",
    "answer_class",
    "decode_answer",
    "decode_records",
    "decode_rows",
    "ids_of",
    "record_class",
    "record_decoders",
]

T = TypeVar("T")
_MAX_EMPTY = 100
# Servers and proxies refuse request lines of more than 8 kB; the offsets that were seen have some 40 characters.
_MAX_OFFSET = 2000


class Trail:
    """The offsets that a pass has seen. `advance` refuses one that comes again (A, A as well as A, B, A, B)."""

    __slots__ = ("_empty", "_label", "_seen")

    def __init__(self, label: str, start: str | None) -> None:
        self._label = label
        self._seen: set[bytes] = set()
        self._empty = 0
        if start is not None:
            self._seen.add(_digest(start))

    def advance(self, offset: str | None, *, empty: bool) -> None:
        """Note the offset that follows a page. Raises `RepeatedOffset`, or `PaginationError` after a hundred empty
        pages in a row (one alone is legal: rows may have been filtered away behind the cursor)."""
        if offset is None:
            return
        if wrong := _wrong(offset):
            raise PaginationError(f"the server names an offset that {wrong}", offset=offset, operation=self._label)
        self._empty = self._empty + 1 if empty else 0
        if self._empty > _MAX_EMPTY:
            raise PaginationError("a hundred empty pages in a row", offset=offset, operation=self._label)
        digest = _digest(offset)
        if digest in self._seen:
            raise RepeatedOffset("the server repeats an offset", offset=offset, operation=self._label)
        self._seen.add(digest)


def _wrong(offset: str) -> str | None:
    """Why *offset* cannot be sent back, if it cannot."""
    if not offset:
        return "is empty"
    if len(offset) > _MAX_OFFSET:
        return "is too long for a URL"
    try:
        offset.encode()
    except UnicodeEncodeError:
        return "holds half a surrogate pair"
    return None


def _digest(offset: str) -> bytes:
    # 16 bytes an offset keep a pass over a million pages within some 100 MB, whatever a server calls a cursor.
    return hashlib.blake2b(offset.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@functools.cache
def record_class(name: str) -> type[Record]:
    """The class that an operation names as "customer.Customer"."""
    module, _, cls = name.partition(".")
    found: type[Record] = getattr(importlib.import_module(f"{__package__}.records.{module}"), cls)
    return found


@functools.cache
def answer_class(resource: str, name: str) -> type[Envelope]:
    """The class of an answer or a row, from the records of *resource*."""
    found: type[Envelope] = getattr(importlib.import_module(f"{__package__}.records.{resource}"), name)
    return found


def decode_answer(body: bytes, cls: type[T], label: str) -> T:
    """A single answer. Raises `DecodeError` with the path of what is wrong."""
    try:
        found: T = _decode(decoder(cls), body)
    except (ValueError, RecursionError) as error:
        raise _unreadable(error, label) from document.harmless(error)
    try:
        document.check_keys(body)
    except DecodeError as error:
        error.operation = label
        raise
    if isinstance(found, Envelope):
        found._attach(document.Source(body))
    return found


def _decode(reader: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return reader.decode(body)
    except (ValueError, RecursionError) as error:
        return decode_without_nulls(reader, body, error)


def decode_records(body: bytes, operation: ListOperation[Any, Any], cls: type[T]) -> list[T | DecodeError]:
    """The main record of every row as *cls*. A row that cannot be read stands as its `DecodeError` in the list."""
    main = operation.main
    rows = _decode_list(body, record_decoders(main, cls), operation.label)
    if any(type(row) is DecodeError for row in rows):
        return _some_records(rows, main, body)
    records = list(map(attrgetter(main), rows))
    if issubclass(cls, Record):
        attach_all(records, document.Source(body, main))
    return records


def _some_records(rows: list[Any], main: str, body: bytes) -> list[Any]:
    source = document.Source(body, main)
    found = [row if isinstance(row, DecodeError) else getattr(row, main) for row in rows]
    for number, record in enumerate(found):
        if isinstance(record, Record):
            record._attach(source, number)
    return found


class _Identity(msgspec.Struct):
    id: str | None = None


@functools.cache
def _id_decoder(main: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_page_of(msgspec.defstruct(main, [(main, _Identity)])))


def ids_of(body: bytes, main: str) -> list[str | None]:
    """The `id` of the main record of every row of a page; None where one has none."""
    try:
        return [getattr(row, main).id for row in _id_decoder(main).decode(body).list]
    except (ValueError, RecursionError):
        return [_id_in(row, main) for row in document.pieces(body)]


def _id_in(row: bytes, main: str) -> str | None:
    """As above, for a row that msgspec refuses (half a surrogate pair in a text) or that is not as promised."""
    try:
        found: Any = document.as_mapping(row)
    except DecodeError:
        return None
    for step in (main, "id"):
        found = found.get(step) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None


def decode_rows(body: bytes, cls: type[T], label: str) -> list[T | DecodeError]:
    """Every row as its envelope. A row that cannot be read stands as its `DecodeError` in the list."""
    found: list[T | DecodeError] = _decode_list(body, _row_decoders(cls), label)
    source = document.Source(body)
    for number, row in enumerate(found):
        if isinstance(row, Envelope):
            row._attach(source, number)
    return found


def _decode_list(body: bytes, decoders: _Decoders, label: str) -> list[Any]:
    page, row = decoders
    try:
        return list(page.decode(body).list)
    except (ValueError, RecursionError):
        # One bad row must not take the other 99 with it.
        return [_decode_row(row, number, raw, label) for number, raw in enumerate(document.pieces(body))]


def _decode_row(row: msgspec.json.Decoder[Any], number: int, raw: bytes, label: str) -> Any:
    try:
        return _decode(row, raw)
    except (ValueError, RecursionError) as error:
        return _unreadable(error, label, f"$.list[{number}]")


def _unreadable(error: Exception, label: str, prefix: str = "$") -> DecodeError:
    what, path = document.explain(error)
    path = prefix + path.removeprefix("$")
    made = DecodeError(f"the answer cannot be read: {what} at {path}", path=path, operation=label)
    made.__cause__ = document.harmless(error)
    return made


_Decoders = tuple[msgspec.json.Decoder[Any], msgspec.json.Decoder[Any]]
_of_records: dict[tuple[str, type], _Decoders] = {}
_of_rows: dict[type, _Decoders] = {}


def record_decoders(main: str, cls: type) -> _Decoders:
    """Decoders of a page and of one row that read nothing but the main record."""
    if (main, cls) not in _of_records:
        _of_records[main, cls] = _decoders(msgspec.defstruct(main, [(main, filled(cls))], gc=False))
    return _of_records[main, cls]


def _row_decoders(cls: type) -> _Decoders:
    """Decoders of a page and of one row that read every object of a row."""
    if cls not in _of_rows:
        _of_rows[cls] = _decoders(filled(cls))
    return _of_rows[cls]


def _decoders(row: type) -> _Decoders:
    decoder_of = functools.partial(msgspec.json.Decoder, strict=False)
    return decoder_of(_page_of(row)), decoder_of(row)


def _page_of(row: type) -> type:
    return msgspec.defstruct("Rows", [("list", GenericAlias(list, (row,)))])
