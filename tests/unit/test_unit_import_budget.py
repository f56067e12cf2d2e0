"""What importing costs, as a share of what aiohttp costs: CPU time, so that a busy machine changes little."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

import pytest

resource = pytest.importorskip("resource", reason="CPU times of child processes are a matter of POSIX")

BARE = "pass"
AIOHTTP = "import aiohttp"
BUDGETS = {
    "import aiochargebee_gw": 0.3,
    "from aiochargebee_gw import Gateway; Gateway('k').customers": 1.5,
}


def spent(statement: str) -> float:
    """CPU seconds of a fresh interpreter that runs *statement* from compiled files."""
    skipped = ("COVERAGE", "PYTHONDONTWRITEBYTECODE", "PYTHONDEVMODE", "PYTHONPROFILEIMPORTTIME", "MATON_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(skipped)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], env=env, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return float(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def ratios(rounds: int) -> dict[str, float]:
    """Each statement's cost above a bare interpreter as a share of aiohttp's: medians of rounds in turn."""
    statements = [BARE, AIOHTTP, *BUDGETS]
    for statement in statements:
        spent(statement)  # compiles what is not compiled yet
    times = [[spent(statement) for statement in statements] for _ in range(rounds)]
    bare, aiohttp, *ours = (statistics.median(column) for column in zip(*times, strict=True))
    return {statement: (own - bare) / (aiohttp - bare) for statement, own in zip(BUDGETS, ours, strict=True)}


def test_importing_stays_within_its_budget() -> None:
    """The package costs at most 0.3 times `import aiohttp`, a gateway with one resource touched at most 1.5 times."""
    for rounds in (5, 15):  # the second time for a machine that was busy with something else
        found = ratios(rounds)
        over = {statement: found[statement] for statement, budget in BUDGETS.items() if found[statement] > budget}
        if not over:
            return
    raise AssertionError(f"times import aiohttp: {over}")
