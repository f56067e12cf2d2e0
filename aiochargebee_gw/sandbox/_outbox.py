"""What is to be posted to webhook endpoints, without a socket: to whom, when, and what an event says about it.

Chargebee repeats a webhook that was not answered with a 2xx up to seven times, the last time three days and seven hours
after the first; it never promises an order (https://www.chargebee.com/docs/2.0/webhook_settings.html).
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, evolve, field, frozen

from aiochargebee_gw.sandbox._json import JsonObject, decode_object, without_nulls
from aiochargebee_gw.sandbox._store import Store

RETRY_SECONDS = (120, 360, 1_800, 3_600, 18_000, 86_400, 172_800)
"""The pauses before the seven repetitions."""
MAX_ENDPOINTS = 5
_ALL = (
    "SELECT o.born, o.row, o.id, o.owner, CAST(o.body AS BLOB) FROM objects AS o "
    "WHERE o.kind = 'webhook_endpoint' ORDER BY o.born, o.row"
)


@frozen
class Outgoing:
    """One event for one endpoint: how often it was tried, and when (Unix seconds) it is due."""

    event_id: str
    endpoint_id: str
    attempts: int
    due: float


def _nobody_waits() -> None:
    """What an outbox wakes before a sandbox is started."""


@define
class Outbox:
    """The webhooks of one site that wait; ``secrets`` holds user and password by endpoint, which no answer shows."""

    waiting: list[Outgoing] = field(factory=list)
    secrets: dict[str, tuple[str, str]] = field(factory=dict, repr=False)
    woken: Callable[[], None] = _nobody_waits

    def add(self, event_id: str, endpoints: list[JsonObject], now: float) -> None:
        """A new event is due at once at these endpoints."""
        self.waiting += [Outgoing(event_id, endpoint["id"], 0, now) for endpoint in endpoints]
        if endpoints:
            self.woken()

    def take(self, now: float) -> list[Outgoing]:
        """Take out what is due, in the order of the events."""
        due = [one for one in self.waiting if one.due <= now]
        self.waiting = [one for one in self.waiting if one.due > now]
        return due

    def put_back(self, outgoing: list[Outgoing]) -> None:
        """What was taken and not settled waits again."""
        self.waiting = outgoing + self.waiting

    def settle(self, store: Store, one: Outgoing, status: int | None, now: float) -> None:
        """Note how a delivery ended (an HTTP status, None for no answer), and let it wait again where it failed."""
        if status is not None and 200 <= status < 300:
            _note(store, one, "succeeded")
        elif one.attempts == len(RETRY_SECONDS):
            _note(store, one, "failed", "No response" if status is None else f"HTTP {status}")
        else:
            _note(store, one, "re_scheduled", "No response" if status is None else f"HTTP {status}")
            self.waiting.append(evolve(one, attempts=one.attempts + 1, due=now + RETRY_SECONDS[one.attempts]))


def endpoints(store: Store) -> list[JsonObject]:
    """All endpoints of a site, the oldest first."""
    return [decode_object(hit.body) for hit in store.select(_ALL, ())]


def addressed(store: Store, event_type: str) -> list[JsonObject]:
    """The endpoints that get an event of this type; ``enabled_events`` names none where all are wanted."""
    return [
        one
        for one in endpoints(store)
        if not one["disabled"] and (not one.get("enabled_events") or event_type in one["enabled_events"])
    ]


def statuses(found: list[JsonObject]) -> JsonObject:
    """What a new event says of its webhooks; its own ``webhook_status`` is that of the primary endpoint."""
    if not found:
        return {}
    webhooks = [{"id": one["id"], "webhook_status": "scheduled", "object": "webhook"} for one in found]
    own = "scheduled" if any(one["primary_url"] for one in found) else "not_configured"
    return {"webhook_status": own, "webhooks": webhooks}


def _note(store: Store, one: Outgoing, status: str, reason: str | None = None) -> None:
    event = store.get("event", one.event_id)
    if event is None:
        return
    for webhook in event.get("webhooks", ()):
        if webhook["id"] == one.endpoint_id:
            webhook["webhook_status"] = status
    endpoint = store.get("webhook_endpoint", one.endpoint_id)
    if endpoint is not None and endpoint["primary_url"]:
        event |= {"webhook_status": status, "webhook_failure_reason": reason}
    store.put("event", without_nulls(event))
