"""A client of a raw server, without limits and pauses, whose events are kept."""

from __future__ import annotations

import math
from typing import Any

import attrs

from aiochargebee_gw import Gateway, Limits, Retry, Settings
from aiochargebee_gw.observe import Event, Observer

FAST = Limits(account_per_second=math.inf, site_per_minute=math.inf)
QUICK = Retry(base_seconds=0, throttled_base_seconds=0)


def settings(url: str, **changes: Any) -> Settings:
    """Settings for a server at *url*."""
    made = Settings(gateway_url=url, control_url=url, limits=FAST, retry=QUICK)
    return attrs.evolve(made, **changes)


def client(url: str, *observers: Observer, **changes: Any) -> Gateway:
    """A client of a server at *url*."""
    return Gateway("sandbox_k", settings=settings(url, **changes), observers=observers)


def by_call(events: list[Event]) -> dict[int, list[Event]]:
    """Events by the number of their call."""
    found: dict[int, list[Event]] = {}
    for event in events:
        found.setdefault(event.call, []).append(event)
    return found
