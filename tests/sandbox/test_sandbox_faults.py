"""Faults: each kind on a real socket, and which requests they strike."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from aiochargebee_gw.sandbox import Faults, ManualClock, Sandbox

from .caller import Caller

pytestmark = pytest.mark.anyio
LIST = "/chargebee/api/v2/customers"


@pytest.fixture
async def raw(anyio_backend: str, sandbox: Sandbox) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection: what the server does to it is seen as it is."""
    host, port = sandbox.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    yield reader, writer
    writer.close()
    await writer.wait_closed()


def request(sandbox: Sandbox, path: str = LIST, *, method: str = "GET", body: bytes = b"", extra: str = "") -> bytes:
    """The bytes of a request with the sandbox's key."""
    host = sandbox.url.removeprefix("http://")
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {sandbox.api_key}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n{extra}\r\n".encode() + body


async def test_status(call: Caller) -> None:
    """``status`` replaces the answer once; without a body it is an error as Chargebee words it."""
    call.sandbox.faults.add("status", status=503)
    assert (await call.get("/customers")).code == (503, "internal_temporary_error", None)
    assert (await call.get("/customers")).status == 200
    for status, code in ((500, "internal_error"), (502, "internal_error"), (418, "invalid_request")):
        call.sandbox.faults.add("status", status=status)
        assert (await call.get("/customers")).code == (status, code, None)


@pytest.mark.parametrize(
    ("body", "type", "sent"),
    [
        ({"a": 1}, "application/json;charset=utf-8", b'{"a":1}'),
        ('{"a":2}', "application/json;charset=utf-8", b'{"a":2}'),
        (b"\xff\x00", "text/plain; charset=utf-8", b"\xff\x00"),
        ("", "text/plain; charset=utf-8", b""),
    ],
)
async def test_status_bodies(call: Caller, body: Any, type: str, sent: bytes) -> None:
    """A body may be an object, text or bytes; headers of one's own win."""
    call.sandbox.faults.add("status", status=500, body=body, headers={"X-Mine": "1"})
    reply = await call.get("/customers")
    assert (reply.body, reply.headers["Content-Type"], reply.headers["X-Mine"]) == (sent, type, "1")
    call.sandbox.faults.add("status", status=500, body=body, headers={"Content-Type": "x/y"})
    assert (await call.get("/customers")).headers["Content-Type"] == "x/y"


@pytest.mark.parametrize("after_write", [True, False])
async def test_status_after_write(call: Caller, after_write: bool) -> None:
    """With ``after_write`` the write happened although the answer says 500; without, it did not."""
    call.sandbox.faults.add("status", status=500, method="post", after_write=after_write)
    assert (await call.post("/customers", {"id": "w"})).status == 500
    assert (call.sandbox.get("customer", "w") is not None) == after_write


async def test_rate_limited(call: Caller) -> None:
    """429 comes in three kinds: Chargebee's limit, its lock timeout, the gateway's own without a code."""
    call.sandbox.faults.add("rate_limited", retry_after=7)
    reply = await call.get("/customers")
    assert (reply.code, reply.headers["Retry-After"]) == ((429, "api_request_limit_exceeded", None), "7")
    call.sandbox.faults.add("rate_limited", retry_after=None, code="lock_timeout")
    reply = await call.get("/customers")
    assert (reply.code, "Retry-After" in reply.headers) == ((429, "lock_timeout", None), False)
    call.sandbox.faults.add("rate_limited", code=None)
    reply = await call.get("/customers")
    assert (reply.code, reply.headers["Retry-After"]) == ((429, None, None), "1")


@pytest.mark.parametrize("after_write", [True, False])
async def test_drop(
    sandbox: Sandbox, raw: tuple[asyncio.StreamReader, asyncio.StreamWriter], after_write: bool
) -> None:
    """The connection ends without a byte of an answer; the request is on record with status 0."""
    reader, writer = raw
    sandbox.faults.add("drop", after_write=after_write)
    extra = "Content-Type: application/x-www-form-urlencoded\r\n"
    writer.write(request(sandbox, method="POST", body=b"id=d", extra=extra))
    assert await reader.read() == b""
    assert (sandbox.get("customer", "d") is not None) == after_write
    assert [one.status for one in sandbox.requests] == [0]


@pytest.mark.parametrize("at", [None, 0, 40])
async def test_cut_body(
    sandbox: Sandbox, raw: tuple[asyncio.StreamReader, asyncio.StreamWriter], at: int | None
) -> None:
    """The Content-Length is right, but the stream ends early."""
    reader, writer = raw
    if at is None:
        sandbox.faults.add("cut_body")
    else:
        sandbox.faults.add("cut_body", at=at)
    writer.write(request(sandbox))
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    assert head.startswith(b"HTTP/1.1 200")
    assert len(body) == (length // 2 if at is None else at)


async def test_cut_gzip(call: Caller) -> None:
    """The gzip stream is cut, its length is not: only looking at the stream's end tells."""
    call.sandbox.faults.add("cut_gzip")
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        headers = {"Authorization": f"Bearer {call.sandbox.api_key}"}
        async with session.get(call.sandbox.url + LIST, headers=headers) as response:
            body = await response.read()
            assert response.headers["Content-Length"] == str(len(body))
            assert response.headers["Content-Encoding"] == "gzip"
    with pytest.raises(EOFError):
        gzip.decompress(body)
    assert zlib.decompressobj(31).decompress(body).startswith(b'{"list":[')


@pytest.mark.parametrize("options", [{"clock": ManualClock()}])
async def test_latency(call: Caller, options: dict[str, ManualClock]) -> None:
    """The answer waits on the sandbox's clock; the write has happened by then."""
    call.sandbox.faults.add("latency", seconds=2.5)
    waiting = asyncio.create_task(call.post("/customers", {"id": "late"}))
    await until(lambda: options["clock"].sleeping == 1)
    assert call.sandbox.get("customer", "late") is not None
    options["clock"].advance(2.4)
    assert not waiting.done()
    options["clock"].advance(0.1)
    assert (await waiting).status == 200


@pytest.mark.parametrize("options", [{"clock": ManualClock(), "latency": 0.5}])
async def test_latency_is_concurrent(call: Caller, options: dict[str, ManualClock]) -> None:
    """``latency`` is seconds per answer, not a queue: ten requests wait together."""
    waiting = [asyncio.create_task(call.get("/customers")) for _ in range(10)]
    await until(lambda: options["clock"].sleeping == 10)
    options["clock"].advance(0.5)
    assert {reply.status for reply in await asyncio.gather(*waiting)} == {200}


async def until(condition: Any) -> None:
    """Let the loop run until something is so; the test's own time-out is the limit."""
    while not condition():  # noqa: ASYNC110 - what is waited for is on the other side of a socket
        await asyncio.sleep(0)


async def test_hang_until_the_client_goes(
    sandbox: Sandbox, raw: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """No answer comes; when the client goes, the request is on record with status 0."""
    _, writer = raw
    fault = sandbox.faults.add("hang", after_write=True)
    extra = "Content-Type: application/x-www-form-urlencoded\r\n"
    writer.write(request(sandbox, method="POST", body=b"id=h", extra=extra))
    await until(lambda: fault.fired == 1)
    assert sandbox.requests == []
    writer.close()
    await until(lambda: len(sandbox.requests) == 1)
    assert sandbox.requests[0].status == 0
    assert sandbox.get("customer", "h") is not None


async def test_stop_lets_go_of_hanging_requests(sandbox: Sandbox) -> None:
    """Stopping the sandbox ends a hanging request: the client sees the connection close."""
    host, port = sandbox.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    fault = sandbox.faults.add("hang")
    writer.write(request(sandbox))
    await until(lambda: fault.fired == 1)
    await sandbox.stop()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_html_and_redirect(call: Caller) -> None:
    """A load balancer's HTML page, and a redirect with its Location."""
    call.sandbox.faults.add("html")
    reply = await call.get("/customers")
    assert (reply.status, reply.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert reply.body.startswith(b"<html>")
    call.sandbox.faults.add("html", status=504, body="<p>x</p>")
    assert ((reply := await call.get("/customers")).status, reply.body) == (504, b"<p>x</p>")
    call.sandbox.faults.add("redirect", location="https://example.com/x")
    reply = await call.get("/customers")
    assert (reply.status, reply.headers["Location"]) == (302, "https://example.com/x")
    call.sandbox.faults.add("redirect", location="/y", status=308)
    assert (await call.get("/customers")).status == 308


async def test_repeat_offset(call: Caller) -> None:
    """A page answers with the request's own offset, or with a given one; a first page has none to repeat."""
    fault = call.sandbox.faults.add("repeat_offset", times=None)
    first = (await call.get("/customers")).json["next_offset"]
    assert fault.fired == 0
    assert (await call.get("/customers", {"offset": first})).json["next_offset"] == first
    assert (await call.get("/customers/cust_1", {"offset": first})).status == 200
    call.sandbox.faults.clear()
    call.sandbox.faults.add("repeat_offset", offset="again", path="/customers")
    assert (await call.get("/customers", {"limit": "100"})).json["next_offset"] == "again"
    call.sandbox.faults.add("repeat_offset", offset="again", path="/downloads")
    assert (await call.send("GET", "/downloads/x/y")).status == 404


async def test_strip_idempotency(call: Caller) -> None:
    """The key is as if it had not arrived: the write happens twice."""
    call.sandbox.faults.add("strip_idempotency", times=2)
    before = call.sandbox.count("customer")
    replies = [await call.post("/customers", {}, **{"chargebee-idempotency-key": "k"}) for _ in range(2)]
    assert call.sandbox.count("customer") == before + 2
    assert all("chargebee-idempotency-replayed" not in reply.headers for reply in replies)


async def statuses(call: Caller, path: str, times: int) -> list[int]:
    """The statuses of some GETs in a row."""
    return [(await call.get(path)).status for _ in range(times)]


async def test_nth_and_times(call: Caller) -> None:
    """``nth`` strikes the n-th matching request only; ``times`` makes it last, None for good."""
    call.sandbox.faults.add("status", status=500, nth=2)
    assert await statuses(call, "/customers", 4) == [200, 500, 200, 200]
    call.sandbox.faults.add("status", status=500, times=2)
    assert await statuses(call, "/customers", 3) == [500, 500, 200]
    fault = call.sandbox.faults.add("status", status=500, nth=2, times=None)
    assert await statuses(call, "/customers", 4) == [200, 500, 500, 500]
    assert (fault.seen, fault.fired) == (4, 3)
    call.sandbox.faults.remove(fault)
    assert await statuses(call, "/customers", 1) == [200]


async def test_paths_and_methods(call: Caller) -> None:
    """``path`` is a prefix or a glob of the native path, at the control plane of the whole one."""
    call.sandbox.faults.add("status", status=500, path="/customers/*/invoices", times=None)
    call.sandbox.faults.add("status", status=501, path="/item", times=None)
    call.sandbox.faults.add("status", status=502, path="/connections", method="GET", times=None)
    assert await statuses(call, "/customers", 1) + await statuses(call, "/customers/cust_1/invoices", 1) == [200, 500]
    assert await statuses(call, "/items", 1) + await statuses(call, "/item_prices", 1) == [501, 501]
    assert (await call.send("GET", "/connections")).status == 502
    assert (await call.send("POST", "/connections", data=b'{"app":"chargebee"}')).status == 200


async def test_one_answer_at_a_time(call: Caller) -> None:
    """Two faults that replace the answer strike one after the other; modifiers go along."""
    call.sandbox.faults.add("status", status=500)
    call.sandbox.faults.add("status", status=503)
    call.sandbox.faults.add("latency", seconds=0)
    assert await statuses(call, "/customers", 3) == [500, 503, 200]
    assert [fault.fired for fault in call.sandbox.faults] == [1, 1, 1]
    assert len(call.sandbox.faults) == 3


@pytest.mark.parametrize(
    ("kind", "details", "message"),
    [
        ("explode", {}, "unknown fault 'explode'; the kinds are status, rate_limited, drop"),
        ("status", {}, "fault 'status' needs status="),
        ("status", {"status": "500"}, "status must be int, got '500'"),
        ("status", {"status": True}, "status must be int, got True"),
        ("status", {"status": 99}, "status must be between 200 and 599"),
        ("status", {"status": 500, "colour": 1}, "has no detail 'colour'; it takes status, body, headers, after_write"),
        ("status", {"status": 500, "body": 1}, "body must be bytes or str or dict"),
        ("rate_limited", {"retry_after": -1}, "retry_after must not be negative"),
        ("rate_limited", {"code": 1}, "code must be str or None"),
        ("cut_gzip", {"at": 1}, "has no detail 'at'; it takes none"),
        ("latency", {}, "fault 'latency' needs seconds="),
        ("redirect", {}, "fault 'redirect' needs location="),
        ("drop", {"nth": 0}, "nth must be None or a whole number from 1"),
        ("drop", {"times": True}, "times must be None or a whole number from 1"),
    ],
)
def test_bad_faults(kind: str, details: dict[str, Any], message: str) -> None:
    """A fault that cannot be is refused when it is added, and the error names what is legal."""
    faults = Faults()
    with pytest.raises(ValueError, match=message.split(";")[0].replace("(", "[(]")) as caught:
        faults.add(kind, **details)
    assert message in str(caught.value)
    assert len(faults) == 0


async def test_faults_apply_to_the_stored_answer_too(call: Caller) -> None:
    """A write whose answer was lost is replayed with its key: one customer, the first answer."""
    call.sandbox.faults.add("status", status=500, method="POST", after_write=True)
    before = call.sandbox.count("customer")
    key = {"chargebee-idempotency-key": "lost"}
    assert (await call.post("/customers", {"email": "a@example.com"}, **key)).status == 500
    again = await call.post("/customers", {"email": "a@example.com"}, **key)
    assert again.headers["chargebee-idempotency-replayed"] == "true"
    assert json.loads(again.body)["customer"]["email"] == "a@example.com"
    assert call.sandbox.count("customer") == before + 1
