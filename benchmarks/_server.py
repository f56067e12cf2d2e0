"""A server of raw sockets in a process of its own: one canned answer to every GET, and a count of the connections."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import attrs


@attrs.frozen
class Server:
    """`origin` is where it listens, `connections()` how many were opened so far."""

    origin: str
    _opened: Any

    def connections(self) -> int:
        return int(self._opened.value)


class _Answering(asyncio.Protocol):
    def __init__(self, answer: bytes, opened: Any) -> None:
        self._answer = answer
        self._opened = opened
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._opened.value += 1

    def data_received(self, data: bytes) -> None:
        *heads, self._rest = (self._rest + data).split(b"\r\n\r\n")
        if heads:
            self._transport.write(self._answer * len(heads))


async def _serve(answer: bytes, opened: Any, told: Connection) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Answering(answer, opened), "127.0.0.1", 0, backlog=500)
    told.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _run(answer: bytes, opened: Any, told: Connection) -> None:
    asyncio.run(_serve(answer, opened, told))


@contextmanager
def serving(body: bytes) -> Iterator[Server]:
    """Runs the server; every request is answered 200 with *body*, which is JSON."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    context = multiprocessing.get_context("spawn")
    opened = context.Value("i", 0, lock=False)
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(head.encode() + body, opened, there), daemon=True)
    process.start()
    try:
        yield Server(f"http://127.0.0.1:{here.recv()}", opened)
    finally:
        process.terminate()
        process.join()
