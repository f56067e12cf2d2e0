"""Events and counters against servers that count for themselves."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import random
from collections import Counter
from typing import Any

import aiohttp
import anyio
import attrs
import pytest

from aiochargebee_gw import Gateway, Limits, Retry, errors
from aiochargebee_gw.observe import (
    AttemptFinished,
    CallFinished,
    CallStarted,
    Event,
    Retried,
    Stats,
    Tally,
    Throttled,
    Waited,
)
from aiochargebee_gw.sandbox import Sandbox

from ..client.raw import DROP, answer, bodies, raw_server
from ..unit.clock import FakeClock
from .clients import FAST, QUICK, by_call, client, settings

pytestmark = pytest.mark.anyio

PAGE = b'{"list": []}'
ONE = b'{"customer": {"id": "c1", "object": "customer"}}'
BUSY = answer(b"{}", "Retry-After: 0", status="429 Too Many Requests")
DOWN = answer(b"{}", status="503 Service Unavailable")


def _kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


async def test_the_events_of_a_call_come_once_and_in_order() -> None:
    """A 429, a lost connection and a success are told as what they were, under one number, from start to end."""
    events: list[Event] = []
    async with raw_server(BUSY, DROP, answer(PAGE)) as server, client(server.url, events.append) as gw:
        await gw.customers.list()
        url = server.url
    assert _kinds(events) == [
        "CallStarted",
        *("AttemptFinished", "Throttled", "Retried"),
        *("AttemptFinished", "Retried"),
        *("AttemptFinished", "CallFinished"),
    ]
    assert len({event.call for event in events}) == 1
    assert {event.operation for event in events} == {"GET /api/v2/customers"}
    started, finished = events[0], events[-1]
    assert isinstance(started, CallStarted)
    assert (started.write, started.origin) == (False, url)
    attempts = [event for event in events if isinstance(event, AttemptFinished)]
    told = [(each.attempt, each.status, each.error, each.phase) for each in attempts]
    assert told == [
        (1, 429, "GatewayRateLimited", "body"),
        (2, None, "ConnectionLost", "sent"),
        (3, 200, None, "body"),
    ]
    assert [(e.attempt, e.error) for e in events if isinstance(e, Retried)] == [
        (1, "GatewayRateLimited"),
        (2, "ConnectionLost"),
    ]
    assert [(e.scope, e.seconds) for e in events if isinstance(e, Throttled)] == [("account", 0.0)]
    assert isinstance(finished, CallFinished)
    assert (finished.attempts, finished.status, finished.error, finished.outcome) == (3, 200, None, "ok")


async def test_the_counters_are_what_the_server_saw() -> None:
    """Requests, the bytes of their bodies and the bytes that came back, compressed as they were on the wire."""
    packed = gzip.compress(json.dumps({"list": [], "pad": "x" * 5000}).encode())
    script = [BUSY, DROP, answer(packed, "Content-Encoding: gzip"), DOWN, answer(ONE)]
    async with raw_server(*script) as server, client(server.url) as gw:
        await gw.customers.list()
        await gw.customers.create(first_name="Ada", id="c1")
        stats = gw.stats
    assert (stats.calls, stats.attempts, stats.retries, stats.rate_limited) == (2, 5, 3, 1)
    assert stats.attempts == len(server.requests)
    assert stats.sent_bytes == sum(map(len, bodies(server.requests))) > 0
    assert stats.received_bytes == len(b"{}") + len(packed) + len(b"{}") + len(ONE)
    assert (stats.failed, stats.unknown) == (0, 0)


def test_the_operations_add_up_to_the_client() -> None:
    """`as_dict` gives plain numbers, and each of the client's is the sum of its operations'."""

    async def main() -> Stats:
        async with raw_server(BUSY, answer(PAGE), DOWN, answer(ONE), DROP) as server, client(server.url) as gw:
            await gw.customers.list()
            await gw.customers.retrieve("c1")
            with pytest.raises(errors.ConnectionLost):
                await gw.invoices.list()
            with pytest.raises(errors.OutcomeUnknown):
                await gw.call("POST", "/api/v2/portal_sessions", form={"a": 1})
            return gw.stats

    stats = asyncio.run(main()).as_dict()
    operations = stats.pop("by_operation")
    assert set(operations) == {
        "GET /api/v2/customers",
        "GET /api/v2/customers/{id}",
        "GET /api/v2/invoices",
        "POST /api/v2/portal_sessions",
    }
    for name, value in stats.items():
        assert math.isclose(value, sum(operation[name] for operation in operations.values())), name
    assert (stats["calls"], stats["failed"], stats["unknown"]) == (4, 1, 1)
    assert set(stats) == {field.name for field in attrs.fields(Tally)}
    assert json.loads(json.dumps(stats)) == stats


async def test_as_dict_is_a_copy() -> None:
    """What was taken for a metric does not move with the client."""
    async with raw_server(answer(PAGE)) as server, client(server.url) as gw:
        before = gw.stats.as_dict()
        await gw.customers.list()
    assert (before["calls"], before["by_operation"]) == (0, {})
    assert gw.stats.as_dict()["calls"] == 1


async def test_waits_are_told_when_they_are_over() -> None:
    """The wait before a repeat and the wait for the limits are measured, told once, and add up to the counter."""
    clock, events = FakeClock(), list[Event]()
    slow = answer(b"{}", "Retry-After: 7", status="429 Too Many Requests")
    async with raw_server(slow, answer(PAGE)) as server:
        limits = Limits(account_per_second=1)
        gw = Gateway("sandbox_k", settings=settings(server.url, limits=limits), observers=[events.append], clock=clock)
        async with gw:
            await gw.customers.list()
            await gw.customers.list()
        waited = [event for event in events if isinstance(event, Waited)]
    assert waited[0].reason == "retry"
    assert waited[0].seconds == 7
    assert {event.reason for event in waited} == {"retry", "limit"}
    assert gw.stats.waits == len(waited)
    assert gw.stats.waited_seconds == pytest.approx(sum(event.seconds for event in waited))
    assert gw.stats.waited_seconds == pytest.approx(sum(clock.slept))


async def test_who_does_not_wait_is_not_counted_as_waiting() -> None:
    """Where the limits have room, no wait is told or counted, although passing them takes microseconds."""
    events: list[Event] = []
    async with raw_server(answer(PAGE)) as server, client(server.url, events.append) as gw:
        for _ in range(50):
            await gw.customers.list()
    assert gw.stats.waits == 0
    assert gw.stats.waited_seconds == 0
    assert not [event for event in events if isinstance(event, Waited)]


async def test_a_wait_that_is_broken_off_counts_for_what_it_was() -> None:
    """A call that is cancelled in its pause has waited as long as it did, not as long as it wanted to."""
    clock, events, paused = FakeClock(), list[Event](), asyncio.Event()

    def watch(event: Event) -> None:
        events.append(event)
        if isinstance(event, Retried):
            paused.set()

    slow = answer(b"{}", "Retry-After: 30", status="503 Service Unavailable")
    async with raw_server(slow) as server:
        made = settings(server.url)
        gw = Gateway("sandbox_k", settings=made, observers=[watch], clock=clock)
        async with gw:
            clock.hold = anyio.Event()
            task = asyncio.create_task(_list(gw))
            await paused.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert gw.stats.waited_seconds == 0
    assert isinstance(events[-1], CallFinished)
    assert (events[-1].error, events[-1].outcome) == ("CancelledError", "failed")


async def test_a_call_that_ends_in_the_queue_has_waited() -> None:
    """Who is cancelled while it waits for the limits is told as having waited for as long as it did, and never sent."""
    clock, events, queued = FakeClock(), list[Event](), asyncio.Event()

    def watch(event: Event) -> None:
        events.append(event)
        if isinstance(event, CallStarted):
            queued.set()

    async with raw_server(answer(PAGE)) as server:
        made = settings(server.url, limits=Limits(account_per_second=1))
        gw = Gateway("sandbox_k", settings=made, observers=[watch], clock=clock)
        async with gw:
            await gw.customers.list()
            queued.clear()
            clock.hold = anyio.Event()
            task = asyncio.create_task(_list(gw))
            await queued.wait()
            clock.now += 5
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    started, waited, ended = events[-3:]
    assert isinstance(started, CallStarted)
    assert isinstance(waited, Waited)
    assert isinstance(ended, CallFinished)
    assert (waited.reason, waited.seconds, ended.attempts) == ("limit", 5, 0)
    assert (gw.stats.waits, gw.stats.waited_seconds, gw.stats.attempts) == (1, 5, 1)


async def _list(gw: Gateway) -> None:
    await gw.customers.list()


async def test_clients_that_share_an_observer_share_no_numbers() -> None:
    """The calls of two clients have different numbers: an observer that both have can tell them apart."""
    events: list[Event] = []
    async with (
        raw_server(answer(PAGE)) as server,
        client(server.url, events.append) as one,
        client(server.url, events.append) as two,
    ):
        await asyncio.gather(*(_list(gw) for gw in (one, two, one, two)))
    found = by_call(events)
    assert len(found) == 4
    assert all(_kinds(each) == ["CallStarted", "AttemptFinished", "CallFinished"] for each in found.values())


async def test_a_counter_around_a_naive_client_is_wrong() -> None:
    """The baseline: one counted GET of a bare aiohttp session on a kept connection is two at the server."""
    counted = 0
    async with raw_server(answer(PAGE), DROP, answer(PAGE)) as server, aiohttp.ClientSession() as session:
        for _ in range(2):
            counted += 1
            async with session.get(f"{server.url}/chargebee/api/v2/customers") as found:
                await found.read()
    assert counted == 2
    assert len(server.requests) == 3


async def test_observers_that_raise_break_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Every event raises in one observer: the calls succeed, the next observer sees them all, the log says so."""
    events: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError("broken")

    async with raw_server(BUSY, answer(PAGE), answer(ONE)) as server, client(server.url, broken, events.append) as gw:
        await gw.customers.list()
        assert (await gw.customers.create(id="c1")).customer.id == "c1"
    assert _kinds(events).count("CallFinished") == 2
    assert caplog.text.count("an observer failed") == len(events)


@pytest.mark.parametrize("calls", [120, pytest.param(4000, marks=pytest.mark.soak)])
async def test_under_faults_every_call_is_told_whole(calls: int) -> None:
    """Many calls at once under nine kinds of faults: each is told from its start to its end, and all sums agree."""
    events: list[Event] = []
    rng = random.Random(5)
    async with Sandbox(records=5, catalog="both") as sandbox:
        for kind, details in _FAULTS:
            sandbox.faults.add(kind, nth=rng.randrange(1, 20), times=calls // 30, **details)
        made = settings(sandbox.url, retry=Retry(attempts=3, base_seconds=0, throttled_base_seconds=0))
        async with Gateway(sandbox.api_key, settings=made, observers=[events.append]) as gw:
            gate = asyncio.Semaphore(20)
            results = await asyncio.gather(*(_one(gw, gate, n) for n in range(calls)))
        seen = len(sandbox.requests)
    stats = gw.stats
    assert stats.attempts == seen
    found = by_call(events)
    # A write in doubt that is looked up makes a call of its own.
    assert stats.calls == len(found) >= calls
    for each in found.values():
        _check(each)
    ends = Counter(each[-1].outcome for each in found.values() if isinstance(each[-1], CallFinished))
    assert (ends["failed"], ends["unknown"]) == (stats.failed, stats.unknown)
    assert results.count("ok") > calls // 3
    assert stats.attempts == sum(isinstance(e, AttemptFinished) and e.phase != "unsent" for e in events)
    assert stats.retries == sum(isinstance(e, Retried) for e in events)
    assert stats.rate_limited == sum(isinstance(e, AttemptFinished) and e.status == 429 for e in events)
    assert stats.waits == sum(isinstance(e, Waited) for e in events)
    for name in ("attempts", "retries", "failed", "unknown", "sent_bytes", "received_bytes"):
        assert getattr(stats, name) == sum(getattr(each, name) for each in stats.by_operation.values())


_FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("status", {"status": 500}),
    ("status", {"status": 503, "after_write": True}),
    ("rate_limited", {"retry_after": 0, "code": "api_request_limit_exceeded"}),
    ("drop", {}),
    ("drop", {"after_write": True}),
    ("cut_body", {}),
    ("cut_gzip", {}),
    ("html", {}),
    ("redirect", {"location": "https://elsewhere.example/"}),
)


async def _one(gw: Gateway, gate: asyncio.Semaphore, number: int) -> str:
    async with gate:
        try:
            if number % 3 == 0:
                await gw.customers.list(limit=2)
            elif number % 3 == 1:
                await gw.customers.create(first_name=f"n{number}")
            else:
                await gw.call("POST", "/api/v2/customers", form={"first_name": f"n{number}"})
        except errors.GatewayClientError as error:
            return type(error).__name__
    return "ok"


def _check(events: list[Event]) -> None:
    """The events of one call."""
    kinds = _kinds(events)
    assert kinds[0] == "CallStarted"
    assert kinds[-1] == "CallFinished"
    assert (kinds.count("CallStarted"), kinds.count("CallFinished")) == (1, 1)
    end = events[-1]
    assert isinstance(end, CallFinished)
    attempts = [event.attempt for event in events if isinstance(event, AttemptFinished)]
    assert attempts == list(range(1, end.attempts + 1))
    retried = [event.attempt for event in events if isinstance(event, Retried)]
    assert retried == attempts[:-1]
    assert (end.error is None) == (end.outcome in ("ok", "reconciled"))
    assert len({event.operation for event in events}) == 1


async def test_a_closed_gate_keeps_its_own_call_counted() -> None:
    """With QUICK repeats a site that answers 429 for ever ends with four attempts, four 429s and three repeats."""
    async with raw_server(BUSY) as server, client(server.url, retry=QUICK, limits=FAST) as gw:
        with pytest.raises(errors.GatewayRateLimited):
            await gw.customers.list()
    assert (gw.stats.attempts, gw.stats.rate_limited, gw.stats.retries, gw.stats.failed) == (4, 4, 3, 1)
    assert len(server.requests) == 4
