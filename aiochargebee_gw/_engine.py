"""The only loop: limit, send, read, decide, sleep. Everything it decides by is a pure function elsewhere."""

from __future__ import annotations

import asyncio
import functools
import math
import random
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import attrs

from ._call import Call, Doubt, Lookup, Moment, Sight, State
from ._clock import Clock
from ._doubt import check_retry, refuses, seen, unknown
from ._gates import Gates, Passage
from ._home import Home, Visit
from ._policy.outcome import RULES, effect, settles
from ._policy.retry import LONGEST_WAIT, Again, Budget, decide
from ._recorder import Record, Recorder
from ._site import Turn
from ._wire.failure import failure
from ._wire.headers import replayed
from ._wire.message import Response
from .errors import (
    ApiError,
    DeadlineExceeded,
    GatewayClientError,
    InvalidResponse,
    NotFound,
    OutcomeUnknown,
    TransportError,
)
from .limiter import Limiter
from .observe import Observer, Outcome, Stats
from .settings import Limits, Timeouts
from .transport.base import Trace, Transport

__all__ = ["Call", "Engine", "Lookup"]

T = TypeVar("T")

_IN_DOUBT = ("maybe", "done", "unreadable")


class Engine:
    """Sends calls through one transport under one set of limits. Holds no loop: it works on any, one after another."""

    def __init__(
        self,
        transport: Transport,
        *,
        limits: Limits,
        clock: Clock,
        limiter: Limiter | None = None,
        draw: Callable[[], float] = random.random,
        observers: Iterable[Observer] = (),
    ) -> None:
        self._transport = transport
        self.clock: Clock = clock
        self._draw = draw
        self._recorder = Recorder(observers)
        self._gates = Gates(limits, clock, limiter)
        self._home = Home()
        self._budget = Budget()
        self._proven: set[str | None] = set()

    @property
    def stats(self) -> Stats:
        return self._recorder.stats

    async def send(self, call: Call, read: Callable[[Response], T]) -> T:
        """What *read* makes of the answer of a call that succeeded; it may raise `DecodeError`.

        Raises the error of the last attempt, `DeadlineExceeded` when there was no time for one, or `OutcomeUnknown` for
        a write that is in doubt, whatever came after the attempt that put it there.
        """
        state = State(began=self.clock.monotonic(), first_sent=call.first_sent, doubt=call.doubt)
        with self._home.visit(state) as visit:
            record = self._recorder.call(call.request.label, write=call.writes, url=call.request.url)
            if not call.looks:
                self._budget.called(state.began)
            failed: str | None = None
            outcome: Outcome = "ok"
            try:
                try:
                    return await self._repeat(call, read, state, record)
                except (GatewayClientError, asyncio.CancelledError) as error:
                    found = await self._ended(call, read, visit.meant(error), state)
                    outcome = "reconciled"
                    return found
            except BaseException as error:
                failed, outcome = type(error).__name__, _outcome(call, error, state)
                raise
            finally:
                now = self.clock.monotonic()
                if state.queued is not None:
                    record.waited(now - state.queued, "limit")
                seconds = now - state.began
                record.finished(state.attempts, seconds, failed, outcome, call.idempotency_key)

    async def drain(self, seconds: float) -> None:
        """Let no call begin or be tried again, and wait up to *seconds* for those under way.

        Then those of which nothing is on its way are broken off, with a `ConfigurationError`. The others are for the
        transport to break off, by being closed.
        """
        await self._home.drain(seconds, self.clock)

    def visit(self) -> Visit:
        """The length of something else that the transport does: a `with` block. Raises `ConfigurationError`."""
        return self._home.visit()

    async def release(self) -> None:
        """Give back what is held in limits that others share."""
        await self._gates.aclose()

    def reopen(self) -> None:
        """Undo `drain`."""
        self._home.closing = False

    def bears(self, call: Call) -> bool:
        """Whether a write that may have been sent before can be sent again without adding to it."""
        state = State(began=self.clock.monotonic(), first_sent=call.first_sent)
        return state.ability(call, self.clock, proven=self._reaches(call)) != "once"

    async def _repeat(self, call: Call, read: Callable[[Response], T], state: State, record: Record) -> T:
        if call.doubt is not None and not call.insist and not self.bears(call):
            raise call.doubt.error
        while True:
            outcome = await self._attempt(call, read, state, record)
            if isinstance(outcome, _Read):
                return outcome.value
            state.last = outcome
            wait = self._pause(call, outcome, state)
            state.trace = Trace()
            record.retried(state.attempts, wait, outcome)
            began = self.clock.monotonic()
            try:
                await self.clock.sleep(wait)
            finally:
                record.waited(self.clock.monotonic() - began, "retry")

    def _pause(self, call: Call, error: GatewayClientError, state: State) -> float:
        """The seconds until the next attempt. Raises when there must not be one."""
        now = self.clock.monotonic()
        left = state.until(call, self.clock) - now
        step = decide(call.retry, error, attempt=state.attempts, left=left, jitter=self._draw())
        wait = step.wait if isinstance(step, Again) else 0.0
        can = state.ability(call, self.clock, proven=self._reaches(call), wait=wait)
        what = effect(error, state.trace.phase)
        if call.writes and what in _IN_DOUBT:
            state.doubt = Doubt.after(error, state.doubt)
        if RULES[what][can] != "resend" or (state.doubt is not None and can == "once") or self._home.closing:
            raise error
        if not isinstance(step, Again) or not self._budget.take(call.retry, now):
            if left <= 0:
                raise DeadlineExceeded("the deadline has passed", operation=call.request.label)
            raise error
        return step.wait

    async def _attempt(
        self, call: Call, read: Callable[[Response], T], state: State, record: Record
    ) -> _Read[T] | GatewayClientError:
        deadline = state.until(call, self.clock)
        state.queued = self.clock.monotonic()
        async with self._gates.turn(_passage(call, deadline)) as turn:
            state.queued = None
            record.waited(turn.waited, "limit")
            self._check_time(call, state, deadline)
            state.attempts += 1
            watch = _Watch(self.clock.monotonic(), self.clock.wall(), state.trace)
            try:
                timeouts = _within(call.timeouts, deadline - watch.began)
                response = await self._transport.send(call.request, timeouts, watch.trace)
                watch.answered(response)
                if watch.replayed and call.idempotency_key is not None:
                    self._proven.add(call.site)
                if error := failure(response, call.request.label, control=call.control):
                    watch.error = error
                    return error
                return _Read(read(response))
            except TransportError as raised:
                watch.broke(raised, call.request.label)
                return raised
            except BaseException as raised:
                watch.error = raised
                if call.writes and watch.trace.sent and isinstance(raised, GatewayClientError):
                    # Not about the answer: of what has left, it says nothing.
                    state.doubt = Doubt.after(raised, state.doubt)
                raise
            finally:
                self._close_attempt(call, state, turn, watch, record)

    def _check_time(self, call: Call, state: State, deadline: float) -> None:
        """The wait was perhaps longer than the key lives: sent now, it would be another write."""
        if state.first_sent is None:
            return
        # Reckoned anew: the machine may have been suspended meanwhile, or its clock set.
        if self.clock.monotonic() >= min(deadline, state.until(call, self.clock)):
            raise state.last or DeadlineExceeded("no time is left under this key", operation=call.request.label)

    def _close_attempt(self, call: Call, state: State, turn: Turn, watch: _Watch, record: Record) -> None:
        now = self.clock.monotonic()
        turn.sent = watch.trace.sent
        if turn.sent:
            state.sent += 1
            if call.writes:
                state.last_sent = Moment(watch.began, watch.began_wall)
                state.first_sent = state.first_sent or state.last_sent
        size = len(call.request.body or b"")
        seconds = now - watch.began
        # Only what Chargebee itself did shows how far away it is: a refusal may come from the gateway.
        turn.trip = seconds if watch.error is None else None
        record.attempted(state.attempts, seconds, watch.trace, watch.status, watch.error, size, replayed=watch.replayed)
        if isinstance(watch.error, ApiError) and watch.error.status == 429:
            self._close_gate(call, watch.error, record)

    def _close_gate(self, call: Call, error: ApiError, record: Record) -> None:
        """What one caller was told holds for all, whether this one tries again or not: a 429 of Chargebee's for its
        site, one of the gateway's for the account. A lock is about one resource alone."""
        wait = error.retry_after if error.retry_after is not None else call.retry.throttled_base_seconds
        # A server that names a year is mistaken: it must not keep a client from ever asking again.
        wait = min(wait, LONGEST_WAIT)
        if error.code is None:
            self._gates.close("account", None, wait)
            record.throttled("account", wait)
        elif error.code != "lock_timeout" and call.site is not None:
            self._gates.close("site", call.site, wait, exceeded=error.code == "api_request_limit_exceeded")
            record.throttled("site", wait)

    def _reaches(self, call: Call) -> bool:
        return call.proven or call.site in self._proven

    async def _ended(self, call: Call, read: Callable[[Response], T], error: GatewayClientError, state: State) -> T:
        """A call that failed: raises what it ends with, or gives the answer of a write that is found done."""
        if isinstance(error, DeadlineExceeded):
            error.attempts = state.attempts
            error.__cause__ = state.last
        doubt = state.doubt
        if doubt is None:
            raise error
        if state.ability(call, self.clock, proven=self._reaches(call)) == "keyed" and settles(error):
            raise error
        if self._may_look(call, error, state):
            sight, answer = await self._seen(call, state)
            if sight == "done" and answer is not None:
                try:
                    return read(answer)
                except InvalidResponse:
                    state.doubt = attrs.evolve(doubt, likely_done=True)
            elif sight == "other" or (sight == "absent" and not doubt.open and refuses(call, error)):
                raise error
        if error is not doubt.error:
            error.__cause__ = error.__cause__ or doubt.error
        raise self._unknown(call, read, state) from error

    def _may_look(self, call: Call, error: GatewayClientError, state: State) -> bool:
        if call.lookup is None:
            return False
        if state.attempts == 0 or (isinstance(error, ApiError) and effect(error, "body") in ("refused", "exists")):
            return True
        # A server that is down must not be asked once more by every call that failed.
        again = call.named is not None and call.retry.attempts > 1
        return again and self._budget.take(call.retry, self.clock.monotonic())

    async def _seen(self, call: Call, state: State) -> tuple[Sight, Response | None]:
        """What reading shows of a write within the time that is left, and the answer that shows it."""
        left = state.began + call.retry.deadline_seconds - self.clock.monotonic()
        try:
            return await self._look(call, state, left)
        except GatewayClientError:
            return "unclear", None

    async def _look(self, call: Call, state: State, seconds: float) -> tuple[Sight, Response | None]:
        lookup = call.lookup
        if lookup is None:
            return "unclear", None
        retry = attrs.evolve(call.retry, deadline_seconds=max(seconds, 0.001))
        reading = attrs.evolve(
            call, request=lookup.request, writes=False, idempotency_key=None, named=None, lookup=None, retry=retry,
            doubt=None, first_sent=None, looks=True,
        )  # fmt: skip
        try:
            answer = await self.send(reading, lambda response: response)
        except NotFound as error:
            if error.code != "resource_not_found":
                raise
            return seen(lookup, None, state.first_sent, self.clock), None
        return seen(lookup, answer, state.first_sent, self.clock), answer

    def _unknown(self, call: Call, read: Callable[[Response], T], state: State) -> OutcomeUnknown:
        async def reconcile() -> T | None:
            sight, answer = await self._look(call, state, call.retry.deadline_seconds)
            if sight == "unclear":
                raise error
            return read(answer) if sight == "done" and answer is not None else None

        async def retry() -> T:
            check_retry(error, self.clock)
            again = attrs.evolve(call, first_sent=state.first_sent, doubt=state.doubt, insist=True)
            return await self.send(again, read)

        error = unknown(call, state, (reconcile, retry))
        return error


def _passage(call: Call, deadline: float) -> Passage:
    return Passage(
        site=call.site, method=call.request.method, rank=call.rank, deadline=deadline, label=call.request.label
    )


def _outcome(call: Call, error: BaseException, state: State) -> Outcome:
    if isinstance(error, OutcomeUnknown):
        return "unknown"
    if isinstance(error, GatewayClientError):
        return "failed"
    # Cancelled, or broken off by something that is not ours: bytes that have left may still be acted upon.
    return "unknown" if call.writes and (state.doubt is not None or state.trace.sent) else "failed"


def _within(timeouts: Timeouts, left: float) -> Timeouts:
    """The timeouts of an attempt, none beyond what is left for the whole call."""
    if timeouts.read_seconds <= left:
        return timeouts
    # To the next hundredth of a second: fresh calls then share one value, which costs two microseconds to make.
    return _shortened(timeouts, math.ceil(max(left, 0.001) * 100) / 100)


@functools.lru_cache(maxsize=64)
def _shortened(timeouts: Timeouts, seconds: float) -> Timeouts:
    return attrs.evolve(timeouts, read_seconds=seconds)


@attrs.frozen
class _Read(Generic[T]):
    value: T


@attrs.define
class _Watch:
    """One attempt while it runs."""

    began: float
    began_wall: float
    trace: Trace
    status: int | None = None
    replayed: bool = False
    error: BaseException | None = None

    def answered(self, response: Response) -> None:
        self.status = response.status
        self.replayed = replayed(response.headers)
        self.trace.phase = "body"

    def broke(self, error: TransportError, label: str) -> None:
        """No usable answer: what the transport says and what the error says must agree."""
        self.error = error
        error.operation = label
        if error.sent and not self.trace.sent:
            self.trace.phase = "sent"
        # Where the two contradict each other, bytes may have left.
        error.sent = self.trace.sent
        if isinstance(error, InvalidResponse) and error.status is None:
            error.status = self.status
