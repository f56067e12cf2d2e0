"""The contract of a transport: one attempt, and files that live elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, TypeAlias

import attrs

from .._wire.message import Request, Response
from ..settings import Timeouts

__all__ = ["CONNECTIONS", "Phase", "Trace", "Transport"]

CONNECTIONS = 20
"""How many connections to one host are open at once; calls beyond them wait for one that is free."""

Phase: TypeAlias = Literal["unsent", "connected", "sent", "headers", "body"]
"""How far an attempt came: nothing (waiting for a connection included), connected but nothing of the request written,
bytes of the request may have left, the answer's head has come, the whole answer is read."""


@attrs.define
class Trace:
    """What is known of one attempt while it runs, kept up to date by the transport: also when it is cancelled."""

    phase: Phase = "unsent"
    received_bytes: int = 0

    @property
    def sent(self) -> bool:
        """Whether bytes of the request may have left this machine."""
        return self.phase not in ("unsent", "connected")


class Transport(Protocol):
    """Sends requests. Follows no redirect, repeats nothing, keeps no cookie."""

    async def send(self, request: Request, timeouts: Timeouts, trace: Trace) -> Response:
        """One attempt: the whole answer, whatever its status. Raises `TransportError` with `sent` set truthfully.

        *trace* is told of each phase as it begins. A request that may change something never goes out on a connection
        that has been idle for long: the server may be closing it.
        """
        ...

    def stream(self, url: str, timeouts: Timeouts) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes behind *url*, requested without any credential; fails unless the status is 200."""
        ...

    def reopen(self) -> None:
        """Undo `aclose`: the next call opens what it needs."""
        ...

    async def aclose(self) -> None:
        """Close what is open on the running loop, breaking off what is under way; safe to call twice."""
        ...
