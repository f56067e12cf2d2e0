"""Passes over a list, into a journal.

**Full pass**: the list as it was asked for, in the order of creation, without any filter on `updated_at` (rows that
have none would vanish), deleted rows among it. **Change pass**: what has changed since ten minutes before the full
pass began, until a pass takes less than ten minutes. The ten minutes are twice the five for which lists may lag behind
writes (Chargebee: list operations are eventually consistent). All moments are the server's (`Date`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ..errors import CursorExpired, PaginationError
from ..pagination import Page
from ._desk import Desk, outlast
from ._keys import Key, Row, reader
from ._lists import Listed
from ._progress import Meter
from ._state import MARGIN, ListState, PassKind, PassState
from ._walk import Walk, walk

__all__ = ["Puller"]

# A commit takes so much, and more while the one before it is under way, up to a limit.
_ROWS, _MOST_ROWS = 1000, 4000
_BYTES, _MOST_BYTES = 4 << 20, 8 << 20
# And the first page at once, and after so long whatever has come: who is killed often gets on all the same.
_SECONDS = 1.0
_MOST_PASSES = 10


class Puller:
    """Reads one list into a journal. *whole* keeps whole rows instead of their main records."""

    def __init__(
        self,
        listed: Listed,
        desk: Desk,
        state: ListState,
        meter: Meter,
        *,
        workers: int = 1,
        whole: bool = False,
        name: str | None = None,
    ) -> None:
        self.listed = listed.with_deleted()
        self.state = state
        self._desk = desk
        self._meter = meter
        self._workers = workers
        self._whole = whole
        self._name = name or listed.name
        self._pending: asyncio.Future[tuple[int, int]] | None = None
        self._broken = False
        self._restarted: PassState | None = None
        self._batch: list[Row] = []
        self._size = 0
        self._moved = False
        self._kept_at: float | None = None
        meter.go_on(state.passes)

    async def full(self) -> None:
        """The full pass, or the rest of it."""
        await self._pass("full", self.listed, None)

    async def changes(self, low: int | None = None) -> None:
        """Change passes, from *low* on, or from where the full pass began. Nothing where the list shows no changes."""
        if not self.listed.shows_changes or self.state.unnamed:
            return
        for _ in range(_MOST_PASSES):
            if low is None:
                low = self._next_low()
            now = await self._pass("changes", self.listed.changed_since(low), low)
            low = None
            if (now.ended or 0) - (now.began or 0) < MARGIN:
                return

    async def created(self, low: int) -> None:
        """What was created from *low* on: rows that have no `updated_at` are seen by no change pass."""
        await self._pass("created", self.listed.created_since(low), low)

    def _next_low(self) -> int:
        now = self.state.passes[-1]
        if now.done:
            return max(0, (now.began or 0) - MARGIN)
        return now.low or 0

    async def _pass(self, kind: PassKind, listed: Listed, low: int | None) -> PassState:
        """One pass from its beginning, or from where it was left. Returns it."""
        if not self.state.passes or self.state.passes[-1].done:
            self.state.passes.append(PassState(kind=kind, low=low))
        now = self.state.passes[-1]
        self._meter.begin()
        while not now.done:
            try:
                await self._walk(listed if now.rest is None else listed.created_since(now.rest), now)
            except PaginationError as error:
                # A list that fails once more has another trouble; and what has no id would be there twice. Another run
                # may try once more: cursors that it found may be too old again.
                if self._restarted is now or self.state.unnamed:
                    raise
                self._restarted = now
                self._restart(now, listed, error)
        return now

    def _restart(self, now: PassState, listed: Listed, error: PaginationError) -> None:
        """Go on with one cursor: behind the last sort value where the server refused a cursor, else from the start.

        Windows fail where offsets are positions and rows come into the middle of the list, as into that of changes.
        """
        now.restarts, now.cursor = now.restarts + 1, None
        # A row may lack another field than this, and be behind all that have it.
        in_order = listed.creation == "created_at" and isinstance(error, CursorExpired)
        now.rest = now.last if in_order else None
        if now.rest is None:
            self._meter.again(now)
            now.rows = now.pages = now.deleted = 0

    async def _walk(self, listed: Listed, now: PassState) -> None:
        read = reader(listed.sort if self._workers == 1 or listed.axis is None else listed.axis)
        try:
            async with walk(listed, now.cursor, 1 if now.restarts else self._workers) as pages:
                async for page in pages:
                    self._take(page, pages, now, read)
                    if self._is_due():
                        await self._flush()
                if now.began is None:
                    now.began = now.ended = _seconds(pages.began)
            # The last page with rows says so already, unless others without any came behind it.
            self._moved = self._moved or not now.done
            now.done = True
        finally:
            # Also after an error: what was read need not be read again.
            await outlast(asyncio.ensure_future(self._drain()))

    async def _drain(self) -> None:
        """Keep what was read, to the last row."""
        await self._flush()
        await self._settle()

    def _take(self, page: Page[Any, Any], pages: Walk, now: PassState, read: Callable[[bytes], Key]) -> None:
        documents = page.documents
        kept = page.raw if self._whole else documents
        keys, size = list(map(read, documents)), sum(map(len, kept))
        # Nothing can fail from here on until they are there together: the rows, and how far the pass has come.
        self._batch += zip(keys, kept, strict=True)
        self._size += size
        now.cursor, now.done, self._moved = pages.cursor, pages.cursor is None, True
        self._note(keys, _seconds(page.served_at), now)
        self.state.split = self.state.split or pages.windows > 1
        deleted = sum(key.deleted for key in keys)
        now.deleted += deleted
        self._meter.page(now, len(keys), size + len(kept), pages.windows, pages.left, deleted)

    def _note(self, keys: list[Key], served: int, now: PassState) -> None:
        """Count the rows of a page."""
        now.began = served if now.began is None else now.began
        now.ended = served
        now.pages += 1
        now.rows += len(keys)
        for key in keys:
            if key.id is None:
                self.state.unnamed = True
            if key.position is not None and (now.last is None or key.position > now.last):
                now.last = key.position

    def _is_due(self) -> bool:
        """Whether what was read is to be committed now."""
        if self._pending is not None and not self._pending.done():
            return len(self._batch) >= _MOST_ROWS or self._size >= _MOST_BYTES
        if len(self._batch) >= _ROWS or self._size >= _BYTES:
            return True
        return self._kept_at is None or self._meter.seconds - self._kept_at >= _SECONDS

    async def _flush(self) -> None:
        """Begin to commit what was read, when the commit before it has succeeded."""
        await self._settle()
        # Behind rows that could not be committed no cursor may be.
        if self._moved and not self._broken:
            self.state.requests, self.state.seconds = self._meter.requests, self._meter.seconds
            self._kept_at, self._moved = self.state.seconds, False
            rows, self._batch, self._size = self._batch, [], 0
            self._pending = self._desk.commit(self._name, rows, self.state.snapshot())

    async def _settle(self) -> None:
        if self._pending is None:
            return
        try:
            # Cancelled here, the commit goes on, and is waited for once more.
            added, changed = await asyncio.shield(self._pending)
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._pending, self._broken = None, True
            raise
        self._pending = None
        self.state.passes[-1].added += added
        self.state.passes[-1].changed += changed


def _seconds(told: float | None) -> int:
    """The server's clock; ours only where it does not tell."""
    return round(time.time() if told is None else told)
