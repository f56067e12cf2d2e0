"""A clock that a test winds: what is due by it happens in its order, and nothing happens by itself."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import attrs

__all__ = ["WoundClock", "settled"]

_TURNS = 60


@attrs.frozen(order=True)
class _Due:
    at: float
    number: int
    act: Callable[[], object] = attrs.field(order=False)
    of: list[_Due] = attrs.field(order=False)

    def cancel(self) -> None:
        if self in self.of:
            self.of.remove(self)


async def settled() -> None:
    """Let every task go on as far as it can. None here waits for more than this loop, and none takes so many turns."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class WoundClock:
    """`due` is what is to happen, but for what has an infinite time left."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list[_Due] = []
        self._numbers = itertools.count()

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now

    async def sleep(self, seconds: float) -> None:
        over = asyncio.get_running_loop().create_future()
        self.call_later(seconds, lambda: over.set_result(None))
        await over

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncIterator[None]:
        async with asyncio.timeout(None) as scope:
            end = self.call_later(seconds, lambda: scope.reschedule(0.0)) if seconds < float("inf") else None
            try:
                yield
            finally:
                if end is not None:
                    end.cancel()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> _Due:
        made = _Due(self.now + seconds, next(self._numbers), callback, self.due)
        self.due.append(made)
        return made

    async def advance(self, seconds: float) -> None:
        """Let time pass, and all happen that is due meanwhile."""
        end = self.now + seconds
        while self.due and (first := min(self.due)).at <= end:
            self.due.remove(first)
            self.now = first.at
            first.act()
            await settled()
        self.now = end
        await settled()
