"""What is counted for one site: its requests per minute, and how many GETs and POSTs are under way."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Iterator
from typing import Protocol

import attrs

from ._policy.adaptive import Adaptive
from .limiter import Place

__all__ = ["Lane", "Rate", "Site", "Ticket", "Turn"]


class Rate(Protocol):
    """A window that is asked and told on the event loop, without a pause (see `_policy.limits.Window`)."""

    def wait(self, now: float) -> float: ...

    def take(self) -> Place | None: ...

    def give_back(self, now: float, *, sent: bool, trip: float | None = None, place: Place | None = None) -> None: ...

    def close(self, until: float) -> None: ...

    def least(self, now: float) -> float: ...

    def abandon(self, now: float) -> None: ...

    def idle(self, now: float) -> bool: ...


class Site:
    """One connection's limits. `lanes` are those who wait to GET and those who wait to POST; `counted` are the *rates*
    of its own and the *account*'s, in which all its requests count."""

    __slots__ = ("_caps", "adaptive", "counted", "lanes", "rates", "running")

    def __init__(
        self,
        rates: tuple[Rate, ...],
        account: Rate,
        caps: tuple[float, float] = (math.inf, math.inf),
        adaptive: Adaptive | None = None,
    ) -> None:
        self.rates = rates
        self.counted = (*rates, account)
        self.adaptive = adaptive
        self.lanes = (Lane(self, 0), Lane(self, 1))
        self.running = [0, 0]
        self._caps = caps

    def wait(self, kind: int, now: float) -> float:
        """The seconds until there may be a place for a GET (*kind* 0) or a POST (1)."""
        if self.running[kind] >= self._caps[kind]:
            return math.inf
        for rate in self.rates:
            wait = rate.wait(now)
            if wait:
                return wait
        return 0.0

    def abandon(self, now: float) -> None:
        """What was under way will never be given back: its loop is gone."""
        self.running = [0, 0]
        for rate in self.rates:
            rate.abandon(now)

    def idle(self, now: float) -> bool:
        """Whether it can be forgotten."""
        return not any(self.running) and all(rate.idle(now) for rate in self.rates)


@attrs.define(eq=False)
class Turn:
    """A place in the limits. With `sent` the attempt may have reached the server: only then is its place counted.

    `trip` is the seconds that a good answer took, None for any other. `waited` is how long it took to get the place, in
    seconds.
    """

    site: Site
    kind: int
    loop: asyncio.AbstractEventLoop
    places: dict[Rate, Place] | None = None
    sent: bool = False
    trip: float | None = None
    waited: float = 0.0


@attrs.define(eq=False)
class Ticket:
    """One who waits, holding nothing. It is `called` when everything was taken on its behalf, which is its `turn`, or
    when nothing can be in time; it is `gone` when it waits no more."""

    deadline: float
    called: asyncio.Future[None]
    gone: bool = False
    turn: Turn | None = None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to do for it."""
        return self.gone or self.called.done()


class Lane:
    """Those who need the same places: a queue."""

    __slots__ = ("_heap", "kind", "site")

    def __init__(self, site: Site, kind: int) -> None:
        self.site = site
        self.kind = kind
        self._heap: list[tuple[int, int, Ticket]] = []

    def push(self, rank: int, number: int, ticket: Ticket) -> None:
        heapq.heappush(self._heap, (rank, number, ticket))

    def head(self) -> tuple[int, int, Ticket] | None:
        """Who is next. Those who have given up are forgotten when they come to the front."""
        while self._heap and self._heap[0][2].over:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None

    def clear(self) -> None:
        self._heap.clear()

    def __iter__(self) -> Iterator[Ticket]:
        return (ticket for _, _, ticket in self._heap if not ticket.over)
