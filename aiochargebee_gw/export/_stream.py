"""Lines down a pipe: one pass, and what is written is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio.to_thread

from ..pagination import Page, Pages
from ._lines import identity, line
from ._lists import Listed
from ._output import Counted, Writable
from ._progress import Meter, Progress
from ._report import ExportReport
from ._state import PassState

__all__ = ["stream_to"]


async def stream_to(
    pages: Pages[Any, Any], stream: Writable, *, whole: bool, progress: Callable[[Progress], None] | None
) -> ExportReport:
    """Write the rows of a list to *stream* as they come. What was under way when it fails has been written."""
    listed = Listed(pages)
    meter = Meter(listed.name, pages.stats, progress)
    run = _Run(stream, meter, whole=whole)
    async with pages.prefetch_pages(1) as found:
        async for page in found:
            await run.take(page)
    return ExportReport(
        rows=run.rows,
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
        self._seen: set[bytes] = set()
        self._now = PassState(kind="full")
        self.out = Counted(self._send)
        self.rows = self.repeated = 0

    async def take(self, page: Page[Any, Any]) -> None:
        documents = page.documents
        lines = [
            line(row)
            for document, row in zip(documents, page.raw if self._whole else documents, strict=True)
            if self._is_new(document)
        ]
        if lines:
            await anyio.to_thread.run_sync(self._write, lines)
        self.rows += len(lines)
        self._meter.page(self._now, len(lines), sum(map(len, lines)) + len(lines))

    def _is_new(self, document: bytes) -> bool:
        id = identity(document)
        if id is None:
            return True
        if id in self._seen:
            self.repeated += 1
            return False
        self._seen.add(id)
        return True

    def _write(self, lines: list[bytes]) -> None:
        self.out.write(b"\n".join(lines) + b"\n")
        flush = getattr(self._stream, "flush", None)
        if flush is not None:
            flush()

    def _send(self, data: bytes) -> None:
        # A stream without a buffer (`python -u`) may take a part when a signal comes in between.
        while data:
            taken = self._stream.write(data)
            data = data[taken:] if isinstance(taken, int) else b""
