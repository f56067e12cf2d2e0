"""Lists, streamed from a server that changes while it is read."""

from __future__ import annotations

import gc
from datetime import datetime
from typing import Any

import attrs
import pytest

from aiochargebee_gw import Gateway, RequestError, Stream, errors
from aiochargebee_gw.fields import customer, event, invoice, subscription
from aiochargebee_gw.records import Customer, Subscription, SubscriptionStatus
from aiochargebee_gw.sandbox import Sandbox

from .conftest import FAST

pytestmark = pytest.mark.anyio


def _queries(sandbox: Sandbox) -> list[str]:
    return [request.query for request in sandbox.requests]


async def test_awaiting_gives_one_page(gw: Gateway, sandbox: Sandbox) -> None:
    """`await list(...)` is one request; the page has records, rows, bytes and a cursor."""
    page = await gw.customers.list(limit=10)
    assert len(page) == len(page.records) == len(page.rows) == len(page.raw) == 10
    assert [row.customer for row in page.rows] == page.records
    assert page.next_offset is not None
    assert len(sandbox.requests) == 1
    assert "more follow" in repr(page)


async def test_iterating_gives_every_record_once(gw: Gateway, sandbox: Sandbox) -> None:
    """`async for` follows the cursors to the end, in the documented order, a hundred rows a page."""
    pages = gw.customers.list()
    found = [record async for record in pages]
    assert len({record.id for record in found}) == len(found) == 250
    assert found == sorted(found, key=lambda record: record.created_at)
    assert len(sandbox.requests) == 3
    assert all("limit=100" in query and "sort_by%5Basc%5D=created_at" in query for query in _queries(sandbox))
    assert [record.id async for record in pages] == [record.id for record in found]


async def test_filters_and_order_go_with_every_page(gw: Gateway, sandbox: Sandbox) -> None:
    """A cursor belongs to its query: filters, order and limit are the same on all pages."""
    pages = gw.customers.list(
        customer.auto_collection.is_("on"), order_by=customer.created_at.desc(), limit=50, include_deleted=True
    )
    found = await pages.collect()
    assert found == sorted(found, key=lambda record: record.created_at, reverse=True)
    heads = {query.replace("&offset=", "?").split("?")[0] for query in _queries(sandbox)}
    assert len(heads) == 1
    assert len(sandbox.requests) > 1


async def test_every_view_of_a_list(gw: Gateway) -> None:
    """rows() gives envelopes, raw() bytes, pages() pages, first() one record, collect() a list."""
    pages = gw.subscriptions.list(subscription.status.in_(["active", SubscriptionStatus.IN_TRIAL]))
    rows = [row async for row in pages.rows()]
    raw = [row async for row in pages.raw()]
    whole = [page async for page in pages.pages()]
    assert len(rows) == len(raw) == sum(map(len, whole))
    assert {row.subscription.customer_id for row in rows} == {row.customer.id for row in rows}
    assert raw[0].startswith(b'{"subscription"')
    first = await pages.first()
    assert first == rows[0].subscription
    assert await pages.collect(3) == [row.subscription for row in rows[:3]]
    assert await pages.collect(0) == []
    assert await gw.customers.list(customer.id.is_("nobody")).first() is None
    with pytest.raises(RequestError):
        await pages.collect(-1)


async def test_first_asks_for_one_row(gw: Gateway, sandbox: Sandbox) -> None:
    """first() does not make the server build a page of a hundred."""
    await gw.customers.list().first()
    assert "limit=1&" in _queries(sandbox)[0]


async def test_into_reads_a_class_of_yours(gw: Gateway) -> None:
    """`into=` decodes rows into a small class of the caller's, typed custom fields among them."""

    @attrs.frozen
    class Mine:
        id: str
        email: str | None = None
        cf_region: str | None = None

    found = await gw.customers.list(into=Mine).collect()
    assert len(found) == 250
    assert all(isinstance(record, Mine) for record in found)
    assert any(record.cf_region for record in found)


async def test_prefetch_keeps_order_and_wraps_no_error(gw: Gateway, sandbox: Sandbox) -> None:
    """Pages fetched ahead come in order; an error of a fetch comes out as itself, after the rows before it."""
    pages = gw.customers.list(limit=50)
    plain = [record.id async for record in pages]
    for ahead in (1, 2, 10):
        async with pages.prefetch(ahead) as each:
            assert [record.id async for record in each] == plain
            assert each.pages == 5
    sandbox.faults.add("status", status=404, body={"api_error_code": "x"}, nth=3)
    seen = []
    with pytest.raises(errors.NotFound):
        async with pages.prefetch(2) as stream:
            async for record in stream:
                seen.append(record.id)
    assert seen == plain[:100]
    with pytest.raises(RequestError):
        pages.prefetch(0)


async def test_an_error_of_yours_leaves_a_prefetch_as_itself(gw: Gateway, sandbox: Sandbox) -> None:
    """What the body of the block raises is not wrapped, and the fetching ends with the block."""
    kept: list[Stream[Customer]] = []
    with pytest.raises(ZeroDivisionError):
        async with gw.customers.list(limit=10).prefetch(2) as stream:
            kept.append(stream)
            async for _ in stream:
                raise ZeroDivisionError
    assert len(sandbox.requests) <= 4
    assert [item async for item in kept[0]] == []


async def test_a_stream_resumes_after_an_error(gw: Gateway, sandbox: Sandbox) -> None:
    """After a failed fetch, `offset` is where to go on: nothing is lost, nothing comes twice."""
    everything = [record.id async for record in gw.customers.list(limit=50)]
    sandbox.faults.add("status", status=403, body={"api_error_code": "x"}, nth=3)
    stream = gw.customers.list(limit=50).__aiter__()
    seen = []
    with pytest.raises(errors.Forbidden):
        async for record in stream:
            seen.append(record.id)
    assert seen == everything[:100]
    assert stream.offset is not None
    rest = [record.id async for record in gw.customers.list(limit=50, offset=stream.offset)]
    assert seen + rest == everything


async def test_the_offset_is_that_of_the_page_in_hand(gw: Gateway) -> None:
    """In the middle of a page, resuming repeats that page from its start: rows may come again, none is lost."""
    stream = gw.customers.list(limit=50).__aiter__()
    seen = [(await anext(stream)).id for _ in range(75)]
    assert stream.pages == 2
    rest = [record.id async for record in gw.customers.list(limit=50, offset=stream.offset)]
    assert rest[:25] == seen[50:]
    assert len(seen[:50] + rest) == 250
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_the_same_stream_goes_on_after_an_error(gw: Gateway, sandbox: Sandbox) -> None:
    """A stream whose fetch failed asks for the same page again when it is asked."""
    sandbox.faults.add("status", status=403, body={"api_error_code": "x"}, nth=2)
    stream = gw.customers.list().__aiter__()
    seen = []
    with pytest.raises(errors.Forbidden):
        async for record in stream:
            seen.append(record.id)
    seen += [record.id async for record in stream]
    assert len(set(seen)) == len(seen) == 250


@pytest.mark.parametrize("offset", [None, "again"])
async def test_a_repeated_offset_is_refused(gw: Gateway, sandbox: Sandbox, offset: str | None) -> None:
    """A server that hands out a cursor twice ends the pass with an error instead of a circle."""
    details: dict[str, Any] = {} if offset is None else {"offset": offset}
    sandbox.faults.add("repeat_offset", times=None, nth=2 if offset is None else 1, **details)
    with pytest.raises(errors.PaginationError) as caught:
        await gw.customers.list(limit=50).collect()
    assert caught.value.offset is not None
    assert len(sandbox.requests) <= 3


async def test_an_expired_cursor_has_its_own_error(gw: Gateway) -> None:
    """A refused offset is CursorExpired, with the offset, not just a bad request."""
    with pytest.raises(errors.CursorExpired) as caught:
        await gw.customers.list(offset="nonsense").collect()
    assert caught.value.offset == "nonsense"
    assert isinstance(caught.value.__cause__, errors.InvalidRequest)


async def test_another_bad_request_stays_what_it_is(gw: Gateway, sandbox: Sandbox) -> None:
    """Only an error about the offset is about the cursor."""
    sandbox.faults.add("status", status=400, body={"api_error_code": "param_wrong_value", "param": "limit"})
    with pytest.raises(errors.InvalidRequest):
        await gw.customers.list().collect()


async def test_nothing_is_held_while_you_work(sandbox: Sandbox) -> None:
    """With one place for concurrent calls, calls inside the loop's body go through: no permit is held at a yield."""
    limits = attrs.evolve(FAST, concurrency=1)
    settings = sandbox.gateway().settings
    async with sandbox.gateway(settings=attrs.evolve(settings, limits=limits)) as gw:
        async for record in gw.customers.list(limit=100):
            assert (await gw.customers.retrieve(record.id)).customer == record
            break
        assert gw._caller.engine._gates._running == 0


async def test_5000_subscriptions_while_the_server_changes() -> None:
    """A filtered stream over 5,000 subscriptions yields each exactly once, in order, in flat memory, although every
    page adds and updates rows on the server."""
    async with Sandbox(records=5000, seed=3) as sandbox:
        everything = sandbox.count("subscription")
        touched: list[str] = []

        def change(request: Any) -> None:
            number = len(touched)
            touched.append(f"new_{number}")
            template = sandbox.get("subscription", "sub_1")
            assert template is not None
            sandbox.insert("subscription", {**template, "id": touched[-1], "status": "active"})
            for other in range(20):
                sandbox.update("subscription", f"sub_{1 + (number * 37 + other) % 4000}", {"po_number": f"po-{number}"})

        sandbox.on_request = change
        async with sandbox.gateway(settings=attrs.evolve(sandbox.gateway().settings, limits=FAST)) as gw:
            seen: list[str] = []
            moments: list[datetime] = []
            most = 0
            async for record in gw.subscriptions.list(subscription.status.is_not("future")):
                seen.append(record.id)
                assert record.created_at is not None
                moments.append(record.created_at)
                if len(seen) % 500 == 250:
                    gc.collect()
                    most = max(most, sum(isinstance(kept, Subscription) for kept in gc.get_objects()))
        sandbox.on_request = None
        old = {identity for identity in seen if not identity.startswith("new_")}
        assert len(seen) == len(set(seen))
        assert moments == sorted(moments)
        assert most <= 200
        async with sandbox.gateway(settings=attrs.evolve(sandbox.gateway().settings, limits=FAST)) as gw:
            after = {record.id async for record in gw.subscriptions.list(subscription.status.is_not("future"))}
        assert old == {identity for identity in after if not identity.startswith("new_")}
        assert 4500 <= len(old) <= everything


async def test_a_naive_row_number_loses_rows() -> None:
    """The baseline: paging by row number, newest change first, loses rows while others are updated."""
    rows = {number: number for number in range(1000)}
    seen: set[int] = set()
    clock = 1000
    for start in range(0, 1000, 100):
        page = sorted(rows, key=lambda number: rows[number])[start : start + 100]
        seen.update(page)
        for number in range(start // 10, start // 10 + 20):
            rows[number] = clock = clock + 1
    assert len(seen) < 1000


async def test_rows_that_cannot_be_read_fail_alone(gw: Gateway, sandbox: Sandbox) -> None:
    """One malformed row raises DecodeError with its path, in its place; the rows around it come through."""
    sandbox.update("customer", "cust_2", {"net_term_days": "soon"})
    stream = gw.customers.list().__aiter__()
    seen: list[Customer] = []
    caught: list[errors.DecodeError] = []
    while True:
        try:
            seen.append(await anext(stream))
        except errors.DecodeError as failed:
            caught.append(failed)
        except StopAsyncIteration:
            break
    assert len(seen) == 249
    (bad,) = caught
    assert bad.path.startswith("$.list[")
    assert bad.path.endswith("].customer.net_term_days")
    page = await gw.customers.list()
    with pytest.raises(errors.DecodeError):
        assert page.records
    assert len(page.raw) == 100


async def test_lists_behind_an_id(gw: Gateway, sandbox: Sandbox) -> None:
    """A list below a customer takes its id by position."""
    one = await gw.invoices.list().first()
    assert one is not None
    assert one.customer_id is not None
    found = await gw.invoices.invoices_for_customer(one.customer_id).collect()
    assert one.id in {record.id for record in found}
    assert sandbox.requests[-1].path.endswith(f"/customers/{one.customer_id}/invoices")


async def test_every_filter_is_checked_before_anything_is_sent(gw: Gateway, sandbox: Sandbox) -> None:
    """Wrong resource, unknown field, operator, order, parameter or limit: RequestError, and no request."""
    loose: Any = gw.customers.list
    for filters, given in (
        ([invoice.status.is_("paid")], {}),
        (["email[is]=x"], {}),
        ([], {"order_by": event.occurred_at.asc()}),
        ([], {"order_by": "created_at"}),
        ([], {"limit": 0}),
        ([], {"limit": 101}),
        ([], {"limit": True}),
        ([], {"offset": ""}),
        ([], {"emial": "x"}),
    ):
        with pytest.raises(RequestError):
            loose(*filters, **given)
    assert sandbox.requests == []


async def test_leaving_a_loop_leaves_nothing_open(gw: Gateway) -> None:
    """break, an error and aclose give everything back at once: there is nothing to wait for the garbage collector."""
    async for _ in gw.customers.list(limit=10):
        break
    with pytest.raises(KeyError):
        async for _ in gw.customers.list(limit=10):
            raise KeyError
    stream = gw.customers.list(limit=10).raw()
    await anext(stream)
    await stream.aclose()
    engine = gw._caller.engine
    assert engine._gates._running == 0
