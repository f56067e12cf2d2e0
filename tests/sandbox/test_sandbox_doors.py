"""Who gets in at which door: keys, connections, hosts, rates, pages."""

from __future__ import annotations

import base64
import re
from urllib.parse import urlsplit

import pytest

from aiochargebee_gw.sandbox import ManualClock, Sandbox

from .caller import Caller

pytestmark = pytest.mark.anyio
CUSTOMERS = "/chargebee/api/v2/customers"


def basic(user: str, password: str = "") -> dict[str, str]:
    """A Basic credential."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def test_gateway_needs_the_key(call: Caller) -> None:
    """A missing or wrong key is 401, and the gateway's own error carries no ``api_error_code``."""
    for value in ("Bearer wrong", "", "Basic x", f"Token {call.sandbox.api_key}"):
        reply = await call.send("GET", CUSTOMERS, headers={"Authorization": value})
        assert reply.status == 401
        assert "api_error_code" not in reply.json


async def test_key_scheme_ignores_case(call: Caller) -> None:
    """``bearer`` is as good as ``Bearer`` (RFC 9110)."""
    reply = await call.send("GET", CUSTOMERS, headers={"Authorization": f"bearer {call.sandbox.api_key}"})
    assert reply.status == 200


async def test_foreign_host_is_refused_at_every_door(call: Caller) -> None:
    """A page that has its name resolve to loopback gets a 4xx everywhere, whatever else it knows."""
    for path in (CUSTOMERS, "/connections", "/api/v2/customers", "/connect?session_token=x", "/downloads/x/y", "/"):
        for host in ("evil.example.com", "127.0.0.1:1", "localhost"):
            reply = await call.send("GET", path, headers={"Host": host})
            assert 400 <= reply.status < 500, (path, host)


async def test_unknown_door(call: Caller) -> None:
    """A path of no door is 404, also another app behind the same gateway and a foreign native path."""
    assert (await call.send("GET", "/slack/api/x")).status == 404
    assert (await call.send("GET", "/chargebee/api/v1/customers")).status == 404
    assert (await call.send("GET", "/chargebee")).status == 404
    assert call.sandbox.requests[0].door == "none"


async def test_site_door_takes_the_key_as_user(call: Caller) -> None:
    """Chargebee's own door wants HTTP Basic with the key as user and an empty password."""
    key = call.sandbox.api_key
    good = await call.send("GET", "/api/v2/customers/cust_1", headers=basic(key))
    assert good.json["customer"]["email"] == "john@example.com"
    for headers in (basic(key, "x"), basic("no"), {"Authorization": f"Bearer {key}"}, {"Authorization": "Basic %%"}):
        reply = await call.send("GET", "/api/v2/customers", headers=headers)
        assert reply.code == (401, "api_authentication_failed", None)
        assert reply.headers["WWW-Authenticate"].startswith("Basic")


async def test_starts_with_one_active_connection(call: Caller) -> None:
    """There is exactly one connection, ACTIVE, for Chargebee, with a UUID and ISO times in microseconds."""
    found = (await call.send("GET", "/connections")).json["connections"]
    assert [one["connection_id"] for one in found] == [call.sandbox.connection_id]
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", found[0]["connection_id"]
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", found[0]["creation_time"])
    assert (found[0]["app"], found[0]["status"], found[0]["metadata"]) == ("chargebee", "ACTIVE", {})


async def test_list_connections_by_app_and_status(call: Caller) -> None:
    """``app`` and ``status`` narrow the list; a status that does not exist is 400."""
    await call.send("POST", "/connections", data=b'{"app": "chargebee", "method": "OAUTH2"}')
    await call.send("POST", "/connections", data=b'{"app": "slack"}')
    wanted = {"app": "chargebee", "status": "PENDING"}
    found = (await call.send("GET", "/connections", query=wanted)).json["connections"]
    assert [(one["app"], one["status"], one["method"]) for one in found] == [("chargebee", "PENDING", "OAUTH2")]
    assert len((await call.send("GET", "/connections", query={"status": "FAILED"})).json["connections"]) == 0
    assert (await call.send("GET", "/connections", query={"status": "DONE"})).status == 400


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"app": 1}', b'{"app": "a b"}', b'{"app": "x", "method": "Y"}', b"["]
)
async def test_bad_connection_bodies(call: Caller, body: bytes) -> None:
    """Creating a connection needs JSON with an ``app`` and, if any, a known ``method``."""
    assert (await call.send("POST", "/connections", data=body)).status == 400


async def test_connection_life(call: Caller) -> None:
    """Create, get, delete; a deleted connection is gone for the control plane and the gateway."""
    made = (await call.send("POST", "/connections", data=b'{"app": "chargebee"}')).json["connection"]
    path = f"/connections/{made['connection_id']}"
    assert (await call.send("GET", path)).json == {"connection": made}
    pending = await call.get("/customers", None, **{"Maton-Connection": made["connection_id"]})
    assert pending.status == 400
    assert "api_error_code" not in pending.json
    deleted = await call.send("DELETE", path)
    assert (deleted.status, deleted.json) == (200, {})
    assert (await call.send("DELETE", path)).status == 404
    assert (await call.send("GET", path)).status == 404
    assert (await call.get("/customers", None, **{"Maton-Connection": made["connection_id"]})).status == 404


async def test_control_plane_verbs_and_key(call: Caller) -> None:
    """Other verbs are 405, unknown paths 404, and the key is needed here too."""
    assert (await call.send("PUT", "/connections", data=b"{}")).status == 405
    assert (await call.send("POST", "/connections/x", data=b"{}")).status == 405
    assert (await call.send("GET", "/connections/x/y")).status == 404
    assert (await call.send("GET", "/connections", headers={"Authorization": "Bearer x"})).status == 401


async def test_connections_of_other_apps_do_not_count(call: Caller) -> None:
    """A connection of another app opens nothing here, named or not."""
    made = (await call.send("POST", "/connections", data=b'{"app": "slack"}')).json["connection"]
    await call.send("POST", urlsplit(made["url"]).path, data={"session_token": urlsplit(made["url"]).query[14:]})
    assert (await call.get("/customers", None, **{"Maton-Connection": made["connection_id"]})).status == 400
    await call.send("DELETE", f"/connections/{call.sandbox.connection_id}")
    reply = await call.get("/customers")
    assert reply.status == 400
    assert "api_error_code" not in reply.json


async def test_unknown_connection(call: Caller) -> None:
    """A ``Maton-Connection`` that does not exist is 404 without ``api_error_code``."""
    reply = await call.get("/customers", None, **{"Maton-Connection": "nope"})
    assert reply.status == 404
    assert "api_error_code" not in reply.json


async def test_authorize_page(call: Caller) -> None:
    """The page names Chargebee, has one button, loads nothing, and changes nothing by being opened."""
    made = (await call.send("POST", "/connections", data=b'{"app": "chargebee"}')).json["connection"]
    url = urlsplit(made["url"])
    page = await call.send("GET", f"{url.path}?{url.query}", headers={"Authorization": ""})
    text = page.body.decode()
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "Chargebee" in text
    assert re.findall(r"<button[^>]*>([^<]*)</button>", text) == ["Authorize"]
    assert not re.search(r"(src|href|action)=\"(https?:)?//", text)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    path = f"/connections/{made['connection_id']}"
    assert (await call.send("GET", path)).json["connection"]["status"] == "PENDING"


async def test_click_makes_the_connection_active(call: Caller) -> None:
    """The form's POST makes it ACTIVE; its site is its own, with products and without customers."""
    made = (await call.send("POST", "/connections", data=b'{"app": "chargebee"}')).json["connection"]
    token = urlsplit(made["url"]).query.removeprefix("session_token=")
    assert (await call.send("POST", "/connect", data={"session_token": token})).status == 200
    path = f"/connections/{made['connection_id']}"
    assert (await call.send("GET", path)).json["connection"]["status"] == "ACTIVE"
    mine = {"Maton-Connection": made["connection_id"]}
    assert (await call.get("/customers", None, **mine)).json == {"list": []}
    assert (await call.get("/item_prices", None, **mine)).json["list"]
    assert (await call.get("/customers")).json["list"]


async def test_authorizing_from_elsewhere(call: Caller) -> None:
    """A form sent from another origin, or with an unknown token, authorizes nothing."""
    made = (await call.send("POST", "/connections", data=b'{"app": "chargebee"}')).json["connection"]
    token = urlsplit(made["url"]).query.removeprefix("session_token=")
    foreign = {"Origin": "https://evil.example.com"}
    assert (await call.send("POST", "/connect", data={"session_token": token}, headers=foreign)).status == 403
    own = {"Origin": call.sandbox.url}
    assert (await call.send("POST", "/connect", data={"session_token": "x"}, headers=own)).status == 404
    assert (await call.send("GET", "/connect", query={"session_token": "x"})).status == 404
    assert (await call.send("PUT", "/connect")).status == 405
    assert (await call.send("GET", f"/connections/{made['connection_id']}")).json["connection"]["status"] == "PENDING"
    assert (await call.send("POST", "/connect", data={"session_token": token}, headers=own)).status == 200


@pytest.mark.parametrize("options", [{"rate": 3, "clock": ManualClock()}])
async def test_rate_is_a_sliding_second(call: Caller, sandbox: Sandbox, options: dict[str, ManualClock]) -> None:
    """In any one second three arrivals get in; the fourth is 429 with Retry-After, refused ones do not count."""
    clock = options["clock"]
    statuses = []
    for step in (0.0, 0.4, 0.4, 0.1, 0.15, 0.0, 0.35, 0.0):
        clock.advance(step)
        reply = await call.get("/customers", {"limit": "1"})
        statuses.append(reply.status)
    assert statuses == [200, 200, 200, 429, 200, 429, 200, 429]
    assert reply.headers["Retry-After"] == "1"
    assert "api_error_code" not in reply.json
    assert (await call.send("GET", "/connections")).status == 200
    assert (await call.send("GET", "/api/v2/customers", headers=basic(sandbox.api_key))).status == 200


@pytest.mark.parametrize("options", [{"site_rate": 2, "clock": ManualClock()}])
async def test_site_rate_is_chargebees_own(call: Caller, options: dict[str, ManualClock]) -> None:
    """Over the site's requests per minute Chargebee itself answers 429, with the seconds to wait."""
    assert [(await call.get("/customers")).status for _ in range(2)] == [200, 200]
    options["clock"].advance(20)
    reply = await call.get("/customers")
    assert reply.code == (429, "api_request_limit_exceeded", None)
    assert reply.headers["Retry-After"] == "40"
    options["clock"].advance(40)
    assert (await call.get("/customers")).status == 200


async def test_recorded_requests(call: Caller) -> None:
    """Each request is recorded when answered: door, path and query as on the wire, headers, body, status."""
    await call.send("POST", "/chargebee/api/v2/customers/a%20b?x=%5B1", data={"email": "a@example.com"})
    (one,) = call.sandbox.requests
    assert (one.door, one.method, one.status) == ("gateway", "POST", 404)
    assert (one.path, one.native_path, one.query) == ("/chargebee/api/v2/customers/a%20b", "/customers/a%20b", "x=%5B1")
    assert one.headers["authorization"] == f"Bearer {call.sandbox.api_key}"
    assert one.body == b"email=a%40example.com"
    assert one.at > 1_700_000_000


async def test_hook_sees_the_request_before_the_answer(call: Caller) -> None:
    """``on_request`` runs before the answer is computed, so what it changes shows in that answer."""
    seen: list[int] = []

    def rename(record: object) -> None:
        seen.append(len(call.sandbox.requests))
        call.sandbox.update("customer", "cust_1", {"first_name": "Renamed"})

    call.sandbox.on_request = rename
    assert (await call.get("/customers/cust_1")).json["customer"]["first_name"] == "Renamed"
    assert seen == [0]


BIG = b"x" * (1 << 20) + b"x"


async def test_a_request_that_is_too_large(call: Caller) -> None:
    """More than one MiB is 413 in JSON at every door, on record, behind the door's own check of the key."""
    before = call.sandbox.count("customer")
    mine, none = {"Authorization": f"Bearer {call.sandbox.api_key}"}, {"Authorization": "Bearer no"}
    for path, headers, status in (
        (CUSTOMERS, mine, 413),
        (CUSTOMERS, none, 401),
        ("/connections", mine, 413),
        ("/connections", none, 401),
        ("/api/v2/customers", basic(call.sandbox.api_key), 413),
        ("/api/v2/customers", basic("wrong"), 401),
        ("/connect", {}, 413),
        ("/elsewhere", {}, 413),
    ):
        reply = await call.send("POST", path, data=BIG, headers=headers)
        assert reply.status == status
        assert "message" in reply.json
        assert (call.sandbox.requests[-1].path, call.sandbox.requests[-1].status) == (path, status)
    assert (await call.send("POST", CUSTOMERS, data=BIG)).code == (413, "invalid_request", None)
    assert call.sandbox.count("customer") == before
    assert (await call.get("/customers")).status == 200
