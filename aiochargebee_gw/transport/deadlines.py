"""Deadlines of many waits on one event loop, kept by one timer.

A timer of its own for each attempt (`asyncio.timeout`, or aiohttp's `total`) costs 7 to 8 microseconds, a tenth of a
whole request on a connection that is kept. Deadlines of attempts nearly always come in the order in which they were
set, and are nearly never reached: then one timer, set anew when it has fired, does for all of them.

Closing ends what is under way, too. aiohttp does not: whoever reads a body when its session is closed reads for ever.
"""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Any

from ..errors import ConfigurationError

__all__ = ["Deadline", "Deadlines"]


class Deadlines:
    """The deadlines of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: asyncio.AbstractEventLoop = loop
        self._open: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._rings = math.inf
        self._closed = False

    def within(self, seconds: float) -> Deadline:
        """A `with` block that ends with `TimeoutError` after *seconds*, and with `ConnectionAbortedError` when all are
        closed; the task in it is cancelled for that."""
        return Deadline(self, self.loop.time() + seconds)

    def close(self) -> None:
        """End them all, and let none begin."""
        self._closed = True
        self._stop()
        ended, self._open = self._open, set()
        for deadline in ended:
            deadline.end(ConnectionAbortedError)

    def add(self, deadline: Deadline) -> None:
        if self._closed:
            raise ConnectionAbortedError
        self._open.add(deadline)
        if deadline.at < self._rings:
            self._set(deadline.at)

    def remove(self, deadline: Deadline) -> None:
        self._open.discard(deadline)

    def _set(self, at: float) -> None:
        self._stop()
        self._timer, self._rings = self.loop.call_at(at, self._ring), at

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._rings = None, math.inf

    def _ring(self) -> None:
        self._stop()
        now = self.loop.time()
        for deadline in [deadline for deadline in self._open if deadline.at <= now]:
            self._open.discard(deadline)
            deadline.end(TimeoutError)
        if self._open:
            self._set(min(deadline.at for deadline in self._open))


class Deadline:
    """One of them. It treats cancellations as `asyncio.timeout` does: one from elsewhere goes through."""

    __slots__ = ("_all", "_before", "_error", "_task", "at")

    def __init__(self, every: Deadlines, at: float) -> None:
        self._all = every
        self._error: type[OSError] | None = None
        self.at: float = at

    def __enter__(self) -> None:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task is None:
            raise ConfigurationError("a call is made from within a task")
        self._task = task
        self._before = task.cancelling()
        self._all.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all.remove(self)
        if self._error is not None and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise self._error from error

    def end(self, error: type[OSError]) -> None:
        """Break the block off: *error* is what it raises."""
        self._error = error
        self._task.cancel()
