"""What a limiter that several processes share must do: `ext.redis` is one, an actor on a cluster could be another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

__all__ = ["Limiter", "Place"]


@attrs.frozen
class Place:
    """A place in a shared window, to be used in `wait` seconds, not earlier; `until` is the limiter's own note.

    Without a `token` there is none: ask again in `wait` seconds.
    """

    token: str | None
    wait: float = 0.0
    until: int = 0


class Limiter(Protocol):
    """Windows by name, each with at most *limit* requests (a whole number) in *period* seconds; `inf` counts nothing.

    A method that gets no answer soon raises `OSError` or `TimeoutError`, and must do so within a fraction of a second.
    Each process then keeps to its share, a limit divided by `processes`, tries again every second, and calls `join`
    before anything else when the limiter is back.
    """

    @property
    def processes(self) -> int:
        """How many processes share the limits at the most."""
        ...

    async def reserve(self, window: str, token: str, limit: float, period: float) -> Place:
        """A place, also one that is free only in a moment, or none. *token* is to be the place's: when no answer comes
        it is given back under it."""
        ...

    async def give_back(
        self, window: str, limit: float, period: float, place: Place, *, sent: bool, trip: float | None
    ) -> None:
        """End a request: with *sent* its place stays taken for a period, without it is free at once.

        *trip* is the seconds that a good answer took, where completions may be dated back as `_policy.limits.Trips`
        says, else None.
        """
        ...

    async def close(self, window: str, seconds: float) -> None:
        """Give nobody a place for *seconds*, and forget the trips."""
        ...

    async def join(self, window: str, period: float, left: Sequence[float]) -> None:
        """Come back after a loss: the places that this process has used meanwhile stay taken for *left* seconds."""
        ...

    async def aclose(self) -> None:
        """Close what is open on the running loop; safe to call twice."""
        ...
