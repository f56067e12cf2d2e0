"""Pages of a list from a cursor on, with the cursor behind each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol, Self

from ..pagination import Page
from ..parallel import ParallelState, ParallelStream, WindowPage
from ..streams import Stream
from ._lists import Listed

__all__ = ["Walk", "walk"]

_AHEAD = 3


class Walk(Protocol):
    """Pages, as they come. `cursor` is a plain JSON value: where to go on behind those that were handed out, None when
    there are no more. `windows` is how many parts of the list are being read, `left` an estimate of the rows not yet
    read, where there is one; `began` the server's clock at the first answer, where it tells."""

    @property
    def cursor(self) -> Any: ...

    @property
    def windows(self) -> int: ...

    @property
    def left(self) -> float | None: ...

    @property
    def began(self) -> float | None: ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> Page[Any, Any]: ...


class _Single:
    """One cursor, some pages ahead. It is a text."""

    windows = 1
    left = None
    began = None

    def __init__(self, stream: Stream[Page[Any, Any]]) -> None:
        self._stream = stream
        self.cursor: Any = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page[Any, Any]:
        page = await self._stream.__anext__()
        self.cursor = page.next_offset
        return page


class _Windows:
    """Windows of time. The cursor is an object: the state of all of them."""

    def __init__(self, stream: ParallelStream[WindowPage[Any, Any]]) -> None:
        self._stream = stream
        self.cursor: Any = None
        self.windows = 1

    @property
    def left(self) -> float | None:
        return self._stream.rows_left

    @property
    def began(self) -> float | None:
        # Pages without rows are not handed out.
        return self._stream.state.began

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page[Any, Any]:
        page = await self._stream.__anext__()
        self.cursor = None if page.state.finished else page.state.as_dict()
        self.windows = len(page.state.windows)
        return page


@asynccontextmanager
async def walk(listed: Listed, cursor: Any, workers: int) -> AsyncIterator[Walk]:
    """Walk *listed* from *cursor* on, with up to *workers* requests at once where the list can be split."""
    if isinstance(cursor, dict) or (cursor is None and workers > 1 and listed.axis is not None):
        resume = None if cursor is None else ParallelState.from_dict(cursor)
        async with listed.pages.parallel_pages(workers, resume=resume) as windows:
            yield _Windows(windows)
    else:
        async with listed.at(cursor).prefetch_pages(_AHEAD) as stream:
            yield _Single(stream)
