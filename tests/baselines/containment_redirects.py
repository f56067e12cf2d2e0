"""Calls as they are commonly made: aiohttp as it comes, which follows redirects, and with the environment trusted."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

__all__ = ["send"]


async def send(method: str, url: str, headers: Mapping[str, str], body: bytes, *, trust_env: bool = False) -> None:
    """One request; what it ends with does not matter."""
    async with aiohttp.ClientSession(trust_env=trust_env) as session:
        try:
            async with session.request(method, url, headers=headers, data=body) as answer:
                await answer.read()
        except aiohttp.ClientError:
            pass
