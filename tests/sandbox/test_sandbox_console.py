"""The console's JSON: the test's hands on a sandbox, from any language, and closed to other sites' pages."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from aiohttp import ClientSession

from aiochargebee_gw import Limits, Retry, Settings, errors
from aiochargebee_gw.sandbox import Sandbox

pytestmark = pytest.mark.anyio


async def _ask(sandbox: Sandbox, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    sent = {"Content-Type": "application/json", **headers}
    data = None if body is None else json.dumps(body)
    async with (
        ClientSession() as session,
        session.request(method, f"{sandbox.url}/_sandbox/{path}", data=data, headers=sent) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def test_faults_are_added_listed_struck_and_removed_over_http() -> None:
    """A suite in another language adds a fault, the client meets it, the fault says that it struck, and goes."""
    async with Sandbox(records=3) as sandbox:
        sent = {"kind": "status", "status": 503, "path": "/customers", "times": None}
        status, made = await _ask(sandbox, "POST", "faults", sent)
        assert (status, made["fired"]) == (200, 0)
        async with sandbox.gateway() as gw:
            with pytest.raises(errors.ServiceUnavailable):
                await gw.with_options(retry=Retry.none()).customers.list()
            _, listed = await _ask(sandbox, "GET", "faults")
            assert [(one["number"], one["fired"]) for one in listed["faults"]] == [(made["number"], 1)]
            assert (await _ask(sandbox, "DELETE", f"faults/{made['number']}"))[0] == 200
            assert len((await gw.customers.list()).records) == 3


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "needs a kind"),
        ({"kind": "nonsense"}, "unknown fault"),
        ({"kind": "status"}, "needs status="),
        ({"kind": "latency", "seconds": "1"}, "seconds must be"),
        ({"kind": "drop", "nth": 0}, "nth must be"),
        ({"kind": "drop", "share": 2}, "share must be"),
        ([], "JSON object"),
    ],
)
async def test_a_wrong_fault_is_refused_with_what_is_legal(body: Any, told: str) -> None:
    """400 with the reason, and no fault is kept."""
    async with Sandbox(records=0) as sandbox:
        status, answer = await _ask(sandbox, "POST", "faults", body)
        assert (status, len(sandbox.faults)) == (400, 0)
        assert told in answer["error"]


async def test_requests_and_objects_can_be_read() -> None:
    """What the client sent, without its key, and what is stored, newest first and page by page; the console's own
    requests are not among them."""
    async with Sandbox(records=60) as sandbox:
        async with sandbox.gateway() as gw:
            made = await gw.customers.create(first_name="Ada")
        _, told = await _ask(sandbox, "GET", "requests?after=0")
        assert (told["total"], told["requests"][0]["path"]) == (1, "/chargebee/api/v2/customers")
        assert sandbox.api_key not in json.dumps(told)
        assert len(sandbox.requests) == 1
        _, first = await _ask(sandbox, "GET", "objects/customer")
        assert first["rows"][0]["id"] == made.customer.id
        _, second = await _ask(sandbox, "GET", f"objects/customer?after={first['next']}")
        many = sandbox.count("customer", include_deleted=True)
        assert (len(first["rows"]), len(second["rows"]), second["next"]) == (50, many - 50, None)
        status, one = await _ask(sandbox, "GET", f"objects/customer/{made.customer.id}")
        assert (status, one["first_name"]) == (200, "Ada")
        assert (await _ask(sandbox, "GET", "objects/customer/none"))[0] == 404
        assert (await _ask(sandbox, "GET", "objects/nonsense"))[0] == 404


async def test_a_connection_is_made_and_the_state_goes_back_to_the_seed() -> None:
    """POST connections gives a PENDING one with its page; POST reset brings the seeded rows back."""
    async with Sandbox(records=2) as sandbox:
        _, made = await _ask(sandbox, "POST", "connections", {})
        assert made["connection"]["status"] == "PENDING"
        seeded = sandbox.count("customer", include_deleted=True)
        sandbox.insert("customer", {"id": "c-1"})
        _, state = await _ask(sandbox, "GET", "state")
        assert (state["objects"]["customer"], len(state["connections"])) == (seeded + 1, 2)
        await _ask(sandbox, "POST", "reset", {})
        _, state = await _ask(sandbox, "GET", "state")
        assert (state["objects"]["customer"], len(state["connections"])) == (seeded, 1)


async def test_another_sites_page_can_do_nothing() -> None:
    """A foreign Origin, another content type, a foreign Host and another verb are refused; no header lets one in."""
    async with Sandbox(records=0) as sandbox:
        fault = {"kind": "drop"}
        assert (await _ask(sandbox, "POST", "faults", fault, Origin="https://evil.example"))[0] == 403
        assert (await _ask(sandbox, "POST", "faults", fault, **{"Content-Type": "text/plain"}))[0] == 415
        assert (await _ask(sandbox, "GET", "state", Host="evil.example"))[0] == 421
        assert (await _ask(sandbox, "PUT", "faults", fault))[0] == 405
        assert len(sandbox.faults) == 0
        assert (await _ask(sandbox, "POST", "faults", fault, Origin=sandbox.url))[0] == 200


async def test_the_page_runs_its_own_script_and_nothing_else() -> None:
    """The page comes with a policy that names its one script by its hash, and loads nothing from elsewhere."""
    async with Sandbox(records=0) as sandbox, ClientSession() as session:
        async with session.get(f"{sandbox.url}/_sandbox") as answer:
            html, policy = await answer.text(), answer.headers["Content-Security-Policy"]
        assert "script-src 'sha256-" in policy
        assert "default-src 'none'" in policy
        assert "http://" not in html
        assert "https://" not in html


async def test_a_share_of_the_calls_is_struck() -> None:
    """A third of 60 calls fails, the same ones in every run; the others are answered."""
    struck = []
    for _ in range(2):
        unlimited = Settings(limits=Limits(account_per_second=math.inf))
        async with Sandbox(records=1) as sandbox, sandbox.gateway(settings=unlimited) as gw:
            sandbox.faults.add("status", status=500, times=None, share=1 / 3)
            plain = gw.with_options(retry=Retry.none())
            found = []
            for _ in range(60):
                try:
                    await plain.call("GET", "/api/v2/customers")
                    found.append(True)
                except errors.OperationFailed:
                    found.append(False)
            struck.append(found)
    assert struck[0] == struck[1]
    assert 10 <= struck[0].count(False) <= 30


async def test_a_list_lags_behind_writes() -> None:
    """A stale list misses the row that was just made and shows it once the fault is over; a retrieve finds it."""
    async with Sandbox(records=3) as sandbox, sandbox.gateway() as gw:
        made = await gw.customers.create(first_name="New")
        sandbox.faults.add("stale_list", seconds=60, path="/customers", times=1)
        assert made.customer.id not in [one.id for one in await gw.customers.list().collect()]
        assert made.customer.id in [one.id for one in await gw.customers.list().collect()]
        assert (await gw.customers.retrieve(made.customer.id)).customer.first_name == "New"


async def test_the_newer_faults_are_what_the_client_meets() -> None:
    """An expired cursor is CursorExpired, an expired authorization AuthorizationExpired, a slow body still whole."""
    async with Sandbox(records=3) as sandbox, sandbox.gateway() as gw:
        plain = gw.with_options(retry=Retry.none())
        sandbox.faults.add("expired_cursor")
        with pytest.raises(errors.CursorExpired):
            await plain.customers.list(limit=1).collect()
        sandbox.faults.add("expired_authorization")
        with pytest.raises(errors.AuthorizationExpired):
            await plain.customers.list()
        sandbox.faults.add("slow_body", seconds=0.001, pieces=50)
        assert len((await plain.customers.list()).records) == 3
