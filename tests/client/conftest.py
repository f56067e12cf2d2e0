"""A sandbox and a client of it, and a raw server that says exactly what a test wants."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import pytest

from aiochargebee_gw import Gateway, Limits, Retry, Settings
from aiochargebee_gw.sandbox import Sandbox

FAST = Limits(account_per_second=math.inf, site_per_minute=math.inf)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Both product catalogues, 250 customers: three pages of them."""
    async with Sandbox(records=250, seed=7, catalog="both") as running:
        yield running


@pytest.fixture
async def gw(sandbox: Sandbox) -> AsyncIterator[Gateway]:
    """A client without limits and without pauses between attempts."""
    async with sandbox.gateway(settings=Settings(limits=FAST, retry=Retry(base_seconds=0))) as client:
        yield client
