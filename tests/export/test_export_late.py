"""Cancellations that come too late, or again and again: what is done is told, and what was read is kept."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from aiochargebee_gw import Pages, RequestError, _files
from aiochargebee_gw.export import Progress, _export, export, export_all, sync
from aiochargebee_gw.export._desk import Desk, cancellations, outlast
from aiochargebee_gw.export._journal import Journal
from aiochargebee_gw.sandbox import Sandbox

from .conftest import Serve, body, customer

pytestmark = pytest.mark.anyio

ROW = b'{"id":"a"}'


class Gate:
    """Holds a function up in its thread, from its *nth* call on, until it is `open`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, nth: int = 1) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        self._left = nth
        real: Callable[..., Any] = getattr(owner, name)

        def held(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left <= 0:
                self.reached.set()
                assert self.open.wait(30)
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, held)

    async def is_reached(self) -> None:
        """Wait for somebody to be held."""
        assert await anyio.to_thread.run_sync(self.reached.wait, 30)


async def turns() -> None:
    """Let whoever was cancelled find out."""
    for _ in range(5):
        await asyncio.sleep(0)


END: list[tuple[Any, str]] = [(_export, "write_manifest"), (Journal, "close")]


@pytest.mark.parametrize(("owner", "name"), END)
@pytest.mark.parametrize("times", [1, 3])
async def test_cancelled_when_the_file_has_its_name(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, times: int
) -> None:
    """While the manifest is written, or the journal taken away, by `Task.cancel`, once or again and again: the report
    is returned, all is there, and the task is as if nobody had cancelled it."""
    gate = Gate(monkeypatch, owner, name)

    async def run() -> tuple[int, int]:
        return (await export(serve(body(customer(ROW))), to=tmp_path / "x.jsonl")).rows, cancellations()

    running = asyncio.create_task(run())
    await gate.is_reached()
    for _ in range(times):
        running.cancel()
        await turns()
    gate.open.set()
    assert await running == (1, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.jsonl", "x.jsonl.manifest.json"]


async def end(gate: Gate, cancel: Callable[[], object]) -> None:
    """Cancel when somebody is held, and let them go when they have had time to find out."""
    await gate.is_reached()
    cancel()
    await turns()
    gate.open.set()


@pytest.mark.parametrize(("owner", "name"), END)
async def test_a_timeout_that_comes_too_late(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    """`asyncio.timeout`: the report is there when it ends, and what comes next is not disturbed."""
    gate = Gate(monkeypatch, owner, name)
    rows: list[int] = []
    limit = asyncio.timeout(None)
    ending = asyncio.create_task(end(gate, lambda: limit.reschedule(0)))
    async with limit:
        rows.append((await export(serve(body(customer(ROW))), to=tmp_path / "x.jsonl")).rows)
    await ending
    assert (rows, cancellations()) == ([1], 0)


@pytest.mark.parametrize(("owner", "name"), END)
async def test_a_scope_that_is_cancelled_too_late(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    """anyio's: the same."""
    gate = Gate(monkeypatch, owner, name)
    rows: list[int] = []
    scope = anyio.CancelScope()
    ending = asyncio.create_task(end(gate, scope.cancel))
    with scope:
        rows.append((await export(serve(body(customer(ROW))), to=tmp_path / "x.jsonl")).rows)
    await ending
    assert (rows, cancellations()) == ([1], 0)


async def test_cancelled_twice_behind_the_rename(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the file has its name, and the folder is being synced, a second cancellation comes too late like the
    first."""
    gate = Gate(monkeypatch, _files, "sync_folder", nth=1)
    monkeypatch.setattr("aiochargebee_gw.export._journal.sync_folder", lambda folder: None)

    async def run() -> tuple[int, int]:
        return (await export(serve(body(customer(ROW))), to=tmp_path / "x.jsonl")).rows, cancellations()

    running = asyncio.create_task(run())
    await gate.is_reached()
    assert (tmp_path / "x.jsonl").exists()
    for _ in range(3):
        running.cancel()
        await turns()
    gate.open.set()
    assert await running == (1, 0)


async def test_a_folder_and_a_mirror_are_done_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled while their journals are closed."""
    async with Sandbox(records=3) as sandbox, sandbox.gateway() as gw:
        lists: dict[str, Pages[Any, Any]] = {"customers": gw.customers.list(), "invoices": gw.invoices.list()}
        calls: list[Callable[[], Any]] = [
            lambda: export_all(lists, to=tmp_path / "out"),
            lambda: sync(gw.customers.list(), to=tmp_path / "m.db"),
        ]
        for call in calls:
            with monkeypatch.context() as patched:
                gate = Gate(patched, Journal, "close")
                running = asyncio.create_task(call())
                await gate.is_reached()
                running.cancel()
                await turns()
                gate.open.set()
                assert (await running)[0].rows == 3


async def test_cancelled_twice_all_that_was_read_is_kept(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first ends the reading, the second comes while the disk takes the first page: the second page is kept
    too, and the next run asks for the third. Waited for under anyio's shield alone, it would be read again."""
    gate = Gate(monkeypatch, Journal, "commit")
    second = asyncio.Event()

    async def never() -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    def tell(now: Progress) -> None:
        if now.pages == 2:
            second.set()

    pages = [body(customer(b'{"id":"%d"}' % at), offset=str(at + 1)) for at in range(2)]
    running = asyncio.create_task(export(serve(*pages, never), to=tmp_path / "x.jsonl", progress=tell))
    await second.wait()
    for _ in range(2):
        running.cancel()
        await turns()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    rest = serve(500, 500, body(customer(b'{"id":"2"}')))
    report = await export(rest, to=tmp_path / "x.jsonl")
    assert (report.rows, report.resumed, rest.stats.attempts) == (3, True, 2)


async def test_an_error_is_not_taken_for_success(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled while the manifest is written, which fails: there is nothing that it came too late for."""

    def fail(*args: Any) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(_export, "write_manifest", fail)
        gate = Gate(patched, _export, "write_manifest")
        running = asyncio.create_task(export(serve(body(customer(ROW))), to=tmp_path / "x.jsonl"))
        await end(gate, running.cancel)
        with pytest.raises(asyncio.CancelledError):
            await running
    pages = serve()
    assert (await export(pages, to=tmp_path / "x.jsonl")).resumed
    assert pages.stats.attempts == 0


async def test_what_nobody_asks_for_any_more_makes_no_noise(tmp_path: Path) -> None:
    """A commit that fails when who began it has been cancelled: the loop has nothing to complain of."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

    def fail() -> None:
        raise OSError("no room")

    async with Desk(tmp_path / "j") as desk:
        desk.begin(fail)
        await desk.run(len, "")
        await turns()
        gc.collect()
    assert told == []


async def test_to_outlast_is_to_wait_for_the_end() -> None:
    """Not late, the cancellation is raised when the work has ended, and still counts; late, it is taken back, with what
    came before if that is asked for."""
    for late, since, expected in ((False, None, 2), (True, None, 0), (True, 0, 0)):
        work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        counts: list[int] = []

        async def wait(
            work: asyncio.Future[int] = work,
            late: bool = late,
            since: int | None = since,
            counts: list[int] = counts,
        ) -> int:
            try:
                return await outlast(work, late=late, since=since)
            finally:
                counts.append(cancellations())

        running = asyncio.create_task(wait())
        await turns()
        for _ in range(2):
            running.cancel()
            await turns()
            assert not running.done()
        work.set_result(7)
        if late:
            assert await running == 7
        else:
            with pytest.raises(asyncio.CancelledError):
                await running
        assert counts == [expected]


async def test_an_abandoned_thread_is_told_of(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled while its thread hangs in the disk, an export has its journal a while longer: who calls again at once
    is told so; when the thread has ended, the way is free."""
    gate = Gate(monkeypatch, _files.Replacement, "write")
    closed, real = threading.Event(), Journal.close

    def close(self: Journal, *, drop: bool = False) -> None:
        real(self, drop=drop)
        closed.set()

    monkeypatch.setattr(Journal, "close", close)
    running = asyncio.create_task(export(serve(body(customer(ROW))), to=tmp_path / "x.jsonl"))
    await gate.is_reached()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(RequestError, match="in use by another process, or by an export of this one that may be ending"):
        await export(serve(body(customer(ROW))), to=tmp_path / "x.jsonl")
    gate.open.set()
    assert await anyio.to_thread.run_sync(closed.wait, 30)
    assert (await export(serve(body(customer(ROW))), to=tmp_path / "x.jsonl")).rows == 1
