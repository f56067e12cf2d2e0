"""The pytest fixtures in runs of their own: plain tests, anyio's and pytest-asyncio's, each with warnings as errors."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLAIN = """
import asyncio
import urllib.request

import pytest

SEEN = []

def test_a_plain_test_calls_with_any_client(chargebee_sandbox):
    request = urllib.request.Request(
        f"{chargebee_sandbox.gateway_url}/chargebee/api/v2/customers?limit=1",
        headers={"Authorization": f"Bearer {chargebee_sandbox.api_key}"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    assert chargebee_sandbox.requests.to("/customers")[0].params == {"limit": "1"}

@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_starts_fresh(chargebee_sandbox, turn):
    assert (chargebee_sandbox.count("customer"), len(chargebee_sandbox.requests)) == (500, 0)
    assert len(chargebee_sandbox.faults) == 0
    chargebee_sandbox.delete("customer", "cust_1")
    chargebee_sandbox.faults.add("drop", times=None)
    SEEN.append(chargebee_sandbox.url)

def test_a_gateway_runs_on_a_loop_of_the_tests_own(chargebee_gateway):
    async def use():
        async with chargebee_gateway as gw:
            return (await gw.customers.retrieve("cust_1")).customer.id
    assert asyncio.run(use()) == "cust_1"

@pytest.mark.chargebee_sandbox(records=3)
class TestMarked:
    def test_of_the_class(self, chargebee_sandbox):
        assert chargebee_sandbox.count("customer") == 3

    @pytest.mark.chargebee_sandbox(catalog="pc1")
    def test_and_its_own(self, chargebee_sandbox):
        assert (chargebee_sandbox.count("customer"), chargebee_sandbox.count("item")) == (3, 0)

def test_time_travels_without_await(chargebee_sandbox):
    chargebee_sandbox.seed(records=5)
    before = chargebee_sandbox.now()
    assert chargebee_sandbox.travel(days=40) - before >= 40 * 86_400
"""

AWAITING = """
import pytest

{module}

@{mark}
@pytest.mark.chargebee_sandbox(records=2)
async def test_the_gateway_is_awaited(chargebee_sandbox, chargebee_gateway):
    chargebee_sandbox.seed(customers=[{{"id": "ada"}}])
    async with chargebee_gateway as gw:
        assert (await gw.customers.retrieve("ada")).customer.id == "ada"
        assert len([one async for one in gw.customers.list()]) == 3
    assert len(chargebee_sandbox.requests.to("/customers*")) == 2

@pytest.fixture
async def gw(chargebee_gateway):
    async with chargebee_gateway as opened:
        yield opened

@{mark}
async def test_a_fixture_opens_it(gw, chargebee_sandbox):
    chargebee_sandbox.faults.add("status", status=503, path="/customers")
    assert (await gw.customers.list(limit=1)).records
    assert gw.stats.retries == 1
"""


def _run(tmp_path: Path, text: str, *plugins: str, options: tuple[str, ...] = ()) -> str:
    """What pytest says about a file with these plugins and no others."""
    (tmp_path / "test_it.py").write_text(text)
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": paths, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    named = [word for name in ("aiochargebee_gw.testing.plugin", "no:cacheprovider", *plugins) for word in ("-p", name)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "--strict-markers", *named, *options],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_plain_tests_use_the_fixtures(tmp_path: Path) -> None:
    """Blocking code, a loop of the test's own, markers on class and test, fresh data each time, time that travels."""
    assert "7 passed" in _run(tmp_path, PLAIN)


def test_anyio_tests_use_the_fixtures(tmp_path: Path) -> None:
    """Tests and fixtures of anyio's plugin await the gateway on their own loop."""
    backend = '@pytest.fixture\ndef anyio_backend():\n    return "asyncio"\n'
    text = AWAITING.format(module=backend, mark="pytest.mark.anyio")
    assert "2 passed" in _run(tmp_path, text, "anyio.pytest_plugin")


@pytest.mark.skipif(importlib.util.find_spec("pytest_asyncio") is None, reason="pytest-asyncio is not installed")
def test_pytest_asyncio_tests_use_the_fixtures(tmp_path: Path) -> None:
    """Tests and fixtures of pytest-asyncio do, in its strict mode; fixtures are marked as it wants."""
    text = AWAITING.format(module="import pytest_asyncio", mark="pytest.mark.asyncio")
    text = text.replace("@pytest.fixture\nasync", "@pytest_asyncio.fixture\nasync")
    assert "2 passed" in _run(
        tmp_path, text, "pytest_asyncio.plugin", options=("-o", "asyncio_default_fixture_loop_scope=function")
    )


def test_a_test_without_the_fixtures_pays_for_nothing(tmp_path: Path) -> None:
    """A run that loads the plugin and uses no fixture imports neither aiohttp nor the sandbox, nor opens a port."""
    text = """
import sys

def test_nothing_of_it_is_there():
    assert {"aiohttp", "msgspec", "attrs", "aiochargebee_gw.sandbox"} & set(sys.modules) == set()
"""
    assert "1 passed" in _run(tmp_path, text)
