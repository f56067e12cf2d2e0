"""One event loop for one command, which signals end cleanly: temporary files go, servers stop."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from .._files import drop_parts
from ._output import interrupt

__all__ = ["run_loop"]

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


def run_loop(work: Coroutine[Any, Any, int]) -> int:
    """Run *work* to its end. After a signal it is cancelled, and the code is 128 and the signal's number."""
    told = _Told()
    with told.listening(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(told.heed(work))
        except asyncio.CancelledError:
            if told.number is None:
                raise
            return 128 + told.number


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop


class _Told:
    """What signals have said. `number` is the first that came.

    The handlers are Python's own, not the loop's: these come only when the loop is free, and it is not while a reader
    of stdout lets it wait.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._task: asyncio.Task[Any] | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        before: dict[int, Any] = {}
        for name in _NAMES:
            number = getattr(signal, name, None)
            # Under nohup, SIGHUP is ignored and must stay so, and so is SIGINT in the background. Only the main
            # thread can have handlers.
            if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                with contextlib.suppress(ValueError):
                    before[number] = signal.signal(number, self._hear)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def heed(self, work: Coroutine[Any, Any, int]) -> int:
        self._task = asyncio.current_task()
        if self.number is not None:
            work.close()
            raise asyncio.CancelledError
        return await work

    def _hear(self, number: int, frame: object) -> None:
        if self.number is not None:
            # Whoever asks twice does not want to wait for what hangs.
            drop_parts()
            os._exit(128 + self.number)
        self.number = number
        # Raises out of a write to a reader that stalls; this is the cancellation then.
        interrupt()
        if self._task is not None:
            self._task.cancel()
            self._task.get_loop().call_soon_threadsafe(_wake)


def _wake() -> None:
    """A loop that waits for its files does not see that a handler has run."""
