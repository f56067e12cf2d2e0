"""Time for the sandbox: real by default, moved and driven by hand in tests."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from typing import Protocol

from attrs import frozen

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

    def travel(
        self, to: datetime | None = None, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> float:
        """Move ahead, never back, to a moment or by a span; gives the new time."""
        ...


@frozen
class _Sleeper:
    """One who waits on a clock until ``until``; it may be woken from any thread."""

    until: float
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]

    def wake(self) -> None:
        """End the sleep."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class SystemClock:
    """The machine's own clock, which :meth:`travel` can move ahead; from there on real time goes on.

    ``offset`` is how far it is ahead, in seconds; ``travels`` counts the journeys.
    """

    def __init__(self) -> None:
        self.offset: float = 0.0
        self.travels: int = 0
        self._sleepers: set[_Sleeper] = set()

    def now(self) -> float:
        """Unix time in seconds."""
        return time.time() + self.offset

    async def sleep(self, seconds: float) -> None:
        """Return when so many seconds have passed, really or by travelling."""
        loop = asyncio.get_running_loop()
        sleeper = _Sleeper(self.now() + seconds, loop, loop.create_future())
        timer = loop.call_later(max(0.0, seconds), sleeper._wake)
        self._sleepers.add(sleeper)
        try:
            await sleeper.future
        finally:
            timer.cancel()
            self._sleepers.discard(sleeper)

    def travel(
        self, to: datetime | None = None, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> float:
        """Move ahead, to an aware datetime or by a span; gives the new time in Unix seconds.

        What is due on the way happens before the sandbox is next looked at, each at its own time. May be called from
        any thread. Raises ``ValueError`` for a step back and for a datetime without a time zone.
        """
        self.offset += _span(self.now(), to, days, hours, minutes, seconds)
        self.travels += 1
        now = self.now()
        for sleeper in [one for one in self._sleepers.copy() if one.until <= now]:
            sleeper.wake()
        return now


class ManualClock:
    """A clock that stands still until it is moved; sleepers wake when their time has come.

    :meth:`advance` moves the clock alone: the seeded business stands still, and only what the test itself has made goes
    on. :meth:`travel` sets the seeded business going, too.
    """

    def __init__(self, start: float = SEED_EPOCH) -> None:
        self.travels: int = 0
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

    def travel(
        self, to: datetime | None = None, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> float:
        """As :meth:`SystemClock.travel`, on the loop's thread; the clock stands still where it arrives."""
        self.advance(_span(self._now, to, days, hours, minutes, seconds))
        self.travels += 1
        return self._now


def _span(now: float, to: datetime | None, days: float, hours: float, minutes: float, seconds: float) -> float:
    span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    if to is not None:
        if to.tzinfo is None:
            raise ValueError("the datetime needs a time zone")
        span += to.timestamp() - now
    if not span >= 0:
        raise ValueError(f"a clock only moves forward, got {span!r} seconds")
    return span
