"""When a pass is kept, and what is told of it meanwhile."""

from __future__ import annotations

import asyncio
import io
import shutil
from pathlib import Path
from typing import Any

import pytest

from aiochargebee_gw.export import Progress, export, journal_of
from aiochargebee_gw.export._desk import Desk
from aiochargebee_gw.export._keys import Row
from aiochargebee_gw.export._lists import Listed
from aiochargebee_gw.export._progress import Meter
from aiochargebee_gw.export._pull import Puller
from aiochargebee_gw.export._state import ListState, decode_state

from ..unit.clock import FakeClock
from .conftest import Serve, body, customer
from .killed import LIMIT, Disks, stopped, truth, versions
from .moving import moving_site


class Kept(Desk):
    """A desk that commits at once; `pages` are those of the pass that each commit knows."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.pages: list[int] = []

    def commit(self, resource: str, rows: list[Row], state: ListState) -> asyncio.Future[tuple[int, int]]:
        done = asyncio.get_running_loop().create_future()
        done.set_result(self.journal.commit(resource, rows, state))
        self.pages.append(state.passes[-1].pages)
        return done


@pytest.mark.anyio
@pytest.mark.parametrize(("seconds", "kept"), [(0.0, [1, 11]), (0.125, [1, 9, 11]), (0.375, [1, 4, 7, 10, 11]),
                                               (1.0, list(range(1, 12))), (9.0, list(range(1, 12)))])  # fmt: skip
async def test_what_comes_slowly_is_kept_each_second(
    serve: Serve, tmp_path: Path, seconds: float, kept: list[int]
) -> None:
    """The first page at once, and what has come since when a second has passed: who is killed again and again before a
    thousand rows have come gets on all the same. By rows alone, which is where no time passes, the pages between the
    first and the last are kept once."""
    clock = FakeClock()

    def tell(now: Progress) -> None:
        clock.now += seconds

    pages = serve(*(body(customer(b'{"id":"r%d"}' % n), offset=f"{n + 1}" if n < 10 else None) for n in range(11)))
    state = ListState(query="q", fingerprint="f")
    desk = Kept(tmp_path / "j")
    async with desk:
        meter = Meter("customers", pages.stats, tell, clock=clock.monotonic)
        await Puller(Listed(pages), desk, state, meter).full()
        assert desk.pages == kept
        found = await desk.run(desk.journal.state, "customers")
        assert found is not None
        assert (found.passes[0].done, found.passes[0].rows, found.passes[0].added) == (True, 11, 11)


@pytest.mark.anyio
async def test_a_list_that_is_killed_soon_gets_on_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that live for two pages each: with a commit for the first one a list of nine comes to its end. By rows alone
    none of them would keep anything but what the end of a process that is not killed keeps."""
    path = tmp_path / "x.jsonl"
    pages_kept = []
    async with moving_site(45, nameless=True) as (site, gw):
        for _ in range(8):
            disks = Disks(monkeypatch, journal_of(path), tmp_path / "killed", each=False)
            await stopped(gw, path, 2, workers=1, cancelled=True)
            monkeypatch.undo()
            # The process is killed: what it has kept at its end is not there.
            for tail in ("", "-wal", "-shm"):
                Path(f"{journal_of(path)}{tail}").unlink(missing_ok=True)
            for file in disks.kept[0].iterdir():
                shutil.move(file, path.parent)
            pages_kept.append(disks.states[0].passes[0].pages)
            shutil.rmtree(tmp_path / "killed")
        assert pages_kept == list(range(1, 9))
        await export(gw.customers.list(limit=LIMIT), to=path, workers=1)
        assert versions(path) == truth(site)


# -- what is told


@pytest.mark.anyio
@pytest.mark.parametrize("workers", [1, 4])
async def test_the_rows_that_are_told_are_explained(tmp_path: Path, workers: int) -> None:
    """Of the rows read so many are deleted, and so many are written; also where an earlier run has read some of them,
    or all."""
    path = tmp_path / "x.jsonl"
    async with moving_site(40) as (site, gw):
        for number in range(6):
            site.delete(f"row_{number * 3}")
        site.now += 10_000
        seen: list[Progress] = []
        pages = gw.customers.list(limit=LIMIT)
        report = await export(pages, to=path, workers=workers, progress=seen.append)
        full = [now for now in seen if now.stage == "full"]
        assert (full[-1].rows, full[-1].deleted, report.rows) == (40, 6, 34)
        assert [now.rows - now.deleted for now in seen if now.stage == "render"] == [34]
        assert [now.deleted for now in seen] == sorted(now.deleted for now in seen)
        for stop in (3, len(full)):
            other = tmp_path / f"{stop}.jsonl"
            await stopped(gw, other, stop, workers=workers, cancelled=True)
            again: list[Progress] = []
            await export(pages, to=other, workers=workers, progress=again.append)
            assert (again[-1].rows - again[-1].deleted, again[-1].stage) == (34, "render")
            assert again[0].pages >= stop


def test_a_state_of_before_knows_no_deleted_rows() -> None:
    """It is read all the same."""
    state = decode_state('{"query":"q","fingerprint":"f","passes":[{"kind":"full","rows":5}]}')
    assert state.passes[0].deleted == 0


def _board(*told: Progress) -> list[tuple[Any, ...]]:
    from rich.console import Console

    from aiochargebee_gw.cli._progress import Board, bars_on

    bars = bars_on(Console(file=io.StringIO(), width=200))
    board = Board(bars, 10)
    for now in told:
        board.show(now)
    return [(task.description, task.fields["text"], task.completed, task.total) for task in bars.tasks]


def _told(name: str, rows: int, **more: Any) -> Progress:
    return Progress(**{
        "rows": rows, "pages": rows // 100, "bytes": 0, "seconds": 10.0, "resource": name, "requests": 98,
        "total": 2 * rows, **more,
    })  # fmt: skip


def test_the_bars_of_several_lists_do_not_each_show_the_rate_of_all() -> None:
    """One list shows the client's requests against what is allowed; of several each shows its own rows, and a line
    below them those of all, with the requests. Deleted rows are told beside those that were read."""
    ((*_, text, rows, total),) = _board(_told("customers", 1530, deleted=30))
    assert text == ("1,530 of ~3,060 rows read  30 deleted  15 pages  153 rows/s  9.8 of 10 requests/s  0:00:10 left")
    assert (rows, total) == (1530, 3060)
    lists = [_told("customers", 1500), _told("invoices", 500, deleted=7), _told("orders", 100, total=None)]
    customers, invoices, orders, all_ = _board(*lists, *lists)
    assert (customers[0], invoices[0], orders[0], all_[0]) == ("customers", "invoices", "orders", "all")
    assert customers[1] == "1,500 of ~3,000 rows read  15 pages  150 rows/s  0:00:10 left"
    assert not any("requests/s" in line[1] for line in (customers, invoices, orders))
    assert all_[1:] == ("2,100 rows read  7 deleted  21 pages  9.8 of 10 requests/s", 2100, None)
    assert _board(*lists[:2])[-1][2:] == (2000, 4000)
