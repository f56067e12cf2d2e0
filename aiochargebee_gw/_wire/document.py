"""A JSON body as bytes, looked into without building what nobody asked for.

msgspec takes a page of 100 rows apart in 0.2 ms, once for all that is asked of it, where decoding it takes some ms: so
the next request can leave before the rows are decoded. Lists have the form `{"list": [{"customer": {...}, "card":
{...}}, ...], "next_offset": "..."}`; `next_offset` is absent on the last page (Chargebee API: pagination).
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from functools import cache
from itertools import chain
from typing import Any, TypeAlias

import msgspec

from ..errors import DecodeError
from . import strict
from .halves import Halves, taken_apart

__all__ = [
    "Listing",
    "Source",
    "as_mapping",
    "check_keys",
    "check_text",
    "explain",
    "fields_of",
    "harmless",
    "loads",
    "pieces",
    "rows",
]


class _Page(msgspec.Struct, rename={"rows": "list"}):
    rows: list[msgspec.Raw]
    next_offset: str | None = None


class _Parts(msgspec.Struct, rename={"rows": "list"}):
    rows: list[dict[str, msgspec.Raw]]
    next_offset: str | None = None


_page = msgspec.json.Decoder(_Page)
_parts = msgspec.json.Decoder(_Parts)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()
_PIECE = 1 << 16
_MISSING = re.compile(r"Object missing required field `(.+)`\Z")


def explain(error: Exception) -> tuple[str, str]:
    """What a decoder found and where: ("Expected `str`, got `int`", "$.list[3].customer.id"). Holds no value."""
    if isinstance(error, msgspec.ValidationError):
        what, separator, path = str(error).rpartition(" - at `")
        what, path = (what, path.rstrip("`")) if separator else (str(error), "$")
        if missing := _MISSING.match(what):
            path = f"{path}.{missing[1]}"
        # msgspec quotes the value here, and nowhere else.
        return "Invalid enum value" if what.startswith("Invalid enum value") else what, path
    if isinstance(error, RecursionError):
        return "it is nested too deeply", "$"
    if isinstance(error, strict.DuplicateKey):
        # Not "$": the body is whole, and would be the same a second time.
        return "a key comes twice in one object", "$.*"
    return "it is not well-formed JSON", "$"


def harmless(error: Exception) -> Exception | None:
    """The cause to keep: one that neither quotes a value nor holds the body, else none."""
    holds = isinstance(error, UnicodeDecodeError | json.JSONDecodeError)
    return None if holds or str(error).startswith("Invalid enum value") else error


def _decode(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from harmless(error)


def _apart(decoder: msgspec.json.Decoder[Any], body: bytes) -> tuple[Any, Halves]:
    try:
        return taken_apart(decoder, body)
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from harmless(error)


def _unreadable(error: Exception) -> DecodeError:
    what, path = explain(error)
    return DecodeError(f"the answer cannot be read: {what}", path=path)


def check_keys(body: bytes) -> None:
    """Raise `DecodeError` when a key comes twice anywhere in *body*, or when it is no JSON."""
    _strictly(body)


def _strictly(body: bytes) -> Any:
    try:
        return strict.loads(body)
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from harmless(error)


def check_text(body: bytes) -> None:
    """Raise `DecodeError` unless *body* is UTF-8.

    msgspec looks into no text that it hands out undecoded. Whoever writes rows down must not write broken UTF-8.
    """
    if body.isascii():
        return
    at = 0
    try:
        while at < len(body):
            # Piece by piece: one character beyond Latin-1 doubles the memory that a text is decoded into, and takes
            # three times as long. Those of Latin Extended-A (Łódź) are therefore made Latin-1, lead byte for lead byte:
            # each of the three is followed by any one continuation byte, and what is broken stays broken.
            piece = body[at : at + _PIECE].replace(b"\xc4", b"\xc3").replace(b"\xc5", b"\xc3")
            at += codecs.utf_8_decode(piece, "strict", at + _PIECE >= len(body))[1]
    except UnicodeDecodeError:
        raise DecodeError("the answer cannot be read: it is not UTF-8") from None


class Listing:
    """A page, taken apart once: its cursor (None on the last page), the number of its rows, and what stands in them.

    Raises `DecodeError` for a body that is no page, or that names two lists or two cursors.
    """

    __slots__ = ("_body", "_compact", "_rows", "count", "next_offset")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._rows: list[dict[str, msgspec.Raw]] | None = None
        self._compact = False
        try:
            found: _Parts = _parts.decode(body)
        except (ValueError, RecursionError):
            self.next_offset, self.count = _scan(body)
            return
        self.next_offset, self.count = found.next_offset, len(found.rows)
        self._rows = found.rows
        self._compact = len(body) == _least(found)
        if not self._compact:
            _scan(body)

    @property
    def unbroken(self) -> bool:
        """Whether the page is written without a line break."""
        return b"\n" not in self._body and b"\r" not in self._body

    def spans(self, key: str) -> list[bytes]:
        """As `documents`, for whoever looks at the text of all of them at once, with `check_text`. Most are
        `msgspec.Raw`, no copies: they match, compare and join like bytes, and keep the page alive."""
        if self._rows is not None:
            try:
                return [row[key] for row in self._rows]
            except KeyError:
                pass
        return _documents_of(self._body, key)

    def documents(self, key: str) -> list[bytes]:
        """What stands under *key* in each row, as the server wrote it. Raises `DecodeError` for a row without it, and
        where one of them is not UTF-8."""
        found = [bytes(span) for span in self.spans(key)]
        # Not the whole page: most of what a real one holds is ASCII, and is seen to be that ten times as fast.
        check_text(b"".join([document for document in found if not document.isascii()]))
        return found

    def rows(self) -> list[bytes]:
        """The rows as the server wrote them, see `rows`."""
        if self._rows is None or not self._compact:
            return rows(self._body)
        check_text(self._body)
        # Without a blank the rows stand where their sizes put them. No string can hold the unescaped quotes of the key.
        at = self._body.index(b'"list":[') + len('"list":[')
        found = []
        for row in self._rows:
            end = at + len("{}") - 1 + len('"":,') * len(row) + sum(map(len, row)) + sum(map(_size, row.values()))
            found.append(self._body[at:end])
            at = end + len(",")
        return found


def _size(raw: msgspec.Raw) -> int:
    return memoryview(raw).nbytes


def _least(page: _Parts) -> int:
    """The fewest bytes in which all of a page can be said.

    A body of just as many has no room for a key that comes twice, for a blank, or for anything that was passed over.
    """
    raws = list(chain.from_iterable(map(dict.values, page.rows)))
    size = len('{"list":[]}') - 1 + len(page.rows) * len(",{") + len(raws) * len('"":,')
    # Joined, for asking each for its size takes twice as long.
    size += len("".join(chain.from_iterable(page.rows))) + len(b"".join(raws))
    if page.next_offset is not None:
        size += len(',"next_offset":') + len(json.dumps(page.next_offset, ensure_ascii=False).encode())
    return size


def _scan(body: bytes) -> tuple[str | None, int]:
    """The cursor and the number of rows of a page that is not written as compactly as can be."""
    found, halves = _apart(_page, body)
    try:
        strict.check_envelope(halves.text, found.rows)
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from harmless(error)
    return found.next_offset and halves.decoded(found.next_offset), len(found.rows)


def rows(body: bytes) -> list[bytes]:
    """The rows of a page as the server wrote them, undecoded (they share no memory with the page).

    Also those of a page with half of a surrogate pair in a text (a name that was cut in the middle of an emoji), which
    msgspec refuses whole: 99 good rows must not be lost. Raises `DecodeError` for a page that is not UTF-8.
    """
    check_text(body)
    return pieces(body)


def pieces(body: bytes) -> list[bytes]:
    """As `rows`, for whoever decodes every byte of them: broken UTF-8 is found then, in the row that it is in."""
    found, halves = _apart(_page, body)
    return [halves.restored(row) for row in found.rows]


@cache
def _documents(key: str) -> msgspec.json.Decoder[Any]:
    row = msgspec.defstruct("Row", [(key, msgspec.Raw)], gc=False)
    return msgspec.json.Decoder(msgspec.defstruct("Documents", [("list", list[row])]))  # type: ignore[valid-type]


def _documents_of(body: bytes, key: str) -> list[bytes]:
    """What stands under *key* in each row of a page that was not taken apart. Raises `DecodeError`."""
    check_text(body)
    found, halves = _apart(_documents(key), body)
    return [halves.restored(getattr(row, key)) for row in found.list]


def fields_of(document: bytes) -> dict[str, bytes]:
    """The values of a JSON object by key, undecoded."""
    found: dict[str, msgspec.Raw] = _decode(_object, document)
    return {key: bytes(value) for key, value in found.items()}


def loads(document: bytes) -> Any:
    """A whole document as plain Python values."""
    return _decode(_any, document)


Path: TypeAlias = "int | tuple[str | int, ...]"


class Source:
    """The body that records were decoded from, shared by all of them, for what their classes do not declare.

    *main* is the key of a page's main records.
    """

    __slots__ = ("_main", "_rows", "body")

    def __init__(self, body: bytes, main: str = "") -> None:
        self.body = body
        self._main = main
        self._rows: list[bytes] | None = None

    def find(self, path: Path) -> bytes:
        """The bytes of one value: `3` is the main record of a page's fourth row, `(3, "card")` another object of it,
        `("customer",)` or `("invoices", 0)` one of an envelope, `()` the whole."""
        if isinstance(path, int):
            path = (path, self._main)
        found = self.body
        for step in path:
            found = self._row(step) if found is self.body and isinstance(step, int) else _step(found, step)
        return found

    def _row(self, number: int) -> bytes:
        if self._rows is None:
            self._rows = rows(self.body)
        return self._rows[number]


_list = msgspec.json.Decoder(list[msgspec.Raw])


def _step(document: bytes, step: str | int) -> bytes:
    if isinstance(step, str):
        return fields_of(document)[step]
    found: list[msgspec.Raw] = _decode(_list, document)
    return bytes(found[step])


def as_mapping(document: bytes) -> Mapping[str, Any]:
    """A document that must be a JSON object without a key twice, as a dict. Raises `DecodeError`."""
    found = _strictly(document)
    if not isinstance(found, dict):
        raise DecodeError(f"the answer cannot be read: expected an object, got {type(found).__name__}")
    return found
