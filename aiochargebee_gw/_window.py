"""How far a list was read: windows and what is left of them, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .errors import RequestError

__all__ = ["ParallelState", "Window"]


@attrs.frozen(kw_only=True)
class Window:
    """One range of seconds, `low` to `high` inclusive, and how far it was read.

    `low` None is the beginning of the list, with the rows that lack the field; `high` None an end not yet known.
    `after`, `before` and `cursor` are its query's. `position` is the second of the last row read and `ids` are the
    rows of that second (of a fuller one 1,000), by which a refused cursor is replaced: the second is read
    again, without them. `rows` were read since the second `origin`.
    """

    number: int = 0
    low: int | None = None
    high: int | None = None
    after: int | None = None
    before: int | None = None
    cursor: str | None = attrs.field(default=None, repr=False)
    position: int | None = None
    ids: tuple[str, ...] = attrs.field(default=(), repr=False)
    rows: int = 0
    origin: int | None = None


@attrs.frozen(kw_only=True)
class ParallelState:
    """What is left of a list: a plain value to pickle or to keep as JSON, from which `parallel(resume=...)` goes on.

    `query` is a digest of the query that it belongs to, `field` the time field of its windows (None: one cursor, in the
    list's own order), `split` whether windows may be divided. `began` is the server's time of the first answer in Unix
    seconds (None where it tells none), `rows` how many were handed out. No `windows` are left when all was read.
    """

    query: str
    field: str | None
    split: bool
    began: float | None = None
    rows: int = 0
    windows: tuple[Window, ...] = (Window(),)

    @property
    def finished(self) -> bool:
        return not self.windows

    def as_dict(self) -> dict[str, Any]:
        """Numbers, texts, lists and None: for `json.dumps`."""
        return {**attrs.asdict(self), "windows": [{**attrs.asdict(w), "ids": list(w.ids)} for w in self.windows]}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> ParallelState:
        """What `as_dict` gave. Raises `RequestError` for anything else."""
        try:
            windows = tuple(Window(**{**window, "ids": tuple(window["ids"])}) for window in given["windows"])
            return cls(**{**given, "windows": windows})
        except (KeyError, TypeError) as error:
            raise RequestError("this is no state of a parallel listing", field="resume") from error
