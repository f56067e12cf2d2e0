"""Maton's control plane."""

from __future__ import annotations

import re

import aiohttp
import pytest
from yarl import URL

from aiochargebee_gw import ConnectionStatus, DeadlineExceeded, Gateway, RequestError, Retry, errors
from aiochargebee_gw.sandbox import Sandbox

from ..unit.clock import FakeClock

pytestmark = pytest.mark.anyio


async def test_a_connection_from_its_making_to_its_end(gw: Gateway, sandbox: Sandbox) -> None:
    """create is PENDING with a URL for a person; once authorized it is ACTIVE and usable; delete ends it."""
    (first,) = await gw.connections.list()
    assert first.connection_id == sandbox.connection_id
    assert first.creation_time is not None
    assert first.creation_time.tzinfo is not None
    made = await gw.connections.create()
    assert made.status is ConnectionStatus.PENDING
    assert made.url is not None
    assert made.url not in repr(made)
    with pytest.raises(errors.MatonError):
        await gw.using(made.connection_id).customers.list()
    assert [one.connection_id for one in await gw.connections.list(status="PENDING")] == [made.connection_id]
    await _authorize(made.url)
    active = await gw.connections.wait_until_active(made.connection_id, timeout=5)
    assert active.status is ConnectionStatus.ACTIVE
    assert await gw.using(made.connection_id).customers.list().collect() == []
    await gw.connections.delete(made.connection_id)
    with pytest.raises(errors.MatonError):
        await gw.connections.get(made.connection_id)


async def _authorize(url: str) -> None:
    """What a person does: open the page, press the one button, which sends the form's hidden fields."""
    async with aiohttp.ClientSession() as browser:
        page = await (await browser.get(url)).text()
        action = re.findall(r'<form[^>]*action="([^"]*)"', page)
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page))
        answered = await browser.post(URL(url).join(URL(action[0])) if action else url, data=hidden)
        assert answered.status < 400


async def test_waiting_ends(gw: Gateway) -> None:
    """A connection that nobody authorizes ends the wait with DeadlineExceeded."""
    made = await gw.connections.create()
    with pytest.raises(DeadlineExceeded):
        await gw.connections.wait_until_active(made.connection_id, timeout=0.01)


async def test_waiting_outlasts_a_slow_control_plane(sandbox: Sandbox) -> None:
    """Calls that time out while waiting are asked again until the whole time is spent."""
    sandbox.faults.add("hang", times=2)
    clock = FakeClock()
    async with sandbox.gateway(clock=clock) as gw:
        slow = gw.with_options(timeout=0.05, retry=Retry.none())
        found = await slow.connections.wait_until_active(sandbox.connection_id, timeout=30)
        assert found.status is ConnectionStatus.ACTIVE
        assert clock.slept == [2.0, 2.0]
        sandbox.faults.add("hang", times=None)
        with pytest.raises(DeadlineExceeded, match="not known after 30 seconds") as caught:
            await slow.connections.wait_until_active(sandbox.connection_id, timeout=30)
        assert isinstance(caught.value.__cause__, errors.RequestTimeout)


async def test_bad_arguments_are_refused(gw: Gateway, sandbox: Sandbox) -> None:
    """A malformed id, an unknown status or a senseless timeout never leaves this machine."""
    for call in (
        gw.connections.get("../x"),
        gw.connections.delete(""),
        gw.connections.list(status="LOST"),
        gw.connections.wait_until_active(sandbox.connection_id, timeout=0),
    ):
        with pytest.raises(RequestError):
            await call
    assert sandbox.requests == []


async def test_a_failed_authorization_is_told(gw: Gateway, sandbox: Sandbox) -> None:
    """FAILED ends the wait at once."""
    body = {"connection": {"connection_id": "c", "status": "FAILED"}}
    sandbox.faults.add("status", status=200, body=body)
    with pytest.raises(RequestError, match="failed"):
        await gw.connections.wait_until_active(sandbox.connection_id)


async def test_a_new_status_survives(gw: Gateway, sandbox: Sandbox) -> None:
    """A status that this release does not know is kept, and says so."""
    body = {"connection": {"connection_id": "c", "status": "RESTING", "more": 1}}
    sandbox.faults.add("status", status=200, body=body)
    found = await gw.connections.get("c")
    assert found.status == "RESTING"
    assert not found.status.known


async def test_the_control_plane_gets_no_connection_header(gw: Gateway, sandbox: Sandbox) -> None:
    """Maton-Connection is for the gateway alone."""
    await gw.using(sandbox.connection_id).connections.list()
    assert "maton-connection" not in {name.lower() for name in sandbox.requests[-1].headers}
