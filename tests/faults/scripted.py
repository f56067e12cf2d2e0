"""A server of raw sockets that answers as a test says: bytes, and what is done between and after them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import attrs

from .listening import Listener, listening
from .proxy import reset

__all__ = ["CLOSE", "RESET", "Action", "Endless", "Pause", "Scripted", "answer", "scripted"]


@attrs.frozen
class Pause:
    """So many seconds of nothing."""

    seconds: float


@attrs.frozen
class Endless:
    """The same bytes again and again, `pause` seconds apart, until the client has gone."""

    piece: bytes
    pause: float = 0.0


@attrs.frozen
class _End:
    how: str


CLOSE, RESET = _End("close"), _End("reset")
Action: TypeAlias = "bytes | Pause | Endless | _End"
Script: TypeAlias = "Callable[[bytes], Iterable[Action] | bytes]"


def answer(body: bytes = b"{}", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """An HTTP answer; *length* overrides its Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@attrs.define(kw_only=True)
class Scripted(Listener):
    """`requests` holds the head and body of each request, `heard` every byte that came."""

    script: Script
    requests: list[bytes] = attrs.field(factory=list)
    heard: bytearray = attrs.field(factory=bytearray)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await self._request(reader)
            actions = self.script(request)
            for action in [actions] if isinstance(actions, bytes) else actions:
                if isinstance(action, _End):
                    if action is RESET:
                        reset(writer)
                    return
                await _do(action, writer)

    async def _request(self, reader: asyncio.StreamReader) -> bytes:
        head = await self._until(reader.readuntil(b"\r\n\r\n"))
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = await self._until(reader.readexactly(length))
        self.requests.append(head + body)
        return self.requests[-1]

    async def _until(self, reading: Awaitable[bytes]) -> bytes:
        try:
            data = await reading
        except asyncio.IncompleteReadError as error:
            self.heard += error.partial
            raise
        self.heard += data
        return data


async def _do(action: Action, writer: asyncio.StreamWriter) -> None:
    if isinstance(action, bytes):
        writer.write(action)
        await writer.drain()
    elif isinstance(action, Pause):
        await asyncio.sleep(action.seconds)
    elif isinstance(action, Endless):
        while True:
            writer.write(action.piece)
            await writer.drain()
            await asyncio.sleep(action.pause)


def scripted(script: Script | bytes) -> AbstractAsyncContextManager[Scripted]:
    """Runs a server on a free port of this machine. *script* makes of each request what is done about it; bytes are
    the answer to every one."""
    fixed = script
    return listening(Scripted(script=(lambda _: fixed) if isinstance(fixed, bytes) else fixed))
