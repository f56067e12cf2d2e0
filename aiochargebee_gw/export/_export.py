"""The export itself: pages in, lines out, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import anyio.to_thread

from ..errors import RequestError
from ._lines import identity, line
from ._report import ExportReport, Progress
from ._sinks import Sink, Writable, choose

if TYPE_CHECKING:
    from ..pagination import Page, Pages

__all__ = ["check", "export"]


def check(to: str | PathLike[str] | Writable, *, force: bool = False) -> None:
    """Raise the `RequestError` that `export` would raise for *to*, without touching anything."""
    choose(to, force=force)


async def export(
    pages: Pages[Any, Any],
    *,
    to: str | PathLike[str] | Writable,
    force: bool = False,
    rows: Literal["record", "envelope"] = "record",
    progress: Callable[[Progress], None] | None = None,
) -> ExportReport:
    """Write every record of a list to *to*: a path ending in `.jsonl` or `.csv`, `"-"` (JSONL on stdout), or a binary
    stream (JSONL; it is not closed). The package's docstring says what the formats hold.

    *force* replaces a file that exists; a symlink keeps pointing at what is replaced. Without it a file that somebody
    makes meanwhile stays, too, and the export is refused at its end. *rows* is what a row becomes: its main record, or
    the whole of it ("envelope"). *progress* is called on the loop after each page, and must return quickly.

    While rows are written, the next page is fetched. Raises `RequestError` before any request for a place that cannot
    be written to, `OSError` when writing fails, and the errors of the list; no file remains then. A cancellation that
    comes when the file has its name comes too late: the report is returned.
    """
    if rows not in ("record", "envelope"):
        raise RequestError("rows must be record or envelope", field="rows", legal=("record", "envelope"))
    opening = choose(to, force=force)
    began = time.monotonic()
    before = pages.stats.attempts
    # Not in a thread: a cancellation would leave a file that nobody knows of.
    sink = opening()
    try:
        run = _Run(sink, rows, progress, began)
        async with pages.prefetch_pages(1) as stream:
            async for page in stream:
                await run.take(page)
        await run.drain()
        await _finish(sink)
    finally:
        sink.discard()
    size, sha256 = sink.written
    return ExportReport(
        rows=run.rows,
        repeated=run.repeated,
        pages=run.pages,
        requests=pages.stats.attempts - before,
        seconds=time.monotonic() - began,
        path=sink.path,
        bytes=size,
        sha256=sha256,
    )


async def _finish(sink: Sink) -> None:
    try:
        await anyio.to_thread.run_sync(sink.finish)
    except asyncio.CancelledError:
        # The thread goes on. Either it finds out that it must not, or the file is there already, whole.
        if sink.discard():
            raise


class _Run:
    """One export under way."""

    def __init__(self, sink: Sink, rows: str, progress: Callable[[Progress], None] | None, began: float) -> None:
        self._sink = sink
        self._whole = rows == "envelope"
        self._progress = progress
        self._began = began
        self._seen: set[bytes] = set()
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._size = 0
        self.rows = self.repeated = self.pages = 0

    async def take(self, page: Page[Any, Any]) -> None:
        documents = page.documents
        for document, row in zip(documents, page.raw if self._whole else documents, strict=True):
            self._add(document, row)
        self.pages += 1
        if self._waiting_size >= self._sink.chunk:
            await self.drain()
        if self._progress is not None:
            seconds = time.monotonic() - self._began
            self._progress(Progress(rows=self.rows, pages=self.pages, bytes=self._size, seconds=seconds))

    def _add(self, document: bytes, row: bytes) -> None:
        id = identity(document)
        if id is not None and id in self._seen:
            self.repeated += 1
            return
        if id is not None:
            self._seen.add(id)
        text = line(row)
        self._waiting.append(text)
        self._waiting_size += len(text) + 1
        self._size += len(text) + 1
        self.rows += 1

    async def drain(self) -> None:
        """Hand over what waits, off the loop."""
        if self._waiting:
            lines, self._waiting, self._waiting_size = self._waiting, [], 0
            await anyio.to_thread.run_sync(self._sink.write, lines)
