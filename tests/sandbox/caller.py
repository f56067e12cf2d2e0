"""A bare HTTP caller: no client code of this package between a test and the sandbox."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp
from attrs import frozen

from aiochargebee_gw.sandbox import Sandbox

Query = Mapping[str, str] | Sequence[tuple[str, str]]


@frozen
class Reply:
    """One answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def code(self) -> tuple[int, object, object]:
        """Status, ``api_error_code`` and ``param`` of an error."""
        return self.status, self.json.get("api_error_code"), self.json.get("param")


class Caller:
    """Calls with the sandbox's key: ``get("/customers")`` goes through the gateway door."""

    def __init__(self, session: aiohttp.ClientSession, sandbox: Sandbox) -> None:
        self.session = session
        self.sandbox = sandbox

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        data: Query | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request to a whole path of the sandbox."""
        sent = {"Authorization": f"Bearer {self.sandbox.api_key}", **(headers or {})}
        form: object = data
        if isinstance(data, bytes):
            form = io.BytesIO(data)
        elif data is not None:
            form = aiohttp.FormData(dict(data))
        async with self.session.request(
            method, self.sandbox.url + path, params=query, data=form, headers=sent, allow_redirects=False
        ) as response:
            return Reply(response.status, response.headers.copy(), await response.read())

    async def get(self, path: str, query: Query | None = None, **headers: str) -> Reply:
        """GET a native path through the gateway."""
        return await self.send("GET", f"/chargebee/api/v2{path}", query=query, headers=headers)

    async def post(self, path: str, data: Query | bytes | None = None, **headers: str) -> Reply:
        """POST a form to a native path through the gateway."""
        return await self.send("POST", f"/chargebee/api/v2{path}", data=data, headers=headers)

    async def pages(self, path: str, query: Mapping[str, str] | None = None) -> AsyncIterator[list[Any]]:
        """The rows of each page, following ``next_offset`` to the end."""
        asked = dict(query or {})
        while True:
            reply = await self.get(path, asked)
            assert reply.status == 200, reply.body
            yield reply.json["list"]
            if "next_offset" not in reply.json:
                return
            asked["offset"] = reply.json["next_offset"]

    async def rows(self, path: str, query: Mapping[str, str] | None = None) -> list[Any]:
        """All rows of a list."""
        return [row async for page in self.pages(path, {"limit": "100", **(query or {})}) for row in page]

    async def ids(self, path: str, query: Mapping[str, str] | None = None) -> list[str]:
        """The ids of all rows of a list, in order."""
        return [next(iter(row.values()))["id"] for row in await self.rows(path, query)]
