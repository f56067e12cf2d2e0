"""The export itself: one list into one place, or several into a folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from os import PathLike
from typing import Any, Literal

from ..pagination import Pages
from ._desk import Desk, outlast
from ._formats import Format, check_format
from ._job import Job
from ._manifest import Part, write_manifest
from ._output import Writable
from ._places import Place, checked_workers, folder_at, place_at, refused
from ._progress import Progress
from ._report import ExportReport
from ._stream import stream_at, stream_to
from ._together import together

__all__ = ["check", "check_all", "export", "export_all"]

Rows = Literal["record", "envelope"]
Tell = Callable[[Progress], None]
_MANIFEST = "manifest.json"


def check(
    to: str | PathLike[str] | Writable,
    *,
    force: bool = False,
    rows: Rows = "record",
    journal: str | PathLike[str] | None = None,
    resume: bool = True,
) -> None:
    """Raise the `RequestError` that `export` would raise for *to*, without touching anything."""
    if stream_at(to) is None:
        place = _place(to, force=force, resume=resume, journal=journal)
        check_format(place.format, rows)
    else:
        check_format("jsonl", rows)


async def export(
    pages: Pages[Any, Any],
    *,
    to: str | PathLike[str] | Writable,
    force: bool = False,
    rows: Rows = "record",
    workers: int = 8,
    journal: str | PathLike[str] | None = None,
    resume: bool = True,
    progress: Tell | None = None,
) -> ExportReport:
    """Write every record of a list to *to*: a path whose ending names the format, `"-"` (JSONL on stdout), or a binary
    stream (JSONL; it is not closed). The package's docstring says what the formats hold.

    A stream is a file open for writing bytes, or whatever has a `write` like one's: it is called from a thread, a page
    at a time, and returns how many bytes it took, or None when it takes all it is given. One that has to be awaited, or
    to be called on the event loop, as `asyncio.StreamWriter`, is refused. A raw stream that is non-blocking, and full,
    ends the export with `BlockingIOError`, a count that cannot be with `OSError`.

    A file is made from a journal beside it, `<to>.journal`, which is removed when all is done; *journal* names another
    file for it, which stays. What an earlier call of the same query left in the journal, however it ended, is gone on
    with: of a list that was read to its end only what has changed is asked for, or all of it where the list cannot be
    asked for changes. *resume=False* refuses that, and a journal of another query is refused always. A journal knows
    the connection that was named, but not the key: who has several sites names the connection. *force* replaces a file
    that exists (a symlink keeps pointing at what is replaced), and a journal that does not fit, but for a mirror.
    Without it a file that somebody makes meanwhile stays, too, and the export is refused at its end.

    A file that is complete already is not made again: where its manifest tells of this query and of these bytes, what
    it tells is the report, as of the `as_of` of then, `resumed`, and nothing is asked. *force* makes it anew, and
    *resume=False* refuses it as any other file.

    *workers* requests run at once where the list can be split. *rows* is what a row becomes: its main record, or the
    whole of it ("envelope"; `.jsonl` and `.csv` only). *progress* is called on the loop after each page, and must
    return quickly.

    Raises `RequestError` before any request for a place that cannot be written to or a journal that does not fit,
    `OSError` when the disk fails, and the errors of the list; no output remains then, and the journal keeps what was
    read. A cancellation that comes when the file has its name comes too late: the report is returned.
    """
    stream = stream_at(to)
    if stream is not None:
        check_format("jsonl", rows)
        return await stream_to(pages, stream, whole=rows == "envelope", progress=progress)
    place = _place(to, force=force, resume=resume, journal=journal)
    check_format(place.format, rows)
    job = Job(pages, place, rows=rows, workers=checked_workers(workers), progress=progress)
    async with _open([job]) as desks:
        part = await job.run(desks[0])
        await _finish([job], desks, [part])
    return part.report


def check_all(
    names: Sequence[str],
    *,
    to: str | PathLike[str],
    format: Format = "jsonl",
    force: bool = False,
    rows: Rows = "record",
    resume: bool = True,
) -> None:
    """Raise the `RequestError` that `export_all` would raise, without touching anything but the folder itself."""
    _places(names, to=to, format=format, force=force, rows=rows, resume=resume)


async def export_all(
    lists: Mapping[str, Pages[Any, Any]],
    *,
    to: str | PathLike[str],
    format: Format = "jsonl",
    force: bool = False,
    rows: Rows = "record",
    workers: int = 8,
    resume: bool = True,
    progress: Tell | None = None,
) -> list[ExportReport]:
    """Write several lists at once into the folder *to*: `<name>.<format>` each, and one `manifest.json` for all.

    They share their client's connections and limits; *workers* is the number of each. The folder is made where it is
    missing. Each list has a journal of its own, and none of these goes before all files are there: one call is resumed
    by the same call. The rest is as `export` has it; the first error ends all of them, and is raised.
    """
    places = _places(list(lists), to=to, format=format, force=force, rows=rows, resume=resume)
    jobs = [
        Job(pages, place, rows=rows, workers=checked_workers(workers), progress=progress)
        for pages, place in zip(lists.values(), places, strict=True)
    ]
    async with _open(jobs) as desks:
        parts = await together([partial(Job.run, job, desk) for job, desk in zip(jobs, desks, strict=True)])
        if parts:
            await _finish(jobs, desks, parts)
    return [part.report for part in parts]


def _places(names: Sequence[str], *, to: str | PathLike[str], format: str, rows: str, **how: bool) -> list[Place]:
    ending = check_format(format, rows)
    folder = folder_at(to)
    for name in names:
        if not name or name != name.strip("./") or "/" in name or "\0" in name:
            raise refused(f"{name!r} cannot be the name of a file")
    manifest = folder / _MANIFEST
    return [
        place_at(folder / f"{name}.{ending}", force=how["force"], resume=how["resume"], manifest=manifest)
        for name in names
    ]


@asynccontextmanager
async def _open(jobs: list[Job]) -> AsyncIterator[list[Desk]]:
    """The jobs' journals. They go when all is done, unless they were asked for; those that hold nothing go, too."""
    async with AsyncExitStack() as stack:
        desks: list[Desk] = []
        done = False
        try:
            for job in jobs:
                desks.append(await stack.enter_async_context(Desk(job.place.journal)))
            yield desks
            done = True
        finally:
            for job, desk in zip(jobs, desks, strict=False):
                desk.drop = (done and not job.place.keep) or (not job.touched and desk.is_new)


async def _finish(jobs: list[Job], desks: list[Desk], parts: list[Part]) -> None:
    """The files are there: a cancellation comes too late."""
    if not all(part.recalled for part in parts):
        await outlast(asyncio.ensure_future(_settle(jobs, desks, parts)), late=True)


async def _settle(jobs: list[Job], desks: list[Desk], parts: list[Part]) -> None:
    manifest = parts[0].report.manifest
    if manifest is not None:
        await desks[0].run(write_manifest, manifest, parts, jobs[0].place.tag)
    for job, desk in zip(jobs, desks, strict=True):
        if job.place.keep:
            await desk.run(job.settle, desk)


def _place(to: Any, **how: Any) -> Place:
    if not isinstance(to, str | PathLike):
        raise refused(f"to= takes a path, '-' or a binary stream, not {type(to).__name__}")
    return place_at(to, **how)
