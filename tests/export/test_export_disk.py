"""Disks that are full, fail, or take half of what they are given: the journal stays good, the next run succeeds."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aiochargebee_gw import Limits, Settings
from aiochargebee_gw.export import export, sync
from aiochargebee_gw.sandbox import Sandbox

pytestmark = pytest.mark.anyio

HERE = Path(__file__).parent
FAULTS = ("ENOSPC", "EIO", "short")
TOLD = "|".join(os.strerror(number) for number in (errno.EIO, errno.ENOSPC, errno.EFBIG))
FREE = Settings(limits=Limits(account_per_second=float("inf")))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that lets writes fail."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler on Linux")
    made = tmp_path_factory.mktemp("disk") / "faulty_writes.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", made, HERE / "faulty_writes.c", "-ldl"], check=True, timeout=60
    )
    return made


def run(library: Path, folder: Path, ending: str, fault: str, first: int, count: int) -> dict[str, int]:
    """What the child tells."""
    found = subprocess.run(
        [sys.executable, "-m", "tests.export.failing_disk", folder, ending, fault, str(first), str(count)],
        env={**os.environ, "LD_PRELOAD": str(library)},
        cwd=HERE.parents[1],
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert found.returncode == 0, found.stderr.decode()[-2000:]
    told: dict[str, int] = json.loads(found.stdout)
    return told


@pytest.mark.parametrize("fault", FAULTS)
def test_each_of_the_first_writes_may_fail(library: Path, tmp_path: Path, fault: str) -> None:
    """No write whose failure loses a row, leaves a half file or a journal that cannot be gone on with."""
    told = run(library, tmp_path, "jsonl", fault, 0, 25)
    assert told["failed"] >= 10


@pytest.mark.soak
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet", "db"])
def test_each_of_two_hundred_writes_may_fail(library: Path, tmp_path: Path, fault: str, ending: str) -> None:
    """The same for every format, and for as many writes as an export of three pages has."""
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    told = run(library, tmp_path, ending, fault, 0, 200)
    assert told["failed"] >= 20


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond *size* bytes: writes are cut there, and then fail."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [20_000, 100_000, 300_000])
async def test_a_disk_that_ends_anywhere(tmp_path: Path, size: int) -> None:
    """Exports and mirrors stop with the system's error, and go on when there is room."""
    async with Sandbox(records=450) as sandbox, sandbox.gateway(settings=FREE) as gw:
        with files_of_at_most(size), pytest.raises(OSError, match=TOLD):
            await export(gw.customers.list(), to=tmp_path / "x.jsonl")
        assert not (tmp_path / "x.jsonl").exists()
        report = await export(gw.customers.list(), to=tmp_path / "x.jsonl")
        assert report.rows == sandbox.count("customer")
        with files_of_at_most(size), pytest.raises(OSError, match=TOLD):
            await sync(gw.customers.list(), to=tmp_path / "m.db")
        (mirror,) = await sync(gw.customers.list(), to=tmp_path / "m.db")
        assert mirror.rows == report.rows
