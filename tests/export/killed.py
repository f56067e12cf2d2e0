"""Exports and mirrors that end in the middle: the disk as it was then, and what is in a file in the end."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from aiochargebee_gw import Gateway
from aiochargebee_gw.export import Progress, _pull, export
from aiochargebee_gw.export._journal import Journal
from aiochargebee_gw.export._keys import Row
from aiochargebee_gw.export._state import ListState

from .moving import MovingSite

LIMIT = 5
"""Rows of a page here: some pages in each pass."""


def versions(path: Path) -> Counter[int]:
    """The rows of a JSONL file: each has a number of its own, whether or not it has an id."""
    return Counter(json.loads(line)["resource_version"] for line in path.read_bytes().splitlines())


def mirrored(path: Path) -> Counter[int]:
    """The same of a mirror."""
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT document FROM documents WHERE NOT deleted").fetchall()
    return Counter(json.loads(document)["resource_version"] for (document,) in found)


def truth(site: MovingSite) -> Counter[int]:
    """The same of the site."""
    return Counter(row["resource_version"] for row in site.at(site.now).values() if not row["deleted"])


class Disks:
    """The disk as it was behind each commit of a journal: what a process leaves that is killed there. Where *each* says
    so, each page is a commit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, watched: Path, folder: Path, *, each: bool = True) -> None:
        self.kept: list[Path] = []
        """One folder each, with the journal in it."""
        self.states: list[ListState] = []
        real = Journal.commit

        def commit(journal: Journal, resource: str, rows: list[Row], state: ListState) -> tuple[int, int]:
            found = real(journal, resource, rows, state)
            if journal.path == watched:
                self.kept.append(folder / f"{len(self.kept)}")
                self.kept[-1].mkdir(parents=True)
                for tail in ("", "-wal"):
                    shutil.copy(f"{watched}{tail}", self.kept[-1])
                kept = journal.state(resource)
                assert kept is not None
                self.states.append(kept)
            return found

        monkeypatch.setattr(Journal, "commit", commit)
        if each:
            monkeypatch.setattr(_pull, "_ROWS", 1)
            monkeypatch.setattr(_pull, "_MOST_ROWS", 1)


def forget_the_end(journal: Path) -> None:
    """What a journal would say that keeps cursors alone: None behind the last page, as before the first one."""
    with closing(sqlite3.connect(journal, isolation_level=None)) as db:
        for resource, text in db.execute("SELECT resource, state FROM lists").fetchall():
            state = json.loads(text)
            for one in state["passes"][-1:]:
                one["done"] = one["done"] and one["cursor"] is not None
            db.execute("UPDATE lists SET state = ? WHERE resource = ?", (json.dumps(state), resource))


class Stop(Exception):
    """Enough."""


async def stopped(gw: Gateway, path: Path, stop: int | None, *, workers: int, cancelled: bool) -> bool:
    """Export until behind the page *stop* of this run; whether it has come to its end."""
    left = stop or 10**6

    def tell(now: Progress) -> None:
        nonlocal left
        left -= now.stage != "render"
        if left == 0 and cancelled:
            task.cancel()
        elif left == 0:
            raise Stop

    task = asyncio.ensure_future(export(gw.customers.list(limit=LIMIT), to=path, workers=workers, progress=tell))
    try:
        await task
    except (Stop, asyncio.CancelledError):
        return False
    return True
