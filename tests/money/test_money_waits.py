"""How often and when a server that is in trouble is asked again: R6 and R7."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import Any

import attrs
import pytest

from aiochargebee_gw import Gateway, Limits, Retry, Timeouts, errors
from aiochargebee_gw._engine import Call, Engine
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.transport.memory import MemoryTransport

from ..unit.clock import FakeClock
from .books import BUSY, Books, books
from .conftest import EAGER, client

pytestmark = pytest.mark.anyio

CALLS = 2000
QUICK = Retry(base_seconds=0, throttled_base_seconds=0)


async def _calls(gw: Gateway, count: int) -> list[Any]:
    """Reads, creates under assigned ids, and writes without an id, in turn."""

    async def one(number: int) -> None:
        match number % 3:
            case 0:
                await gw.call("GET", "/api/v2/customers")
            case 1:
                await gw.customers.create(first_name=f"w{number}")
            case _:
                await gw.promotional_credits.add(customer_id="c", amount=1, description=f"w{number}")

    ended: list[Any] = []
    for first in range(0, count, 50):
        numbers = range(first, min(first + 50, count))
        ended += await asyncio.gather(*(one(number) for number in numbers), return_exceptions=True)
    return ended


def _down(server: Books, fault: str) -> None:
    server.choose = lambda seen, attempt: fault


@pytest.mark.parametrize("fault", ["503_before", "drop_before"])
async def test_a_server_that_is_down_is_not_stormed(fault: str) -> None:
    """2,000 calls while every answer is a 503, or none at all: at most 1.2 times as many requests and 20, exactly as
    many as `stats.attempts` says (aiohttp sends none of its own), looks at what became of a write included. Healed, all
    calls succeed."""
    async with books() as server, client(server.url, retry=QUICK, idempotency="verified", clock=FakeClock()) as gw:
        _down(server, fault)
        ended = await _calls(gw, CALLS)
        assert all(isinstance(error, errors.GatewayClientError) for error in ended)
        assert len(server.seen) <= 1.2 * CALLS + 20
        assert gw.stats.attempts == len(server.seen)
        server.choose = lambda seen, attempt: None
        assert await _calls(gw, 200) == [None] * 200
        assert gw.stats.attempts == len(server.seen)


async def test_looks_at_what_became_of_a_write_are_within_the_budget() -> None:
    """2,000 creates that can be looked up, while the server is down and says that it will be so for long: no create is
    repeated, the looks are counted as retries, and earn none of their own."""
    async with books() as server, client(server.url, retry=QUICK, clock=FakeClock()) as gw:
        _down(server, BUSY)
        for first in range(0, CALLS, 5):
            await asyncio.gather(
                *(gw.customers.create(first_name=f"w{number}") for number in range(first, first + 5)),
                return_exceptions=True,
            )
        assert {seen.method for seen in server.seen} == {"GET", "POST"}
        assert len(server.seen) <= 1.2 * CALLS + 20
        assert gw.stats.attempts == len(server.seen)


async def test_without_a_budget_the_server_sees_four_times_as_much() -> None:
    """The baseline: the same policy with an unlimited budget sends every call four times."""
    unlimited = attrs.evolve(QUICK, budget=1e6, budget_tokens=1e6)
    async with books() as server, client(server.url, retry=unlimited, idempotency="verified", clock=FakeClock()) as gw:
        _down(server, "503_before")
        await _calls(gw, 300)
        assert len(server.seen) >= 4 * 300


async def test_a_429_for_ever_ends() -> None:
    """A server that always answers 429 is asked four times, and the error says what it was."""
    async with books() as server, client(server.url, retry=QUICK, clock=FakeClock()) as gw:
        _down(server, "429_before")
        with pytest.raises(errors.GatewayRateLimited):
            await gw.customers.create(first_name="w")
        assert len(server.seen) == gw.stats.attempts == 4


# The server's own clock, as its answers tell it.
NOW = 1_700_000_000
DRAWN = 0.25  # the pause of ours, where the server names none that can be read


def _date(seconds: float) -> str:
    return formatdate(NOW + seconds, usegmt=True)


# `Retry-After`, and the wait that follows; None raises the error at once.
NAMED: list[tuple[str, float | None]] = [
    *((str(seconds), float(seconds)) for seconds in (0, 1, 2, 3, 5, 7, 10, 15, 30, 45, 59)),
    ("007", 7.0),
    (" 5 ", 5.0),
    ("60", None),
    ("61", None),
    ("120", None),
    ("3600", None),
    ("86400", None),
    ("999999999", None),
    *((_date(seconds), float(seconds)) for seconds in (0, 1, 5, 20, 59)),
    (_date(-1), 0.0),
    (_date(-3600), 0.0),
    (_date(60), None),
    (_date(7200), None),
    ("Tue, 14 Nov 2023 22:13:40 -0000", 20.0),
    ("Tue Nov 14 22:13:40 2023", 20.0),
    *((junk, DRAWN) for junk in ("", "soon", "-1", "1.5", "5_000", "٣", "nan", "inf", "1e9", "10000000000")),
]


@attrs.frozen
class Wrong:
    """A clock that is an hour wrong, as a factory."""

    hours: float

    def clock(self) -> FakeClock:
        clock = FakeClock()
        clock.wall = lambda: NOW + 3600 * self.hours + clock.now  # type: ignore[method-assign]
        return clock


def test_there_are_forty_values() -> None:
    """Seconds, dates in three forms, the past, what is too far off, and junk."""
    assert len(NAMED) == 40


@pytest.mark.parametrize(("value", "wait"), NAMED)
@pytest.mark.parametrize("hours", [-1, 0, 1])
async def test_the_wait_that_the_server_names(value: str, wait: float | None, hours: float) -> None:
    """Seconds or a date, measured against the answer's own `Date`, with a local clock that is right or an hour off.
    What the deadline does not allow is raised at once, without a wait."""
    headers = {"retry-after": value, "date": _date(0)}
    answers = [Response(status=429, headers=headers, body=b""), Response(status=200, headers={}, body=b"{}")]

    async def handler(request: Request) -> Response:
        return answers.pop(0)

    clock = Wrong(hours).clock()
    engine = Engine(MemoryTransport(handler), limits=Limits(), clock=clock, draw=lambda: 1.0)
    call = Call(
        request=Request(method="POST", url="https://h/x", headers={}, label="POST /x"),
        writes=True,
        keyed=True,
        idempotency_key="k",
        site="",
        retry=Retry(throttled_base_seconds=DRAWN),
        timeouts=Timeouts(),
    )
    began = clock.now
    if wait is None:
        with pytest.raises(errors.GatewayRateLimited):
            await engine.send(call, lambda response: response)
        assert clock.now == began
    else:
        await engine.send(call, lambda response: response)
        assert clock.now - began == pytest.approx(wait, abs=1e-6)


@pytest.mark.parametrize(("seconds", "waits"), [(119, True), (120, True), (121, False)])
async def test_a_wait_above_two_minutes_is_the_callers(seconds: int, waits: bool) -> None:
    """However long the deadline is, a Retry-After of more than 120 seconds is raised at once."""
    answers = [
        Response(status=429, headers={"retry-after": str(seconds)}, body=b""),
        Response(status=200, headers={}, body=b"{}"),
    ]

    async def handler(request: Request) -> Response:
        return answers.pop(0)

    clock = FakeClock()
    async with client("http://127.0.0.1:1", retry=attrs.evolve(EAGER, deadline_seconds=7200), clock=clock,
                      transport=MemoryTransport(handler)) as gw:  # fmt: skip
        if waits:
            await gw.call("GET", "/api/v2/customers")
        else:
            with pytest.raises(errors.GatewayRateLimited) as caught:
                await gw.call("GET", "/api/v2/customers")
            assert caught.value.retry_after == seconds
        assert len(answers) == (0 if waits else 1)
