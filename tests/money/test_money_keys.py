"""What a key is good for: the same bytes each time, and no send past its life. R3."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict

import pytest

from aiochargebee_gw import Gateway, OutcomeUnknown, Retry, errors
from aiochargebee_gw.observe import CallFinished, Event, Retried

from ..client.raw import answer, raw_server
from ..unit.clock import FakeClock
from .books import KINDS, Seen, at_random, books, script
from .clocks import Suspending, server_clock
from .conftest import EAGER, client

pytestmark = pytest.mark.anyio

PATIENT = Retry(attempts=4, deadline_seconds=7200, base_seconds=0, throttled_base_seconds=0)


async def _mixed(gw: Gateway, number: int) -> None:
    """Four kinds of bodies and paths."""
    tag = f"w{number}"
    match number % 4:
        case 0:
            await gw.customers.create(first_name=tag, email=f"{tag}@example.com", billing_address={"city": "Oslo"})
        case 1:
            await gw.promotional_credits.add(customer_id="c", amount=number, description=tag)
        case 2:
            await gw.customers.create(first_name=tag, headers={"chargebee-event-email": "all-disabled"})
        case _:
            await gw.promotional_credits.add(
                customer_id="ø", amount=1, description=tag, idempotency_key=f"key-{number}"
            )


async def test_every_attempt_sends_the_same_bytes() -> None:
    """500 POSTs that had to be repeated: all attempts of each have one sha256 of method, path, headers and body as the
    server received them, and no key ever stands for two of these."""
    kinds = tuple(kind for kind in KINDS if kind != "late")
    attempts: dict[str, list[Seen]] = defaultdict(list)
    async with books(at_random(3, 0.6, kinds)) as server, client(server.url, idempotency="verified") as gw:
        for first in itertools.count(0, 100):
            numbers = range(first, first + 100)
            await asyncio.gather(*(_mixed(gw, number) for number in numbers), return_exceptions=True)
            attempts.clear()
            for seen in server.posts:
                attempts[seen.key].append(seen)
            if sum(len(group) > 1 for group in attempts.values()) >= 500:
                break
    repeated = [group for group in attempts.values() if len(group) > 1]
    assert len(repeated) >= 500
    assert [group for group in repeated if len({seen.digest for seen in group}) != 1] == []
    assert "" not in attempts


@pytest.mark.parametrize(("minutes", "sends"), [(24 + 59 / 60, 2), (25 + 1 / 60, 1), (30 + 1 / 60, 1)])
@pytest.mark.parametrize("suspended", [False, True])
async def test_nothing_is_sent_past_the_life_of_a_key(minutes: float, sends: int, suspended: bool) -> None:
    """A write whose first answer is lost is sent again at 24:59 and not at 25:01 or 30:01, neither when the time passed
    on the clock nor when the machine was suspended and its monotonic clock stood still."""
    clock = Suspending()

    def pass_time(seen: Seen) -> None:
        if len(server.seen) == 1:
            clock.suspended += minutes * 60 * suspended
            clock.now += minutes * 60 * (not suspended)

    async with (
        books(script("500_after"), clock=server_clock(clock)) as server,
        client(server.url, idempotency="verified", retry=PATIENT, clock=clock) as gw,
    ):
        server.on_request = pass_time
        add = gw.promotional_credits.add(customer_id="c", amount=1, description="w")
        if sends == 2:
            await add
        else:
            with pytest.raises(OutcomeUnknown) as caught:
                await add
            assert caught.value.attempts == 1
            with pytest.raises(errors.RequestError):
                await caught.value.retry()
        assert len(server.posts) == sends
        assert server.tags() == {"w": 1}


async def test_a_key_past_its_life_charges_twice() -> None:
    """The baseline: the same bytes under the same key, half an hour and a second later, are a second charge."""
    clock = FakeClock()
    async with (
        books(clock=server_clock(clock)) as server,
        client(server.url, idempotency="verified", clock=clock) as gw,
    ):
        for _ in range(2):
            await gw.promotional_credits.add(customer_id="c", amount=1, description="w", idempotency_key="k")
            clock.now += 30 * 60 + 1
        assert len({seen.digest for seen in server.posts}) == 1
        assert server.tags() == {"w": 2}


async def test_a_key_is_trusted_once_its_replay_was_seen() -> None:
    """Until the server has shown that a key arrives, a write without an id of its own is sent once; after a replay on
    this connection it is repeated; another connection has to show it for itself."""
    async with books() as server, client(server.url) as gw:
        server.choose = script("500_after")
        with pytest.raises(OutcomeUnknown):
            await gw.promotional_credits.add(customer_id="c", amount=1, description="before")
        server.choose = script("500_after")
        # Its own id lets this one be repeated, and the answer is a replay.
        await gw.customers.create(first_name="named")
        server.choose = script("500_after")
        await gw.promotional_credits.add(customer_id="c", amount=1, description="after")
        server.choose = script("500_after")
        with pytest.raises(OutcomeUnknown):
            await gw.using("other").promotional_credits.add(customer_id="c", amount=1, description="elsewhere")
        assert server.tags() == {"before": 1, "named": 1, "after": 1, "elsewhere": 1}
        assert [seen.tag for seen in server.posts].count("after") == 2


async def test_a_replay_header_without_a_key_proves_nothing() -> None:
    """A replay header on the answer of a GET, which carries no key, is not believed."""
    replayed = "chargebee-idempotency-replayed: true"
    async with raw_server(answer(b'{"list": []}', replayed), b"") as server, client(server.url) as gw:
        await gw.call("GET", "/api/v2/customers")
        with pytest.raises(OutcomeUnknown):
            await gw.promotional_credits.add(customer_id="c", amount=1, description="w")
        assert len(server.requests) == 2


async def test_a_key_for_other_bytes_is_a_conflict() -> None:
    """The server refuses the key of another request: IdempotencyConflict, and nothing is written."""
    async with books() as server, client(server.url) as gw:
        await gw.promotional_credits.add(customer_id="c", amount=1, description="a", idempotency_key="k")
        with pytest.raises(errors.IdempotencyConflict):
            await gw.promotional_credits.add(customer_id="c", amount=2, description="b", idempotency_key="k")
        assert server.tags() == {"a": 1}


@pytest.mark.parametrize(("fault", "outcome"), [("late", "unknown"), ("429_before", "failed")])
async def test_cancelling_passes_through_and_is_told(fault: str, outcome: str) -> None:
    """A write that is cancelled after its bytes have left ends as CancelledError, and the observer hears that its
    outcome is unknown, with the key; one that is cancelled while it waits after a refusal that did nothing has
    failed."""
    events: list[Event] = []
    arrived = asyncio.Event()

    def watch(event: Event) -> None:
        events.append(event)
        if isinstance(event, Retried):
            arrived.set()

    retry = EAGER if fault == "late" else Retry(throttled_base_seconds=50, cap_seconds=50)
    async with (
        books(script(fault)) as server,
        client(server.url, idempotency="verified", retry=retry, observers=[watch]) as gw,
    ):
        if fault == "late":
            server.on_request = lambda seen: arrived.set()
        task = asyncio.create_task(
            gw.promotional_credits.add(customer_id="c", amount=1, description="w", idempotency_key="k")
        )
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (finished,) = [event for event in events if isinstance(event, CallFinished)]
        assert (finished.outcome, finished.error, finished.idempotency_key) == (outcome, "CancelledError", "k")
        assert len(server.posts) == 1
