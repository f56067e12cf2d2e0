"""The contract of a transport: one attempt, and files that live elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from .._wire.message import Request, Response
from ..settings import Timeouts

__all__ = ["Transport"]


class Transport(Protocol):
    """Sends requests. Follows no redirect, repeats nothing, keeps no cookie."""

    async def send(self, request: Request, timeouts: Timeouts) -> Response:
        """One attempt: the whole answer, whatever its status. Raises `TransportError` with `sent` set truthfully."""
        ...

    def stream(self, url: str, timeouts: Timeouts) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes behind *url*, requested without any credential; fails unless the status is 200."""
        ...

    def reopen(self) -> None:
        """Undo `aclose`: the next call opens what it needs."""
        ...

    async def aclose(self) -> None:
        """Close what is open on the running loop; safe to call twice."""
        ...
