"""Streams: a list followed page by page, one consumer at a time, one after another or fetched ahead.

A stream hands out nothing that it has not wholly taken over: cancelling the wait for an item loses no page, and an
error never looks like the end of a list.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeAlias, TypeVar

import anyio
import anyio.abc
import anyio.lowlevel

from ._page import Trail
from .errors import ConfigurationError, ConnectionLost, DecodeError, PaginationError, RequestError

if TYPE_CHECKING:
    from .pagination import Page, Pages

__all__ = ["Block", "Change", "Found", "Items", "Prefetch", "Stream", "Walk"]

T = TypeVar("T")
S = TypeVar("S", bound="Stream[Any]")

Found: TypeAlias = "tuple[str | None, Page[Any, Any]]"
Items: TypeAlias = "Callable[[Page[Any, Any]], list[T | DecodeError]]"


class Source(Protocol):
    """Where a stream gets its pages. `upcoming` is the cursor of the page that `next` will give."""

    @property
    def upcoming(self) -> str | None: ...

    async def next(self) -> Found | None:
        """The next page and the cursor it was asked for with; None behind the last page. After an error, the next call
        tries for the same page again."""
        ...


class Walk:
    """A walk along the cursors of one list, in order."""

    def __init__(self, pages: Pages[Any, Any]) -> None:
        self._pages = pages
        self._trail = Trail(pages._operation.label, pages._start)
        self._ended = False
        self.upcoming: str | None = pages._start

    async def next(self) -> Found | None:
        """See `Source`."""
        if self._ended:
            return None
        offset = self.upcoming
        page = await self._pages._fetch(offset)
        following = page.next_offset
        self._trail.advance(following, empty=following is not None and not page._count)
        self.upcoming = following
        self._ended = following is None
        return offset, page


class Stream(Generic[T]):
    """Items of a list in order. Ends with its list; `aclose()` ends it sooner.

    `offset` is the cursor to resume from, `list(..., offset=...)`: that of the page whose items are being handed out,
    or being fetched. After an error nothing is lost: the items of that page come again. It is None for the first page
    of a list that was started without an offset. `pages` counts the pages that were begun.

    One task consumes a stream; a second one that asks for an item at the same time gets a `ConfigurationError`.
    """

    def __init__(self, source: Source, items: Items[T]) -> None:
        self._source = source
        self._items = items
        self._hand: Found | None = None
        self._buffer: deque[T | DecodeError] = deque()
        self._closed = False
        self._busy = False
        self.offset: str | None = source.upcoming
        self.pages: int = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """The next item.

        Raises `DecodeError` for a row that cannot be read; the call after that goes on behind it. Raises the errors of
        a call, and `PaginationError` for a page that cannot be read at all; the call after that asks for it again.
        """
        while not self._buffer:
            if self._closed or not await self._turn():
                raise StopAsyncIteration
        item = self._buffer.popleft()
        if isinstance(item, DecodeError):
            raise item
        return item

    async def _turn(self) -> bool:
        if self._busy:
            raise ConfigurationError("a stream has one consumer: let one task iterate and hand the items on")
        self._busy = True
        try:
            if self._hand is None:
                self.offset = self._source.upcoming or self.offset
                self._hand = await self._source.next()
            if self._hand is None or self._closed:
                self._closed = True
                return False
            self.offset, page = self._hand
            items = self._items(page)
        except DecodeError as error:
            raise PaginationError(
                f"the page cannot be read ({error.path})", offset=self.offset, operation=error.operation
            ) from error
        finally:
            self._busy = False
        self._hand = None
        self.pages += 1
        self._buffer.extend(items)
        return True

    async def aclose(self) -> None:
        """Hand out nothing more. Safe to call twice."""
        self._closed = True
        self._hand = None
        self._buffer.clear()


class Change:
    """Something that happens again and again. Who waits is woken by the next time, not by an earlier one."""

    def __init__(self) -> None:
        self._next: anyio.Event | None = None

    async def wait(self) -> None:
        if self._next is None:
            self._next = anyio.Event()
        await self._next.wait()

    def tell(self) -> None:
        if self._next is not None:
            self._next.set()
            self._next = None


class _Ahead:
    """Pages fetched ahead of their consumer, by a task of its own."""

    def __init__(self, walk: Walk, ahead: int) -> None:
        self._walk = walk
        self._ahead = ahead
        self._ready: deque[Found] = deque()
        self._fetched = 0
        self._wanted = 0
        self._failed: Exception | None = None
        self._told = False
        self._ended = False
        self._changed = Change()
        self.upcoming: str | None = walk.upcoming

    async def run(self) -> None:
        """Fetch, as far ahead as allowed. An error is kept for the consumer, who decides whether to try again."""
        while not self._ended:
            while self._failed is not None or self._fetched >= self._wanted + self._ahead:
                await self._changed.wait()
            try:
                found = await self._walk.next()
            except anyio.get_cancelled_exc_class():
                if self._ended:
                    raise
                # Not ours: somebody else's cancellation came out of the transport.
                self._failed = ConnectionLost("the fetch of a page was cancelled from elsewhere", sent=True)
            except Exception as error:
                # Not raised here: a task group would wrap it, and cancel the consumer in the middle of its work.
                self._failed = error
            else:
                self._ended = found is None
                if found is not None:
                    self._fetched += 1
                    self._ready.append(found)
            self._told = False
            self._changed.tell()

    async def next(self) -> Found | None:
        """See `Source`. Nothing is awaited between a page's leaving here and its being taken over."""
        if self._failed is not None and self._told:
            self._failed = None
        self._wanted = self._fetched - len(self._ready) + 1
        self._changed.tell()
        # Decoding blocks the loop for a millisecond or more: first let the fetching task send its next request.
        await anyio.lowlevel.checkpoint()
        while not self._ready:
            if self._failed is not None:
                self._told = True
                raise self._failed
            if self._ended:
                return None
            await self._changed.wait()
        found = self._ready.popleft()
        self.upcoming = self._ready[0][0] if self._ready else self._walk.upcoming
        return found

    def stop(self) -> None:
        """No more: what is cancelled from now on is cancelled by us."""
        self._ended = True


class _Feeder(Source, Protocol):
    """A source that tasks of its own fill."""

    async def run(self) -> None: ...

    def stop(self) -> None:
        """No more: what is cancelled from now on is cancelled by us."""
        ...


class Block(Generic[S]):
    """`async with` around a stream that is fed by tasks, once. Leaving it cancels what is under way."""

    def __init__(self, call: str, stream: S, feeder: _Feeder) -> None:
        self._call = call
        self._stream = stream
        self._feeder = feeder
        self._group: anyio.abc.TaskGroup | None = None

    async def __aenter__(self) -> S:
        if self._group is not None:
            raise ConfigurationError(f"this {self._call} is in use or was used; call {self._call}() again")
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._feeder.run)
        return self._stream

    async def __aexit__(self, *exc: object) -> None:
        await self._stream.aclose()
        self._feeder.stop()
        if self._group is not None:
            self._group.cancel_scope.cancel()
            # The group is told of no exception: it would wrap yours into a group of exceptions.
            await self._group.__aexit__(None, None, None)


class Prefetch(Block[Stream[T]]):
    """`async with pages.prefetch(2) as stream`: pages are fetched ahead while yours are worked on.

    Leaving the block cancels what is under way. An error of a fetch comes out of the stream in its place.
    """

    def __init__(self, pages: Pages[Any, Any], ahead: int, items: Items[T]) -> None:
        if not isinstance(ahead, int) or isinstance(ahead, bool) or ahead < 1:
            raise RequestError("prefetch takes the number of pages to fetch ahead, 1 or more", field="prefetch")
        feeder = _Ahead(Walk(pages), ahead)
        super().__init__("prefetch", Stream(feeder, items), feeder)
