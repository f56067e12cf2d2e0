"""Where a client is used: one event loop at a time, in one process, until it is closed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ._clock import Clock
from .errors import ConfigurationError

__all__ = ["Home"]


class Home:
    """The loop and the process that calls are made from, and how many are under way."""

    def __init__(self) -> None:
        self.closing: bool = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process: int | None = None
        self._inside = 0
        self._empty: asyncio.Event | None = None

    @contextmanager
    def visit(self) -> Iterator[None]:
        """The length of one call. Raises `ConfigurationError`, naming the cure, where a call must not be made."""
        self._check()
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside and self._empty is not None:
                self._empty.set()

    async def drain(self, seconds: float, clock: Clock) -> None:
        """Let nobody in, and wait until all are out, up to *seconds*."""
        self.closing = True
        if self._inside and self._loop is asyncio.get_running_loop():
            self._empty = asyncio.Event()
            try:
                async with clock.timeout(seconds):
                    await self._empty.wait()
            except TimeoutError:
                pass

    def _check(self) -> None:
        if self.closing:
            raise ConfigurationError("this client is closed; make a new one, or use it in `async with`")
        loop, process = asyncio.get_running_loop(), os.getpid()
        if self._process is not None and process != self._process:
            raise ConfigurationError("this client was opened before a fork; make one in each process")
        if loop is not self._loop:
            if self._loop is not None and self._loop.is_running():
                raise ConfigurationError(
                    "this client is in use on another running event loop; make one for each loop or thread"
                )
            # A loop that has ended took its calls with it.
            self._loop, self._process, self._inside, self._empty = loop, process, 0, None
