"""A sandbox whose events wait to be posted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aiochargebee_gw.sandbox import ManualClock, Sandbox

from .parts import Site


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A few customers, a clock that the test moves, and nothing posted before `deliver()`."""
    async with Sandbox(records=10, clock=ManualClock()) as sandbox:
        sandbox.webhooks.automatic = False
        async with Site.of(sandbox) as made:
            yield made
