"""A sandbox on a real socket, and a caller for its doors."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from aiochargebee_gw.sandbox import Sandbox

from .books import Books
from .caller import Caller


@pytest.fixture
def anyio_backend() -> str:
    """aiohttp runs on asyncio."""
    return "asyncio"


@pytest.fixture
def options() -> dict[str, object]:
    """Arguments of the sandbox; a module or test overrides them with ``parametrize``."""
    return {}


@pytest.fixture
async def sandbox(anyio_backend: str, options: dict[str, object]) -> AsyncIterator[Sandbox]:
    """A small running sandbox with both Product Catalogs."""
    async with Sandbox(**{"records": 60, "catalog": "both", **options}) as running:  # type: ignore[arg-type]
        yield running


@pytest.fixture
async def call(anyio_backend: str, sandbox: Sandbox) -> AsyncIterator[Caller]:
    """Calls at the gateway door unless told otherwise."""
    async with aiohttp.ClientSession() as session:
        yield Caller(session, sandbox)


@pytest.fixture
def books() -> Books:
    """A site in process without customers but for Ada, who has a card that can be charged."""
    made = Books()
    made.customer()
    made.fresh()
    return made
