"""What the tests of webhooks share: events, servers, and the credentials of their endpoint."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs
from aiohttp import web

from aiochargebee_gw.sandbox import ManualClock, Sandbox
from aiochargebee_gw.webhooks import Delivery, WebhookReceiver

USER, PASSWORD = "chargebee", "Blåbærgrød 1"


def basic(user: str, password: str) -> str:
    """A value of `Authorization`."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


GOOD = basic(USER, PASSWORD)


def event_body(id: str = "ev_1", version: int = 1, **changes: Any) -> bytes:
    """A posted event about the customer `c`."""
    customer = {"id": "c", "object": "customer", "email": "j@example.com", "resource_version": version}
    event = {
        "id": id,
        "object": "event",
        "occurred_at": 1_767_225_600,
        "source": "api",
        "event_type": "customer_changed",
        "api_version": "v2",
        "webhook_status": "scheduled",
        "content": {"customer": customer},
    }
    return json.dumps({**event, **changes}).encode()


def receiver(handle: Callable[[Delivery], Awaitable[object]], **options: Any) -> WebhookReceiver:
    """A receiver with the credentials of these tests."""
    return WebhookReceiver(user=USER, password=PASSWORD, handle=handle, **options)


class Recorder:
    """A handler that remembers: `ids` in order, and the newest version of each customer."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.newest: dict[str, int] = {}
        self.deliveries: list[Delivery] = []

    async def __call__(self, delivery: Delivery) -> None:
        self.ids.append(delivery.event.id)
        self.deliveries.append(delivery)
        customer = delivery.event.content.customer
        if customer is not None and delivery.is_newest(customer):
            self.newest[customer.id] = customer.resource_version or 0


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """The handler on a real socket; the URL."""
    app = web.Application()
    app.router.add_route("*", "/hook", handler)
    runner = web.AppRunner(app, access_log=None, lingering_time=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()


@attrs.define
class Site:
    """Chargebee's API of a sandbox, as plain calls."""

    sandbox: Sandbox
    clock: ManualClock
    session: aiohttp.ClientSession

    @classmethod
    @asynccontextmanager
    async def of(cls, sandbox: Sandbox) -> AsyncIterator[Site]:
        assert isinstance(sandbox.clock, ManualClock)
        async with aiohttp.ClientSession(headers={"Authorization": basic(sandbox.api_key, "")}) as session:
            yield cls(sandbox, sandbox.clock, session)

    async def call(self, method: str, path: str, **form: str) -> tuple[int, Any]:
        """Status and decoded body of a call; *form* is the query of a GET."""
        sent: dict[str, Any] = {"params": form} if method == "GET" else {"data": form}
        async with self.session.request(method, f"{self.sandbox.site_url}/api/v2{path}", **sent) as response:
            return response.status, await response.json()

    async def post(self, path: str, **form: str) -> Any:
        """The body of a POST that succeeds."""
        status, body = await self.call("POST", path, **form)
        assert status == 200, body
        return body

    async def get(self, path: str, **query: str) -> Any:
        """The body of a GET that succeeds."""
        status, body = await self.call("GET", path, **query)
        assert status == 200, body
        return body

    async def endpoint(self, url: str, **more: str) -> str:
        """Register an endpoint with the credentials of these tests; its id."""
        form = {"name": "w", "url": url, "basic_auth_username": USER, "basic_auth_password": PASSWORD, **more}
        made = await self.post("/webhook_endpoints", **form)
        return str(made["webhook_endpoint"]["id"])
