"""Bodies that a server should never send, through everything that reads one: values, or errors of ours."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from typing import Any, TypeVar

import attrs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiochargebee_gw import errors
from aiochargebee_gw._operation import ListOperation
from aiochargebee_gw._page import answer_class, decode_answer, ids_of
from aiochargebee_gw._wire import document
from aiochargebee_gw._wire.failure import failure
from aiochargebee_gw._wire.message import Response
from aiochargebee_gw.connections import Connection
from aiochargebee_gw.pagination import Page
from aiochargebee_gw.records.customer import Customer

from .bodies import CRAFTED, SEEDS, duplicated, mutants, oracle, walk

T = TypeVar("T")

LIST: ListOperation[Any, Any] = ListOperation(
    resource="customer",
    name="list",
    method="GET",
    path="/customers",
    answer="CustomerListRow",
    main="customer",
    record="customer.Customer",
)


@attrs.frozen
class Mine:
    """A caller's own class."""

    id: str
    cf_ratio: float | None = None
    new_thing: Any = None


def _try(read: Callable[[], T]) -> T | None:
    """What *read* gives, None for an error of ours. Any other error goes through and fails the test."""
    try:
        return read()
    except errors.GatewayClientError:
        return None


def _page(body: bytes) -> Page[Any, Any] | None:
    """The page, with all of it read in every way."""
    page = _try(lambda: Page(LIST, body))
    if page is None:
        return None
    mine = Page(LIST, body, Mine)
    reads: tuple[Callable[[], list[Any]], ...] = (
        page._records, page._rows, mine._records, page._raw, lambda: page.documents,
    )  # fmt: skip
    for read in reads:
        for item in _try(read) or ():
            if isinstance(item, Customer):
                _try(lambda item=item: (item.raw, item.extra, item.custom_fields))  # type: ignore[misc]
            elif isinstance(item, bytes):
                item.decode("utf-8")
                json.loads(item, parse_constant=_never, parse_int=str)
    _try(lambda: ids_of(body, "customer"))
    return page


def _never(name: str) -> Any:
    raise AssertionError(name)


def _single(body: bytes) -> Any:
    answer: Any = answer_class("customer", "CustomerRetrieveAnswer")
    found = _try(lambda: decode_answer(body, answer, "label"))
    if found is not None:
        record = found.customer
        if isinstance(record, Customer):
            _try(lambda: (record.raw, record.extra, record.custom_fields))
    _try(lambda: decode_answer(body, Connection, "label"))
    return found


def _refusal(body: bytes) -> None:
    for status in (200, 302, 400, 409, 429, 503):
        for control in (False, True):
            error = failure(Response(status=status, headers={}, body=body), "label", control=control)
            assert (error is None) == (status == 200)


def _check(body: bytes) -> None:
    """Read *body* in every way; nothing that Python's own decoder calls broken may have been taken."""
    page, single, mapping = _page(body), _single(body), _try(lambda: document.as_mapping(body))
    _refusal(body)
    try:
        truth = oracle(body)
    except RecursionError:
        return
    except ValueError:
        assert mapping is None
        assert single is None
        # What is not decoded is not looked into, as far as its UTF-8 goes; `raw` and `documents` are.
        assert page is None or (not _is_text(body) and _try(lambda: page.raw) is None)
        return
    if mapping is not None or single is not None:
        assert not duplicated(truth)
        assert all(math.isfinite(each) for each in walk(truth) if isinstance(each, float))
    if page is not None:
        assert not duplicated(truth, deep=False)


def _is_text(body: bytes) -> bool:
    with contextlib.suppress(UnicodeDecodeError):
        body.decode("utf-8")
        return True
    return False


def test_the_good_ones_are_read() -> None:
    """What the mutants are made of is read whole: two records with their custom and unknown attributes."""
    for body in SEEDS[:2]:
        page = _page(body)
        assert page is not None
        assert [record.custom_fields for record in page.records] == [{"cf_region": "EU", "cf_ratio": 0.5}] * 2
        assert page.records[0].extra["new_thing"] == {"a": [1, 2.5, None, True, "x"]}
    assert _single(SEEDS[2]).customer.id == "c1"


@pytest.mark.parametrize("number", range(len(CRAFTED)))
def test_crafted_bodies(number: int) -> None:
    """More than 80 bodies, each with one thing that a decoder stumbles over: errors of ours only, nothing raw."""
    _check(CRAFTED[number])


def test_crafted_bodies_are_as_many_as_promised() -> None:
    """Eighty and more, all different."""
    assert len(set(CRAFTED)) == len(CRAFTED) > 80


@pytest.mark.parametrize(("count", "seed"), [(2000, 1), pytest.param(50_000, 2, marks=pytest.mark.soak)])
def test_mutated_bodies(count: int, seed: int) -> None:
    """Good bodies that were cut, doubled, flipped and stuffed: errors of ours only, nothing broken is taken."""
    for body in mutants(count, seed):
        _check(body)


_TEXT = st.sampled_from(
    [
        "id",
        "list",
        "next_offset",
        "customer",
        "created_at",
        "cf_x",
        "message",
        "api_error_code",
        "",
        "\ud800",
        "\x00",
        "æ",
    ]
) | st.text(max_size=3)
# Sampled, not drawn: it is the shapes that are many, and a draw of any float or text takes ten times as long.
_SCALAR = _TEXT | st.sampled_from(
    [None, True, False, 0, -1, 2**63, 2**64, 10**400, 1517505731, 0.5, 1e308, math.nan, math.inf, -math.inf]
)


def _written(value: Any) -> str:
    """JSON as Python writes it, NaN and halves of surrogate pairs included; an object is a list of pairs in a tuple."""
    if isinstance(value, tuple):
        return "{" + ",".join(f"{json.dumps(key)}:{_written(inner)}" for key, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return json.dumps(value)


_JSON = st.recursive(
    _SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(_TEXT, inner), max_size=4).map(tuple),
    max_leaves=8,
)
_CUSTOMERS = st.lists(st.tuples(_TEXT, _JSON), max_size=4).map(lambda pairs: (("customer", (("id", "a"), *pairs)),))
_BODIES = (
    st.binary(max_size=200)
    | _JSON.map(lambda value: _written(value).encode())
    | _CUSTOMERS.map(lambda value: _written(value).encode())
    | st.lists(_CUSTOMERS | _JSON, max_size=3).map(lambda rows: f'{{"list":{_written(rows)}}}'.encode())
    | st.tuples(st.lists(_CUSTOMERS, max_size=3), _JSON).map(
        lambda made: f'{{"list":{_written(made[0])}, "next_offset": {_written(made[1])}}}'.encode()
    )
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(body=_BODIES)
def test_generated_bodies(body: bytes) -> None:
    """Bytes and JSON of any shape, with equal keys, numbers that are none, halves of pairs: errors of ours only."""
    _check(body)


@pytest.mark.soak
@settings(max_examples=20_000, suppress_health_check=[HealthCheck.too_slow])
@given(body=_BODIES)
def test_many_generated_bodies(body: bytes) -> None:
    """The long form of the test above."""
    _check(body)


def test_half_a_surrogate_pair_survives_as_bytes() -> None:
    """A name that was cut in the middle of an emoji comes through `raw` and `documents` with its escape."""
    body = b'{"list":[{"customer":{"id":"a","first_name":"x\\ud83d"}},{"customer":{"id":"b"}}]}'
    page: Page[Any, Any] = Page(LIST, body)
    assert json.loads(page.raw[0])["customer"]["first_name"] == "x\ud83d"
    assert page.documents == [b'{"id":"a","first_name":"x\\ud83d"}', b'{"id":"b"}']
    assert document.as_mapping(b'{"a":"\\ud83d"}') == {"a": "\ud83d"}


def test_equal_keys_inside_of_a_row_are_not_looked_for() -> None:
    """What is not checked, for it would cost more than the decoding: of two equal keys in a row, the last one holds,
    and the bytes keep both."""
    page: Page[Any, Any] = Page(LIST, b'{"list":[{"customer":{"id":"a","id":"b"}}]}')
    assert page.records[0].id == "b"
    assert page.raw == [b'{"customer":{"id":"a","id":"b"}}']


def test_common_decoders_take_what_is_broken() -> None:
    """The baseline: `json` takes equal keys, NaN and halves of pairs, and dies of depth; msgspec takes equal keys."""
    assert json.loads('{"id":"a","id":"b"}') == msgspec.json.decode(b'{"id":"a","id":"b"}') == {"id": "b"}
    assert math.isnan(json.loads("NaN"))
    assert math.isinf(json.loads("1e999"))
    with pytest.raises(RecursionError):
        json.loads("[" * 100_000)
    with pytest.raises(UnicodeEncodeError):
        json.loads('"\\ud800"').encode()
    rows = msgspec.json.decode(b'["\xff"]', type=list[msgspec.Raw])
    with pytest.raises(UnicodeDecodeError):
        bytes(rows[0]).decode()
