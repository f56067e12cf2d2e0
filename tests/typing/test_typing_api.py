"""What type checkers say about the public API: nothing about its uses, something about each planted mistake."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MISTAKES = HERE / "mistakes.py"
FILES = [str(HERE / "uses.py"), str(MISTAKES)]
Place = tuple[str, int]


@functools.cache
def mypy() -> dict[Place, str]:
    """File and line of everything that `mypy --strict` reports for both files."""
    done = _run("mypy", "--strict", "--no-error-summary", "--no-pretty", "--hide-error-context", *FILES)
    found = [re.match(r"(.+?):(\d+): error: (.*)", line) for line in done.splitlines() if ": note: " not in line]
    assert all(found), done
    return {(Path(each[1]).name, int(each[2])): each[3] for each in found if each}


@functools.cache
def pyright() -> dict[Place, str]:
    """File and line of everything that pyright reports for both files, in its strict mode (`pyrightconfig.json`)."""
    told = json.loads(_run("pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(HERE)))
    assert told["summary"]["filesAnalyzed"] == len(FILES)
    return {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1): each["message"]
        for each in told["generalDiagnostics"]
    }


def _run(tool: str, *arguments: str) -> str:
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed; `nox -s types` runs this test with it")
    command = [sys.executable, "-m", tool, *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "MYPY"))}
    environment["PYRIGHT_PYTHON_IGNORE_WARNINGS"] = "1"  # that there is a newer one
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def marked() -> set[Place]:
    """The lines of the mistakes that end with a comment."""
    lines = MISTAKES.read_text().splitlines()
    return {(MISTAKES.name, number) for number, line in enumerate(lines, 1) if line.endswith("  # mistake")}


CHECKERS = pytest.mark.parametrize("check", [mypy, pyright], ids=["mypy", "pyright"])


@CHECKERS
def test_uses_are_clean_and_mistakes_are_found(check: Callable[[], dict[Place, str]]) -> None:
    """Every marked line is reported, and nothing else: neither another line of the mistakes nor any of the uses."""
    found, planted = check(), marked()
    assert len(planted) > 80
    assert {place: found[place] for place in found.keys() - planted} == {}
    assert planted - found.keys() == set()
