"""Reading the body of a webhook: one reading only, typed, and nothing lost."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiochargebee_gw import DecodeError
from aiochargebee_gw.records import Card, Customer, UnbilledCharge
from aiochargebee_gw.webhooks import MAX_BODY_BYTES, Event, parse

from .parts import event_body

CONTENT = {
    "customer": {"id": "c", "object": "customer", "created_at": 1, "cf_seats": 3, "later": True},
    "card": {"payment_source_id": "pm", "object": "card", "resource_version": 4},
    "unbilled_charges": [{"id": "u1", "object": "unbilled_charge"}, {"id": "u2", "object": "unbilled_charge"}],
    "usage_reminder_info": {"reminder_sent_at": 5},
    "robot": {"id": "r", "object": "robot"},
    "count": 3,
}


def test_content_is_typed_by_what_each_object_says_it_is() -> None:
    """Records by name, lists of records, and plain JSON where this release has no such resource."""
    content = parse(event_body(content=CONTENT)).content
    assert isinstance(content.customer, Customer)
    assert isinstance(content.card, Card)
    assert [type(one) for one in content.unbilled_charges or ()] == [UnbilledCharge, UnbilledCharge]
    assert (content["usage_reminder_info"], content["count"]) == ({"reminder_sent_at": 5}, 3)
    assert content["robot"] == {"id": "r", "object": "robot"}
    assert (content.subscription, list(content)) == (None, list(CONTENT))
    assert [getattr(one, "id", None) for one in content.records()] == ["c", None, "u1", "u2"]


def test_unknown_things_survive() -> None:
    """A new event type, a new attribute, a custom field: all are there."""
    event = parse(event_body(event_type="robot_built", shiny=[1], content=CONTENT))
    assert event.event_type is not None
    assert (event.event_type, event.event_type.known, event.extra) == ("robot_built", False, {"shiny": [1]})
    customer = event.content.customer
    assert customer is not None
    assert (customer.custom_fields, customer.extra) == ({"cf_seats": 3}, {"later": True})


def test_records_are_decoded_when_asked_for() -> None:
    """A record that is not as documented fails alone, with its path, when it is touched."""
    broken = {**CONTENT, "invoice": {"id": "i", "object": "invoice", "total": "much"}}
    content = parse(event_body(content=broken)).content
    assert content.customer is not None
    with pytest.raises(DecodeError) as caught:
        _ = content.invoice
    assert caught.value.path == "$.content.invoice.total"
    listed = parse(event_body(content={"invoices": [broken["invoice"]]})).content
    with pytest.raises(DecodeError) as caught:
        _ = listed["invoices"]
    assert caught.value.path == "$.content.invoices[0].total"


def test_content_has_no_other_attributes() -> None:
    """A mistyped name is an error, not None."""
    with pytest.raises(AttributeError, match="costumer"):
        _ = parse(event_body()).content.costumer


def test_an_event_pickles_and_shows_no_data() -> None:
    """It may go to another process; its `repr` shows ids and names only."""
    event = parse(event_body(content=CONTENT))
    again: Event = pickle.loads(pickle.dumps(event))
    assert again == event
    assert again.content.customer == event.content.customer
    assert "example.com" not in f"{parse(event_body())!r} {event.content!r}"


BAD = {
    "not JSON": (b"{", "$"),
    "not UTF-8": (b'{"id": "\xff"}', "$"),
    "a byte order mark": (b"\xef\xbb\xbf" + event_body(), "$"),
    "no object": (b"[]", "$"),
    "a key twice": (event_body().replace(b'"content"', b'"id": "ev_2", "content"'), "$"),
    "a key twice, inside": (event_body().replace(b'"email"', b'"id": "d", "email"'), "$"),
    "NaN": (event_body(content={"x": float("nan")}), "$"),
    "infinity": (event_body().replace(b"1767225600", b"1e999"), "$.occurred_at"),
    "something behind": (event_body() + b"{}", "$"),
    "too deep": (b"[" * 100_000, "$"),
    "too large": (event_body(content={"x": "y" * MAX_BODY_BYTES}), "$"),
    "no id": (event_body(id=None), "$.id"),  # type: ignore[arg-type]
    "a number as id": (event_body(id=3), "$.id"),  # type: ignore[arg-type]
    "an id with a line break": (event_body("ev\nFAKE"), "$.id"),
    "an endless id": (event_body("e" * 101), "$.id"),
    "a type with a line break": (event_body(event_type="a\nb"), "$.event_type"),
    "no content": (event_body(content=None), "$.content"),
    "a list as content": (event_body(content=[]), "$.content"),
    "another object": (event_body(object="customer"), "$.object"),
    "another API version": (event_body(api_version="v1"), "$.api_version"),
}


@pytest.mark.parametrize("case", BAD)
def test_everything_else_is_refused(case: str) -> None:
    """What has two readings, is too large or is no event of API version 2 is a `DecodeError` that says where."""
    body, path = BAD[case]
    with pytest.raises(DecodeError) as caught:
        parse(body)
    assert caught.value.path == path
    assert "example.com" not in f"{caught.value} {caught.value.__cause__!r}"


def test_a_mebibyte_is_read() -> None:
    """The limit itself is still allowed."""
    space = MAX_BODY_BYTES - len(event_body(content={"x": ""}))
    assert parse(event_body(content={"x": "y" * space})).content["x"] == "y" * space


def test_half_an_emoji_loses_no_event() -> None:
    """A name that was cut in the middle of a surrogate pair is read with U+FFFD in its place; a whole pair stays."""
    content = {"customer": {"id": "c", "object": "customer", "first_name": "J\ud83d", "last_name": "😀"}}
    customer = parse(event_body(content=content)).content.customer
    assert customer is not None
    assert (customer.first_name, customer.last_name) == ("J\ufffd", "😀")


@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 30))
def test_no_body_brings_another_error(noise: bytes, at: int, cut: int) -> None:
    """Whatever is put into an event or taken out of it: a `DecodeError`, or an event that can be read through."""
    body = event_body(content=CONTENT)
    body = body[: at % len(body)] + noise + body[at % len(body) + cut :]
    try:
        event = parse(body)
        assert isinstance(event.id, str)
        assert len(dict(event.content)) == len(event.content)
        json.dumps(event.extra)
    except DecodeError:
        pass


def test_parsing_needs_no_http() -> None:
    """Who receives webhooks in another framework does not pay for importing aiohttp."""
    code = "import sys, aiochargebee_gw.webhooks; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
