"""The plainest limiter that several clients can share: windows in the memory of their one process."""

from __future__ import annotations

from collections.abc import Sequence

from aiochargebee_gw._clock import Clock
from aiochargebee_gw._policy.limits import Window
from aiochargebee_gw.limiter import Place

__all__ = ["Together"]


class Together:
    """A `Limiter`. `asked` are the windows of which places were asked for, `trips` those that were told of a trip."""

    processes = 2

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.windows: dict[str, Window] = {}
        self.asked: list[str] = []
        self.trips: list[str] = []
        self.closed = False
        # A place is given so many seconds ahead of its time.
        self.ahead = 0.0

    async def reserve(self, window: str, token: str, limit: float, period: float) -> Place:
        self.asked.append(window)
        found = self.windows.setdefault(window, Window(limit, period))
        wait = found.wait(self._clock.monotonic())
        if wait:
            return Place(None, min(wait, 0.25))
        found.take()
        return Place(token, self.ahead)

    async def give_back(
        self, window: str, limit: float, period: float, place: Place, *, sent: bool, trip: float | None
    ) -> None:
        self.trips += [window] if trip is not None else []
        self.windows[window].give_back(self._clock.monotonic(), sent=sent)

    async def close(self, window: str, seconds: float) -> None:
        self.windows[window].close(self._clock.monotonic() + seconds)

    async def join(self, window: str, period: float, left: Sequence[float]) -> None:
        raise AssertionError("nobody was ever gone")

    async def aclose(self) -> None:
        self.closed = True

    def used(self) -> dict[str, int]:
        """How many places of each window are taken."""
        now = self._clock.monotonic()
        return {name: window.used(now) for name, window in self.windows.items()}
