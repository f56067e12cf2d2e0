"""Starting, stopping, resetting, and the direct way to the rows."""

from __future__ import annotations

import socket
from typing import Any

import aiohttp
import pytest

from aiochargebee_gw.sandbox import ManualClock, Sandbox

from .caller import Caller

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "0.0.0.0"},
        {"host": "example.com"},
        {"records": -1},
        {"port": 70_000},
        {"latency": -1.0},
        {"latency": float("nan")},
        {"catalog": "pc3"},
        {"rate": 0},
        {"site_rate": 0},
    ],
)
def test_bad_arguments(wrong: dict[str, Any]) -> None:
    """Arguments that mean nothing are refused at once; only loopback is listened on."""
    with pytest.raises(ValueError, match=next(iter(wrong)).replace("host", "loopback")):
        Sandbox(**wrong)


async def test_url_needs_a_start() -> None:
    """There is no URL before the start nor after the end, and starting twice is an error."""
    sandbox = Sandbox(records=0)
    with pytest.raises(RuntimeError, match="before it is started"):
        _ = sandbox.url
    async with sandbox:
        assert sandbox.url == sandbox.gateway_url == sandbox.control_url == sandbox.site_url
        with pytest.raises(RuntimeError, match="already running"):
            await sandbox.start()
    await sandbox.stop()
    with pytest.raises(RuntimeError, match="before it is started"):
        _ = sandbox.url


async def test_busy_port() -> None:
    """A port that is taken is an OSError, and the sandbox can be started elsewhere afterwards."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        sandbox = Sandbox(records=0, port=taken.getsockname()[1])
        with pytest.raises(OSError, match="address already in use"):
            await sandbox.start()


async def test_ipv6_loopback() -> None:
    """On ``::1`` the URL and the Host header carry brackets."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    sandbox = Sandbox(records=0, host="::1")
    try:
        await sandbox.start()
    except OSError:
        pytest.skip("no IPv6 loopback here")
    try:
        assert sandbox.url.startswith("http://[::1]:")
        async with aiohttp.ClientSession() as session:
            assert (await Caller(session, sandbox).get("/customers")).json == {"list": []}
    finally:
        await sandbox.stop()


async def test_restart_keeps_the_data() -> None:
    """Stopping closes the socket, not the site; ``reset`` brings the seeded state back."""
    sandbox = Sandbox(records=5)
    async with sandbox:
        sandbox.delete("customer", "cust_1")
    async with sandbox, aiohttp.ClientSession() as session:
        assert sandbox.count("customer") == 4
        call = Caller(session, sandbox)
        await call.get("/customers")
        sandbox.faults.add("drop")
        key, connection = sandbox.api_key, sandbox.connection_id
        sandbox.reset()
        assert (sandbox.count("customer"), sandbox.requests, len(sandbox.faults)) == (5, [], 0)
        assert (sandbox.api_key, sandbox.connection_id) == (key, connection)
        assert (await call.get("/customers/cust_1")).status == 200


async def test_two_sandboxes_are_apart(sandbox: Sandbox) -> None:
    """The same seed gives the same key and data, but what changes in one stays there."""
    other = Sandbox(records=60, catalog="both")
    assert (other.api_key, other.connection_id) == (sandbox.api_key, sandbox.connection_id)
    assert other.get("customer", "cust_5") == sandbox.get("customer", "cust_5")
    sandbox.update("customer", "cust_5", {"company": "Changed"})
    assert other.get("customer", "cust_5") != sandbox.get("customer", "cust_5")
    assert Sandbox(seed=8).api_key != other.api_key


def test_insert_stamps_as_the_api_does() -> None:
    """A new row gets an id, defaults, times and a version in milliseconds; None leaves an attribute out."""
    sandbox = Sandbox(records=0, clock=ManualClock(1_767_225_600.25))
    made = sandbox.insert("customer", {"email": "x@example.com"})
    assert made["created_at"] == made["updated_at"] == 1_767_225_600
    assert made["resource_version"] == 1_767_225_600_250
    assert made["object"] == "customer"
    assert sandbox.get("customer", made["id"]) == made
    old = sandbox.insert("customer", {"id": "old", "created_at": 1_500_000_000, "updated_at": None})
    assert (old["created_at"], "updated_at" in old) == (1_500_000_000, False)
    assert sandbox.insert("item", {"id": "thing"})["name"] == "thing"
    assert sandbox.insert("transaction", {})["status"] == "success"


def test_insert_refusals() -> None:
    """An unknown kind, a taken id and a missing owner are clear errors."""
    sandbox = Sandbox(records=1)
    with pytest.raises(ValueError, match="keeps no 'wombat'; it keeps addon, card, coupon"):
        sandbox.insert("wombat", {})
    with pytest.raises(ValueError, match="already a customer 'cust_1'"):
        sandbox.insert("customer", {"id": "cust_1"})
    with pytest.raises(ValueError, match="a subscription needs a customer_id"):
        sandbox.insert("subscription", {})


def test_update_stamps_a_new_version() -> None:
    """Two updates in one millisecond still give rising versions; None clears; a given time wins."""
    sandbox = Sandbox(records=1, clock=ManualClock())
    first = sandbox.update("customer", "cust_1", {"company": "A"})
    second = sandbox.update("customer", "cust_1", {"company": None})
    assert second["resource_version"] > first["resource_version"]
    assert second["updated_at"] == 1_767_225_600
    assert "company" not in second
    assert sandbox.update("customer", "cust_1", {"updated_at": 5})["updated_at"] == 5
    assert "updated_at" not in sandbox.update("customer", "cust_1", {"updated_at": None})
    with pytest.raises(KeyError, match="there is no customer 'nope'"):
        sandbox.update("customer", "nope", {})


def test_delete_and_count() -> None:
    """Deleting marks a row where the resource can say so, else takes it out; counts know the difference."""
    sandbox = Sandbox(records=3, catalog="both")
    sandbox.delete("customer", "cust_1")
    kept = sandbox.get("customer", "cust_1")
    assert kept is not None
    assert kept["deleted"] is True
    assert (sandbox.count("customer"), sandbox.count("customer", include_deleted=True)) == (2, 4)
    sandbox.delete("event", "ev_1")
    assert sandbox.get("event", "ev_1") is None
    plans = sandbox.count("plan")
    sandbox.delete("plan", "basic-usd-monthly")
    assert sandbox.count("plan") == plans - 1
    with pytest.raises(KeyError):
        sandbox.delete("event", "ev_1")


async def test_gateway_is_pointed_here(sandbox: Sandbox) -> None:
    """``gateway()`` gives an unopened Gateway with the sandbox's key and URLs, other settings kept."""
    from aiochargebee_gw import Gateway, Settings

    async with sandbox.gateway(settings=Settings(max_response_bytes=1_000_000)) as gateway:
        assert isinstance(gateway, Gateway)
        made = await gateway.call("GET", "/api/v2/customers/cust_1")
        assert made["customer"]["email"] == "john@example.com"
    assert sandbox.requests[0].door == "gateway"
