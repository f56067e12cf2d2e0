"""Writes as they are commonly repeated: on any failure, up to six times, without a key, with a new one each time, or
with the same one where the gateway drops it."""

from __future__ import annotations

import uuid
from typing import Literal

import aiohttp

__all__ = ["create"]

Keys = Literal["none", "new", "same"]


async def create(session: aiohttp.ClientSession, url: str, tag: str, keys: Keys, *, attempts: int = 6) -> bool:
    """Make a customer named *tag*; whether any attempt succeeded."""
    key = str(uuid.uuid4())
    for _ in range(attempts):
        if keys == "new":
            key = str(uuid.uuid4())
        headers = {} if keys == "none" else {"chargebee-idempotency-key": key}
        try:
            async with session.post(
                f"{url}/chargebee/api/v2/customers", data={"first_name": tag}, headers=headers
            ) as answer:
                await answer.json(content_type=None)
                if answer.status == 200:
                    return True
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            continue
    return False
