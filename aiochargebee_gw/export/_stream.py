"""Lines down a pipe: one pass, and what is written is written.

Pages become lines on the loop, half a millisecond each; a thread hashes and writes them. What needs the interpreter is
not split between two threads: each time it goes from one to the other costs as much as it saves.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import io
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import compress
from os import PathLike
from queue import SimpleQueue
from typing import Any

import anyio

from .._wire.document import check_text
from ..pagination import Page, Pages
from ._lines import identities, lines
from ._lists import Listed
from ._output import Counted, Writable
from ._places import refused
from ._progress import Meter, Progress
from ._report import ExportReport
from ._state import PassState

__all__ = ["stream_at", "stream_to", "write_all"]

_AHEAD = 2
_MOST_WAITING_BYTES = 1 << 20
_PATIENCE_SECONDS = 1.0


def stream_at(to: Any) -> Writable | None:
    """The binary stream that *to* is, or stdout's for "-"; None for what is no stream.

    Raises `RequestError` for a stream that takes text, is closed, or cannot be written to from a thread.
    """
    if isinstance(to, str) and to == "-":
        to = getattr(sys.stdout, "buffer", None)
        if to is None:
            raise refused("'-' is the binary stream of stdout, sys.stdout.buffer, and stdout has none here")
    if isinstance(to, str | PathLike) or not callable(getattr(to, "write", None)):
        return None
    name = type(to).__name__
    if _is_text(to):
        raise refused(f"{name} takes text; a binary stream is wanted, such as sys.stdout.buffer")
    if isinstance(to, io.IOBase) and to.closed:
        raise refused(f"{name} is closed")
    # What asyncio's streams and transports have in common, and uvloop's.
    if hasattr(to, "can_write_eof"):
        raise refused(f"{name} is written to on its event loop only; an export writes from a thread")
    if any(inspect.iscoroutinefunction(getattr(to, method, None)) for method in ("write", "flush")):
        raise refused(_awaited(name))
    stream: Writable = to
    return stream


def _is_text(stream: object) -> bool:
    # The wrappers of `tempfile` and `codecs` are no TextIOBase, but show these.
    return isinstance(stream, io.TextIOBase) or (hasattr(stream, "encoding") and hasattr(stream, "errors"))


def _awaited(name: str) -> str:
    return f"what {name} writes must be awaited; an export calls write() from a thread, and awaits nothing"


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
        self.out = Counted(partial(write_all, stream))
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
                _refuse_awaitable(self._stream, flush())

    def _tell(self) -> None:
        awaited = self._awaited
        if awaited is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(awaited.set)


def write_all(stream: Writable, data: bytes) -> None:
    """Have *stream* take all of *data*. A `write` that returns nothing has taken all; one that counts, so much.

    Raises `BlockingIOError` for a stream that takes nothing now (None from a raw one, or from one that counts),
    `OSError` for a count that cannot be, `RequestError` for an awaitable.
    """
    counts = isinstance(stream, io.RawIOBase)
    # A stream without a buffer (`python -u`) may take a part when a signal comes in between.
    while data:
        taken = stream.write(data)
        if taken is None and not counts:
            return
        data = data[_part(stream, taken, len(data)) :]
        counts = True


def _part(stream: Writable, taken: object, most: int) -> int:
    """How many of *most* bytes were taken."""
    if type(taken) is int and 0 < taken <= most:
        return taken
    if taken is None:
        raise BlockingIOError(errno.EAGAIN, f"{type(stream).__name__} is non-blocking, and full: its reader is behind")
    _refuse_awaitable(stream, taken)
    shown = taken if isinstance(taken, int) else type(taken).__name__
    raise OSError(errno.EIO, f"{type(stream).__name__}.write() returned {shown} for {most} bytes")


def _refuse_awaitable(stream: Writable, found: object) -> None:
    if inspect.isawaitable(found):
        if inspect.iscoroutine(found):
            found.close()
        raise refused(_awaited(type(stream).__name__))
