"""What a call tells of itself: times, sizes, outcomes, and whom a 429 holds back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import anyio
import attrs
import pytest

from aiochargebee_gw import Limits, Retry, Timeouts, errors
from aiochargebee_gw._engine import Call, Engine
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.observe import AttemptFinished, CallFinished, Event, Retried, Throttled, Waited
from aiochargebee_gw.transport.base import Trace
from aiochargebee_gw.transport.memory import MemoryTransport

from .clock import FakeClock
from .engines import DOWN, LIMITED, OK, READ, WRITE, engine_of, script, send

pytestmark = pytest.mark.anyio

NEVER_LEFT = errors.ConnectFailed("x", sent=False)
LOST = errors.ConnectionLost("x", sent=True)
OVER = b'{"api_error_code": "api_request_limit_exceeded"}'


class Slow(MemoryTransport):
    """Each attempt takes so many *seconds* of the clock; `timeouts` keeps what it was allowed."""

    def __init__(self, clock: FakeClock, seconds: float, *answers: Response | Exception) -> None:
        super().__init__(script(answers))
        self.timeouts: list[Timeouts] = []
        self._clock, self._seconds = clock, seconds

    async def send(self, request: Request, timeouts: Timeouts, trace: Trace) -> Response:
        self.timeouts.append(timeouts)
        self._clock.now += self._seconds
        return await super().send(request, timeouts, trace)


def _slow(seconds: float, *answers: Response | Exception, **limits: Any) -> tuple[Engine, Slow, FakeClock, list[Event]]:
    clock, events = FakeClock(), list[Event]()
    transport = Slow(clock, seconds, *answers)
    engine = Engine(transport, limits=Limits(**limits), clock=clock, draw=lambda: 1.0, observers=[events.append])
    return engine, transport, clock, events


def _of(events: list[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def test_times_and_sizes_are_those_of_the_call() -> None:
    """Two attempts of two seconds with a pause between: each attempt tells its own time and the size of its body, the
    call the time from its start to its end."""
    engine, _, _, events = _slow(2.0, NEVER_LEFT, OK)
    await send(engine, attrs.evolve(WRITE, request=attrs.evolve(WRITE.request, body=b"a=1")))
    attempts = _of(events, AttemptFinished)
    assert [(each.attempt, each.seconds, each.sent_bytes) for each in attempts] == [(1, 2.0, 0), (2, 2.0, 3)]
    assert [event.seconds for event in _of(events, Waited)] == [0.25]
    [ended] = _of(events, CallFinished)
    assert (ended.seconds, ended.attempts, ended.outcome, ended.error) == (4.25, 2, "ok", None)
    assert (engine.stats.attempts, engine.stats.sent_bytes) == (1, 3)


async def test_a_call_that_ends_in_the_queue_tells_how_long_it_waited() -> None:
    """A call that is cancelled while it waits for the limits has waited for them, and sent nothing."""
    engine, transport, clock, events = engine_of(OK, account_per_second=1)
    await send(engine, READ)
    events.clear()
    clock.hold = anyio.Event()
    waiting = asyncio.create_task(send(engine, WRITE))
    await anyio.wait_all_tasks_blocked()
    clock.now += 5
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [(event.seconds, event.reason) for event in _of(events, Waited)] == [(5.0, "limit")]
    [ended] = _of(events, CallFinished)
    assert (ended.seconds, ended.attempts, ended.outcome) == (5.0, 0, "failed")
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("call", "error", "expected", "outcome"),
    [
        (WRITE, LOST, errors.OutcomeUnknown, "unknown"),
        (READ, LOST, errors.ConnectionLost, "failed"),
        (WRITE, ZeroDivisionError(), ZeroDivisionError, "unknown"),
        (READ, ZeroDivisionError(), ZeroDivisionError, "failed"),
        (WRITE, errors.ConfigurationError("x"), errors.OutcomeUnknown, "unknown"),
        (READ, errors.ConfigurationError("x"), errors.ConfigurationError, "failed"),
    ],
)
async def test_only_a_write_of_which_bytes_left_is_unknown(
    call: Call, error: Exception, expected: type[Exception], outcome: str
) -> None:
    """A read that breaks has failed. A write that breaks after bytes have left may have happened, also when what broke
    it is an exception of somebody else's, which comes out as it is."""
    engine, _, _, events = engine_of(error)
    with pytest.raises(expected):
        await send(engine, attrs.evolve(call, retry=Retry.none()))
    [ended] = _of(events, CallFinished)
    assert ended.outcome == outcome
    assert (engine.stats.unknown, engine.stats.failed) == (int(outcome == "unknown"), int(outcome == "failed"))


async def test_an_error_before_anything_left_is_no_doubt() -> None:
    """A transport that refuses a write before a byte has left, because it is closed: that error comes out, and the
    write has failed."""

    class Closed(MemoryTransport):
        async def send(self, request: Request, timeouts: Timeouts, trace: Trace) -> Response:
            raise errors.ConfigurationError("closed")

    events: list[Event] = []
    engine = Engine(Closed(script([OK])), limits=Limits(), clock=FakeClock(), observers=[events.append])
    with pytest.raises(errors.ConfigurationError):
        await send(engine, WRITE)
    assert _of(events, CallFinished)[0].outcome == "failed"
    assert engine.stats.attempts == 0


async def test_a_doubt_tells_its_sends_and_their_times() -> None:
    """Of three attempts the first never left: two sends, with the times at which they began."""
    engine, _, _, _ = _slow(10.0, NEVER_LEFT, LOST, LOST)
    with pytest.raises(errors.OutcomeUnknown) as caught:
        await send(engine, attrs.evolve(WRITE, keyed=True, proven=True, retry=Retry(attempts=3)))
    began = FakeClock().wall()
    assert caught.value.attempts == 2
    assert caught.value.first_sent_at == datetime.fromtimestamp(began + 10.25, UTC)
    assert caught.value.last_sent_at == datetime.fromtimestamp(began + 20.75, UTC)


@pytest.mark.parametrize(
    ("read_seconds", "deadline", "allowed"),
    [(80.0, 60.0, 60.0), (10.0, 60.0, 10.0), (80.0, 7.123, 7.13), (80.0, 0.25, 0.25), (80.0, 0.0001, 0.01)],
)
async def test_an_attempt_gets_what_is_left_for_the_call(read_seconds: float, deadline: float, allowed: float) -> None:
    """An attempt may take its own timeout, or what is left until the deadline where that is less, to the next hundredth
    of a second."""
    engine, transport, _, _ = _slow(0.0, OK)
    retry, timeouts = Retry(deadline_seconds=deadline), Timeouts(connect_seconds=3, read_seconds=read_seconds)
    await send(engine, attrs.evolve(READ, retry=retry, timeouts=timeouts))
    assert transport.timeouts == [Timeouts(connect_seconds=3, read_seconds=allowed)]


async def test_the_second_attempt_gets_less_than_the_first() -> None:
    """What the first attempt and the pause took is gone."""
    engine, transport, _, _ = _slow(20.0, DOWN, OK)
    await send(engine, READ)
    assert [each.read_seconds for each in transport.timeouts] == [60.0, 39.75]


async def test_a_pause_that_took_too_long_leaves_one_quick_attempt() -> None:
    """A busy machine wakes a read up after its deadline: it has one more attempt, of a hundredth of a second."""
    engine, transport, clock, _ = _slow(0.0, DOWN)
    clock.late = 100.0
    with pytest.raises(errors.DeadlineExceeded):
        await send(engine, READ)
    assert [each.read_seconds for each in transport.timeouts] == [60.0, 0.01]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(60.0, errors.DeadlineExceeded), (61.0, errors.DeadlineExceeded), (59.8, errors.ServiceUnavailable)],
)
async def test_a_deadline_is_over_when_its_last_moment_is(seconds: float, expected: type[Exception]) -> None:
    """An attempt that took all the time there was ends as DeadlineExceeded; one that left too little for a pause, as
    what it was answered."""
    engine, transport, _, _ = _slow(seconds, DOWN)
    with pytest.raises(expected):
        await send(engine, READ)
    assert len(transport.requests) == 1


async def test_retries_are_a_share_of_the_calls() -> None:
    """Fifty reads of a server that is down: the allowance, and one retry for each five calls. What is asked on behalf
    of another call earns nothing."""
    quick = Retry(base_seconds=0, budget_tokens=10)
    for looks, retries in ((False, 20), (True, 10)):
        engine, transport, _, _ = engine_of(DOWN, account_per_second=10_000)
        for _ in range(50):
            with pytest.raises(errors.ServiceUnavailable):
                await send(engine, attrs.evolve(READ, retry=quick, looks=looks))
        assert len(transport.requests) == 50 + retries


def _told(status: int, body: bytes = b"", **headers: str) -> Response:
    return Response(
        status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body
    )


@pytest.mark.parametrize(
    ("answer", "changes", "throttled"),
    [
        (_told(429, retry_after="9"), {}, [("account", 9.0)]),
        (_told(429), {}, [("account", 1.0)]),
        (_told(429, OVER, retry_after="9"), {}, [("site", 9.0)]),
        (_told(429, b'{"api_error_code": "lock_timeout"}', retry_after="9"), {}, []),
        (_told(429, OVER, retry_after="9"), {"site": None, "control": True}, []),
        (_told(503, retry_after="9"), {}, []),
        (_told(430, retry_after="9"), {}, []),
    ],
)
async def test_whom_a_refusal_holds_back(answer: Response, changes: dict[str, Any], throttled: list[Any]) -> None:
    """A 429 of the gateway's holds the account back, one of Chargebee's its site, for as long as it says or as the
    policy has it. A lock is one record's, the control plane has no site, and other refusals hold nobody back."""
    engine, _, clock, events = engine_of(answer, OK)
    with pytest.raises(errors.ApiError):
        await send(engine, attrs.evolve(READ, retry=Retry.none(), **changes))
    assert [(event.scope, event.seconds) for event in _of(events, Throttled)] == throttled
    began = clock.now
    await send(engine, attrs.evolve(READ, site="other"))
    assert clock.now - began == (throttled[0][1] if throttled and throttled[0][0] == "account" else 0)
    await send(engine, READ)
    assert clock.now - began == (throttled[0][1] if throttled else 0)


@pytest.mark.parametrize(("code", "waits"), [("api_request_limit_exceeded", True), ("concurrent_limit", False)])
async def test_a_sites_limit_is_learned_from_what_exceeded_it(code: str, waits: bool) -> None:
    """After 90 requests in a minute a refusal for too many requests shows about as many to be the site's limit: the
    next one waits until the minute has passed. A refusal of another kind shows nothing."""
    told = Response(status=429, headers={"retry-after": "0"}, body=b'{"api_error_code": "%s"}' % code.encode())
    engine, _, clock, _ = engine_of(*[OK] * 90, told, OK, account_per_second=1000)
    for _ in range(90):
        await send(engine, READ)
    with pytest.raises(errors.RateLimited):
        await send(engine, attrs.evolve(READ, retry=Retry.none()))
    began = clock.now
    await send(engine, attrs.evolve(READ, retry=Retry(deadline_seconds=100)))
    assert (clock.now - began > 50) is waits


@pytest.mark.parametrize(
    ("answer", "pace"),
    [(OK, 1.05), (_told(404, b'{"api_error_code": "resource_not_found"}'), 1.5), (_told(300), 1.5), (LOST, 1.5)],
)
async def test_the_way_to_the_site_is_learned_from_its_answers(answer: Response | Exception, pace: float) -> None:
    """At one request a second, each of half a second: after enough good answers a place is free again half a second and
    a bit after the answer, for a request that took so long was counted earlier. Refusals and broken answers may come
    from nearer, and show nothing: there a place is kept for a whole second."""
    engine, _, clock, _ = _slow(0.5, answer, account_per_second=1)
    began: list[float] = []
    for _ in range(30):
        began.append(clock.now)
        try:
            await send(engine, attrs.evolve(READ, retry=Retry.none()))
        except errors.GatewayClientError:
            continue
    assert began[-1] - began[-2] == pytest.approx(pace)


async def test_an_answer_that_cannot_be_read_shows_no_way() -> None:
    """An answer with status 200 that is not what the call promises may come from a proxy on the way."""
    engine, _, clock, _ = _slow(0.5, OK, account_per_second=1)

    def unreadable(response: Response) -> None:
        raise errors.DecodeError("x", path="$.a")

    began = clock.now
    for _ in range(30):
        began = clock.now
        with pytest.raises(errors.DecodeError):
            await engine.send(attrs.evolve(READ, retry=Retry.none()), unreadable)
    assert clock.now - began == pytest.approx(1.5)


@pytest.mark.parametrize(("answer", "outcome"), [(LIMITED, "failed"), (LOST, "unknown")])
async def test_what_a_write_is_while_it_waits_for_its_next_attempt(answer: Response | Exception, outcome: str) -> None:
    """A write that is cancelled in the pause after a refusal that did nothing has failed; after a lost connection it
    is unknown."""
    engine, _, clock, events = engine_of(answer)
    clock.hold = anyio.Event()
    task = asyncio.create_task(send(engine, attrs.evolve(WRITE, keyed=True, proven=True)))
    await anyio.wait_all_tasks_blocked()
    assert _of(events, Retried)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _of(events, CallFinished)[0].outcome == outcome


class Mute(MemoryTransport):
    """A transport that tells nothing of how far an attempt came, but by its errors."""

    async def send(self, request: Request, timeouts: Timeouts, trace: Trace) -> Response:
        self.requests.append(request)
        return await self._handler(request)


@pytest.mark.parametrize(
    ("error", "phase", "expected"),
    [
        (LOST, "sent", errors.OutcomeUnknown),
        (NEVER_LEFT, "unsent", errors.ConnectFailed),
        (errors.TruncatedResponse("x", status=200), "sent", errors.OutcomeUnknown),
    ],
)
async def test_what_an_error_says_of_the_bytes_is_believed(
    error: Exception, phase: str, expected: type[Exception]
) -> None:
    """A transport that does not report its phases: where its error says that bytes left they count as sent."""
    events: list[Event] = []
    engine = Engine(Mute(script([error])), limits=Limits(), clock=FakeClock(), observers=[events.append])
    with pytest.raises(expected):
        await send(engine, attrs.evolve(WRITE, retry=Retry.none()))
    [attempt] = _of(events, AttemptFinished)
    assert (attempt.phase, attempt.replayed) == (phase, False)
    assert engine.stats.attempts == int(phase == "sent")


async def test_an_answer_that_was_read_is_told_as_read() -> None:
    """An answer that is not what the call promises came whole: the error has its status and the operation, unless it
    has a status already, and the attempt its phase."""
    for status in (None, 204):
        engine, _, _, events = engine_of(OK)

        def unreadable(response: Response, status: int | None = status) -> None:
            raise errors.DecodeError("x", path="$.a", status=status)

        with pytest.raises(errors.DecodeError) as caught:
            await engine.send(READ, unreadable)
        assert (caught.value.status, caught.value.operation) == (status or 200, "GET /x")
        [attempt] = _of(events, AttemptFinished)
        assert (attempt.phase, attempt.status, attempt.error) == ("body", 200, "DecodeError")
