"""One list on its way into one file: plan, journal, render."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from .._files import Replacement
from ..errors import RequestError
from ..pagination import Pages
from ._desk import Desk
from ._journal import making_way
from ._lists import Listed
from ._manifest import Part
from ._places import Place, refused, taken
from ._progress import Meter, Progress
from ._pull import Puller
from ._render import Source, render
from ._report import ExportReport
from ._state import ListState, Published

__all__ = ["Job"]


class Job:
    """Exports *pages* to *place*. `run` may be called once; `touched` says whether the journal holds anything then."""

    def __init__(
        self,
        pages: Pages[Any, Any],
        place: Place,
        *,
        rows: str = "record",
        workers: int = 1,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.place = place
        self.listed = Listed(pages)
        self._rows = rows
        self._workers = workers
        self._progress = progress
        self._stats = pages.stats
        self._resumed = False
        self._state: ListState | None = None

    @property
    def touched(self) -> bool:
        """Whether there is anything to go on with."""
        return self._resumed or (self._state is not None and any(one.pages for one in self._state.passes))

    async def run(self, desk: Desk) -> Part:
        """Pull what is missing, write the file, and give it its name. The journal stays."""
        state = self._state = await desk.run(self._begin, desk)
        meter = Meter(self.listed.name, self._stats, self._progress, before=(state.requests, state.seconds))
        if state.published is None:
            puller = Puller(self.listed, desk, state, meter, workers=self._workers, whole=self._rows == "envelope")
            if not state.has("full"):
                await puller.full()
            await puller.changes()
            state.published = await self._publish(desk, state, meter)
        return Part(self.listed, state, self._report(state, state.published, meter))

    def settle(self, desk: Desk) -> None:
        """All is done, the manifest too: who asks again wants it as it is then."""
        state = desk.journal.state(self.listed.name)
        if state is not None:
            state.part = state.published = None
            desk.journal.commit(self.listed.name, [], state)

    def _begin(self, desk: Desk) -> ListState:
        """What the journal knows of this query; what is there of another is refused, or with force forgotten."""
        journal = desk.journal
        self.place.sweep()
        fingerprint = self.listed.fingerprint(self._rows)
        for other in journal.lists():
            state = journal.state(other)
            fits = state is not None and state.fingerprint == fingerprint
            if state is not None and fits and self.place.resume:
                journal.check()
                if not self._is_over(state):
                    self._resumed = True
                    return self._go_on(state)
            elif not self.place.force:
                raise self._not_ours(desk.path, fits=fits)
            self._check_free()
            journal.forget(other)
        self._check_free()
        return ListState(query=self.listed.label, fingerprint=fingerprint)

    def _is_over(self, state: ListState) -> bool:
        """Whether an earlier export has come to its end, and nothing tells what has changed since."""
        ended = state.finished and state.part is None
        return ended and (state.unnamed or not self.listed.shows_changes)

    def _not_ours(self, path: Path, *, fits: bool) -> RequestError:
        if fits:
            text = f"{path} holds a part of this export already; resume goes on with it; force replaces it"
        else:
            text = f"{path} is the journal of another query; force replaces it"
        return RequestError(text, field="journal")

    def _go_on(self, state: ListState) -> ListState:
        state.part = None
        made = state.published
        if made is not None and not (made.deleted == self.listed.wants_deleted and _is_at(self.place.path, made)):
            state.published = None
        if state.published is None:
            self._check_free()
        return state

    def _check_free(self) -> None:
        if not self.place.force and self.place.path.exists():
            raise taken(self.place)

    async def _publish(self, desk: Desk, state: ListState, meter: Meter) -> Published:
        meter.render(state.known)
        # Not in a thread: a cancellation would leave a file that nobody knows of.
        file = Replacement(self.place.path, replace=self.place.force, tag=self.place.tag)
        try:
            return await desk.run(self._write, desk, state.snapshot(), file)
        except asyncio.CancelledError:
            # The thread goes on. Either it finds out that it must not, or the file is there already, whole.
            if file.discard():
                desk.abandon()
                raise
            return await asyncio.shield(desk.run(self._published, desk))
        finally:
            file.discard()

    def _write(self, desk: Desk, state: ListState, file: Replacement) -> Published:
        """Write and name the file. The journal knows of it before it has its name: whoever resumes finds it done."""
        name = self.listed.name
        state.part = file.path.name
        # A mirror that is made of this goes on from here.
        state.finish()
        desk.journal.commit(name, [], state)
        source = Source(desk.journal, name, self.listed, deleted=self.listed.wants_deleted, sorted=state.split)
        published = attrs.evolve(render(source, file, self.place.format), deleted=source.deleted)
        desk.journal.commit(name, [], attrs.evolve(state, published=published))
        path = Path(os.path.realpath(self.place.path)) if self.place.force else self.place.path
        try:
            with making_way(path) if self.place.format == "db" else contextlib.nullcontext():
                file.commit()
        except FileExistsError as error:
            raise refused(f"{self.place.path} was made by somebody else meanwhile; force replaces it") from error
        return published

    def _published(self, desk: Desk) -> Published:
        state = desk.journal.state(self.listed.name)
        if state is None or state.published is None:
            raise AssertionError("it is kept before the file has its name")
        return state.published

    def _report(self, state: ListState, published: Published, meter: Meter) -> ExportReport:
        passes = state.passes
        return ExportReport(
            rows=published.rows,
            repeated=sum(one.rows - one.added for one in passes if one.kind == "full"),
            pages=sum(one.pages for one in passes),
            requests=meter.requests,
            seconds=meter.seconds,
            path=self.place.path,
            bytes=published.bytes,
            sha256=published.sha256,
            resource=self.listed.name,
            resumed=self._resumed,
            began=passes[0].began,
            as_of=state.as_of,
            manifest=self.place.manifest,
        )


def _is_at(path: Path, published: Published) -> bool:
    """Whether the file at *path* is what was published."""
    try:
        if path.stat().st_size != published.bytes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == published.sha256
    except FileNotFoundError:
        return False
