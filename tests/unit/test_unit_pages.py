"""The rows of a page, read one by one where one of them is bad; the ids of its records; the trail of its cursors."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from types import FrameType
from typing import Any

import attrs
import pytest

from aiochargebee_gw import errors
from aiochargebee_gw._page import Trail, decode_answer, decode_records, decode_rows, ids_of
from aiochargebee_gw.records import Customer, CustomerListRow
from aiochargebee_gw.resources import customers

LABEL = "GET /api/v2/customers"


def _row(id: str, **more: Any) -> dict[str, Any]:
    record = {"id": id, "created_at": 1704067200, "cf_number": id, "object": "customer"}
    return {"customer": record | more, "card": {"customer_id": id, "cf_card": id}}


def _page(*rows: Any) -> bytes:
    return json.dumps({"list": rows}).encode()


BAD = _row("bad", net_term_days="soon")
MIXED = _page(_row("a"), BAD, _row("b"), {"card": {}}, _row("c"))


@attrs.frozen
class Mine:
    id: str
    created_at: datetime
    net_term_days: int = 0


@attrs.frozen
class MineRow:
    customer: Mine


def test_the_rows_around_a_bad_one_are_as_good_as_ever() -> None:
    """A value of a wrong kind and a record that is not there cost their rows alone: the errors stand in their places
    and say where, the records around them have their times, and what their class does not declare."""
    found = decode_records(MIXED, customers._LIST, Customer)
    assert [type(each) for each in found] == [Customer, errors.DecodeError, Customer, errors.DecodeError, Customer]
    wrong = [each for each in found if isinstance(each, errors.DecodeError)]
    assert [each.path for each in wrong] == ["$.list[1].customer.net_term_days", "$.list[3].customer"]
    assert {each.operation for each in wrong} == {LABEL}
    good = [each for each in found if isinstance(each, Customer)]
    assert [each.custom_fields["cf_number"] for each in good] == ["a", "b", "c"]
    assert {each.created_at for each in good} == {datetime(2024, 1, 1, tzinfo=UTC)}


def test_whole_rows_around_a_bad_one_are_as_good_as_ever() -> None:
    """The same for envelopes, in which every record finds its own bytes."""
    found = decode_rows(MIXED, CustomerListRow, LABEL)
    wrong = [each.path for each in found if isinstance(each, errors.DecodeError)]
    assert wrong == ["$.list[1].customer.net_term_days", "$.list[3].customer"]
    good = [each for each in found if isinstance(each, CustomerListRow)]
    assert [each.customer.custom_fields["cf_number"] for each in good] == ["a", "b", "c"]
    assert [each.card and each.card.custom_fields["cf_card"] for each in good] == ["a", "b", "c"]


def test_a_page_of_nothing_but_bad_rows_is_a_page_of_errors() -> None:
    """There may be no good row at all."""
    records = decode_records(_page(BAD, BAD), customers._LIST, Customer)
    rows = decode_rows(_page(BAD, BAD), CustomerListRow, LABEL)
    assert [type(each) for each in (*records, *rows)] == [errors.DecodeError] * 4
    assert decode_records(_page(), customers._LIST, Customer) == []


def test_a_class_of_the_callers_is_read_the_same_way() -> None:
    """Into a class that is no record: times are times, and a bad row costs itself alone, the first and later times."""
    at = datetime(2024, 1, 1, tzinfo=UTC)
    for _ in range(2):
        assert decode_records(_page(_row("a")), customers._LIST, Mine) == [Mine("a", at)]
        first, wrong, *_ = decode_records(MIXED, customers._LIST, Mine)
        assert first == Mine("a", at)
        assert isinstance(wrong, errors.DecodeError)
        assert decode_rows(_page({"id": "a", "created_at": 1704067200}), Mine, LABEL) == [Mine("a", at)]


def test_an_answer_may_be_of_any_class() -> None:
    """An answer of records finds their bytes, another one is what it is; an error names the call, also where a key
    comes twice."""
    body = json.dumps(_row("a")).encode()
    assert decode_answer(body, CustomerListRow, LABEL).customer.custom_fields == {"cf_number": "a"}
    assert decode_answer(b'{"id":"a","created_at":0}', Mine, LABEL) == Mine("a", datetime(1970, 1, 1, tzinfo=UTC))
    for wrong in (b'{"id":"a","created_at":0,"id":"a"}', b'{"id":"a","created_at":"x"}'):
        with pytest.raises(errors.DecodeError) as caught:
            decode_answer(wrong, Mine, LABEL)
        assert caught.value.operation == LABEL


def test_the_ids_of_a_page() -> None:
    """One for each row, None where there is none; also where a text of the page was cut in the middle of an emoji, or
    another row is not as promised."""
    plain = [_row("a"), {"customer": {}}, _row("b")]
    for _ in range(2):
        assert ids_of(_page(*plain), "customer") == ["a", None, "b"]
        assert ids_of(_page({"item": {"id": "i"}, "customer": {"id": "c"}}), "item") == ["i"]
    assert ids_of(_page(*plain, _row("c", first_name="\ud83d")), "customer") == ["a", None, "b", "c"]
    odd = [{"customer": {"id": 5}}, {"customer": None}, {"customer": ["id"]}, {"card": {"id": "k"}}, [], "x", None]
    for each in odd:
        assert ids_of(_page(_row("a"), each, _row("b")), "customer") == ["a", None, "b"]


def _calls(work: Callable[[], object]) -> int:
    """How many calls of Python functions it takes."""
    found = 0

    def watch(frame: FrameType, event: str, arg: object) -> None:
        nonlocal found
        found += event == "call"

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(before)
    return found


def test_a_good_page_is_read_in_one_go() -> None:
    """Its rows are not read one by one, as they are when one of them is bad: that takes more than twice as many calls
    of Python functions."""
    good = [_row("a")] * 100
    reads: list[Callable[[bytes], object]] = [
        lambda body: ids_of(body, "customer"),
        lambda body: decode_records(body, customers._LIST, Mine),
        lambda body: decode_rows(body, MineRow, LABEL),
    ]
    for read in reads:
        read(_page())
        assert 2 * _calls(partial(read, _page(*good))) < _calls(partial(read, _page(*good, {"customer": {"id": 5}})))


def test_a_hundred_empty_pages_in_a_row_are_legal() -> None:
    """The next one is not; a page with rows starts the count anew."""
    trail = Trail("x", None)
    numbers = iter(range(1000))
    for _ in range(2):
        trail.advance(str(next(numbers)), empty=False)
        for _ in range(100):
            trail.advance(str(next(numbers)), empty=True)
    with pytest.raises(errors.PaginationError):
        trail.advance(str(next(numbers)), empty=True)
    trail = Trail("x", None)
    for _ in range(100):
        trail.advance(str(next(numbers)), empty=True)
    with pytest.raises(errors.PaginationError):
        trail.advance(str(next(numbers)), empty=True)


def test_an_offset_that_can_be_sent_back_is_followed() -> None:
    """Any text of up to 2,000 characters: a longer one does not fit into a URL, half a surrogate pair into no request,
    and an empty one means none."""
    trail = Trail("x", "\ud83d")
    for offset in ("ø😀", " ", "a" * 2000, "b" * 2000):
        trail.advance(offset, empty=False)
    for offset in ("a" * 2001, "\ud83d", ""):
        with pytest.raises(errors.PaginationError) as caught:
            trail.advance(offset, empty=False)
        assert not isinstance(caught.value, errors.RepeatedOffset)
        assert caught.value.offset == offset
        assert caught.value.operation == "x"
