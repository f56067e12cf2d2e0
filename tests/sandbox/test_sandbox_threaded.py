"""The sandbox in a thread, the pytest plugin, the clocks."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from aiochargebee_gw.sandbox import ManualClock, RecordedRequest, SystemClock, ThreadedSandbox

pytestmark = pytest.mark.anyio


def get(sandbox: ThreadedSandbox, path: str) -> Any:
    """A blocking GET."""
    request = urllib.request.Request(
        f"{sandbox.gateway_url}/chargebee/api/v2{path}", headers={"Authorization": f"Bearer {sandbox.api_key}"}
    )
    with urllib.request.urlopen(request) as response:
        return json.loads(response.read())


def test_threaded_sandbox() -> None:
    """Blocking code can use it from any thread, and it is stopped with its thread."""
    before = threading.active_count()
    sandbox = ThreadedSandbox(records=5)
    assert sandbox.count("customer") == 5
    with sandbox:
        assert sandbox.url == sandbox.control_url == sandbox.site_url
        with pytest.raises(RuntimeError, match="already running"):
            sandbox.start()
        made = sandbox.insert("customer", {"email": "t@example.com"})
        assert get(sandbox, f"/customers/{made['id']}")["customer"] == made
        sandbox.update("customer", made["id"], {"company": "X"})
        assert sandbox.get("customer", made["id"]) == get(sandbox, f"/customers/{made['id']}")["customer"]
        sandbox.delete("customer", made["id"])
        sandbox.faults.add("status", status=500)
        with pytest.raises(urllib.error.HTTPError):
            get(sandbox, "/customers")
        assert [one.status for one in sandbox.requests] == [200, 200, 500]
        sandbox.reset()
        assert sandbox.requests == []
        assert sandbox.connection_id
    assert threading.active_count() == before
    sandbox.stop()


def test_hook_runs_on_the_sandboxes_thread() -> None:
    """The hook may use the facade itself without waiting for its own thread."""
    with ThreadedSandbox(records=2) as sandbox:

        def rename(record: RecordedRequest) -> None:
            sandbox.update("customer", "cust_2", {"first_name": record.method})

        sandbox.on_request = rename
        assert sandbox.on_request is rename
        assert get(sandbox, "/customers/cust_2")["customer"]["first_name"] == "GET"


def test_failed_start_leaves_no_thread() -> None:
    """A port that is taken raises in the caller, and the thread ends."""
    before = threading.active_count()
    with ThreadedSandbox(records=0) as first:
        second = ThreadedSandbox(records=0, port=int(first.url.rsplit(":", 1)[1]))
        with pytest.raises(OSError, match="address already in use"):
            second.start()
    assert threading.active_count() == before


def test_threaded_gateway() -> None:
    """``gateway()`` is unopened: it runs on the loop of the one who uses it."""
    with ThreadedSandbox(records=2) as sandbox:
        gateway = sandbox.gateway()

        async def fetch() -> Any:
            async with gateway:
                return await gateway.call("GET", "/api/v2/customers/cust_1")

        assert asyncio.run(fetch())["customer"]["id"] == "cust_1"


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A Python of its own that sees this repository."""
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_plugin(tmp_path: Path) -> None:
    """The fixtures work in a plain test, take arguments from the marker, and start fresh each time."""
    test = """
import asyncio
import pytest

def test_default(chargebee_sandbox):
    assert chargebee_sandbox.count("customer") == 500
    chargebee_sandbox.delete("customer", "cust_1")

@pytest.mark.chargebee_sandbox(records=3, strict=True)
def test_marked(chargebee_sandbox, chargebee_gateway):
    assert chargebee_sandbox.count("customer") == 3
    async def use():
        async with chargebee_gateway as gateway:
            return await gateway.call("GET", "/api/v2/customers/cust_1")
    assert asyncio.run(use())["customer"]["id"] == "cust_1"
"""
    (tmp_path / "test_it.py").write_text(test)
    plugins = ("-p", "aiochargebee_gw.testing.plugin", "-p", "no:cacheprovider")
    done = run("-m", "pytest", "-q", "--strict-markers", *plugins, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_plugin_is_light(tmp_path: Path) -> None:
    """Loading the plugin imports neither aiohttp nor attrs nor msgspec: every pytest run pays for it."""
    code = (
        "import sys, pytest; before = set(sys.modules); import aiochargebee_gw.testing.plugin; "
        "heavy = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "sys.exit(repr(heavy & {'aiohttp', 'attr', 'attrs', 'msgspec', 'asyncio', 'sqlite3'}) if heavy & "
        "{'aiohttp', 'attr', 'attrs', 'msgspec', 'asyncio', 'sqlite3'} else 0)"
    )
    done = run("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


async def test_manual_clock() -> None:
    """Sleepers wake when the clock has reached their time, in any order, and not before."""
    clock = ManualClock(100.0)
    await clock.sleep(0)
    tasks = [asyncio.create_task(clock.sleep(seconds)) for seconds in (2, 1)]
    await asyncio.sleep(0)
    assert clock.sleeping == 2
    clock.advance(1)
    await tasks[1]
    assert (clock.now(), clock.sleeping, tasks[0].done()) == (101.0, 1, False)
    tasks[0].cancel()
    await asyncio.sleep(0)
    clock.advance(1)
    with pytest.raises(ValueError, match="only moves forward"):
        clock.advance(-1)


async def test_system_clock() -> None:
    """The machine's clock tells Unix seconds."""
    clock = SystemClock()
    await clock.sleep(0)
    assert clock.now() > 1_700_000_000
