"""Where an export stands, page by page."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import attrs

from ..observe import Stats
from ._state import PassState

__all__ = ["Meter", "Progress"]

Stage = Literal["full", "changes", "created", "render"]


@attrs.frozen(kw_only=True)
class Progress:
    """Where the export of one list stands: `rows` taken from `pages`, `bytes` of JSON in them, `seconds` since it
    began. What earlier runs of a resumed export have done counts, but for the bytes.

    `resource` is the list's name, `stage` the pass that is under way ("full", "changes", "created") or "render", when
    the output is written. `requests` is the client's count, whatever they were for. `windows` is
    how many parts of the list are being read at once. `total` estimates the rows of the full pass from the density of
    those that were read; None while nothing can be said.
    """

    rows: int
    pages: int
    bytes: int
    seconds: float
    resource: str = ""
    stage: Stage = "full"
    requests: int = 0
    windows: int = 1
    total: int | None = None


class Meter:
    """Counts pages for one list and tells *tell*. *before* are the requests and seconds of earlier runs."""

    def __init__(
        self,
        resource: str,
        stats: Stats,
        tell: Callable[[Progress], None] | None,
        before: tuple[int, float] = (0, 0.0),
    ) -> None:
        self._resource = resource
        self._stats = stats
        self._tell = tell
        self._began = time.monotonic() - before[1]
        self._before = stats.attempts - before[0]
        self._first: int | None = None
        self._bytes = 0
        self.rows = self.pages = 0

    @property
    def requests(self) -> int:
        """Sent since the export began."""
        return self._stats.attempts - self._before

    @property
    def seconds(self) -> float:
        """Since the export began, without the time between its runs."""
        return time.monotonic() - self._began

    def begin(self, now: PassState) -> None:
        """A pass begins, or goes on."""
        self._first = None
        if now.kind == "full":
            self.rows, self.pages = now.rows, now.pages

    def again(self, now: PassState) -> None:
        """What the pass has read so far will be read again."""
        self.rows -= now.rows
        self.pages -= now.pages

    def page(self, now: PassState, rows: int, size: int, windows: int = 1, left: float | None = None) -> None:
        """A page of *rows* and *size* bytes was taken; *left* rows are expected still, where somebody knows."""
        self.rows += rows
        self.pages += 1
        self._bytes += size
        self._first = now.last if self._first is None else self._first
        self._say(now.kind, windows, self._estimate(now) if left is None else now.rows + round(left))

    def render(self, rows: int) -> None:
        """The output is being written; it will have *rows*."""
        self._say("render", 0, rows)

    def _say(self, stage: Stage, windows: int, total: int | None) -> None:
        if self._tell is not None:
            self._tell(
                Progress(
                    rows=self.rows,
                    pages=self.pages,
                    bytes=self._bytes,
                    seconds=self.seconds,
                    resource=self._resource,
                    stage=stage,
                    requests=self.requests,
                    windows=windows,
                    total=total,
                )
            )

    def _estimate(self, now: PassState) -> int | None:
        """Rows of a pass in the order of creation: those so far, and as many per second until the server's now."""
        if now.kind != "full" or now.last is None or self._first is None or now.began is None:
            return None
        if now.done or now.cursor is None:
            return now.rows
        passed = now.last - self._first
        return None if passed <= 0 else now.rows + round(now.rows / passed * max(0, now.began - now.last))
