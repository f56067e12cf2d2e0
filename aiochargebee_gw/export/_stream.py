"""Lines down a pipe: one pass, and what is written is written.

A page is written by a thread while the next one is read: inflating and hashing need no interpreter, the rest does.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from itertools import compress
from queue import SimpleQueue
from typing import Any

import anyio

from ..pagination import Page, Pages
from ._lines import identity, lines
from ._lists import Listed
from ._output import Counted, Writable
from ._progress import Meter, Progress
from ._report import ExportReport
from ._state import PassState

__all__ = ["stream_to"]

_AHEAD = 2
_PATIENCE_SECONDS = 1.0


async def stream_to(
    pages: Pages[Any, Any], stream: Writable, *, whole: bool, progress: Callable[[Progress], None] | None
) -> ExportReport:
    """Write the rows of a list to *stream* as they come. What was under way when it fails has been written."""
    listed = Listed(pages)
    meter = Meter(listed.name, pages.stats, progress)
    run = _Run(stream, meter, whole=whole)
    try:
        async with pages.prefetch_pages(_AHEAD) as found:
            async for page in found:
                await run.take(page)
        await run.settle()
    finally:
        await run.aclose()
    return ExportReport(
        rows=meter.rows,
        repeated=run.repeated,
        pages=meter.pages,
        requests=meter.requests,
        seconds=meter.seconds,
        path=None,
        bytes=run.out.size,
        sha256=run.out.sha256,
        resource=listed.name,
    )


class _Run:
    """One export under way."""

    def __init__(self, stream: Writable, meter: Meter, *, whole: bool) -> None:
        self._stream = stream
        self._meter = meter
        self._whole = whole
        self._seen: set[bytes | None] = set()
        self._now = PassState(kind="full")
        self._writer = _Writer()
        self._writing: asyncio.Future[tuple[int, int]] | None = None
        self.out = Counted(self._send)
        self.repeated = 0

    async def take(self, page: Page[Any, Any]) -> None:
        """Begin to write a page, when the one before it is written."""
        await self.settle()
        self._writing = asyncio.wrap_future(self._writer.submit(lambda: self._write(page)))

    async def settle(self) -> None:
        """Wait until what was taken is written. Raises what writing it raised."""
        if self._writing is not None:
            # Cancelled here, the thread goes on, and is waited for once more.
            rows, size = await asyncio.shield(self._writing)
            self._writing = None
            self._meter.page(self._now, rows, size)

    async def aclose(self) -> None:
        """Wait a second for the thread, whatever becomes of its work: a reader that stalls must not hold the caller."""
        self._writer.close()
        if self._writing is not None:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([self._writing], timeout=_PATIENCE_SECONDS)
            if not self._writing.done():
                self._writing.cancel()
            elif not self._writing.cancelled():
                self._writing.exception()  # else asyncio would complain that nobody has looked

    def _news(self, ids: list[bytes | None]) -> list[bool]:
        """Which rows are not there yet; one without an id is always new."""
        found = set(ids)
        if len(found) == len(ids) and self._seen.isdisjoint(found):
            self._seen |= found - {None}
            return [True] * len(ids)
        return [self._is_new(id) for id in ids]

    def _is_new(self, id: bytes | None) -> bool:
        if id is None:
            return True
        if id in self._seen:
            self.repeated += 1
            return False
        self._seen.add(id)
        return True

    def _write(self, page: Page[Any, Any]) -> tuple[int, int]:
        """Write the rows of a page that are not there yet. Returns how many they are, and their bytes."""
        documents = page.documents
        rows = page.raw if self._whole else documents
        new = self._news([identity(document) for document in documents])
        if not all(new):
            rows = list(compress(rows, new))
        text = lines(rows)
        if text:
            self.out.write(text)
            flush = getattr(self._stream, "flush", None)
            if flush is not None:
                flush()
        return len(rows), len(text)

    def _send(self, data: bytes) -> None:
        # A stream without a buffer (`python -u`) may take a part when a signal comes in between.
        while data:
            taken = self._stream.write(data)
            data = data[taken:] if isinstance(taken, int) else b""


class _Writer:
    """A thread that does one thing after another. Python does not wait for it at its end, as it does for a pool's."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[tuple[Future[tuple[int, int]], Callable[[], tuple[int, int]]] | None] = SimpleQueue()
        threading.Thread(target=self._run, name="export", daemon=True).start()

    def submit(self, work: Callable[[], tuple[int, int]]) -> Future[tuple[int, int]]:
        future: Future[tuple[int, int]] = Future()
        self._tasks.put((future, work))
        return future

    def close(self) -> None:
        self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, work = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
