"""Lists: one page when awaited, every record when iterated.

A list is followed along `next_offset`, one page after another. Iterators are classes with `__anext__` and `aclose`;
what needs a background task (`prefetch`) lives under `async with` only. No limit's place is held while your code
runs.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, is_typeddict

import attrs
import msgspec

from ._operation import ListOperation
from ._page import answer_class, decode_records, decode_rows, record_class, record_decoders
from ._prepare import Draft, draft_list, split_options
from ._resource import Caller
from ._wire import document
from ._wire.headers import server_time
from ._wire.message import Response
from .errors import CursorExpired, DecodeError, InvalidRequest, RequestError
from .filters import Filter, Sort
from .observe import Stats
from .streams import Prefetch, Stream, Walk

if TYPE_CHECKING:
    from .parallel import Parallel, ParallelState, WindowPage

__all__ = ["Page", "Pages", "Prefetch", "Stream"]

R = TypeVar("R")
Row = TypeVar("Row")
T = TypeVar("T")


class Page(Generic[R, Row]):
    """One page: `records` (the main object of each row), `rows` (all objects of each row by name), `raw` (bytes).

    Each is decoded when first asked for, and raises `DecodeError` if a row of the page cannot be read.
    """

    def __init__(
        self,
        operation: ListOperation[R, Row],
        body: bytes,
        into: type[Any] | None = None,
        served_at: float | None = None,
    ) -> None:
        self.served_at = served_at
        """The server's clock when it answered, in Unix seconds; None where the answer had no `Date`."""
        self._operation = operation
        self._body = body
        self._into = into
        # Should the body be no page: a traceback that shows variables asks for this object's repr.
        self._offset, self._count = None, 0
        self._listing = document.Listing(body)
        self._offset, self._count = self._listing.next_offset, self._listing.count

    @classmethod
    def read(
        cls, operation: ListOperation[Any, Any], response: Response, into: type[Any] | None = None
    ) -> Page[Any, Any]:
        """The page of an answer, looked through once. Raises `DecodeError` when it is none."""
        return cls(operation, response.body, into, server_time(response.headers))

    @property
    def next_offset(self) -> str | None:
        """The cursor of the next page; None on the last one."""
        return self._offset

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
        return self._listing.rows()

    @functools.cached_property
    def documents(self) -> list[bytes]:
        """The JSON of each row's main object, as the server sent it."""
        return self._listing.documents(self._operation.main)

    def _spans(self) -> list[bytes]:
        return self._listing.spans(self._operation.main)

    def _records(self) -> list[R | DecodeError]:
        cls: type[Any] = self._into or record_class(self._operation.record)
        return decode_records(self._body, self._operation, cls)

    def _rows(self) -> list[Row | DecodeError]:
        cls: type[Any] = answer_class(self._operation.resource, self._operation.answer)
        return decode_rows(self._body, cls, self._operation.label)

    def _raw(self) -> list[bytes | DecodeError]:
        return [*self._listing.rows()]

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        more = "more follow" if self.next_offset else "the last page"
        return f"<Page of {self._operation.label}: {len(self)} rows, {more}>"


def _whole(found: list[T | DecodeError]) -> list[T]:
    good = [item for item in found if not isinstance(item, DecodeError)]
    if len(good) < len(found):
        raise next(item for item in found if isinstance(item, DecodeError))
    return good


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
        if into is not None:
            _check_class(operation, into)
        self._start: str | None = own.pop("offset", None)
        self._order: Sort | None = own.get("order_by")
        self._draft = draft_list(operation, id, filters, own if self._start is None else own | {"offset": self._start})

    def __await__(self) -> Generator[Any, None, Page[R, Row]]:
        return self._fetch(self._start).__await__()

    def __aiter__(self) -> Stream[R]:
        return Stream(Walk(self), Page._records)

    def rows(self) -> Stream[Row]:
        """Every row as its envelope (`row.customer`, `row.card`)."""
        return Stream(Walk(self), Page._rows)

    def raw(self) -> Stream[bytes]:
        """Every row's JSON as the server sent it, undecoded: nothing of it is lost."""
        return Stream(Walk(self), Page._raw)

    def pages(self) -> Stream[Page[R, Row]]:
        """Page by page."""
        return Stream(Walk(self), _itself)

    def prefetch(self, ahead: int = 1) -> Prefetch[R]:
        """Records, with *ahead* pages being fetched while yours is worked on: `async with ... as stream`."""
        return Prefetch(self, ahead, Page._records)

    def prefetch_pages(self, ahead: int = 1) -> Prefetch[Page[R, Row]]:
        """Page by page, with *ahead* pages being fetched while yours is worked on: `async with ... as stream`."""
        return Prefetch(self, ahead, _itself)

    def parallel(self, workers: int = 8, *, ordered: bool = False, resume: ParallelState | None = None) -> Parallel[R]:
        """Records, read in up to *workers* windows of time at once: `async with ... as stream`.

        One cursor gives a page in a round trip; windows give as many as the limits allow. The list is divided along
        `created_at`, else `date`, `updated_at` or `occurred_at`, or along what `order_by` says (ascending); a list
        without such a field is followed by one cursor, fetched ahead, and `stream.split` and the log say why. Filters
        hold as they are. Rows come in no order, with *ordered* by that field, at the price of some 8 pages a worker
        held in memory and of more requests. What is created after the beginning belongs to a later pass, and so does
        what changes meanwhile where the field is `updated_at`. *resume* is the `state` of an earlier stream of the
        same list.

        Raises `RequestError` for an order that no window has, for an `offset`, and for the state of another list.
        """
        return self._parallel(Page._records, workers, ordered, resume)

    def parallel_pages(
        self, workers: int = 8, *, ordered: bool = False, resume: ParallelState | None = None
    ) -> Parallel[WindowPage[R, Row]]:
        """As `parallel`, page by page: each has its `window` and the `state` that is left when it is done with."""
        return self._parallel(_itself, workers, ordered, resume)

    def _parallel(
        self, items: Callable[[Any], list[Any]], workers: int, ordered: bool, resume: ParallelState | None
    ) -> Parallel[Any]:
        from .parallel import Parallel

        return Parallel(self, items, workers=workers, ordered=ordered, resume=resume)

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
        return await self._get(self._at(offset), offset)

    async def _get(self, draft: Draft, offset: str | None, *, ahead: bool = False) -> Page[R, Row]:
        operation = self._operation
        read = functools.partial(Page.read, operation, into=self._into)
        caller = self._caller.ahead() if ahead else self._caller
        try:
            return await caller.send(draft, self._options, read, instead=operation.instead)
        except InvalidRequest as error:
            if error.param == "offset" and offset is not None:
                raise CursorExpired(
                    "the server no longer accepts the offset", offset=offset, operation=operation.label
                ) from error
            raise

    def __repr__(self) -> str:
        return f"<Pages of {self._operation.label}>"


def _check_class(operation: ListOperation[Any, Any], into: type[Any]) -> None:
    shown = getattr(into, "__name__", type(into).__name__)
    try:
        if not _has_fields(into):
            raise TypeError("it is no class with fields: attrs, dataclass, msgspec.Struct or TypedDict")
        record_decoders(operation.main, into)
    except Exception as error:
        raise RequestError(
            f"into: rows cannot be read into {shown} ({error})", field="into", operation=operation.label
        ) from error


def _has_fields(into: Any) -> bool:
    if not isinstance(into, type):
        return False
    return (
        attrs.has(into)
        or dataclasses.is_dataclass(into)
        or is_typeddict(into)
        or issubclass(into, msgspec.Struct | dict)
    )


def _itself(page: Page[R, Row]) -> list[Page[R, Row] | DecodeError]:
    return [page]
