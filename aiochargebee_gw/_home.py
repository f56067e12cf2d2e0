"""Where a client is used: one event loop at a time, in one process, until it is closed."""

from __future__ import annotations

import asyncio
import os
from types import TracebackType
from typing import Any

from ._call import State
from ._clock import Clock
from .errors import ConfigurationError, GatewayClientError

__all__ = ["Home", "Visit"]

_CLOSED = "this client is closed; make a new one, or use it in `async with`"
_BROKEN_OFF = "this client was closed while the call waited"


class Home:
    """The loop and the process that calls are made from, and the calls that are under way."""

    def __init__(self) -> None:
        self.closing: bool = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process: int | None = None
        # In the order in which they came: a call that looks something up for another one comes after it.
        self._inside: dict[Visit, None] = {}
        self._empty: asyncio.Event | None = None

    def visit(self, state: State | None = None) -> Visit:
        """The length of one call. Raises `ConfigurationError`, naming the cure, where a call must not be made.

        *state* tells whether bytes of the call have left; without it, the transport is what breaks the call off.
        """
        if self.closing:
            raise ConfigurationError(_CLOSED)
        process = os.getpid()
        if process != self._process or asyncio.get_running_loop() is not self._loop:
            self._move(asyncio.get_running_loop(), process)
        return Visit(self, state)

    async def drain(self, seconds: float, clock: Clock) -> None:
        """Let nobody in, and wait until all are out, up to *seconds*. Then those that wait for something here, and have
        nothing on its way, are broken off; the others are the transport's to break off."""
        self.closing = True
        if self._loop is not asyncio.get_running_loop():
            return
        try:
            if self._inside:
                if self._empty is None or self._empty.is_set():
                    self._empty = asyncio.Event()
                async with clock.timeout(seconds):
                    await self._empty.wait()
        except TimeoutError:
            pass
        finally:
            self._break_off()

    def enter(self, visit: Visit) -> None:
        self._inside[visit] = None

    def leave(self, visit: Visit) -> None:
        # It is not there any more when its loop has ended before it.
        self._inside.pop(visit, None)
        if self._empty is not None and not self._inside:
            self._empty.set()

    def _break_off(self) -> None:
        seen: set[asyncio.Task[Any]] = set()
        for visit in reversed(self._inside):
            # Of the calls of one task the last one is what it waits for.
            if visit.task not in seen:
                seen.add(visit.task)
                visit.break_off()

    def _move(self, loop: asyncio.AbstractEventLoop, process: int) -> None:
        if self._process is not None and process != self._process:
            raise ConfigurationError("this client was opened before a fork; make one in each process")
        if self._loop is not None and self._loop.is_running():
            raise ConfigurationError(
                "this client is in use on another running event loop; make one for each loop or thread"
            )
        # A loop that has ended took its calls with it.
        self._loop, self._process, self._inside, self._empty = loop, process, {}, None


class Visit:
    """One call while it is under way: a `with` block."""

    __slots__ = ("_before", "_broken", "_home", "_state", "task")

    def __init__(self, home: Home, state: State | None) -> None:
        self._home = home
        self._state = state
        self._broken = False

    def __enter__(self) -> Visit:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task is None:
            raise ConfigurationError("a call is made from within a task")
        self.task: asyncio.Task[Any] = task
        self._before = task.cancelling()
        self._home.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._home.leave(self)
        # A call that is broken off may end in another way: its cancellation must not stay behind.
        self.ended_here()

    def break_off(self) -> None:
        """End the call, unless bytes of it have left: then what they do there must be found out."""
        # Once: of two closings at a time, the second's cancellation would pass for somebody else's.
        if self._state is not None and not self._state.trace.sent and not self._broken:
            self._broken = True
            self.task.cancel()

    def ended_here(self) -> bool:
        """Whether a cancellation is that of `break_off`, and nobody else's. To be asked once: it takes that back."""
        broken, self._broken = self._broken, False
        return broken and self.task.uncancel() <= self._before

    def meant(self, error: GatewayClientError | asyncio.CancelledError) -> GatewayClientError:
        """What *error* means to whoever made the call. A cancellation from elsewhere goes through."""
        if isinstance(error, GatewayClientError):
            return error
        if not self.ended_here():
            raise error
        return ConfigurationError(_BROKEN_OFF)
