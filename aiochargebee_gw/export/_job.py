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
from ._desk import Desk, cancellations, outlast
from ._journal import Journal, making_way
from ._lists import Listed
from ._manifest import Entry, Part, entry_of
from ._places import Place, recalled, refused, taken
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
        self._fingerprint = self.listed.fingerprint(rows)
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
        """Pull what is missing, write the file, and give it its name; or find it there, complete. The journal stays."""
        begun = await desk.run(self._begin, desk)
        if isinstance(begun, Part):
            return begun
        state = self._state = begun
        meter = Meter(
            self.listed.name,
            self._stats,
            self._progress,
            before=(state.requests, state.seconds),
            operation=self.listed.label,
        )
        if state.published is None:
            puller = Puller(self.listed, desk, state, meter, workers=self._workers, whole=self._rows == "envelope")
            if not state.has("full"):
                await puller.full()
            await puller.changes()
            state.published = await self._publish(desk, state, meter)
        report = self._report(state, state.published, meter)
        return Part(report, entry_of(self.listed, state, report))

    def settle(self, desk: Desk) -> None:
        """All is done, the manifest too: who asks again wants it as it is then."""
        state = desk.journal.state(self.listed.name)
        if state is not None:
            state.part = state.published = None
            desk.journal.commit(self.listed.name, [], state)

    def _begin(self, desk: Desk) -> ListState | Part:
        """What the journal knows of this query, or what is done already; what is there of another query is refused, or
        with force forgotten."""
        journal, place = desk.journal, self.place
        self._check_journal(journal)
        place.sweep()
        known = journal.state(self.listed.name)
        if known is not None and known.fingerprint == self._fingerprint and place.resume:
            journal.check()
            if not self._is_over(known):
                return self._go_on(known)
        done = self._done(known)
        if done is not None:
            return done
        for other in journal.lists():
            journal.forget(other)
        return ListState(query=self.listed.label, fingerprint=self._fingerprint)

    def _check_journal(self, journal: Journal) -> None:
        """Refuse a mirror, always; and without force a journal of another query, or one that is not to be gone on
        with."""
        path, lists = journal.path, journal.lists()
        if journal.is_mirror or len(lists) > 1:
            raise RequestError(f"{path} is a mirror; the journal must be a file of its own", field="journal")
        state = journal.state(self.listed.name)
        fits = state is not None and state.fingerprint == self._fingerprint
        if not lists or self.place.force or (fits and self.place.resume):
            return
        if fits:
            text = f"{path} holds a part of this export already; resume goes on with it; force replaces it"
        else:
            text = f"{path} is the journal of another query; force replaces it"
        raise RequestError(text, field="journal")

    def _is_over(self, state: ListState) -> bool:
        """Whether an earlier export has come to its end, and nothing tells what has changed since."""
        ended = state.finished and state.part is None
        return ended and (state.unnamed or not self.listed.shows_changes)

    def _go_on(self, state: ListState) -> ListState | Part:
        made = state.published
        if made is None or made.deleted != self.listed.wants_deleted or not _is_at(self.place.path, made):
            state.published = None
            done = self._done(state)
            if done is not None:
                return done
        state.part, self._resumed = None, True
        return state

    def _done(self, state: ListState | None) -> Part | None:
        """The output of an earlier call, where it is there, complete, and nothing newer has been begun in the journal.

        A process may end when its journal is gone, and have told nobody yet that it is done. Raises `RequestError` for
        a file that is anything else.
        """
        place = self.place
        if place.force or not place.path.exists():
            return None
        part = recalled(place) if place.resume else None
        if part is None:
            raise taken(place)
        entry = part.entry
        if (entry.fingerprint, entry.deleted) != (self._fingerprint, self.listed.wants_deleted):
            raise taken(place, "as the output of another query")
        if state is not None and not (state.finished and len(state.passes) == len(entry.passes)):
            raise taken(place, f"and {place.journal} holds a part of a newer one")
        if not _is_at(place.path, entry):
            raise taken(place, "and was changed since it was made")
        return part

    async def _publish(self, desk: Desk, state: ListState, meter: Meter) -> Published:
        meter.render(state.known)
        # Not in a thread: a cancellation would leave a file that nobody knows of.
        file = Replacement(self.place.path, replace=self.place.force, tag=self.place.tag)
        cancelled = cancellations()
        writing = desk.begin(self._write, desk, state.snapshot(), file)
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            # The thread goes on. Either it finds out that it must not, or the file is there already, whole.
            if file.discard():
                writing.cancel()
                desk.abandon()
                raise
            return await outlast(writing, late=True, since=cancelled)
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


def _is_at(path: Path, made: Published | Entry) -> bool:
    """Whether the file at *path* is what was made."""
    try:
        if path.stat().st_size != made.bytes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == made.sha256
    except FileNotFoundError:
        return False
