"""Many records by their ids: batches that are asked for concurrently, and the ids that nobody has.

Chargebee documents no limit for the values of an `in` filter; a batch is a page of 100 ids, and fewer where they are so
long that the URL would pass 6 kB, which proxies are sure to carry.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from urllib.parse import quote_plus

import anyio
import attrs

from ._page import ids_of
from .errors import DecodeError, GatewayClientError, PaginationError, RequestError
from .filters import Filter
from .pagination import Page, Pages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._operation import ListOperation
    from ._resource import Caller

__all__ = ["Many"]

R = TypeVar("R")

_BATCH = 100
_URL_BYTES = 6000
_AT_ONCE = 8


@attrs.frozen
class _Batch:
    ids: list[str]
    pages: Pages[Any, Any]


class Many(Generic[R]):
    """Records by id: `async for customer in gw.customers.get_many(ids)`.

    Each record comes once, however often its id was given; the order is that of the batches, not of the ids. `missing`
    tells which ids had no record, as far as was read: iterate to the end to know them all. Up to eight batches are
    asked for at once, while you wait for the first record of them and never behind your back. When a batch fails, the
    records of the others come first, then its error; the iteration after that asks for it again.

    Raises `RequestError` for an id that is no text or empty.
    """

    def __init__(
        self,
        caller: Caller,
        operation: ListOperation[Any, Any],
        ids: Iterable[str],
        into: type[Any] | None,
        options: Mapping[str, Any],
    ) -> None:
        if isinstance(ids, str | bytes):
            raise RequestError("get_many takes a list of ids, not one", field="ids", operation=operation.label)
        wanted = [_checked(id, operation.label) for id in dict.fromkeys(ids)]
        self._main = operation.main
        self._label = operation.label
        self._waiting: deque[_Batch] = deque()
        for batch in _batches(wanted):
            given = {**options, "limit": len(batch)}
            self._waiting.append(
                _Batch(batch, Pages(caller, operation, None, (Filter("id", "in", batch),), into, given))
            )
        self._unseen = dict.fromkeys(wanted)
        self._asked: set[str] = set()
        self._ready: deque[R | DecodeError] = deque()
        self._failed: GatewayClientError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R:
        while not self._ready:
            if self._failed is not None:
                error, self._failed = self._failed, None
                raise error
            if not self._waiting:
                raise StopAsyncIteration
            await self._turn()
        item = self._ready.popleft()
        if isinstance(item, DecodeError):
            raise item
        return item

    async def aclose(self) -> None:
        """Hand out nothing more. Safe to call twice."""
        self._waiting.clear()
        self._ready.clear()
        self._failed = None

    @property
    def missing(self) -> list[str]:
        """The ids, in the order given, that were asked for and have no record."""
        return [id for id in self._unseen if id in self._asked]

    async def _turn(self) -> None:
        """Ask for the next batches. All of them have ended when this returns: nothing goes on between two records."""
        together = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
        found: list[list[Page[Any, Any]] | GatewayClientError | None] = [None] * len(together)

        async def fetch(number: int) -> None:
            try:
                found[number] = [page async for page in together[number].pages.pages()]
            except GatewayClientError as error:
                found[number] = error

        try:
            async with anyio.create_task_group() as group:
                for number in range(len(together)):
                    group.start_soon(fetch, number)
        finally:
            # Also when cancelled: what has not come is still to be asked for.
            again = [batch for batch, outcome in zip(together, found, strict=True) if not self._take(batch, outcome)]
            self._waiting.extendleft(reversed(again))

    def _take(self, batch: _Batch, outcome: list[Page[Any, Any]] | GatewayClientError | None) -> bool:
        if outcome is None or isinstance(outcome, GatewayClientError):
            self._failed = self._failed or outcome
            return False
        try:
            rows = [
                row for page in outcome for row in zip(ids_of(page._body, self._main), page._records(), strict=True)
            ]
        except (GatewayClientError, ValueError) as error:
            self._failed = self._failed or PaginationError("a batch cannot be read", operation=self._label)
            self._failed.__cause__ = error
            return False
        self._asked.update(batch.ids)
        for seen, item in rows:
            if seen is None or seen in self._unseen:
                self._ready.append(item)
                self._unseen.pop(seen or "", None)
        return True

    def __repr__(self) -> str:
        return f"<Many: {len(self._unseen)} ids to find>"


def _checked(id: object, label: str) -> str:
    if not isinstance(id, str) or not id:
        raise RequestError("an id must be a text that is not empty", field="ids", operation=label)
    return id


def _batches(ids: list[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for id in ids:
        own = len(quote_plus(id.encode("utf-8", "replace"))) + 9  # two quotes and a comma, percent-encoded
        if batch and (len(batch) == _BATCH or size + own > _URL_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(id)
        size += own
    if batch:
        yield batch
