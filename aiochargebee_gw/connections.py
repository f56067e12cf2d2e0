"""Maton's control plane: the connections through which the gateway reaches Chargebee sites.

A new connection is PENDING until a person opens its `url` in a browser and authorizes it; then it is ACTIVE. Without
`Maton-Connection`, the gateway uses the oldest active connection of the app (Maton's documentation).
"""

from __future__ import annotations

import builtins
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

import attrs
import msgspec

from ._page import decode_answer
from ._record import OpenEnum
from ._wire.headers import check_connection
from ._wire.message import Response
from .errors import DeadlineExceeded, RequestError, RequestTimeout

if TYPE_CHECKING:
    from ._resource import Caller

__all__ = ["Connection", "ConnectionStatus", "Connections"]

T = TypeVar("T")

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
    metadata: dict[str, Any] | None = attrs.field(default=None, repr=False)


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
        read = partial(_read, _Many, label)
        found = await self._caller.control("GET", "/connections", label, read, query=urlencode(query))
        return [_aware(one) for one in found.connections]

    async def create(self, app: str = "chargebee", method: str | None = None) -> Connection:
        """POST /connections: a new connection, PENDING until somebody authorizes it at its `url`.

        Never repeated once its bytes have left: raises `OutcomeUnknown` when it is not known whether it was made.
        """
        wanted = {"app": app} if method is None else {"app": app, "method": method}
        label = "POST /connections"
        read = partial(_read, _One, label)
        found = await self._caller.control("POST", "/connections", label, read, body=msgspec.json.encode(wanted))
        return _aware(found.connection)

    async def get(self, connection_id: str, /) -> Connection:
        """GET /connections/{connection_id}."""
        return await _get(self._caller, connection_id)

    async def delete(self, connection_id: str, /) -> None:
        """DELETE /connections/{connection_id}. What the control plane answers beside success is not documented.

        Never repeated once its bytes have left: raises `OutcomeUnknown` when it is not known whether it is gone.
        """
        label = "DELETE /connections/{connection_id}"
        await self._caller.control("DELETE", _path(connection_id), label, lambda _: None)

    async def wait_until_active(self, connection_id: str, /, *, timeout: float = 300.0) -> Connection:
        """Ask every two seconds until the connection is ACTIVE, at the most *timeout* seconds.

        Raises `DeadlineExceeded` when it is still pending then, `RequestError` when its authorization has failed.
        """
        if not timeout > 0:
            raise RequestError("timeout must be a number of seconds above 0", field="timeout")
        clock = self._caller.engine.clock
        deadline = clock.monotonic() + timeout
        status: str = "not known"
        late: Exception | None = None
        while (left := deadline - clock.monotonic()) > 0:
            try:
                found = await _get(self._caller.within(left), connection_id)
            except (RequestTimeout, DeadlineExceeded) as error:
                late = error
                await clock.sleep(max(0.0, min(_POLL_SECONDS, deadline - clock.monotonic())))
                continue
            if found.status is ConnectionStatus.ACTIVE:
                return found
            if found.status is ConnectionStatus.FAILED:
                raise RequestError("the connection's authorization has failed; make a new one", field="connection_id")
            status = str(found.status)
            await clock.sleep(max(0.0, min(_POLL_SECONDS, deadline - clock.monotonic())))
        raise DeadlineExceeded(f"the connection's status is {status} after {timeout:g} seconds") from late


async def _get(caller: Caller, connection_id: str) -> Connection:
    label = "GET /connections/{connection_id}"
    found = await caller.control("GET", _path(connection_id), label, partial(_read, _One, label))
    return _aware(found.connection)


def _read(cls: type[T], label: str, response: Response) -> T:
    return decode_answer(response.body, cls, label)


def _aware(connection: Connection) -> Connection:
    """Maton's times are UTC; should one come without saying so, it is UTC all the same."""
    return attrs.evolve(
        connection,
        creation_time=_utc(connection.creation_time),
        last_updated_time=_utc(connection.last_updated_time),
    )


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _path(connection_id: str) -> str:
    return f"/connections/{quote(check_connection(connection_id), safe='')}"


def _status(status: ConnectionStatus | str) -> str:
    text = str(status)
    if text not in ConnectionStatus._value2member_map_:
        legal = tuple(known.value for known in ConnectionStatus)
        raise RequestError(f"status must be one of {', '.join(legal)}", field="status", legal=legal)
    return text
