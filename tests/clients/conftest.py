"""A sandbox in a process of its own, for clients that know nothing of this package."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import frozen

from aiochargebee_gw.sandbox import Sandbox

RECORDS = 130


@frozen
class Served:
    """A running sandbox: where it listens, its key, and a twin with the same seed to count and look at."""

    host: str
    port: int
    api_key: str
    twin: Sandbox

    @property
    def url(self) -> str:
        """What comes before ``/api/v2``."""
        return f"http://{self.host}:{self.port}"

    def rows(self, kind: str, *, deleted: bool = False) -> list[dict[str, Any]]:
        """The seeded rows of a kind, read without any list call."""
        store = self.twin._site().desk.store
        found = [json.loads(hit.body) for hit in store.newest(kind, before=None, many=100_000)]
        return [row for row in found if deleted or not row.get("deleted")]


def serve(catalog: str) -> Iterator[Served]:
    """Start the command, read its first line, stop it at the end."""
    options = ["--port", "0", "--records", str(RECORDS), "--seed", "7", "--catalog", catalog]
    command = [sys.executable, "-m", "aiochargebee_gw", "sandbox", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            host, _, port = told["site_url"].removeprefix("http://").partition(":")
            yield Served(host, int(port), told["api_key"], Sandbox(records=RECORDS, seed=7, catalog=catalog))
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def served() -> Iterator[Served]:
    """A fresh sandbox with Product Catalog 2.0."""
    yield from serve("pc2")


@pytest.fixture(scope="module")
def both() -> Iterator[Served]:
    """A sandbox with both Product Catalogs that no test of a module writes to."""
    yield from serve("both")
