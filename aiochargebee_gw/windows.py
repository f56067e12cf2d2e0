"""The plan of a list that is read in several windows at once: windows in, next request out. No clock, no I/O.

A window is a range of whole seconds of one time field, walked upwards by a cursor of its own whose query never changes.
Whoever is idle takes the upper half of the window with the most rows left; its owner then stops at the first row
beyond. Windows are disjoint and no second is ever split, so each row belongs to one of them. Chargebee's cursor holds
the sort value and the number of the last row (`next_offset`, "Pagination"): rows of one second may spread over pages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import attrs

from ._axis import EARLIEST, Mark, is_unnamed
from ._page import Trail
from ._track import Track, above, below
from ._window import ParallelState, Window
from .errors import PaginationError

__all__ = ["Ask", "AskEnd", "ParallelState", "Part", "Plan", "Window"]

# Less than that is read by its owner sooner than by two.
_WORTH_PAGES = 1.5
# What is known of the whole list counts as much as so many pages of a window's own.
_PRIOR_PAGES = 4
# How far a window reaches when the order is kept: what lies further ahead would only wait in memory.
AHEAD_PAGES = 8


@attrs.frozen(kw_only=True)
class Ask:
    """A request to send: the page of a window at `cursor`. `ahead` says that it goes before the others where they wait
    for a limit."""

    window: int
    after: int | None = None
    before: int | None = None
    cursor: str | None = None
    ahead: bool = False


@attrs.frozen
class AskEnd:
    """A request to send: the last row of the list."""


@attrs.frozen(kw_only=True)
class Part:
    """What a page gives its window: the numbers of its `rows` on the page and their `ids`, and how it leaves it."""

    window: int
    rows: tuple[int, ...]
    ids: tuple[str | None, ...] = attrs.field(repr=False)
    after: Window


class Plan:
    """Windows, and what to ask for next: `ask` → a request → `take`, `found_end` or `expired`; `deliver` when a part
    was handed out. Not for two threads."""

    def __init__(self, state: ParallelState, *, label: str, page_rows: int, workers: int, ordered: bool) -> None:
        self._state = state
        self._label = label
        self._page_rows = page_rows
        self._workers = workers
        self._ordered = ordered
        self._tracks = {window.number: Track.of(window, label) for window in state.windows}
        self._numbers = max(self._tracks, default=0)
        self._taken = 0
        self._looking = False
        self._ended = 0, 0
        self._sums: tuple[int, int] | None = None
        self.whole: str | None = None
        """Why the list turned out not to be divisible."""

    @property
    def finished(self) -> bool:
        """Whether all rows were handed out."""
        return not self._tracks

    @property
    def lowest(self) -> int | None:
        """The window whose rows come first in order."""
        return self._in_order()[0].fetched.number if self._tracks else None

    @property
    def rows_left(self) -> float | None:
        """An estimate of the rows not yet read, None as long as nothing is known."""
        left = sum(self._left(track) for track in self._tracks.values() if not track.ended)
        return left if math.isfinite(left) else None

    def state(self, other: Window | None = None) -> ParallelState:
        """What remains if all that was delivered is done, with *other* in the place of its window."""
        windows = {track.told.number: attrs.evolve(track.told, high=track.high) for track in self._in_order()}
        if other is not None:
            track = self._tracks.get(other.number)
            windows[other.number] = other if track is None else attrs.evolve(other, high=track.high)
        return attrs.evolve(self._state, windows=tuple(windows.values()))

    def began(self, server_time: float | None) -> None:
        """Note the server's time, of the first answer that tells one."""
        if self._state.began is None:
            self._state = attrs.evolve(self._state, began=server_time)

    # -- what to ask for

    def ask(self, *, room: bool = True) -> Ask | AskEnd | None:
        """The next request, None when there is none for now. Without *room* for further pages it is one of the first
        window in order, or none."""
        if not room:
            first = self._in_order()[:1] if self._ordered else []
            return next((self._ask(track) for track in first if not (track.busy or track.waiting)), None)
        if self._lacks_end():
            self._looking = True
            return AskEnd()
        idle = [track for track in self._tracks.values() if not track.busy and not track.ended]
        if idle:
            return self._ask(min(idle, key=lambda track: track.low) if self._ordered else max(idle, key=self._size))
        stolen = self._steal()
        return None if stolen is None else self._ask(stolen)

    def _ask(self, track: Track) -> Ask:
        track.busy, track.asked = True, self._taken
        window = track.fetched
        return Ask(
            window=window.number, after=window.after, before=window.before, cursor=window.cursor,
            ahead=self._goes_ahead(track),
        )  # fmt: skip

    def _left(self, track: Track) -> float:
        """The rows that a window is expected to have left, infinite where nothing is known."""
        begin = track.next_second
        return math.inf if begin is None or track.high is None else self._expected(track, begin, track.high)

    def _expected(self, track: Track, begin: int, end: int) -> float:
        near = max(0, min(end, track.near.until) - begin)
        return near * track.near.density + (end - begin - near) * self._far(track)

    def _far(self, track: Track) -> float:
        """Rows per second further ahead: as in the window so far, the less of it was read the more as in the whole
        list."""
        rows, seconds = self._seen
        if not seconds or not rows:
            return track.near.density
        weight = _PRIOR_PAGES * self._page_rows
        return (track.fetched.rows + weight) / (track.seconds + weight * seconds / rows)

    @property
    def _seen(self) -> tuple[int, int]:
        """Rows and seconds read in all windows. Each estimate of each window asks for them: they are kept."""
        if self._sums is None:
            tracks = self._tracks.values()
            rows, seconds = self._ended
            self._sums = rows + sum(t.fetched.rows for t in tracks), seconds + sum(t.seconds for t in tracks)
        return self._sums

    def _size(self, track: Track) -> tuple[bool, float]:
        """What makes one window longer than another. Nobody knows how many rows a second has that fills a page."""
        return track.hot, self._left(track)

    def _goes_ahead(self, track: Track) -> bool:
        """The longest window goes first, unless that has kept another one waiting for long."""
        patience = 4 * self._workers
        if any(other.busy and self._taken - other.asked >= patience for other in self._tracks.values()):
            return False
        others = [other for other in self._in_order() if not other.ended]
        return track is (others[0] if self._ordered else max(others, key=self._size))

    def _lacks_end(self) -> bool:
        """Whether it is time to look for the last row: once there is more than one page."""
        if not self._state.split or self._looking or len(self._tracks) != 1:
            return False
        (track,) = self._tracks.values()
        return track.high is None and track.fetched.cursor is not None

    def _in_order(self) -> list[Track]:
        return sorted(self._tracks.values(), key=lambda track: track.low)

    def _steal(self) -> Track | None:
        """The upper part of the window with the most rows left, as a window of its own."""
        if not self._state.split:
            return None
        cuts = {track: cut for track in self._in_order() if (cut := self._cut(track)) is not None}
        if not cuts:
            return None
        victim = max(cuts, key=self._left)
        if self._ordered:
            far = 2 * AHEAD_PAGES * self._page_rows
            victim = next((track for track in cuts if self._left(track) > far), victim)
        return self._divide(victim, cuts[victim])

    def _cut(self, track: Track) -> int | None:
        """The last second that the owner of a window keeps, None where a second owner is not worth a request."""
        begin, high, left = track.next_second, track.high, self._left(track)
        if track.ended or begin is None or high is None or left <= _WORTH_PAGES * self._page_rows:
            return None
        kept = left / 2
        if self._ordered:
            kept = min(kept, AHEAD_PAGES * self._page_rows)
        cut = max(begin + math.floor(self._seconds_of(track, begin, kept)), EARLIEST)
        return cut if begin <= cut < high else None

    def _seconds_of(self, track: Track, begin: int, rows: float) -> float:
        """How many seconds from *begin* on are expected to hold so many rows."""
        near = max(0, track.near.until - begin)
        in_near = near * track.near.density
        return rows / track.near.density if rows <= in_near else near + (rows - in_near) / self._far(track)

    def _divide(self, victim: Track, cut: int) -> Track:
        self._numbers += 1
        high = victim.high
        window = Window(
            number=self._numbers, low=cut + 1, high=high, after=cut, before=None if high is None else high + 1,
            origin=cut + 1,
        )  # fmt: skip
        victim.high = cut
        self._tracks[window.number] = track = Track.of(window, self._label)
        track.near = victim.near
        return track

    # -- what came back

    def take(self, ask: Ask, marks: Sequence[Mark], cursor: str | None) -> Part:
        """The page of a window. Raises `PaginationError` where the server does not do what it was asked for: rows
        would be lost."""
        track = self._tracks[ask.window]
        track.busy = False
        self._taken += 1
        self._sums = None
        self._check(track, ask, marks)
        if not self._state.split:
            return self._take_whole(track, marks, cursor)
        begin = track.next_second
        end = next((n for n, (at, _) in enumerate(marks) if above(at, track.high)), len(marks))
        rows = tuple(
            n
            for n, (at, id) in enumerate(marks[:end])
            if not below(at, begin) and id not in track.ids and id not in track.left
        )
        track.advance(marks, end, len(rows), self._page_rows)
        track.restarted = track.restarted and not rows
        return self._finish(track, marks, rows, cursor, more=end == len(marks))

    def _take_whole(self, track: Track, marks: Sequence[Mark], cursor: str | None) -> Part:
        """A page of the one cursor of an undivided list."""
        rows = tuple(n for n, (_, id) in enumerate(marks) if id not in track.left)
        track.forget(marks, moved=True)
        track.fetched = attrs.evolve(track.fetched, ids=tuple(sorted(track.left)), rows=track.fetched.rows + len(rows))
        return self._finish(track, marks, rows, cursor, more=True)

    def _finish(
        self, track: Track, marks: Sequence[Mark], rows: tuple[int, ...], cursor: str | None, *, more: bool
    ) -> Part:
        track.ended = cursor is None or not more
        if not track.ended:
            track.trail.advance(cursor, empty=not marks)
        track.fetched = attrs.evolve(track.fetched, cursor=cursor, high=track.high)
        track.waiting += 1
        ids = tuple(marks[n][1] for n in rows)
        return Part(window=track.fetched.number, rows=rows, ids=ids, after=track.fetched)

    def _check(self, track: Track, ask: Ask, marks: Sequence[Mark]) -> None:
        if not self._state.split:
            return
        dated = [at for at, _ in marks if at is not None]
        known = track.fetched.position if ask.cursor is not None else None
        orderly = all(a <= b for a, b in pairwise(dated)) and not (dated and known is not None and dated[0] < known)
        if not orderly:
            if track.high is not None:
                raise PaginationError("the server's rows are not in the order asked for", operation=self._label)
            self._undivided("the server does not sort it")
        elif ask.after is not None and dated and dated[0] < ask.after:
            raise PaginationError("the server does not keep to the filter of a window", operation=self._label)

    def found_end(self, marks: Sequence[Mark]) -> None:
        """The answer to an ask for the last row."""
        track = self._tracks.get(0)
        if track is None or track.ended or track.high is not None or not self._state.split:
            return
        last = marks[0][0] if marks else None
        if last is None:
            # They sort last, where no condition on the field would show them.
            self._undivided(f"its last rows have no {self._state.field}")
        elif any(above(at, last) for at in (track.fetched.position, *(at for at, _ in marks))):
            # What is told to be the last row lies before another one: windows up to it would lose all behind it.
            self._undivided("the server does not sort it downwards")
        elif last != track.fetched.position:
            # There is nothing to divide else, and a list whose first row that is may go on behind it.
            track.high = last

    def _undivided(self, reason: str) -> None:
        self.whole = reason
        self._state = attrs.evolve(self._state, split=False)

    def expired(self, ask: Ask) -> bool:
        """The server refused the cursor: read the window's second again, without the rows that came before. False when
        that was tried and brought nothing new, or when nothing tells the place or the rows."""
        track = self._tracks[ask.window]
        if not self._state.split or track.restarted or ask.cursor is None:
            return False
        window = track.fetched
        if any(map(is_unnamed, {*track.ids, *track.left})):
            return False
        after = window.after
        if window.position is not None and window.position > EARLIEST:
            after = window.position - 1
        track.fetched = attrs.evolve(window, cursor=None, after=after)
        track.trail = Trail(self._label, None)
        track.busy, track.restarted = False, True
        return True

    # -- what was handed out

    def deliver(self, part: Part) -> Window:
        """Note that the rows of a part were handed out; gives how far the window was told before."""
        track = self._tracks[part.window]
        before, track.told = track.told, part.after
        track.waiting -= 1
        self._state = attrs.evolve(self._state, rows=self._state.rows + len(part.rows))
        if track.ended and not track.waiting:
            self._ended = self._ended[0] + part.after.rows, self._ended[1] + track.seconds
            self._sums = None
            del self._tracks[part.window]
        return attrs.evolve(before, high=part.after.high)
