"""A site that never stands still: rows change while they are listed, on a clock of its own, over a real socket.

Its lists may lag behind its writes, and its offsets may mean a key or a position: what Chargebee does not promise.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email.utils import formatdate
from random import Random
from typing import Any

import attrs
from aiohttp import web

from aiochargebee_gw import Gateway, Limits, Settings

Row = dict[str, Any]
START = 1_700_000_000


@attrs.define
class MovingSite:
    """`history` holds every state of a row with the second since which it is; lists show those of *lag* seconds ago.

    *on_page* is called before each page is made. Each page takes a second. `nameless` rows show no id.
    """

    by_position: bool = False
    lag: int = 0
    now: int = START
    url: str = ""
    history: dict[str, list[tuple[int, Row]]] = attrs.field(factory=dict)
    on_page: Callable[[MovingSite], None] | None = None
    pages: int = 0
    nameless: bool = False
    _version: int = 0

    def create(self, *, updated: bool = True, **values: Any) -> str:
        """A new row. Without *updated* it has no `updated_at`."""
        id = f"row_{len(self.history)}"
        row = {"id": id, "created_at": self.now, "deleted": False, **values}
        self.history[id] = []
        self._write(id, row, updated=updated)
        return id

    def touch(self, id: str, **values: Any) -> None:
        """Change a row."""
        self._write(id, {**self.history[id][-1][1], **values}, updated=True)

    def delete(self, id: str) -> None:
        """Delete a row: it stays, flagged."""
        self.touch(id, deleted=True)

    def at(self, moment: int) -> dict[str, Row]:
        """The rows as they were at the end of a second."""
        states = {id: [row for since, row in found if since <= moment] for id, found in self.history.items()}
        return {id: found[-1] for id, found in states.items() if found}

    @property
    def live(self) -> list[str]:
        """Rows that are not deleted."""
        return [id for id, found in self.history.items() if not found[-1][1]["deleted"]]

    def _write(self, id: str, row: Row, *, updated: bool) -> None:
        self._version += 1
        row = {**row, "resource_version": self._version}
        if updated:
            row["updated_at"] = self.now
        self.history[id].append((self.now, row))

    def page(self, query: Mapping[str, str]) -> bytes:
        """One page of customers."""
        self.pages += 1
        self.now += 1
        if self.on_page is not None:
            self.on_page(self)
        descending = "sort_by[desc]" in query
        field = query.get("sort_by[asc]") or query.get("sort_by[desc]") or "created_at"
        rows = [row for row in self.at(self.now - self.lag).values() if _matches(row, query)]
        rows.sort(key=lambda row: _key(row, field), reverse=descending)
        limit, offset = int(query.get("limit", "10")), query.get("offset")
        begin = 0
        if offset is not None and self.by_position:
            begin = int(offset)
        elif offset is not None:
            last = tuple(json.loads(offset))
            begin = sum(_key(row, field) <= last for row in rows)
        shown = rows[begin : begin + limit]
        hidden = {"id"} if self.nameless else set()
        body: dict[str, Any] = {"list": [{"customer": {k: row[k] for k in row if k not in hidden}} for row in shown]}
        if begin + limit < len(rows):
            body["next_offset"] = str(begin + limit) if self.by_position else json.dumps(_key(shown[-1], field))
        return json.dumps(body).encode()

    async def _serve(self, request: web.Request) -> web.Response:
        body = self.page(request.query)
        return web.Response(
            body=body, content_type="application/json", headers={"Date": formatdate(self.now, usegmt=True)}
        )


def _key(row: Row, field: str) -> tuple[int, int]:
    return row.get(field, 0), int(row["id"].removeprefix("row_"))


def _matches(row: Row, query: Mapping[str, str]) -> bool:
    if row["deleted"] and query.get("include_deleted") != "true":
        return False
    for field in ("created_at", "updated_at"):
        value = row.get(field)
        after, before = query.get(f"{field}[after]"), query.get(f"{field}[before]")
        if after is not None and (value is None or value <= int(after)):
            return False
        if before is not None and (value is None or value >= int(before)):
            return False
    return "first_name[is]" not in query or row.get("first_name") == query["first_name[is]"]


def traffic(seed: int, *, updates: int = 20, deletes: int = 3, inserts: int = 5) -> Callable[[MovingSite], None]:
    """What happens while a page is read."""
    random = Random(seed)

    def happen(site: MovingSite) -> None:
        live = site.live
        for id in random.sample(live, updates):
            site.touch(id, n=random.random())
        for id in random.sample(live, deletes):
            site.delete(id)
        for _ in range(inserts):
            site.create()

    return happen


@asynccontextmanager
async def moving_site(rows: int, **options: Any) -> AsyncIterator[tuple[MovingSite, Gateway]]:
    """A running site with *rows* rows, one each minute, and a client for it."""
    site = MovingSite(now=START - 60 * rows, **options)
    for _ in range(rows):
        site.create()
        site.now += 60
    app = web.Application()
    app.router.add_get("/chargebee/api/v2/customers", site._serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        settings = Settings(gateway_url=site.url, control_url=site.url, limits=Limits(account_per_second=float("inf")))
        async with Gateway("sandbox_key", settings=settings) as gw:
            yield site, gw
    finally:
        await runner.cleanup()
