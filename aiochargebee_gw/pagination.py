"""Lists: one page when awaited, every record when iterated.

A list is followed along `next_offset`, one page after another. Iterators are classes with `__anext__` and `aclose`;
what needs a background task (`prefetch`) lives under `async with` only. No limit's place is held while your code
runs.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any, Generic, Self, TypeVar

import anyio
import anyio.lowlevel
import attrs
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from ._operation import ListOperation
from ._page import Trail, answer_class, decode_records, decode_rows, record_class
from ._prepare import Draft, draft_list, split_options
from ._resource import Caller
from ._wire import document
from .errors import CursorExpired, DecodeError, InvalidRequest, RequestError, WrongCatalog
from .filters import Filter
from .observe import Stats

__all__ = ["Page", "Pages", "Prefetch", "Stream"]

R = TypeVar("R")
Row = TypeVar("Row")
T = TypeVar("T")


_MAX_EMPTY_BODY = 8192


class Page(Generic[R, Row]):
    """One page: `records` (the main object of each row), `rows` (all objects of each row by name), `raw` (bytes).

    Each is decoded when first asked for, and raises `DecodeError` if a row of the page cannot be read.
    """

    def __init__(self, operation: ListOperation[R, Row], body: bytes, into: type[Any] | None = None) -> None:
        self._operation = operation
        self._body = body
        self._into = into

    @functools.cached_property
    def next_offset(self) -> str | None:
        """The cursor of the next page; None on the last one."""
        return document.next_offset(self._body)

    @functools.cached_property
    def records(self) -> list[R]:
        """The main object of each row, or the class given as `into=`."""
        return _whole(self._records())

    @functools.cached_property
    def rows(self) -> list[Row]:
        """Each row's envelope: `row.customer`, `row.card`."""
        return _whole(self._rows())

    @functools.cached_property
    def raw(self) -> list[bytes]:
        """Each row's JSON as the server sent it."""
        return document.rows(self._body)

    @functools.cached_property
    def documents(self) -> list[bytes]:
        """The JSON of each row's main object, as the server sent it."""
        return document.documents(self._body, self._operation.main)

    def _records(self) -> list[R | DecodeError]:
        cls: type[Any] = self._into or record_class(self._operation.record)
        return decode_records(self._body, self._operation, cls)

    def _rows(self) -> list[Row | DecodeError]:
        cls: type[Any] = answer_class(self._operation.resource, self._operation.answer)
        return decode_rows(self._body, cls, self._operation.label)

    def _raw(self) -> list[bytes | DecodeError]:
        return [*document.rows(self._body)]

    def _is_empty(self) -> bool:
        # A body of this size has rows for certain; looking for them would cost 0.2 ms.
        return len(self._body) < _MAX_EMPTY_BODY and not self.raw

    def __len__(self) -> int:
        return len(self.raw)

    def __repr__(self) -> str:
        more = "more follow" if self.next_offset else "the last page"
        return f"<Page of {self._operation.label}: {len(self)} rows, {more}>"


def _whole(found: list[T | DecodeError]) -> list[T]:
    good = [item for item in found if not isinstance(item, DecodeError)]
    if len(good) < len(found):
        raise next(item for item in found if isinstance(item, DecodeError))
    return good


class _Walk(Generic[R, Row]):
    """A walk along the cursors of one list, page by page, in order."""

    def __init__(self, pages: Pages[R, Row]) -> None:
        self._pages = pages
        self._next: str | None = pages._start
        self._trail = Trail(pages._operation.label, pages._start)
        self._ended = False

    async def next(self) -> tuple[str | None, Page[R, Row]] | None:
        """The next page and the cursor it was asked for with; None behind the last page.

        A page that failed is asked for again by the next call.
        """
        if self._ended:
            return None
        offset = self._next
        page = await self._pages._fetch(offset)
        following = page.next_offset
        self._trail.advance(following, empty=following is not None and page._is_empty())
        self._next = following
        self._ended = following is None
        return offset, page

    @property
    def upcoming(self) -> str | None:
        """The cursor of the page that the next call asks for."""
        return self._next


class Stream(Generic[T]):
    """Items of a list in order. Ends with its list; `aclose()` ends it sooner.

    `offset` is the cursor to resume from, `list(..., offset=...)`: that of the page whose items are being handed out,
    or being fetched. After an error nothing is lost: the items of that page come again. It is None for the first page
    of a list that was started without an offset. `pages` counts the pages that were begun.
    """

    def __init__(
        self,
        following: Callable[[], Awaitable[tuple[str | None, Page[Any, Any]] | None]],
        items: Callable[[Page[Any, Any]], list[T | DecodeError]],
        start: str | None,
    ) -> None:
        self._following = following
        self._items = items
        self._buffer: deque[T | DecodeError] = deque()
        self._closed = False
        self.offset: str | None = start
        self.pages: int = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """The next item. Raises `DecodeError` for a row that cannot be read; the call after that goes on behind it."""
        while not self._buffer:
            if self._closed or not await self._turn():
                raise StopAsyncIteration
        item = self._buffer.popleft()
        if isinstance(item, DecodeError):
            raise item
        return item

    async def _turn(self) -> bool:
        found = await self._following()
        if found is None:
            self._closed = True
            return False
        self.offset, page = found
        self.pages += 1
        self._buffer.extend(self._items(page))
        return True

    async def aclose(self) -> None:
        """Hand out nothing more. Safe to call twice."""
        self._closed = True
        self._buffer.clear()


class _WalkStream(Stream[T]):
    """A stream that fetches its own pages: while one is fetched, `offset` is that page's already."""

    def __init__(self, walk: _Walk[Any, Any], items: Callable[[Page[Any, Any]], list[T | DecodeError]]) -> None:
        super().__init__(walk.next, items, walk.upcoming)
        self._walk = walk

    async def _turn(self) -> bool:
        if self._walk.upcoming is not None:
            self.offset = self._walk.upcoming
        return await super()._turn()


class Prefetch(Generic[T]):
    """`async with pages.prefetch(2) as stream`: pages are fetched ahead while yours are worked on.

    Leaving the block cancels what is under way. An error of a fetch comes out of the stream in its place.
    """

    def __init__(
        self, pages: Pages[Any, Any], ahead: int, items: Callable[[Page[Any, Any]], list[T | DecodeError]]
    ) -> None:
        if not isinstance(ahead, int) or isinstance(ahead, bool) or ahead < 1:
            raise RequestError("prefetch takes the number of pages to fetch ahead, 1 or more", field="prefetch")
        self._pages = pages
        self._ahead = ahead
        self._items = items

    async def __aenter__(self) -> Stream[T]:
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        # The page in the hand of the walk is one of those ahead.
        send, receive = anyio.create_memory_object_stream[_Fetched](self._ahead - 1)
        self._receive = receive
        self._group.start_soon(_fetch_ahead, _Walk(self._pages), send)
        self._stream: Stream[T] = Stream(functools.partial(_received, receive), self._items, self._pages._start)
        return self._stream

    async def __aexit__(self, *exc: object) -> None:
        await self._stream.aclose()
        self._receive.close()
        self._group.cancel_scope.cancel()
        # The group is told of no exception: it would wrap yours into a group of exceptions.
        await self._group.__aexit__(None, None, None)


_Fetched = tuple[str | None, Page[Any, Any]] | Exception


async def _fetch_ahead(walk: _Walk[Any, Any], send: MemoryObjectSendStream[_Fetched]) -> None:
    async with send:
        while True:
            try:
                found = await walk.next()
            except Exception as error:
                # Not raised here: a task group would wrap it, and cancel the consumer in the middle of its work.
                await send.send(error)
                return
            if found is None:
                return
            await send.send(found)


async def _received(receive: MemoryObjectReceiveStream[_Fetched]) -> tuple[str | None, Page[Any, Any]] | None:
    try:
        found = await receive.receive()
    except anyio.EndOfStream:
        return None
    if isinstance(found, Exception):
        raise found
    # Decoding blocks the loop for a millisecond or more: first let the fetching task send its next request.
    await anyio.lowlevel.checkpoint()
    return found


class Pages(Generic[R, Row]):
    """A list, before anything is sent: `await` gives the first page, `async for` every record.

    Everything about it is checked when it is made. Each iteration starts fresh, so the same object can be used again.
    """

    def __init__(
        self,
        caller: Caller,
        operation: ListOperation[Any, Row],
        id: str | None,
        filters: tuple[Filter, ...],
        into: type[Any] | None,
        params: Mapping[str, Any],
    ) -> None:
        own, self._options = split_options(params)
        self._caller = caller
        self._operation = operation
        self._into = into
        self._start: str | None = own.pop("offset", None)
        self._draft = draft_list(operation, id, filters, own if self._start is None else own | {"offset": self._start})

    def __await__(self) -> Generator[Any, None, Page[R, Row]]:
        return self._fetch(self._start).__await__()

    def __aiter__(self) -> Stream[R]:
        return _WalkStream(_Walk(self), Page._records)

    def rows(self) -> Stream[Row]:
        """Every row as its envelope (`row.customer`, `row.card`)."""
        return _WalkStream(_Walk(self), Page._rows)

    def raw(self) -> Stream[bytes]:
        """Every row's JSON as the server sent it, undecoded: nothing of it is lost."""
        return _WalkStream(_Walk(self), Page._raw)

    def pages(self) -> Stream[Page[R, Row]]:
        """Page by page."""
        return _WalkStream(_Walk(self), _itself)

    def prefetch(self, ahead: int = 1) -> Prefetch[R]:
        """Records, with *ahead* pages being fetched while yours is worked on: `async with ... as stream`."""
        return Prefetch(self, ahead, Page._records)

    def prefetch_pages(self, ahead: int = 1) -> Prefetch[Page[R, Row]]:
        """Page by page, with *ahead* pages being fetched while yours is worked on: `async with ... as stream`."""
        return Prefetch(self, ahead, _itself)

    @property
    def stats(self) -> Stats:
        """The counters of the client that this list belongs to."""
        return self._caller.engine.stats

    async def first(self) -> R | None:
        """The first record, None for an empty list. One row is asked for."""
        single = self._one_row()
        async for record in single:
            return record
        return None

    async def collect(self, limit: int | None = None) -> list[R]:
        """All records as a list, or the first *limit* of them."""
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
            raise RequestError("collect takes a number of records, 0 or more", field="limit")
        found: list[R] = []
        if limit == 0:
            return found
        async for record in self:
            found.append(record)
            if len(found) == limit:
                break
        return found

    def _one_row(self) -> Pages[R, Row]:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        query = tuple(("limit", "1") if key == "limit" else (key, value) for key, value in self._draft.query)
        other._draft = attrs.evolve(self._draft, query=query)
        return other

    def _at(self, offset: str | None) -> Draft:
        """The draft of the page at *offset*: the same filters, order and limit, for a cursor belongs to its query."""
        query = [pair for pair in self._draft.query if pair[0] != "offset"]
        return attrs.evolve(self._draft, query=(*query, *([("offset", offset)] if offset is not None else ())))

    async def _fetch(self, offset: str | None) -> Page[R, Row]:
        try:
            response = await self._caller.send(self._at(offset), self._options)
        except InvalidRequest as error:
            if error.param == "offset" and offset is not None:
                raise CursorExpired(
                    "the server no longer accepts the offset", offset=offset, operation=self._operation.label
                ) from error
            raise
        except WrongCatalog as error:
            error.instead = self._operation.instead
            raise
        return Page(self._operation, response.body, self._into)

    def __repr__(self) -> str:
        return f"<Pages of {self._operation.label}>"


def _itself(page: Page[R, Row]) -> list[Page[R, Row] | DecodeError]:
    return [page]
