"""How a write in doubt ends, by what its attempts, the limits and a look at the site say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from aiochargebee_gw import Limits, OutcomeUnknown, Retry, errors
from aiochargebee_gw._call import Doubt, Lookup, Moment, Sight
from aiochargebee_gw._engine import Call, Engine
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.observe import CallFinished
from aiochargebee_gw.transport.memory import MemoryTransport

from ..unit.clock import FakeClock
from ..unit.engines import DOWN, LIMITED, OK, READ, WRITE, engine_of, script, send

pytestmark = pytest.mark.anyio

LOST = errors.ConnectionLost("x", sent=True)
NEVER_LEFT = errors.ConnectFailed("x", sent=False)
TRUSTED = attrs.evolve(WRITE, keyed=True, proven=True)
NAMED = attrs.evolve(WRITE, named="c1")
REPLAYED = Response(status=200, headers={"chargebee-idempotency-replayed": "true"}, body=b"{}")
FOUND = Response(status=200, headers={}, body=b'{"found": 1}')
MISSING = Response(status=404, headers={}, body=b'{"api_error_code": "resource_not_found"}')
REFUSED = Response(status=400, headers={}, body=b'{"api_error_code": "param_wrong_value"}')
TAKEN = Response(status=400, headers={}, body=b'{"api_error_code": "duplicate_entry"}')
FAILED = Response(status=500, headers={}, body=b'{"api_error_code": "internal_error"}')


def _sees(sight: Sight) -> Callable[[Response | None, float | None], Sight]:
    return lambda answer, since: "absent" if answer is None else sight


def _looked(call: Call, sight: Sight = "done", **retry: Any) -> Call:
    """The call, with a look that shows *sight* of it where there is a record."""
    lookup = Lookup(request=attrs.evolve(READ.request, url="https://h/look", label="GET /look"), shows=_sees(sight))
    return attrs.evolve(call, lookup=lookup, retry=attrs.evolve(Retry(attempts=2, base_seconds=0), **retry))


def _methods(transport: MemoryTransport) -> list[str]:
    return [request.method for request in transport.requests]


def _post(call: Call) -> Call:
    return attrs.evolve(call, request=attrs.evolve(call.request, method="POST", label="POST /x"))


@pytest.mark.parametrize(
    "answer", [Response(status=303, headers={}, body=b""), errors.ResponseTooLarge("x", status=200)]
)
async def test_an_answer_that_nobody_could_read_is_a_doubt(answer: Response | Exception) -> None:
    """A redirect to what came of the write, a body beyond all bounds: it has most likely happened, and is not sent
    again without a key."""
    engine, transport, _, _ = engine_of(answer, OK)
    with pytest.raises(OutcomeUnknown):
        await send(engine, WRITE)
    assert len(transport.requests) == 1


async def test_a_trusted_key_is_trusted_where_its_replay_was_seen() -> None:
    """A replay of one write lets the next ones of its site be repeated; a replay header on a read proves nothing."""
    keyed = attrs.evolve(WRITE, keyed=True)
    engine, transport, _, _ = engine_of(REPLAYED, REPLAYED, LOST, OK, LOST, OK)
    await send(engine, attrs.evolve(READ, site="a"))
    assert not engine.bears(attrs.evolve(keyed, site="a"))
    await send(engine, attrs.evolve(keyed, site="b"))
    assert await send(engine, attrs.evolve(keyed, site="b")) is OK
    with pytest.raises(OutcomeUnknown):
        await send(engine, attrs.evolve(keyed, site="a"))
    assert len(transport.requests) == 5


async def test_what_bears_a_second_send() -> None:
    """A write under a trusted key or an id of its own does, within the life of the key; any other does not."""
    engine, _, clock, _ = engine_of(OK)
    long_ago = Moment(clock.monotonic() - 1500, clock.wall() - 1500)
    assert [engine.bears(call) for call in (TRUSTED, NAMED, WRITE)] == [True, True, False]
    assert [engine.bears(attrs.evolve(call, first_sent=long_ago)) for call in (TRUSTED, NAMED)] == [False, False]


async def test_a_doubt_from_before_is_not_sent_again_unless_that_is_safe() -> None:
    """A write that another process left in doubt: without protection nothing is sent, and the doubt is told as it was;
    under a trusted key, and for a caller who insists, it is sent."""
    for call, sends in ((WRITE, 0), (TRUSTED, 1), (NAMED, 1), (attrs.evolve(WRITE, insist=True), 1)):
        engine, transport, clock, _ = engine_of(OK)
        earlier = attrs.evolve(call, doubt=Doubt(error=LOST, likely_done=True), first_sent=Moment.now(clock))
        if sends:
            assert await send(engine, earlier) is OK
        else:
            with pytest.raises(OutcomeUnknown) as caught:
                await send(engine, earlier)
            assert (caught.value.attempts, caught.value.likely_done, caught.value.__cause__) == (0, True, LOST)
        assert len(transport.requests) == sends


async def test_a_write_that_its_caller_repeats_is_sent_once_more_only() -> None:
    """`retry` of a write without a trusted key sends it once: where that one is throttled, it is not repeated, and the
    first one is as unknown as before."""
    engine, transport, _, _ = engine_of(LOST, LIMITED, OK)
    with pytest.raises(OutcomeUnknown) as first:
        await send(engine, attrs.evolve(WRITE, keyed=True))
    with pytest.raises(OutcomeUnknown) as second:
        await first.value.retry()
    assert len(transport.requests) == 2
    assert isinstance(second.value.__cause__, errors.GatewayRateLimited)
    assert second.value.first_sent_at == first.value.first_sent_at
    assert await second.value.retry() is OK


class Suspended(FakeClock):
    """A machine that is suspended for *seconds* while something sleeps: only its wall clock goes on."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds, self._asleep = seconds, 0.0

    def wall(self) -> float:
        return super().wall() + self._asleep

    async def sleep(self, seconds: float) -> None:
        if seconds > 1:
            self._asleep = self._seconds
        await super().sleep(seconds)


@pytest.mark.parametrize(("seconds", "sends"), [(1494, 2), (1495, 1), (1600, 1)])
async def test_a_machine_that_was_suspended_does_not_outlive_the_key(seconds: float, sends: int) -> None:
    """The limits held a write in doubt back for five seconds, in which the machine was suspended: when its key has had
    its 25 minutes then, it is not sent again, and what it had been answered is told as the reason."""
    clock = Suspended(seconds)

    async def lost(request: Request) -> Response:
        if len(transport.requests) > 1:
            return OK
        engine._gates.close("account", None, 5)
        raise LOST

    transport = MemoryTransport(lost)
    engine = Engine(transport, limits=Limits(), clock=clock, draw=lambda: 0.0)
    call = attrs.evolve(TRUSTED, retry=Retry(deadline_seconds=7200))
    if sends == 1:
        with pytest.raises(OutcomeUnknown) as caught:
            await send(engine, call)
        assert caught.value.__cause__ is LOST
    else:
        assert await send(engine, call) is OK
    assert len(transport.requests) == sends


async def test_a_repeat_by_the_caller_does_not_outlive_the_key_either() -> None:
    """The same for a `retry`: nothing is sent, and the reason is that there is no time left."""
    clock = Suspended(1600)
    transport = MemoryTransport(script([LOST, OK]))
    engine = Engine(transport, limits=Limits(), clock=clock)
    with pytest.raises(OutcomeUnknown) as first:
        await send(engine, attrs.evolve(TRUSTED, retry=Retry(attempts=1, deadline_seconds=7200)))
    engine._gates.close("account", None, 5)
    with pytest.raises(OutcomeUnknown) as second:
        await first.value.retry()
    assert isinstance(second.value.__cause__, errors.DeadlineExceeded)
    assert second.value.__cause__.operation == "GET /x"
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("sight", "answers", "expected"),
    [
        # The record is there and is the call's; it is somebody else's; it may be either's; it is not there.
        ("done", [FAILED, TAKEN, FOUND], None),
        ("other", [FAILED, TAKEN, FOUND], errors.InvalidRequest),
        ("unclear", [FAILED, TAKEN, FOUND], OutcomeUnknown),
        ("done", [FAILED, TAKEN, MISSING], OutcomeUnknown),
        # A refusal, where nothing is there: final once no attempt is under way any more.
        ("done", [FAILED, REFUSED, MISSING], errors.InvalidRequest),
        ("done", [LOST, REFUSED, MISSING], OutcomeUnknown),
        ("unclear", [FAILED, REFUSED, FOUND], OutcomeUnknown),
        # No refusal, and nothing is there: the next attempt might make it.
        ("done", [FAILED, FAILED, MISSING], OutcomeUnknown),
        ("done", [FAILED, FAILED, FOUND], None),
        # The look itself tells nothing: it is refused, or the site is not there.
        ("done", [FAILED, TAKEN, Response(status=401, headers={}, body=b"")], OutcomeUnknown),
        ("done", [FAILED, REFUSED, Response(status=404, headers={}, body=b"<html>")], OutcomeUnknown),
        (
            "done",
            [FAILED, REFUSED, attrs.evolve(MISSING, body=b'{"api_error_code": "site_not_found"}')],
            OutcomeUnknown,
        ),
    ],
)
async def test_what_a_look_makes_of_a_write(
    sight: Sight, answers: list[Response | Exception], expected: type[Exception] | None
) -> None:
    """A named write that was repeated and did not succeed is looked up once: found done it is a success, found to be
    somebody else's or refused for certain it is a failure, and all else is unknown."""
    engine, transport, _, events = engine_of(*answers)
    call = _looked(_post(NAMED), sight)
    if expected is None:
        assert await send(engine, call) is FOUND
    else:
        with pytest.raises(expected):
            await send(engine, call)
    assert _methods(transport) == ["POST", "POST", "GET"]
    ended = [event.outcome for event in events if isinstance(event, CallFinished)]
    told = "unknown" if expected is OutcomeUnknown else "failed"
    assert ended[-1] == ("reconciled" if expected is None else told)


@pytest.mark.parametrize(
    ("call", "answers", "looks"),
    [
        # One attempt alone, or no id of its own: the caller decides about looking, unless a refusal asks for it.
        (_looked(_post(NAMED), attempts=1), [FAILED, FOUND], False),
        (_looked(_post(TRUSTED)), [FAILED, FAILED, FOUND], False),
        (_looked(_post(TRUSTED)), [FAILED, TAKEN, FOUND], True),
        (_looked(_post(NAMED), budget=0, budget_tokens=1), [FAILED, FAILED, FOUND], False),
        (_looked(_post(NAMED), budget=0, budget_tokens=2), [FAILED, FAILED, FOUND], True),
        (_looked(_post(NAMED), budget=0, budget_tokens=1), [FAILED, REFUSED, FOUND], True),
        (attrs.evolve(_post(NAMED), retry=Retry(attempts=2, base_seconds=0)), [FAILED, FAILED, FOUND], False),
    ],
)
async def test_when_a_write_is_looked_up(call: Call, answers: list[Response | Exception], looks: bool) -> None:
    """After a refusal always; else a named write that may be repeated, within the budget of retries, for a server that
    is down must not be asked once more by every call that failed."""
    engine, transport, _, _ = engine_of(*answers)
    if looks:
        assert await send(engine, call) is FOUND
    else:
        with pytest.raises(OutcomeUnknown):
            await send(engine, call)
    assert ("GET" in _methods(transport)) is looks


async def test_a_doubt_from_before_is_looked_up_where_it_is_not_sent() -> None:
    """A write of another process's that must not be sent again is found done by reading alone."""
    engine, transport, clock, _ = engine_of(FOUND)
    call = attrs.evolve(_looked(_post(WRITE)), doubt=Doubt(error=LOST), first_sent=Moment.now(clock))
    assert await send(engine, call) is FOUND
    assert _methods(transport) == ["GET"]


async def test_a_look_has_the_time_that_is_left() -> None:
    """A look is a read of its own under the policy of the call: it is repeated, until the deadline of the call."""
    engine, transport, clock, events = engine_of(FAILED, FAILED, DOWN, FOUND)
    assert await send(engine, _looked(_post(NAMED), base_seconds=0.25)) is FOUND
    assert _methods(transport) == ["POST", "POST", "GET", "GET"]
    read = next(event for event in events if isinstance(event, CallFinished))
    assert (read.operation, read.outcome, read.idempotency_key) == ("GET /look", "ok", None)

    later = Response(status=503, headers={"retry-after": "30"}, body=b'{"api_error_code": "x"}')
    engine, transport, clock, _ = engine_of(FAILED, later, later, FOUND)
    began = clock.now
    with pytest.raises(OutcomeUnknown):
        await send(engine, _looked(_post(NAMED), attempts=2, deadline_seconds=20))
    assert clock.now == began
    assert engine.stats.calls == 2


async def test_a_look_after_the_deadline_is_one_quick_read() -> None:
    """The attempts have used up the time: the look is made, and has no time for a second attempt."""
    clock = FakeClock()

    async def slow(request: Request) -> Response:
        clock.now += 31 if request.method == "POST" else 0
        return FAILED if request.method == "POST" else DOWN

    transport = MemoryTransport(slow)
    engine = Engine(transport, limits=Limits(), clock=clock, draw=lambda: 1.0)
    with pytest.raises(OutcomeUnknown):
        await send(engine, _looked(_post(NAMED), base_seconds=0.25))
    assert _methods(transport) == ["POST", "POST", "GET"]


async def test_a_write_that_ran_out_of_time_is_not_looked_up() -> None:
    """The limits leave no time for the second attempt: that is no refusal, which alone would ask for a look."""

    async def lost(request: Request) -> Response:
        engine._gates.close("account", None, 300)
        raise LOST

    transport = MemoryTransport(lost)
    engine = Engine(transport, limits=Limits(), clock=FakeClock(), draw=lambda: 0.0)
    with pytest.raises(OutcomeUnknown) as caught:
        await send(engine, _looked(_post(TRUSTED)))
    assert isinstance(caught.value.__cause__, errors.DeadlineExceeded)
    assert engine.stats.calls == 1


async def test_a_look_earns_no_retries() -> None:
    """One retry for two calls: a write that was repeated and looked up leaves none for the next one."""
    engine, transport, _, _ = engine_of(FAILED, TAKEN, FOUND, FAILED)
    call = _looked(_post(NAMED), budget=0.5, budget_tokens=0.5)
    assert await send(engine, call) is FOUND
    with pytest.raises(OutcomeUnknown):
        await send(engine, call)
    assert _methods(transport) == ["POST", "POST", "GET", "POST"]


async def test_what_leaves_no_trace_takes_nothing_from_the_budget() -> None:
    """Two named writes that nothing can be read of, and an allowance of two retries: each is repeated once."""
    engine, transport, _, _ = engine_of(FAILED)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await send(engine, attrs.evolve(NAMED, retry=Retry(attempts=2, budget=0, budget_tokens=2)))
    assert len(transport.requests) == 4


async def test_a_found_record_that_cannot_be_read_is_likely_done() -> None:
    """It is there, but not as the call promises to give it: unknown, and likely done."""

    def read(response: Response) -> Response:
        raise errors.DecodeError("x", path="$.a")

    engine, _, _, _ = engine_of(FAILED, TAKEN, FOUND)
    with pytest.raises(OutcomeUnknown) as caught:
        await engine.send(_looked(_post(NAMED)), read)
    assert caught.value.likely_done


async def test_the_cause_of_a_doubt_leads_to_what_made_it() -> None:
    """The cause is the failure that ended the call; behind it is the one that put the write in doubt."""
    engine, _, _, _ = engine_of(LOST, Response(status=401, headers={}, body=b""))
    with pytest.raises(OutcomeUnknown) as caught:
        await send(engine, TRUSTED)
    assert isinstance(caught.value.__cause__, errors.InvalidApiKey)
    assert caught.value.__cause__.__cause__ is LOST
    engine, _, _, _ = engine_of(LOST)
    with pytest.raises(OutcomeUnknown) as caught:
        await send(engine, WRITE)
    assert caught.value.__cause__ is LOST
    assert LOST.__cause__ is None


async def test_a_deadlines_cause_is_the_last_failure() -> None:
    """A write is lost, then throttled for longer than there is time: the error of the deadline has the 429 for its
    cause, although that left no doubt."""
    engine, transport, clock, _ = engine_of(LOST, LIMITED)
    call = attrs.evolve(TRUSTED, retry=Retry(attempts=9, deadline_seconds=4, base_seconds=0, budget_tokens=1))

    async def slow(request: Request) -> Response:
        if len(transport.requests) == 1:
            raise LOST
        clock.now += 4
        return LIMITED

    transport._handler = slow
    with pytest.raises(OutcomeUnknown) as caught:
        await send(engine, call)
    ended = caught.value.__cause__
    assert isinstance(ended, errors.DeadlineExceeded)
    assert isinstance(ended.__cause__, errors.GatewayRateLimited)
    assert ended.attempts == 2


@pytest.mark.parametrize(
    ("sight", "answer", "result"),
    [("done", FOUND, FOUND), ("absent", FOUND, None), ("other", FOUND, None), ("done", MISSING, None)],
)
async def test_what_reconcile_gives(sight: Sight, answer: Response, result: Response | None) -> None:
    """The answer of a write that is found done, None for one that is not; it has a deadline of its own."""
    engine, _, clock, _ = engine_of(LOST, answer)
    with pytest.raises(OutcomeUnknown) as caught:
        await send(engine, _looked(_post(WRITE), sight))
    clock.now += 1000
    assert await caught.value.reconcile() is result


async def test_what_reconcile_cannot_tell_stays_unknown() -> None:
    """A look that shows nothing, and a write that leaves no trace: the same error again. A look that fails is told by
    its own error, and can be made again."""
    engine, _, _, _ = engine_of(LOST, FOUND)
    with pytest.raises(OutcomeUnknown) as caught:
        await send(engine, _looked(_post(WRITE), "unclear"))
    with pytest.raises(OutcomeUnknown) as again:
        await caught.value.reconcile()
    assert again.value is caught.value
    engine, transport, _, _ = engine_of(LOST, OK)
    with pytest.raises(OutcomeUnknown) as caught:
        await send(engine, _post(WRITE))
    with pytest.raises(OutcomeUnknown):
        await caught.value.reconcile()
    assert len(transport.requests) == 1
    engine, _, _, _ = engine_of(LOST, Response(status=404, headers={}, body=b"<html>"), FOUND)
    with pytest.raises(OutcomeUnknown) as caught:
        await send(engine, _looked(_post(WRITE)))
    with pytest.raises(errors.MatonError):
        await caught.value.reconcile()
    assert await caught.value.reconcile() is FOUND


async def test_a_refusal_by_a_trusted_key_needs_no_look() -> None:
    """Under a key that Chargebee has, a refusal is the outcome, without reading; under an untrusted one it is not."""
    engine, transport, _, _ = engine_of(FAILED, REFUSED, FOUND)
    with pytest.raises(errors.InvalidRequest):
        await send(engine, _looked(_post(TRUSTED)))
    assert _methods(transport) == ["POST", "POST"]
