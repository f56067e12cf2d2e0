"""A client in a process of its own, so that what it takes of memory can be told: `python -m tests.faults.size_child URL
NAME...` prints one JSON line for each attack."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import aiohttp

from aiochargebee_gw import Gateway, GatewayClientError, Retry, Timeouts

from .clients import client

SECONDS = 0.3
# What the goal allows beyond the deadline.
GRACE = 2.0


def _memory(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    assert found is not None
    return int(found[1]) * 1024


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


async def _ours(gw: Gateway, url: str, name: str) -> None:
    if name.startswith("file"):
        await gw.download(f"{url}/{name}")
    elif name.startswith("post"):
        await gw.call("POST", f"/api/v2/{name}", form={"a": "b"})
    else:
        await gw.call("GET", f"/api/v2/{name}")


async def _naive(url: str, name: str) -> None:
    timeout = aiohttp.ClientTimeout(total=None, sock_read=SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{url}/{name}") as answer:
        await answer.json()


async def _attack(url: str, name: str, *, naive: bool) -> dict[str, Any]:
    retry = Retry(attempts=1, deadline_seconds=2 * SECONDS)
    gw = client(url, retry=retry, timeouts=Timeouts(connect_seconds=SECONDS, read_seconds=SECONDS))
    before = _memory("VmRSS")
    _forget_peak()
    outcome = "success"
    try:
        async with gw, asyncio.timeout(2 * SECONDS + GRACE):
            await (_naive(url, name) if naive else _ours(gw, url, name))
    except Exception as error:
        outcome = type(error).__name__ if isinstance(error, GatewayClientError) else f"raw {type(error).__name__}"
    return {"name": name, "outcome": outcome, "growth": _memory("VmHWM") - before}


async def _main(url: str, names: list[str], *, naive: bool) -> None:
    # Once without harm: what a first request loads and keeps is no growth.
    async with client(url) as gw:
        await gw.call("GET", "/api/v2/good")
    for name in names:
        sys.stdout.write(json.dumps(await _attack(url, name, naive=naive)) + "\n")


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[3:], naive=sys.argv[2] == "naive"))
