"""The receiver on a real socket: what it answers, and that it handles an event once."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import math

import aiohttp
import anyio
import pytest

from aiochargebee_gw import ConfigurationError, Gateway, Limits, Retry, Settings
from aiochargebee_gw.sandbox import Sandbox
from aiochargebee_gw.webhooks import MAX_BODY_BYTES, Delivery, MemoryStore, SqliteStore, WebhookReceiver

from .parts import GOOD, Recorder, event_body, receiver, serving

pytestmark = pytest.mark.anyio


async def post(url: str, body: object, **headers: str) -> int:
    """The status of one delivery with the right credentials."""
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(url, data=body, headers={"Authorization": GOOD, **headers}) as response,
    ):
        assert await response.read() == b""
        return response.status


async def test_an_event_is_handled_once() -> None:
    """The second delivery is answered 200 too, or Chargebee would go on, but not handled."""
    handle = Recorder()
    async with serving(receiver(handle).handler) as url:
        assert [await post(url, event_body()) for _ in range(3)] == [200, 200, 200]
    assert handle.ids == ["ev_1"]


async def test_what_is_no_event_is_answered_4xx() -> None:
    """405 for another verb, 400 for another body, 413 above 1 MiB, announced, chunked or compressed."""
    handle = Recorder()
    large = b" " * (MAX_BODY_BYTES + 1)

    async def chunks() -> object:
        for at in range(0, len(large), 100_000):
            yield large[at : at + 100_000]

    async with serving(receiver(handle).handler) as url:
        assert await post(url, b"{}") == 400
        assert await post(url, io.BytesIO(large)) == 413
        assert await post(url, chunks()) == 413
        assert await post(url, gzip.compress(b" " * 20_000_000), **{"Content-Encoding": "gzip"}) == 413
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")
    assert handle.ids == []


async def test_a_body_that_never_ends_is_given_up() -> None:
    """Bytes that stop: 408 when the seconds are over, and a client that goes away leaves no error behind."""
    handle = Recorder()
    async with serving(receiver(handle, seconds=0.05).handler) as url:
        port = int(url.split(":")[2].partition("/")[0])
        head = f"POST /hook HTTP/1.1\r\nHost: x\r\nAuthorization: {GOOD}\r\nContent-Length: 99\r\n\r\nhalf"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
        writer.close()
    async with serving(receiver(handle).handler) as url:
        port = int(url.split(":")[2].partition("/")[0])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert await post(url, event_body()) == 200
    assert handle.ids == ["ev_1"]


async def test_a_failure_is_tried_again() -> None:
    """500 while the handler raises; the next delivery is handled, the one after it is not."""
    calls = 0

    async def handle(_: Delivery) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("the database is away")

    async with serving(receiver(handle).handler) as url:
        assert [await post(url, event_body()) for _ in range(3)] == [500, 200, 200]
    assert calls == 2


async def test_marking_before_handling_loses_events() -> None:
    """Baseline: who notes the id first and handles then answers the repetition of a failed event with 200."""
    seen: set[str] = set()
    handled: list[str] = []

    async def naive(id: str, fails: bool) -> int:
        if id in seen:
            return 200
        seen.add(id)
        if fails:
            return 500
        handled.append(id)
        return 200

    assert [await naive("ev_1", True), await naive("ev_1", False)] == [500, 200]
    assert handled == []


async def test_deliveries_at_once_are_one() -> None:
    """Twenty deliveries of one id while it is being handled: one call of the handler, 200 for all."""
    started, finish = anyio.Event(), anyio.Event()
    calls = 0

    async def handle(_: Delivery) -> None:
        nonlocal calls
        calls += 1
        started.set()
        await finish.wait()

    ours = receiver(handle)
    statuses: list[int] = []

    async def deliver() -> None:
        statuses.append(await ours.receive(GOOD, event_body()))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(deliver)
        await started.wait()
        finish.set()
    assert (calls, statuses) == (1, [200] * 20)


async def test_one_failure_does_not_take_the_others_with_it() -> None:
    """Of two deliveries at once the first fails: the second handles the event."""
    calls = 0

    async def handle(_: Delivery) -> None:
        nonlocal calls
        calls += 1
        await anyio.lowlevel.checkpoint()
        if calls == 1:
            raise ValueError

    ours = receiver(handle)
    statuses = await asyncio.gather(*(ours.receive(GOOD, event_body()) for _ in range(3)))
    assert (sorted(statuses), calls) == ([200, 200, 500], 2)


async def test_an_older_version_is_not_handed_on_as_newest() -> None:
    """Version 2 was handled: version 1 is handled all the same (it is an event), but says that it is stale."""
    handle = Recorder()
    ours = receiver(handle)
    for id, version in (("b", 2), ("a", 1), ("c", 2), ("d", 3)):
        assert await ours.receive(GOOD, event_body(id, version)) == 200
    assert [len(delivery.stale) for delivery in handle.deliveries] == [0, 1, 0, 0]
    assert handle.deliveries[1].stale == {("customer", "c")}
    assert handle.newest == {"c": 3}


async def test_events_of_one_resource_wait_for_each_other() -> None:
    """The older event came first and is slow; the newer one is handled after it, so that its version stays."""
    order: list[str] = []
    slow = anyio.Event()

    async def handle(delivery: Delivery) -> None:
        if delivery.event.id == "old":
            await slow.wait()
        order.append(delivery.event.id)

    ours = receiver(handle)
    async with anyio.create_task_group() as group:
        group.start_soon(ours.receive, GOOD, event_body("old", 1))
        await anyio.wait_all_tasks_blocked()
        group.start_soon(ours.receive, GOOD, event_body("new", 2))
        other = {"customer": {"id": "d", "object": "customer", "resource_version": 1}}
        assert await ours.receive(GOOD, event_body("other", content=other)) == 200
        await anyio.wait_all_tasks_blocked()
        assert order == ["other"]
        slow.set()
    assert order == ["other", "old", "new"]


async def test_events_of_two_resources_do_not_block_each_other() -> None:
    """Two events about the same two resources, named in opposite order and waiting for one each: both are handled."""
    hold = anyio.Event()
    handled: list[str] = []

    async def handle(delivery: Delivery) -> None:
        if delivery.event.id in ("x", "y"):
            await hold.wait()
        handled.append(delivery.event.id)

    def body(id: str, *customers: str) -> bytes:
        named = {f"n{name}": {"id": name, "object": "customer", "resource_version": 1} for name in customers}
        return event_body(id, content=named)

    ours = receiver(handle, seconds=20)
    async with anyio.create_task_group() as group:
        for posted in (body("x", "c"), body("y", "d"), body("a", "c", "d"), body("b", "d", "c")):
            group.start_soon(ours.receive, GOOD, posted)
        await anyio.wait_all_tasks_blocked()
        hold.set()
    assert sorted(handled) == ["a", "b", "x", "y"]


async def test_every_version_of_an_event_counts() -> None:
    """Of a resource that stands twice in an event the later version counts, and a card is known by its source."""
    handle = Recorder()
    ours = receiver(handle)

    def card(version: int) -> dict[str, object]:
        return {"payment_source_id": "pm", "object": "card", "resource_version": version}

    await ours.receive(GOOD, event_body("ev_1", content={"a": card(5), "b": card(3)}))
    await ours.receive(GOOD, event_body("ev_2", content={"list": [card(4)]}))
    assert handle.deliveries[1].stale == {("card", "pm")}


async def test_a_record_without_a_version_has_no_order() -> None:
    """What cannot be compared is handed on as it comes."""
    handle = Recorder()
    content = {"card": {"object": "card", "last4": "1111"}, "customer": {"id": "c", "object": "customer"}}
    assert await receiver(handle).receive(GOOD, event_body(content=content)) == 200
    (delivery,) = handle.deliveries
    assert all(delivery.is_newest(record) for record in delivery.event.content.records())


async def test_a_handler_that_hangs_is_ended() -> None:
    """When the seconds are over: 503, the handler is cancelled, and the event is free for the next delivery."""
    ended: list[str] = []

    async def handle(_: Delivery) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("cancelled")

    store = MemoryStore()
    assert await receiver(handle, store=store, seconds=0.05).receive(GOOD, event_body()) == 503
    assert ended == ["cancelled"]
    again = Recorder()
    assert await receiver(again, store=store).receive(GOOD, event_body()) == 200
    assert again.ids == ["ev_1"]


async def test_a_cancelled_request_frees_its_event() -> None:
    """A server that cancels a handler whose client is gone takes the event with it to the next delivery."""
    store = MemoryStore()

    async def handle(_: Delivery) -> None:
        await anyio.sleep_forever()

    task = asyncio.create_task(receiver(handle, store=store).receive(GOOD, event_body()))
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await receiver(Recorder(), store=store).receive(GOOD, event_body()) == 200


async def test_a_store_that_fails_means_come_again() -> None:
    """503 and no call of the handler when nothing can be remembered."""
    store, handle = MemoryStore(), Recorder()
    store.close()
    assert await receiver(handle, store=store).receive(GOOD, event_body()) == 503
    assert handle.ids == []


@pytest.mark.parametrize("seconds", [0, -1, 56, math.nan, math.inf])
async def test_seconds_have_bounds(seconds: float) -> None:
    """A claim must have ended when Chargebee comes again after two minutes."""
    with pytest.raises(ConfigurationError):
        receiver(Recorder(), seconds=seconds)


async def test_nothing_of_an_event_is_logged_but_id_and_type(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the customer's data nor the text of the handler's error, nor a body that was refused."""
    caplog.set_level(logging.DEBUG)

    async def handle(delivery: Delivery) -> None:
        if delivery.event.id == "ev_2":
            customer = delivery.event.content.customer
            raise ValueError(f"cannot store {customer and customer.email}")

    ours = receiver(handle)
    for body in (event_body(), event_body("ev_2"), event_body(api_version="v1"), b'"j@example.com"'):
        await ours.receive(GOOD, body)
    assert "ev_1 customer_changed: 200" in caplog.text
    assert "ev_2 customer_changed: 500 ValueError" in caplog.text
    assert "example.com" not in caplog.text


class TestWithAGateway:
    """The posted event says only which; the one that is handled comes from Chargebee."""

    @staticmethod
    async def event_of(gw: Gateway) -> str:
        """The id of an event of a new customer."""
        await gw.customers.create(id="new", first_name="Ada")
        return (await gw.events.list(limit=100)).records[-1].id

    @staticmethod
    def client(sandbox: Sandbox) -> Gateway:
        """A client of the sandbox without pauses."""
        return sandbox.gateway(
            settings=Settings(limits=Limits(account_per_second=math.inf), retry=Retry(attempts=1, base_seconds=0))
        )

    async def test_a_forged_body_has_no_effect(self) -> None:
        """Who knows the password and posts other content gets Chargebee's content handled."""
        handle = Recorder()
        async with Sandbox(records=5) as sandbox, self.client(sandbox) as gw:
            id = await self.event_of(gw)
            body = event_body(id, 10**15)
            assert await receiver(handle, gateway=gw).receive(GOOD, body) == 200
        (delivery,) = handle.deliveries
        assert delivery.event.content.customer is not None
        assert (delivery.event.content.customer.id, delivery.event.content.customer.first_name) == ("new", "Ada")

    async def test_trusting_the_body_takes_the_forgery(self) -> None:
        """Baseline: without a gateway the posted content is what there is."""
        handle = Recorder()
        assert await receiver(handle).receive(GOOD, event_body("made_up", 10**15)) == 200
        assert handle.newest == {"c": 10**15}

    async def test_what_cannot_be_fetched_is_not_handled(self) -> None:
        """503 for an event that Chargebee does not (yet) know, while the API is down and when it answers another
        event; 400 for an id that is none; a duplicate costs no request."""
        handle = Recorder()
        async with Sandbox(records=5) as sandbox, self.client(sandbox) as gw:
            id = await self.event_of(gw)
            ours = receiver(handle, gateway=gw)
            assert await ours.receive(GOOD, event_body("made_up")) == 503
            assert await ours.receive(GOOD, event_body("a/../b")) == 400
            sandbox.faults.add("status", status=503)
            assert await ours.receive(GOOD, event_body(id)) == 503
            sandbox.faults.clear()
            other = {"event": json.loads(event_body("ev_other"))}
            sandbox.faults.add("status", status=200, body=other)
            assert await ours.receive(GOOD, event_body(id)) == 503
            sandbox.faults.clear()
            assert handle.ids == []
            assert await ours.receive(GOOD, event_body(id)) == 200
            requests = len(sandbox.requests)
            assert await ours.receive(GOOD, event_body(id)) == 200
            assert len(sandbox.requests) == requests
        assert handle.ids == [id]


async def test_two_processes_share_a_file(tmp_path: object) -> None:
    """Two receivers, two connections to one file: an id is handled by one of them, and of a resource one at a time."""
    started, finish = anyio.Event(), anyio.Event()

    async def slow(_: Delivery) -> None:
        started.set()
        await finish.wait()

    first: WebhookReceiver = receiver(slow, store=SqliteStore(f"{tmp_path}/seen.db"))
    handle = Recorder()
    second = receiver(handle, store=SqliteStore(f"{tmp_path}/seen.db"))
    async with anyio.create_task_group() as group:
        group.start_soon(first.receive, GOOD, event_body("ev_1", 1))
        await started.wait()
        assert await second.receive(GOOD, event_body("ev_1", 1)) == 503
        assert await second.receive(GOOD, event_body("ev_2", 2)) == 503
        finish.set()
    assert await second.receive(GOOD, event_body("ev_1", 1)) == 200
    assert await second.receive(GOOD, event_body("ev_2", 2)) == 200
    assert handle.ids == ["ev_2"]
