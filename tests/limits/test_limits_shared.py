"""What a client does with a limiter that it shares, whichever that is."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from aiochargebee_gw import Limits
from aiochargebee_gw._gates import Gates

from .calls import calls_through, who
from .timers import WoundClock, settled
from .together import Together

pytestmark = pytest.mark.anyio


def _clients(**limits: Any) -> tuple[Gates, Gates, Together, WoundClock]:
    clock = WoundClock()
    limiter = Together(clock)
    wanted = Limits(**{"account_per_second": math.inf, "site_per_minute": math.inf, **limits})
    return Gates(wanted, clock, limiter), Gates(wanted, clock, limiter), limiter, clock


async def test_a_call_takes_a_place_in_every_window_and_gives_each_back() -> None:
    """A call counts for the account and for its site; both places are given back where they were taken, and stay
    taken for the window's period when it was sent."""
    ours, _, limiter, clock = _clients(account_per_second=5, site_per_minute=5)
    async with calls_through(ours) as calls:
        await calls.begin("1", who())
        await calls.begin("2", who())
        assert calls.inside == ["1", "2"]
        await calls.end("1", "2")
        await ours.aclose()
        assert limiter.used() == {"account": 2, "site:a": 2}
        await clock.advance(1.0)
        assert limiter.used() == {"account": 0, "site:a": 2}
        await clock.advance(59.0)
        assert limiter.used() == {"account": 0, "site:a": 0}
        assert limiter.closed


async def test_a_call_that_was_not_sent_costs_the_others_nothing() -> None:
    """The place of a call that never left is free for another client at once."""
    ours, theirs, limiter, _ = _clients(account_per_second=1)
    async with calls_through(theirs) as calls:
        turn = ours.turn(who())
        await turn.__aenter__()
        await calls.begin("theirs", who())
        assert calls.inside == []
        await turn.__aexit__(None, None, None)
        await settled()
        assert limiter.used()["account"] == 0


async def test_what_one_sends_the_other_waits_for() -> None:
    """Two clients together send what one might: the second call goes a second after the first has ended."""
    ours, theirs, _, clock = _clients(account_per_second=1)
    async with calls_through(ours) as calls, calls_through(theirs) as others:
        await calls.begin("ours", who())
        await others.begin("theirs", who())
        await calls.end("ours")
        await clock.advance(0.99)
        assert others.inside == []
        await clock.advance(0.01)
        assert others.inside == ["theirs"]
        await others.end("theirs")


async def test_trips_are_told_of_the_account_alone() -> None:
    """Completions are dated back in the account's short window; in a site's minute it would gain nothing."""
    ours, _, limiter, _ = _clients(account_per_second=5, site_per_minute=5)
    async with ours.turn(who()) as turn:
        turn.sent, turn.trip = True, 0.2
    await settled()
    assert limiter.trips == ["account"]
    await ours.aclose()


async def test_a_429_of_a_site_holds_for_all_who_learn_its_limit() -> None:
    """Where a site's limit is not known each client learns it for itself, but none goes on while the site is closed;
    other sites do."""
    ours, theirs, _, clock = _clients(site_per_minute=None)
    async with calls_through(ours) as calls, calls_through(theirs) as others:
        await calls.begin("ours", who())
        ours.close("site", "a", 5.0, exceeded=True)
        await calls.end("ours")
        await others.begin("a", who("a"))
        await others.begin("b", who("b"))
        assert others.inside == ["b"]
        await clock.advance(4.9)
        assert others.inside == ["b"]
        await clock.advance(0.35)
        assert others.inside == ["b", "a"]


async def test_a_place_that_nobody_waits_for_any_more_is_given_back() -> None:
    """A place that came for a call that is cancelled before its time is free for others at once."""
    ours, _, limiter, clock = _clients(account_per_second=1)
    limiter.ahead = 0.5
    async with calls_through(ours) as calls:
        task = await calls.begin("cancelled", who(None))
        assert limiter.used()["account"] == 1
        task.cancel()
        await settled()
        assert limiter.used()["account"] == 0
        assert clock.due == []


def test_a_place_of_an_ended_loop_is_not_used() -> None:
    """A lease may have run out when the next loop begins: a place is asked for anew, and the call goes with it."""
    gates, _, limiter, _ = _clients(account_per_second=9)
    limiter.ahead = 0.5
    loop = asyncio.new_event_loop()
    stuck = loop.create_task(gates.turn(who(None)).__aenter__())
    loop.run_until_complete(settled())
    stuck._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    assert limiter.asked == ["account"]
    limiter.ahead = 0.0

    async def again() -> None:
        async with calls_through(gates) as calls:
            await calls.begin("again", who(None))
            assert calls.inside == ["again"]
        await gates.aclose()

    asyncio.run(again())
    assert limiter.asked == ["account", "account"]
    stuck.get_coro().close()


async def test_windows_of_forgotten_sites_are_forgotten() -> None:
    """A client that has spoken to a thousand sites watches over the windows of the last of them alone."""
    ours, _, _, clock = _clients()
    for number in range(1000):
        async with ours.turn(who(f"site {number}")) as turn:
            turn.sent = True
        await clock.advance(10)
    assert ours._link is not None
    assert len(ours._link._windows) <= 80
    await ours.aclose()
