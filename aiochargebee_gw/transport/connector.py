"""aiohttp's connections, told apart by age, and by how far the request on them has come.

A server closes a connection that has been idle for a while. A request that crosses that close on its way gets no
answer, and nobody knows whether it was seen: harmless for a read, a write in doubt otherwise. So a write never goes out
on a connection that was handed out two seconds ago or longer; reads may use any that aiohttp keeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiohttp import ClientRequest

from .base import Trace

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

__all__ = ["CURRENT", "Connector", "Tracked"]

CURRENT: ContextVar[Trace] = ContextVar("CURRENT")
"""The trace of the attempt that this task makes. aiohttp's own tracing makes an object and several calls for each."""

_YOUNG_SECONDS = 2.0
_READS = ("GET", "HEAD")


class Connector(aiohttp.TCPConnector):
    """A `TCPConnector` that closes, rather than hand to a write, a connection that may have been idle for long."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic, **options: Any) -> None:
        super().__init__(**options)
        self._now = now
        # When each connection was last handed out: it cannot have been idle for longer than since then.
        self._handed: dict[ResponseHandler, float] = {}

    async def connect(self, req: ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout) -> Connection:
        """A connection for *req*. Raises aiohttp's errors; none of the request has left by then."""
        while True:
            held = await super().connect(req, traces, timeout)
            if req.method in _READS or self._is_young(held):
                self._note(held)
                return held
            held.close()

    def _is_young(self, held: Connection) -> bool:
        handed = self._handed.get(cast("ResponseHandler", held.protocol))
        return handed is None or self._now() - handed < _YOUNG_SECONDS

    def _note(self, held: Connection) -> None:
        protocol = cast("ResponseHandler", held.protocol)
        if protocol not in self._handed:
            self._handed = {known: at for known, at in self._handed.items() if known.is_connected()}
        self._handed[protocol] = self._now()
        if (trace := CURRENT.get(None)) is not None:
            trace.phase = "connected"


class Tracked(ClientRequest):
    """A request that says when its bytes begin to leave."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        if (trace := CURRENT.get(None)) is not None:
            trace.phase = "sent"
        return await super().send(conn)
