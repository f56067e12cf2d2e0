"""The one loop, on a clock of its own and a transport without a network."""

from __future__ import annotations

import asyncio

import anyio
import attrs
import pytest

from aiochargebee_gw import Limits, Retry, Timeouts, errors
from aiochargebee_gw._clock import SystemClock
from aiochargebee_gw._engine import Call, Engine
from aiochargebee_gw._wire.document import as_mapping
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.observe import AttemptFinished, CallFinished, Event, Throttled, Waited
from aiochargebee_gw.transport.base import Trace
from aiochargebee_gw.transport.memory import MemoryTransport

from .clock import FakeClock
from .engines import DOWN, LIMITED, OK, READ, WRITE, engine_of, script, send

pytestmark = pytest.mark.anyio


async def test_a_read_is_repeated_until_it_succeeds() -> None:
    """A lost connection, a 503 and a 429 each cost one more attempt, with the pauses of the policy."""
    engine, transport, clock, events = engine_of(errors.ConnectionLost("x", sent=True), DOWN, LIMITED, OK)
    assert await send(engine, READ) is OK
    assert len(transport.requests) == 4
    assert len(set(map(id, transport.requests))) == 1
    assert clock.slept[:3] == [0.25, 0.5, 3.0]
    assert (engine.stats.calls, engine.stats.attempts, engine.stats.retries) == (1, 4, 3)
    assert engine.stats.rate_limited == 1
    assert engine.stats.waited_seconds == pytest.approx(sum(clock.slept))
    assert [event.status for event in events if isinstance(event, AttemptFinished)] == [None, 503, 429, 200]
    assert [event.reason for event in events if isinstance(event, Waited)] == ["retry"] * 3
    assert isinstance(events[-1], CallFinished)
    assert events[-1].attempts == 4
    assert events[-1].error is None


async def test_a_read_gives_up_with_its_last_error() -> None:
    """After the policy's attempts the error itself comes out, with the operation's name."""
    engine, transport, _, events = engine_of(errors.ConnectionLost("x", sent=True))
    with pytest.raises(errors.ConnectionLost) as caught:
        await send(engine, READ)
    assert len(transport.requests) == 4
    assert caught.value.operation == "GET /x"
    assert isinstance(events[-1], CallFinished)
    assert events[-1].error == "ConnectionLost"


@pytest.mark.parametrize("failed", [errors.ConnectionLost("x", sent=True), DOWN])
async def test_a_write_in_doubt_is_sent_once(failed: Response | Exception) -> None:
    """A write that may have happened is not repeated: OutcomeUnknown says so, with key and cause."""
    engine, transport, _, _ = engine_of(failed, OK)
    with pytest.raises(errors.OutcomeUnknown) as caught:
        await send(engine, WRITE)
    assert len(transport.requests) == 1
    assert caught.value.idempotency_key == "k1"
    assert caught.value.attempts == 1
    assert isinstance(caught.value.__cause__, errors.GatewayClientError)
    assert not isinstance(caught.value, errors.TransportError)


async def test_a_naive_loop_sends_the_write_twice() -> None:
    """The baseline: repeating on every transport error charges twice."""
    _, transport, _, _ = engine_of(errors.ConnectionLost("x", sent=True), OK)
    for _ in range(2):
        try:
            await transport.send(WRITE.request, Timeouts(), Trace())
        except errors.TransportError:
            continue
    assert len(transport.requests) == 2


@pytest.mark.parametrize("harmless", [errors.ConnectFailed("x", sent=False), LIMITED])
async def test_a_write_that_did_nothing_is_repeated(harmless: Response | Exception) -> None:
    """A write that never left, or was turned away by the rate limit, is sent again."""
    engine, transport, _, _ = engine_of(harmless, OK)
    assert await send(engine, WRITE) is OK
    assert len(transport.requests) == 2


async def test_a_trusted_key_lets_a_write_be_repeated() -> None:
    """With a key that is known to reach Chargebee the same bytes go out again; doubt to the end stays doubt."""
    engine, transport, _, _ = engine_of(DOWN, OK)
    assert await send(engine, attrs.evolve(WRITE, keyed=True, proven=True)) is OK
    assert transport.requests[0] is transport.requests[1]
    engine, transport, _, _ = engine_of(DOWN)
    with pytest.raises(errors.OutcomeUnknown) as caught:
        await send(engine, attrs.evolve(WRITE, keyed=True, proven=True))
    assert len(transport.requests) == caught.value.attempts == 4


async def test_an_answer_that_broke_was_probably_a_success() -> None:
    """A write whose 2xx answer was cut is unknown, and likely done."""
    engine, _, _, _ = engine_of(errors.TruncatedResponse("x", status=200))
    with pytest.raises(errors.OutcomeUnknown) as caught:
        await send(engine, WRITE)
    assert caught.value.likely_done


async def test_a_wait_beyond_the_deadline_ends_at_once() -> None:
    """A Retry-After that the deadline does not allow raises now, not after a minute of sleep."""
    engine, _, clock, _ = engine_of(Response(status=429, headers={"retry-after": "86400"}, body=b""))
    with pytest.raises(errors.GatewayRateLimited) as caught:
        await send(engine, READ)
    assert caught.value.retry_after == 86400
    assert clock.slept == []


async def test_an_answer_after_the_deadline_is_the_deadlines_error() -> None:
    """When the attempts themselves used up the time, DeadlineExceeded comes out with the last failure as its cause."""
    clock = FakeClock()

    async def slow(request: Request) -> Response:
        clock.now += 61
        return DOWN

    engine = Engine(MemoryTransport(slow), limits=Limits(), clock=clock)
    with pytest.raises(errors.DeadlineExceeded) as caught:
        await send(engine, READ)
    assert caught.value.attempts == 1
    assert isinstance(caught.value.__cause__, errors.ServiceUnavailable)


async def test_a_final_error_is_not_repeated() -> None:
    """A 404 is an answer."""
    engine, transport, _, _ = engine_of(Response(status=404, headers={}, body=b'{"api_error_code": "x"}'))
    with pytest.raises(errors.NotFound):
        await send(engine, READ)
    assert len(transport.requests) == 1


async def test_the_rate_is_kept_over_many_calls() -> None:
    """Thirty calls at ten a second take two seconds of the clock: no second holds more than ten."""
    engine, _, clock, events = engine_of(OK, concurrency=50)
    sent: list[float] = []

    async def handler(request: Request) -> Response:
        sent.append(clock.now)
        return OK

    engine._transport = MemoryTransport(handler)
    async with anyio.create_task_group() as group:
        for _ in range(30):
            group.start_soon(send, engine, READ)
    assert len(sent) == 30
    assert 1002 <= clock.now <= 1003
    assert all(sum(1 for moment in sent if start <= moment < start + 1) <= 10 for start in sent)
    assert any(isinstance(event, Waited) and event.reason == "limit" for event in events)


@pytest.mark.parametrize("retry", [Retry.none(), Retry.web()])
async def test_a_429_stops_everyone(retry: Retry) -> None:
    """One caller's Retry-After holds the others back, also when that caller itself gives up."""
    told = Response(status=429, headers={"retry-after": "30"}, body=b"")
    engine, transport, clock, _ = engine_of(told, OK)
    with pytest.raises(errors.GatewayRateLimited):
        await send(engine, attrs.evolve(READ, retry=retry))
    began = clock.now
    with pytest.raises(errors.DeadlineExceeded):
        await send(engine, attrs.evolve(READ, retry=retry, site="other") if retry.attempts > 1 else _short(READ))
    assert len(transport.requests) == 1
    await send(engine, READ)
    assert clock.now == pytest.approx(began + 30)


async def test_a_server_that_names_a_year_is_asked_again() -> None:
    """A Retry-After of a year is the caller's to decide about; the others are held back for two minutes."""
    told = Response(status=429, headers={"retry-after": "31536000"}, body=b"")
    engine, _, clock, events = engine_of(told, OK)
    with pytest.raises(errors.GatewayRateLimited) as caught:
        await send(engine, READ)
    assert caught.value.retry_after == 31536000
    began = clock.now
    await send(engine, attrs.evolve(READ, retry=Retry(deadline_seconds=7200)))
    assert clock.now == pytest.approx(began + 120)
    assert [event.seconds for event in events if isinstance(event, Throttled)] == [120.0]


def _short(call: Call) -> Call:
    return attrs.evolve(call, retry=Retry(attempts=1, deadline_seconds=1))


@pytest.mark.parametrize(
    "then",
    [
        errors.ConnectFailed("x", sent=False),
        LIMITED,
        Response(status=409, headers={}, body=b'{"api_error_code": "invalid_state_for_request"}'),
        Response(status=400, headers={}, body=b'{"api_error_code": "duplicate_entry"}'),
        Response(status=429, headers={"retry-after": "86400"}, body=b""),
    ],
)
async def test_doubt_stays_whatever_comes_after(then: Response | Exception) -> None:
    """A write that may have happened is in doubt also when a later attempt was refused, never left or came too late."""
    engine, _, _, _ = engine_of(errors.ConnectionLost("x", sent=True), then)
    with pytest.raises(errors.OutcomeUnknown) as caught:
        await send(engine, attrs.evolve(WRITE, keyed=True, proven=True))
    assert caught.value.idempotency_key == "k1"
    assert caught.value.attempts >= 1


async def test_a_refusal_under_a_trusted_key_settles_the_doubt() -> None:
    """Under a key that Chargebee has, a declined payment is the outcome, whatever came before."""
    declined = Response(status=400, headers={}, body=b'{"api_error_code": "payment_processing_failed"}')
    engine, _, _, _ = engine_of(errors.ConnectionLost("x", sent=True), declined)
    with pytest.raises(errors.PaymentFailed):
        await send(engine, attrs.evolve(WRITE, keyed=True, proven=True))


async def test_a_key_is_not_used_beyond_its_life() -> None:
    """25 minutes after the first send a write in doubt is not sent again: Chargebee forgets keys after 30."""
    late = Response(status=429, headers={"retry-after": "1900"}, body=b"")
    engine, transport, _, _ = engine_of(errors.ConnectionLost("x", sent=True), late, OK)
    call = attrs.evolve(WRITE, keyed=True, proven=True, retry=Retry(deadline_seconds=7200))
    with pytest.raises(errors.OutcomeUnknown) as caught:
        await send(engine, call)
    assert len(transport.requests) == caught.value.attempts == 2


async def test_a_deadline_in_doubt_is_doubt() -> None:
    """When the limits leave no time for the attempt that would have settled it, the write is still in doubt."""
    clock = FakeClock()

    async def lost(request: Request) -> Response:
        engine._gates._account.close(clock.now + 300)
        raise errors.ConnectionLost("x", sent=True)

    engine = Engine(MemoryTransport(lost), limits=Limits(), clock=clock, draw=lambda: 0.0)
    with pytest.raises(errors.OutcomeUnknown) as caught:
        await send(engine, attrs.evolve(WRITE, keyed=True, proven=True))
    assert isinstance(caught.value.__cause__, errors.DeadlineExceeded)
    assert caught.value.__cause__.attempts == 1
    assert isinstance(caught.value.__cause__.__cause__, errors.ConnectionLost)


async def test_an_answer_is_read_within_the_attempt() -> None:
    """A read whose answer is broken is asked for again, one that is not as promised is not; a write is in doubt."""
    broken, odd = Response(status=200, headers={}, body=b"<"), Response(status=200, headers={}, body=b"[]")

    def read(response: Response) -> Response:
        as_mapping(response.body)
        if response.body == b"{}":
            return response
        raise errors.DecodeError("x", path="$.a")

    engine, transport, _, _ = engine_of(broken, OK)
    assert await engine.send(READ, read) is OK
    assert len(transport.requests) == 2
    engine, transport, _, _ = engine_of(Response(status=200, headers={}, body=b'{"a": 1}'))
    with pytest.raises(errors.DecodeError) as caught:
        await engine.send(READ, read)
    assert caught.value.status == 200
    assert len(transport.requests) == 1
    engine, _, _, _ = engine_of(odd)
    with pytest.raises(errors.OutcomeUnknown) as unknown:
        await engine.send(WRITE, read)
    assert unknown.value.likely_done
    assert unknown.value.idempotency_key == "k1"


async def test_a_throttled_site_leaves_the_others_alone() -> None:
    """Calls that wait for their own site hold no place that all share: another site's call goes through at once."""
    engine, _, clock, _ = engine_of(OK, account_per_second=3, concurrency=2)
    engine._gates.close("site", "slow", 50)
    gate = anyio.Event()
    clock.hold = gate
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(send, engine, attrs.evolve(READ, site="slow"))
        await anyio.wait_all_tasks_blocked()
        assert await send(engine, READ) is OK
        gate.set()


async def test_the_web_goes_before_the_export() -> None:
    """Where calls wait for a limit, the lower rank is served first, and within a rank who came first."""
    engine, _, clock, _ = engine_of(OK, account_per_second=1)
    served: list[str] = []

    async def call(name: str, rank: int) -> None:
        await send(engine, attrs.evolve(READ, rank=rank))
        served.append(name)

    clock.hold = anyio.Event()
    await send(engine, READ)
    async with anyio.create_task_group() as group:
        for name, rank in [("export 1", 2), ("export 2", 2), ("web 1", 0), ("reconcile", 1), ("web 2", 0)]:
            group.start_soon(call, name, rank)
            await anyio.wait_all_tasks_blocked()
        clock.hold.set()
    assert served == ["web 1", "web 2", "reconcile", "export 1", "export 2"]


async def test_a_waiter_in_front_that_gives_up_lets_the_next_pass() -> None:
    """Cancelling the one at the front of the queue calls the one behind it."""
    engine, _, clock, _ = engine_of(OK, account_per_second=1)
    await send(engine, READ)
    clock.hold = anyio.Event()
    first = asyncio.create_task(send(engine, READ))
    await anyio.wait_all_tasks_blocked()
    second = asyncio.create_task(send(engine, READ))
    await anyio.wait_all_tasks_blocked()
    first.cancel()
    await anyio.wait_all_tasks_blocked()
    clock.hold.set()
    assert await second is OK
    assert engine._gates._turnstile.empty


async def test_no_wake_up_is_lost_to_a_higher_priority() -> None:
    """One who waits for a place to be given back is called again after somebody else has passed in front, or left."""
    for leaves in (False, True):
        gate = anyio.Event()

        async def handler(request: Request, gate: anyio.Event = gate) -> Response:
            await gate.wait()
            return OK

        engine = Engine(MemoryTransport(handler), limits=Limits(account_per_second=1), clock=FakeClock())
        tasks = []
        for rank in (2, 2, 0):
            tasks.append(asyncio.create_task(send(engine, attrs.evolve(READ, rank=rank))))
            await anyio.wait_all_tasks_blocked()
        if leaves:
            tasks.pop().cancel()
            await anyio.wait_all_tasks_blocked()
        gate.set()
        assert await asyncio.wait_for(asyncio.gather(*tasks), 5) == [OK] * len(tasks)
        assert engine._gates._turnstile.empty


def test_waiters_of_a_closed_loop_are_forgotten() -> None:
    """A loop that is closed with calls waiting on it leaves the limits usable on the next one."""

    async def stuck(request: Request) -> Response:
        await anyio.sleep_forever()
        raise AssertionError

    engine = Engine(MemoryTransport(stuck), limits=Limits(account_per_second=2), clock=SystemClock())

    async def crowd() -> None:
        tasks.extend(asyncio.ensure_future(send(engine, READ)) for _ in range(6))
        await anyio.wait_all_tasks_blocked()

    tasks: list[asyncio.Task[Response]] = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(crowd())
    assert len(list(engine._gates._turnstile.waiting())) == 4
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    engine._transport = MemoryTransport(script([OK]))
    assert asyncio.run(send(engine, READ)) is OK
    for task in tasks:
        task.get_coro().close()


@pytest.mark.parametrize(("status", "body"), [(401, b""), (400, b""), (404, b"<html>"), (403, b"<html>")])
async def test_a_refusal_of_the_gateway_settles_nothing(status: int, body: bytes) -> None:
    """What the gateway or a proxy refuses never reached the key: the write before it stays in doubt."""
    refused = Response(status=status, headers={}, body=body)
    engine, _, _, _ = engine_of(DOWN, refused)
    with pytest.raises(errors.OutcomeUnknown):
        await send(engine, attrs.evolve(WRITE, keyed=True, proven=True))


async def test_a_long_wait_in_the_limits_does_not_outlive_the_key() -> None:
    """A write in doubt that has to wait for the limits longer than its key lives is not sent again."""
    clock = FakeClock()
    sent = []

    async def lost(request: Request) -> Response:
        sent.append(clock.now)
        engine._gates._account.close(clock.now + 2400)
        raise errors.ConnectionLost("x", sent=True)

    engine = Engine(MemoryTransport(lost), limits=Limits(), clock=clock, draw=lambda: 0.0)
    with pytest.raises(errors.OutcomeUnknown):
        await send(engine, attrs.evolve(WRITE, keyed=True, proven=True, retry=Retry(deadline_seconds=7200)))
    assert len(sent) == 1


async def test_who_watches_cannot_break_a_call(caplog: pytest.LogCaptureFixture) -> None:
    """An observer that raises is logged; the write that succeeded succeeds."""

    def broken(event: Event) -> None:
        raise ZeroDivisionError

    engine = Engine(MemoryTransport(script([OK])), limits=Limits(), clock=FakeClock(), observers=[broken])
    assert await send(engine, WRITE) is OK
    assert "an observer failed" in caplog.text


async def test_a_cancelled_call_is_told_as_such() -> None:
    """Cancelling a call in flight passes through, and the observer hears of it."""
    entered = anyio.Event()

    async def stuck(request: Request) -> Response:
        entered.set()
        await anyio.sleep_forever()
        raise AssertionError

    events: list[Event] = []
    engine = Engine(MemoryTransport(stuck), limits=Limits(), clock=FakeClock(), observers=[events.append])
    task = asyncio.create_task(send(engine, WRITE))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    _, attempt, call = events
    assert isinstance(attempt, AttemptFinished)
    assert isinstance(call, CallFinished)
    assert attempt.error == call.error == "CancelledError"
    assert (attempt.phase, call.outcome, call.idempotency_key) == ("sent", "unknown", "k1")


async def test_a_site_has_its_own_minute() -> None:
    """The requests per minute are counted for each connection, beside the account's requests per second."""
    engine, _, clock, _ = engine_of(OK, account_per_second=1000, site_per_minute=3)
    for _ in range(3):
        await send(engine, READ)
    await send(engine, attrs.evolve(READ, site="other"))
    assert clock.slept == []
    with pytest.raises(errors.DeadlineExceeded):
        await send(engine, attrs.evolve(READ, retry=Retry(deadline_seconds=30)))
    await send(engine, attrs.evolve(READ, retry=Retry(deadline_seconds=90)))
    assert clock.slept == [60.0]


async def test_a_chargebee_429_closes_the_site_alone() -> None:
    """A limit of Chargebee's is its site's: other sites of the account go on."""
    body = b'{"api_error_code": "api_request_limit_exceeded"}'
    engine, _, clock, _ = engine_of(Response(status=429, headers={"retry-after": "9"}, body=body), OK)
    await send(engine, READ)
    assert engine._gates._site("").wait(0, clock.now - 1) > 0
    assert engine._gates._account.wait(clock.now) == 0


async def test_a_cancelled_waiter_gives_its_place_back() -> None:
    """Cancelling calls that wait or are under way leaves every limit as free as before."""
    gate = asyncio.Event()

    async def handler(request: Request) -> Response:
        await gate.wait()
        return OK

    engine = Engine(MemoryTransport(handler), limits=Limits(account_per_second=2, concurrency=5), clock=FakeClock())
    tasks = [asyncio.create_task(send(engine, READ)) for _ in range(12)]
    await anyio.wait_all_tasks_blocked()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    gate.set()
    assert engine._gates._running == 0
    assert await send(engine, READ) is OK


async def test_a_real_clock_ends_the_queue_at_the_deadline() -> None:
    """A call that waits for a place longer than its deadline is told so, by the machine's clock too."""
    gate = asyncio.Event()

    async def handler(request: Request) -> Response:
        await gate.wait()
        return OK

    engine = Engine(MemoryTransport(handler), limits=Limits(concurrency=1), clock=SystemClock())
    first = asyncio.create_task(send(engine, READ))
    await anyio.wait_all_tasks_blocked()
    with pytest.raises(errors.DeadlineExceeded):
        await send(engine, attrs.evolve(READ, retry=Retry(deadline_seconds=0.02)))
    gate.set()
    assert await first is OK
    await SystemClock().sleep(-1)
