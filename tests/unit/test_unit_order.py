"""An order that is none, and what the refusal says."""

from __future__ import annotations

from typing import Any

import pytest

from aiochargebee_gw import Gateway, RequestError, Settings, fields

LOCAL = Settings(gateway_url="http://127.0.0.1", control_url="http://127.0.0.1")


@pytest.mark.parametrize(
    ("order", "example"),
    [
        ("updated_at", "fields.customer.updated_at.asc()"),
        ("ada@example.com", "fields.customer.created_at.asc()"),
        (fields.customer.created_at, "fields.customer.created_at.asc()"),
        (7, "fields.customer.created_at.asc()"),
    ],
)
def test_what_is_no_order_is_told_how_one_is_made(order: Any, example: str) -> None:
    """A field makes an order. The message shows how, with the field that was named where there is one, and no value."""
    with pytest.raises(RequestError, match="order_by: a field makes an order") as caught:
        Gateway("sandbox_key", settings=LOCAL).customers.list(order_by=order)
    assert example in str(caught.value)
    assert "ada" not in str(caught.value)
    assert eval(example, {"fields": fields}).pair == ("sort_by[asc]", example.split(".")[2])


def test_an_order_of_another_field_is_told_which_there_are() -> None:
    """A list is sorted by few of its fields; the message names them, or says that there is none."""
    gw: Any = Gateway("sandbox_key", settings=LOCAL)
    with pytest.raises(RequestError, match="cannot be sorted by date; it has created_at, updated_at"):
        gw.customers.list(order_by=fields.invoice.date.asc())
    with pytest.raises(RequestError, match="cannot be sorted; it has no order"):
        gw.currencies.list(order_by="created_at")
