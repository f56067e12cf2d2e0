"""Exports and mirrors of a site that changes while it is read: nothing lost, nothing twice, the newest version."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aiochargebee_gw.export import export, sync
from aiochargebee_gw.fields import customer

from ..baselines import export_naive
from .moving import START, MovingSite, moving_site, traffic

pytestmark = pytest.mark.anyio

Rows = list[dict[str, Any]]


def lines(path: Path) -> Rows:
    """The records of a JSONL file."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def check(site: MovingSite, rows: Rows, as_of: int) -> None:
    """All that was there at *as_of*, once, and in the version of then or a newer one."""
    then = site.at(as_of)
    versions = {row["id"]: row["resource_version"] for row in rows}
    assert len(versions) == len(rows), "repeated"
    lost = {id for id, row in then.items() if not row["deleted"]} - set(versions)
    # Deleted while the last pass was being read: gone, or still there.
    assert lost <= {id for id, found in site.history.items() if found[-1][1]["deleted"]}, "lost"
    stale = [id for id, version in versions.items() if id in then and version < then[id]["resource_version"]]
    assert stale == []


@pytest.mark.parametrize("by_position", [False, True])
@pytest.mark.parametrize("workers", [1, 8])
async def test_nothing_is_lost_while_everything_moves(tmp_path: Path, by_position: bool, workers: int) -> None:
    """20 updates, 3 deletions and 5 inserts with each page, whatever an offset means: lost 0, repeated 0, newest."""
    await moving_export(tmp_path, 2_000, 1, by_position, workers)


@pytest.mark.soak
@pytest.mark.parametrize("by_position", [False, True])
@pytest.mark.parametrize("seed", range(5))
async def test_nothing_of_ten_thousand_rows_is_lost(tmp_path: Path, by_position: bool, seed: int) -> None:
    """The same with 10,000 rows and five seeds, with one cursor and with eight windows."""
    for workers in (1, 8):
        await moving_export(tmp_path, 10_000, seed, by_position, workers)


async def moving_export(folder: Path, rows: int, seed: int, by_position: bool, workers: int) -> None:
    async with moving_site(rows, by_position=by_position, on_page=traffic(seed)) as (site, gw):
        report = await export(gw.customers.list(), to=folder / f"{workers}.jsonl", workers=workers)
    assert report.as_of is not None
    assert report.began is not None
    # The pass for changes began behind the end of the full pass.
    assert report.as_of > report.began
    check(site, lines(folder / f"{workers}.jsonl"), report.as_of)


@pytest.mark.parametrize("by_position", [False, True])
async def test_the_naive_ways_fail(by_position: bool) -> None:
    """A list followed as it moves repeats rows, and loses some where offsets are positions; with an end it loses more,
    and what is lost with keys is what the next pass would have to ask for."""
    async with moving_site(2_000, by_position=by_position, on_page=traffic(1, inserts=0)) as (site, gw):
        followed = [row["id"] for row in await export_naive.by_change(gw)]
    assert len(followed) > len(set(followed))
    assert bool(set(site.live) - set(followed)) is by_position
    async with moving_site(2_000, by_position=by_position, on_page=traffic(1, inserts=0)) as (site, gw):
        ended = [row["id"] for row in await export_naive.until_now(gw, START)]
    assert len(set(site.live) - set(ended)) > 100


async def test_rows_that_begin_or_cease_to_match_a_filter(tmp_path: Path) -> None:
    """A row that ceases to match when it was read stays as it was when it matched; one that begins to match comes."""
    async with moving_site(300) as (site, gw):
        for number in range(300):
            site.touch(f"row_{number}", first_name="in" if number < 250 else "out")

        def move(site: MovingSite) -> None:
            if site.pages == 2:
                site.touch("row_0", first_name="out")
                site.touch("row_299", first_name="in")

        site.on_page = move
        pages = gw.customers.list(customer.first_name.is_("in"))
        await export(pages, to=tmp_path / "x.jsonl", workers=1)
    found = {row["id"]: row["first_name"] for row in lines(tmp_path / "x.jsonl")}
    assert set(found) == {f"row_{number}" for number in range(250)} | {"row_299"}
    assert set(found.values()) == {"in"}


def mirrored(path: Path) -> dict[str, int]:
    """Versions by id, of what a mirror's view shows."""
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT id, resource_version FROM customers").fetchall())


@pytest.mark.parametrize("skew", [-600, 0, 600])
async def test_lists_that_lag_and_clocks_that_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skew: int
) -> None:
    """Lists five minutes behind, our clock ten minutes off, three runs: missing 0. The naive way misses some."""
    path, naive = tmp_path / "m.db", dict[str, int]()
    async with moving_site(500, lag=300, on_page=traffic(3)) as (site, gw):
        monkeypatch.setattr("time.time", lambda: float(site.now + skew))
        clock = START - 60 * 500 - 1
        for number in range(3):
            # Too late for the lists of this run.
            for id in site.live[number:300:3]:
                site.touch(id)
            told, clock = clock, site.now + skew
            naive |= {row["id"]: row["resource_version"] for row in await export_naive.since(gw, told)}
            (report,) = await sync(gw.customers.list(), to=path)
            assert report.as_of is not None
            known, then = mirrored(path), site.at(report.as_of - 300)
            assert [id for id, row in then.items() if not row["deleted"] and known.get(id, 0) < row["resource_version"]
                    and site.history[id][-1][1]["deleted"] is False] == []  # fmt: skip
            site.now += 400
        site.on_page, site.now = None, site.now + 301
        naive |= {row["id"]: row["resource_version"] for row in await export_naive.since(gw, clock)}
        await sync(gw.customers.list(), to=path)
        truth = {id: row["resource_version"] for id, row in site.at(site.now).items() if not row["deleted"]}
    assert mirrored(path) == truth
    missing = [id for id, version in truth.items() if naive.get(id) != version]
    assert missing or skew < 0
