"""Hosted pages, portal sessions, PDFs, idempotency keys and what is on the wire."""

from __future__ import annotations

import gzip
import re
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp
import pytest

from aiochargebee_gw.sandbox import ManualClock, _edge

from .caller import Caller

pytestmark = pytest.mark.anyio
NOW = 1_767_225_600


@pytest.fixture
def options() -> dict[str, object]:
    """Time stands still."""
    return {"clock": ManualClock()}


async def test_checkout_for_items(call: Caller) -> None:
    """A hosted page has an id, a URL on this server, state ``created`` and an end; its page changes nothing."""
    form = {"subscription_items[item_price_id][0]": "basic-USD-Monthly", "pass_thru_content": "x", "layout": "in_app"}
    page = (await call.post("/hosted_pages/checkout_new_for_items", form)).json["hosted_page"]
    assert (page["type"], page["state"], page["object"], page["layout"]) == (
        "checkout_new",
        "created",
        "hosted_page",
        "in_app",
    )
    assert page["expires_at"] == page["created_at"] + 3 * 3_600
    assert page["url"].startswith(call.sandbox.url)
    shown = await call.send("GET", urlsplit(page["url"]).path, headers={"Authorization": ""})
    assert b"checkout_new" in shown.body
    assert (await call.get(f"/hosted_pages/{page['id']}")).json == {"hosted_page": page}
    assert (await call.send("GET", "/pages/v3/nope/")).status == 404
    assert (await call.send("GET", "/pages/v1/nope/")).status == 404


async def test_checkout_for_items_needs_an_item_price(call: Caller) -> None:
    """``subscription[plan_id]`` is not enough: ``subscription_items[item_price_id][0]`` is required."""
    reply = await call.post("/hosted_pages/checkout_new_for_items", {"subscription[plan_id]": "basic-usd-monthly"})
    assert reply.code == (400, "param_wrong_value", "subscription_items[item_price_id][0]")
    reply = await call.post("/hosted_pages/checkout_new_for_items", {"subscription_items[item_price_id][0]": "nope"})
    assert reply.code == (404, "resource_not_found", "subscription_items[item_price_id][0]")


async def test_checkout_with_plan(call: Caller) -> None:
    """Product Catalog 1.0 needs ``subscription[plan_id]`` of a plan that exists."""
    good = await call.post(
        "/hosted_pages/checkout_new", {"subscription[plan_id]": "basic-usd-monthly", "embed": "true"}
    )
    assert good.json["hosted_page"]["embed"] is True
    bad = await call.post("/hosted_pages/checkout_new", {})
    assert bad.code == (400, "param_wrong_value", "subscription[plan_id]")
    unknown = await call.post("/hosted_pages/checkout_new", {"subscription[plan_id]": "x"})
    assert unknown.code == (404, "resource_not_found", "subscription[plan_id]")


async def test_manage_payment_sources(call: Caller) -> None:
    """It needs ``customer[id]`` of a customer that exists."""
    path = "/hosted_pages/manage_payment_sources"
    assert (await call.post(path, {"customer[id]": "cust_1"})).json["hosted_page"]["type"] == "manage_payment_sources"
    assert (await call.post(path)).code == (400, "param_wrong_value", "customer[id]")
    assert (await call.post(path, {"customer[id]": "x"})).code == (404, "resource_not_found", "customer[id]")


async def test_portal_session(call: Caller) -> None:
    """A portal session has a token, a URL on this server, an end, and says what the customer has."""
    made = (
        await call.post("/portal_sessions", {"customer[id]": "cust_1", "redirect_url": "https://example.com"})
    ).json["portal_session"]
    assert (made["status"], made["customer_id"], made["redirect_url"]) == ("created", "cust_1", "https://example.com")
    assert made["expires_at"] == made["created_at"] + 3_600
    assert made["linked_customers"][0]["has_active_subscription"] is True
    url = urlsplit(made["access_url"])
    assert made["token"] in url.query
    assert (await call.send("GET", f"{url.path}?{url.query}")).status == 200
    assert (await call.get(f"/portal_sessions/{made['id']}")).json == {"portal_session": made}
    assert (await call.post("/portal_sessions")).code == (400, "param_wrong_value", "customer[id]")
    assert (await call.post("/portal_sessions", {"customer[id]": ""})).code == (
        400,
        "param_wrong_value",
        "customer[id]",
    )
    assert (await call.post("/portal_sessions", {"customer[id]": "x"})).code == (
        404,
        "resource_not_found",
        "customer[id]",
    )


async def test_pdf(call: Caller, options: dict[str, ManualClock]) -> None:
    """The call answers a link, not bytes; behind it, without credentials and for an hour, is a real PDF."""
    invoice = (await call.get("/invoices/inv_2")).json["invoice"]
    link = (await call.post("/invoices/inv_2/pdf")).json["download"]
    assert (link["object"], link["mime_type"], link["valid_till"]) == ("download", "application/pdf", NOW + 3_600)
    async with aiohttp.ClientSession() as session, session.get(link["download_url"]) as response:
        body = await response.read()
        assert (response.status, response.content_type) == (200, "application/pdf")
        assert response.headers["Content-Length"] == str(len(body))
    assert b"Invoice inv_2" in body
    assert f"{invoice['total'] / 100:.2f}".encode() in body or str(invoice["total"]).encode() in body
    check_pdf(body)
    path = urlsplit(link["download_url"]).path
    assert (await call.send("GET", "/downloads/guess/inv_2.pdf")).status == 404
    assert (await call.send("GET", "/downloads/guess")).status == 404
    assert (await call.send("POST", path)).status == 405
    options["clock"].advance(3_601)
    assert (await call.send("GET", path)).status == 404
    assert (await call.post("/invoices/nope/pdf")).status == 404


def check_pdf(body: bytes) -> None:
    """The cross-reference table points at the objects it names, the stream is as long as it says."""
    assert body.startswith(b"%PDF-1.")
    assert body.endswith(b"%%EOF\n")
    start = int(re.findall(rb"startxref\n(\d+)\n", body)[0])
    assert body[start : start + 4] == b"xref"
    offsets = [int(offset) for offset in re.findall(rb"(\d{10}) 00000 n", body)]
    for number, offset in enumerate(offsets, 1):
        assert body[offset:].startswith(b"%d 0 obj" % number)
    (length,) = re.findall(rb"/Length (\d+)", body)
    (stream,) = re.findall(rb"stream\n(.*?)\nendstream", body, re.DOTALL)
    assert int(length) == len(stream)


async def test_idempotent_replay(call: Caller) -> None:
    """The same key, path and body get the stored answer; only the replay carries the replayed header."""
    key = {"chargebee-idempotency-key": "k-1"}
    before = call.sandbox.count("customer")
    first = await call.post("/customers", {"email": "a@example.com"}, **key)
    again = await call.post("/customers", {"email": "a@example.com"}, **key)
    assert first.body == again.body
    assert "chargebee-idempotency-replayed" not in first.headers
    assert again.headers["chargebee-idempotency-replayed"] == "true"
    assert call.sandbox.count("customer") == before + 1


async def test_idempotency_takes_headers_into_account(call: Caller) -> None:
    """Other ``chargebee-*`` headers make another request of it (422); other headers, and their case, do not."""
    key = {"chargebee-idempotency-key": "k-3"}
    entity = {"chargebee-business-entity-id": "a", "chargebee-event-email": "all-disabled"}
    form = {"email": "a@example.com"}
    assert (await call.post("/customers", form, **key, **entity)).status == 200
    same = {name.title(): value for name, value in entity.items()}
    again = await call.post("/customers", form, **key, **same, **{"x-request-id": "other"})
    assert again.headers["chargebee-idempotency-replayed"] == "true"
    for other in ({}, {**entity, "chargebee-business-entity-id": "b"}, {"chargebee-event-email": "all-disabled"}):
        assert (await call.post("/customers", form, **key, **other)).code[:2] == (422, "unable_to_process_request")


async def test_idempotency_conflict(call: Caller) -> None:
    """The same key with another body or path is 422 ``unable_to_process_request``."""
    key = {"chargebee-idempotency-key": "k-2"}
    await call.post("/customers", {"email": "a@example.com"}, **key)
    for path, form in (("/customers", {"email": "b@example.com"}), ("/portal_sessions", {"email": "a@example.com"})):
        assert (await call.post(path, form, **key)).code == (422, "unable_to_process_request", None)


async def test_idempotency_window(call: Caller, options: dict[str, ManualClock]) -> None:
    """A key is forgotten after 30 minutes; a GET has none; an error is replayed like any answer."""
    key = {"chargebee-idempotency-key": "k-3"}
    first = await call.post("/customers", {}, **key)
    options["clock"].advance(1_799)
    assert (await call.post("/customers", {}, **key)).body == first.body
    options["clock"].advance(1)
    assert (await call.post("/customers", {}, **key)).body != first.body
    assert (await call.get("/customers", None, **key)).status == 200
    key = {"chargebee-idempotency-key": "k-4"}
    assert (await call.post("/customers", {"id": "cust_1"}, **key)).status == 400
    assert "chargebee-idempotency-replayed" in (await call.post("/customers", {"id": "cust_1"}, **key)).headers
    too_long = {"chargebee-idempotency-key": "k" * 101}
    assert (await call.post("/customers", {}, **too_long)).code == (
        400,
        "param_wrong_value",
        "chargebee-idempotency-key",
    )


async def test_wire(call: Caller) -> None:
    """JSON with Chargebee's content type, a Date from the sandbox's clock, gzip for those who take it."""
    url = f"{call.sandbox.url}/chargebee/api/v2/customers?limit=50"
    bodies = []
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        for accepted in ("gzip", "deflate, GZIP;q=0.5", "*", "gzip;q=0", "identity", ""):
            headers = {"Authorization": f"Bearer {call.sandbox.api_key}", "Accept-Encoding": accepted}
            async with session.get(url, headers=headers) as response:
                body = await response.read()
                assert response.headers["Content-Type"] == "application/json;charset=utf-8"
                assert parsedate_to_datetime(response.headers["Date"]).timestamp() == NOW
                packed = response.headers.get("Content-Encoding") == "gzip"
                assert packed == (accepted in ("gzip", "deflate, GZIP;q=0.5", "*"))
                bodies.append(gzip.decompress(body) if packed else body)
        async with session.get(
            url.replace("50", "0"), headers={"Authorization": f"Bearer {call.sandbox.api_key}"}
        ) as small:
            assert "Content-Encoding" not in small.headers
    assert len(set(bodies)) == 1


def test_packed_bodies_are_kept_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body is compressed once; when the memory is full, it starts over."""
    monkeypatch.setattr(_edge, "_CACHED_BYTES", 50)
    packer = _edge.Packer()
    first = packer.pack(b"a" * 5_000)
    assert packer.pack(b"a" * 5_000) is first
    for letter in (b"b", b"c", b"d"):
        assert gzip.decompress(packer.pack(letter * 5_000)) == letter * 5_000
    assert len(packer.packed) < 4
