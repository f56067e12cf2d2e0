"""A window while it is read: where it stands, and how dense its rows are. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

import attrs

from ._axis import Mark
from ._page import Trail
from ._window import Window

__all__ = ["Track", "above", "below"]

_MAX_IDS = 1000
# A density is expected to hold for that many times as long as it has held.
_LASTS = 4


@attrs.frozen
class _Near:
    """The density of the last page in rows per second, the second since which it has been like that, and the one up to
    which that is expected to hold: what has lasted for long goes on for long, what has just begun may end at once."""

    density: float = 0.0
    begin: int = 0
    until: int = 0

    def after(self, first: int, last: int, rows: int) -> _Near:
        """The same behind one more page."""
        density = rows / max(1, last - first)
        begin = self.begin if self.density / 2 <= density <= self.density * 2 else first
        return _Near(density, begin, last + _LASTS * max(1, last - begin))


@attrs.define(eq=False)
class Track:
    """A window while it is read. `told` is how far its rows were handed out, `left` those of earlier times that must
    not come again, `ids` the rows of the second at `fetched.position`, all of them."""

    fetched: Window
    told: Window
    trail: Trail
    ids: set[str]
    left: set[str]
    high: int | None
    busy: bool = False
    ended: bool = False
    waiting: int = 0
    hot: bool = False
    asked: int = 0
    restarted: bool = False
    near: _Near = _Near()

    @classmethod
    def of(cls, window: Window, label: str) -> Track:
        return cls(window, window, Trail(label, window.cursor), set(window.ids), set(window.ids), window.high)

    @property
    def low(self) -> float:
        """Where it begins."""
        return -math.inf if self.fetched.low is None else self.fetched.low

    @property
    def next_second(self) -> int | None:
        position, low = self.fetched.position, self.fetched.low
        return low if position is None else position

    @property
    def seconds(self) -> int:
        """The seconds that were read."""
        position, origin = self.fetched.position, self.fetched.origin
        if self.ended and self.high is not None:
            position = self.high
        return 0 if position is None or origin is None else max(1, position - origin)

    def advance(self, marks: Sequence[Mark], end: int, new: int, full: int) -> None:
        """Stand behind the first *end* rows of a page, *new* of which are new; a full page has *full*."""
        window = self.fetched
        dated = [at for at, _ in marks if at is not None]
        inside = [at for at, _ in marks[:end] if at is not None and not below(at, self.next_second)]
        position = max(inside, default=window.position)
        if position != window.position:
            self.ids = set()
        self.ids |= {id for at, id in marks[:end] if id is not None and at == position}
        self.forget(marks, moved=position != window.position)
        origin = window.origin if window.origin is not None else min(dated, default=None)
        self.hot = len(marks) >= full and len(dated) > 1 and dated[0] == dated[-1]
        if dated and position is not None:
            self.near = self.near.after(dated[0], dated[-1], len(dated))
        self.fetched = attrs.evolve(window, position=position, ids=_kept(self), rows=window.rows + new, origin=origin)

    def forget(self, marks: Sequence[Mark], *, moved: bool) -> None:
        """What was handed out of the page in hand, when a state was kept, comes again on the first pages or never."""
        seen = {id for _, id in marks if id is not None}
        self.left = self.left - seen if not moved or self.left & seen or not seen else set()


def _kept(track: Track) -> tuple[str, ...]:
    return tuple(sorted({*islice(track.ids, _MAX_IDS), *track.left}))


def above(at: int | None, high: int | None) -> bool:
    return at is not None and high is not None and at > high


def below(at: int | None, low: int | None) -> bool:
    return at is not None and low is not None and at < low
