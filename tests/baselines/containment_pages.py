"""How a list is commonly followed: until there is no `next_offset`, or until a page is empty. Nothing is doubted."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import aiohttp

__all__ = ["Endless", "follow", "until_empty"]


class Endless(Exception):
    """The loop was stopped from outside: by itself it would have gone on."""


async def follow(session: aiohttp.ClientSession, url: str, most: int = 300) -> list[Any]:
    """Rows until a page has no `next_offset`; at the most *most* requests."""
    rows: list[Any] = []
    offset: Any = None
    for _ in range(most):
        page = await _get(session, url, offset)
        rows += page["list"]
        offset = page.get("next_offset")
        if not offset:
            return rows
    raise Endless


async def until_empty(session: aiohttp.ClientSession, url: str, most: int = 300) -> list[Any]:
    """Rows until a page has none."""
    rows: list[Any] = []
    offset: Any = None
    for _ in range(most):
        page = await _get(session, url, offset)
        if not page["list"]:
            return rows
        rows += page["list"]
        if "next_offset" not in page:
            return rows
        offset = page["next_offset"]
    raise Endless


async def _get(session: aiohttp.ClientSession, url: str, offset: Any) -> Any:
    shown = "" if offset is None else f"?offset={quote(str(offset), safe='')}"
    async with session.get(f"{url}/customers{shown}") as answer:
        return await answer.json(content_type=None)
