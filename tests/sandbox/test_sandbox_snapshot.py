"""Snapshots: the whole state as bytes, and back to it; rows of the test's own; what the requests say."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from aiochargebee_gw.sandbox import ManualClock, Sandbox, ThreadedSandbox

from .caller import Caller

pytestmark = pytest.mark.anyio


@pytest.fixture
def options() -> dict[str, object]:
    """Few rows."""
    return {"records": 5, "catalog": "pc2"}


async def _everything(call: Caller) -> dict[str, list[Any]]:
    return {path: await call.rows(path) for path in ("/customers", "/subscriptions", "/invoices", "/events")}


async def test_a_restored_sandbox_answers_as_it_did(sandbox: Sandbox, call: Caller) -> None:
    """Rows that were added, changed and deleted since are as they were, in every list; the same ids are given again."""
    before, snapshot = await _everything(call), sandbox.snapshot()
    made = []
    for _ in range(2):
        made.append((await call.post("/customers", {"first_name": "Ada"})).json["customer"]["id"])
        await call.post("/customers/cust_1", {"first_name": "Changed"})
        sandbox.delete("customer", "cust_2")
        assert await _everything(call) != before
        sandbox.restore(snapshot)
        assert await _everything(call) == before
    assert made[0] == made[1]


async def test_a_reset_alone_does_not_bring_the_arranged_state_back(sandbox: Sandbox) -> None:
    """The naive way: ``reset()`` forgets what the test had arranged; ``restore()`` does not."""
    sandbox.insert("customer", {"id": "arranged"})
    snapshot = sandbox.snapshot()
    sandbox.reset()
    assert sandbox.get("customer", "arranged") is None
    sandbox.restore(snapshot)
    assert sandbox.get("customer", "arranged") is not None


async def test_connections_and_their_sites_come_back(sandbox: Sandbox, call: Caller) -> None:
    """A second connection, its authorization and the rows of its own site are in the snapshot; the key stays."""
    key = sandbox.api_key
    reply = await call.send("POST", "/connections", data=json.dumps({"app": "chargebee"}).encode())
    second = reply.json["connection"]
    token = second["url"].partition("session_token=")[2]
    await call.send("POST", "/connect", data={"session_token": token})
    there = {"Maton-Connection": second["connection_id"]}
    await call.post("/customers", {"id": "over-there"}, **there)
    snapshot = sandbox.snapshot()
    sandbox.reset()
    assert (await call.get("/customers/over-there", **there)).status == 404
    sandbox.restore(snapshot)
    assert sandbox.api_key == key
    assert (await call.get("/customers/over-there", **there)).status == 200
    assert (await call.get("/customers/over-there")).status == 404


async def test_a_key_that_was_used_is_still_used(sandbox: Sandbox, call: Caller) -> None:
    """A write from before the snapshot is replayed after it, byte for byte, and one from after it is new again."""
    old, new = ({"chargebee-idempotency-key": name} for name in ("old\u00e9".encode().decode("latin-1"), "new"))
    first = await call.post("/customers", {"first_name": "A"}, **old)
    snapshot = sandbox.snapshot()
    await call.post("/customers", {"first_name": "B"}, **new)
    sandbox.restore(snapshot)
    again = await call.post("/customers", {"first_name": "A"}, **old)
    assert (again.body, again.headers["chargebee-idempotency-replayed"]) == (first.body, "true")
    other = await call.post("/customers", {"first_name": "C"}, **new)
    assert (other.status, "chargebee-idempotency-replayed" in other.headers) == (200, False)


async def test_webhooks_that_wait_come_back(sandbox: Sandbox, call: Caller) -> None:
    """What was not posted when the snapshot was taken waits again, with the endpoint's password."""
    sandbox.webhooks.automatic = False
    endpoint = {"name": "n", "url": "http://127.0.0.1:9/hook", "basic_auth_username": "u", "basic_auth_password": "p"}
    assert (await call.post("/webhook_endpoints", endpoint)).status == 200
    await call.post("/customers", {"first_name": "A"})
    waiting, snapshot = sandbox.webhooks.waiting, sandbox.snapshot()
    assert waiting
    sandbox.reset()
    assert sandbox.webhooks.waiting == []
    sandbox.restore(snapshot)
    assert sandbox.webhooks.waiting == waiting


async def test_restoring_clears_requests_and_faults(sandbox: Sandbox, call: Caller) -> None:
    """They belong to a test, not to the state."""
    snapshot = sandbox.snapshot()
    sandbox.faults.add("drop", times=None)
    with pytest.raises(Exception, match=r"."):
        await call.get("/customers")
    sandbox.restore(snapshot)
    assert (len(sandbox.requests), len(sandbox.faults)) == (0, 0)
    assert (await call.get("/customers")).status == 200


def _without_state() -> bytes:
    with sqlite3.connect(":memory:") as db:
        db.execute("PRAGMA application_id = 1128423239")
        db.execute("PRAGMA user_version = 1")
    image = db.serialize()
    db.close()
    return image


@pytest.mark.parametrize("wrong", [b"", b"no database", b"SQLite format 3\0" + bytes(4096), _without_state()])
async def test_bytes_that_are_no_snapshot_change_nothing(sandbox: Sandbox, wrong: bytes) -> None:
    """They are refused with a ``ValueError``, and the rows stay."""
    sandbox.insert("customer", {"id": "kept"})
    with pytest.raises(ValueError, match="not made by a sandbox"):
        sandbox.restore(wrong)
    assert sandbox.get("customer", "kept") is not None


@pytest.mark.parametrize("options", [{"seed": 8}, {"catalog": "pc1"}])
async def test_the_snapshot_of_another_sandbox_is_refused(options: dict[str, Any]) -> None:
    """Another seed means another key, another catalogue other rules: both are named."""
    with pytest.raises(ValueError, match=r"was made with seed=7, catalog='pc2'"):
        Sandbox(records=0, **options).restore(Sandbox(records=0).snapshot())


async def test_a_snapshot_does_not_move_a_clock_of_the_tests_own() -> None:
    """A ``ManualClock`` only goes forward, by the test's hand."""
    clock = ManualClock()
    sandbox = Sandbox(records=0, clock=clock)
    snapshot = sandbox.snapshot()
    clock.advance(60)
    now = clock.now()
    sandbox.restore(snapshot)
    assert sandbox.now() == now


async def test_a_snapshot_that_is_cut_short_changes_nothing(sandbox: Sandbox) -> None:
    """Its first pages would do to read the state from: it is refused before anything is let go."""
    snapshot = sandbox.snapshot()
    for cut in (snapshot[:-4096], snapshot + bytes(4096), snapshot[:100]):
        with pytest.raises(ValueError, match="not whole"):
            sandbox.restore(cut)
    assert sandbox.count("customer") == 5


async def test_time_comes_back_with_a_snapshot(sandbox: Sandbox) -> None:
    """A sandbox that has travelled is again where it was, and the renewals of the way are undone."""
    snapshot, now, invoices = sandbox.snapshot(), sandbox.now(), sandbox.count("invoice")
    await sandbox.travel(days=40)
    later = sandbox.snapshot()
    assert sandbox.count("invoice") > invoices
    sandbox.restore(snapshot)
    assert (sandbox.count("invoice"), abs(sandbox.now() - now) < 3600) == (invoices, True)
    sandbox.restore(later)
    assert sandbox.count("invoice") > invoices
    assert sandbox.now() - now >= 40 * 86_400
    sandbox.reset()
    assert abs(sandbox.now() - now) < 3600


async def test_a_snapshot_on_disk_is_a_sandboxes_file(tmp_path: Path, sandbox: Sandbox) -> None:
    """The bytes, written to a file, are what ``file=`` opens."""
    sandbox.insert("customer", {"id": "ada"})
    (tmp_path / "site.db").write_bytes(sandbox.snapshot())
    async with Sandbox(file=tmp_path / "site.db") as other:
        assert other.get("customer", "ada") == sandbox.get("customer", "ada")
        assert (other.api_key, other.connection_id) == (sandbox.api_key, sandbox.connection_id)


async def test_rows_of_the_tests_own() -> None:
    """``seed`` adds rows under plural names, owners first whatever the order; ``records=0`` leaves the catalogue."""
    sandbox = Sandbox(records=3)
    assert sandbox.seed() == {}
    prices = sandbox.count("item_price")
    made = sandbox.seed(records=0, subscriptions=[{"id": "s1", "customer_id": "ada"}], customers=[{"id": "ada"}])
    assert [one["id"] for one in made["customers"] + made["subscriptions"]] == ["ada", "s1"]
    assert (sandbox.count("customer"), sandbox.count("subscription"), sandbox.count("item_price")) == (1, 1, prices)
    sandbox.seed(records=7)
    assert sandbox.count("customer") == 7
    sandbox.reset()
    assert sandbox.count("customer") == 3


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"customer": []}, "keeps no 'customer'"),
        ({"records": -1}, "must not be negative"),
        ({"customers": [{"id": "a"}, {"id": "cust_1"}]}, "already a customer 'cust_1'"),
        ({"customers": [{"id": "a"}], "subscriptions": [{"id": "s"}]}, "needs a customer_id"),
    ],
)
async def test_rows_that_cannot_be_added_add_nothing(rows: dict[str, Any], told: str) -> None:
    """All or nothing, with the reason."""
    sandbox = Sandbox(records=2)
    before = sandbox.count("customer")
    with pytest.raises(ValueError, match=told):
        sandbox.seed(**rows)
    assert sandbox.count("customer") == before


async def test_requests_can_be_asked_for_by_where_they_went(sandbox: Sandbox, call: Caller) -> None:
    """``requests.to`` takes a prefix or glob and a method as a fault does; query and form are decoded."""
    await call.get("/customers", {"limit": "2", "email[is]": "a b@example.com"})
    await call.post("/customers", {"first_name": "\u00c5da"})
    await call.post("/customers/cust_1", {"first_name": "Bob"})
    await call.send("POST", "/connections", data=b'{"app": "chargebee"}')
    sent = sandbox.requests
    assert sent.to("/customers")[0].params == {"limit": "2", "email[is]": "a b@example.com"}
    assert [one.form for one in sent.to("/customers*", method="post")] == [
        {"first_name": "\u00c5da"},
        {"first_name": "Bob"},
    ]
    assert len(sent.to("/customers/?*")) == 1
    assert sent.to("/connections")[0].form == {}
    assert len(sent.to()) == 4


async def _ask(sandbox: Sandbox, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"}
    async with (
        ClientSession() as session,
        session.request(method, f"{sandbox.url}/_sandbox/{path}", data=json.dumps(body), headers=headers) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def test_suites_in_other_languages_seed_and_restore_over_http(sandbox: Sandbox) -> None:
    """``/_sandbox/seed`` adds rows, ``snapshot`` keeps the state under a name, ``restore`` brings it back."""
    status, made = await _ask(sandbox, "POST", "seed", {"records": 0, "customers": [{"id": "ada"}]})
    assert (status, [one["id"] for one in made["customers"]]) == (200, ["ada"])
    assert (await _ask(sandbox, "POST", "snapshot", {"name": "arranged"}))[0] == 200
    await _ask(sandbox, "POST", "reset", {})
    assert sandbox.get("customer", "ada") is None
    assert (await _ask(sandbox, "GET", "state"))[1]["snapshots"] == ["arranged"]
    assert (await _ask(sandbox, "POST", "restore", {"name": "arranged"}))[0] == 200
    assert sandbox.get("customer", "ada") is not None


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("restore", {"name": "none"}, 404),
        ("snapshot", {"name": 1}, 400),
        ("seed", {"records": "1"}, 400),
        ("seed", {"customers": [1]}, 400),
        ("seed", {"nonsense": []}, 400),
    ],
)
async def test_what_cannot_be_held_is_told(sandbox: Sandbox, path: str, body: Any, status: int) -> None:
    """4xx with a reason."""
    found, told = await _ask(sandbox, "POST", path, body)
    assert (found, bool(told["error"])) == (status, True)


async def test_no_more_snapshots_than_memory_is_meant_for(sandbox: Sandbox) -> None:
    """The twenty-first name is refused; a known name is written over."""
    for number in range(20):
        assert (await _ask(sandbox, "POST", "snapshot", {"name": str(number)}))[0] == 200
    assert (await _ask(sandbox, "POST", "snapshot", {"name": "more"}))[0] == 409
    assert (await _ask(sandbox, "POST", "snapshot", {"name": "7"}))[0] == 200


async def test_the_bytes_can_be_fetched(sandbox: Sandbox) -> None:
    """GET /_sandbox/snapshot is a file that another sandbox opens."""
    sandbox.insert("customer", {"id": "ada"})
    async with ClientSession() as session, session.get(f"{sandbox.url}/_sandbox/snapshot") as answer:
        image = await answer.read()
    sandbox.reset()
    sandbox.restore(image)
    assert sandbox.get("customer", "ada") is not None


def test_blocking_code_has_all_of_it() -> None:
    """The threaded sandbox seeds, takes and restores snapshots, and filters its requests."""
    with ThreadedSandbox(records=0) as sandbox:
        sandbox.seed(customers=[{"id": "ada"}])
        snapshot = sandbox.snapshot()
        sandbox.delete("customer", "ada")
        sandbox.restore(snapshot)
        assert sandbox.count("customer") == 1
        assert sandbox.requests.to("/customers") == []
        assert sandbox.webhooks.waiting == []
        assert sandbox.console_url == f"{sandbox.url}/_sandbox"
