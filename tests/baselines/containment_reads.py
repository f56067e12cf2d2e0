"""One page as it is commonly read: aiohttp as it comes, with a timeout between two reads."""

from __future__ import annotations

from typing import Any

import aiohttp

__all__ = ["customers"]


async def customers(url: str, key: str, *, seconds: float) -> Any:
    """The rows of the first page of customers behind the gateway at *url*."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=seconds, sock_connect=seconds)
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
        session.get(f"{url}/chargebee/api/v2/customers?limit=100") as answer,
    ):
        return (await answer.json())["list"]
