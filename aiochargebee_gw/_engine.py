"""The only loop: limit, send, read, decide, sleep. Everything it decides by is a pure function elsewhere."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Generic, Literal, TypeVar

import attrs

from ._call import Call, Lookup, State
from ._clock import Clock
from ._doubt import answered, check_retry, shown, unknown
from ._gates import Gates, Passage
from ._home import Home
from ._policy.outcome import RULES, effect, settles
from ._policy.retry import Again, Budget, decide
from ._recorder import Record, Recorder
from ._turnstile import Turn
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
        draw: Callable[[], float] = random.random,
        observers: Iterable[Observer] = (),
    ) -> None:
        self._transport = transport
        self.clock: Clock = clock
        self._draw = draw
        self._recorder = Recorder(observers)
        self._gates = Gates(limits, clock)
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
        with self._home.visit():
            state = State(began=self.clock.monotonic(), first_sent=call.first_sent, doubt=call.doubt)
            record = self._recorder.call(call.request.label, write=call.writes)
            self._budget.called(state.began)
            failed: str | None = None
            outcome: Outcome = "ok"
            try:
                try:
                    return await self._repeat(call, read, state, record)
                except GatewayClientError as error:
                    found = await self._ended(call, read, error, state)
                    outcome = "reconciled"
                    return found
            except BaseException as error:
                failed, outcome = type(error).__name__, _outcome(call, error, state)
                raise
            finally:
                seconds = self.clock.monotonic() - state.began
                record.finished(state.attempts, seconds, failed, outcome, call.idempotency_key)

    async def drain(self, seconds: float) -> None:
        """Let no call begin or be tried again, and wait up to *seconds* for those under way."""
        await self._home.drain(seconds, self.clock)

    def reopen(self) -> None:
        """Undo `drain`."""
        self._home.closing = False

    async def _repeat(self, call: Call, read: Callable[[Response], T], state: State, record: Record) -> T:
        while True:
            outcome = await self._attempt(call, read, state, record)
            if isinstance(outcome, _Read):
                return outcome.value
            state.last = outcome
            wait = self._pause(call, outcome, state)
            record.retried(state.attempts, wait, outcome)
            record.waited(wait, "retry")
            await self.clock.sleep(wait)

    def _pause(self, call: Call, error: GatewayClientError, state: State) -> float:
        """The seconds until the next attempt. Raises when there must not be one."""
        now = self.clock.monotonic()
        left = state.until(call) - now
        step = decide(call.retry, error, attempt=state.attempts, left=left, jitter=self._draw())
        again = now + (step.wait if isinstance(step, Again) else 0.0)
        can = state.ability(call, proven=self._reaches(call), at=again)
        what = effect(error, state.trace.phase)
        if call.writes and what in _IN_DOUBT:
            state.doubt = error
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
        deadline = state.until(call)
        async with self._gates.turn(_passage(call, deadline)) as turn:
            if turn.waited > 0:
                record.waited(turn.waited, "limit")
            self._check_time(call, state, deadline)
            state.attempts += 1
            watch = _Watch(self.clock.monotonic())
            state.trace = watch.trace
            try:
                timeouts = _within(call.timeouts, deadline - watch.began)
                response = await self._transport.send(call.request, timeouts, watch.trace)
                watch.answered(response)
                if replayed(response.headers):
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
                raise
            finally:
                self._close_attempt(call, state, turn, watch, record)

    def _check_time(self, call: Call, state: State, deadline: float) -> None:
        """The wait was perhaps longer than the key lives: sent now, it would be another write."""
        if call.writes and state.last is not None and self.clock.monotonic() >= deadline:
            raise state.last

    def _close_attempt(self, call: Call, state: State, turn: Turn, watch: _Watch, record: Record) -> None:
        now = self.clock.monotonic()
        turn.sent = watch.trace.sent
        if turn.sent:
            state.sent += 1
            state.last_sent = watch.began
            state.first_sent = watch.began if state.first_sent is None else state.first_sent
        size = len(call.request.body or b"")
        record.attempted(state.attempts, now - watch.began, watch.trace, watch.status, watch.error, size)
        if isinstance(watch.error, ApiError) and watch.error.status == 429:
            self._close_gate(call, watch.error, record)

    def _close_gate(self, call: Call, error: ApiError, record: Record) -> None:
        """What one caller was told holds for all, whether this one tries again or not: a 429 of Chargebee's for its
        site, one of the gateway's for the account. A lock is about one resource alone."""
        wait = error.retry_after if error.retry_after is not None else call.retry.throttled_base_seconds
        if error.code is None:
            self._gates.close("account", None, wait)
            record.throttled("account", wait)
        elif error.code != "lock_timeout" and call.site is not None:
            self._gates.close("site", call.site, wait)
            record.throttled("site", wait)

    def _reaches(self, call: Call) -> bool:
        return call.proven or call.site in self._proven

    async def _ended(self, call: Call, read: Callable[[Response], T], error: GatewayClientError, state: State) -> T:
        """A call that failed: raises what it ends with, or gives the answer of a write that is found done."""
        if isinstance(error, DeadlineExceeded):
            error.attempts = state.attempts
            error.__cause__ = error.__cause__ or state.last
        if state.doubt is None:
            raise error
        can = state.ability(call, proven=self._reaches(call), at=self.clock.monotonic())
        if can == "keyed" and settles(error):
            raise error
        if call.lookup is not None and isinstance(error, ApiError) and effect(error, "body") in ("refused", "exists"):
            seen = await self._seen(call, call.lookup, state)
            if isinstance(seen, Response):
                return read(seen)
            if seen == "other" or (seen == "absent" and answered(state.doubt)):
                raise error
        if error is not state.doubt:
            error.__cause__ = error.__cause__ or state.doubt
        raise self._unknown(call, read, state) from error

    async def _seen(self, call: Call, lookup: Lookup, state: State) -> Response | Literal["other", "absent", "unclear"]:
        """What reading shows of a write within the time that is left: its answer, a record that is not of its making,
        none, or nothing that could be relied on."""
        left = state.began + call.retry.deadline_seconds - self.clock.monotonic()
        try:
            answer = await self._look(call, lookup, left)
        except GatewayClientError:
            return "unclear"
        if answer is None:
            return "absent"
        shows = shown(lookup, answer, state, self.clock.monotonic())
        return "unclear" if shows is None else answer if shows else "other"

    async def _look(self, call: Call, lookup: Lookup, seconds: float) -> Response | None:
        """The record that the write makes or changes; None when there is none."""
        retry = attrs.evolve(call.retry, deadline_seconds=max(seconds, 0.001))
        reading = attrs.evolve(
            call, request=lookup.request, writes=False, idempotency_key=None, named=None, lookup=None, retry=retry,
            doubt=None, first_sent=None,
        )  # fmt: skip
        try:
            return await self.send(reading, lambda response: response)
        except NotFound:
            return None

    def _unknown(self, call: Call, read: Callable[[Response], T], state: State) -> OutcomeUnknown:
        async def reconcile() -> T | None:
            if call.lookup is None:
                raise error
            answer = await self._look(call, call.lookup, call.retry.deadline_seconds)
            if answer is None:
                return None
            shows = shown(call.lookup, answer, state, self.clock.monotonic())
            if shows is None:
                raise error
            return read(answer) if shows else None

        async def retry() -> T:
            check_retry(error, self.clock)
            return await self.send(attrs.evolve(call, first_sent=state.first_sent, doubt=state.doubt), read)

        error = unknown(call, state, self.clock, (reconcile, retry))
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
    return attrs.evolve(timeouts, read_seconds=max(left, 0.001))


@attrs.frozen
class _Read(Generic[T]):
    value: T


@attrs.define
class _Watch:
    """One attempt while it runs."""

    began: float
    trace: Trace = attrs.field(factory=Trace)
    status: int | None = None
    error: BaseException | None = None

    def answered(self, response: Response) -> None:
        self.status = response.status
        self.trace.phase = "body"

    def broke(self, error: TransportError, label: str) -> None:
        """No usable answer: what the transport says and what the error says must agree."""
        self.error = error
        error.operation = label
        if error.sent != self.trace.sent:
            self.trace.phase = "sent" if error.sent else "unsent"
        if isinstance(error, InvalidResponse) and error.status is None:
            error.status = self.status
