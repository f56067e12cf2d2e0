"""A sliding window over arrivals, as a server counts them."""

from __future__ import annotations

from collections import deque

from attrs import define, field


@define
class Window:
    """At most ``limit`` admitted arrivals in any ``seconds``."""

    limit: int
    seconds: float
    arrivals: deque[float] = field(factory=deque)

    def admit(self, at: float) -> float:
        """0 when the arrival is admitted, else the seconds until there is room; refused ones do not count."""
        while self.arrivals and self.arrivals[0] <= at - self.seconds:
            self.arrivals.popleft()
        if len(self.arrivals) < self.limit:
            self.arrivals.append(at)
            return 0.0
        return self.arrivals[0] + self.seconds - at
