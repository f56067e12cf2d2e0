"""How exports are written first: they lose rows, and repeat some."""

from __future__ import annotations

from typing import Any

from aiochargebee_gw import Gateway

Rows = list[dict[str, Any]]


async def by_change(gw: Gateway) -> Rows:
    """The list in the order of its changes, page by page."""
    return await _follow(gw, {"sort_by[asc]": "updated_at"})


async def until_now(gw: Gateway, now: int) -> Rows:
    """As above, with an end, so that it has one: a row that is touched leaves the list."""
    return await _follow(gw, {"sort_by[asc]": "updated_at", "updated_at[before]": str(now + 1)})


async def since(gw: Gateway, clock: int) -> Rows:
    """What has changed since the last run, by the clock of the machine that it runs on."""
    return await _follow(gw, {"sort_by[asc]": "updated_at", "updated_at[after]": str(clock)})


async def _follow(gw: Gateway, query: dict[str, str]) -> Rows:
    found: Rows = []
    offset: str | None = None
    while True:
        more = {} if offset is None else {"offset": offset}
        page = await gw.call("GET", "/api/v2/customers", query={"limit": 100, **query, **more})
        found += [row["customer"] for row in page["list"]]
        offset = page.get("next_offset")
        if offset is None:
            return found
