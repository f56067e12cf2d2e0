"""Every limit that a call passes on its way: its site's, the account's, and how many may be under way at once."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal

import anyio
import attrs

from ._clock import Clock
from ._policy.limits import Window
from ._turnstile import Turn, Turnstile
from .errors import DeadlineExceeded
from .settings import Limits

__all__ = ["Gates", "Passage"]


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

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._account = Turnstile(Window(limits.account_per_second, 1.0), clock)
        self._sites: dict[str, Turnstile] = {}
        self._concurrency = anyio.CapacityLimiter(limits.concurrency)

    @asynccontextmanager
    async def turn(self, who: Passage) -> AsyncIterator[Turn]:
        """A place in every limit that counts the call, given back whatever happens.

        Where places are free they are taken without a pause of the loop: a page that is fetched ahead must be on its
        way before the one in hand is decoded. Raises `DeadlineExceeded` when none comes in time.
        """
        turn = Turn()
        # The site first: a site that is throttled must not hold the places that all sites share.
        gates = [*([self._site(who.site)] if who.site is not None else ()), self._account]
        began = self._clock.monotonic()
        async with AsyncExitStack() as held:
            async with self._in_time(who.deadline - began, who):
                for gate in gates:
                    if not gate.try_enter():
                        await gate.enter(who.rank, who.deadline, who.label)
                    held.callback(gate.leave, turn)
                await self._concur(turn)
                held.callback(self._concurrency.release_on_behalf_of, turn)
            turn.waited = self._clock.monotonic() - began
            yield turn

    def close(self, scope: Literal["account", "site"], site: str | None, seconds: float) -> None:
        """Let nobody through for *seconds*: what one caller was told by a 429 holds for all."""
        until = self._clock.monotonic() + seconds
        if scope == "account":
            self._account.window.close(until)
        elif site is not None:
            self._site(site).window.close(until)

    async def _concur(self, turn: Turn) -> None:
        try:
            self._concurrency.acquire_on_behalf_of_nowait(turn)
        except anyio.WouldBlock:
            await self._concurrency.acquire_on_behalf_of(turn)

    @asynccontextmanager
    async def _in_time(self, seconds: float, who: Passage) -> AsyncIterator[None]:
        try:
            async with self._clock.timeout(max(0.0, seconds)):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded("the limits left no time for an attempt", operation=who.label) from error

    def _site(self, site: str) -> Turnstile:
        if site not in self._sites:
            per_minute = self._limits.site_per_minute
            window = Window(math.inf if per_minute is None else per_minute, 60.0)
            self._sites[site] = Turnstile(window, self._clock)
        return self._sites[site]
