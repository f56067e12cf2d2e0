"""The time of one site: the sandbox's clock, and how far the site's own time machine is from it."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define

from aiochargebee_gw.sandbox._store import Store

_KEY = ("site", "time")


@define
class SiteTime:
    """``clock`` gives the sandbox's time in Unix seconds; the distance from it is kept in the store."""

    clock: Callable[[], float]
    store: Store
    offset: float = 0.0

    def __attrs_post_init__(self) -> None:
        note = self.store.note(*_KEY)
        self.offset = 0.0 if note is None else float(note["offset"])

    def now(self) -> float:
        """The site's time in Unix seconds."""
        return self.clock() + self.offset

    def set(self, moment: float) -> None:
        """Let it be ``moment`` at the site now; from there on its time goes on with the clock."""
        self.offset = moment - self.clock()
        self.store.set_note(*_KEY, None, {"offset": self.offset})
