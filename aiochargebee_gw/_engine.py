"""The only loop: limit, send, read, decide, sleep. Everything it decides by is a pure function elsewhere."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Generic, TypeVar

import anyio
import attrs

from ._clock import Clock
from ._policy.limits import Window
from ._policy.outcome import KEY_SECONDS, settles, verdict
from ._policy.retry import Again, Budget, decide
from ._turnstile import Turn, Turnstile
from ._wire.failure import failure
from ._wire.message import Request, Response
from .errors import (
    ApiError,
    DeadlineExceeded,
    GatewayClientError,
    InvalidResponse,
    OutcomeUnknown,
    TransportError,
)
from .observe import AttemptFinished, CallFinished, Event, Observer, Stats, Waited
from .settings import Limits, Retry, Timeouts
from .transport.base import Transport

__all__ = ["Call", "Engine"]

T = TypeVar("T")

_log = logging.getLogger("aiochargebee_gw")


@attrs.frozen(kw_only=True)
class Call:
    """One logical call: the request that every attempt sends, and what may be done with it.

    *safe* is True for reads, *trusted* when the idempotency key is known to reach Chargebee. *site* names the
    connection whose limit counts the call; None for the control plane, which has none.
    """

    request: Request
    safe: bool
    trusted: bool = False
    site: str | None = None
    control: bool = False
    retry: Retry
    timeouts: Timeouts
    idempotency_key: str | None = None
    rank: int = 0
    """Who goes first where calls wait for a limit: 0 before 1."""


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
        self._limits = limits
        self.clock: Clock = clock
        self._draw = draw
        self._observers = tuple(observers)
        self._account = Turnstile(Window(limits.account_per_second, 1.0), clock)
        self._sites: dict[str, Turnstile] = {}
        self._concurrency = anyio.CapacityLimiter(limits.concurrency)
        self._budget = Budget()
        self.stats: Stats = Stats()

    async def send(self, call: Call, read: Callable[[Response], T]) -> T:
        """What *read* makes of the answer of a call that succeeded; it may raise `DecodeError`.

        Raises the error of the last attempt, `DeadlineExceeded` when there was no time for one, or `OutcomeUnknown` for
        a write that is in doubt, whatever came after the attempt that put it there.
        """
        state = _State(began=self.clock.monotonic())
        self.stats.calls += 1
        self._budget.called(state.began)
        failed: str | None = None
        try:
            return await self._repeat(call, read, state)
        except GatewayClientError as error:
            settled = _settled(call, error, state)
            failed = type(settled).__name__
            if settled is error:
                raise
            raise settled from error
        except BaseException as error:
            failed = type(error).__name__
            raise
        finally:
            seconds = self.clock.monotonic() - state.began
            self._tell(
                CallFinished(operation=call.request.label, attempts=state.attempts, seconds=seconds, error=failed)
            )

    async def _repeat(self, call: Call, read: Callable[[Response], T], state: _State) -> T:
        while True:
            outcome = await self._attempt(call, read, state)
            if isinstance(outcome, _Read):
                return outcome.value
            state.last = outcome
            await self._pause_or_raise(call, outcome, state)

    async def _pause_or_raise(self, call: Call, error: GatewayClientError, state: _State) -> None:
        now = self.clock.monotonic()
        left = state.began + call.retry.deadline_seconds - now
        step = decide(call.retry, error, attempt=state.attempts, left=left, jitter=self._draw())
        again = now + (step.wait if isinstance(step, Again) else 0.0)
        trusted = call.trusted and (state.first_sent is None or again - state.first_sent < KEY_SECONDS)
        if verdict(error, safe=call.safe, trusted=False) == "unknown":
            state.doubt = error
        if verdict(error, safe=call.safe, trusted=trusted) != "resend" or (state.doubt is not None and not trusted):
            raise error
        if not isinstance(step, Again) or not self._budget.take(call.retry, now):
            if left <= 0:
                raise DeadlineExceeded("the deadline has passed", operation=call.request.label)
            raise error
        self.stats.retries += 1
        await self._wait(call, step.wait, "retry")

    async def _attempt(self, call: Call, read: Callable[[Response], T], state: _State) -> _Read[T] | GatewayClientError:
        deadline = state.began + call.retry.deadline_seconds
        if state.doubt is not None and state.first_sent is not None:
            deadline = min(deadline, state.first_sent + KEY_SECONDS)
        async with self._turn(call, deadline) as turn:
            if state.doubt is not None and self.clock.monotonic() >= deadline:
                # The wait was longer than the key lives: sent now, it would be another write.
                turn.sent = False
                raise state.doubt
            state.attempts += 1
            began = self.clock.monotonic()
            watch = _Watch(call.request.label, state.attempts, began)
            try:
                response = await self._transport.send(call.request, _within(call.timeouts, deadline - began))
                watch.status = response.status
                if error := failure(response, call.request.label, control=call.control):
                    watch.error = error
                    return error
                return _Read(read(response))
            except TransportError as raised:
                turn.sent = raised.sent
                watch.error = raised
                raised.operation = call.request.label
                if isinstance(raised, InvalidResponse) and raised.status is None:
                    raised.status = watch.status
                return raised
            except BaseException as raised:
                watch.error = raised
                raise
            finally:
                self._ended(call, state, turn, watch)

    def _ended(self, call: Call, state: _State, turn: Turn, watch: _Watch) -> None:
        now = self.clock.monotonic()
        if turn.sent:
            state.sent += 1
            state.first_sent = watch.began if state.first_sent is None else state.first_sent
            self.stats.attempts += 1
        if isinstance(watch.error, ApiError) and watch.error.status == 429:
            self.stats.rate_limited += 1
            self._close_gate(call, watch.error, now)
        self._tell(watch.finished(now))

    @asynccontextmanager
    async def _turn(self, call: Call, deadline: float) -> AsyncIterator[Turn]:
        """A place in every limit that counts the call, given back whatever happens.

        Where places are free they are taken without a pause of the loop: a page that is fetched ahead must be on its
        way before the one in hand is decoded.
        """
        turn = Turn()
        # The site first: a site that is throttled must not hold the places that all sites share.
        gates = [*([self._site(call.site)] if call.site is not None else ()), self._account]
        began = self.clock.monotonic()
        async with AsyncExitStack() as held:
            async with self._in_time(deadline - began, call):
                for gate in gates:
                    if not gate.try_enter():
                        await gate.enter(call.rank, deadline, call.request.label)
                    held.callback(gate.leave, turn)
                await self._concur(turn)
                held.callback(self._concurrency.release_on_behalf_of, turn)
            self._count_wait(call, self.clock.monotonic() - began)
            turn.sent = True
            yield turn

    async def _concur(self, turn: Turn) -> None:
        try:
            self._concurrency.acquire_on_behalf_of_nowait(turn)
        except anyio.WouldBlock:
            await self._concurrency.acquire_on_behalf_of(turn)

    @asynccontextmanager
    async def _in_time(self, seconds: float, call: Call) -> AsyncIterator[None]:
        try:
            async with self.clock.timeout(max(0.0, seconds)):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded("the limits left no time for an attempt", operation=call.request.label) from error

    def _site(self, site: str) -> Turnstile:
        if site not in self._sites:
            per_minute = self._limits.site_per_minute
            window = Window(math.inf if per_minute is None else per_minute, 60.0)
            self._sites[site] = Turnstile(window, self.clock)
        return self._sites[site]

    def _close_gate(self, call: Call, error: ApiError, now: float) -> None:
        """What one caller was told holds for all, whether this one tries again or not: a 429 of Chargebee's for its
        site, one of the gateway's for the account. A lock is about one resource alone."""
        wait = error.retry_after if error.retry_after is not None else call.retry.throttled_base_seconds
        if error.code is None:
            self._account.window.close(now + wait)
        elif error.code != "lock_timeout" and call.site is not None:
            self._site(call.site).window.close(now + wait)

    def _count_wait(self, call: Call, seconds: float) -> None:
        if seconds > 0:
            self.stats.waited_seconds += seconds
            self._tell(Waited(operation=call.request.label, seconds=seconds, reason="limit"))

    async def _wait(self, call: Call, seconds: float, reason: str) -> None:
        self.stats.waited_seconds += seconds
        self._tell(Waited(operation=call.request.label, seconds=seconds, reason=reason))
        await self.clock.sleep(seconds)

    def _tell(self, event: Event) -> None:
        for observer in self._observers:
            try:
                observer(event)
            except Exception:
                # A write that succeeded must not fail because of who watches it.
                _log.exception("an observer failed")


def _within(timeouts: Timeouts, left: float) -> Timeouts:
    """The timeouts of an attempt, none beyond what is left for the whole call."""
    if timeouts.read_seconds <= left:
        return timeouts
    return attrs.evolve(timeouts, read_seconds=max(left, 0.001))


@attrs.define
class _State:
    """What is known of a call so far. `sent` counts the attempts that reached the network, `doubt` is the failure after
    which a write may have happened."""

    began: float
    attempts: int = 0
    sent: int = 0
    first_sent: float | None = None
    last: GatewayClientError | None = None
    doubt: GatewayClientError | None = None


@attrs.frozen
class _Read(Generic[T]):
    value: T


@attrs.define
class _Watch:
    """One attempt, for whoever observes it."""

    label: str
    number: int
    began: float
    status: int | None = None
    error: BaseException | None = None

    def finished(self, now: float) -> AttemptFinished:
        return AttemptFinished(
            operation=self.label,
            attempt=self.number,
            seconds=now - self.began,
            status=self.status,
            error=type(self.error).__name__ if self.error else None,
        )


def _settled(call: Call, error: GatewayClientError, state: _State) -> GatewayClientError:
    """The error that a call ends with: *error*, or `OutcomeUnknown` when an attempt left a write in doubt."""
    if isinstance(error, DeadlineExceeded):
        error.attempts = state.attempts
        error.__cause__ = error.__cause__ or state.last
    if state.doubt is None or settles(error):
        return error
    doubt = state.doubt
    status = doubt.status if isinstance(doubt, InvalidResponse) else None
    return OutcomeUnknown(
        f"the outcome of this write is unknown ({type(doubt).__name__})",
        operation=call.request.label,
        idempotency_key=call.idempotency_key,
        attempts=state.sent,
        likely_done=status is not None and 200 <= status < 300,
    )
