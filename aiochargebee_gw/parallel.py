"""A list read in several windows at once: the tasks that do what the plan in `windows` says.

Requests run in a task group that lives under `async with`. Pages wait for their consumer in bounded number, and nothing
is asked for that there is no room for. No limit's place is held while your code runs.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Any, TypeVar

import anyio
import anyio.abc
import anyio.lowlevel
import attrs

from ._axis import Mark, Split, fingerprint, last_row, marks_of, named, narrowed, split_of
from ._prepare import Draft
from ._window import ParallelState, Window
from ._wire import document
from ._wire.form import Pair
from .errors import ConnectionLost, CursorExpired, RequestError
from .pagination import Page, Pages
from .streams import Block, Change, Found, Items, Stream
from .windows import AHEAD_PAGES, Ask, AskEnd, Part, Plan

__all__ = ["Parallel", "ParallelState", "ParallelStream", "Split", "Window", "WindowPage"]

R = TypeVar("R")
Row = TypeVar("Row")
T = TypeVar("T")

_log = logging.getLogger("aiochargebee_gw")
# In use and waiting, for each worker: a consumer that pauses for a moment keeps nobody from working.
_PAGES_EACH = 2


class WindowPage(Page[R, Row]):
    """The rows of a page that belong to its window. `window` is the window's number, `state` what remains when the page
    is done with: kept in one transaction with its rows, it loses none and repeats none."""

    def __init__(self, page: Page[R, Row], part: Part, state: ParallelState) -> None:
        if len(part.rows) == len(page):
            self.__dict__.update(page.__dict__)
        else:
            rows = document.rows(page._body)
            body = b'{"list":[' + b",".join(rows[number] for number in part.rows) + b"]}"
            super().__init__(page._operation, body, page._into, page.served_at)
        self.window: int = part.window
        self.state: ParallelState = state


class _Gathering:
    """The source of a parallel stream: pages as they come, or in the order of their windows."""

    def __init__(self, pages: Pages[Any, Any], plan: Plan, field: str | None, workers: int, *, ordered: bool) -> None:
        self._pages = pages
        self._field = field
        self._workers = workers
        self._ordered = ordered
        self._room = workers * (AHEAD_PAGES if ordered else _PAGES_EACH)
        self._ready: dict[int, deque[tuple[Part, Page[Any, Any]]]] = {}
        self._arrived: deque[int] = deque()
        self._under_way = 0
        self._failed: Exception | None = None
        self._stopping = False
        self._told = False
        self._changed = Change()
        self._group: anyio.abc.TaskGroup | None = None
        self._hand: tuple[Part, Window] | None = None
        self.plan = plan
        self.upcoming: str | None = None

    # -- the tasks

    async def run(self) -> None:
        """All workers. An error is kept for the consumer: raised here, it would cancel them in their own work."""
        async with anyio.create_task_group() as self._group:
            for _ in range(self._workers):
                self._group.start_soon(self._worker)

    async def _worker(self) -> None:
        try:
            await self._work()
        except anyio.get_cancelled_exc_class():
            if self._stopping:
                raise
            # Not ours: somebody else's cancellation came out of the transport.
            self._fail(ConnectionLost("the fetch of a page was cancelled from elsewhere", sent=True))
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._failed = self._failed or error
        self.stop()
        self._changed.tell()

    def stop(self) -> None:
        """No more requests: what is cancelled from now on is cancelled by us."""
        self._stopping = True
        if self._group is not None:
            self._group.cancel_scope.cancel()

    async def _work(self) -> None:
        while not self.plan.finished:
            ask = self.plan.ask(room=len(self._arrived) + self._under_way < self._room)
            if ask is None:
                await self._changed.wait()
                continue
            self._under_way += 1
            try:
                await self._serve(ask)
            finally:
                self._under_way -= 1
                self._changed.tell()

    async def _serve(self, ask: Ask | AskEnd) -> None:
        if isinstance(ask, AskEnd):
            page = await self._pages._get(self._draft(last_row(self._query, self._field)), None, ahead=True)
            self.plan.found_end(self._marks(page))
        else:
            await self._serve_page(ask)
        self._tell_once()

    async def _serve_page(self, ask: Ask) -> None:
        pairs = narrowed(self._query, self._field, after=ask.after, before=ask.before, cursor=ask.cursor)
        try:
            page = await self._pages._get(self._draft(pairs), ask.cursor, ahead=ask.ahead)
        except CursorExpired:
            if not self.plan.expired(ask):
                raise
            return
        self.plan.began(page.served_at)
        part = self.plan.take(ask, named(self._marks(page), page._body, ask.cursor), page.next_offset)
        self._ready.setdefault(part.window, deque()).append((part, page))
        self._arrived.append(part.window)

    @property
    def _query(self) -> tuple[Pair, ...]:
        return self._pages._draft.query

    def _draft(self, pairs: tuple[Pair, ...]) -> Draft:
        return attrs.evolve(self._pages._draft, query=pairs)

    def _marks(self, page: Page[Any, Any]) -> list[Mark]:
        return marks_of(page._body, self._pages._operation.main, self._field)

    def _tell_once(self) -> None:
        if self.plan.whole is not None and not self._told:
            self._told = True
            _log.warning("%s is read with one cursor: %s", self._pages._operation.label, self.plan.whole)

    # -- the consumer

    async def next(self) -> Found | None:
        """See `streams.Source`. Nothing is awaited between a page's leaving here and its being taken over."""
        await anyio.lowlevel.checkpoint()
        while True:
            found = self._take()
            if found is not None:
                return None, found
            # Whatever failed then, nobody waits for its answer any more.
            if self.plan.finished:
                return None
            if self._failed is not None:
                raise self._failed
            await self._changed.wait()

    def _take(self) -> WindowPage[Any, Any] | None:
        """The next page with rows, in hand from now on. The others only move their window on."""
        while (number := self._first()) is not None:
            part, page = self._ready[number].popleft()
            self._arrived.remove(number)
            told = self.plan.deliver(part)
            self._changed.tell()
            if part.rows:
                self._hand = part, told
                return WindowPage(page, part, self.plan.state())
        return None

    def _first(self) -> int | None:
        if not self._ordered:
            return self._arrived[0] if self._arrived else None
        lowest = self.plan.lowest
        return lowest if lowest is not None and self._ready.get(lowest) else None

    def state(self, left: int | None) -> ParallelState:
        """What remains when *left* rows of the page in hand were not handed out; None for the whole page."""
        state = self.plan.state()
        if self._hand is None or left == 0:
            return state
        part, told = self._hand
        done = 0 if left is None else len(part.rows) - left
        ids = {*told.ids, *(id for id in part.ids[:done] if id is not None)}
        undone = self.plan.state(attrs.evolve(told, ids=tuple(sorted(ids))))
        return attrs.evolve(undone, rows=state.rows - len(part.rows) + done)


class ParallelStream(Stream[T]):
    """Items of a list that is read in several windows. It ends with its list; `aclose()` ends it sooner.

    `state` is what remains: `parallel(resume=stream.state)` goes on behind the last item that was handed out, in
    another process, too. `split` says how the list is read. `offset` is None: several cursors are followed.

    The first error ends all requests. What was already there is handed out, then the error is raised, each time anew.
    """

    def __init__(self, source: _Gathering, items: Items[T], split: Split) -> None:
        super().__init__(source, items)
        self._gathering = source
        self._split = split
        self._left: int | None = None

    @property
    def state(self) -> ParallelState:
        if self._closed and self._left is not None:
            return self._gathering.state(self._left if self._left >= 0 else None)
        return self._gathering.state(None if self._hand is not None else len(self._buffer))

    @property
    def split(self) -> Split:
        """How the list is read, as far as it is known: the first answers may show that it cannot be divided."""
        reason = self._gathering.plan.whole
        return self._split if reason is None else Split(field=None, reason=reason)

    @property
    def rows_left(self) -> float | None:
        """An estimate of the rows not yet fetched, from the density seen; None as long as there is none."""
        return self._gathering.plan.rows_left

    async def aclose(self) -> None:
        """Hand out nothing more; `state` stays. Safe to call twice."""
        if self._left is None:
            self._left = -1 if self._hand is not None else len(self._buffer)
        await super().aclose()


class Parallel(Block[ParallelStream[T]]):
    """`async with pages.parallel(workers=8) as stream`: windows are read while yours are worked on.

    Leaving the block cancels what is under way. An error comes out of the stream.
    """

    def __init__(
        self,
        pages: Pages[Any, Any],
        items: Items[T],
        *,
        workers: int,
        ordered: bool,
        resume: ParallelState | None,
    ) -> None:
        if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
            raise RequestError("workers is the number of requests at once, 1 or more", field="workers")
        if pages._start is not None:
            raise RequestError("offset: a cursor belongs to one window; use resume=stream.state", field="offset")
        self._split = split_of(pages._operation, pages._order)
        state = _state(pages, self._split, resume)
        limit = next((int(value) for key, value in pages._draft.query if key == "limit"), 100)
        plan = Plan(state, label=pages._operation.label, page_rows=limit, workers=workers, ordered=ordered)
        gathering = _Gathering(pages, plan, self._split.field, workers, ordered=ordered)
        self._label = pages._operation.label
        super().__init__("parallel", ParallelStream(gathering, items, self._split), gathering)

    async def __aenter__(self) -> ParallelStream[T]:
        stream = await super().__aenter__()
        _log.log(logging.DEBUG if self._split.field else logging.WARNING, "%s: %s", self._label, self._split)
        return stream


def _state(pages: Pages[Any, Any], split: Split, resume: ParallelState | None) -> ParallelState:
    query = fingerprint(pages._draft, split.field)
    if resume is None:
        return ParallelState(query=query, field=split.field, split=split.field is not None)
    if not isinstance(resume, ParallelState):
        raise RequestError("resume takes the state of a parallel stream", field="resume")
    if (resume.query, resume.field) != (query, split.field):
        raise RequestError("resume: the state is that of another list, filter, order or page size", field="resume")
    return resume
