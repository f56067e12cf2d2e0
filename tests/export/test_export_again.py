"""Runs that come after others: whatever ended before, and wherever, they lose nothing and are never out of date."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from aiochargebee_gw import ApiError, Limits, Pages, RequestError, Settings
from aiochargebee_gw._files import FileLock, Replacement
from aiochargebee_gw.export import export, export_all, sync
from aiochargebee_gw.sandbox import Sandbox
from aiochargebee_gw.sandbox.clock import SEED_EPOCH

from .moving import MovingSite, moving_site

pytestmark = pytest.mark.anyio

FREE = Settings(limits=Limits(account_per_second=float("inf")))


def mirrored(path: Path) -> dict[str, int]:
    """Versions by id, of what a mirror's view shows."""
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT id, resource_version FROM customers").fetchall())


def truth(site: MovingSite) -> dict[str, int]:
    """The same of the site."""
    return {id: row["resource_version"] for id, row in site.at(site.now).items() if not row["deleted"]}


async def test_a_second_pass_for_changes_that_ended_in_the_middle(tmp_path: Path) -> None:
    """A run that ends in its second pass for changes is gone on with there: what that pass had not shown yet comes."""
    path = tmp_path / "m.db"
    async with moving_site(250) as (site, gw):
        await sync(gw.customers.list(), to=path, workers=1)
        site.now += 10_000
        for id in site.live:
            site.touch(id)
        begin = site.pages

        def happen(site: MovingSite) -> None:
            page = site.pages - begin
            if page == 2:
                site.now += 700
            if page == 3:
                for id in site.live:
                    site.touch(id)
            if page == 5:
                raise web.HTTPForbidden

        site.on_page = happen
        with pytest.raises(ApiError):
            await sync(gw.customers.list(), to=path, workers=1)
        site.on_page = None
        site.now += 10_000
        (report,) = await sync(gw.customers.list(), to=path, workers=1)
        assert (report.full, mirrored(path)) == (False, truth(site))


async def test_rows_that_came_while_a_long_first_run_read(tmp_path: Path) -> None:
    """Rows without `updated_at` that were made behind the windows' end, an hour before the first run ended: the next
    run asks for them."""
    path = tmp_path / "m.db"
    async with moving_site(1_000) as (site, gw):

        def happen(site: MovingSite) -> None:
            site.now += 600
            site.create(updated=False)

        site.on_page = happen
        await sync(gw.customers.list(), to=path)
        site.on_page = None
        await sync(gw.customers.list(), to=path)
        assert mirrored(path) == truth(site)


async def test_a_kept_journal_is_brought_up_to_date(tmp_path: Path) -> None:
    """The same file again, with the journal of the last time: what has changed since is in it."""
    path = tmp_path / "x.jsonl"
    async with moving_site(150) as (site, gw):
        for _ in range(3):
            report = await export(gw.customers.list(), to=path, journal=tmp_path / "j", force=True)
            assert report.as_of is not None
            found = {row["id"]: row["resource_version"] for row in map(json.loads, path.read_bytes().splitlines())}
            assert found == truth(site)
            site.now += 10_000
            site.touch("row_7")


async def test_verify_is_not_forgotten(tmp_path: Path) -> None:
    """Asked for behind a run that ended in the middle, the whole list is read all the same."""
    path = tmp_path / "m.db"
    async with moving_site(250) as (site, gw):
        await sync(gw.customers.list(), to=path, workers=1)
        site.now += 10_000
        for id in site.live:
            site.touch(id)
        begin = site.pages

        def fail(site: MovingSite) -> None:
            if site.pages - begin == 2:
                raise web.HTTPForbidden

        site.on_page = fail
        with pytest.raises(ApiError):
            await sync(gw.customers.list(), to=path, workers=1)
        site.on_page = None
        del site.history["row_7"]
        (report,) = await sync(gw.customers.list(), to=path, workers=1, verify=True)
        assert (report.full, mirrored(path)) == (True, truth(site))


async def test_a_list_that_tells_no_changes_is_read_anew(tmp_path: Path) -> None:
    """With a journal that was kept, too: what was read the last time says nothing about now."""
    async with Sandbox(records=5) as sandbox, sandbox.gateway() as gw:
        for number in range(3):
            sandbox.insert("event", {"id": f"ev_late_{number}"})
            report = await export(gw.events.list(), to=tmp_path / "x.jsonl", journal=tmp_path / "j", force=True)
            assert (report.rows, report.resumed) == (sandbox.count("event"), False)


async def test_cursors_may_be_too_old_each_time(tmp_path: Path) -> None:
    """A run that is gone on with again and again, each time behind its cursor's end, comes to its end."""
    path = tmp_path / "x.jsonl"
    async with Sandbox(records=800) as sandbox, sandbox.gateway(settings=FREE) as gw:
        sandbox.faults.add("status", status=403, path="/customers", nth=4)
        for _ in range(2):
            with pytest.raises(ApiError, match="403"):
                await export(gw.customers.list(), to=path, workers=1)
            sandbox.faults.clear()
            sandbox.faults.add("expired_cursor", path="/customers", times=1)
            sandbox.faults.add("status", status=403, path="/customers", nth=4)
        sandbox.faults.clear()
        sandbox.faults.add("expired_cursor", path="/customers", times=1)
        report = await export(gw.customers.list(), to=path, workers=1)
        assert (report.rows, report.resumed) == (sandbox.count("customer"), True)


@pytest.mark.parametrize("workers", [1, 8])
async def test_rows_without_a_date_survive_a_refused_cursor(tmp_path: Path, workers: int) -> None:
    """Behind the last date that was read they would be seen no more: such lists are read again from their beginning."""
    async with Sandbox(records=0) as sandbox, sandbox.gateway(settings=FREE) as gw:
        for number in range(450):
            date = SEED_EPOCH + 60 * number if number % 10 else None
            sandbox.insert("transaction", {"id": f"t{number}", "date": date, "updated_at": SEED_EPOCH})
        sandbox.faults.add("expired_cursor", path="/transactions", nth=3, times=1)
        report = await export(gw.transactions.list(), to=tmp_path / "x.jsonl", workers=workers)
        assert report.rows == 450


def killed_writer(path: str) -> None:
    """In a child: write into a mirror, and end as `kill -9` does before anything of it has left the WAL."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute("UPDATE documents SET document = json_set(document, '$.first_name', 'torn')")
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("gone", [False, True])
async def test_what_a_killed_run_left_beside_a_mirror_is_not_read_into_another(tmp_path: Path, gone: bool) -> None:
    """A WAL belongs to the file that it was written for: left where another one takes its name, it destroys that."""
    path = tmp_path / "m.db"
    async with Sandbox(records=300) as sandbox, sandbox.gateway(settings=FREE) as gw:
        await sync(gw.customers.list(), to=path)
        child = multiprocessing.get_context("spawn").Process(target=killed_writer, args=(str(path),))
        child.start()
        child.join()
        assert (tmp_path / "m.db-wal").stat().st_size > 0
        if gone:
            path.unlink()
        await export(gw.customers.list(), to=path, force=not gone)
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            found = db.execute("SELECT count(*), sum(first_name = 'torn') FROM customers").fetchone()
        assert found == (sandbox.count("customer"), 0)


async def test_a_mirror_in_use_is_not_replaced(tmp_path: Path) -> None:
    """Who writes into it would go on writing into a file without a name."""
    path = tmp_path / "m.db"
    async with Sandbox(records=3) as sandbox, sandbox.gateway(settings=FREE) as gw:
        await sync(gw.customers.list(), to=path)
        lock = FileLock(path)
        with pytest.raises(RequestError, match="in use"):
            await export(gw.customers.list(), to=path, force=True)
        lock.release()
        assert (await export(gw.customers.list(), to=path, force=True)).resumed


async def test_nobodys_manifest_is_replaced_in_a_folder(tmp_path: Path) -> None:
    """`manifest.json` is a common name: one that is not ours is refused before any request, without force."""
    (tmp_path / "manifest.json").write_text('{"name": "precious"}')
    async with Sandbox(records=3) as sandbox, sandbox.gateway() as gw:
        lists = {"customers": gw.customers.list()}
        with pytest.raises(RequestError, match="no manifest"):
            await export_all(lists, to=tmp_path)
        assert (sandbox.requests, (tmp_path / "manifest.json").read_text()) == ([], '{"name": "precious"}')
        await export_all(lists, to=tmp_path, force=True)
        await export_all(lists, to=tmp_path, force=True, resume=False)


async def test_a_journal_is_a_file_of_its_own(tmp_path: Path) -> None:
    """Neither the output, by whatever name, nor the manifest, nor a folder; workers are a number of requests."""
    path = tmp_path / "x.db"
    (tmp_path / "link").symlink_to(path)
    async with Sandbox(records=3) as sandbox, sandbox.gateway() as gw:
        for journal in (path, tmp_path / "link", tmp_path / "x.db.manifest.json", tmp_path):
            with pytest.raises(RequestError, match="file of its own"):
                await export(gw.customers.list(), to=path, journal=journal, force=True)
        wrong: Any
        for wrong in (0, True, 2.5, "8"):
            with pytest.raises(RequestError, match="workers"):
                await sync(gw.customers.list(), to=path, workers=wrong)
        for wrong in (gw.customers, None):
            with pytest.raises(RequestError, match="a list is wanted"):
                await export(wrong, to=path)
        assert sandbox.requests == []
    assert [found.name for found in tmp_path.iterdir()] == ["link"]


async def test_a_mirror_is_nobodys_journal(tmp_path: Path) -> None:
    """Not with force either, and not to go on with one of its own lists: refused before any request, and all of its
    records stay. So is one that was begun only, and the output of an export."""
    path = tmp_path / "m.db"
    async with Sandbox(records=450) as sandbox, sandbox.gateway(settings=FREE) as gw:
        both = (gw.customers.list(), gw.subscriptions.list())
        sandbox.faults.add("status", status=403, path="/subscriptions", nth=2, times=None)
        with pytest.raises(ApiError, match="403"):
            await sync(*both, to=path, workers=1)
        await refused_as_mirror(gw.subscriptions.list(), path)
        sandbox.faults.clear()
        await sync(*both, to=path)
        await export(gw.customers.list(), to=tmp_path / "x.db")
        sent = len(sandbox.requests)
        for pages in (gw.subscriptions.list(), gw.invoices.list(), gw.customers.list()):
            await refused_as_mirror(pages, path)
            await refused_as_mirror(pages, tmp_path / "x.db")
        assert len(sandbox.requests) == sent
        (report, _) = await sync(*both, to=path)
        assert (report.rows, report.full) == (sandbox.count("customer"), False)
        # The journal of one list is no mirror: force replaces it.
        journal = tmp_path / "j"
        await export(gw.customers.list(), to=tmp_path / "c.jsonl", journal=journal)
        with pytest.raises(RequestError, match="another query"):
            await export(gw.invoices.list(), to=tmp_path / "i.db", journal=journal)
        await export(gw.invoices.list(), to=tmp_path / "i.db", journal=journal, force=True)
        with closing(sqlite3.connect(tmp_path / "i.db")) as db:
            assert db.execute("SELECT DISTINCT resource FROM documents").fetchall() == [("invoices",)]


async def refused_as_mirror(pages: Pages[Any, Any], path: Path) -> None:
    """It is no journal, and what is in it stays."""
    with closing(sqlite3.connect(path)) as db:
        before = db.execute("SELECT resource, count(*) FROM documents GROUP BY 1").fetchall()
    ways: list[dict[str, Any]] = [{}, {"force": True}, {"resume": False}, {"force": True, "resume": False}]
    for how in ways:
        with pytest.raises(RequestError, match="is a mirror"):
            await export(pages, to=path.with_name("s.jsonl"), journal=path, **how)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT resource, count(*) FROM documents GROUP BY 1").fetchall() == before
    assert not path.with_name("s.jsonl").exists()


async def test_what_is_asked_for_is_all_of_the_query(tmp_path: Path) -> None:
    """Headers choose rows, too: another business entity, or connection, is another query; deleted rows are the same
    query, and another file."""
    path, journal = tmp_path / "x.jsonl", tmp_path / "j"
    async with Sandbox(records=3) as sandbox, sandbox.gateway() as gw:
        sandbox.delete("customer", "cust_1")
        await export(gw.customers.list(), to=tmp_path / "first.jsonl", journal=journal)
        other: list[Pages[Any, Any]] = [
            gw.customers.list(headers={"chargebee-business-entity-id": "b"}),
            gw.with_options(headers={"chargebee-business-entity-id": "b"}).customers.list(),
            gw.using("another").customers.list(),
        ]
        for pages in other:
            with pytest.raises(RequestError, match="another query"):
                await export(pages, to=path, journal=journal)
        # Ended between giving the file its name and the rest.
        with pytest.MonkeyPatch.context() as patched, pytest.raises(OSError, match="the end"):
            patched.setattr("aiochargebee_gw.export._export.write_manifest", fail)
            await export(gw.customers.list(), to=path, journal=journal)
        report = await export(gw.customers.list(include_deleted=True), to=path, journal=journal, force=True)
        lines = path.read_bytes().splitlines()
        assert (report.rows, len(lines)) == (sandbox.count("customer", include_deleted=True),) * 2


def fail(*_: Any) -> None:
    """In the place of the manifest."""
    raise OSError("the end")


@pytest.mark.parametrize("what", ["x.jsonl", "manifest"])
async def test_unfinished_files_of_a_killed_run_go(tmp_path: Path, what: str) -> None:
    """Also those that its journal did not know of yet, and of the manifest; those of others stay."""
    other = tmp_path / ".x.jsonl.abcdefgh.part"
    other.write_text("precious")
    child = multiprocessing.get_context("spawn").Process(target=killed_at, args=(str(tmp_path), what))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".*.part"))) == 2
    async with Sandbox(records=3) as sandbox, sandbox.gateway() as gw:
        assert (await export(gw.customers.list(), to=tmp_path / "x.jsonl")).resumed
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, "x.jsonl", "x.jsonl.manifest.json"]


def killed_at(folder: str, what: str) -> None:
    """In a child: an export that ends when it has made an unfinished file."""
    made = Replacement.__init__

    def make(self: Replacement, target: Path, **how: Any) -> None:
        made(self, target, **how)
        if what in target.name:
            os.kill(os.getpid(), signal.SIGKILL)

    async def run() -> None:
        async with Sandbox(records=3) as sandbox, sandbox.gateway() as gw:
            await export(gw.customers.list(), to=Path(folder) / "x.jsonl")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Replacement, "__init__", make)
        anyio.run(run)
