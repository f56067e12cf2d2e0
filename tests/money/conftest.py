"""Clients of the billing server of these tests."""

from __future__ import annotations

import math
from typing import Any, Literal

from aiochargebee_gw import Gateway, Limits, Retry, Settings, Timeouts

FAST = Limits(account_per_second=math.inf, site_per_minute=math.inf, concurrency=50)
# No pauses, and no budget: here every fault is to be met.
EAGER = Retry(attempts=6, base_seconds=0, throttled_base_seconds=0, budget=100, budget_tokens=1e6, deadline_seconds=120)


def client(
    url: str,
    *,
    idempotency: Literal["auto", "verified"] = "auto",
    retry: Retry = EAGER,
    seconds: float = 10.0,
    **more: Any,
) -> Gateway:
    """A gateway client of the server at *url*, without limits; *seconds* are for one attempt."""
    settings = Settings(
        gateway_url=url,
        control_url=url,
        limits=FAST,
        retry=retry,
        timeouts=Timeouts(read_seconds=seconds),
        idempotency=idempotency,
    )
    return Gateway("sandbox_money", settings=settings, **more)
