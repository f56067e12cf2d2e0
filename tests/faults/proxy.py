"""A proxy of raw sockets between a client and a real server, which does one thing wrong: Toxiproxy's toxics, cuts.

A `Toxic` is for one direction of a connection. It lets `after` bytes through, and does `then`; without one it only
slows the bytes down. The `Host` of a request is rewritten to the server's own.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import AbstractAsyncContextManager
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import attrs

from .listening import Listener, listening

__all__ = ["CLEAN", "FaultProxy", "Toxic", "fault_proxy", "reset"]

Then: TypeAlias = Literal["pass", "close", "reset", "hang", "insert", "linger"]


@attrs.frozen(kw_only=True)
class Toxic:
    """`after` bytes pass, then: the connection is closed, is reset, or hangs with nothing more; `insert` puts `bytes_`
    in place of as many; `linger` passes all and keeps the connection open when the server closes it.

    `latency` is seconds before the first byte; bytes go in slices of `slice_`, `pause` seconds apart.
    """

    after: int = 0
    then: Then = "pass"
    bytes_: bytes = b""
    latency: float = 0.0
    slice_: int = 65536
    pause: float = 0.0


CLEAN = Toxic()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST: nothing that is still on its way arrives."""
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class _Stop(Exception):
    """The connection is over by the toxic's will."""


@attrs.define(kw_only=True)
class FaultProxy(Listener):
    """`url` is where the client goes; `up` is for requests, `down` for answers."""

    server: str
    up: Toxic = CLEAN
    down: Toxic = CLEAN

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(self.server)
        assert parts.hostname is not None
        far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
        hosts = (urlsplit(self.url).netloc.encode(), parts.netloc.encode())
        ways = [
            asyncio.create_task(_pipe(reader, far_writer, writer, self.up, hosts)),
            asyncio.create_task(_pipe(far_reader, writer, writer, self.down, None)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            far_writer.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _pipe(
    source: asyncio.StreamReader,
    target: asyncio.StreamWriter,
    client: asyncio.StreamWriter,
    toxic: Toxic,
    hosts: tuple[bytes, bytes] | None,
) -> None:
    await asyncio.sleep(toxic.latency)
    passed = 0
    try:
        if toxic.then != "pass" and not toxic.after:
            await _act(toxic, client, target)
        while data := await source.read(65536):
            data = data.replace(*hosts) if hosts else data
            for start in range(0, len(data), toxic.slice_):
                piece = data[start : start + toxic.slice_]
                left = toxic.after - passed
                passed += len(piece)
                if toxic.then in ("pass", "linger") or left > len(piece) or left <= 0:
                    await _forward(target, piece, toxic.pause)
                    continue
                await _forward(target, piece[:left], 0)
                await _act(toxic, client, target)
                await _forward(target, piece[left + len(toxic.bytes_) :], 0)
    except _Stop:
        return
    if toxic.then == "linger":
        await asyncio.Event().wait()


async def _forward(target: asyncio.StreamWriter, piece: bytes, pause: float) -> None:
    if piece:
        target.write(piece)
        await target.drain()
    if pause:
        await asyncio.sleep(pause)


async def _act(toxic: Toxic, client: asyncio.StreamWriter, target: asyncio.StreamWriter) -> None:
    if toxic.then == "insert":
        await _forward(target, toxic.bytes_, 0)
    elif toxic.then == "hang":
        await asyncio.Event().wait()
    elif toxic.then == "close":
        raise _Stop
    elif toxic.then == "reset":
        reset(client)
        raise _Stop


def fault_proxy(server: str, *, up: Toxic = CLEAN, down: Toxic = CLEAN) -> AbstractAsyncContextManager[FaultProxy]:
    """Runs a proxy before *server* on a free port of this machine."""
    return listening(FaultProxy(server=server, up=up, down=down))
