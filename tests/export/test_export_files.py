"""Files that appear whole or not at all: who may take a name, and what a cancellation leaves."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from aiochargebee_gw import RequestError, _files
from aiochargebee_gw._files import Replacement, drop_parts, write_atomically
from aiochargebee_gw.export import Progress, check, export, journal_of

from .conftest import Serve, body, customer

pytestmark = pytest.mark.anyio
ROW = b'{"id":"a"}'


class Gate:
    """Holds a function of `os` up in its thread, before or behind what it does; not for folders."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, *, behind: bool) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        real: Callable[..., Any] = getattr(os, name)

        def held(*args: Any) -> None:
            if isinstance(args[0], int) and stat.S_ISDIR(os.fstat(args[0]).st_mode):
                real(*args)
                return
            if behind:
                real(*args)
            self.reached.set()
            self.open.wait(30)
            if not behind:
                real(*args)

        monkeypatch.setattr(os, name, held)


async def reached(event: threading.Event) -> None:
    """Return when another thread has set *event*."""
    assert await anyio.to_thread.run_sync(event.wait, 30)


def watched(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when a commit has ended, however."""
    ended, real = threading.Event(), Replacement.commit

    def commit(file: Replacement) -> None:
        try:
            real(file)
        finally:
            ended.set()

    monkeypatch.setattr(Replacement, "commit", commit)
    return ended


def outputs(folder: Path) -> list[str]:
    """What is in a folder, without journals and manifests."""
    return sorted(path.name for path in folder.iterdir() if ".journal" not in path.name and "manifest" not in path.name)


async def chunks() -> AsyncIterator[bytes]:
    """A download."""
    yield ROW


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
@pytest.mark.parametrize("force", [True, False])
async def test_a_cancellation_before_the_rename_leaves_nothing(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, force: bool
) -> None:
    """Cancelled while the thread syncs the finished bytes: the thread finds out that it must not go on."""
    gate = Gate(monkeypatch, "fsync", behind=False)
    ended = watched(monkeypatch)
    running = asyncio.create_task(export(serve(body(customer(ROW))), to=tmp_path / f"x.{ending}", force=force))
    await reached(gate.reached)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    gate.open.set()
    await reached(ended)
    assert outputs(tmp_path) == []


async def test_a_cancellation_behind_the_rename_comes_too_late(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled when the file has its name: the export has succeeded and says so."""
    gate = Gate(monkeypatch, "replace", behind=True)
    running = asyncio.create_task(export(serve(body(customer(ROW))), to=tmp_path / "x.jsonl", force=True))
    await reached(gate.reached)
    running.cancel()
    # The export waits for the lock that the rename holds.
    threading.Timer(0, gate.open.set).start()
    report = await running
    assert (tmp_path / "x.jsonl").read_bytes() == ROW + b"\n"
    assert (report.rows, report.bytes) == (1, len(ROW) + 1)


async def test_a_download_that_is_there_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled behind the rename, a download has succeeded."""
    gate = Gate(monkeypatch, "replace", behind=True)
    running = asyncio.create_task(write_atomically(tmp_path / "late", chunks()))
    await reached(gate.reached)
    running.cancel()
    threading.Timer(0, gate.open.set).start()
    assert await running == tmp_path / "late"
    assert (tmp_path / "late").read_bytes() == ROW


async def test_a_download_that_is_not_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled before the rename, it leaves nothing."""
    gate, ended = Gate(monkeypatch, "fsync", behind=False), watched(monkeypatch)
    running = asyncio.create_task(write_atomically(tmp_path / "early", chunks()))
    await reached(gate.reached)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    gate.open.set()
    await reached(ended)
    assert list(tmp_path.iterdir()) == []


def test_what_is_discarded_cannot_be_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even when the discard comes between the last sync and the rename."""
    file = Replacement(tmp_path / "x")
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    real = file._file.close

    def close() -> None:
        real()
        assert file.discard() is True

    monkeypatch.setattr(file, "_file", _Closing(file._file, close))
    with pytest.raises(ValueError, match="discarded"):
        file.commit()
    assert list(tmp_path.iterdir()) == []
    kept = Replacement(tmp_path / "y")
    kept.commit()
    assert kept.discard() is False
    assert (tmp_path / "y").exists()


class _Closing:
    """A file whose closing is ours, once."""

    def __init__(self, file: Any, close: Callable[[], None]) -> None:
        self._file, self._close = file, close

    def close(self) -> None:
        close, self._close = self._close, self._file.close
        close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
@pytest.mark.parametrize("links", [True, False])
async def test_a_file_that_comes_meanwhile_stays(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, links: bool
) -> None:
    """Without force nobody's file is overwritten, also where a file cannot have two names; the export is refused."""
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    target = tmp_path / f"x.{ending}"
    with pytest.raises(RequestError, match=r"made by somebody else meanwhile; force"):
        await export(serve(body(customer(ROW))), to=target, progress=writer(target, b"precious"))
    assert target.read_bytes() == b"precious"
    assert outputs(tmp_path) == [target.name]


async def test_a_file_that_comes_meanwhile_is_replaced_with_force(serve: Serve, tmp_path: Path) -> None:
    """As it was asked for."""
    target = tmp_path / "x.jsonl"
    await export(serve(body(customer(ROW))), to=target, force=True, progress=writer(target, b"old"))
    assert target.read_bytes() == ROW + b"\n"


def writer(target: Path, data: bytes) -> Callable[[Progress], None]:
    """Somebody who writes the file while the export runs."""

    def write(now: Progress) -> None:
        target.write_bytes(data)

    return write


def no_links(source: Path, target: Path) -> None:
    """A filesystem without hard links."""
    raise OSError(errno.EPERM, "no links here")


async def test_without_links_the_name_is_claimed(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is whole; when the rename fails, the claim is given back; other errors of a link come out."""
    monkeypatch.setattr(os, "link", no_links)
    await export(serve(body(customer(ROW))), to=tmp_path / "x.jsonl")
    assert (tmp_path / "x.jsonl").read_bytes() == ROW + b"\n"

    def fail(source: Path, target: Path) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="broken"):
        await export(serve(body(customer(ROW))), to=tmp_path / "y.jsonl")
    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(OSError, match="broken"):
        await export(serve(body(customer(ROW))), to=tmp_path / "z.jsonl")
    assert outputs(tmp_path) == ["x.jsonl"]


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
async def test_a_symlink_stays_a_symlink(serve: Serve, tmp_path: Path, ending: str) -> None:
    """With force what it points at is replaced, or made; without, it is a name that is taken, dangling or not."""
    (tmp_path / "far").mkdir()
    place, link = tmp_path / "far" / f"real.{ending}", tmp_path / f"x.{ending}"
    link.symlink_to(place)
    for _ in range(2):  # dangling, then not
        with pytest.raises(RequestError, match="exists already"):
            check(link)
        report = await export(serve(body(customer(ROW))), to=link, force=True)
        assert report.path == link
        assert link.is_symlink()
        assert b"a" in place.read_bytes()
    assert [path.name for path in (tmp_path / "far").iterdir()] == [place.name]


def test_symlinks_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    """To a folder that does not exist, to a folder, in a circle: refused, also with force."""
    for name, to in (("a", "missing/x.csv"), ("b", "."), ("c", "c.csv")):
        (tmp_path / f"{name}.csv").symlink_to(tmp_path / to)
        for force in (True, False):
            with pytest.raises(RequestError):
                check(tmp_path / f"{name}.csv", force=force)


@pytest.mark.parametrize("name", ["x" * 249 + ".jsonl", "ä" * 124 + ".jsonl"])
async def test_names_may_be_as_long_as_they_can(serve: Serve, tmp_path: Path, name: str) -> None:
    """Ours, while the file is made, is no longer; a name that nothing can have is refused before any request."""
    await export(serve(body(customer(ROW))), to=tmp_path / name)
    assert (tmp_path / name).read_bytes() == ROW + b"\n"
    pages = serve(body(customer(ROW)))
    with pytest.raises(RequestError, match="too long"):
        await export(pages, to=tmp_path / f"xxx{name}")
    assert pages.stats.attempts == 0


@pytest.mark.parametrize("name", ["y" * 235, "ä" * 118, "y" * 240])
async def test_long_names_that_differ_at_their_end(serve: Serve, tmp_path: Path, name: str) -> None:
    """Two outputs have two manifests and two journals, though these have no room for the whole of their names."""
    first, second = tmp_path / f"{name}1.jsonl", tmp_path / f"{name}2.jsonl"
    assert journal_of(first) != journal_of(second)
    reports = [await export(serve(body(customer(ROW))), to=to) for to in (first, second)]
    assert len({report.manifest for report in reports}) == 2
    for report in reports:
        assert report.manifest is not None
        assert report.path is not None
        assert json.loads(report.manifest.read_bytes())["parts"][0]["file"] == report.path.name
        # SQLite puts tails of its own behind a journal's name.
        assert len(os.fsencode(journal_of(report.path).name)) <= 240
    assert journal_of(tmp_path / "short.jsonl").name == "short.jsonl.journal"


async def test_a_folder_without_permission_is_refused(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any request, with the name that was given; and where only opening tells, with that name, too."""
    target = tmp_path / "x.jsonl"
    pages = serve(body(customer(ROW)))
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(RequestError, match=r"x\.jsonl: its folder cannot be written to"):
            await export(pages, to=target)

    def fail(*args: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", args[0])

    with monkeypatch.context() as patch:
        patch.setattr("aiochargebee_gw._files.os.open", fail)
        with pytest.raises(PermissionError) as caught:
            await export(pages, to=target)
    assert str(caught.value.filename) == f"{target}.journal"
    assert pages.stats.attempts == 0
    assert list(tmp_path.iterdir()) == []


def test_parts_can_be_dropped_at_once(tmp_path: Path) -> None:
    """For a process that ends without cleaning up: what was begun goes, what is committed stays."""
    done, begun = Replacement(tmp_path / "done"), Replacement(tmp_path / "begun")
    done.commit()
    drop_parts()
    assert [path.name for path in tmp_path.iterdir()] == ["done"]
    begun.discard()
    assert not _files._parts
