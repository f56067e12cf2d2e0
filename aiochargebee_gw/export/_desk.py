"""A journal on a thread of its own: the event loop never waits for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import anyio

from ._journal import Journal
from ._keys import Row
from ._state import ListState

__all__ = ["Desk", "cancellations", "outlast"]

P = ParamSpec("P")
T = TypeVar("T")


class Desk:
    """Opens the journal at *path* when it is entered; `run` does things with it, one after another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._abandoned = self._opened = False
        self.drop = False
        """Whether the journal goes when it is closed."""

    async def __aenter__(self) -> Desk:
        opening = self._executor.submit(Journal, self.path)
        try:
            self.journal = await asyncio.shield(asyncio.wrap_future(opening))
        except BaseException:
            # Cancelled, it may be open in a moment, and nobody would close it.
            opening.add_done_callback(_close)
            self._executor.shutdown(wait=False)
            raise
        self._opened = True
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        closing = self.begin(self.journal.close, drop=self.drop)
        self._executor.shutdown(wait=False)
        if not self._abandoned:
            # Whoever comes next must find the journal free.
            await outlast(closing, late=kind is None)

    @property
    def is_new(self) -> bool:
        """Whether the journal was made here."""
        return self._opened and self.journal.is_new

    def begin(self, what: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Begin *what* in the thread."""
        future = asyncio.wrap_future(self._executor.submit(what, *args, **kwargs))
        # Who was cancelled may not ask any more how it ended.
        future.add_done_callback(_heard)
        return future

    async def run(self, what: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do *what* in the thread. Cancelled, it stops waiting; what was begun goes on there."""
        return await self.begin(what, *args, **kwargs)

    def commit(self, resource: str, rows: list[Row], state: ListState) -> asyncio.Future[tuple[int, int]]:
        """Begin a commit, `Journal.commit`."""
        return self.begin(self.journal.commit, resource, rows, state)

    def abandon(self) -> None:
        """Do not wait for the thread when leaving: it may hang in the disk, and has been told to stop."""
        self._abandoned = True


async def outlast(work: asyncio.Future[T], *, late: bool = False, since: int | None = None) -> T:
    """Wait for the end of *work*, whatever cancellations come meanwhile, asyncio's own or anyio's.

    They are raised then. Where *late* says that they come too late for what has succeeded, they are taken back, and
    with *since* those before them: what `cancellations` said when none had come.
    """
    before = cancellations() if since is None else since
    cancelled: asyncio.CancelledError | None = None
    # anyio's would come again and again.
    with anyio.CancelScope(shield=True):
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None and (not late or work.exception() is not None):
        raise cancelled
    found = work.result()
    while late and cancellations() > before:
        _task().uncancel()
    return found


def cancellations() -> int:
    """How often the task that runs was cancelled by asyncio's means."""
    return _task().cancelling()


def _task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    if task is None:
        raise AssertionError("a coroutine runs in a task")
    return task


def _heard(work: asyncio.Future[Any]) -> None:
    if not work.cancelled():
        work.exception()


def _close(opening: Future[Journal]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
