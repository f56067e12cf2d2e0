"""Which site a journal or a mirror is of: an embedded sandbox is known at every port, all else by its origin."""

from __future__ import annotations

import math
import signal
import sqlite3
import subprocess
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from aiochargebee_gw import Gateway, Limits, RequestError, Settings
from aiochargebee_gw.export import Progress, export, sync
from aiochargebee_gw.sandbox import Sandbox, ThreadedSandbox

from ..cli.conftest import Command, bare, heed, spawn

__all__ = ["bare"]  # fixture

pytestmark = pytest.mark.anyio

FREE = Settings(limits=Limits(account_per_second=math.inf))


class Stop(Exception):
    """Ends an export in the middle."""


def stop(now: Progress) -> None:
    """After three pages."""
    if now.pages >= 3:
        raise Stop


async def _begun(folder: Path, gw: Gateway) -> None:
    """A mirror, and an export that has ended in the middle."""
    await sync(gw.customers.list(), to=folder / "m.db")
    with pytest.raises(Stop):
        await export(gw.customers.list(), to=folder / "x.jsonl", progress=stop, workers=1)


async def _goes_on(folder: Path, gw: Gateway) -> None:
    assert (await export(gw.customers.list(), to=folder / "x.jsonl")).resumed
    assert not (await sync(gw.customers.list(), to=folder / "m.db"))[0].full


async def _is_refused(folder: Path, gw: Gateway) -> None:
    """Nothing is asked for, and what was read stays as it is."""
    sent = gw.stats.attempts
    with pytest.raises(RequestError, match="another query"):
        await export(gw.customers.list(), to=folder / "x.jsonl")
    with pytest.raises(RequestError, match="another site"):
        await sync(gw.customers.list(), to=folder / "m.db")
    assert gw.stats.attempts == sent


@pytest.mark.parametrize("other", [{"records": 451}, {"seed": 8}, {"catalog": "pc1"}], ids=str)
async def test_an_embedded_sandbox_is_what_it_was_made_with(tmp_path: Path, other: dict[str, Any]) -> None:
    """One with the same data goes on with what another began, at another port; one with other data is refused."""
    async with Sandbox(records=450) as begun, begun.gateway(settings=FREE) as gw:
        await _begun(tmp_path, gw)
        async with Sandbox(**{"records": 450, **other}) as sandbox, sandbox.gateway(settings=FREE) as its:
            await _is_refused(tmp_path, its)
        async with Sandbox(records=450, latency=0.001, strict=True) as same, same.gateway(settings=FREE) as its:
            assert same.url != begun.url
            await _goes_on(tmp_path, its)


async def test_an_embedded_sandbox_with_a_file_is_that_file(tmp_path: Path) -> None:
    """A sandbox that goes on from a file is one site with those before it; one with another file is another."""
    async with Sandbox(records=450, file=tmp_path / "a") as begun, begun.gateway(settings=FREE) as gw:
        await _begun(tmp_path, gw)
    for named in ("b", None):
        file = None if named is None else tmp_path / named
        async with Sandbox(records=450, file=file) as sandbox, sandbox.gateway(settings=FREE) as its:
            await _is_refused(tmp_path, its)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    async with Sandbox(records=1, file=tmp_path / "link") as same, same.gateway(settings=FREE) as its:
        await _goes_on(tmp_path, its)


async def test_what_listens_on_this_machine_is_told_by_its_port(tmp_path: Path) -> None:
    """Two servers on loopback are two sites to a client that knows no more of them than their URLs."""
    with ThreadedSandbox(records=450) as begun, ThreadedSandbox(records=450) as other:
        settings = [
            Settings(gateway_url=one.url, control_url=one.url, limits=Limits(account_per_second=math.inf))
            for one in (begun, other)
        ]
        async with Gateway(begun.api_key, settings=settings[0]) as gw:
            await _begun(tmp_path, gw)
        async with Gateway(other.api_key, settings=settings[1]) as gw:
            await _is_refused(tmp_path, gw)
        async with Gateway(begun.api_key, settings=settings[0]) as gw:
            await _goes_on(tmp_path, gw)


def test_a_command_with_another_sandbox_is_refused(bare: Command, tmp_path: Path) -> None:
    """A mirror of `--sandbox` takes no rows of one with other records: exit code 2, and the mirror as it was."""
    argv = ("sync", "customers", "--sandbox", "--to", f"{tmp_path}/m.db", "--json")
    (first,) = bare(*argv, "--sandbox-records", "30").objects
    assert first["rows"] == 30
    refused = bare(*argv)
    assert (refused.code, "another site" in refused.err) == (2, True)
    (again,) = bare(*argv, "--sandbox-records", "30").objects
    assert (again["rows"], again["lists"][0]["full"]) == (30, False)


def _kept(journal: Path) -> int:
    """The rows in a journal, which may not be there yet."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as db:
        (rows,) = db.execute("SELECT count(*) FROM documents").fetchone()
        return int(rows)
    return 0


def test_a_command_with_a_slow_sandbox_is_killed_and_gone_on_with(bare: Command, tmp_path: Path) -> None:
    """With --sandbox-latency an export runs long enough to be killed: the next one, with a sandbox at another port,
    reads only the rest."""
    argv = ("export", "customers", "--sandbox", "--to", f"{tmp_path}/x.jsonl", "--resume", "--json")
    child = spawn(*argv, "--sandbox-latency", "1", preexec_fn=heed)
    while not (kept := _kept(tmp_path / "x.jsonl.journal")):
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"it ended with {child.wait(0.01)}, and was to be killed")
    child.kill()
    child.communicate(timeout=30)
    assert child.returncode == -signal.SIGKILL
    assert 0 < kept < 500
    (summary,) = bare(*argv).objects
    assert (summary["resumed"], summary["rows"]) == (True, 500)
    assert len((tmp_path / "x.jsonl").read_bytes().splitlines()) == 500


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon"])
def test_a_latency_that_is_none_is_refused(bare: Command, seconds: str) -> None:
    """Seconds below 0, without an end or without a number: exit code 2, and one line that names the latency."""
    found = bare("list", "customers", "--sandbox", "--sandbox-latency", seconds)
    assert (found.code, found.out) == (2, b"")
    assert "latency" in found.err
