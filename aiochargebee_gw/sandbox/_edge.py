"""The sandbox on the wire: aiohttp.web in front of the doors, with latency, gzip and faults."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from email.utils import formatdate
from hashlib import blake2b

from aiohttp import web
from attrs import define, evolve, field

from aiochargebee_gw.sandbox._doors import Doors, door_of, make_call
from aiochargebee_gw.sandbox._form import first_values
from aiochargebee_gw.sandbox._json import decode_object, encode
from aiochargebee_gw.sandbox._messages import JSON_TYPE, Answer, Call, RecordedRequest, Requests, native_path
from aiochargebee_gw.sandbox._problems import Problem, gateway_error, wrong_value
from aiochargebee_gw.sandbox.clock import Clock
from aiochargebee_gw.sandbox.faults import Fault, Faults, Verdict

GZIP_FROM = 1024
GZIP_LEVEL = 1
_CACHED_BYTES = 16 * 1024 * 1024
_HTML = "<html><head><title>503 Service Unavailable</title></head><body><h1>503</h1></body></html>"
_STATUS_CODES = {500: "internal_error", 503: "internal_temporary_error"}


@define
class Packer:
    """Gzip with a memory: a page that is asked for again is not compressed again."""

    packed: dict[bytes, bytes] = field(factory=dict)
    size: int = 0

    def pack(self, body: bytes) -> bytes:
        """The gzip form of a body."""
        key = blake2b(body, digest_size=16).digest()
        found = self.packed.get(key)
        if found is None:
            found = gzip.compress(body, GZIP_LEVEL, mtime=0)
            if self.size > _CACHED_BYTES:
                self.packed.clear()
                self.size = 0
            self.packed[key] = found
            self.size += len(found)
        return found


@define
class Edge:
    """One request at a time, many at once: record, judge, answer, wait, send."""

    doors: Doors
    clock: Callable[[], Clock]
    faults: Faults
    latency: float
    on_request: Callable[[], Callable[[RecordedRequest], object] | None]
    requests: Requests = field(factory=Requests)
    stopping: asyncio.Event = field(factory=asyncio.Event)
    packer: Packer = field(factory=Packer)
    console: Callable[[Call], Awaitable[Answer]] | None = None
    keeping: Callable[[], AbstractContextManager[None]] = nullcontext

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The handler of the low-level server."""
        try:
            body, oversized = await request.read(), False
        except web.HTTPRequestEntityTooLarge:
            body, oversized = b"", True
        path, _, query = request.raw_path.partition("?")
        if door_of(path) == "console":
            return await self._show(request, path, body)
        record = RecordedRequest(
            door_of(path), request.method, path, query, request.headers, body, 0, self.clock().now()
        )
        hook = self.on_request()
        if hook is not None:
            hook(record)
        status = 0
        try:
            response = await self._respond(request, record, oversized)
            status = 0 if response is None else response.status
        finally:
            # Also when the client went away: what arrived is on record.
            self.requests.append(evolve(record, status=status))
        return web.Response() if response is None else response

    async def _show(self, request: web.BaseRequest, path: str, body: bytes) -> web.StreamResponse:
        """What the console answers: no fault strikes it, and it is no request of the client's under test."""
        call = make_call(request.method, request.raw_path, request.headers, body, path)
        answer = self.doors.stranger(call)
        if answer is None:
            answer = await self.console(call) if self.console is not None else gateway_error(404, "Not found.")
        headers = {"Content-Type": answer.content_type, **answer.headers}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    async def _respond(
        self, request: web.BaseRequest, record: RecordedRequest, oversized: bool
    ) -> web.StreamResponse | None:
        native = native_path(record.path)
        verdict = self.faults.judge(record.method, native, first_values(record.query).get("offset"))
        call = make_call(record.method, request.raw_path, record.headers, record.body, native)
        call = evolve(call, oversized=oversized)
        answer = self._answer(record.door, call, verdict)
        waits = self.latency + sum(float(one.details["seconds"]) for one in verdict.modifiers if one.kind == "latency")
        if waits > 0:
            await self.clock().sleep(waits)
        return await self._send(request, answer, verdict.final)

    def _answer(self, door: str, call: Call, verdict: Verdict) -> Answer:
        final = verdict.final
        if final is not None and final.kind in _REPLACING and not final.details.get("after_write", False):
            return _replacement(final)
        if verdict.has("strip_idempotency"):
            call = evolve(call, idempotency_key=None)
        if stale := [float(one.details["seconds"]) for one in verdict.modifiers if one.kind == "stale_list"]:
            call = evolve(call, lag=max(stale))
        with self.keeping():
            answer = self.doors.answer(door, call)
        for fault in verdict.modifiers:
            if fault.kind == "repeat_offset":
                answer = _repeated(answer, fault.details.get("offset") or first_values(call.query).get("offset", ""))
        return _replacement(final) if final is not None and final.kind in _REPLACING else answer

    async def _send(self, request: web.BaseRequest, answer: Answer, fault: Fault | None) -> web.StreamResponse | None:
        kind = None if fault is None else fault.kind
        if kind == "hang":
            await self.stopping.wait()
        if kind in ("hang", "drop"):
            _close(request)
            return None
        headers = {"Content-Type": answer.content_type, "Date": formatdate(self.clock().now(), usegmt=True)}
        headers.update(answer.headers)
        body = answer.body
        if kind == "cut_gzip":
            packed = self.packer.pack(body)
            body, headers["Content-Encoding"] = packed[: len(packed) // 2], "gzip"
        elif len(body) > GZIP_FROM and _takes_gzip(request):
            body, headers["Content-Encoding"] = self.packer.pack(body), "gzip"
        if fault is not None and kind == "slow_body":
            return await self._drip(request, answer.status, headers, body, fault)
        if fault is not None and kind == "cut_body":
            return await _cut(request, answer.status, headers, body, fault.details.get("at", len(body) // 2))
        return web.Response(status=answer.status, body=body, headers=headers)

    async def _drip(
        self, request: web.BaseRequest, status: int, headers: dict[str, str], body: bytes, fault: Fault
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(len(body))})
        await response.prepare(request)
        size = max(1, -(-len(body) // int(fault.details.get("pieces", 10))))
        for at in range(0, len(body), size):
            await self.clock().sleep(float(fault.details["seconds"]))
            await response.write(body[at : at + size])
        return response


_REPLACING = (
    "status", "rate_limited", "html", "redirect", "drop", "hang", "expired_cursor", "expired_authorization",
)  # fmt: skip


def _replacement(fault: Fault) -> Answer:
    details = fault.details
    match fault.kind:
        case "status":
            return _with_status(fault)
        case "rate_limited":
            return _rate_limited(fault)
        case "html":
            body = details.get("body", _HTML).encode()
            return Answer(details.get("status", 503), body, {}, "text/html; charset=utf-8")
        case "expired_cursor":
            return wrong_value("offset", "is not valid any more").answer()
        case "expired_authorization":
            return gateway_error(500, "The authorization of this connection has expired.")
        case "redirect":
            return Answer(details.get("status", 302), b"", {"Location": details["location"]}, "text/plain")
    return Answer(200, b"")


def _with_status(fault: Fault) -> Answer:
    status: int = fault.details["status"]
    headers = dict(fault.details.get("headers", {}))
    body = fault.details.get("body")
    if body is None:
        code = _STATUS_CODES.get(status, "internal_error" if status >= 500 else "invalid_request")
        kind = "operation_failed" if status >= 500 else "invalid_request"
        made = Problem(status, code, "A fault of the sandbox.", type=kind).answer()
        return evolve(made, headers=headers)
    data = encode(body) if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
    is_json = data.lstrip()[:1] in (b"{", b"[")
    return Answer(status, data, headers, JSON_TYPE if is_json else "text/plain; charset=utf-8")


def _rate_limited(fault: Fault) -> Answer:
    retry_after = fault.details.get("retry_after", 1)
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    code = fault.details.get("code", "api_request_limit_exceeded")
    if code is None:
        return gateway_error(429, "Too many requests.", headers)
    return Problem(429, code, "Too many requests.", type="operation_failed", headers=headers).answer()


def _repeated(answer: Answer, offset: str) -> Answer:
    try:
        body = decode_object(answer.body)
    except ValueError:
        return answer
    if "list" not in body:
        return answer
    return evolve(answer, body=encode({**body, "next_offset": offset}))


def _takes_gzip(request: web.BaseRequest) -> bool:
    for part in request.headers.get("Accept-Encoding", "").split(","):
        name, _, weight = part.strip().partition(";")
        if name.strip().lower() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _close(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.close()


async def _cut(
    request: web.BaseRequest, status: int, headers: dict[str, str], body: bytes, at: int
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(len(body))})
    await response.prepare(request)
    if at > 0:
        await response.write(body[:at])
    _close(request)
    return response
