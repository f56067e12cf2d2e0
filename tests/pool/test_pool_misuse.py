"""Misuses in child processes: each ends with an error that names the cure, or cleanly, and never hangs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiochargebee_gw.sandbox.threaded import ThreadedSandbox

from .misuse import CASES

ROOT = Path(__file__).parent.parent.parent
PER_LOOP = "ConfigurationError: make one for each loop or thread"
REOPEN = "ConfigurationError: make a new one, or use it in `async with`"
EXPECTED = {
    "next_loop": "ok ok",
    "thread": f"ok {PER_LOOP} ok",
    "two_threads": f"{PER_LOOP} ok",
    "fork": "ok ConfigurationError: make one in each process ok",
    "fork_before_use": "ok ok",
    "pickled": "make the client where it is used",
    "closed": f"ok {REOPEN}",
    "closed_twice": "ok",
    "closed_in_flight": "ConfigurationError=80 ConnectionLost=20",
    "left_in_flight": "100",
    "dropped_between_loops": "ok",
    "interrupted_export": "interrupted False\n7",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ThreadedSandbox]:
    """Seven customers."""
    with ThreadedSandbox(records=7, seed=7) as running:
        yield running


def test_every_misuse_is_expected_to_end_in_some_way() -> None:
    """There are twelve, and each has its outcome."""
    assert len(CASES) == 12
    assert set(CASES) == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_misuse_ends_well(name: str, sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    """In development mode, with warnings as errors, the process ends by itself, says what is expected, and nothing on
    stderr: no warning, no traceback, no complaint of the loop."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-m", "tests.pool.misuse",
         name, sandbox.gateway_url, sandbox.api_key, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr, done.returncode) == (EXPECTED[name], "", 0)


def test_a_bare_session_ends_badly() -> None:
    """The naive form of the first: a session in a second loop fails with an error of the loop, and is warned of."""
    program = (
        "import aiohttp, asyncio\n"
        "made = []\n"
        "async def use(url):\n"
        "    made.append(made[0] if made else aiohttp.ClientSession())\n"
        "    async with made[-1].get(url) as answer:\n"
        "        await answer.read()\n"
        "import sys\n"
        "asyncio.run(use(sys.argv[1]))\n"
        "asyncio.run(use(sys.argv[1]))\n"
    )
    with ThreadedSandbox(records=1) as running:
        command = [sys.executable, "-X", "dev", "-c", program, running.gateway_url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Event loop is closed" in done.stderr
    assert "Unclosed client session" in done.stderr
