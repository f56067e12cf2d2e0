"""All limits together: who waits holds nothing, and what is full delays only those who need it."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import anyio
import pytest

from aiochargebee_gw import ConfigurationError, Limits, errors
from aiochargebee_gw._clock import SystemClock
from aiochargebee_gw._gates import Gates

from ..unit.clock import FakeClock
from .calls import calls_through, who

pytestmark = pytest.mark.anyio


def _gates(**limits: Any) -> tuple[Gates, FakeClock]:
    clock = FakeClock()
    return Gates(Limits(**{"account_per_second": math.inf, **limits}), clock), clock


@pytest.mark.parametrize(("method", "other"), [("GET", "POST"), ("POST", "GET")])
async def test_a_site_has_so_many_gets_and_posts_at_once(method: str, other: str) -> None:
    """GETs and POSTs are counted apart, for each site: what is full of the one leaves room for the other."""
    caps = {"GET": {"get_concurrency": 2}, "POST": {"post_concurrency": 2}}[method]
    gates, _ = _gates(**caps)
    async with calls_through(gates) as calls:
        for name in "123":
            await calls.begin(name, who(method=method))
        await calls.begin("other kind", who(method=other))
        await calls.begin("other site", who("b", method))
        assert calls.inside == ["1", "2", "other kind", "other site"]
        await calls.end("2")
        assert calls.inside[-1] == "3"


async def test_the_defaults_are_what_chargebee_allows_a_test_site() -> None:
    """Fifty GETs and fifty POSTs at once, below the forty of the whole client."""
    assert (Limits().get_concurrency, Limits().post_concurrency, Limits().concurrency) == (50, 50, 40)
    with pytest.raises(ConfigurationError):
        Limits(get_concurrency=0)


async def test_who_waits_for_a_rate_keeps_nothing_from_others() -> None:
    """Exports in line for the account hold no place of those under way: a call of the web goes before all of them."""
    gates, clock = _gates(account_per_second=1, concurrency=3)
    clock.hold = anyio.Event()
    async with calls_through(gates) as calls:
        await calls.begin("first", who())
        for number in range(5):
            await calls.begin(f"export {number}", who(rank=2))
        await calls.begin("web", who())
        assert gates._running == 1
        await calls.end("first")
        clock.hold.set()
        await anyio.wait_all_tasks_blocked()
        assert calls.inside == ["first", "web"]


async def test_priorities_hold_for_concurrency() -> None:
    """A place that comes free goes to the lower rank, and within one to who came first, whatever the site."""
    gates, _ = _gates(concurrency=1)
    async with calls_through(gates) as calls:
        await calls.begin("first", who())
        order = [("export", 2, "a"), ("reconcile", 1, "b"), ("web 1", 0, "b"), ("web 2", 0, "a")]
        for name, rank, site in order:
            await calls.begin(name, who(site, rank=rank))
        for name in ("first", "web 1", "web 2", "reconcile"):
            await calls.end(name)
        assert calls.inside == ["first", "web 1", "web 2", "reconcile", "export"]


async def test_a_site_that_hangs_leaves_room_for_others() -> None:
    """Of several sites none gets more than three quarters of what may be under way; a single one gets all."""
    gates, _ = _gates(concurrency=8)
    async with calls_through(gates) as calls:
        for number in range(10):
            await calls.begin(f"a{number}", who("a"))
        assert len(calls.inside) == 8
        await calls.end("a0", "a1")
        assert len(calls.inside) == 10
    gates, _ = _gates(concurrency=8)
    async with calls_through(gates) as calls:
        await calls.begin("b0", who("b"))
        for number in range(10):
            await calls.begin(f"a{number}", who("a"))
        assert sum(name.startswith("a") for name in calls.inside) == 6
        await calls.begin("b1", who("b"))
        assert calls.inside[-1] == "b1"


async def test_a_throttled_site_leaves_the_account_to_others() -> None:
    """A call that waits for its site's minute takes no place of the account's second."""
    gates, clock = _gates(account_per_second=2, site_per_minute=1)
    clock.hold = anyio.Event()
    async with calls_through(gates) as calls:
        await calls.begin("a1", who("a"))
        for number in range(5):
            await calls.begin(f"a{number + 2}", who("a"))
        await calls.begin("b1", who("b"))
        assert calls.inside == ["a1", "b1"]


async def test_the_control_plane_counts_for_the_account_alone() -> None:
    """Calls without a site wait for the account only."""
    gates, _ = _gates(account_per_second=3, site_per_minute=1)
    async with calls_through(gates) as calls:
        for number in range(3):
            await calls.begin(f"control {number}", who(None))
        assert len(calls.inside) == 3


async def test_who_is_too_late_is_told_when_it_is_certain() -> None:
    """A 429 whose Retry-After is beyond a waiting call's deadline ends that call at once, and no other."""
    gates, clock = _gates(concurrency=1)
    async with calls_through(gates) as calls:
        await calls.begin("first", who())
        hasty = await calls.begin("hasty", who(deadline=clock.now + 30))
        patient = await calls.begin("patient", who(deadline=clock.now + 300))
        await calls.begin("elsewhere", who("b", deadline=clock.now + 30))
        gates.close("site", "a", 100)
        await anyio.wait_all_tasks_blocked()
        assert hasty.done()
        with pytest.raises(errors.DeadlineExceeded):
            await hasty
        assert not patient.done()
        await calls.end("first")
        assert calls.inside == ["first", "elsewhere"]
        gates.close("site", None, 100)


@pytest.mark.parametrize("seconds", [30, 31])
async def test_a_call_whose_deadline_passes_in_line_is_not_let_through(seconds: int) -> None:
    """When its turn comes at its deadline or after it, it is passed over: no time is left to send anything."""
    gates, clock = _gates(concurrency=1)
    async with calls_through(gates) as calls:
        await calls.begin("first", who())
        late = await calls.begin("late", who(deadline=clock.now + 30))
        await calls.begin("next", who())
        clock.now += seconds
        await calls.end("first")
        with pytest.raises(errors.DeadlineExceeded):
            await late
        assert calls.inside == ["first", "next"]


async def test_a_place_that_was_given_to_one_who_is_cancelled_goes_on() -> None:
    """A call that is cancelled in the moment in which it is let through hands its place to the next."""
    gates, _ = _gates(concurrency=1)
    async with calls_through(gates) as calls:
        async with gates.turn(who()):
            second = await calls.begin("second", who())
            await calls.begin("third", who())
        second.cancel()
        await anyio.wait_all_tasks_blocked()
        assert calls.inside == ["third"]


async def test_the_limit_of_a_site_is_learned_from_its_refusals() -> None:
    """After 150 requests a refusal for the minute's limit shows the smallest plan; another kind shows nothing."""
    gates, clock = _gates()
    for number in range(151):
        async with gates.turn(who()) as turn:
            turn.sent = True
            if number == 150:
                gates.close("site", "a", 1, exceeded=True)
    clock.hold = anyio.Event()
    with pytest.raises(errors.DeadlineExceeded):
        async with gates.turn(who(deadline=clock.now + 50)):
            raise AssertionError
    async with gates.turn(who("b")) as turn:
        turn.sent = True
    gates.close("site", "b", 1)
    clock.now += 1
    async with gates.turn(who("b", deadline=clock.now + 1)):
        pass


async def test_without_a_limit_nothing_is_learned() -> None:
    """`math.inf` means none, also after a refusal."""
    gates, clock = _gates(site_per_minute=math.inf)
    async with gates.turn(who()):
        gates.close("site", "a", 1, exceeded=True)
    clock.now += 1
    for _ in range(1000):
        async with gates.turn(who()) as turn:
            turn.sent = True
    assert clock.slept == []


async def test_idle_sites_are_forgotten() -> None:
    """Hundreds of connections, one after another: only those are remembered of which something is known."""
    gates, clock = _gates()
    async with gates.turn(who("refused")):
        gates.close("site", "refused", 1, exceeded=True)
    for number in range(1000):
        async with gates.turn(who(f"site {number}")) as turn:
            turn.sent = True
        clock.now += 10
    assert len(gates._sites) <= 80


async def test_busy_sites_are_kept() -> None:
    """A thousand sites that are all in use are all remembered, each with its own limit."""
    gates, _ = _gates(site_per_minute=1)
    for number in range(1000):
        async with gates.turn(who(f"site {number}")) as turn:
            turn.sent = True
    assert len(gates._sites) == 1000


def test_limits_outlive_their_loop() -> None:
    """What was under way on a loop that has ended counts as sent, and then is free: nothing stays taken for ever."""
    gates = Gates(Limits(account_per_second=5, concurrency=2), SystemClock())

    async def enter() -> None:
        for _ in range(2):
            await gates.turn(who()).__aenter__()

    async def again() -> int:
        async with gates.turn(who()):
            return gates._running

    asyncio.run(enter())
    assert asyncio.run(again()) == 1
