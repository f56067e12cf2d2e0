"""Export without any limit, against a bare aiohttp loop that does nothing but read the bodies.

    python benchmarks/export_local.py [pages]

The server is a process of its own on this machine; it answers with gzipped pages of 100 customers of real size, each
with ids of its own. All variants follow one cursor, for that is all that the bare loop can. "into a file" is the whole
of `export`: journal with `synchronous=FULL`, the pass for changes, rendering, fsync, manifest. "down a pipe" has no
journal. The bar: rows/s of raw JSONL at least 0.8 of the bare loop's.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from _lists import Load, serving

from aiochargebee_gw import Gateway, Limits, Settings
from aiochargebee_gw.export import export, sync

COUNT, ROUNDS, BAR = 200, 5, 0.8
PATH = "/chargebee/api/v2/customers"


async def bare(origin: str, count: int) -> None:
    """Reads the bodies and forgets them."""
    async with aiohttp.ClientSession() as session:
        for number in range(count):
            async with session.get(f"{origin}{PATH}?limit=100&offset={number}") as answer:
                await answer.read()


class Nowhere:
    """A stream that keeps nothing."""

    def write(self, data: bytes, /) -> object:
        return len(data)


async def main(count: int) -> None:
    with serving(Load(rows=count * 100, whole=True)) as server, tempfile.TemporaryDirectory() as name:
        origin, folder = server.origin, Path(name)
        settings = Settings(gateway_url=origin, control_url=origin, limits=Limits(account_per_second=float("inf")))
        async with Gateway("sandbox_key", settings=settings) as gw:

            async def pipe() -> None:
                await export(gw.customers.list(), to=Nowhere())

            async def typed() -> None:
                async with gw.customers.list().prefetch() as stream:
                    async for _ in stream:
                        pass

            async def mirror() -> None:
                path = folder / "m.db"
                path.unlink(missing_ok=True)
                await sync(gw.customers.list(), to=path, workers=1)

            def into(ending: str) -> Callable[[], Awaitable[object]]:
                return lambda: export(gw.customers.list(), to=folder / f"x.{ending}", force=True, workers=1)

            variants: dict[str, Callable[[], Awaitable[object]]] = {
                "bare aiohttp, bodies read": lambda: bare(origin, count),
                "typed iteration": typed,
                "export down a pipe": pipe,
                "export into a file, .jsonl": into("jsonl"),
                "export into a file, .jsonl.gz": into("jsonl.gz"),
                "export into a file, .csv": into("csv"),
                "export into a file, .parquet": into("parquet"),
                "sync, the first run": mirror,
            }
            show(await measure(variants), count * 100)


async def measure(variants: dict[str, Callable[[], Awaitable[object]]]) -> dict[str, list[float]]:
    """Seconds for each variant and round, in turn."""
    for run in variants.values():
        await run()
    spent: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(ROUNDS):
        for name, run in variants.items():
            began = time.perf_counter()
            await run()
            spent[name].append(time.perf_counter() - began)
    return spent


def show(spent: dict[str, list[float]], rows: int) -> None:
    """A table of medians; ratios are those of rounds."""
    base = next(iter(spent.values()))
    print(f"{rows:,} rows, Python {sys.version.split()[0]}, {os.cpu_count()} cores, {ROUNDS} rounds")
    for name, seconds in spent.items():
        ratio = statistics.median(theirs / ours for ours, theirs in zip(seconds, base, strict=True))
        print(f"{name:<34} {rows / statistics.median(seconds):>10,.0f} rows/s {ratio:>8.2f} x bare")
    print(f"bar: raw JSONL at least {BAR} x bare")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT))
