"""Lines down a pipe: one pass, and what is written is written.

Pages become lines on the loop, half a millisecond each; a thread hashes and writes them. What needs the interpreter is
not split between two threads: each time it goes from one to the other costs as much as it saves.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import compress
from queue import SimpleQueue
from typing import Any

import anyio

from .._wire.document import check_text
from ..pagination import Page, Pages
from ._lines import identities, lines
from ._lists import Listed
from ._output import Counted, Writable
from ._progress import Meter, Progress
from ._report import ExportReport
from ._state import PassState

__all__ = ["stream_to"]

_AHEAD = 2
_MOST_WAITING_BYTES = 1 << 20
_PATIENCE_SECONDS = 1.0


async def stream_to(
    pages: Pages[Any, Any], stream: Writable, *, whole: bool, progress: Callable[[Progress], None] | None
) -> ExportReport:
    """Write the rows of a list to *stream* as they come. What was under way when it fails has been written."""
    listed = Listed(pages)
    meter = Meter(listed.name, pages.stats, progress)
    writer = _Writer(stream)
    news = _News()
    now = PassState(kind="full")
    try:
        async with pages.prefetch_pages(_AHEAD) as found:
            async for page in found:
                rows, text = _text(page, news, whole=whole)
                await writer.put(text)
                meter.page(now, rows, len(text))
        await writer.settle()
    finally:
        await writer.aclose()
    return ExportReport(
        rows=meter.rows,
        repeated=news.repeated,
        pages=meter.pages,
        requests=meter.requests,
        seconds=meter.seconds,
        path=None,
        bytes=writer.out.size,
        sha256=writer.out.sha256,
        resource=listed.name,
    )


def _text(page: Page[Any, Any], news: _News, *, whole: bool) -> tuple[int, bytes]:
    """The rows of a page that are not there yet: how many, and as lines."""
    unbroken = page._listing.unbroken
    documents = page._spans() if unbroken else page.documents
    rows = page.raw if whole else documents
    new = news.of(identities(documents))
    if not all(new):
        rows = list(compress(rows, new))
    text = lines(rows, unbroken=unbroken)
    check_text(text)
    return len(rows), text


class _News:
    """Knows the rows that have come; `repeated` counts those that came again."""

    def __init__(self) -> None:
        self._seen: set[bytes | None] = set()
        self.repeated = 0

    def of(self, ids: list[bytes | None]) -> list[bool]:
        """Which rows are not there yet; one without an id is always new."""
        if None not in ids and self._seen.isdisjoint(ids):
            known = len(self._seen)
            self._seen.update(ids)
            if len(self._seen) == known + len(ids):
                return [True] * len(ids)
            self._seen.difference_update(ids)
        return [self._is_new(id) for id in ids]

    def _is_new(self, id: bytes | None) -> bool:
        if id is None:
            return True
        if id in self._seen:
            self.repeated += 1
            return False
        self._seen.add(id)
        return True


class _Writer:
    """A thread that hashes and writes what it is given. Python does not wait for it at its end, as it does for a
    pool's: a reader that stalls must not hold the process."""

    def __init__(self, stream: Writable) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._texts: SimpleQueue[bytes | None] = SimpleQueue()
        self._given = 0
        self._written = 0
        self._failed: BaseException | None = None
        self._awaited: asyncio.Event | None = None
        self.out = Counted(self._send)
        threading.Thread(target=self._run, name="export", daemon=True).start()

    async def put(self, text: bytes) -> None:
        """Have *text* written. Waits while a megabyte or more has not been. Raises what writing has raised."""
        await self._until(_MOST_WAITING_BYTES)
        self._given += len(text)
        self._texts.put(text)

    async def settle(self) -> None:
        """Wait until all is written. Raises what writing has raised."""
        await self._until(0)

    async def aclose(self) -> None:
        """Wait a second for what was given, whatever becomes of it: a reader that stalls must not hold the caller."""
        self._texts.put(None)
        with anyio.move_on_after(_PATIENCE_SECONDS, shield=True):
            await self._wait(0)

    async def _until(self, waiting: int) -> None:
        await self._wait(waiting)
        if self._failed is not None:
            raise self._failed

    async def _wait(self, waiting: int) -> None:
        while self._is_behind(waiting):
            self._awaited = asyncio.Event()
            # Once more: the thread looks for who waits after it has got on, which may have been just before.
            if self._is_behind(waiting):
                await self._awaited.wait()
        self._awaited = None

    def _is_behind(self, waiting: int) -> bool:
        return self._failed is None and self._given - self._written > waiting

    def _run(self) -> None:
        while (text := self._texts.get()) is not None:
            try:
                self._write(text)
            except BaseException as error:
                self._failed = error
            self._written += len(text)
            self._tell()
            if self._failed is not None:
                return

    def _write(self, text: bytes) -> None:
        if text:
            self.out.write(text)
            flush = getattr(self._stream, "flush", None)
            if flush is not None:
                flush()

    def _tell(self) -> None:
        awaited = self._awaited
        if awaited is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(awaited.set)

    def _send(self, data: bytes) -> None:
        # A stream without a buffer (`python -u`) may take a part when a signal comes in between.
        while data:
            taken = self._stream.write(data)
            data = data[taken:] if isinstance(taken, int) else b""
