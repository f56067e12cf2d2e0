"""`connections`: Maton's control plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import attrs
from cyclopts import Parameter, validators

from ..connections import ConnectionStatus
from ..errors import RequestError
from ._failures import report
from ._options import Common
from ._output import dump, emit, say
from ._session import open_gateway
from ._table import show_table

if TYPE_CHECKING:
    from ..connections import Connection

__all__ = ["create_", "delete_", "get_", "list_", "wait_"]

_AUTHENTICATION = 4
_Id = Annotated[str, Parameter(help="The connection's id.")]


async def list_(
    *,
    status: Annotated[str | None, Parameter(help="Only those that are ACTIVE, PENDING or FAILED.")] = None,
    app: Annotated[str, Parameter(help="The app: chargebee.")] = "chargebee",
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """List the account's connections."""
    async with open_gateway(common) as gw:
        found = await gw.connections.list(app=app, status=status.upper() if status else None)
    if common.json:
        emit(dump(_plain(connection)) for connection in found)
    elif found:
        _table(found)
    else:
        say("no connections; make one with: aiochargebee-gw connections create")
    return 0


async def create_(
    *,
    app: Annotated[str, Parameter(help="The app: chargebee.")] = "chargebee",
    method: Annotated[
        str | None, Parameter(help="API_KEY, BASIC, OAUTH1, OAUTH2 or MCP: the gateway's choice.")
    ] = None,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Make a connection. It works once somebody has authorized it at the url that is shown."""
    async with open_gateway(common) as gw:
        made = await gw.connections.create(app, method)
    _show(made, common)
    if made.status is ConnectionStatus.PENDING:
        say(f"open the url in a browser and authorize; then: aiochargebee-gw connections wait {made.connection_id}")
    return 0


async def get_(connection_id: _Id, /, *, common: Common = Common()) -> int:  # noqa: B008 - frozen
    """Show one connection."""
    async with open_gateway(common) as gw:
        found = await gw.connections.get(connection_id)
    _show(found, common)
    return 0


async def delete_(connection_id: _Id, /, *, common: Common = Common()) -> int:  # noqa: B008 - frozen
    """Delete a connection, at once."""
    async with open_gateway(common) as gw:
        await gw.connections.delete(connection_id)
    if common.json:
        emit([dump({"connection_id": connection_id, "deleted": True})])
    else:
        say(f"{connection_id} is deleted")
    return 0


async def wait_(
    connection_id: _Id,
    /,
    *,
    timeout: Annotated[float, Parameter(validator=validators.Number(gt=0), help="Seconds at the most: 300.")] = 300.0,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Wait until a connection is authorized. Exit code 4 when its authorization has failed, 5 when time is up."""
    async with open_gateway(common) as gw:
        try:
            found = await gw.connections.wait_until_active(connection_id, timeout=timeout)
        except RequestError as error:
            # Of a bad id, or of a connection whose authorization has failed: only the second is there to be had.
            found = await gw.connections.get(connection_id)
            report(error, as_json=common.json)
    _show(found, common)
    return 0 if found.status is ConnectionStatus.ACTIVE else _AUTHENTICATION


def _plain(connection: Connection) -> dict[str, Any]:
    found = attrs.asdict(connection, value_serializer=_serialized)
    return {name: value for name, value in found.items() if value is not None}


def _serialized(instance: object, attribute: object, value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _show(connection: Connection, common: Common) -> None:
    if common.json:
        emit([dump(_plain(connection))])
    else:
        lines = (
            f"{name}\t{value}".encode(errors="replace") for name, value in _plain(connection).items() if value != {}
        )
        emit(lines)


def _table(found: Sequence[Connection]) -> None:
    # Not the url: it holds a session token, and is of use for a pending connection only.
    names = ("connection_id", "status", "app", "method", "creation_time")
    rows = [_plain(connection) for connection in found]
    show_table(rows, [name for name in names if any(name in row for row in rows)])
