"""Where an export stands, page by page."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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

    `rows` are all that were read: `deleted` ones, which are read too lest the others move, and those that come once
    more with what has changed. What is written has each once, and deleted ones only if these were asked for.

    `resource` is the list's name, `stage` the pass that is under way ("full", "changes", "created") or "render", when
    the output is written. `requests` is the client's count, whatever they were for: lists that are exported at
    once all tell the same. `windows` is how many parts of the list are being read at once. `total` estimates the rows
    of the full pass from the density of those that were read; None while nothing can be said.
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
    deleted: int = 0


class Meter:
    """Counts pages for one list and tells *tell*. *before* are the requests and seconds of earlier runs; *clock* is
    that of its seconds. `requests` are those of *operation*: the client's others may be of lists beside this one."""

    def __init__(
        self,
        resource: str,
        stats: Stats,
        tell: Callable[[Progress], None] | None,
        before: tuple[int, float] = (0, 0.0),
        clock: Callable[[], float] = time.monotonic,
        operation: str | None = None,
    ) -> None:
        self._resource = resource
        self._stats = stats
        self._tell = tell
        self._clock = clock
        self._began = clock() - before[1]
        self._own = stats if operation is None else stats.of(operation)
        self._before, self._own_before = stats.attempts - before[0], self._own.attempts - before[0]
        self._first: int | None = None
        self._bytes = 0
        self.rows = self.pages = self._deleted = 0

    @property
    def requests(self) -> int:
        """Sent since the export began."""
        return self._own.attempts - self._own_before

    @property
    def seconds(self) -> float:
        """Since the export began, without the time between its runs."""
        return self._clock() - self._began

    def go_on(self, passes: Sequence[PassState]) -> None:
        """Begin behind what earlier runs have read."""
        self.rows, self.pages = sum(one.rows for one in passes), sum(one.pages for one in passes)
        self._deleted = sum(one.deleted for one in passes)

    def begin(self) -> None:
        """A pass begins, or goes on."""
        self._first = None

    def again(self, now: PassState) -> None:
        """What the pass has read so far will be read again."""
        self.rows -= now.rows
        self.pages -= now.pages
        self._deleted -= now.deleted

    def page(
        self, now: PassState, rows: int, size: int, windows: int = 1, left: float | None = None, deleted: int = 0
    ) -> None:
        """A page of *rows* and *size* bytes was taken, with *deleted* ones; *left* rows are expected still, where
        somebody knows."""
        self.rows += rows
        self.pages += 1
        self._deleted += deleted
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
                    requests=self._stats.attempts - self._before,
                    windows=windows,
                    total=total,
                    deleted=self._deleted,
                )
            )

    def _estimate(self, now: PassState) -> int | None:
        """Rows of a pass in the order of creation: those so far, and as many per second until the server's now."""
        if now.kind != "full" or now.last is None or self._first is None or now.began is None:
            return None
        if now.done:
            return now.rows
        passed = now.last - self._first
        return None if passed <= 0 else now.rows + round(now.rows / passed * max(0, now.began - now.last))
