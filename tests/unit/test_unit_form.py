"""Parameters on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiochargebee_gw import OpenEnum, RequestError
from aiochargebee_gw._wire.form import Spec, encode, query_string

SPECS: dict[str, Spec] = {
    "id": "str",
    "status": "enum",
    "count": "int",
    "rate": "float",
    "on": "bool",
    "start": "time",
    "meta_data": "json",
    "billing_address": {"city": "str", "zip": "str"},
    "coupon_ids": ["str"],
    "subscription_items": [{"item_price_id": "str", "quantity": "int"}],
}


class Colour(OpenEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("params", "pairs"),
    [
        ({"id": "a b"}, [("id", "a b")]),
        ({"status": Colour.RED}, [("status", "red")]),
        ({"status": Colour("new")}, [("status", "new")]),
        ({"count": 0}, [("count", "0")]),
        ({"rate": 1e-7}, [("rate", "0.0000001")]),
        ({"rate": Decimal("10.10")}, [("rate", "10.10")]),
        ({"on": True}, [("on", "true")]),
        ({"on": False}, [("on", "false")]),
        ({"start": datetime(2024, 1, 1, tzinfo=UTC)}, [("start", "1704067200")]),
        ({"start": datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))}, [("start", "1704067200")]),
        ({"start": datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC)}, [("start", "-1")]),
        ({"meta_data": {"a": [1, None]}}, [("meta_data", '{"a":[1,null]}')]),
        ({"billing_address": {"city": "Oslo"}}, [("billing_address[city]", "Oslo")]),
        ({"coupon_ids": ["x", "y"]}, [("coupon_ids[0]", "x"), ("coupon_ids[1]", "y")]),
        (
            {"subscription_items": [{"item_price_id": "p", "quantity": 2}, {"item_price_id": "q"}]},
            [
                ("subscription_items[item_price_id][0]", "p"),
                ("subscription_items[quantity][0]", "2"),
                ("subscription_items[item_price_id][1]", "q"),
            ],
        ),
        ({"id": None}, [("id", "")]),
        ({"billing_address": {"city": None}}, [("billing_address[city]", "")]),
        ({"coupon_ids": None}, [("coupon_ids", "")]),
        ({"meta_data": None}, [("meta_data", "")]),
    ],
)
def test_each_kind_has_one_form(params: dict[str, Any], pairs: list[tuple[str, str]]) -> None:
    """Objects are bracketed, lists of objects field-first, times whole seconds, None the empty text."""
    assert encode(params, SPECS) == pairs


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"id": 5}, "id"),
        ({"count": True}, "count"),
        ({"count": "5"}, "count"),
        ({"count": 1.0}, "count"),
        ({"on": 1}, "on"),
        ({"on": "true"}, "on"),
        ({"rate": float("nan")}, "rate"),
        ({"rate": "1"}, "rate"),
        ({"start": datetime(2024, 1, 1)}, "start"),
        ({"start": 1704067200}, "start"),
        ({"meta_data": object()}, "meta_data"),
        ({"billing_address": "Oslo"}, "billing_address"),
        ({"billing_address": {"town": "Oslo"}}, "billing_address[town]"),
        ({"coupon_ids": "x"}, "coupon_ids"),
        ({"coupon_ids": [1]}, "coupon_ids[0]"),
        ({"subscription_items": ["p"]}, "subscription_items[0]"),
        ({"subscription_items": [{"price": "p"}]}, "subscription_items[price]"),
        ({"unknown": 1}, "unknown"),
        ({"id": "\ud800"}, "id"),
        ({"meta_data": {"a": float("nan")}}, "meta_data"),
        ({"coupon_ids": []}, "coupon_ids"),
        ({"subscription_items": []}, "subscription_items"),
        ({"billing_address": {}}, "billing_address"),
        ({"cf_region": "EU"}, "cf_region"),
    ],
)
def test_what_is_wrong_is_named(params: dict[str, Any], field: str) -> None:
    """A wrong name or kind is refused with the field in the request's own spelling; nothing is converted silently."""
    with pytest.raises(RequestError) as caught:
        encode(params, SPECS)
    assert caught.value.field == field


def test_an_unknown_name_comes_with_its_neighbour() -> None:
    """A misspelt parameter is answered with the one that was probably meant."""
    with pytest.raises(RequestError, match="did you mean status"):
        encode({"statsu": "x"}, SPECS)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("EU", "EU"),
        (5, "5"),
        (True, "true"),
        (1.5, "1.5"),
        (datetime(2024, 1, 1, tzinfo=UTC), "1704067200"),
        (None, ""),
    ],
)
def test_custom_fields_are_written_by_the_kind_of_their_value(value: object, text: str) -> None:
    """Where an operation takes custom fields, a cf_ parameter needs no description."""
    assert encode({"cf_x": value}, SPECS, custom_fields=True) == [("cf_x", text)]


def test_a_custom_field_is_no_object() -> None:
    """A value without a wire form is refused for a custom field too."""
    with pytest.raises(RequestError, match="cf_x"):
        encode({"cf_x": {}}, SPECS, custom_fields=True)


@given(st.lists(st.tuples(st.text(), st.text(min_size=1)), max_size=8))
def test_a_query_string_reads_back(pairs: list[tuple[str, str]]) -> None:
    """What is written as a form, an independent parser reads back unchanged, whatever the characters."""
    text = query_string(pairs)
    assert parse_qsl(text, keep_blank_values=True, strict_parsing=bool(pairs)) == pairs
    assert text.isascii()
    assert not set(text) & set("[] \"'<>#?/")
