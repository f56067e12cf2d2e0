"""A server in a process of its own that fails with every 20th answer: `python -m tests.pool.faulty` prints its URL.

The faults take turns: a 503, a 502 in HTML, a connection that is closed, one that is reset, a body that is cut.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
import sys
from socket import SO_LINGER, SOL_SOCKET

BODY = b'{"customer":{"id":"c1","object":"customer"}}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
FAULTS = ("busy", "close", "reset", "cut", "html")

_turns = itertools.count(1)


class Faulty(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        turn = next(_turns)
        if turn % 20:
            self._transport.write(OK)
        else:
            self._fail(FAULTS[turn // 20 % len(FAULTS)])

    def _fail(self, how: str) -> None:
        if how == "busy":
            self._transport.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            return
        if how == "html":
            self._transport.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>")
            return
        if how == "reset":
            self._transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        if how == "cut":
            self._transport.write(OK[:-5])
        self._transport.close()


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Faulty, "127.0.0.1", 0, backlog=500)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
