"""A listener on a free port of this machine, for the servers of the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

__all__ = ["listening_at"]

_Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening_at(
    serve: _Serve, writers: Collection[asyncio.StreamWriter], *, backlog: int = 100
) -> AsyncIterator[str]:
    """The URL at which *serve* is called for each connection. At the end all *writers* are closed, and waited for."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=backlog)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in list(writers):
            writer.close()
        await server.wait_closed()
