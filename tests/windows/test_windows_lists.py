"""Which lists are split, along which field, and that a caller's own filters hold: the catalogue and the sandbox."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

import aiochargebee_gw.resources
from aiochargebee_gw import Filter, Gateway, Limits, Pages, RequestError, Settings
from aiochargebee_gw._axis import marks_of, narrowed, split_of
from aiochargebee_gw._operation import ListOperation
from aiochargebee_gw.fields import customer, event, invoice, subscription
from aiochargebee_gw.sandbox import Sandbox
from tests.client.conftest import FAST

pytestmark = pytest.mark.anyio

SPLIT = {
    "business_entities/transfers": "created_at", "comments": "created_at", "coupons": "created_at",
    "credit_notes": "date", "customers": "created_at", "events": "occurred_at", "grant_blocks": "created_at",
    "invoices": "date", "item_prices": "updated_at", "items": "updated_at", "ledger_operations": "created_at",
    "omnichannel_subscriptions": "updated_at", "orders": "created_at", "payment_sources": "created_at",
    "price_variants": "created_at", "quotes": "date", "ramps": "updated_at", "subscriptions": "created_at",
    "transactions": "date", "usages": "updated_at",
}  # fmt: skip
BEGIN, END = datetime(2022, 3, 1, tzinfo=UTC), datetime(2024, 9, 1, tzinfo=UTC)


def _lists() -> list[ListOperation[Any, Any]]:
    found = []
    for module in pkgutil.iter_modules(aiochargebee_gw.resources.__path__):
        names = vars(importlib.import_module(f"aiochargebee_gw.resources.{module.name}"))
        found += [value for value in names.values() if isinstance(value, ListOperation)]
    return found


def test_every_list_that_can_be_split_is() -> None:
    """Of all lists, twenty can be sorted by and filtered by one time field; creation goes before change."""
    found = {operation.path.strip("/"): split_of(operation, None) for operation in _lists()}
    assert {path: split.field for path, split in found.items() if split.field is not None} == SPLIT
    assert {path for path, split in found.items() if split.mutable} == {
        path for path, field in SPLIT.items() if field == "updated_at"
    }
    assert all(split.reason for split in found.values() if split.field is None)


def test_no_list_can_be_asked_for_the_rows_that_lack_its_field() -> None:
    """`is_present` is legal for none of these fields: rows without one belong to the window that has no lower end."""
    for operation in _lists():
        field = split_of(operation, None).field
        if field is not None:
            assert "is_present" not in operation.filters[field].operators


def test_a_window_adds_to_the_conditions_of_the_caller() -> None:
    """The narrower of two bounds is sent, once; other conditions on the field, and the page size, stay as they are."""
    query = (
        ("limit", "50"), ("created_at[after]", "1600000000"), ("created_at[between]", "[1,2]"), ("sort_by[asc]", "id"),
    )  # fmt: skip
    found = narrowed(query, "created_at", after=1500000000, before=1700000000, cursor="c")
    assert dict(found) == {
        "limit": "50",
        "created_at[between]": "[1,2]",
        "created_at[after]": "1600000000",
        "created_at[before]": "1700000000",
        "sort_by[asc]": "created_at",
        "offset": "c",
    }
    assert len(found) == 6
    assert dict(narrowed(query, "created_at", after=1650000000, before=None, cursor=None))["created_at[after]"] == (
        "1650000000"
    )


def test_one_odd_row_does_not_hide_the_others() -> None:
    """The moments and ids of a page are read although a row has half a surrogate pair, an odd moment, or no record."""
    body = (
        rb'{"list":[{"c":{"id":"a","at":5}},{"c":{"id":"b","at":"soon","n":"\ud83d"}},{"c":{"at":true}},{"d":1}],'
        rb'"next_offset":"x"}'
    )
    assert marks_of(body, "c", "at") == [(5, "a"), (None, "b"), (None, None), (None, None)]
    assert marks_of(b'{"list":[{"c":{"id":"a","at":5}}]}', "c", None) == [(None, "a")]


def test_an_order_must_be_one_that_windows_have() -> None:
    """Ascending along a time field chooses it; anything else is refused with what there is."""
    operation = next(operation for operation in _lists() if operation.path == "/customers")
    assert split_of(operation, customer.updated_at.asc()).field == "updated_at"
    with pytest.raises(RequestError) as caught:
        split_of(operation, customer.created_at.desc())
    assert caught.value.legal == ("created_at asc", "updated_at asc")


@pytest.fixture(scope="module")
async def gw() -> AsyncIterator[Gateway]:
    """A sandbox of 900 customers and what belongs to them."""
    async with Sandbox(records=900, seed=7) as sandbox, sandbox.gateway(settings=Settings(limits=FAST)) as client:
        yield client


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the whole module."""
    return "asyncio"


LISTS: dict[str, Any] = {
    "all": lambda gw: gw.customers.list(limit=20),
    "deleted too": lambda gw: gw.customers.list(include_deleted=True, limit=20),
    "another field": lambda gw: gw.subscriptions.list(subscription.status.is_("active"), limit=20),
    "after": lambda gw: gw.customers.list(customer.created_at.after(BEGIN), limit=20),
    "before": lambda gw: gw.customers.list(customer.created_at.before(END), limit=20),
    "after and before": lambda gw: gw.customers.list(
        customer.created_at.after(BEGIN), customer.created_at.before(END), limit=20
    ),
    "between": lambda gw: gw.customers.list(customer.created_at.between(BEGIN, END), limit=20),
    "on": lambda gw: gw.events.list(event.occurred_at.on(BEGIN), limit=1),
    "text": lambda gw: gw.customers.list(Filter.parse("created_at[after]=2023-01-31"), limit=20),
    "by date": lambda gw: gw.invoices.list(invoice.date.between(BEGIN, END)),
    "by change": lambda gw: gw.customers.list(order_by=customer.updated_at.asc(), limit=20),
    "by change, default by id": lambda gw: gw.item_prices.list(limit=3),
    "no field": lambda gw: gw.hosted_pages.list(limit=20),
    "nothing": lambda gw: gw.customers.list(customer.email.is_("nobody@example.com")),
}


@pytest.mark.parametrize("name", LISTS)
async def test_windows_give_what_one_cursor_gives(gw: Gateway, name: str) -> None:
    """Whatever the filters, also on the windows' own field: the same rows, and in the field's order if that is kept."""
    pages: Pages[Any, Any] = LISTS[name](gw)
    expected = [record.id async for record in pages]
    async with pages.parallel(6) as stream:
        assert sorted([record.id async for record in stream]) == sorted(expected)
    async with pages.parallel(6, ordered=True) as stream:
        found = [record.id async for record in stream]
    assert sorted(found) == sorted(expected)
    if "default" not in name:
        assert found == expected
    assert stream.state.rows == len(expected)
    assert expected or name in ("nothing", "on")


async def test_a_limit_of_the_client_is_kept_by_all_workers() -> None:
    """The sandbox answers 429 beyond 40 requests a second; eight windows under the same limit see none."""
    async with Sandbox(records=600, seed=7, rate=40) as sandbox:
        settings = Settings(limits=Limits(account_per_second=40, site_per_minute=float("inf")))
        async with sandbox.gateway(settings=settings) as gw, gw.customers.list(limit=10).parallel(8) as stream:
            found = {record.id async for record in stream}
            assert gw.stats.rate_limited == 0
            assert gw.stats.retries == 0
    assert len(found) == 600
