"""Where calls wait for their place in a limit: by priority, and first come, first served within one."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math

import anyio
import attrs

from ._clock import Clock
from ._policy.limits import Window
from .errors import DeadlineExceeded

__all__ = ["Turn", "Turnstile"]


@attrs.define(eq=False)
class Turn:
    """A place in the limits. With `sent` the attempt may have reached the server: only then is its place counted.

    `waited` is how long it took to get it, in seconds.
    """

    sent: bool = False
    waited: float = 0.0


@attrs.define(order=True)
class _Ticket:
    """A place in the queue. `called` is set when the one in front has gone."""

    rank: int
    number: int
    called: anyio.Event = attrs.field(factory=anyio.Event, order=False)


class Turnstile:
    """A `Window` that can be waited at. A waiter that is cancelled leaves the queue as if it had never come."""

    def __init__(self, window: Window, clock: Clock) -> None:
        self.window = window
        self._clock = clock
        self._numbers = itertools.count()
        self._queue: list[_Ticket] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def try_enter(self) -> bool:
        """Take a place if there is one and nobody waits for it."""
        self._forget_a_closed_loop()
        return not self._queue and not self.window.take(self._clock.monotonic())

    async def enter(self, rank: int, deadline: float, label: str) -> None:
        """Wait for a place; the lower *rank* goes first. Raises `DeadlineExceeded` as soon as it is certain that none
        comes in time."""
        self._loop = asyncio.get_running_loop()
        ticket = _Ticket(rank, next(self._numbers))
        heapq.heappush(self._queue, ticket)
        try:
            while not await self._pass(ticket, deadline, label):
                pass
        finally:
            if ticket in self._queue:
                self._queue.remove(ticket)
                heapq.heapify(self._queue)
                self._call()

    async def _pass(self, ticket: _Ticket, deadline: float, label: str) -> bool:
        """One look at the window, from the front of the queue; False after waiting."""
        if self._queue[0] is ticket:
            now = self._clock.monotonic()
            wait = self.window.take(now)
            if not wait:
                return True
            if now >= deadline or (math.isfinite(wait) and now + wait > deadline):
                raise DeadlineExceeded("the limits leave no time for another attempt", operation=label)
            if math.isfinite(wait):
                await self._clock.sleep(wait)
                return False
        # Each waits for its own call alone: to be in front, or for a place to be given back while it is.
        ticket.called = anyio.Event()
        await ticket.called.wait()
        return False

    def leave(self, turn: Turn) -> None:
        """Give a place back."""
        self.window.give_back(self._clock.monotonic(), sent=turn.sent)
        self._call()

    def _call(self) -> None:
        if self._queue and self._loop is not None and not self._loop.is_closed():
            self._queue[0].called.set()

    def _forget_a_closed_loop(self) -> None:
        """Who waited on a loop that was closed under it waits for nothing any more."""
        if self._queue and self._loop is not None and self._loop.is_closed():
            self._queue.clear()
