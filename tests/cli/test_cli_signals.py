"""Signals, and streams that stall, are full or closed: only a process of its own shows what they do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiochargebee_gw.sandbox import RecordedRequest, ThreadedSandbox

from .conftest import environment, heed, spawn

SECONDS = 30
STDIN = [("get", "customers", "-"), ("list", "customers", "--api-key-file", "-")]
STREAMS = [("export", "customers", "--to", "-"), ("list", "customers", "--all", "--json")]
ENDING = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


def wait_for_pipe(process: subprocess.Popen[bytes]) -> None:
    """Return when a thread of the process sleeps in a read from a pipe, or in a write to one."""
    tasks = Path(f"/proc/{process.pid}/task")
    if not tasks.exists():
        pytest.skip("the system does not tell what a thread waits for")
    until = time.monotonic() + SECONDS
    while not any("pipe" in (task / "wchan").read_text() for task in tasks.iterdir()):
        assert process.poll() is None
        if time.monotonic() > until:
            pytest.skip("the system does not tell what a thread waits for")
        os.sched_yield()


@pytest.mark.parametrize("argv", STDIN)
@ENDING
def test_a_signal_ends_a_read_of_stdin(argv: tuple[str, ...], number: signal.Signals, code: int) -> None:
    """A command that waits for ids or a key from an open pipe ends at once, without a word."""
    process = spawn(*argv, env={"MATON_API_KEY": "sandbox_x"}, stdin=subprocess.PIPE, preexec_fn=heed)
    try:
        wait_for_pipe(process)
        process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    # No handler is needed here, and a process without one dies of the signal: a shell calls that 128 + n, too.
    assert process.returncode in (code, -number)
    assert (out, err) == (b"", b"")


@pytest.fixture
def big() -> Iterator[ThreadedSandbox]:
    """More rows than a pipe can hold."""
    with ThreadedSandbox(records=1200) as running:
        yield running


@pytest.mark.parametrize("argv", STREAMS)
@ENDING
def test_a_signal_ends_a_write_that_nobody_takes(
    big: ThreadedSandbox, argv: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    """When the reader of stdout stalls, the first signal ends the command."""
    process = spawn(*argv, env=environment(big), preexec_fn=heed)
    assert process.stdout is not None
    try:
        # Something has been written; the pipe is full soon after, and nothing is read any more.
        assert os.read(process.stdout.fileno(), 1)
        wait_for_pipe(process)
        process.send_signal(number)
        assert process.wait(SECONDS) == code
    finally:
        process.kill()
        _, err = process.communicate(timeout=SECONDS)
    assert err == b""


def test_the_second_signal_ends_everything(tmp_path: Path) -> None:
    """When what was begun does not end, asking twice does, and takes the unfinished file along."""
    code = f"""
import asyncio, os, signal, sys
from pathlib import Path
from aiochargebee_gw._files import Replacement
from aiochargebee_gw.cli._loop import run_loop

async def work():
    part = Replacement(Path({str(tmp_path / "x.jsonl")!r}))
    os.kill(os.getpid(), signal.SIGTERM)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print(len(os.listdir({str(tmp_path)!r})), flush=True)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

sys.exit(run_loop(work()))
"""
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, timeout=SECONDS, check=False, preexec_fn=heed
    )
    assert (found.returncode, found.stdout, found.stderr) == (143, b"1\n", b"")
    assert list(tmp_path.iterdir()) == []


def test_a_signal_before_the_work_begins() -> None:
    """It is not lost."""
    code = """
import asyncio, os, signal, sys
from aiochargebee_gw.cli import _loop

make = _loop._loop_factory
def late():
    os.kill(os.getpid(), signal.SIGTERM)
    return make()
_loop._loop_factory = late

async def work():
    raise AssertionError

sys.exit(_loop.run_loop(work()))
"""
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, timeout=SECONDS, check=False, preexec_fn=heed
    )
    assert (found.returncode, found.stderr) == (143, b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_file_is_made(tmp_path: Path, number: signal.Signals) -> None:
    """Either the file is there, whole, and the code is 0, or no file is, but perhaps the journal."""
    target = tmp_path / "x.csv"
    with ThreadedSandbox(records=300) as sandbox:
        process = spawn("export", "customers", "--to", str(target), env=environment(sandbox), preexec_fn=heed)
        last: list[RecordedRequest] = []

        def on_request(request: RecordedRequest) -> None:
            last.append(request)
            if len(last) == 3:
                threading.Thread(target=process.send_signal, args=(number,)).start()

        sandbox.on_request = on_request
        process.communicate(timeout=SECONDS)
    there = {path.name for path in tmp_path.iterdir()}
    assert (process.returncode, there) in (
        (0, {"x.csv", "x.csv.manifest.json"}), (128 + number, {"x.csv.journal"}), (128 + number, set()),
    )  # fmt: skip


@pytest.mark.parametrize("argv", [("--version",), ("--help",), ("list", "customers", "--sandbox", "--json")])
def test_a_full_disk_is_one_line(argv: tuple[str, ...]) -> None:
    """What cannot be written is an error, not a traceback."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("the system has no full disk to write to")
    with full.open("wb") as out:
        process = spawn(*argv, stdout=out.fileno())
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert b"No space left on device" in err.splitlines()[-1]
    assert b"Traceback" not in err
    assert b"Exception" not in err


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_streams_that_are_closed(closed: tuple[int, ...]) -> None:
    """A command does its work without them; no socket takes their place."""

    def close() -> None:
        for number in closed:
            os.close(number)

    argv = ("list", "customers", "--sandbox", "--sandbox-records", "2", "--json")
    process = spawn(*argv, preexec_fn=close)
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert len(out.splitlines()) == (0 if 1 in closed else 2)


def test_version_down_a_closed_pipe() -> None:
    """Nobody reads: 141, without a word."""
    read, write = os.pipe()
    os.close(read)
    process = spawn("--version", stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (141, b"")
