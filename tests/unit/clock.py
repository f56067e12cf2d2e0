"""A clock whose time passes only when somebody sleeps by it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import anyio
import anyio.lowlevel


class FakeClock:
    """`sleep` moves time at once, or waits for `hold` where it is set, and wakes up `late`, in seconds; `slept` keeps
    what was asked for."""

    def __init__(self) -> None:
        self.hold: anyio.Event | None = None
        self.late = 0.0
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.hold is not None:
            await self.hold.wait()
        self.now += max(0.0, seconds) + self.late
        await anyio.lowlevel.checkpoint()

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        return contextlib.nullcontext()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.Task[None]:
        async def later() -> None:
            await self.sleep(seconds)
            callback()

        return asyncio.get_running_loop().create_task(later())
