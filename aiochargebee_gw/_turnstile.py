"""Where calls wait for their place in the limits: by priority, and first come, first served within one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

from ._site import Lane, Ticket

__all__ = ["Turnstile"]


class Turnstile:
    """All lanes that somebody waits in. What is full holds up those who need it, and nobody else.

    *may* gives the seconds until there may be a place in a lane's own limits, *shared* in those of all: 0.0 for now,
    `inf` until something is given back.
    """

    def __init__(self, may: Callable[[Lane], float], shared: Callable[[], float]) -> None:
        self._may = may
        self._shared = shared
        self._numbers = itertools.count()
        self.lanes: set[Lane] = set()

    @property
    def empty(self) -> bool:
        """Whether nobody waits, or waited when it was last asked who is next."""
        return not self.lanes

    def join(self, lane: Lane, rank: int, ticket: Ticket) -> None:
        """Get in line; the lower *rank* goes first."""
        lane.push(rank, next(self._numbers), ticket)
        self.lanes.add(lane)

    def waiting(self) -> Iterator[tuple[Lane, Ticket]]:
        """All who wait, in no order."""
        return ((lane, ticket) for lane in self.lanes for ticket in lane)

    def next(self) -> tuple[Lane, Ticket] | float:
        """Who passes now, else the seconds after which to ask again."""
        wake = math.inf
        best: tuple[tuple[int, int, Ticket], Lane] | None = None
        for lane in list(self.lanes):
            head = lane.head()
            if head is None:
                self.lanes.discard(lane)
            elif best is None or head < best[0]:
                wait = self._may(lane)
                if wait:
                    wake = min(wake, wait)
                else:
                    best = head, lane
        if best is None:
            return wake
        (_, _, ticket), lane = best
        wait = self._shared()
        return min(wake, wait) if wait else (lane, ticket)

    def forget(self) -> None:
        """Nobody waits any more: their loop is gone."""
        for lane in self.lanes:
            lane.clear()
        self.lanes.clear()
