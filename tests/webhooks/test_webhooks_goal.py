"""A thousand deliveries of two hundred events, in disorder: each handled once, the newest wins."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from random import Random

import anyio
import pytest
from aiohttp import web

from aiochargebee_gw.sandbox import Sandbox
from aiochargebee_gw.webhooks import Delivery, MemoryStore, SqliteStore, Store, parse

from .parts import GOOD, PASSWORD, USER, Site, receiver, serving

pytestmark = pytest.mark.anyio
CUSTOMERS, CHANGES = 40, 4


class Mirror:
    """A copy of customers by id, kept by events; it pauses at places that a seed picks."""

    def __init__(self, seed: int) -> None:
        self.names: dict[str, str | None] = {}
        self.handled: list[str] = []
        self._random = Random(seed)

    async def _pause(self) -> None:
        for _ in range(self._random.randrange(5)):
            await anyio.lowlevel.checkpoint()

    async def with_care(self, delivery: Delivery) -> None:
        """Only the newest version goes into the copy."""
        await self._pause()
        customer = delivery.event.content.customer
        assert customer is not None
        if delivery.is_newest(customer):
            self.names[customer.id] = customer.first_name
        await self._pause()
        self.handled.append(delivery.event.id)

    async def naively(self, request: web.Request) -> web.Response:
        """What the examples of most frameworks show: compare texts, store what came."""
        encoded = request.headers["Authorization"].removeprefix("Basic ")
        if base64.b64decode(encoded).decode() != f"{USER}:{PASSWORD}":
            return web.Response(status=401)
        event = parse(await request.read())
        await self._pause()
        customer = event.content.customer
        assert customer is not None
        self.names[customer.id] = customer.first_name
        self.handled.append(event.id)
        return web.Response()


async def changes(site: Site, url: str) -> dict[str, str]:
    """Two hundred events for an endpoint: what each customer is called in the end."""
    await site.endpoint(url)
    names = {}
    for number in range(CUSTOMERS):
        id = f"c{number}"
        await site.post("/customers", id=id, first_name="0")
        for change in range(1, CHANGES + 1):
            await site.post(f"/customers/{id}", first_name=f"{change}")
        names[id] = f"{CHANGES}"
    return names


@pytest.mark.parametrize(("seed", "kind"), [(1, "memory"), (2, "memory"), (3, "file")])
async def test_each_event_once_and_the_newest_wins(site: Site, tmp_path: Path, seed: int, kind: str) -> None:
    """200 events, each posted 5 times, shuffled, 20 at once: 1,000 times 200, 200 handled, no copy older than it
    should be."""
    mirror = Mirror(seed)
    store: Store = MemoryStore() if kind == "memory" else SqliteStore(tmp_path / "seen.db")
    async with serving(receiver(mirror.with_care, store=store).handler) as url:
        names = await changes(site, url)
        sent = await site.sandbox.webhooks.deliver(duplicates=4, shuffle=seed, at_once=20)
    assert [post.status for post in sent] == [200] * 1000
    assert len(mirror.handled) == len(set(mirror.handled)) == 200
    assert mirror.names == names


async def test_a_naive_handler_repeats_and_regresses(site: Site) -> None:
    """Baseline: without ids and versions every duplicate is handled, and old names take the place of new ones."""
    mirror = Mirror(1)
    async with serving(mirror.naively) as url:
        names = await changes(site, url)
        sent = await site.sandbox.webhooks.deliver(duplicates=4, shuffle=1, at_once=20)
    assert [post.status for post in sent] == [200] * 1000
    assert len(mirror.handled) == 1000
    assert sum(mirror.names[id] != name for id, name in names.items()) > CUSTOMERS / 4


async def test_failures_in_between_change_nothing(site: Site) -> None:
    """A handler that fails for three of ten deliveries, and repetitions on the sandbox's clock: still each once."""
    mirror, random = Mirror(4), Random(4)

    async def handle(delivery: Delivery) -> None:
        if random.random() < 0.3:
            raise OSError
        await mirror.with_care(delivery)

    async with serving(receiver(handle).handler) as url:
        names = await changes(site, url)
        rounds = 0
        while site.sandbox.webhooks.waiting:
            rounds += 1
            await site.sandbox.webhooks.deliver(shuffle=rounds, at_once=10)
            site.clock.advance(172_800)
    assert rounds > 2
    assert len(mirror.handled) == len(set(mirror.handled)) == 200
    assert mirror.names == names


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's own list of sockets is Linux'")
@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "0100007F"), ("::1", "0" * 24 + "01000000")])
async def test_the_sandbox_listens_on_loopback_only(host: str, address: str) -> None:
    """In `/proc/net/tcp` and `tcp6` its port stands once, on the loopback address."""
    async with Sandbox(records=1, host=host) as sandbox:
        port = f"{int(sandbox.url.rpartition(':')[2]):04X}"
        lines = [
            line.split()
            for table in ("tcp", "tcp6")
            for line in (await anyio.Path(f"/proc/net/{table}").read_text()).splitlines()[1:]
        ]
        listening = "0A"
        found = [line[1] for line in lines if line[1].endswith(f":{port}") and line[3] == listening]
    assert found == [f"{address}:{port}"]


async def test_other_hosts_are_refused(site: Site) -> None:
    """DNS rebinding: every door answers 421 to a `Host` that is not the sandbox's own."""
    url, own = site.sandbox.url, site.sandbox.url.removeprefix("http://")
    hosts = ["evil.example.com", f"evil.example.com:{own.rpartition(':')[2]}", "localhost", "127.0.0.1", "127.0.0.1:1"]
    hosts += [f"{own}.", f"{own}.evil.example.com", f"x@{own}", f"{own}@x", "0.0.0.0", "[::1]", "2130706433", ""]
    paths = ["/chargebee/api/v2/customers", "/connections", "/api/v2/customers", "/api/v2/webhook_endpoints", "/"]
    probes = [(path, host) for path in paths for host in hosts]
    for path, host in probes:
        headers = {"Host": host, "Authorization": GOOD}
        async with site.session.get(url + path, headers=headers) as response:
            assert response.status in (400, 421), (path, host)
