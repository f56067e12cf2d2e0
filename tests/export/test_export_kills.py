"""kill -9 at any moment: the next run goes on, and the file is that of a run that nobody killed."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain, count, repeat
from pathlib import Path
from typing import Any

import pytest

from aiochargebee_gw.sandbox import RecordedRequest, ThreadedSandbox

from ..cli.conftest import environment, heed, spawn

SECONDS = 120


def contents(path: Path) -> Any:
    """What must be equal however the file came to be."""
    if path.suffix != ".db":
        return path.read_bytes()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return db.execute("SELECT id, document FROM documents ORDER BY id").fetchall()


class Killer:
    """Kills the child at its n-th request, or some time behind its last one."""

    def __init__(self, sandbox: ThreadedSandbox, moments: Iterator[int], requests: int) -> None:
        self._moments = moments
        self._requests = requests
        self._sandbox = sandbox
        self._left = 0
        self._delay = 0.0
        self._child: subprocess.Popen[bytes] | None = None
        self.kills = 0
        sandbox.on_request = self._heard

    def run(self, *argv: str) -> int:
        """Run a command that is killed in the middle. Returns its code."""
        self._left = next(self._moments)
        # Behind the last requests it writes the file: the time that this takes, and some more.
        self._delay = random.random() * 0.3 if self._left >= self._requests - 2 else 0.0
        self._child = spawn(*argv, env=environment(self._sandbox), preexec_fn=heed)
        _, err = self._child.communicate(timeout=SECONDS)
        code, self._child = self._child.returncode, None
        if code == 2 and b"exists already" in err:
            # It was killed when all was done, the journal gone.
            return 0
        assert code in (0, -signal.SIGKILL), err.decode()
        self.kills += code != 0
        return code

    def _heard(self, request: RecordedRequest) -> None:
        self._left -= 1
        child = self._child
        if self._left == 0 and child is not None:
            timer = threading.Timer(self._delay, child.kill)
            timer.daemon = True
            timer.start()


def trial(folder: Path, ending: str, kills: int, moments: Callable[[int], Iterator[int]]) -> None:
    """Kill exports of one format until there were *kills*, each export gone on with until it succeeds.

    *moments* gives, for an export's number of requests, those at which to kill.
    """
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    with ThreadedSandbox(records=900, latency=0.005) as sandbox:
        whole = folder / f"whole.{ending}"
        before = run_whole(sandbox, whole)
        killer = Killer(sandbox, moments(before["requests"]), before["requests"])
        for number in range(kills * 3):
            path = folder / f"x{number}.{ending}"
            argv = ("export", "customers", "--to", str(path), "--resume", "--workers", str(1 + number % 4))
            while killer.run(*argv) != 0:
                pass
            assert contents(path) == contents(whole)
            manifest = json.loads((folder / f"{path.name}.manifest.json").read_bytes())
            assert (manifest["rows"], manifest["complete"]) == (sandbox.count("customer"), True)
            left = {found.name for found in folder.glob(f"*{path.name}*")} - {path.name, f"{path.name}.manifest.json"}
            assert left == set()
            if killer.kills >= kills:
                return
    raise AssertionError(f"only {killer.kills} kills")


def run_whole(sandbox: ThreadedSandbox, path: Path) -> dict[str, Any]:
    """An export that nobody kills."""
    child = spawn("export", "customers", "--to", str(path), "--json", "--workers", "1", env=environment(sandbox))
    out, err = child.communicate(timeout=SECONDS)
    assert child.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "db"])
def test_killed_exports_go_on(tmp_path: Path, ending: str) -> None:
    """A few kills: nothing lost, nothing twice, nothing unreadable, nothing left lying about."""
    trial(tmp_path, ending, 2, lambda requests: chain((5, 4), repeat(requests * 10)))


@pytest.mark.soak
@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "csv", "parquet", "db"])
def test_a_hundred_killed_exports_go_on(tmp_path: Path, ending: str) -> None:
    """The same, a hundred times for each format, at random."""
    draw = random.Random(ending)
    trial(tmp_path, ending, 100, lambda requests: (draw.randrange(1, requests + 1) for _ in count()))


NAIVE = """
import json, os, sys, urllib.request
url, key, path = sys.argv[1:]
mark = path + ".offset"
offset = open(mark).read() if os.path.exists(mark) else ""
with open(path, "a") as file:
    while True:
        query = "limit=50&sort_by[asc]=created_at" + (f"&offset={urllib.request.quote(offset)}" if offset else "")
        request = urllib.request.Request(f"{url}/chargebee/api/v2/customers?{query}", headers={"Authorization": key})
        page = json.load(urllib.request.urlopen(request))
        for row in page["list"]:
            file.write(json.dumps(row["customer"]) + "\\n")
        offset = page.get("next_offset")
        if offset is None:
            break
        with open(mark, "w") as saved:
            saved.write(offset)
"""


def test_a_file_and_its_offset_apart_fail(tmp_path: Path) -> None:
    """Lines appended to a file, the cursor kept in another: killed, this repeats rows, or loses them."""
    with ThreadedSandbox(records=900) as sandbox:
        wrong = sum(naive(sandbox, tmp_path / f"{stop}.jsonl", stop) for stop in (3, 7, 11))
    assert wrong > 0


def naive(sandbox: ThreadedSandbox, path: Path, stop: int) -> bool:
    """Whether the file is wrong that a script makes which is killed at a request, and run once more."""
    children: list[subprocess.Popen[bytes]] = []
    heard: list[RecordedRequest] = []

    def hear(request: RecordedRequest) -> None:
        heard.append(request)
        if len(heard) == stop:
            children[-1].kill()

    sandbox.on_request = hear
    for _ in range(2):
        argv = [sys.executable, "-c", NAIVE, sandbox.gateway_url, f"Bearer {sandbox.api_key}", str(path)]
        children.append(subprocess.Popen(argv))
        children[-1].wait(SECONDS)
    found = path.read_bytes().splitlines()
    ids = {line[: line.index(b",")] for line in found if line.endswith(b"}")}
    return len(found) != len(ids) or len(ids) != sandbox.count("customer")
