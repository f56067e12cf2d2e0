"""Requests per second through the pool, beside a bare aiohttp session and the official SDK's async mode.

    python benchmarks/pool.py [rounds] [requests]

2,000 GETs of a customer of 1 kB, at 1, 20 and 200 at a time, from a server on loopback in another process. The bare
session reads each body and parses it with `json.loads`, and does nothing else; the pool alone does the same with our
transport. The typed calls go through all of the client, with its limits off: the arguments are checked, the JSON is
read twice (typed, and once more for keys that come twice), the call is counted. The bars: the pool at least 0.85 x the
bare session, 20 x the SDK, no stall of the loop of 50 ms, at most 20 connections for 200 calls at once.

The SDK is pointed at the plain server by its `protocol="http"`, which works once its class is told not to verify
certificates; over https it is slower. It gets fewer requests: its rate is what counts.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import attrs
from _server import Server, serving
from chargebee import Chargebee

from aiochargebee_gw import Gateway, Limits, Settings, Timeouts
from aiochargebee_gw._wire.message import Request
from aiochargebee_gw.settings import Secret
from aiochargebee_gw.transport.base import Trace
from aiochargebee_gw.transport.credentials import Credentials
from aiochargebee_gw.transport.pool import Pool

WIDTHS = (1, 20, 200)
SDK_REQUESTS = 60
OURS, POOL = "aiochargebee_gw, typed", "its pool, json.loads"
BARE, SDK = "bare aiohttp, json.loads", "official SDK, async"
PATH = "/chargebee/api/v2/customers/cust_000001"
CUSTOMER = {
    "id": "cust_000001", "first_name": "Zoë", "last_name": "Berg", "email": "zoe@example.com", "phone": "+4722334455",
    "company": "Berg AS", "auto_collection": "on", "net_term_days": 0, "allow_direct_debit": False,
    "created_at": 1517505747, "taxability": "taxable", "updated_at": 1717505747, "locale": "nb-NO", "pii_cleared":
    "active", "channel": "web", "resource_version": 1717505747000, "deleted": False, "object": "customer",
    "billing_address": {"first_name": "Zoë", "last_name": "Berg", "line1": "Storgata 1", "city": "Oslo", "country":
    "NO", "zip": "0155", "validation_status": "not_validated", "object": "billing_address"},
    "card_status": "valid", "payment_method": {"object": "payment_method", "type": "card", "reference_id": "tok_1",
    "gateway": "stripe", "gateway_account_id": "gw_1", "status": "valid"}, "promotional_credits": 0,
    "refundable_credits": 0, "excess_payments": 0, "unbilled_charges": 0, "preferred_currency_code": "NOK",
    "primary_payment_source_id": "pm_1", "mrr": 49900, "tax_providers_fields": [], "cf_region": "EU", "cf_seats": 12,
}  # fmt: skip
BODY = json.dumps({"customer": CUSTOMER}, ensure_ascii=False, separators=(",", ":")).encode()

Get = Callable[[], Awaitable[object]]


@attrs.frozen
class Run:
    """One variant at one width: requests per second, CPU microseconds of this thread for each, the longest stall of
    the loop in milliseconds, connections that the server saw."""

    rate: float
    cpu: float
    stall: float
    connections: int


async def _tick(stalls: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        stalls.append(time.perf_counter() - began - 0.001)


async def measured(get: Get, width: int, requests: int, server: Server) -> Run:
    """*requests* calls, *width* at a time."""
    left = iter(range(requests))

    async def work() -> None:
        for _ in left:
            await get()

    opened = server.connections()
    stalls: list[float] = []
    ticker = asyncio.create_task(_tick(stalls))
    cpu, began = time.thread_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(width):
            group.create_task(work())
    seconds, cpu = time.perf_counter() - began, time.thread_time() - cpu
    ticker.cancel()
    return Run(requests / seconds, cpu / requests * 1e6, max(stalls, default=0.0) * 1e3, server.connections() - opened)


async def ours(server: Server, width: int, requests: int) -> Run:
    limits = Limits(account_per_second=math.inf, site_per_minute=math.inf, concurrency=width)
    settings = Settings(gateway_url=server.origin, control_url=server.origin, limits=limits)
    async with Gateway("sandbox_key", settings=settings) as gw:
        return await measured(lambda: gw.customers.retrieve("cust_000001"), width, requests, server)


async def pool(server: Server, width: int, requests: int) -> Run:
    credentials = Credentials(Secret("sandbox_key"), f"{server.origin}/")
    transport = Pool(credentials, max_response_bytes=10_000_000, user_agent="benchmark")
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
    request = Request(method="GET", url=f"{server.origin}{PATH}", headers=headers, label="GET")
    timeouts = Timeouts()

    async def get() -> object:
        return json.loads((await transport.send(request, timeouts, Trace())).body)

    try:
        return await measured(get, width, requests, server)
    finally:
        await transport.aclose()


async def bare(server: Server, width: int, requests: int) -> Run:
    url = f"{server.origin}{PATH}"
    connector = aiohttp.TCPConnector(limit=20)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": "Bearer sandbox_key"}) as session:

        async def get() -> object:
            async with session.get(url) as answer:
                return json.loads(await answer.read())

        return await measured(get, width, requests, server)


async def sdk(server: Server, width: int, requests: int) -> Run:
    Chargebee.verify_ca_certs = False
    client = Chargebee(api_key="sandbox_key", site="local", protocol="http", use_async_client=True)
    client.env.api_endpoint = f"{server.origin}/api/v2"
    retrieve: Any = client.Customer.retrieve  # typed as if it were not async
    return await measured(lambda: retrieve("cust_000001"), width, requests, server)


def compare(server: Server, width: int, rounds: int, requests: int) -> dict[str, list[Run]]:
    """All variants in turn, in changing order, a fresh client each time."""
    variants = {OURS: ours, POOL: pool, BARE: bare}
    runs: dict[str, list[Run]] = {name: [] for name in (*variants, SDK)}
    for turn in range(rounds):
        for name in list(variants) if turn % 2 else list(variants)[::-1]:
            gc.collect()
            runs[name].append(asyncio.run(variants[name](server, width, requests)))
    runs[SDK].append(asyncio.run(sdk(server, width, min(requests, SDK_REQUESTS))))
    return runs


def _times(run: Run) -> tuple[float, float, float]:
    return run.rate, run.cpu, run.stall


def show(width: int, runs: dict[str, list[Run]]) -> None:
    """The table of one width; medians of the rounds, ratios of ours to each."""
    print(f"\n{width} at a time")
    print(
        f"{'variant':<26} {'requests/s':>11} {'CPU us':>8} {'stall ms':>9} {'opened':>7} {'typed is':>9} {'pool is':>9}"
    )
    for name, found in runs.items():
        base = found if len(found) == len(runs[OURS]) else found * len(runs[OURS])
        typed, plain = (
            statistics.median(own.rate / other.rate for own, other in zip(runs[which], base, strict=True))
            for which in (OURS, POOL)
        )
        rate, cpu, stall = (statistics.median(each) for each in zip(*map(_times, found), strict=True))
        print(
            f"{name:<26} {rate:>11,.0f} {cpu:>8.0f} {stall:>9.1f}"
            f" {max(run.connections for run in found):>7} {typed:>7.2f} x {plain:>7.2f} x"
        )


def main(rounds: int, requests: int) -> None:
    """Prints a table for each width."""
    print(f"Python {platform.python_version()}, aiohttp {aiohttp.__version__}, {len(BODY)} bytes, {rounds} rounds")
    with serving(BODY) as server:
        asyncio.run(ours(server, 1, 50))  # imports, decoders
        asyncio.run(pool(server, 1, 50))
        asyncio.run(bare(server, 1, 50))
        for width in WIDTHS:
            show(width, compare(server, width, rounds, requests))


if __name__ == "__main__":
    main(*(int(given) for given in (*sys.argv[1:], *("7", "2000")[len(sys.argv) - 1 :])))
