"""Marked data goes in everywhere; nothing of it comes out where it must not."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from aiochargebee_gw.sandbox import Sandbox, ThreadedSandbox

from ..cli.conftest import environment, spawn
from .canaries import CALLS, EMAIL, FAULTS, ID, MARKS, Records, Sink

ROOT = Path(__file__).parents[2]
MEGABYTE = 1024 * 1024


@attrs.frozen
class Output:
    """What the program wrote: its folder, what it told of itself, and its own stdout and stderr."""

    folder: Path
    seen: dict[str, Any]
    marks: dict[str, str]
    printed: bytes

    def hits(self, name: str, marks: dict[str, str]) -> dict[str, int]:
        """How often each mark stands in a file."""
        data = (self.folder / name).read_bytes()
        return {what: data.count(mark.encode()) for what, mark in marks.items() if data.count(mark.encode())}


def _ran(folder: Path, wanted: int) -> Output:
    argv = [sys.executable, "-X", "dev", "-m", "tests.observe.canaries", str(folder), str(wanted)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, timeout=540)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed.decode(errors="replace")[-4000:]
    seen, marks = (json.loads((folder / name).read_text()) for name in ("seen.json", "marks.json"))
    return Output(folder, seen, marks, printed)


@pytest.fixture(
    scope="module", params=[0, pytest.param(120 * MEGABYTE, marks=pytest.mark.soak)], ids=["one round", "120 MB"]
)
def output(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Output:
    """One run of the program, or a long one."""
    return _ran(tmp_path_factory.mktemp("canaries"), request.param)


def test_no_mark_is_shown_anywhere(output: Output) -> None:
    """No log record, event, span, `str()`, `repr()`, plain traceback or pickled error's text holds a key, an e-mail
    address, a card number, a custom field, an id, a filter, a cursor, a header, an idempotency key or a connection."""
    assert output.hits("shown", output.marks) == {}
    assert [name for name, mark in output.marks.items() if mark.encode() in output.printed] == []


def test_no_key_is_in_variables_or_pickles(output: Output) -> None:
    """The variables of all frames of all tracebacks, along every cause and context, and every pickled error hold what
    the caller gave, but never the key."""
    key = {"key": output.marks["key"]}
    assert output.hits("locals", key) == {}
    assert output.hits("pickles", key) == {}
    # The search finds what is there: the caller's own data stands in the variables of the caller's own frames.
    assert {"email", "id"} <= set(output.hits("locals", output.marks))


def test_the_program_saw_everything(output: Output) -> None:
    """All calls under all faults, all six events, the errors of every branch of the tree, two loggers at DEBUG."""
    assert all(output.seen[f"call {name}"] == output.seen["rounds"] for name in CALLS)
    assert all(output.seen[f"fault {kind}"] >= len(CALLS) for kind, _ in FAULTS)
    events = ("CallStarted", "Waited", "AttemptFinished", "Retried", "Throttled", "CallFinished")
    assert [name for name in events if not output.seen.get(name)] == []
    expected = (
        "RequestError", "ConfigurationError", "ConnectFailed", "ConnectionLost", "RequestTimeout", "TruncatedResponse",
        "UnexpectedRedirect", "DecodeError", "MissingConnection", "InvalidApiKey", "GatewayRateLimited",
        "AuthorizationExpired", "InvalidRequest", "NotFound", "Unauthorized", "Forbidden", "Conflict", "PaymentFailed",
        "OperationFailed", "RateLimited", "ServiceUnavailable", "IdempotencyConflict", "RepeatedOffset",
        "OutcomeUnknown", "CancelledError",
    )  # fmt: skip
    assert [name for name in expected if not output.seen.get(name)] == []
    assert output.seen["bytes"] >= 10 * MEGABYTE
    assert output.seen["log aiochargebee_gw"] > 1000
    assert output.seen["log asyncio"] > 0


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    """The files that the naive client is written to, with the root logger's records."""
    made, root = Sink(tmp_path), logging.getLogger()
    handler, level = Records(made), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield made
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def test_a_naive_client_shows_nearly_everything(sink: Sink, tmp_path: Path) -> None:
    """The baseline: a client of bare aiohttp that logs its requests and raises for status, as many do. The same search
    finds e-mail, id, name and key in its log, its errors and the variables of their frames."""
    log = logging.getLogger("naive")

    async def call(sandbox: Sandbox, path: str, form: dict[str, str] | None = None) -> None:
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        log.debug("request %s %s %s", path, headers, form)
        async with aiohttp.ClientSession(headers=headers) as session:
            method = "GET" if form is None else "POST"
            async with session.request(method, f"{sandbox.url}/chargebee{path}", data=form) as answer:
                log.debug("answer %s", await answer.text())
                answer.raise_for_status()

    async def main() -> str:
        async with Sandbox(records=1) as sandbox:
            sandbox.faults.add("status", status=500, times=None)
            for path in (f"/api/v2/customers/{ID}", f"/api/v2/customers?email[is]={EMAIL}"):
                try:
                    await call(sandbox, path)
                except aiohttp.ClientError as error:
                    sink.error(error)
            try:
                await call(sandbox, "/api/v2/customers", {"card[number]": MARKS["card"]})
            except aiohttp.ClientError as error:
                sink.error(error)
            return sandbox.api_key

    key = asyncio.run(main())
    sink.close()
    output = Output(tmp_path, {}, {}, b"")
    marks = {"key": key, "email": MARKS["email"], "id": ID, "card": MARKS["card"]}
    assert set(output.hits("shown", marks)) == {"key", "email", "id", "card"}
    assert "key" in output.hits("locals", marks)


def test_a_cancelled_naive_call_carries_its_key() -> None:
    """The baseline for variables: aiohttp's own frames hold the header, so that a traceback with variables shows it."""

    async def main() -> str:
        async with Sandbox(records=1) as sandbox, aiohttp.ClientSession() as session:
            sandbox.faults.add("hang", times=None)
            arrived = asyncio.Event()
            sandbox.on_request = lambda request: arrived.set()

            async def call() -> None:
                async with session.get(sandbox.url, headers={"Authorization": "Bearer sandbox_naive"}):
                    pass

            task = asyncio.create_task(call())
            await arrived.wait()
            task.cancel()
            try:
                await task
            except asyncio.CancelledError as error:
                return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        raise AssertionError

    assert "sandbox_naive" in asyncio.run(main())


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="/proc is a matter of Linux")
def test_no_process_of_the_command_line_shows_the_key() -> None:
    """While a command runs, neither its arguments nor those of any child hold the key, and its output does not either;
    a key that is given as an argument is refused and not repeated."""
    with ThreadedSandbox(records=3) as sandbox:
        key = sandbox.api_key.encode()
        sandbox.faults.add("latency", seconds=0.3, times=None)
        for argv in (("list", "customers"), ("doctor", "--json"), ("get", "customers", ID), ("list", "nonsense")):
            process = spawn(*argv, env={**environment(sandbox), "AIOCHARGEBEE_GW_DEBUG": ""})
            shown = b""
            while process.poll() is None:
                shown += b"".join(_arguments(process.pid))
                try:
                    process.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
            out, err = process.communicate(timeout=60)
            assert key not in shown + out + err, argv
        refused = spawn("list", "customers", f"--api-key={sandbox.api_key}", env=environment(sandbox))
        out, err = refused.communicate(timeout=60)
        assert refused.returncode == 2
        assert key not in out + err


def _arguments(process: int) -> Iterator[bytes]:
    """The command lines of a process and of its children."""
    folder = Path(f"/proc/{process}")
    try:
        children = [Path(f"/proc/{child}") for child in (folder / f"task/{process}/children").read_text().split()]
        for each in (folder, *children):
            yield (each / "cmdline").read_bytes()
    except OSError:  # it has ended
        return
