"""Half of a surrogate pair in JSON: what a name ends in that was cut in the middle of an emoji (`"Ann \\ud83d"`).

JSON can spell it, as an escape; UTF-8 cannot, and msgspec refuses a document that holds one, whole. Here such escapes
get stand-ins while it is taken apart, so that all of it, the numbers above all, keeps the server's spelling. Pure.
"""

from __future__ import annotations

import re
from typing import Any

import attrs
import msgspec

__all__ = ["Halves", "taken_apart"]

# The escapes of JSON, from left to right; the group is a half that is alone.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_PRIVATE = range(0xE000, 0xF900)
# A page has some at the most; each costs a look through all of it.
_MOST = 256


@attrs.frozen
class Halves:
    """A document, `text`, in which each lone half is the escape of a character that occurs nowhere else in it.

    It is as long as the original. False where the original has no lone half.
    """

    text: bytes
    _stand_ins: dict[bytes, bytes] = attrs.field(factory=dict)

    @classmethod
    def of(cls, document: bytes) -> Halves:
        """The stand-ins for *document*; none where it has hundreds of halves, or leaves too few private characters
        free."""
        found = sorted({match[1] for match in _ESCAPE.finditer(document) if match[1]})
        if not 0 < len(found) <= _MOST:
            return cls(document)
        lower = document.lower()
        free = (code for code in _PRIVATE if b"u%x" % code not in lower and chr(code).encode() not in document)
        given = {half: b"u%x" % code for half, code in zip(found, free, strict=False)}
        if len(given) < len(found):
            return cls(document)
        text = _ESCAPE.sub(lambda match: b"\\" + given[match[1]] if match[1] else match[0], document)
        return cls(text, {stand_in: half for half, stand_in in given.items()})

    def __bool__(self) -> bool:
        return bool(self._stand_ins)

    def restored(self, piece: bytes | msgspec.Raw) -> bytes:
        """JSON that was cut out of `text`, as the original spells it."""
        piece = bytes(piece)
        for stand_in, half in self._stand_ins.items():
            piece = piece.replace(b"\\" + stand_in, b"\\" + half)
        return piece

    def decoded(self, text: str) -> str:
        """What was decoded from a string of `text`, with its halves: a `str` may hold them."""
        for stand_in, half in self._stand_ins.items():
            text = text.replace(_character(stand_in), _character(half))
        return text


def _character(escape: bytes) -> str:
    return chr(int(escape[1:], 16))


def taken_apart(decoder: msgspec.json.Decoder[Any], document: bytes) -> tuple[Any, Halves]:
    """What *decoder* finds in *document*, for whoever leaves texts undecoded, and what gives these their halves back.

    Raises `msgspec.DecodeError` or `RecursionError`.
    """
    try:
        return decoder.decode(document), Halves(document)
    except msgspec.DecodeError:
        if not (halves := Halves.of(document)):
            raise
    return decoder.decode(halves.text), halves
