"""A journal on a thread of its own: the event loop never waits for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import anyio

from ._journal import Journal
from ._keys import Row
from ._state import ListState

__all__ = ["Desk"]

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

    async def __aexit__(self, *exc: object) -> None:
        closing = self._executor.submit(self.journal.close, drop=self.drop)
        self._executor.shutdown(wait=False)
        if not self._abandoned:
            # Whoever comes next must find the journal free.
            with anyio.CancelScope(shield=True):
                await asyncio.wrap_future(closing)

    @property
    def is_new(self) -> bool:
        """Whether the journal was made here."""
        return self._opened and self.journal.is_new

    async def run(self, what: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do *what* in the thread. Cancelled, it stops waiting; what was begun goes on there."""
        return await asyncio.wrap_future(self._executor.submit(what, *args, **kwargs))

    def commit(self, resource: str, rows: list[Row], state: ListState) -> asyncio.Future[tuple[int, int]]:
        """Begin a commit, `Journal.commit`."""
        return asyncio.wrap_future(self._executor.submit(self.journal.commit, resource, rows, state))

    def abandon(self) -> None:
        """Do not wait for the thread when leaving: it may hang in the disk, and has been told to stop."""
        self._abandoned = True


def _close(opening: Future[Journal]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
