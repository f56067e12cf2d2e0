"""A list of customers over real sockets: some latency, and a limit that is counted as a strict server would."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import attrs

from tests.client.raw import answer
from tests.sockets import listening_at
from tests.windows.lists import Row, Server


@attrs.define
class Served:
    """`refused` counts the 429, `under_way` the requests that have no answer yet, `peak` the most of them; where `gate`
    is set, answers wait for it."""

    list_: Server
    rate: int | None = None
    latency: float = 0.0
    url: str = ""
    targets: list[str] = attrs.field(factory=list)
    refused: int = 0
    under_way: int = 0
    peak: int = 0
    gate: asyncio.Event | None = None
    broken: dict[int, bytes] = attrs.field(factory=dict)
    _recent: deque[float] = attrs.field(factory=deque)
    _writers: list[asyncio.StreamWriter] = attrs.field(factory=list)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                target = head.split(b" ", 2)[1].decode()
                self.targets.append(target)
                self.under_way += 1
                self.peak = max(self.peak, self.under_way)
                made = self._answer(target)
                await asyncio.sleep(self.latency)
                if self.gate is not None:
                    await self.gate.wait()
                self.under_way -= 1
                writer.write(made)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, target: str) -> bytes:
        if len(self.targets) in self.broken:
            return self.broken[len(self.targets)]
        now = asyncio.get_running_loop().time()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if self.rate is not None and len(self._recent) >= self.rate:
            self.refused += 1
            return answer(b"{}", status="429 Too Many Requests")
        self._recent.append(now)
        return answer(self._page(parse_qs(urlsplit(target).query)), "Date: Wed, 01 Jan 2025 00:00:00 GMT")

    def _page(self, query: dict[str, list[str]]) -> bytes:
        if "sort_by[desc]" in query:
            self.list_.requests += 1
            return _body(self.list_.rows[-1:], None)
        bounds = [query.get(f"created_at[{name}]") for name in ("after", "before")]
        after, before = (int(bound[0]) if bound else None for bound in bounds)
        return _body(*self.list_.rows_of(after, before, query.get("offset", [None])[0]))


def _body(rows: list[Row], cursor: str | None) -> bytes:
    found = [{"customer": {"id": f"r{number}", "created_at": second}} for second, number in rows]
    return json.dumps({"list": found} | ({"next_offset": cursor} if cursor else {})).encode()


@asynccontextmanager
async def served(list_: Server, *, rate: int | None = None, latency: float = 0.0) -> AsyncIterator[Served]:
    """Runs it on a free port of this machine."""
    made = Served(list_, rate, latency)
    async with listening_at(made._serve, made._writers) as made.url:
        yield made
