"""Receive Chargebee's webhooks: typed events, each handled once, none older than what was handled before.

Chargebee posts events as JSON under HTTP Basic authentication, up to 8 times over three days and seven hours until a
2xx; duplicates and disorder are normal (its documentation of webhooks). `WebhookReceiver` is a handler for
`aiohttp.web`; `receive()` is the same for any other framework; `parse` is only the reading.
"""

from __future__ import annotations

from ._credentials import Credentials
from ._event import MAX_BODY_BYTES, Content, Event, Resource, Versions, parse
from ._receiver import Delivery, Handle, WebhookReceiver
from ._store import KEEP_SECONDS, Claim, MemoryStore, SqliteStore, Store

__all__ = [
    "KEEP_SECONDS",
    "MAX_BODY_BYTES",
    "Claim",
    "Content",
    "Credentials",
    "Delivery",
    "Event",
    "Handle",
    "MemoryStore",
    "Resource",
    "SqliteStore",
    "Store",
    "Versions",
    "WebhookReceiver",
    "parse",
]
