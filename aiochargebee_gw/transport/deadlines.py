"""Deadlines of many waits on one event loop, kept by one timer.

A timer of its own for each attempt (`asyncio.timeout`, or aiohttp's `total`) costs 7 to 8 microseconds, a tenth of a
whole request on a connection that is kept. Deadlines of attempts nearly always come in the order in which they were
set, and are nearly never reached: then one timer, set anew when it has fired, does for all of them.
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

    def within(self, seconds: float) -> Deadline:
        """A `with` block that ends with `TimeoutError` after *seconds*; the task in it is cancelled for that."""
        return Deadline(self, self.loop.time() + seconds)

    def close(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._rings = None, math.inf

    def add(self, deadline: Deadline) -> None:
        self._open.add(deadline)
        if deadline.at < self._rings:
            self._set(deadline.at)

    def remove(self, deadline: Deadline) -> None:
        self._open.discard(deadline)

    def _set(self, at: float) -> None:
        self.close()
        self._timer, self._rings = self.loop.call_at(at, self._ring), at

    def _ring(self) -> None:
        self.close()
        now = self.loop.time()
        for deadline in [deadline for deadline in self._open if deadline.at <= now]:
            self._open.discard(deadline)
            deadline.pass_()
        if self._open:
            self._set(min(deadline.at for deadline in self._open))


class Deadline:
    """One of them. It treats cancellations as `asyncio.timeout` does: one from elsewhere goes through."""

    __slots__ = ("_all", "_before", "_passed", "_task", "at")

    def __init__(self, every: Deadlines, at: float) -> None:
        self._all = every
        self._passed = False
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
        if self._passed and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def pass_(self) -> None:
        """The time has come."""
        self._passed = True
        self._task.cancel()
