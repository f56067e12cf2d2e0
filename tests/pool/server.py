"""A server of raw sockets: it says which connection a request came on, and answers when it is told to."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import attrs

from aiochargebee_gw import Limits, Retry, Settings
from aiochargebee_gw.settings import Secret
from aiochargebee_gw.transport.credentials import Credentials
from aiochargebee_gw.transport.pool import Pool

BODY = b'{"customer":{"id":"c1"},"list":[]}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
KEY = "sandbox_key"


@attrs.frozen
class Seen:
    """A request as it came: `connection` counts from 1, `turn` says which request of its connection it is, from 1."""

    connection: int
    turn: int
    head: bytes
    body: bytes

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode()


Answers = Callable[[Seen], Coroutine[Any, Any, bytes | None]]


@attrs.define
class Server:
    """`requests` in their order, `opened` connections altogether, `open` ones now. An answer of None hangs up."""

    answers: Answers
    url: str = ""
    requests: list[Seen] = attrs.field(factory=list)
    opened: int = 0
    open: int = 0
    came: asyncio.Condition = attrs.field(factory=asyncio.Condition)
    _writers: set[asyncio.StreamWriter] = attrs.field(factory=set)

    async def wait_for(self, requests: int) -> None:
        """Until so many requests have come."""
        async with asyncio.timeout(20), self.came:
            await self.came.wait_for(lambda: len(self.requests) >= requests)

    async def wait_until_left(self) -> None:
        """Until every connection is closed."""
        async with asyncio.timeout(20), self.came:
            await self.came.wait_for(lambda: not self.open)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.open += 1
        self._writers.add(writer)
        number, turn = self.opened, 0
        try:
            while True:
                turn += 1
                seen = Seen(number, turn, *await _request(reader))
                async with self.came:
                    self.requests.append(seen)
                    self.came.notify_all()
                answer = await _unless_left(reader, self.answers(seen))
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.close()
            async with self.came:
                self.came.notify_all()

    def hang_up(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    sizes = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head, await reader.readexactly(int(sizes[0]) if sizes else 0)


async def _unless_left(reader: asyncio.StreamReader, answering: Coroutine[Any, Any, bytes | None]) -> bytes | None:
    """The answer; None when the client closes the connection before there is one."""
    answer, left = asyncio.create_task(answering), asyncio.create_task(reader.read(1))
    try:
        await asyncio.wait((answer, left), return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None
    finally:
        answer.cancel()
        left.cancel()
        await asyncio.gather(answer, left, return_exceptions=True)


async def at_once(seen: Seen) -> bytes | None:
    """Answers every request."""
    return OK


async def never(seen: Seen) -> bytes | None:
    """Keeps every request waiting until its connection is closed."""
    await asyncio.Event().wait()
    return None


@asynccontextmanager
async def serving(answers: Answers = at_once) -> AsyncIterator[Server]:
    """Runs it on a free port of this machine."""
    made = Server(answers)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, backlog=500)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        made.hang_up()
        await made.wait_until_left()


def settings_of(url: str, *, concurrency: int = 400, retry: Retry | None = None) -> Settings:
    """Settings without limits."""
    return Settings(
        gateway_url=url,
        control_url=url,
        limits=Limits(account_per_second=math.inf, site_per_minute=math.inf, concurrency=concurrency),
        retry=retry or Retry.none(),
    )


def pool_of(url: str, now: Callable[[], float] = time.monotonic) -> Pool:
    """A pool alone."""
    return Pool(Credentials(Secret(KEY), f"{url}/"), max_response_bytes=1_000_000, user_agent="test", now=now)
