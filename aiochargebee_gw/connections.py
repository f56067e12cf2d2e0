"""Maton's control plane: the connections through which the gateway reaches Chargebee sites.

A new connection is PENDING until a person opens its `url` in a browser and authorizes it; then it is ACTIVE. Without
`Maton-Connection`, the gateway uses the oldest active connection of the app (Maton's documentation).
"""

from __future__ import annotations

import builtins
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import attrs
import msgspec

from ._page import decode_answer
from ._record import OpenEnum
from ._wire.headers import check_connection
from .errors import DeadlineExceeded, RequestError

if TYPE_CHECKING:
    from ._resource import Caller

__all__ = ["Connection", "ConnectionStatus", "Connections"]

_POLL_SECONDS = 2.0


class ConnectionStatus(OpenEnum):
    """Where a connection stands."""

    ACTIVE = "ACTIVE"
    PENDING = "PENDING"
    FAILED = "FAILED"


@attrs.frozen(kw_only=True)
class Connection:
    """A connection; `url` is for a person's browser and holds a session token, so `repr` leaves it out."""

    connection_id: str
    status: ConnectionStatus
    url: str | None = attrs.field(default=None, repr=False)
    creation_time: datetime | None = None
    last_updated_time: datetime | None = None
    app: str | None = None
    method: str | None = None
    metadata: dict[str, Any] = attrs.field(factory=dict, repr=False)


@attrs.frozen
class _One:
    connection: Connection


@attrs.frozen
class _Many:
    connections: list[Connection]


class Connections:
    """`gw.connections`."""

    __slots__ = ("_caller",)

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(
        self, app: str = "chargebee", status: ConnectionStatus | str | None = None
    ) -> builtins.list[Connection]:
        """GET /connections: the connections of *app*, those of one *status* when it is given."""
        query = {"app": app}
        if status is not None:
            query["status"] = _status(status)
        label = "GET /connections"
        body = await self._caller.control("GET", "/connections", label, query=urlencode(query))
        return decode_answer(body, _Many, label).connections

    async def create(self, app: str = "chargebee", method: str | None = None) -> Connection:
        """POST /connections: a new connection, PENDING until somebody authorizes it at its `url`.

        Never repeated once its bytes have left: raises `OutcomeUnknown` when it is not known whether it was made.
        """
        wanted = {"app": app} if method is None else {"app": app, "method": method}
        label = "POST /connections"
        body = await self._caller.control("POST", "/connections", label, body=msgspec.json.encode(wanted))
        return decode_answer(body, _One, label).connection

    async def get(self, connection_id: str, /) -> Connection:
        """GET /connections/{connection_id}."""
        label = "GET /connections/{connection_id}"
        body = await self._caller.control("GET", _path(connection_id), label)
        return decode_answer(body, _One, label).connection

    async def delete(self, connection_id: str, /) -> None:
        """DELETE /connections/{connection_id}. What the control plane answers beside success is not documented."""
        await self._caller.control("DELETE", _path(connection_id), "DELETE /connections/{connection_id}")

    async def wait_until_active(self, connection_id: str, /, *, timeout: float = 300.0) -> Connection:
        """Ask every two seconds until the connection is ACTIVE, at the most *timeout* seconds.

        Raises `DeadlineExceeded` when it is still pending then, `RequestError` when its authorization has failed.
        """
        if not timeout > 0:
            raise RequestError("timeout must be a number of seconds above 0", field="timeout")
        clock = self._caller.engine.clock
        deadline = clock.monotonic() + timeout
        while True:
            found = await self.get(connection_id)
            if found.status is ConnectionStatus.ACTIVE:
                return found
            if found.status is ConnectionStatus.FAILED:
                raise RequestError("the connection's authorization has failed; make a new one", field="connection_id")
            left = deadline - clock.monotonic()
            if left <= 0:
                raise DeadlineExceeded(f"the connection is still {found.status} after {timeout:g} seconds")
            await clock.sleep(min(_POLL_SECONDS, left))


def _path(connection_id: str) -> str:
    return f"/connections/{quote(check_connection(connection_id), safe='')}"


def _status(status: ConnectionStatus | str) -> str:
    text = str(status)
    if text not in ConnectionStatus._value2member_map_:
        legal = tuple(known.value for known in ConnectionStatus)
        raise RequestError(f"status must be one of {', '.join(legal)}", field="status", legal=legal)
    return text
