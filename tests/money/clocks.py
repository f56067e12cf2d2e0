"""Clocks that a test moves, and that the server of the test reads too."""

from __future__ import annotations

from ..unit.clock import FakeClock

__all__ = ["EPOCH", "Suspending", "server_clock"]

EPOCH = 1_700_000_000.0


class Suspending(FakeClock):
    """A machine that can be suspended: its monotonic clock stands still meanwhile, the world's does not."""

    def __init__(self) -> None:
        super().__init__()
        self.suspended = 0.0

    def wall(self) -> float:
        return super().wall() + self.suspended


class server_clock:
    """The time of a server that is where the client is."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def __call__(self) -> float:
        return self._clock.wall()
