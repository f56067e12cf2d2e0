"""What all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# A machine that is busy makes no example slow; and what decides whether work lands must decide the same way twice.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture
def anyio_backend() -> str:
    """aiohttp runs on asyncio, and so do these tests."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key or a URL of the person who runs the tests must not reach them."""
    for name in (
        "MATON_API_KEY",
        "MATON_CONNECTION",
        "AIOCHARGEBEE_GW_GATEWAY_URL",
        "AIOCHARGEBEE_GW_CONTROL_URL",
        "AIOCHARGEBEE_GW_IDEMPOTENCY",
    ):
        monkeypatch.delenv(name, raising=False)
