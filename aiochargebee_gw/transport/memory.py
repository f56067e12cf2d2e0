"""A transport without a network: a function answers. For tests of what lies above, and for users' own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from .._wire.message import Request, Response
from ..errors import TransportError
from ..settings import Timeouts
from .base import Trace

__all__ = ["MemoryTransport"]


class MemoryTransport:
    """Hands each request to *handler* and keeps it in `requests`; `files` maps download URLs to their bytes."""

    def __init__(
        self, handler: Callable[[Request], Awaitable[Response]], files: dict[str, bytes] | None = None
    ) -> None:
        self._handler = handler
        self.files: dict[str, bytes] = dict(files or {})
        self.requests: list[Request] = []
        self.closed: bool = False

    async def send(self, request: Request, timeouts: Timeouts, trace: Trace) -> Response:
        self.requests.append(request)
        trace.phase = "sent"
        try:
            return await self._handler(request)
        except TransportError as error:
            trace.phase = "sent" if error.sent else "unsent"
            raise

    @asynccontextmanager
    async def stream(self, url: str, timeouts: Timeouts) -> AsyncIterator[AsyncIterator[bytes]]:
        yield _once(self.files[url])

    def reopen(self) -> None:
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
