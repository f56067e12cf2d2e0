"""The gateway's account: its key, its connections, which site each opens, and the control plane's calls."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from random import Random
from uuid import UUID

from attrs import define, field

from aiochargebee_gw.sandbox._dates import iso
from aiochargebee_gw.sandbox._form import first_values
from aiochargebee_gw.sandbox._json import JsonObject, encode
from aiochargebee_gw.sandbox._messages import Answer, Call
from aiochargebee_gw.sandbox._problems import gateway_error
from aiochargebee_gw.sandbox._site import Site

CHARGEBEE = "chargebee"
STATUSES = ("ACTIVE", "PENDING", "FAILED")
METHODS = ("API_KEY", "BASIC", "OAUTH1", "OAUTH2", "MCP")
_APP = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")


@define
class Connection:
    """One connection; times are Unix seconds, ``token`` opens its page."""

    id: str
    app: str
    method: str
    status: str
    created: float
    updated: float
    token: str


@define
class Account:
    """The state behind one API key. ``new_site`` makes the site of a new connection."""

    api_key: str
    now: Callable[[], float]
    origin: Callable[[], str]
    ids: Random
    new_site: Callable[[str], Site]
    connections: dict[str, Connection] = field(factory=dict)
    sites: dict[str, Site] = field(factory=dict)

    def connect(self, app: str, method: str, *, status: str = "PENDING", at: float | None = None) -> Connection:
        """Add a connection."""
        created = self.now() if at is None else at
        id = str(UUID(int=self.ids.getrandbits(128), version=4))
        made = Connection(id, app, method, status, created, created, secrets.token_urlsafe(24))
        self.connections[id] = made
        return made

    def site(self, connection: Connection) -> Site:
        """The site that a connection opens; made when it is first used."""
        if connection.id not in self.sites:
            self.sites[connection.id] = self.new_site(connection.id)
        return self.sites[connection.id]

    def choose(self, wanted: str | None) -> Connection | Answer:
        """The connection of a request: the one it names, else the oldest ACTIVE one for Chargebee."""
        if wanted is None:
            active = (one for one in self.connections.values() if one.app == CHARGEBEE and one.status == "ACTIVE")
            return next(active, None) or gateway_error(400, "No active chargebee connection for this account.")
        found = self.connections.get(wanted)
        if found is None:
            return gateway_error(404, "Connection not found.")
        if found.app != CHARGEBEE:
            return gateway_error(400, "The connection belongs to another app.")
        if found.status != "ACTIVE":
            return gateway_error(400, f"The connection is {found.status}, not ACTIVE.")
        return found

    def authorize(self, token: str) -> Connection | None:
        """Make the connection behind a session token ACTIVE; None for an unknown token."""
        found = self.by_token(token)
        if found is not None and found.status != "ACTIVE":
            found.status = "ACTIVE"
            found.updated = self.now()
        return found

    def by_token(self, token: str) -> Connection | None:
        """The connection whose page a token opens."""
        return next(
            (one for one in self.connections.values() if secrets.compare_digest(one.token.encode(), token.encode())),
            None,
        )

    def answer(self, call: Call) -> Answer:
        """A control-plane call: list, create, get, delete of ``/connections``."""
        if call.oversized:
            return gateway_error(413, "The request is too large.")
        match call.method, call.segments:
            case "GET", ("connections",):
                return self._list(call)
            case "POST", ("connections",):
                return self._create(call)
            case "GET", ("connections", id) if id in self.connections:
                return _ok({"connection": self.shown(self.connections[id])})
            case "DELETE", ("connections", id) if id in self.connections:
                del self.connections[id]
                return _ok({})
            case "GET" | "DELETE", ("connections", _):
                return gateway_error(404, "Connection not found.")
            case _, ("connections",) | ("connections", _):
                return gateway_error(405, f"{call.method} is not supported here.")
        return gateway_error(404, "Not found.")

    def _list(self, call: Call) -> Answer:
        wanted = first_values(call.query)
        status = wanted.get("status")
        if status is not None and status not in STATUSES:
            return gateway_error(400, f"status must be one of {', '.join(STATUSES)}.")
        app = wanted.get("app")
        found = [
            self.shown(one)
            for one in self.connections.values()
            if (app is None or one.app == app) and (status is None or one.status == status)
        ]
        return _ok({"connections": found})

    def _create(self, call: Call) -> Answer:
        try:
            sent: object = json.loads(call.body)
        except (ValueError, RecursionError):
            return gateway_error(400, "The body must be JSON.")
        match sent:
            case {"app": str() as app, **rest} if _APP.match(app):
                method: object = rest.get("method", "API_KEY")
            case _:
                return gateway_error(400, 'The body must be a JSON object with an "app".')
        if not isinstance(method, str) or method not in METHODS:
            return gateway_error(400, f"method must be one of {', '.join(METHODS)}.")
        return _ok({"connection": self.shown(self.connect(app, method))})

    def shown(self, one: Connection) -> JsonObject:
        """A connection as the control plane shows it."""
        return {
            "connection_id": one.id,
            "status": one.status,
            "creation_time": iso(one.created),
            "last_updated_time": iso(one.updated),
            "url": f"{self.origin()}/connect?session_token={one.token}",
            "app": one.app,
            "method": one.method,
            "metadata": {},
        }


def _ok(value: JsonObject) -> Answer:
    return Answer(200, encode(value))
