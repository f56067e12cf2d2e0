"""The mirror: lists in one SQLite file that each run brings up to date."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import attrs

from ..errors import RequestError
from ..pagination import Pages
from ._desk import Desk
from ._journal import is_journal
from ._lists import Listed
from ._places import check_text, checked_workers, refused
from ._progress import Meter, Progress
from ._pull import Puller
from ._state import ListState
from ._together import together
from ._views import view

__all__ = ["SyncReport", "check_sync", "sync"]

_ENDINGS = (".db", ".sqlite", ".sqlite3")


@attrs.frozen(kw_only=True)
class SyncReport:
    """What a run has done for one list.

    The mirror holds `rows` records that are not deleted, and `deleted` that are. `read` rows have travelled; of them
    `added` were new and `changed` newer than what was known. `full` says that the whole list was read. `as_of` is the
    Unix second, on the server's clock, until which everything is in, but for the five minutes for which lists may lag:
    the next run asks for these again.
    """

    resource: str
    rows: int
    deleted: int
    read: int
    added: int
    changed: int
    full: bool
    pages: int
    requests: int
    seconds: float
    as_of: int | None


def check_sync(to: str | PathLike[str]) -> Path:
    """The path of a mirror. Raises `RequestError` for a place that cannot be one, with nothing touched."""
    path = Path(to)
    check_text(path)
    if path.suffix.lower() not in _ENDINGS:
        raise refused(f"{path}: a mirror is a file that ends in .db")
    if not path.parent.is_dir():
        raise refused(f"{path}: its folder does not exist")
    if path.exists() and (not path.is_file() or (path.stat().st_size and not is_journal(path))):
        raise refused(f"{path} exists and is no mirror")
    return path


async def sync(
    *lists: Pages[Any, Any],
    to: str | PathLike[str],
    verify: bool = False,
    workers: int = 8,
    progress: Callable[[Progress], None] | None = None,
) -> list[SyncReport]:
    """Bring the mirror *to* up to date: a SQLite file with a table `documents` and a view for each list.

    The first run reads each list as a whole. The next ones ask for what has changed (`updated_at`) since ten minutes
    before the last one, on the server's clock, and for what was created since, for rows that have no `updated_at`.
    Deletions arrive where the list shows deleted rows. A list that cannot be asked for changes is read as a whole each
    time; records that it no longer shows are flagged as deleted. *verify* does this with all of them. It finds what
    changes cannot tell: deletions that a list does not show, and rows without `updated_at` that were changed or that
    carry an older date.

    A run that ended in the middle, however, is gone on with. Lists are read at once, through one client's connections
    and limits, and must be whole: a row that no longer matches a filter would stay for ever. Raises `RequestError` for
    a list or a file that cannot be mirrored, `OSError`, and the errors of the lists; what was read is kept.
    """
    path = check_sync(to)
    found = [Listed(pages) for pages in lists]
    _check_lists(found)
    checked_workers(workers)
    async with Desk(path) as desk:
        runs = [_Run(listed, desk, verify=verify, workers=workers, progress=progress) for listed in found]
        try:
            return await together([partial(_Run.run, run) for run in runs])
        finally:
            desk.drop = desk.is_new and not any(run.touched for run in runs)


def _check_lists(found: list[Listed]) -> None:
    names = [listed.name for listed in found]
    if not names or len(set(names)) < len(names):
        raise RequestError("a mirror takes one or more lists, each once", field="lists")
    for listed in found:
        if not listed.is_whole:
            raise RequestError(f"{listed.name}: a mirror takes whole lists, without filters or offset", field="where")


class _Run:
    """One list, one run."""

    def __init__(
        self,
        listed: Listed,
        desk: Desk,
        *,
        verify: bool,
        workers: int,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._listed = listed
        self._desk = desk
        self._verify = verify
        self._workers = workers
        self._progress = progress
        self._state: ListState | None = None

    @property
    def touched(self) -> bool:
        """Whether there is anything to go on with."""
        return self._state is not None and any(one.pages for one in self._state.passes)

    async def run(self) -> SyncReport:
        state = self._state = await self._desk.run(self._begin)
        meter = Meter(self._listed.name, self._listed.pages.stats, self._progress, operation=self._listed.label)
        puller = Puller(self._listed, self._desk, state, meter, workers=self._workers)
        if state.mode == "full":
            await self._whole(puller, state)
        else:
            await self._changes(puller, state)
        return await self._desk.run(self._end, state, meter)

    async def _whole(self, puller: Puller, state: ListState) -> None:
        if not state.has("full"):
            await puller.full()
        if state.generation > 1:
            await self._desk.run(self._desk.journal.bury, self._listed.name, state.generation)
        await puller.changes()

    async def _changes(self, puller: Puller, state: ListState) -> None:
        if state.watermark is None:
            raise AssertionError("only a run after a whole one asks for changes")
        if not state.passes or state.passes[-1].kind == "changes":
            # Behind a pass that was left in the middle comes the rest of it.
            await puller.changes(None if state.passes else state.watermark)
        if self._listed.creation is not None and not state.has("created"):
            await puller.created(state.watermark)

    def _begin(self) -> ListState:
        listed, journal = self._listed, self._desk.journal
        fingerprint = listed.fingerprint("record")
        state = journal.state(listed.name)
        if state is None:
            return ListState(query=listed.label, fingerprint=fingerprint)
        if state.fingerprint != fingerprint:
            raise RequestError(
                f"{self._desk.path} holds {listed.name} of another site, or with filters or in another order",
                field="journal",
            )
        return _next_run(state, whole=self._verify or not listed.shows_changes or state.unnamed, verify=self._verify)

    def _end(self, state: ListState, meter: Meter) -> SyncReport:
        journal, name = self._desk.journal, self._listed.name
        state.finish()
        journal.commit(name, [], state)
        journal.define(*view(name, self._listed.record))
        rows = journal.count(name, deleted=False)
        return SyncReport(
            resource=name,
            rows=rows,
            deleted=journal.count(name, deleted=True) - rows,
            read=sum(one.rows for one in state.passes),
            added=sum(one.added for one in state.passes),
            changed=sum(one.changed for one in state.passes),
            full=state.mode == "full",
            pages=sum(one.pages for one in state.passes),
            requests=meter.requests,
            seconds=meter.seconds,
            as_of=state.as_of,
        )


def _next_run(state: ListState, *, whole: bool, verify: bool) -> ListState:
    """Where the next run begins, or goes on. *whole* asks for the list as a whole; to *verify* it, one that only asked
    for changes is not gone on with."""
    if not state.finished and not (verify and state.mode == "changes"):
        return state
    state.passes, state.finished = [], False
    state.mode = "full" if whole else "changes"
    state.generation += whole
    return state
