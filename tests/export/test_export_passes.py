"""Passes that end behind any page, and go on: each row once, also those that nothing names, and no page twice."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from aiochargebee_gw.export import export, journal_of, sync

from .killed import LIMIT, Disks, forget_the_end, mirrored, stopped, truth, versions
from .moving import MovingSite, moving_site

REFUSED = '{"message":"no","api_error_code":"param_wrong_value","param":"offset"}'


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """Where the export goes that is watched."""
    path = tmp_path / "first" / "x.jsonl"
    path.parent.mkdir()
    return path


@pytest.mark.anyio
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("nameless", [False, True])
async def test_killed_behind_any_page_an_export_goes_on(
    tmp_path: Path, first: Path, monkeypatch: pytest.MonkeyPatch, workers: int, nameless: bool
) -> None:
    """Of the full pass and of those for changes, the first page, the last, or one between: each row is there once and
    no page that was kept is read again. A journal that keeps cursors alone reads the whole list again behind the last
    page, and rows without an id come twice."""
    disks = Disks(monkeypatch, journal_of(first), tmp_path / "killed")
    async with moving_site(23, nameless=nameless) as (site, gw):
        site.delete("row_3")
        pages = gw.customers.list(limit=LIMIT)
        await export(pages, to=first, workers=workers)
        killed = [(disk, state) for disk, state in zip(disks.kept, disks.states, strict=True) if state.passes]
        kinds = Counter((state.passes[-1].kind, state.passes[-1].done) for _, state in killed)
        assert kinds["full", False] >= 4
        assert nameless or kinds["changes", False] >= 1
        assert ("full", True) in kinds
        monkeypatch.undo()
        wrong = 0
        for disk, _ in killed:
            naive = shutil.copytree(disk, disk.with_suffix(".naive"))
            again = await export(pages, to=disk / first.name, workers=workers)
            assert versions(disk / first.name) == truth(site)
            assert (again.rows, again.repeated, again.resumed) == (22, 0, True)
            forget_the_end(journal_of(naive / first.name))
            await export(pages, to=naive / first.name, workers=workers)
            wrong += versions(naive / first.name) != truth(site)
    assert bool(wrong) is nameless


@pytest.mark.anyio
async def test_behind_the_last_page_nothing_is_asked_for_again(
    tmp_path: Path, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed behind the n-th page of a list of five, the next run asks for the others, of which there are none behind
    the fifth. With cursors alone it asks for five."""
    disks = Disks(monkeypatch, journal_of(first), tmp_path / "killed")
    async with moving_site(23, nameless=True) as (site, gw):
        pages = gw.customers.list(limit=LIMIT)
        await export(pages, to=first, workers=1)
        monkeypatch.undo()
        naive = shutil.copytree(disks.kept[-1], tmp_path / "naive")
        asked = set()
        for disk, state in zip(disks.kept, disks.states, strict=True):
            read = sum(one.pages for one in state.passes)
            before = site.pages
            await export(pages, to=disk / first.name, workers=1)
            asked.add((read, site.pages - before))
        assert asked == {(1, 4), (2, 3), (3, 2), (4, 1), (5, 0)}
        forget_the_end(journal_of(naive / first.name))
        before = site.pages
        await export(pages, to=naive / first.name, workers=1)
        assert site.pages - before == 5


@pytest.mark.anyio
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("nameless", [False, True])
async def test_killed_behind_any_page_a_mirror_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, nameless: bool
) -> None:
    """Of its first run and of the next one: the full pass, those for changes, that for what was created, and the second
    full pass of a list whose rows have no id. The mirror is what it would be else."""
    path = tmp_path / "m.db"
    disks = Disks(monkeypatch, path, tmp_path / "killed")
    async with moving_site(23, nameless=nameless) as (site, gw):
        pages = gw.customers.list(limit=LIMIT)
        kinds = set()
        for _ in range(2):
            await sync(pages, to=path, workers=workers)
            count = len(disks.kept)
            for disk in disks.kept:
                await sync(pages, to=disk / path.name, workers=workers)
                assert mirrored(disk / path.name) == truth(site)
            assert len(disks.kept) == count
            kinds = {(state.generation, state.passes[-1].kind, state.passes[-1].done) for state in disks.states}
            disks.kept.clear()
            disks.states.clear()
            shutil.rmtree(tmp_path / "killed")
            site.now += 10_000
            for id in site.live[:13]:
                site.touch(id)
            for _ in range(12):
                site.create(updated=False)
                site.now += 1
    if nameless:
        assert {(2, "full", False), (2, "full", True)} <= kinds
    else:
        assert {(1, kind, done) for kind in ("changes", "created") for done in (False, True)} <= kinds


@pytest.mark.anyio
async def test_killed_behind_any_page_after_a_restart(
    tmp_path: Path, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cursor is refused in the middle of the pass, which goes on behind the last row's second: wherever it is killed
    after that, each row is there once."""
    disks = Disks(monkeypatch, journal_of(first), tmp_path / "killed")
    async with moving_site(23) as (site, gw):
        pages = gw.customers.list(limit=LIMIT)

        def refuse(site: MovingSite) -> None:
            site.on_page = None if site.pages == 3 else refuse
            if site.on_page is None:
                raise web.HTTPBadRequest(text=REFUSED, content_type="application/json")

        site.on_page = refuse
        await export(pages, to=first, workers=1)
        monkeypatch.undo()
        assert {(state.passes[0].restarts, state.passes[0].done) for state in disks.states} == {
            (0, False), (1, False), (1, True),
        }  # fmt: skip
        for disk in disks.kept:
            again = await export(pages, to=disk / first.name, workers=1)
            assert versions(disk / first.name) == truth(site)
            assert again.repeated <= 2


@given(
    stops=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    more=st.integers(0, 2),
    missing=st.integers(0, LIMIT - 1),
    workers=st.sampled_from([1, 3]),
    nameless=st.booleans(),
    cancelled=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_cancelled_behind_any_page_it_goes_on(
    stops: list[int], more: int, missing: int, workers: int, nameless: bool, cancelled: bool
) -> None:
    """By a cancellation or by an error of the callback, again and again, behind whichever pages, the last one among
    them: each row once."""
    rows = (sum(stops) + more) * LIMIT - missing

    async def story(path: Path) -> None:
        async with moving_site(rows, nameless=nameless) as (site, gw):
            for stop in [*stops, None]:
                if await stopped(gw, path, stop, workers=workers, cancelled=cancelled):
                    break
            assert versions(path) == truth(site)

    with TemporaryDirectory() as folder:
        asyncio.run(story(Path(folder) / "x.jsonl"))


CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from aiochargebee_gw import Gateway, Limits, Settings
from aiochargebee_gw.export import export
from aiochargebee_gw.export._journal import Journal

real = Journal.commit

def commit(journal, resource, rows, state):
    found = real(journal, resource, rows, state)
    if rows and state.passes[-1].cursor is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

async def main(url, path):
    settings = Settings(gateway_url=url, control_url=url, limits=Limits(account_per_second=float("inf")))
    async with Gateway("sandbox_key", settings=settings) as gw:
        await export(gw.customers.list(), to=Path(path), workers=1)

Journal.commit = commit if sys.argv[3] == "kill" else real
asyncio.run(main(*sys.argv[1:3]))
"""


@pytest.mark.anyio
@pytest.mark.parametrize("rows", [100, 1000, 1100])
async def test_a_process_that_is_killed_behind_the_last_page(tmp_path: Path, rows: int) -> None:
    """kill -9 behind the commit of the last page, of rows without an id, whether or not that was due: the next process
    asks for nothing more, and each row is there once."""
    path = tmp_path / "x.jsonl"
    async with moving_site(rows, nameless=True) as (site, _):
        codes, asked = [], []
        for how in ("kill", "go on"):
            before = site.pages
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, site.url, str(path), how)
            codes.append(await asyncio.wait_for(child.wait(), 60))
            asked.append(site.pages - before)
        assert codes == [-signal.SIGKILL, 0]
        assert asked == [rows // 100, 0]
        assert versions(path) == truth(site)
