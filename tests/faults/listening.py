"""What the servers of these tests have in common: a listener on a free port, which ends with all its connections."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import attrs

__all__ = ["Listener", "listening"]


@attrs.define(kw_only=True)
class Listener(abc.ABC):
    """`url` is where it listens, `connections` how many were opened."""

    url: str = ""
    connections: int = 0
    _tasks: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)

    @abc.abstractmethod
    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; what breaks it off ends it."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its first byte to its last."""
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self.handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def aclose(self) -> None:
        """Break off what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


L = TypeVar("L", bound=Listener)


@asynccontextmanager
async def listening(listener: L) -> AsyncIterator[L]:
    """Runs *listener* on a free port of this machine."""
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0, limit=64 * 1024 * 1024)
    listener.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield listener
    finally:
        server.close()
        await listener.aclose()
        await server.wait_closed()
