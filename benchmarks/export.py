"""How fast a whole list is read: against a rate limit, along one cursor with latency, and without any limit.

    python benchmarks/export.py [part ...]

Parts: `rate` (10 requests/s and 0.4 s a page, scaled to 50 requests/s and 80 ms: four requests under way, as there),
`prefetch` (one cursor at 0, 20 and 100 ms) and `local` (one cursor, no limit and no latency). All servers are processes
of their own on this machine.

"of rate" is the requests that the server saw, by what the limit allows in the seconds from the first to the last. The
bars: at least 0.97 for uniform, growing, month-start and import-spike data, no 429, at most 4 % more requests than the
list has pages. The limit has its window of one second in all of these. Under "all five times as fast" that is scaled,
too, by a clock that hurries: what a limit costs that must be kept without knowing when the server counts a request.

`local` reads gzipped pages of 100 customers of real size. "bare aiohttp" reads the bodies and forgets them; the
hand-written loop parses each with `json.loads` and asks for the next. An export "into" a file is the whole of it:
journal with `synchronous=FULL`, the pass for changes, rendering, fsync, manifest; "down a pipe" has no journal. The
bars: raw JSONL rows/s at least 0.8 of bare aiohttp's; typed rows at least 1.2 and undecoded ones at least 3 times the
hand-written loop's, typed ones at least 13 times the SDK's. Memory is the peak of a process of its own, for a tenth of
the rows and for all.
"""

from __future__ import annotations

import asyncio
import json
import math
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import attrs
from _lists import SHAPES, Load, Seen, Server, serving
from chargebee import Chargebee

from aiochargebee_gw import Gateway, Limits, Settings
from aiochargebee_gw._clock import SystemClock, Timer
from aiochargebee_gw.export import export, sync

RATE, LATENCY, WORKERS = 50, 0.08, 8
TRUE_RATE, TRUE_LATENCY = 10, 0.4
ROWS, FEWER_ROWS, ONE_CURSOR_ROWS = 80_000, 20_000, 3_000
SDK_PAGES = 10
CURSOR_PAGES, ROUNDS = 20, 2
LOCAL_PAGES, LOCAL_ROUNDS = 300, 7


@attrs.frozen
class Hurried:
    """A clock that goes *times* as fast: who lives by it sees a slow server."""

    times: float

    def monotonic(self) -> float:
        return time.monotonic() * self.times

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds / self.times))

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(seconds / self.times)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(max(0.0, seconds / self.times), callback)


@asynccontextmanager
async def client(server: Server | str, *, rate: float = math.inf, faster: float = 1) -> AsyncIterator[Gateway]:
    limits = Limits(account_per_second=rate, site_per_minute=math.inf)
    origin = server if isinstance(server, str) else server.origin
    settings = Settings(gateway_url=origin, control_url=origin, limits=limits)
    async with Gateway("sandbox_key", settings=settings, clock=SystemClock() if faster == 1 else Hurried(faster)) as gw:
        yield gw


async def windows(gw: Gateway) -> int:
    async with gw.customers.list().parallel(WORKERS) as stream:
        return len({customer.id async for customer in stream})


async def windows_in_order(gw: Gateway) -> int:
    async with gw.customers.list().parallel(WORKERS, ordered=True) as stream:
        return len({customer.id async for customer in stream})


async def one_cursor(gw: Gateway) -> int:
    return len({customer.id async for customer in gw.customers.list()})


async def fetched_ahead(gw: Gateway) -> int:
    async with gw.customers.list().prefetch(1) as stream:
        return len({customer.id async for customer in stream})


async def one_cursor_rows(gw: Gateway) -> int:
    return sum([1 async for _ in gw.customers.list()])


async def fetched_ahead_rows(gw: Gateway) -> int:
    async with gw.customers.list().prefetch(1) as stream:
        return sum([1 async for _ in stream])


Reading = Callable[[Gateway], Awaitable[int]]


@attrs.frozen(kw_only=True)
class Site:
    """A limit and a latency, as the client sees them, and how much faster than that they are."""

    rate: int = RATE
    latency: float = LATENCY
    faster: int = 1


def limited(reading: Reading, shape: str, rows: int, site: Site) -> Seen:
    """One list read under the limit, in seconds of the client's clock."""
    load = Load(shape=shape, rows=rows, latency=site.latency / site.faster, rate=site.rate, period=1 / site.faster)

    async def run(server: Server) -> None:
        async with client(server, rate=site.rate, faster=site.faster) as gw:
            found = await reading(gw)
        assert found == rows, f"{found} of {rows} rows"

    with serving(load) as server:
        asyncio.run(run(server))
        seen = server.seen()
    return attrs.evolve(seen, seconds=seen.seconds * site.faster)


SCALED = Site()
TRUE = Site(rate=TRUE_RATE, latency=TRUE_LATENCY, faster=5)


def show(name: str, reading: Reading, shape: str, rows: int, site: Site = SCALED) -> None:
    seen = limited(reading, shape, rows, site)
    pages = math.ceil(rows / 100)
    print(
        f"{name:<40} {seen.seconds:>8.1f} {pages / seen.seconds:>8.2f} "
        f"{seen.requests / seen.seconds / site.rate:>8.3f} "
        f"{seen.requests / pages - 1:>7.1%} {seen.refused:>5}",
        flush=True,
    )


def sdk_seconds() -> float:
    """What a page costs the official SDK beside the latency: it opens a connection for each, and decodes in Python."""

    async def run(server: Server) -> float:
        Chargebee.verify_ca_certs = False
        sdk: Any = Chargebee(api_key="sandbox_key", site="local", protocol="http", use_async_client=True)
        sdk.env.api_endpoint = f"{server.origin}/api/v2"
        spent, offset = [], None
        for _ in range(SDK_PAGES):
            began = time.monotonic()
            params = {"limit": 100, **({"offset": offset} if offset else {})}
            page = await sdk.Customer.list(sdk.Customer.ListParams(**params))
            offset = page.next_offset
            spent.append(time.monotonic() - began)
        return statistics.median(spent)

    with serving(Load(rows=SDK_PAGES * 100 + 1)) as server:
        return asyncio.run(run(server))


def at_once(reads: int) -> Reading:
    """The limit alone: workers that ask for some page again and again."""

    async def read(gw: Gateway) -> int:
        asked = iter(range(reads))

        async def work() -> None:
            for _ in asked:
                await gw.customers.list()

        await asyncio.gather(*(work() for _ in range(WORKERS)))
        return reads * 100

    return read


def rate_part() -> None:
    """The table of part (a)."""
    print(f"\nrate: {RATE} requests/s, {LATENCY} s a page, {WORKERS} workers, {ROWS} rows")
    print(f"{'':<40} {'seconds':>8} {'pages/s':>8} {'of rate':>8} {'extra':>7} {'429':>5}")
    for shape in SHAPES:
        show(f"parallel(8), {shape}", windows, shape, FEWER_ROWS if shape == "one-hot-second" else ROWS)
    show("no list: 8 loops, the limiter alone", at_once(FEWER_ROWS // 100), "uniform", FEWER_ROWS)
    show("parallel(8, ordered=True), uniform", windows_in_order, "uniform", FEWER_ROWS)
    show("one cursor", one_cursor, "uniform", ONE_CURSOR_ROWS)
    show("one cursor, prefetch(1)", fetched_ahead, "uniform", ONE_CURSOR_ROWS)
    cost = sdk_seconds()
    of_rate = 1 / (LATENCY + cost) / RATE
    print(f"{'official SDK, one cursor':<40} {'':>8} {1 / (LATENCY + cost):>8.2f} {of_rate:>8.3f}")
    print(f"\n{TRUE_RATE} requests/s and {TRUE_LATENCY} s a page, all five times as fast; seconds as at that rate")
    show("parallel(8), uniform", windows, "uniform", FEWER_ROWS, TRUE)
    show("no list: 8 loops, the limiter alone", at_once(FEWER_ROWS // 100), "uniform", FEWER_ROWS, TRUE)
    cost_then = TRUE_LATENCY + cost
    print(f"{'official SDK, one cursor':<40} {'':>8} {1 / cost_then:>8.2f} {1 / cost_then / TRUE_RATE:>8.3f}")


def cursor_share(reading: Reading, server: Server, latency: float) -> tuple[float, float]:
    """Pages a second, and the share of what the latency allows."""

    async def run() -> float:
        async with client(server) as gw:
            await gw.customers.list()  # opens the connection
            began = time.monotonic()
            await reading(gw)
            return time.monotonic() - began

    seconds = asyncio.run(run())
    return CURSOR_PAGES / seconds, CURSOR_PAGES * latency / seconds


def prefetch_part() -> None:
    """One cursor, whole typed customers (267 kB a page, gzipped), the best of some rounds: what the machine can do."""
    print(
        f"\nprefetch: one cursor, {CURSOR_PAGES} pages of 100 whole customers, typed; best of {ROUNDS} rounds in turn"
    )
    print(
        f"{'latency':<10} {'plain, pages/s':>15} {'of latency':>11} {'prefetch(1)':>12} {'of latency':>11} {'times':>6}"
    )
    for latency in (0.0, 0.02, 0.1):
        with serving(Load(rows=CURSOR_PAGES * 100, latency=latency, whole=True)) as server:
            rounds = [[cursor_share(reading, server, latency) for reading in (one_cursor_rows, fetched_ahead_rows)]
                      for _ in range(ROUNDS)]  # fmt: skip
        plain, ahead = (max(column) for column in zip(*rounds, strict=True))
        print(
            f"{latency * 1000:>4.0f} ms    {plain[0]:>15.1f} {plain[1]:>11.2f} {ahead[0]:>12.1f} {ahead[1]:>11.2f} "
            f"{ahead[0] / plain[0]:>6.2f}",
            flush=True,
        )


async def bare(origin: str, count: int) -> None:
    """Reads the bodies and forgets them."""
    async with aiohttp.ClientSession() as session:
        for number in range(count):
            async with session.get(f"{origin}/chargebee/api/v2/customers?limit=100&offset={number}") as answer:
                await answer.read()


async def by_hand(origin: str, count: int) -> None:
    """What one writes without a client: every record as a dict."""
    async with aiohttp.ClientSession() as session:
        params = {"limit": "100"}
        while True:
            async with session.get(f"{origin}/chargebee/api/v2/customers", params=params) as answer:
                page = json.loads(await answer.read())
            for row in page["list"]:
                row["customer"]
            if "next_offset" not in page:
                return
            params["offset"] = page["next_offset"]


async def sdk_rows(origin: str, count: int) -> None:
    """The official SDK, every record as its class."""
    Chargebee.verify_ca_certs = False
    sdk: Any = Chargebee(api_key="sandbox_key", site="local", protocol="http", use_async_client=True)
    sdk.env.api_endpoint = f"{origin}/api/v2"
    offset = None
    for _ in range(count):
        page = await sdk.Customer.list(sdk.Customer.ListParams(limit=100, **({"offset": offset} if offset else {})))
        offset = page.next_offset


class Nowhere:
    """A stream that keeps nothing."""

    def write(self, data: bytes, /) -> object:
        return len(data)


def with_client(reading: Callable[[Gateway, Path], Awaitable[object]]) -> Callable[[str, int], Awaitable[None]]:
    """Reads the list of *origin* to its end with a client of ours, in a folder that is empty."""

    async def run(origin: str, count: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with client(origin) as gw:
                await reading(gw, Path(folder))

    return run


def into(ending: str) -> Callable[[Gateway, Path], Awaitable[object]]:
    return lambda gw, folder: export(gw.customers.list(), to=folder / f"x.{ending}", workers=1)


async def undecoded(gw: Gateway, folder: Path) -> int:
    return sum([1 async for _ in gw.customers.list().raw()])


BARE, HAND, SDK = "bare aiohttp, bodies read", "hand-written aiohttp + json", "official SDK, async"
LOCAL: dict[str, Callable[[str, int], Awaitable[None]]] = {
    BARE: bare,
    HAND: by_hand,
    "typed iteration": with_client(lambda gw, folder: one_cursor_rows(gw)),
    "undecoded rows, raw()": with_client(undecoded),
    "export down a pipe": with_client(lambda gw, folder: export(gw.customers.list(), to=Nowhere())),
    "export into .jsonl": with_client(into("jsonl")),
    "export into .jsonl.gz": with_client(into("jsonl.gz")),
    "export into .csv": with_client(into("csv")),
    "export into .parquet": with_client(into("parquet")),
    "sync, the first run": with_client(lambda gw, folder: sync(gw.customers.list(), to=folder / "m.db", workers=1)),
}


async def once(run: Callable[[str, int], Awaitable[None]], origin: str, count: int) -> float:
    """Seconds for a page."""
    began = time.perf_counter()
    await run(origin, count)
    return (time.perf_counter() - began) / count


def _peak(name: str, origin: str, count: int) -> float:
    asyncio.run(once(LOCAL[name], origin, count))
    # Not ru_maxrss: a process inherits that of the one that started it.
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def peaks(origins: dict[int, str], name: str) -> list[float]:
    """MiB at the most, in a process of its own for each number of pages."""
    found = []
    for count, origin in origins.items():
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found.append(pool.apply(_peak, (name, origin, count)))
    return found


def local_part() -> None:
    """The table of part (b): all variants in turn, ratios of rounds."""
    with serving(Load(rows=LOCAL_PAGES * 100, whole=True)) as many, serving(Load(rows=1000, whole=True)) as few:
        spent: dict[str, list[float]] = {name: [] for name in (*LOCAL, SDK)}
        for turn in range(-1, LOCAL_ROUNDS):
            for name, run in LOCAL.items():
                seconds = asyncio.run(once(run, many.origin, LOCAL_PAGES))
                spent[name] += [seconds] if turn >= 0 else []  # the first is for warming up
            spent[SDK] += [asyncio.run(once(sdk_rows, few.origin, SDK_PAGES))] if turn >= 0 else []
        print(f"\nlocal: {LOCAL_PAGES * 100:,} rows, {LOCAL_ROUNDS} rounds, Python {sys.version.split()[0]}, "
              f"{os.cpu_count()} cores")  # fmt: skip
        print(f"{'':<30} {'rows/s':>9} {'x bare':>7} {'x hand':>7} {'x SDK':>7} {'MiB, a tenth':>13} {'MiB, all':>9}")
        for name in spent:
            ratios = [statistics.median(base / mine for mine, base in zip(spent[name], spent[other], strict=True))
                      for other in (BARE, HAND, SDK)]  # fmt: skip
            memory = peaks({SDK_PAGES: few.origin, LOCAL_PAGES: many.origin}, name) if name in LOCAL else []
            print(
                f"{name:<30} {100 / statistics.median(spent[name]):>9,.0f} "
                + " ".join(f"{ratio:>7.2f}" for ratio in ratios)
                + "".join(f" {mib:>{width}.0f}" for mib, width in zip(memory, (13, 9), strict=False)),
                flush=True,
            )


PARTS: dict[str, Callable[[], None]] = {"rate": rate_part, "prefetch": prefetch_part, "local": local_part}


def main(names: list[str]) -> None:
    """Runs the parts that are named, or all."""
    for name in names or list(PARTS):
        PARTS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
