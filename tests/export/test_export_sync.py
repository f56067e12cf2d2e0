"""The mirror: whole at first, then only what changes; nothing forgotten, deletions too."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aiochargebee_gw import ConnectionLost, Gateway, Limits, RequestError, Settings
from aiochargebee_gw.export import Progress, export, sync
from aiochargebee_gw.fields import customer
from aiochargebee_gw.sandbox import Sandbox
from aiochargebee_gw.sandbox.clock import SEED_EPOCH, ManualClock

from .moving import moving_site

pytestmark = pytest.mark.anyio

FREE = Settings(limits=Limits(account_per_second=float("inf")))


def query(path: Path, sql: str) -> list[Any]:
    """What a reader of the mirror sees."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


async def test_rows_without_updated_at_are_not_lost(tmp_path: Path) -> None:
    """7,836 transactions, 436 of them without `updated_at`: all are there; later runs read changes only, and new rows
    without `updated_at`, too. A filter on `updated_at` alone misses the 436."""
    clock = ManualClock(SEED_EPOCH + 10**7)
    async with Sandbox(records=0, clock=clock) as sandbox, sandbox.gateway(settings=FREE) as gw:
        for number in range(7_836):
            bare: dict[str, Any] = {"updated_at": None} if number % 18 == 0 else {}
            sandbox.insert("transaction", {"id": f"t{number}", "date": SEED_EPOCH + 60 * number, **bare})
        path = tmp_path / "m.db"
        clock.advance(3600)
        (first,) = await sync(gw.transactions.list(), to=path)
        assert (first.rows, first.added, first.full) == (7_836, 7_836, True)
        assert query(path, "SELECT count(*), count(updated_at) FROM transactions") == [(7_836, 7_400)]
        naive = [row.id async for row in gw.transactions.list(gw_changed_since(0))]
        assert len(naive) == 7_400
        clock.advance(3600)
        sandbox.insert("transaction", {"id": "late", "date": int(clock.now()), "updated_at": None})
        sandbox.update("transaction", "t0", {"amount": 1})
        sandbox.delete("transaction", "t1")
        clock.advance(60)
        (second,) = await sync(gw.transactions.list(), to=path)
        assert (second.rows, second.deleted, second.full) == (7_836, 1, False)
        assert (second.added, second.changed) == (1, 2)
        assert second.read <= 4
        assert query(path, "SELECT amount FROM transactions WHERE id = 't0'") == [(1,)]
        (third,) = await sync(gw.transactions.list(), to=path)
        assert (third.rows, third.added, third.changed) == (7_836, 0, 0)


def gw_changed_since(moment: int) -> Any:
    """The filter that loses rows."""
    from aiochargebee_gw import Filter

    return Filter("updated_at", "after", 1_000_000_000 + moment)


async def test_several_lists_in_plain_sql(tmp_path: Path) -> None:
    """Each list is a view with typed columns and the whole document; what they count is what the sandbox has."""
    path = tmp_path / "m.db"
    async with Sandbox(records=300) as sandbox, sandbox.gateway(settings=FREE) as gw:
        seen: list[Progress] = []
        reports = await sync(
            gw.customers.list(), gw.subscriptions.list(), gw.invoices.list(), to=path, progress=seen.append
        )
        assert [report.resource for report in reports] == ["customers", "subscriptions", "invoices"]
        for report in reports:
            kind = report.resource.removesuffix("s")
            assert query(path, f"SELECT count(*) FROM {report.resource}") == [(sandbox.count(kind),)]
            assert report.rows + report.deleted == sandbox.count(kind, include_deleted=True)
        assert {now.resource for now in seen} == {"customers", "subscriptions", "invoices"}
        status = dict(query(path, "SELECT status, count(*) FROM subscriptions GROUP BY 1"))
        assert sum(status.values()) == sandbox.count("subscription")
        assert set(status) >= {"active", "cancelled"}
        row = sandbox.get("customer", "cust_1")
        assert row is not None
        found = query(path, "SELECT email, created_at, document ->> '$.email' FROM customers WHERE id = 'cust_1'")
        assert found == [(row["email"], found[0][1], row["email"])]
        assert len(found[0][1]) == len("2024-01-31 12:00:00")
    assert path.stat().st_mode & 0o077 == 0


async def test_lists_that_show_no_changes_are_read_again(tmp_path: Path) -> None:
    """Without a filter on `updated_at` the whole list travels each time, and what is no longer there is flagged."""
    path = tmp_path / "m.db"
    async with Sandbox(records=5) as sandbox, sandbox.gateway(settings=FREE) as gw:
        (first,) = await sync(gw.events.list(), to=path)
        (second,) = await sync(gw.events.list(), to=path)
        assert first.rows > 0
        assert (second.rows, second.full, second.read, second.added) == (first.rows, True, first.rows, 0)


async def test_verify_finds_what_changes_do_not_tell(tmp_path: Path) -> None:
    """A record that is gone without a trace stays, until a run reads everything again."""
    path = tmp_path / "m.db"
    async with moving_site(250) as (site, gw):
        await sync(gw.customers.list(), to=path)
        del site.history["row_7"]
        (plain,) = await sync(gw.customers.list(), to=path)
        assert (plain.rows, plain.full) == (250, False)
        (verified,) = await sync(gw.customers.list(), to=path, verify=True)
        assert (verified.rows, verified.deleted, verified.full) == (249, 1, True)
        site.now += 10_000
        site.history["row_7"] = [(site.now, {**site.history["row_8"][-1][1], "id": "row_7", "updated_at": site.now})]
        (back,) = await sync(gw.customers.list(), to=path)
        assert (back.rows, back.deleted) == (250, 0)


async def test_rows_without_an_id_are_replaced(tmp_path: Path) -> None:
    """Nothing names them: each run reads the list anew, and none is there twice."""
    path = tmp_path / "m.db"
    async with moving_site(150) as (site, gw):
        for found in site.history.values():
            found[-1][1]["name"] = found[-1][1]["id"]
        site.nameless = True
        for _ in range(2):
            (report,) = await sync(gw.customers.list(), to=path, workers=1)
            assert (report.rows, report.full) == (150, True)


async def test_a_run_that_ended_in_the_middle_is_gone_on_with(tmp_path: Path) -> None:
    """An error leaves what was read; the next run reads the rest, and reports all of it."""
    path = tmp_path / "m.db"
    async with Sandbox(records=450) as sandbox, sandbox.gateway(settings=FREE) as gw:
        sandbox.faults.add("status", status=403, path="/customers", nth=4)
        with pytest.raises(Exception, match="403"):
            await sync(gw.customers.list(), to=path, workers=1)
        before = sandbox.count("customer", include_deleted=True)
        requests = len(sandbox.requests)
        (report,) = await sync(gw.customers.list(), to=path, workers=1)
        assert (report.rows + report.deleted, report.added) == (before, before)
        assert len(sandbox.requests) - requests <= 2 + 2


async def test_a_mirror_begun_by_an_export_goes_on(tmp_path: Path) -> None:
    """`export(..., to="x.db")` is a first run: the next reads changes only."""
    path = tmp_path / "x.db"
    async with Sandbox(records=120) as sandbox, sandbox.gateway(settings=FREE) as gw:
        report = await export(gw.customers.list(), to=path)
        (after,) = await sync(gw.customers.list(), to=path)
        assert (after.rows, after.full, after.added) == (report.rows, False, 0)
        await export(gw.customers.list(customer.first_name.is_("x")), to=tmp_path / "y.db")
        with pytest.raises(RequestError, match="with filters"):
            await sync(gw.customers.list(), to=tmp_path / "y.db")


async def test_what_is_no_mirror_is_refused(tmp_path: Path) -> None:
    """Filters, lists of one record, a list twice, another file, another ending: refused before any request."""
    (tmp_path / "text.db").write_text("precious text, and not a database of any kind")
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE precious (x)")
        db.commit()
    async with Sandbox(records=1) as sandbox, sandbox.gateway() as gw:
        whole = gw.customers.list()
        for lists, name in (
            ([], "m.db"),
            ([whole, gw.customers.list()], "m.db"),
            ([gw.customers.list(customer.first_name.is_("x"))], "m.db"),
            ([gw.customers.contacts_for_customer("cust_1")], "m.db"),
            ([whole], "m.txt"),
            ([whole], "missing/m.db"),
            ([whole], "text.db"),
            ([whole], "other.db"),
        ):
            with pytest.raises(RequestError):
                await sync(*lists, to=tmp_path / name)
        assert sandbox.requests == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.db", "text.db"]


async def test_a_first_run_that_reads_nothing_leaves_nothing(tmp_path: Path) -> None:
    """An error before the first page: no file."""
    settings = Settings(gateway_url="http://127.0.0.1:9", control_url="http://127.0.0.1:9")
    async with Gateway("sandbox_key", settings=settings) as gw:
        from aiochargebee_gw import ConnectFailed, Retry

        with pytest.raises((ConnectFailed, ConnectionLost)):
            await sync(gw.with_options(retry=Retry.none()).customers.list(), to=tmp_path / "m.db")
    assert list(tmp_path.iterdir()) == []
