"""Clients that do not wait between attempts. Where nothing hangs, a slow machine must not look like a fault."""

from __future__ import annotations

import math
from typing import Any

import attrs

from aiochargebee_gw import Gateway, Limits, Retry, Settings, Timeouts

__all__ = ["SETTINGS", "client"]

SETTINGS = Settings(
    limits=Limits(account_per_second=math.inf, site_per_minute=math.inf),
    retry=Retry(attempts=2, base_seconds=0, throttled_base_seconds=0, deadline_seconds=60),
    timeouts=Timeouts(connect_seconds=20, read_seconds=20),
)


def client(url: str, **changes: Any) -> Gateway:
    """A client of the server at *url*; *changes* are of its settings."""
    return Gateway("sandbox_k", settings=attrs.evolve(SETTINGS, gateway_url=url, control_url=url, **changes))
