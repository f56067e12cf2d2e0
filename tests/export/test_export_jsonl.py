"""Lists into lines: exact, in order, whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import math
import os
import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from aiochargebee_gw import (
    AuthorizationExpired,
    ConnectionLost,
    DecodeError,
    Limits,
    PaginationError,
    Record,
    RequestError,
    Settings,
)
from aiochargebee_gw.export import ExportReport, Progress, _render, check, export
from aiochargebee_gw.export._output import Counted
from aiochargebee_gw.sandbox import Sandbox

from .conftest import EXACT, PRETTY, Serve, body, customer

pytestmark = pytest.mark.anyio


async def test_a_line_is_the_record_as_the_server_sent_it(serve: Serve, tmp_path: Path) -> None:
    """Unknown keys, big integers, escapes and number spellings survive byte for byte."""
    report = await export(serve(body(customer(EXACT))), to=tmp_path / "x.jsonl")
    written = (tmp_path / "x.jsonl").read_bytes()
    assert written == EXACT + b"\n"
    assert (report.rows, report.bytes, report.sha256) == (1, len(written), hashlib.sha256(written).hexdigest())
    assert report.path == tmp_path / "x.jsonl"


async def test_line_breaks_between_tokens_are_taken_out(serve: Serve, tmp_path: Path) -> None:
    """A record that the server printed over several lines is one line, and nothing else of it changes."""
    await export(serve(body(customer(PRETTY))), to=str(tmp_path / "x.jsonl"))
    assert (tmp_path / "x.jsonl").read_bytes() == b'{"id":"b","text":"two\\nlines","f":1.10}\n'


@pytest.mark.parametrize("tail", [b"", b" and more of it", b"\\udbff"])
async def test_halves_of_surrogate_pairs_survive(serve: Serve, tmp_path: Path, tail: bytes) -> None:
    """A text that UTF-8 cannot hold stays escaped, on one line too."""
    record = b'{"id":"a",\n"t":"x\\ud800' + tail + b'"}'
    await export(serve(body(customer(record))), to=tmp_path / "x.jsonl")
    assert (tmp_path / "x.jsonl").read_bytes() == record.replace(b"\n", b"") + b"\n"


async def test_whole_rows_on_demand(serve: Serve, tmp_path: Path) -> None:
    """rows="envelope" writes what stands beside the record, too."""
    row = customer(EXACT)
    await export(serve(body(row)), to=tmp_path / "x.jsonl", rows="envelope")
    assert (tmp_path / "x.jsonl").read_bytes() == row + b"\n"


async def test_a_record_that_moved_is_written_once(serve: Serve, tmp_path: Path) -> None:
    """An id that comes again is counted and kept once, in its place and as it was read last; rows without id stay."""
    pages = serve(
        body(*map(customer, (b'{"id":"a"}', b'{"id":"b","v":1}', b'{"v":1}', b'{"v":1}')), offset="1"),
        body(*map(customer, (b'{"v":2,"id":"b"}', b'{"id":"c"}', b'{"id":"q\\"q"}', b'{"id":"q\\"q"}'))),
    )
    report = await export(pages, to=tmp_path / "x.jsonl")
    assert (tmp_path / "x.jsonl").read_bytes().splitlines() == [
        b'{"id":"a"}', b'{"v":2,"id":"b"}', b'{"v":1}', b'{"v":1}', b'{"id":"c"}', b'{"id":"q\\"q"}',
    ]  # fmt: skip
    assert (report.rows, report.repeated, report.pages, report.requests) == (6, 2, 2, 2)


@pytest.mark.parametrize("id", [b'{"id":"",', b'{ "id" : "" ,', b'{"id":null,'])
async def test_an_empty_id_names_nothing(serve: Serve, tmp_path: Path, id: bytes) -> None:
    """Two records are two, in a file and down a stream."""
    records = [id + b'"x":1}', id + b'"x":2}']
    pages = serve(body(*map(customer, records)))
    assert (await export(pages, to=tmp_path / "x.jsonl")).rows == 2
    assert (await export(pages, to=io.BytesIO())).rows == 2


async def test_an_empty_list_is_an_empty_file(serve: Serve, tmp_path: Path) -> None:
    """No rows, no lines, and a file all the same."""
    report = await export(serve(body()), to=tmp_path / "x.jsonl")
    assert (tmp_path / "x.jsonl").read_bytes() == b""
    # One for the list, one for what has changed meanwhile.
    assert (report.rows, report.pages, report.bytes) == (0, 2, 0)


async def test_progress_is_told_after_every_page(serve: Serve, tmp_path: Path) -> None:
    """Rows, pages and bytes so far, and the seconds since the start."""
    seen: list[Progress] = []
    pages = serve(body(customer(b'{"id":"a"}'), offset="1"), body(customer(b'{"id":"b"}')))
    await export(pages, to=tmp_path / "x.jsonl", progress=seen.append)
    assert [(now.rows, now.pages, now.bytes, now.stage) for now in seen] == [
        (1, 1, 11, "full"), (2, 2, 22, "full"), (2, 3, 22, "changes"), (2, 3, 22, "render"),
    ]  # fmt: skip
    assert 0 <= seen[0].seconds <= seen[1].seconds


async def test_a_file_is_not_replaced_unasked(serve: Serve, tmp_path: Path) -> None:
    """An existing file is refused before any request; with force it is replaced whole."""
    target = tmp_path / "x.jsonl"
    target.write_text("precious")
    pages = serve(body(customer(EXACT)))
    with pytest.raises(RequestError, match="exists already"):
        await export(pages, to=target)
    assert target.read_text() == "precious"
    assert pages.stats.attempts == 0
    await export(pages, to=target, force=True)
    assert target.read_bytes() == EXACT + b"\n"


@pytest.mark.parametrize("name", ["x", "x.txt", "x.json", "missing/x.jsonl", "folder.jsonl", "pipe.csv"])
async def test_what_cannot_be_written_to_is_refused(serve: Serve, tmp_path: Path, name: str) -> None:
    """An unknown ending, a missing folder, a folder or a pipe in the file's place: refused, also with force."""
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RequestError) as caught:
        await export(serve(body()), to=tmp_path / name, force=True)
    assert caught.value.legal == (".jsonl", ".jsonl.gz", ".jsonl.zst", ".csv", ".parquet", ".db", "-")
    with pytest.raises(RequestError):
        check(tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before


async def test_wrong_arguments_are_refused(serve: Serve, tmp_path: Path) -> None:
    """A place that is neither path nor stream, and rows of another kind."""
    wrong: Any = 5
    with pytest.raises(RequestError, match="not int"):
        await export(serve(body()), to=wrong)
    kind: Any = "columns"
    with pytest.raises(RequestError, match="record or envelope"):
        await export(serve(body()), to=tmp_path / "x.jsonl", rows=kind)


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (500, AuthorizationExpired),
        (ConnectionLost("cut", sent=True), ConnectionLost),
        (b'{"list":[{"card":{}}]}', DecodeError),
        (b"nonsense", PaginationError),
    ],
)
async def test_nothing_remains_of_a_failed_export(
    serve: Serve, tmp_path: Path, fault: bytes | int | BaseException, error: type[Exception], ending: str
) -> None:
    """The error comes out as it is; there is no output, and no journal either when it held nothing yet."""
    with pytest.raises(error):
        await export(serve(fault), to=tmp_path / f"x.{ending}")
    assert list(tmp_path.iterdir()) == []
    first = body(customer(EXACT), offset="1")
    with pytest.raises(error):
        await export(serve(first, fault), to=tmp_path / f"x.{ending}")
    assert [path.name for path in tmp_path.iterdir()] == [f"x.{ending}.journal"]
    report = await export(serve(first, body(customer(b'{"id":"b"}'))), to=tmp_path / f"x.{ending}")
    assert (report.rows, report.resumed) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"x.{ending}", f"x.{ending}.manifest.json"]


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
async def test_nothing_remains_of_a_cancelled_export(tmp_path: Path, ending: str) -> None:
    """Cancelled while a page is awaited, the export leaves no file but its journal."""
    async with Sandbox(records=150) as sandbox, sandbox.gateway() as gw:
        sandbox.faults.add("hang", path="/customers", nth=2)
        arrived = asyncio.Event()
        running = asyncio.create_task(
            export(gw.customers.list(), to=tmp_path / f"x.{ending}", progress=lambda now: arrived.set())
        )
        await arrived.wait()
        assert len(list(tmp_path.iterdir())) >= 1
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert [path.name for path in tmp_path.iterdir()] == [f"x.{ending}.journal"]


async def test_a_cancellation_overtakes_the_disk(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled while the file is being made, the export takes it back; the thread that makes it gives up."""
    started, resume, ended = threading.Event(), threading.Event(), threading.Event()
    write = _render._table

    def slowly(source: _render.Source, out: Counted) -> int:
        started.set()
        resume.wait(30)
        try:
            return write(source, out)
        finally:
            ended.set()

    monkeypatch.setattr(_render, "_table", slowly)
    running = asyncio.create_task(export(serve(body(customer(EXACT))), to=tmp_path / "x.csv"))
    await anyio.to_thread.run_sync(started.wait)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    resume.set()
    await anyio.to_thread.run_sync(ended.wait)
    assert [path.name for path in tmp_path.iterdir() if ".journal" not in path.name] == []


async def test_a_progress_that_raises_ends_the_export(serve: Serve, tmp_path: Path) -> None:
    """Ctrl-C in the middle (or a bug in the callback) comes out as it is; no file remains."""

    def fail(now: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await export(serve(body(customer(EXACT))), to=tmp_path / "x.jsonl", progress=fail)
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl.journal"]


async def test_everything_of_a_sandbox(tmp_path: Path) -> None:
    """Every record once, read in windows and written in the list's order, as the typed list says; over one chunk."""
    async with Sandbox(records=450) as sandbox:
        settings = Settings(limits=Limits(account_per_second=math.inf))
        async with sandbox.gateway(settings=settings) as gw:
            report = await export(gw.customers.list(), to=tmp_path / "x.jsonl")
            typed: list[Record] = [record async for record in gw.customers.list()]
    lines = (tmp_path / "x.jsonl").read_bytes().splitlines()
    assert lines == [record.raw for record in typed]
    assert (report.rows, report.repeated) == (450, 0)
    assert report.requests <= 5 + 4
    assert report.bytes > 1 << 18
    assert (tmp_path / "x.jsonl").stat().st_mode & 0o077 == 0


async def test_requests_count_repeats(tmp_path: Path) -> None:
    """A page that had to be asked for twice is two requests; the last one asks for changes."""
    async with Sandbox(records=10) as sandbox, sandbox.gateway() as gw:
        sandbox.faults.add("status", status=503, path="/customers")
        report = await export(gw.customers.list(), to=tmp_path / "x.jsonl")
    assert (report.rows, report.requests) == (10, 3)
    assert json.loads((tmp_path / "x.jsonl").read_bytes().splitlines()[0])["id"] == "cust_1"


def test_reports_are_frozen_values() -> None:
    """A report cannot be changed behind somebody's back."""
    report = ExportReport(rows=1, repeated=0, pages=1, requests=1, seconds=0.1, path=None, bytes=2, sha256="00")
    changing: Any = report
    with pytest.raises(AttributeError):
        changing.rows = 2


def test_a_place_can_be_checked(tmp_path: Path) -> None:
    """`check` says whether a place can be had, and touches nothing."""
    check(tmp_path / "x.jsonl")
    check("-")
    assert list(tmp_path.iterdir()) == []
