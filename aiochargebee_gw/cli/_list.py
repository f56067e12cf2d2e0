"""`list`: rows of a resource, a hundred unless told otherwise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from ..errors import RequestError
from ..export._lines import line
from ._names import check_selection, listing
from ._options import Common, Selection, whole
from ._output import emit, say
from ._session import open_gateway
from ._table import choose_columns, show_table

if TYPE_CHECKING:
    from ..pagination import Page, Pages

__all__ = ["command"]

_DEFAULT_ROWS = 100


async def command(
    resource: Annotated[str, Parameter(help="The plural: customers, subscriptions, item_prices, ...")],
    /,
    *,
    limit: Annotated[
        int | None, Parameter(converter=whole, validator=validators.Number(gte=1), help="Rows in total: 100.")
    ] = None,
    all: Annotated[bool, Parameter(help="Every row.")] = False,
    envelope: Annotated[bool, Parameter(help="With --json: whole rows, {'customer': ..., 'card': ...}.")] = False,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """List rows of a resource."""
    if all and limit is not None:
        raise RequestError("--all and --limit exclude each other", field="limit")
    check_selection(resource, selection)
    most = None if all else limit or _DEFAULT_ROWS
    async with open_gateway(common) as gw:
        pages = listing(gw, resource, selection, limit=min(100, most or 100))
        show = _Lines(envelope) if common.json else _Glimpse()
        shown, more = await _walk(pages, most, show)
    show.end()
    if more:
        say(f"{shown} shown, and there are more: --limit or --all")
    return 0


async def _walk(pages: Pages[Any, Any], most: int | None, show: _Lines | _Glimpse) -> tuple[int, bool]:
    """Show up to *most* rows. Returns how many there were, and whether there are more."""
    shown = 0
    async for page in pages.pages():
        left = len(page) if most is None else most - shown
        show.take(page, left)
        shown += min(left, len(page))
        if shown == most:
            return shown, len(page) > left or page.next_offset is not None
    return shown, False


class _Lines:
    """Rows as JSON, page by page."""

    def __init__(self, envelope: bool) -> None:
        self._envelope = envelope

    def take(self, page: Page[Any, Any], most: int) -> None:
        rows = (page.raw if self._envelope else page.documents)[:most]
        emit(map(line, rows))

    def end(self) -> None:
        pass


class _Glimpse:
    """A few columns of the rows, page by page: those that the first page has."""

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._begun = False

    def take(self, page: Page[Any, Any], most: int) -> None:
        # The standard library takes half of a surrogate pair, too.
        rows = [json.loads(document) for document in page.documents[:most]]
        if rows:
            self._columns = self._columns or choose_columns(rows)
            show_table(rows, self._columns, header=not self._begun)
            self._begun = True

    def end(self) -> None:
        if not self._begun:
            say("no rows")
