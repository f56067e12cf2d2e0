"""Calls on their way through the limits, for as long as a test wants them there."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiochargebee_gw._gates import Gates, Passage

from .timers import settled

__all__ = ["Calls", "calls_through", "who"]


def who(site: str | None = "a", method: str = "GET", rank: int = 0, deadline: float = math.inf) -> Passage:
    """One who wants through."""
    return Passage(site=site, method=method, rank=rank, deadline=deadline, label="x")


class Calls:
    """Calls that stay under way until they are told to end."""

    def __init__(self, gates: Gates) -> None:
        self._gates = gates
        self.inside: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, name: str, passage: Passage) -> asyncio.Task[None]:
        self.ends[name] = asyncio.Event()
        task = asyncio.create_task(self._call(name, passage))
        self._tasks.append(task)
        await settled()
        return task

    async def _call(self, name: str, passage: Passage) -> None:
        async with self._gates.turn(passage) as turn:
            self.inside.append(name)
            await self.ends[name].wait()
            turn.sent = True

    async def end(self, *names: str) -> None:
        for name in names:
            self.ends[name].set()
        await settled()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def calls_through(gates: Gates) -> AsyncIterator[Calls]:
    """Calls that all end with the block, and then hold nothing."""
    calls = Calls(gates)
    try:
        yield calls
    finally:
        await calls.stop()
        assert gates._running == 0
        assert gates._turnstile.empty
