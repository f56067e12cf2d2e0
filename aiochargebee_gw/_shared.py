"""Windows that several processes share: what of them this process holds, and what it does while they are out of reach.

A shared window is asked and told like one of this process, without a pause of the loop. Behind that, one task asks the
limiter for one place ahead, only while somebody waits for it, so the place is used by whoever goes first when it is
ripe. Every request is also counted in a window of this process's own: its share, which holds when the limiter is gone.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections import deque
from collections.abc import Awaitable, Callable, Collection

from ._clock import Clock
from ._policy.limits import Trips, Window
from .limiter import Limiter, Place

__all__ = ["Link", "SharedWindow"]

_log = logging.getLogger("aiochargebee_gw")

# What others were given before the loss may still be sent within a period of the account's.
_QUIET_SECONDS = 1.0
_SOON_SECONDS = 0.25
_AGAIN_SECONDS = 1.0
_LAST_SECONDS = 0.3
_MOST_OWED = 1000


class Link:
    """The way to a limiter. After a loss this process first keeps quiet, then to its share, and tries again."""

    def __init__(self, limiter: Limiter, clock: Clock, changed: Callable[[], None]) -> None:
        self.limiter = limiter
        self.clock = clock
        self.changed = changed
        self.again_at: float = 0.0
        self.joining: bool = False
        self.owed: deque[Callable[[], Awaitable[None]]] = deque(maxlen=_MOST_OWED)
        self._lost_at: float | None = None
        self._told = False
        self._joined = True
        self._windows: list[SharedWindow] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def window(self, name: str, limit: float, period: float, trips: Trips | None) -> SharedWindow:
        """The window *name*, as wide for all processes together as *limit* says."""
        made = SharedWindow(self, name, limit, period, trips)
        self._windows.append(made)
        return made

    def forget(self, windows: tuple[object, ...]) -> None:
        """Those are not asked any more."""
        self._windows = [window for window in self._windows if window not in windows]

    @property
    def lost(self) -> bool:
        return self._lost_at is not None

    def alone(self, now: float) -> bool:
        """Whether this process goes by its share."""
        return self._lost_at is not None and now >= self._lost_at + _QUIET_SECONDS

    def failed(self, error: Exception) -> None:
        """The limiter did not answer."""
        now = self.clock.monotonic()
        if self._lost_at is None:
            self._lost_at = now
            self._joined = False
        alone = self.alone(now)
        self.again_at = now + (_AGAIN_SECONDS if alone else _SOON_SECONDS)
        if alone and not self._told:
            self._told = True
            cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
            _log.warning(
                "the shared limiter does not answer (%s): keeping to a share of one in %d until it is back",
                type(cause).__name__,
                self.limiter.processes,
            )

    async def join(self) -> None:
        """After a loss, before anything else: tell the limiter what was sent without it."""
        if self._joined:
            return
        self.joining = True
        try:
            now = self.clock.monotonic()
            await asyncio.gather(*(window.join(now) for window in self._windows if not window.idle(now)))
            self._joined = True
        finally:
            self.joining = False

    def answered(self) -> None:
        """The limiter did answer."""
        if self._told:
            _log.info("the shared limiter is back")
        self._lost_at, self._told = None, False
        owed, self.owed = self.owed, deque(maxlen=_MOST_OWED)
        for act in owed:
            self.tell(act, owed=True)

    def tell(self, act: Callable[[], Awaitable[None]], *, owed: bool = False) -> None:
        """Do something at the limiter, without waiting for it; what is *owed*, again when the limiter is back."""

        async def telling() -> None:
            try:
                await act()
            except Exception as error:
                if owed:
                    self.owed.append(act)
                self.failed(error)
            self.changed()

        self.start(telling)

    def start(self, act: Callable[[], Awaitable[None]]) -> None:
        """Run a task of this link's."""

        async def run() -> None:
            await act()

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def rest(self, keep: Collection[object] = ()) -> None:
        """Give back what nobody has asked for since this was last called, but for what is to be kept."""
        for window in self._windows:
            if window not in keep:
                window.rest()

    def moved(self) -> None:
        """The loop has ended, and its tasks with it. Places that they held free themselves in time."""
        self._tasks.clear()
        self.joining = False
        for window in self._windows:
            window.drop()

    async def settle(self) -> None:
        """Wait a moment for what is being told."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_SECONDS)

    async def aclose(self) -> None:
        """Give back what is held, and close the limiter. It works again when it is asked again."""
        for _ in range(2):  # the second time for what arrives meanwhile
            self.rest()
            await self.settle()
        for task in self._tasks:
            task.cancel()
        await self.limiter.aclose()


class SharedWindow:
    """One shared window, as this process sees it; a `Rate`."""

    def __init__(self, link: Link, name: str, limit: float, period: float, trips: Trips | None) -> None:
        self._link = link
        self._name = name
        self._trips = trips
        whole = Window(limit, period)
        self._limit, self._period = whole.limit, whole.period
        self._own = Window(limit / link.limiter.processes, period, trips)
        self._place: Place | None = None
        self._ripe = 0.0
        self._wanted = False
        self._asking = False
        self._ask_at = 0.0

    def wait(self, now: float) -> float:
        """The seconds until a place is there, `inf` while one is asked for."""
        self._wanted = True
        link = self._link
        if closed := self._own.closed(now):
            return closed
        if self._place is not None:
            return max(0.0, self._ripe - now)
        if self._asking or link.joining:
            return math.inf
        if link.lost and now < link.again_at:
            return self._own.wait(now) if link.alone(now) else link.again_at - now
        if not link.lost and now < self._ask_at:
            return self._ask_at - now
        # One window looks for the others whether the limiter is back.
        link.again_at = now + _AGAIN_SECONDS
        self._asking = True
        link.start(self._ask)
        return math.inf

    def take(self) -> Place | None:
        self._own.take()
        place, self._place = self._place, None
        return place

    def give_back(self, now: float, *, sent: bool, trip: float | None = None, place: Place | None = None) -> None:
        self._own.give_back(now, sent=sent, trip=trip)
        if place is not None:
            self._return(place, sent, None if self._trips is None else trip)

    def close(self, until: float) -> None:
        self._own.close(until)
        seconds = self._own.closed(self._link.clock.monotonic())
        self._link.tell(lambda: self._link.limiter.close(self._name, seconds))

    def least(self, now: float) -> float:
        return self._own.closed(now)

    def idle(self, now: float) -> bool:
        return self._place is None and not self._asking and self._own.idle(now)

    def abandon(self, now: float) -> None:
        self._own.abandon(now)

    def rest(self) -> None:
        """Give a place back that nobody has asked for since this was last called."""
        if self._place is not None and not self._wanted:
            place, self._place = self._place, None
            self._return(place, False, None)
        self._wanted = False

    def drop(self) -> None:
        """Forget what a loop that has ended was doing."""
        self._place, self._asking = None, False

    def _return(self, place: Place, sent: bool, trip: float | None) -> None:
        link, self._ask_at = self._link, 0.0
        if math.isinf(self._limit):
            return
        link.tell(
            lambda: link.limiter.give_back(self._name, self._limit, self._period, place, sent=sent, trip=trip),
            owed=True,
        )

    def _return_later(self, token: str) -> None:
        limiter, place = self._link.limiter, Place(token)
        if math.isfinite(self._limit):
            self._link.owed.append(
                lambda: limiter.give_back(self._name, self._limit, self._period, place, sent=False, trip=None)
            )

    async def join(self, now: float) -> None:
        """Tell the limiter, which is back, of the places that were used without it."""
        if math.isfinite(self._limit):
            await self._link.limiter.join(self._name, self._period, self._own.left(now))

    async def _ask(self) -> None:
        """Ask for one place."""
        link, token = self._link, os.urandom(8).hex()
        try:
            await link.join()
            place = await link.limiter.reserve(self._name, token, self._limit, self._period)
        except Exception as error:
            link.failed(error)
            # It may have been given all the same, and the answer lost or late.
            self._return_later(token)
        else:
            link.answered()
            now = link.clock.monotonic()
            if place.token is None:
                self._ask_at = now + place.wait
            else:
                self._place, self._ripe = place, now + place.wait
        finally:
            self._asking = False
        link.changed()
