"""The only loop: limit, send, read, decide, sleep. Everything it decides by is a pure function elsewhere."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import attrs

from ._clock import Clock
from ._policy.limits import Window
from ._policy.outcome import verdict
from ._policy.retry import Again, Budget, decide
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

    async def send(self, call: Call) -> Response:
        """The answer of a call that succeeded. Raises the error of the last attempt, `DeadlineExceeded` when there was
        no time for one, or `OutcomeUnknown` for a write in doubt."""
        began = self.clock.monotonic()
        self.stats.calls += 1
        self._budget.called(began)
        attempts = 0
        error: GatewayClientError | None = None
        try:
            while True:
                attempts += 1
                outcome = await self._attempt(call, attempts, deadline=began + call.retry.deadline_seconds)
                if isinstance(outcome, Response):
                    error = None
                    return outcome
                error = outcome
                await self._pause_or_raise(call, error, attempts, began)
        except GatewayClientError as raised:
            error = raised
            raise
        finally:
            failed = type(error).__name__ if error else None
            seconds = self.clock.monotonic() - began
            self._tell(CallFinished(operation=call.request.label, attempts=attempts, seconds=seconds, error=failed))

    async def _pause_or_raise(self, call: Call, error: GatewayClientError, attempts: int, began: float) -> None:
        fate = verdict(error, safe=call.safe, trusted=call.trusted)
        if fate == "unknown":
            raise _unknown(call, error, attempts) from error
        if fate == "final":
            raise error
        now = self.clock.monotonic()
        left = began + call.retry.deadline_seconds - now
        step = decide(call.retry, error, attempt=attempts, left=left, jitter=self._draw())
        if not isinstance(step, Again) or not self._budget.take(call.retry, now):
            raise self._last(call, error, attempts, left)
        self.stats.retries += 1
        if _rejected(error):
            self._close_gate(call, error, now + step.wait)
        await self._wait(call, step.wait, "retry")

    def _last(self, call: Call, error: GatewayClientError, attempts: int, left: float) -> GatewayClientError:
        """The error that ends a call; a trusted write that stayed in doubt to its last attempt stays in doubt."""
        last: GatewayClientError = error
        if verdict(error, safe=call.safe, trusted=False) == "unknown":
            last = _unknown(call, error, attempts)
        elif left <= 0:
            last = DeadlineExceeded("the deadline has passed", attempts=attempts, operation=call.request.label)
        if last is not error:
            last.__cause__ = error
        return last

    async def _attempt(self, call: Call, number: int, *, deadline: float) -> Response | GatewayClientError:
        label = call.request.label
        async with self._turn(call, deadline) as turn:
            began = self.clock.monotonic()
            self.stats.attempts += 1
            status: int | None = None
            error: GatewayClientError | None = None
            try:
                response = await self._transport.send(call.request, _within(call.timeouts, deadline - began))
                status = response.status
                error = failure(response, label, control=call.control)
                return error or response
            except TransportError as raised:
                turn.sent = raised.sent
                raised.operation = label
                error = raised
                return raised
            finally:
                if _rejected(error):
                    self.stats.rate_limited += 1
                failed = type(error).__name__ if error else None
                seconds = self.clock.monotonic() - began
                self._tell(
                    AttemptFinished(operation=label, attempt=number, seconds=seconds, status=status, error=failed)
                )

    @asynccontextmanager
    async def _turn(self, call: Call, deadline: float) -> AsyncIterator[Turn]:
        """A place in every limit that counts the call, given back whatever happens.

        Where places are free they are taken without a pause of the loop: a page that is fetched ahead must be on its
        way before the one in hand is decoded.
        """
        turn = Turn()
        gates = [self._account, *([self._site(call.site)] if call.site is not None else ())]
        began = self.clock.monotonic()
        async with AsyncExitStack() as held:
            async with self._in_time(deadline - began, call):
                await self._concur(turn)
                held.callback(self._concurrency.release_on_behalf_of, turn)
                for gate in gates:
                    if not gate.try_enter():
                        await gate.enter(deadline, call.request.label)
                    held.callback(gate.leave, turn)
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

    def _close_gate(self, call: Call, error: GatewayClientError, until: float) -> None:
        """A 429 of Chargebee's is about its site, one of the gateway's about the account."""
        site = call.site is not None and isinstance(error, ApiError) and error.code is not None
        gate = self._site(call.site) if site and call.site is not None else self._account
        if not (isinstance(error, ApiError) and error.code == "lock_timeout"):
            gate.window.close(until)

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
            observer(event)


@attrs.define(eq=False)
class Turn:
    """Whether the attempt reached the network: one that did not leaves its place in the limits free."""

    sent: bool = False


class Turnstile:
    """A `Window` that can be waited at, first come, first served."""

    def __init__(self, window: Window, clock: Clock) -> None:
        self.window = window
        self._clock = clock
        self._queue = anyio.Lock()
        self._freed = anyio.Event()

    def try_enter(self) -> bool:
        """Take a place if there is one and nobody waits for it."""
        return not self._queue.locked() and not self.window.take(self._clock.monotonic())

    async def enter(self, deadline: float, label: str) -> None:
        """Wait for a place. Raises `DeadlineExceeded` as soon as it is certain that none comes in time."""
        async with self._queue:
            while wait := self.window.take(now := self._clock.monotonic()):
                if now >= deadline or (math.isfinite(wait) and now + wait > deadline):
                    raise DeadlineExceeded("the limits leave no time for another attempt", operation=label)
                if math.isfinite(wait):
                    await self._clock.sleep(wait)
                else:
                    self._freed = anyio.Event()
                    await self._freed.wait()

    def leave(self, turn: Turn) -> None:
        """Give a place back."""
        self.window.give_back(self._clock.monotonic(), sent=turn.sent)
        self._freed.set()


def _within(timeouts: Timeouts, left: float) -> Timeouts:
    """The timeouts of an attempt, none beyond what is left for the whole call."""
    if timeouts.read_seconds <= left:
        return timeouts
    return attrs.evolve(timeouts, read_seconds=max(left, 0.001))


def _rejected(error: GatewayClientError | None) -> bool:
    return isinstance(error, ApiError) and error.status == 429


def _unknown(call: Call, error: GatewayClientError, attempts: int) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"the outcome of this write is unknown ({type(error).__name__})",
        operation=call.request.label,
        idempotency_key=call.idempotency_key,
        attempts=attempts,
        likely_done=isinstance(error, InvalidResponse) and (error.status is None or error.status < 300),
    )
