"""A server of raw sockets: it answers each request with the next bytes of its script, and counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs

from tests.sockets import listening_at

DROP = b""


@attrs.define
class RawServer:
    """`requests` holds the head and body of each request, `connections` how many were opened."""

    script: list[bytes]
    url: str = ""
    requests: list[bytes] = attrs.field(factory=list)
    connections: int = 0
    _writers: list[asyncio.StreamWriter] = attrs.field(factory=list)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                writer.write(answer)
                await writer.drain()
                if answer == DROP or b"connection: close" in answer.lower():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An HTTP answer; *length* overrides its Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def raw_server(*script: bytes) -> AsyncIterator[RawServer]:
    """Runs a server on a free port of this machine; the last answer of the script repeats."""
    made = RawServer(list(script))
    async with listening_at(made._serve, made._writers) as made.url:
        yield made


def bodies(requests: Sequence[bytes]) -> list[bytes]:
    """What follows the heads."""
    return [request.partition(b"\r\n\r\n")[2] for request in requests]
