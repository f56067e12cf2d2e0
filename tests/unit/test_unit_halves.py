"""Halves of surrogate pairs: a document that holds them is taken apart, and keeps its spelling."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiochargebee_gw._wire import document
from aiochargebee_gw._wire.halves import Halves, taken_apart
from aiochargebee_gw.errors import DecodeError

RAWS = msgspec.json.Decoder(dict[str, msgspec.Raw])
PARTS = [
    "x", "é", "😀", "ud83d", "ue000", "\ue000", "\\\\", '\\"', "\\n", "\\ud83d", "\\uD83D", "\\uDe00", "\\ude00",
    "\\uE000", "\\ue001", "\\ud83d\\ude00", "\\udbff", "\\u0000",
]  # fmt: skip
texts = st.lists(st.sampled_from(PARTS), max_size=8).map("".join)


@given(st.lists(st.tuples(texts, texts), max_size=5))
def test_every_piece_is_what_it_was(members: list[tuple[str, str]]) -> None:
    """Whatever is in keys and texts: halves of either kind, whole pairs, escaped backslashes before what only looks
    like an escape, and the private characters that stand in for halves. A number beside them keeps its spelling."""
    spelled = {f"{at}{key}": f'["{text}", 1.10, 12345678901234567890123]' for at, (key, text) in enumerate(members)}
    body = ("{" + ", ".join(f'"{key}" : {value}' for key, value in spelled.items()) + "}").encode()
    found, halves = taken_apart(RAWS, body)
    assert len(halves.text) == len(body)
    assert {halves.decoded(key): halves.restored(value) for key, value in found.items()} == {
        json.loads(f'"{key}"'): value.encode() for key, value in spelled.items()
    }
    whole = json.dumps(json.loads(body), ensure_ascii=False)
    assert bool(halves) is any("\ud800" <= character <= "\udfff" for character in whole)
    assert bool(halves) or halves.text == body


def test_what_cannot_be_read_is_still_refused() -> None:
    """A document that is no JSON, or not what was expected, is told as such, half of a pair or not."""
    for body in (b'{"a":"\\ud83d"', b'["\\ud83d"]', b"[1]", b"{", b"\\ud83d"):
        with pytest.raises(msgspec.DecodeError):
            taken_apart(RAWS, body)


def test_more_halves_than_characters_that_are_free() -> None:
    """Nothing is guessed then: the document is refused, as msgspec refuses it."""
    body = ('{"a":"' + "".join(map(chr, range(0xE000, 0xF900))) + '\\ud83d"}').encode()
    assert not Halves.of(body)
    with pytest.raises(msgspec.DecodeError):
        taken_apart(RAWS, body)


def test_a_page_keeps_its_cursor_and_its_rows() -> None:
    """A cursor may hold such a half, too: it is handed out as it is, for whoever says that it cannot be sent. Two
    cursors are refused as on any other page."""
    rows = [b'{"customer": {"id":"a","n":"\\ud83d"}}', b'{"customer":{"id":"b","f":1.10,"u":"\xc3\x85\\u00e9"}}']
    body = b'{"next_offset":"x\\uDC00", "list":[' + b" , ".join(rows) + b"]}"
    listing = document.Listing(body)
    assert (listing.next_offset, listing.count) == ("x\udc00", 2)
    assert listing.rows() == document.pieces(body) == rows
    assert listing.documents("customer") == [row[len('{"customer":') : -1].strip() for row in rows]
    with pytest.raises(DecodeError, match="missing"):
        listing.documents("card")
    with pytest.raises(DecodeError, match="twice"):
        document.Listing(body[:-1] + b',"next_offset":null}')
