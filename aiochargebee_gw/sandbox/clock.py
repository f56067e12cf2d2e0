"""Time for the sandbox: real by default, driven by hand in tests."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

SEED_EPOCH = 1_767_225_600
"""2026-01-01T00:00:00Z: the "now" of all seeded data, so that one seed always gives the same bytes."""


class Clock(Protocol):
    """What the sandbox needs to know about time; seconds throughout."""

    def now(self) -> float:
        """Unix time in seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when ``seconds`` have passed on this clock."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Unix time in seconds."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """``asyncio.sleep``."""
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands still until :meth:`advance` moves it; sleepers wake when their time has come."""

    def __init__(self, start: float = SEED_EPOCH) -> None:
        self._now = float(start)
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Unix time in seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until ``advance`` has moved the clock by ``seconds``."""
        if seconds <= 0:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, future))
        await future

    @property
    def sleeping(self) -> int:
        """How many sleepers wait."""
        return sum(not future.done() for _, future in self._sleepers)

    def advance(self, seconds: float) -> None:
        """Move the clock forward; raises ``ValueError`` for a negative step. Call it on the loop's thread."""
        if seconds < 0:
            raise ValueError(f"a clock only moves forward, got {seconds!r} seconds")
        self._now += seconds
        due = [future for deadline, future in self._sleepers if deadline <= self._now]
        self._sleepers = [(deadline, future) for deadline, future in self._sleepers if deadline > self._now]
        for future in due:
            if not future.done():
                future.set_result(None)
