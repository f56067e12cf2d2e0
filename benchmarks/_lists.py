"""Customers over three years in the shapes that real lists have, and a server of them in a process of its own.

The server answers `/chargebee/api/v2/customers` (and `/api/v2/customers` for the official SDK) with keyset cursors,
`created_at[after]`, `created_at[before]` and `sort_by`, each answer some time after its request. It counts its requests
in a sliding window, and answers 429 as soon as that is full.
"""

from __future__ import annotations

import asyncio
import bisect
import gzip
import json
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from random import Random
from urllib.parse import parse_qs

import attrs
from _data import pages

BEGIN = 1_577_836_800  # 2020-01-01
SECONDS = 3 * 365 * 86_400


def _growing(random: Random) -> float:
    return float(random.random() ** (1 / 3))


def _month_start(random: Random) -> float:
    # Nine of ten within six hours of the first day of a month.
    return (random.randrange(36) + random.random() * (0.25 / 30 if random.random() < 0.9 else 1)) / 36


def _import_spike(random: Random) -> float:
    # A third within one hour.
    return 0.4 + random.random() / (3 * 8760) if random.random() < 1 / 3 else random.random()


def _one_hot_second(random: Random) -> float:
    return 0.6 if random.random() < 0.2 else random.random()


SHAPES: dict[str, Callable[[Random], float]] = {
    "uniform": Random.random,
    "growing": _growing,
    "month-start": _month_start,
    "import-spike": _import_spike,
    "one-hot-second": _one_hot_second,
}


@attrs.frozen(kw_only=True)
class Load:
    """What a server does: *rows* in a *shape*; *latency* in seconds; at most *rate* requests in any *period* seconds.
    With *whole* the rows are as large as real ones, in pages of 100, gzipped, one behind another; none has changed."""

    shape: str = "uniform"
    rows: int = 100_000
    latency: float = 0.0
    rate: int | None = None
    period: float = 1.0
    whole: bool = False


@attrs.frozen(kw_only=True)
class Seen:
    """What a server saw: all requests, those answered 429, and the seconds from the first one's arrival to the last
    one's answer."""

    requests: int
    refused: int
    seconds: float


@attrs.frozen
class Server:
    origin: str
    _pipe: Connection

    def seen(self) -> Seen:
        """What it saw since the last time."""
        self._pipe.send("seen")
        found: Seen = self._pipe.recv()
        return found


class _Site:
    """All that the connections of a server share."""

    def __init__(self, load: Load) -> None:
        random = Random(load.shape)
        draw = SHAPES[load.shape]
        self.rows = sorted((BEGIN + int(draw(random) * SECONDS), number) for number in range(load.rows))
        self.load = load
        self.pages = _whole_pages(load.rows // 100) if load.whole else []
        self.clear()
        self._recent: deque[float] = deque()

    def clear(self) -> None:
        self.requests = self.refused = 0
        self.first = self.last = 0.0

    def answer(self, target: str) -> bytes:
        now = time.monotonic()
        self.first = self.first if self.requests else now
        self.requests += 1
        if self.load.rate is not None:
            while self._recent and self._recent[0] <= now - self.load.period:
                self._recent.popleft()
            if len(self._recent) >= self.load.rate:
                self.refused += 1
                return _http("429 Too Many Requests", b"{}", "Retry-After: 1\r\n")
            self._recent.append(now)
        query = parse_qs(target.partition("?")[2])
        if self.pages and "updated_at[after]" in query:
            return _http("200 OK", b'{"list":[]}')
        if self.pages:
            return self.pages[int(query.get("offset", ["0"])[0])]
        return _http("200 OK", self._page(query))

    def _page(self, query: dict[str, list[str]]) -> bytes:
        limit = int(query["limit"][0])
        if "sort_by[desc]" in query:
            return self._body(self.rows[-limit:][::-1], None)
        low = bisect.bisect_left(self.rows, (int(query.get("created_at[after]", ["0"])[0]) + 1, 0))
        if "offset" in query:
            second, number = json.loads(query["offset"][0])
            low = max(low, bisect.bisect_right(self.rows, (int(second) // 1000, int(number))))
        high = bisect.bisect_left(self.rows, (int(query.get("created_at[before]", ["9999999999"])[0]), 0))
        found = self.rows[low : max(low, high)][:limit]
        return self._body(found, found[-1] if low + len(found) < high else None)

    def _body(self, found: list[tuple[int, int]], last: tuple[int, int] | None) -> bytes:
        rows = ",".join(
            f'{{"customer":{{"id":"c{number}","created_at":{second},"object":"customer","deleted":false}}}}'
            for second, number in found
        )
        cursor = "" if last is None else f',"next_offset":{json.dumps(json.dumps([str(last[0] * 1000), str(last[1])]))}'
        return f'{{"list":[{rows}]{cursor}}}'.encode()


def _whole_pages(count: int) -> list[bytes]:
    """Answers to *count* requests, each naming the next one."""
    some = [page.rpartition(b',"next_offset"')[0] for page in pages("customer")]
    made = []
    for number in range(count):
        more = f',"next_offset":"{number + 1}"}}' if number + 1 < count else "}"
        rows = some[number % len(some)].replace(b'"id":"customer_', b'"id":"c%d_' % number)
        body = gzip.compress(rows + more.encode(), 6)
        made.append(_http("200 OK", body, "Content-Encoding: gzip\r\n"))
    return made


def _http(status: str, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json;charset=utf-8\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class _Answering(asyncio.Protocol):
    def __init__(self, site: _Site) -> None:
        self._site = site
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for head in heads:
            answer = self._site.answer(head.split(b" ", 2)[1].decode())
            asyncio.get_running_loop().call_later(self._site.load.latency, self._write, answer)

    def _write(self, answer: bytes) -> None:
        self._site.last = time.monotonic()
        if not self._transport.is_closing():
            self._transport.write(answer)


async def _serve(load: Load, pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    site = _Site(load)
    server = await loop.create_server(lambda: _Answering(site), "127.0.0.1", 0)

    def tell() -> None:
        pipe.recv()
        pipe.send(Seen(requests=site.requests, refused=site.refused, seconds=site.last - site.first))
        site.clear()

    loop.add_reader(pipe.fileno(), tell)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _run(load: Load, pipe: Connection) -> None:
    asyncio.run(_serve(load, pipe))


@contextmanager
def serving(load: Load) -> Iterator[Server]:
    """Runs the server."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(load, there), daemon=True)
    process.start()
    there.close()  # else nobody would tell that it has died
    try:
        yield Server(f"http://127.0.0.1:{here.recv()}", here)
    finally:
        process.terminate()
        process.join()
