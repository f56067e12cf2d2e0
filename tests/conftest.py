"""What all tests share."""

from __future__ import annotations

import pytest


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
    ):
        monkeypatch.delenv(name, raising=False)
