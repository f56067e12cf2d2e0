"""The line before the limits: who goes when, when he is woken, and what is left behind by who goes away."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

import pytest

from aiochargebee_gw import Limits, errors
from aiochargebee_gw._clock import SystemClock
from aiochargebee_gw._gates import Gates
from aiochargebee_gw._site import Turn

from .calls import calls_through, who
from .timers import WoundClock, settled

pytestmark = pytest.mark.anyio


def _gates(**limits: Any) -> tuple[Gates, WoundClock]:
    clock = WoundClock()
    return Gates(Limits(**{"account_per_second": math.inf, **limits}), clock), clock


@pytest.mark.parametrize("order", [("soon", "late"), ("late", "soon")])
async def test_each_is_woken_when_it_is_its_time(order: tuple[str, str]) -> None:
    """Two sites are closed for 5 and for 60 s: whoever came first, each call goes on at its own moment, neither
    earlier nor later. When nobody waits no timer is left."""
    gates, clock = _gates()
    gates.close("site", "soon", 5)
    gates.close("site", "late", 60)
    async with calls_through(gates) as calls:
        for name in order:
            await calls.begin(name, who(name))
        await clock.advance(4.99)
        assert calls.inside == []
        await clock.advance(0.01)
        assert calls.inside == ["soon"]
        await clock.advance(54.99)
        assert calls.inside == ["soon"]
        await clock.advance(0.01)
        assert calls.inside == ["soon", "late"]
        assert clock.due == []


async def test_who_goes_away_leaves_no_timer() -> None:
    """A cancelled call is not woken: nothing keeps the loop busy on its behalf."""
    gates, clock = _gates()
    gates.close("site", "a", 60)
    async with calls_through(gates) as calls:
        task = await calls.begin("a", who())
        assert len(clock.due) == 1
        task.cancel()
        await settled()
        assert clock.due == []


async def test_what_is_given_back_by_others_needs_no_timer() -> None:
    """Where all places are under way only their end can help, so no timer is set; the end is seen."""
    gates, clock = _gates(concurrency=1)
    async with calls_through(gates) as calls:
        await calls.begin("first", who())
        await calls.begin("second", who())
        assert clock.due == []
        await calls.end("first")
        assert calls.inside == ["first", "second"]


async def test_a_call_knows_how_long_it_waited() -> None:
    """`waited` is 0 for who passes at once, else the seconds in line."""
    gates, clock = _gates()
    turns: list[Turn] = []

    async def call() -> None:
        async with gates.turn(who()) as turn:
            turns.append(turn)

    await call()
    gates.close("site", "a", 7)
    task = asyncio.create_task(call())
    await settled()
    await clock.advance(7)
    await task
    assert [turn.waited for turn in turns] == [0.0, 7.0]


async def test_many_sites_form_one_line() -> None:
    """Twelve sites, each with a call of its own rank: they pass in the order of their ranks, whatever the order in
    which they came."""
    gates, _ = _gates(concurrency=1)
    ranks = [7, 2, 11, 5, 0, 9, 3, 10, 1, 8, 6, 4]
    async with calls_through(gates) as calls:
        await calls.begin("first", who("first"))
        for rank in ranks:
            await calls.begin(str(rank), who(f"site {rank}", rank=rank))
        for name in ["first", *map(str, range(11))]:
            await calls.end(name)
        assert calls.inside == ["first", *map(str, range(12))]


async def test_nobody_passes_those_in_line() -> None:
    """A place that has come free, but that nobody was called to yet, goes to who waits for it and not to who comes."""
    gates, clock = _gates(concurrency=1)
    gates.close("site", "a", 5)
    async with calls_through(gates) as calls:
        await calls.begin("waits", who())
        clock.now += 5
        await calls.begin("comes", who())
        assert calls.inside == ["waits"]
        await calls.end("waits")
        assert calls.inside == ["waits", "comes"]


@pytest.mark.parametrize("closed", [30.0, 100.0])
async def test_a_call_that_cannot_be_in_time_is_told_at_once(closed: float) -> None:
    """A site that is closed until the call's deadline or longer: the call ends now, and takes no place when the site
    opens. One with a moment more waits, and is let through."""
    gates, clock = _gates(concurrency=1)
    gates.close("site", "a", closed)
    async with calls_through(gates) as calls:
        hasty = await calls.begin("hasty", who(deadline=clock.now + 30))
        assert hasty.done()
        with pytest.raises(errors.DeadlineExceeded) as caught:
            await hasty
        assert caught.value.operation == "x"
        assert clock.due == []
        await calls.begin("patient", who(deadline=clock.now + closed + 0.1))
        await clock.advance(closed)
        assert calls.inside == ["patient"]


async def test_a_call_in_line_ends_at_its_deadline() -> None:
    """A call for which no place comes ends when its time is over, not before and not after; the next in line is still
    served."""
    gates, clock = _gates(concurrency=1)
    async with calls_through(gates) as calls:
        await calls.begin("first", who())
        late = await calls.begin("late", who(deadline=clock.now + 30))
        await calls.begin("next", who())
        await clock.advance(29.9)
        assert not late.done()
        await clock.advance(0.1)
        with pytest.raises(errors.DeadlineExceeded):
            await late
        await calls.end("first")
        assert calls.inside == ["first", "next"]


async def test_a_429_of_the_account_holds_for_every_site() -> None:
    """What the gateway refuses is the account's: no site goes on, whichever was told, nor does the control plane."""
    gates, clock = _gates()
    gates.close("account", "a", 3)
    async with calls_through(gates) as calls:
        for name in ("a", "b", None):
            await calls.begin(str(name), who(name))
        await clock.advance(2.9)
        assert calls.inside == []
        await clock.advance(0.1)
        assert sorted(calls.inside) == ["None", "a", "b"]


async def test_a_429_that_names_no_site_closes_none() -> None:
    """A site's 429 without a site is nobody's: all go on, and a single site still gets all that there is."""
    gates, _ = _gates(concurrency=8)
    gates.close("site", None, 100)
    async with calls_through(gates) as calls:
        await calls.begin("control", who(None))
        for number in range(7):
            await calls.begin(f"a{number}", who())
        assert len(calls.inside) == 8
    await gates.aclose()


async def test_a_429_for_another_reason_teaches_no_limit() -> None:
    """150 requests in a minute and a 429 that does not speak of the minute: when its time is over all goes on."""
    gates, clock = _gates()
    for _ in range(150):
        async with gates.turn(who()) as turn:
            turn.sent = True
    gates.close("site", "a", 1)
    await clock.advance(1)
    async with gates.turn(who(deadline=clock.now + 1)):
        pass


async def test_a_call_that_was_not_sent_does_not_count() -> None:
    """Only what may have reached the server is counted, for the site as for the account."""
    gates, clock = _gates(account_per_second=1, site_per_minute=1)
    for _ in range(3):
        async with gates.turn(who(deadline=clock.now + 0.5)):
            pass
    async with gates.turn(who(deadline=clock.now + 0.5)) as turn:
        turn.sent = True
    with pytest.raises(errors.DeadlineExceeded):
        async with gates.turn(who(deadline=clock.now + 0.5)):
            raise AssertionError


async def test_good_answers_bring_the_account_nearer_to_its_limit() -> None:
    """After thirty calls of 0.4 s one after another, completions are dated back by nine tenths of that: the next place
    is free after 0.64 s instead of 1 s."""
    gates, clock = _gates(account_per_second=1)
    for _ in range(30):
        await clock.advance(1)
        async with gates.turn(who()) as turn:
            await clock.advance(0.4)
            turn.sent, turn.trip = True, 0.4
    async with calls_through(gates) as calls:
        await calls.begin("next", who())
        await clock.advance(0.63)
        assert calls.inside == []
        await clock.advance(0.02)
        assert calls.inside == ["next"]


async def test_a_site_that_is_waited_for_is_not_forgotten() -> None:
    """While a call waits in line its site is kept, though nothing of it is under way: it has one POST at once, also
    when a hundred sites came in between."""
    gates, clock = _gates(post_concurrency=1, account_per_second=200, concurrency=200)
    async with calls_through(gates) as calls:
        gates.close("account", None, 5)
        await calls.begin("waits", who("a", "POST"))
        for number in range(100):
            await calls.begin(f"other {number}", who(f"site {number}", rank=1))
        await clock.advance(5)
        assert "waits" in calls.inside
        await calls.begin("again", who("a", "POST"))
        assert "again" not in calls.inside
        await calls.end("waits")
        assert calls.inside[-1] == "again"


async def test_one_of_several_sites_leaves_connections_to_others() -> None:
    """More calls than connections may be under way, but of several sites none holds more than three quarters of the
    twenty connections."""
    gates, _ = _gates()
    async with calls_through(gates) as calls:
        await calls.begin("b", who("b"))
        for number in range(20):
            await calls.begin(f"a{number}", who("a"))
        assert len(calls.inside) == 1 + 15


def _by_hand(step: Coroutine[Any, Any, None]) -> None:
    """Run what needs no loop, as the collector of garbage does with a call that nobody can go on with."""
    with pytest.raises(StopIteration):
        step.send(None)


def test_a_site_is_free_again_on_the_next_loop() -> None:
    """A GET and a POST that ended with their loop keep nothing from the next one's."""
    gates = Gates(Limits(get_concurrency=1, post_concurrency=1), SystemClock())

    async def leave_both() -> None:
        for method in ("GET", "POST"):
            await gates.turn(who(method=method)).__aenter__()

    async def again() -> list[int]:
        async with gates.turn(who(method="GET")), gates.turn(who(method="POST")):
            return gates._sites["a"].running

    asyncio.run(leave_both())
    assert asyncio.run(again()) == [0, 0]


@pytest.mark.parametrize("closed", [True, False])
def test_what_an_earlier_loop_gives_back_late_is_not_given_twice(closed: bool) -> None:
    """A call of a loop that stands still, or is closed, ends only when the next loop is at work: one place stays one
    place."""
    gates = Gates(Limits(concurrency=1), SystemClock())
    old, loop = gates.turn(who()), asyncio.new_event_loop()
    loop.run_until_complete(old.__aenter__())
    if closed:
        loop.close()

    async def again() -> None:
        async with gates.turn(who()):
            await old.__aexit__(None, None, None)
            with pytest.raises(errors.DeadlineExceeded):
                async with gates.turn(who(deadline=0.0)):
                    raise AssertionError

    asyncio.run(again())
    loop.close()


def test_calls_of_a_closed_loop_can_be_closed() -> None:
    """What was under way or waited on a loop that is closed can be thrown away: nothing is asked of that loop."""
    gates, clock = _gates()
    first, loop = gates.turn(who()), asyncio.new_event_loop()
    loop.run_until_complete(first.__aenter__())
    gates.close("site", "a", 5)
    waiting = [loop.create_task(gates.turn(who()).__aenter__()) for _ in range(3)]
    loop.run_until_complete(settled())
    for task in waiting:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    clock.now += 5
    _by_hand(first.__aexit__(None, None, None))
    for task in waiting:
        task.get_coro().close()
    assert asyncio.run(_running(gates)) == 1


async def _running(gates: Gates) -> int:
    async with gates.turn(who()):
        return gates._running
