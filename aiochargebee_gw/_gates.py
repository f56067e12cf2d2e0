"""Every limit that a call passes on its way: its site's, the account's, and how many may be under way at once.

All of them are taken together or none: who waits holds nothing that another could use. So a site that is throttled or
slow delays its own calls alone, and an export in line keeps nothing from a web request.
"""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Literal

import attrs

from ._clock import Clock, Timer
from ._policy.adaptive import Adaptive
from ._policy.limits import Trips, Window
from ._shared import Link
from ._site import Lane, Rate, Site, Ticket, Turn
from ._turnstile import Turnstile
from .errors import DeadlineExceeded
from .limiter import Limiter
from .settings import Limits
from .transport.base import CONNECTIONS

__all__ = ["Gates", "Passage", "Turn"]


@attrs.frozen(kw_only=True)
class Passage:
    """Who wants through: *site* is None for the control plane, *rank* 0 goes before 1, *deadline* is monotonic."""

    site: str | None
    method: str
    rank: int
    deadline: float
    label: str


class Gates:
    """The limits of one client. Holds no loop: it works on any, one after another."""

    def __init__(self, limits: Limits, clock: Clock, limiter: Limiter | None = None) -> None:
        self._limits = limits
        self._clock = clock
        self._link = None if limiter is None else Link(limiter, clock, self.dispatch)
        self._account = self._rate("account", limits.account_per_second, 1.0)
        self._control = Site((), self._account)
        self._sites: dict[str, Site] = {}
        self._many = 64
        places = min(limits.concurrency, CONNECTIONS)
        self._fair = places - places // 4
        self._turnstile = Turnstile(self._own, self._common)
        self._alarm: tuple[float, Timer] | None = None
        self._running = 0
        self._now = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    def turn(self, who: Passage) -> _Passing:
        """A place in every limit that counts the call, as a context manager that gives it back whatever happens.

        Where places are free they are taken without a pause of the loop: a page that is fetched ahead must be on its
        way before the one in hand is decoded. Raises `DeadlineExceeded` when none comes in time.
        """
        return _Passing(self, who)

    def close(
        self, scope: Literal["account", "site"], site: str | None, seconds: float, *, exceeded: bool = False
    ) -> None:
        """Let nobody through for *seconds*: what one caller was told by a 429 holds for all.

        *exceeded*: the site's limit per minute was the reason.
        """
        self._now = self._clock.monotonic()
        rates: tuple[Rate, ...] = (self._account,)
        if scope == "site":
            if site is None:
                return
            shut = self._site(site)
            rates = shut.rates
            if exceeded and shut.adaptive is not None:
                shut.adaptive.refused(self._now)
        for rate in rates:
            rate.close(self._now + seconds)
        # Who cannot be served in time is told so now.
        for lane, ticket in list(self._turnstile.waiting()):
            if self._too_late(lane, ticket):
                ticket.called.set_result(None)
        self.dispatch()

    def enter(self, who: Passage) -> Turn | None:
        """A turn, if everything is free and nobody waits."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._move(loop)
        if not self._turnstile.empty:
            return None
        self._now = self._clock.monotonic()
        lane = self._lane(who)
        return None if self._own(lane) or self._common() else self._take(lane, loop)

    async def wait(self, who: Passage) -> Turn:
        """A turn, after those who go first."""
        began = self._now = self._clock.monotonic()
        lane = self._lane(who)
        ticket = Ticket(who.deadline, asyncio.get_running_loop().create_future())
        self._turnstile.join(lane, who.rank, ticket)
        self.dispatch()
        try:
            # Where it is certain that no place comes in time nobody waits for it.
            if not self._too_late(lane, ticket):
                async with self._clock.timeout(who.deadline - began):
                    await ticket.called
        except TimeoutError:
            pass
        except BaseException:
            self._give_up(ticket)
            raise
        if ticket.turn is None:
            self._give_up(ticket)
            raise DeadlineExceeded("the limits leave no time for another attempt", operation=who.label)
        ticket.turn.waited = self._clock.monotonic() - began
        return ticket.turn

    def leave(self, turn: Turn) -> None:
        """Give everything back."""
        if not self._goes_on(turn.loop):
            return
        now = self._clock.monotonic()
        site, places = turn.site, turn.places
        self._running -= 1
        site.running[turn.kind] -= 1
        for rate in site.counted:
            place = None if places is None else places.get(rate)
            rate.give_back(now, sent=turn.sent, trip=turn.trip, place=place)
        if not self._turnstile.empty:
            self.dispatch()

    def _give_up(self, ticket: Ticket) -> None:
        ticket.gone = True
        if ticket.turn is not None:
            self.leave(ticket.turn)
        elif self._goes_on(ticket.called.get_loop()):
            self.dispatch()

    def _goes_on(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether calls are made on *loop* still: what began on an earlier one was forgotten with it."""
        return loop is self._loop and not loop.is_closed()

    def dispatch(self) -> None:
        """Let through whom the limits allow now, and look again when they may allow more."""
        self._now = self._clock.monotonic()
        wake: float = 0.0
        while not wake:
            found = self._turnstile.next()
            if isinstance(found, tuple):
                lane, ticket = found
                if self._now < ticket.deadline:
                    ticket.turn = self._take(lane, ticket.called.get_loop())
                ticket.called.set_result(None)
            else:
                wake = found
        if self._link is not None:
            # A site's place waits for the account's; the account's waits for nobody in particular.
            self._link.rest({rate for lane in self._turnstile.lanes for rate in lane.site.rates})
        self._set_alarm(wake)

    async def aclose(self) -> None:
        """Give the places back that are held in a shared limiter, and close it."""
        if self._link is not None:
            await self._link.aclose()

    def _own(self, lane: Lane) -> float:
        """The seconds until there may be a place in the limits of the lane's site."""
        # Where there are several sites, none may hold all that can be under way at once, nor all connections: it may
        # hang.
        if len(self._sites) > 1 and sum(lane.site.running) >= self._fair:
            return math.inf
        return lane.site.wait(lane.kind, self._now)

    def _common(self) -> float:
        """The seconds until there may be a place in the limits that all sites share."""
        return math.inf if self._running >= self._limits.concurrency else self._account.wait(self._now)

    def _take(self, lane: Lane, loop: asyncio.AbstractEventLoop) -> Turn:
        site = lane.site
        turn = Turn(site, lane.kind, loop)
        self._running += 1
        site.running[lane.kind] += 1
        for rate in site.counted:
            place = rate.take()
            if place is not None:
                turn.places = {**(turn.places or {}), rate: place}
        return turn

    def _too_late(self, lane: Lane, ticket: Ticket) -> bool:
        """Whether it is certain that no place comes in time."""
        least = max(rate.least(self._now) for rate in lane.site.counted)
        return self._now + least >= ticket.deadline

    def _set_alarm(self, wake: float) -> None:
        at = self._now + wake
        if self._alarm is not None and (self._turnstile.empty or at < self._alarm[0]):
            self._alarm[1].cancel()
            self._alarm = None
        if self._alarm is None and math.isfinite(wake):
            self._alarm = (at, self._clock.call_later(wake, self._ring))

    def _ring(self) -> None:
        self._alarm = None
        self.dispatch()

    def _move(self, loop: asyncio.AbstractEventLoop) -> None:
        """A loop that has ended took its calls with it: what was under way counts as sent. Before the first loop there
        was nothing."""
        now = self._clock.monotonic()
        self._turnstile.forget()
        self._alarm = None
        if self._link is not None:
            self._link.moved()
        self._running = 0
        self._account.abandon(now)
        for site in (self._control, *self._sites.values()):
            site.abandon(now)
        self._loop = loop

    def _lane(self, who: Passage) -> Lane:
        site = self._control if who.site is None else self._site(who.site)
        return site.lanes[who.method != "GET"]

    def _site(self, name: str) -> Site:
        site = self._sites.get(name)
        if site is None:
            if len(self._sites) >= self._many:
                self._forget_idle()
            site = self._sites[name] = self._new_site(name)
        return site

    def _new_site(self, name: str) -> Site:
        limits = self._limits
        adaptive = Adaptive() if limits.site_per_minute is None else None
        rates: tuple[Rate, ...] = () if adaptive is None else (adaptive,)
        if adaptive is None or self._link is not None:
            rates = (*rates, self._rate(f"site:{name}", limits.site_per_minute or math.inf, 60.0))
        return Site(rates, self._account, (limits.get_concurrency, limits.post_concurrency), adaptive)

    def _forget_idle(self) -> None:
        """Hundreds of sites come and go: keep those that something is known of."""
        busy = {lane.site for lane, _ in self._turnstile.waiting()}
        for name, site in list(self._sites.items()):
            if site not in busy and site.idle(self._now):
                del self._sites[name]
                if self._link is not None:
                    self._link.forget(site.rates)
        self._many = max(64, 2 * len(self._sites))

    def _rate(self, name: str, limit: float, period: float) -> Rate:
        trips = Trips() if name == "account" else None
        if self._link is None:
            return Window(limit, period, trips)
        return self._link.window(name, limit, period, trips)


class _Passing:
    """What `Gates.turn` returns. Not a generator: it is on the way of every request."""

    __slots__ = ("_gates", "_turn", "_who")

    def __init__(self, gates: Gates, who: Passage) -> None:
        self._gates = gates
        self._who = who

    async def __aenter__(self) -> Turn:
        turn = self._gates.enter(self._who)
        self._turn: Turn = turn if turn is not None else await self._gates.wait(self._who)
        return self._turn

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gates.leave(self._turn)
