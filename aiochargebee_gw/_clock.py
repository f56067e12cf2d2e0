"""The clock that everything waits by, so that a test can be the one who moves time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

__all__ = ["Clock", "SystemClock", "Timer"]


class Timer(Protocol):
    """Something that will happen, until it is cancelled."""

    def cancel(self) -> object: ...


class Clock(Protocol):
    """`monotonic()` in seconds from an unknown start, never going back; `sleep(seconds)` lets the loop run.

    `wall()` is Unix time, in seconds: what people and other processes are told, never what is waited by.
    """

    def monotonic(self) -> float: ...

    def wall(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """A block that ends with `TimeoutError` after *seconds*."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Have the running loop call *callback* in *seconds*."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(max(0.0, seconds), callback)
