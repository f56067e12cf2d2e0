"""What only a process of its own shows: signals, pipes and terminals."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aiochargebee_gw.sandbox import RecordedRequest, ThreadedSandbox

from .conftest import environment, heed, spawn

SECONDS = 30


def in_terminal(*argv: str, stdout: int | None = None, **env: str) -> tuple[bytes, bytes]:
    """Run a command whose stderr, and with no *stdout* given also that, is a terminal. Returns what each showed."""
    master, slave = pty.openpty()
    environ = {"TERM": "xterm", "COLUMNS": "100", **env}
    process = spawn(*argv, env=environ, stdout=slave if stdout is None else stdout, stderr=slave)
    os.close(slave)
    shown = b""
    try:
        while chunk := os.read(master, 65536):
            shown += chunk
    except OSError:  # how Linux tells that the other side is closed
        pass
    finally:
        os.close(master)
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    return out or b"", shown


def test_progress_is_for_terminals(tmp_path: Path) -> None:
    """Rows, pages, rate and time are drawn on a terminal; without one, stderr has the two plain lines."""
    target = tmp_path / "x.jsonl"
    argv = ("export", "customers", "--to", str(target), "--sandbox", "--force", "--json")
    out, shown = in_terminal(*argv, stdout=subprocess.PIPE)
    # Deleted ones are read, too, and left out at the end.
    assert b"10 rows" in shown
    assert b" pages" in shown
    assert b"rows/s" in shown
    assert json.loads(out)["rows"] == 500
    process = spawn(*argv[:-1])
    plain_out, plain = process.communicate(timeout=SECONDS)
    assert plain_out == b""
    assert plain.count(b"\n") == 2
    assert b"\x1b" not in plain
    assert "500 rows in " in plain.decode()


def test_a_terminal_gets_a_table_and_indented_json() -> None:
    """A list is a table in colours, or without them under NO_COLOR; a record is indented."""
    _, shown = in_terminal("list", "customers", "--sandbox", "--limit", "2")
    assert b"\x1b[1m" in shown
    _, plain = in_terminal("list", "customers", "--sandbox", "--limit", "2", NO_COLOR="1", TERM="dumb")
    assert "───" in plain.decode()
    assert b"\x1b[" not in plain
    _, record = in_terminal("get", "customers", "cust_1", "--sandbox")
    assert b'{\r\n  "id": "cust_1",\r\n' in record


def test_a_person_is_told_how_to_stop_the_sandbox() -> None:
    """On a terminal, a line on stderr; in a pipe, none."""
    master, slave = pty.openpty()
    process = spawn("sandbox", "--records", "1", env={"TERM": "xterm"}, stdout=slave, stderr=slave, preexec_fn=heed)
    os.close(slave)
    shown = b""
    while b"Ctrl-C stops the sandbox" not in shown:
        shown += os.read(master, 65536)
    process.terminate()
    assert process.wait(SECONDS) == 0
    os.close(master)


def test_rows_down_a_pipe_and_the_summary_beside_it() -> None:
    """`export --to - --json`: rows on stdout, the summary as the last line of stderr."""
    process = spawn("export", "customers", "--to", "-", "--json", "--sandbox", "--sandbox-records", "150")
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert len(out.splitlines()) == 150
    summary = json.loads(err.splitlines()[-1])
    assert (summary["rows"], summary["path"], summary["bytes"]) == (150, None, len(out))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_nothing_behind(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """Interrupted, terminated or hung up in the middle of an export: no file but the journal, the signal's code."""
    with ThreadedSandbox(records=150) as sandbox:
        sandbox.faults.add("hang", path="/customers", nth=2)
        process = spawn(
            "export", "customers", "--to", str(tmp_path / "x.csv"), "--workers", "1",
            env=environment(sandbox), preexec_fn=heed,
        )  # fmt: skip

        def on_request(request: RecordedRequest) -> None:
            if "offset=" in request.query:
                process.send_signal(number)

        sandbox.on_request = on_request
        out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (code, b"")
    left = [path.name for path in tmp_path.iterdir()]
    if left:
        # The first page was in the journal already.
        assert left == ["x.csv.journal"]
        assert err.endswith(b"--resume goes on\n")
    assert len(err.splitlines()) == len(left)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_the_sandbox_runs_until_told(number: signal.Signals, code: int) -> None:
    """The first line says where everything is; other commands can use it; Ctrl-C is 130 and SIGTERM 0, both quiet."""
    process = spawn(
        "sandbox", "--port", "0", "--records", "20", "--catalog", "both", "--rate", "50", "--latency", "0.01"
    )
    assert process.stdout is not None
    place = json.loads(process.stdout.readline())
    assert set(place) == {"gateway_url", "control_url", "site_url", "api_key", "connection_id", "console_url"}
    env = {
        "MATON_API_KEY": place["api_key"],
        "MATON_CONNECTION": place["connection_id"],
        "AIOCHARGEBEE_GW_GATEWAY_URL": place["gateway_url"],
        "AIOCHARGEBEE_GW_CONTROL_URL": place["control_url"],
    }
    rows, _ = spawn("list", "plans", "--limit", "1", "--json", env=env).communicate(timeout=SECONDS)
    assert json.loads(rows)["object"] == "plan"
    process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (code, b"", b"")


def test_importing_the_package_costs_nothing_of_this() -> None:
    """Neither cyclopts nor rich, nor the command line, comes with the package; --version needs none of them."""
    code = (
        "import sys, aiochargebee_gw; print([name for name in ('cyclopts', 'rich', 'aiohttp') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS) == b"[]\n"
    code = "import sys; from aiochargebee_gw.cli import main; main(['--version']); print('cyclopts' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS).endswith(b"False\n")
