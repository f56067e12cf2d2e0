"""A server that allows so many requests in any second, by when they arrive: of raw sockets, here or in a process.

    python -m tests.limits.strict --limit 10 --service 0.05

prints a JSON line with its `url`, and when its input ends another with what it saw. A number as input is answered by
"seen" when there were as many requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from tests.sockets import listening_at

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"


@attrs.define
class StrictServer:
    """`arrivals` are the times of all requests, `refused` counts those answered with a 429.

    An answer takes *service* seconds and up to *jitter* more.
    """

    limit: int
    period: float = 1.0
    service: float = 0.05
    jitter: float = 0.0
    url: str = ""
    arrivals: list[float] = attrs.field(factory=list)
    refused: int = 0
    _recent: deque[float] = attrs.field(factory=deque)
    _writers: set[asyncio.StreamWriter] = attrs.field(factory=set)
    _arrived: asyncio.Event = attrs.field(factory=asyncio.Event)
    _draw: random.Random = attrs.field(factory=lambda: random.Random(7))

    def admit(self) -> bool:
        """Count a request that has arrived; whether it is within the limit."""
        now = time.monotonic()
        self.arrivals.append(now)
        self._arrived.set()
        while self._recent and self._recent[0] <= now - self.period:
            self._recent.popleft()
        if len(self._recent) >= self.limit:
            self.refused += 1
            return False
        self._recent.append(now)
        return True

    async def saw(self, requests: int) -> None:
        """Wait until there were as many."""
        while len(self.arrivals) < requests:
            self._arrived.clear()
            await self._arrived.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                if self.admit():
                    await asyncio.sleep(self.service + self.jitter * self._draw.random())
                    writer.write(OK)
                else:
                    writer.write(REFUSED)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def report(self) -> dict[str, float | list[float]]:
        """What was seen, as JSON; the times begin with the first request."""
        first = self.arrivals[0] if self.arrivals else 0.0
        return {
            "requests": len(self.arrivals),
            "refused": self.refused,
            "most": most(self.arrivals, self.period),
            "arrivals": [moment - first for moment in self.arrivals],
        }


def most(moments: list[float], period: float) -> int:
    """The most that any window of *period* holds."""
    moments, first, found = sorted(moments), 0, 0
    for number, moment in enumerate(moments):
        while moments[first] <= moment - period:
            first += 1
        found = max(found, number - first + 1)
    return found


@asynccontextmanager
async def strict_server(limit: int, *, service: float = 0.05, period: float = 1.0) -> AsyncIterator[StrictServer]:
    """Runs a server on a free port of this machine."""
    made = StrictServer(limit, period, service)
    async with listening_at(made.serve, made._writers) as made.url:
        yield made


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=int, required=True)
    parser.add_argument("--service", type=float, default=0.05)
    parser.add_argument("--jitter", type=float, default=0.0)
    options = parser.parse_args()
    made = StrictServer(options.limit, 1.0, options.service, options.jitter)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    _say({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"})
    while line := await asyncio.to_thread(sys.stdin.readline):
        await made.saw(int(line))
        sys.stdout.write("seen\n")
        sys.stdout.flush()
    server.close()
    _say(made.report())


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
