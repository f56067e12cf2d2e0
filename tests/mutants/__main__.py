"""Makes mistakes in copies of the package and counts what tests notice.

    python -m tests.mutants [how many] [seed] [module ...]

All mistakes of the modules that decide about sending again are made, and as many of the others' as are asked for; of
modules that are named ("_engine.py") only theirs. Prints each mistake that no test noticed. Fails when fewer than 85 %
of the others were noticed, or one in what decides about sending again was not.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import attrs

from .mutate import Mutant, mutants

ROOT = Path(__file__).parent.parent.parent
SHARE = 0.85
# Tests that take so many times as long as without a mistake have noticed it, too: they wait for what never comes.
LONGER = 5
LEAST_SECONDS = 20.0
# The module, and the tests that are to notice; of the first ones every mistake must be noticed.
STRICT = {
    "_policy/outcome.py": ["tests/unit/test_unit_outcome.py", "tests/money/test_money_table.py"],
}
LINE = [f"tests/limits/test_limits_{name}.py" for name in ("line", "shared", "gates")]
OTHERS = {
    "_policy/retry.py": ["tests/unit/test_unit_retry.py", "tests/unit/test_unit_policy.py"],
    "_policy/limits.py": ["tests/unit/test_unit_policy.py", "tests/limits/test_limits_window.py"],
    "_policy/adaptive.py": ["tests/limits/test_limits_adaptive.py"],
    "_engine.py": [
        "tests/unit/test_unit_engine_told.py", "tests/money/test_money_ends.py", "tests/unit/test_unit_engine.py",
        "tests/pool/test_pool_home.py",
    ],
    "_gates.py": [*LINE, "tests/unit/test_unit_engine.py"],
    "_turnstile.py": LINE,
    "_site.py": LINE,
    "_home.py": ["tests/pool/test_pool_home.py", "tests/unit/test_unit_engine.py"],
    "_doubt.py": ["tests/money/test_money_looks.py", "tests/money/test_money_doubt.py"],
    "_settle.py": ["tests/money/test_money_settle.py", "tests/money/test_money_doubt.py"],
    "_journal.py": ["tests/money/test_money_journal_file.py"],
    "_page.py": [
        "tests/unit/test_unit_pages.py", "tests/unit/test_unit_values.py", "tests/faults/test_faults_cursors.py",
    ],
    "windows.py": ["tests/windows/test_windows_asks.py", "tests/windows/test_windows_pages.py"],
    "export/_journal.py": ["tests/export/test_export_checkpoints.py", "tests/export/test_export_journal.py"],
    "export/_state.py": ["tests/export/test_export_checkpoints.py"],
}  # fmt: skip


@attrs.frozen
class Case:
    """One mistake in one module."""

    module: str
    tests: Sequence[str]
    mutant: Mutant
    strict: bool


def cases(many: int, seed: int, only: Sequence[str] = ()) -> list[Case]:
    """All mistakes of the strict modules, and *many* of the others'."""
    wanted = only or [*STRICT, *OTHERS]
    must = [Case(name, STRICT[name], mutant, True) for name in wanted if name in STRICT for mutant in _of(name)]
    may = [Case(name, OTHERS[name], mutant, False) for name in wanted if name in OTHERS for mutant in _of(name)]
    drawn = random.Random(seed).sample(may, min(len(may), many))
    return must + drawn


def _of(module: str) -> list[Mutant]:
    return mutants((ROOT / "aiochargebee_gw" / module).read_text(encoding="utf-8"))


class Copies:
    """Copies of the repository, one for each worker, so that two mistakes never meet."""

    def __init__(self, folder: Path, many: int) -> None:
        self._free: SimpleQueue[Path] = SimpleQueue()
        self._seconds: dict[tuple[str, ...], float] = {}
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        for number in range(many):
            for name in filter(None, names.decode().split("\0")):
                if not (ROOT / name).is_file():
                    continue
                target = folder / str(number) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target)
            # By what is in them, not by their times: a mistake is compiled anew, and nothing else is.
            compileall.compile_dir(
                folder / str(number), quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH
            )
            self._free.put(folder / str(number))

    def notices(self, case: Case) -> bool:
        """Whether the tests fail with the mistake, or hang."""
        copy = self._free.get()
        path = copy / "aiochargebee_gw" / case.module
        whole = path.read_bytes()
        try:
            path.write_text(case.mutant.source, encoding="utf-8")
            return self._fails(copy, case.tests, max(LEAST_SECONDS, LONGER * self._seconds[tuple(case.tests)]))
        finally:
            path.write_bytes(whole)
            self._free.put(copy)

    def fails(self, tests: Sequence[str]) -> bool:
        """Whether the tests fail on the package as it is. Notes how long they take."""
        copy = self._free.get()
        began = time.monotonic()
        try:
            return self._fails(copy, tests, None)
        finally:
            self._seconds[tuple(tests)] = time.monotonic() - began
            self._free.put(copy)

    def _fails(self, copy: Path, tests: Sequence[str], seconds: float | None) -> bool:
        command = [sys.executable, "-m", "pytest", "-x", "-q", *tests]
        env = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command, cwd=copy, env=env, timeout=seconds, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            return True
        return done.returncode != 0


def main(many: int, seed: int, *only: str) -> int:
    """Run the sample; the exit code says whether the tests are good enough."""
    chosen = cases(many, seed, only)
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        copies = Copies(Path(folder), workers)
        for tests in {tuple(case.tests) for case in chosen}:
            if copies.fails(tests):
                sys.stdout.write(f"without any mistake these tests fail: {' '.join(tests)}\n")
                return 1
        noticed = list(pool.map(copies.notices, chosen))
    missed = [case for case, seen in zip(chosen, noticed, strict=True) if not seen]
    for case in missed:
        mark = "MUST" if case.strict else "    "
        sys.stdout.write(f"{mark} {case.module}:{case.mutant.line}: {case.mutant.what}\n")
    strict = sum(case.strict for case in missed)
    others = [case for case in chosen if not case.strict]
    share = 1 - (len(missed) - strict) / len(others) if others else 1.0
    sys.stdout.write(
        f"seed {seed}: of {len(chosen) - len(others)} strict mistakes {strict} were not noticed, "
        f"of {len(others)} others {share:.0%} were\n"
    )
    return int(share < SHARE or strict > 0)


if __name__ == "__main__":
    given = sys.argv[1:] + ["120", "1"][len(sys.argv) - 1 :]
    sys.exit(main(int(given[0]), int(given[1]), *given[2:]))
