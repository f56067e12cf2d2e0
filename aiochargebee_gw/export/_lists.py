"""A list as an export sees it: what it is called, what it can be asked for, and the same list asked for otherwise.

The one module here that looks inside of a `Pages`.
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

import attrs

from .._axis import split_of
from ..errors import RequestError
from ..pagination import Pages

__all__ = ["Listed"]

_CHANGED = "updated_at"
_DELETED = "include_deleted"


def _check_pages(_: object, field: object, given: object) -> None:
    if not isinstance(given, Pages):
        raise RequestError(f"a list is wanted, such as gw.customers.list(), not {type(given).__name__}", field="pages")


@attrs.frozen
class Listed:
    """A list. Everything but `pages` is read from it."""

    pages: Pages[Any, Any] = attrs.field(validator=_check_pages)

    @property
    def name(self) -> str:
        """The resource by its place in the URL: "customers", "customers_contacts"."""
        parts = self.pages._operation.path.strip("/").split("/")
        return "_".join(part for part in parts if not part.startswith("{") and part != "list")

    @property
    def label(self) -> str:
        """The operation: "GET /api/v2/customers"."""
        return self.pages._operation.label

    @property
    def main(self) -> str:
        """The key of the rows' main records: "customer"."""
        return self.pages._operation.main

    @property
    def record(self) -> str:
        """Their class, as the catalogue names it: "customer.Customer"."""
        return self.pages._operation.record

    @property
    def query(self) -> dict[str, str]:
        """What is sent."""
        return dict(self.pages._draft.query)

    @property
    def filters(self) -> list[str]:
        """The filters by their names, without values: "status[is]"."""
        return [key for key in self.query if "[" in key and not key.startswith("sort_by[")]

    @property
    def sort(self) -> str | None:
        """The attribute by which the list is sorted, ascending; None for another order, or an unknown one."""
        return self.query.get("sort_by[asc]")

    @property
    def creation(self) -> str | None:
        """The attribute by which it is sorted, where new rows can be asked for by it, too."""
        return self.sort if self.sort != _CHANGED and self._can_ask(self.sort) else None

    @property
    def axis(self) -> str | None:
        """The time field along which the list can be read in several windows at once; None where it cannot."""
        if self.pages._start is not None:
            return None
        try:
            return split_of(self.pages._operation, self.pages._order).field
        except RequestError:  # the order that was asked for is none of windows
            return None

    @property
    def shows_changes(self) -> bool:
        """Whether it can be asked for what has changed since a moment, and its filters leave that open."""
        closed = {f"{_CHANGED}[{operator}]" for operator in ("between", "on", "before")}
        return self._can_ask(_CHANGED) and not closed & set(self.query) and self.pages._start is None

    @property
    def shows_deleted(self) -> bool:
        """Whether deleted rows can be asked for."""
        return self.pages._operation.include_deleted

    @property
    def wants_deleted(self) -> bool:
        """Whether they were asked for."""
        return self.query.get(_DELETED) == "true"

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the resource, not what some filter or cursor leaves of it."""
        return not self.filters and self.pages._start is None and "{" not in self.pages._operation.path

    def fingerprint(self, rows: str) -> str:
        """What distinguishes this query, and the site it is sent to, from every other. *rows* is what is kept."""
        caller = self.pages._caller
        options = caller.options.with_call(self.pages._options)
        place = caller.place or caller.settings.gateway_url
        pairs = sorted(pair for pair in self.pages._draft.query if pair[0] != _DELETED)
        # Of a business entity, or of another schema: a header may choose the rows.
        headers = [sorted((name.lower(), value) for name, value in options.headers.items())] if options.headers else []
        text = json.dumps([place, options.connection, self.pages._draft.path, pairs, rows, *headers])
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()

    def with_deleted(self) -> Listed:
        """Deleted rows, too, where that can be asked for: a row that goes while others are read moves none of them."""
        return self._asked({_DELETED: "true"}) if self.shows_deleted and self.pages._start is None else self

    def changed_since(self, low: int) -> Listed:
        """What has changed from the Unix second *low* on, together with the filters that there are."""
        return self._since(_CHANGED, low)

    def created_since(self, low: int) -> Listed:
        """What was created from the Unix second *low* on. Only for lists with a `creation`."""
        return self._since(self.creation or "", low)

    def at(self, cursor: str | None) -> Pages[Any, Any]:
        """The pages from *cursor* on."""
        pages = copy.copy(self.pages)
        pages._start = pages._start if cursor is None else cursor
        return pages

    def _since(self, field: str, low: int) -> Listed:
        # `after` may or may not hold the second itself: one more costs nothing. It has no end: a row that is touched
        # while a window with an end is read leaves it, and where offsets are positions its neighbour is skipped.
        key = f"{field}[after]"
        return self._asked({key: str(max(low - 1, int(self.query.get(key, 0))))})

    def _can_ask(self, field: str | None) -> bool:
        rule = self.pages._operation.filters.get(field) if field else None
        return rule is not None and "after" in rule.operators

    def _asked(self, more: dict[str, str]) -> Listed:
        pages = copy.copy(self.pages)
        kept = [pair for pair in self.pages._draft.query if pair[0] not in more]
        pages._draft = attrs.evolve(self.pages._draft, query=(*kept, *more.items()))
        return Listed(pages)
