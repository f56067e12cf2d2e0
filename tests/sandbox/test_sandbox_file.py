"""A sandbox with a file: what was answered is there after a restart, also after a kill."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aiochargebee_gw.sandbox import Sandbox, ThreadedSandbox

from .caller import Caller, Reply

pytestmark = pytest.mark.anyio


async def _post(sandbox: Sandbox, path: str, data: dict[str, str], **headers: str) -> Reply:
    async with aiohttp.ClientSession() as session:
        return await Caller(session, sandbox).post(path, data, **headers)


async def _counted(sandbox: Sandbox) -> int:
    """The customers that the console tells of, deleted ones among them."""
    async with aiohttp.ClientSession() as session, session.get(f"{sandbox.url}/_sandbox/state") as answer:
        return int((await answer.json(content_type=None))["objects"]["customer"])


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """Rows, the key, the connection, a second connection's site, a used idempotency key: all as before."""
    file, used = tmp_path / "site.db", {"chargebee-idempotency-key": "k"}
    async with Sandbox(records=3, file=file) as first:
        made = await _post(first, "/customers", {"first_name": "Ada"}, **used)
        first.insert("customer", {"id": "by-hand"})
        async with first.gateway() as gw:
            second = await gw.connections.create()
        whole = (first.api_key, first.connection_id, first.count("customer"), first.count("event"))
    async with Sandbox(records=99, file=str(file)) as again:
        assert (again.api_key, again.connection_id, again.count("customer"), again.count("event")) == whole
        assert again.get("customer", "by-hand") is not None
        replayed = await _post(again, "/customers", {"first_name": "Ada"}, **used)
        assert (replayed.body, replayed.headers["chargebee-idempotency-replayed"]) == (made.body, "true")
        async with again.gateway() as gw:
            assert (await gw.connections.get(second.connection_id)).status == "PENDING"


async def test_without_a_file_a_restart_forgets() -> None:
    """The naive way, beside it: a new sandbox with the same seed has the seeded rows alone."""
    async with Sandbox(records=1) as first:
        await _post(first, "/customers", {"id": "ada"})
    async with Sandbox(records=1) as again:
        assert again.get("customer", "ada") is None


async def test_the_site_of_another_connection_is_kept(tmp_path: Path) -> None:
    """A row that was made over a second connection is there after the restart, and there alone."""
    async with Sandbox(records=0, file=tmp_path / "site.db") as first, first.gateway() as gw:
        second = await gw.connections.create()
        async with aiohttp.ClientSession() as session:
            token = str(second.url).partition("session_token=")[2]
            await Caller(session, first).send("POST", "/connect", data={"session_token": token})
        await gw.using(second.connection_id).customers.create(id="there")
    async with Sandbox(file=tmp_path / "site.db") as again, again.gateway() as gw:
        assert (await gw.using(second.connection_id).customers.retrieve("there")).customer.id == "there"
        assert again.get("customer", "there") is None


async def test_ids_are_never_given_twice(tmp_path: Path) -> None:
    """Each opening goes on with ids of its own, so that nothing that was made before is in the way."""
    ids: list[str] = []
    for _ in range(3):
        async with Sandbox(records=0, file=tmp_path / "site.db") as sandbox:
            ids += [(await _post(sandbox, "/customers", {})).json["customer"]["id"] for _ in range(3)]
    assert len(set(ids)) == 9


async def test_a_stopped_sandbox_lets_go_and_can_be_read_and_started_again(tmp_path: Path) -> None:
    """While it runs no other sandbox gets the file; after the stop another does, and then the first one again."""
    sandbox = Sandbox(records=2, file=tmp_path / "site.db")
    with pytest.raises(ValueError, match="in use by another sandbox"):
        Sandbox(file=tmp_path / "site.db")
    async with sandbox:
        sandbox.insert("customer", {"id": "ada"})
    async with Sandbox(file=tmp_path / "site.db") as other:
        other.insert("customer", {"id": "bob"})
    assert sandbox.get("customer", "bob") is not None
    async with sandbox:
        assert sandbox.count("customer") == 4
    assert [path.name for path in tmp_path.iterdir()] == ["site.db"]


async def test_reset_restore_and_seed_reach_the_file(tmp_path: Path) -> None:
    """What they leave is what the next sandbox finds."""
    file = tmp_path / "site.db"
    async with Sandbox(records=2, file=file) as sandbox:
        sandbox.insert("customer", {"id": "ada"})
        assert await _counted(sandbox) == 4
        snapshot = sandbox.snapshot()
        sandbox.reset()
        assert await _counted(sandbox) == 3
        assert (sandbox.count("customer"), (await _post(sandbox, "/customers", {"id": "x"})).status) == (2, 200)
    async with Sandbox(records=2, file=file) as sandbox:
        assert (sandbox.count("customer"), sandbox.get("customer", "ada")) == (3, None)
        sandbox.restore(snapshot)
    async with Sandbox(records=2, file=file) as sandbox:
        assert sandbox.get("customer", "ada") is not None
        sandbox.seed(records=5)
    async with Sandbox(records=2, file=file) as sandbox:
        assert sandbox.count("customer") == 5


async def test_a_journey_is_kept(tmp_path: Path) -> None:
    """After the restart it is as much later as it was, and what happened on the way is there."""
    async with Sandbox(records=5, file=tmp_path / "site.db") as sandbox:
        now, invoices = sandbox.now(), sandbox.count("invoice")
        await sandbox.travel(days=40)
        later = sandbox.count("invoice")
    async with Sandbox(records=5, file=tmp_path / "site.db") as sandbox:
        assert sandbox.now() - now >= 40 * 86_400
        assert sandbox.count("invoice") == later > invoices


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE accounts (id)")
    db.close()


@pytest.mark.parametrize("content", ["text", "database", "directory"])
async def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    """A text, another program's database and a directory: a clear error, and not a byte of them is changed."""
    path = tmp_path / "mine"
    if content == "directory":
        path.mkdir()
        with pytest.raises(OSError, match="mine: unable to open"):
            Sandbox(records=0, file=path)
        return
    path.write_text("dear diary") if content == "text" else _foreign(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="was not made by a sandbox"):
        Sandbox(records=0, file=path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("options", [{"seed": 8}, {"catalog": "both"}])
async def test_another_seed_or_catalogue_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    """The key comes from the seed and the rules from the catalogue: both must be those of the file."""
    async with Sandbox(records=0, file=tmp_path / "site.db"):
        pass
    with pytest.raises(ValueError, match=r"was made with seed=7, catalog='pc2'"):
        Sandbox(records=0, file=tmp_path / "site.db", **options)


def test_the_thread_of_a_threaded_sandbox_may_use_the_file(tmp_path: Path) -> None:
    """The file is opened in one thread and used in another."""
    for expected in (1, 2):
        with ThreadedSandbox(records=0, file=tmp_path / "site.db") as sandbox:
            sandbox.insert("customer", {})
            assert sandbox.count("customer") == expected


def _create(place: dict[str, str], number: int) -> None:
    request = urllib.request.Request(
        f"{place['gateway_url']}/chargebee/api/v2/customers",
        data=urllib.parse.urlencode({"id": f"c{number}"}).encode(),
        headers={"Authorization": f"Bearer {place['api_key']}", "Content-Type": "application/x-www-form-urlencoded"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_process_leaves_all_that_it_answered(tmp_path: Path) -> None:
    """Three times SIGKILL in the middle of writes: each customer that was answered is there, each with its event."""
    file = tmp_path / "site.db"
    for run in range(3):
        command = [sys.executable, "-m", "aiochargebee_gw", "sandbox", "--records", "0", "--file", str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ}) as process:
            assert process.stdout is not None
            place = json.loads(process.stdout.readline())
            for number in range(20):
                _create(place, run * 20 + number)
            process.kill()
        assert process.returncode == -signal.SIGKILL
    sandbox = Sandbox(records=0, file=file)
    assert all(sandbox.get("customer", f"c{number}") for number in range(60))
    assert (sandbox.count("customer"), sandbox.count("event")) == (60, 60)
    sandbox.close()
