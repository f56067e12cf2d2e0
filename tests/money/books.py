"""A billing server of raw sockets with a table of what was written, and every way in which an answer can go wrong.

It knows keys (30 minutes by a clock of the test's, 422 for other bytes, the replay header), ids (a second create is 400
`duplicate_entry`), and nothing of the package: it reads HTTP by hand.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

import attrs

from tests.sockets import listening_at

BEFORE = ("drop_before", "500_before", "503_before", "429_before", "lock_timeout")
AFTER = ("drop_after", "reset_in_answer", "500_after", "502_after", "cut_body", "cut_gzip")
LATE = "late"
KINDS = (*BEFORE, *AFTER, LATE)
# For single tests: the gateway refuses the key; a proxy gives up and what it passed on is carried out later; the server
# wants to be left alone for five minutes.
REFUSED = "401_before"
GIVEN_UP = "502_late"
BUSY = "503_for_long"
KEY_SECONDS = 30 * 60


@attrs.frozen
class Seen:
    """One request as it came over the wire."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float
    fault: str | None

    @property
    def key(self) -> str:
        return dict(self.headers).get("chargebee-idempotency-key", "")

    @property
    def tag(self) -> str:
        """What the test calls the write: it is a text of the request."""
        form = parse_qs(self.body.decode())
        return next((form[name][0] for name in ("first_name", "description") if name in form), "")

    @property
    def digest(self) -> str:
        """Method, path, headers and body, byte for byte."""
        lines = [f"{name}:{value}" for name, value in self.headers]
        return sha256("\n".join([self.method, self.path, *lines]).encode() + b"\n\n" + self.body).hexdigest()


Answer = tuple[int, dict[str, Any]]
Chooser = Callable[[Seen, int], str | None]


def _healthy(seen: Seen, attempt: int) -> str | None:
    return None


def at_random(seed: int, share: float, kinds: tuple[str, ...] = KINDS) -> Chooser:
    """Faults by a share of the attempts: of a write's n-th attempt always the same one, whatever else goes on."""

    def choose(seen: Seen, attempt: int) -> str | None:
        draw = random.Random(f"{seed} {seen.method} {seen.tag or seen.path} {attempt}")
        return draw.choice(kinds) if draw.random() < share else None

    return choose


def script(*faults: str | None) -> Chooser:
    """The faults of the first POSTs, one after another; then none. A GET has none."""
    left = list(faults)
    return lambda seen, attempt: left.pop(0) if left and seen.method == "POST" else None


@attrs.define
class Books:
    """The server. `rows` is the table, `seen` what arrived, `late` what it will process although nobody waits."""

    choose: Chooser = _healthy
    keys: bool = True
    clock: Callable[[], float] = time.time
    url: str = ""
    rows: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    seen: list[Seen] = attrs.field(factory=list)
    late: list[Seen] = attrs.field(factory=list)
    on_request: Callable[[Seen], None] | None = None
    arrival: asyncio.Event = attrs.field(factory=asyncio.Event)
    """Set when a request has come."""
    abandoned: asyncio.Event = attrs.field(factory=asyncio.Event)
    """Set when a client has given one up."""
    _kept: dict[str, tuple[str, Answer, float]] = attrs.field(factory=dict)
    _attempts: Counter[str] = attrs.field(factory=Counter)
    _writers: set[asyncio.StreamWriter] = attrs.field(factory=set)
    _numbers: int = 0

    @property
    def posts(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == "POST"]

    def tags(self) -> Counter[str]:
        """How often each write is in the table."""
        return Counter(row["tag"] for row in self.rows.values() if row["tag"])

    def flush(self) -> None:
        """Process what came in earlier and was not waited for."""
        while self.late:
            self._process(self.late.pop(0))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self._writers.add(writer)
        try:
            while (seen := await _read(reader, self)) is not None and await self._answer(seen, reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False when the connection is of no more use."""
        self._attempts[f"{seen.method} {seen.tag or seen.path}"] += 1
        fault = self.choose(seen, self._attempts[f"{seen.method} {seen.tag or seen.path}"])
        seen = attrs.evolve(seen, fault=fault)
        self.seen.append(seen)
        self.arrival.set()
        if self.on_request is not None:
            self.on_request(seen)
        if fault == LATE:
            await reader.read()  # until the client gives up
            self.late.append(seen)
            self.abandoned.set()
            if len(self.late) > 3:
                self._process(self.late.pop(0))
            return False
        if fault == GIVEN_UP:
            self.late.append(seen)
        if fault in (*BEFORE, REFUSED, GIVEN_UP, BUSY):
            return _refuse(fault, writer, self.clock())
        status, document, replayed = self._process(seen)
        return _spoil(fault, writer, status, document, replayed, self.clock())

    def _process(self, seen: Seen) -> tuple[int, dict[str, Any], bool]:
        key = seen.key if self.keys and seen.method == "POST" else ""
        stamp = sha256(seen.path.encode() + b"\n" + seen.body).hexdigest()
        kept = self._kept.get(key)
        if kept is not None and self.clock() - kept[2] < KEY_SECONDS:
            if kept[0] != stamp:
                return *problem(422, "unable_to_process_request"), False
            return *kept[1], True
        answer = self._write(seen) if seen.method == "POST" else self._look(seen)
        if key:
            self._kept[key] = (stamp, answer, self.clock())
        return *answer, False

    def _look(self, seen: Seen) -> Answer:
        parts = seen.path.partition("?")[0].split("/")
        if len(parts) == 4:
            return 200, {"list": []}
        row = self.rows.get(parts[4])
        if row is None:
            return problem(404, "resource_not_found")
        return 200, {"customer": {"id": "c"}, row["kind"]: row["record"]}

    def _write(self, seen: Seen) -> Answer:
        form = {name: values[0] for name, values in parse_qs(seen.body.decode()).items()}
        parts = seen.path.split("/")
        if parts[-1] == "cancel_for_items":
            return self._cancel(parts[4])
        if parts[3] == "promotional_credits":
            record = self._add("promotional_credit", seen.tag, {}, form)
            return 200, {"customer": {"id": form["customer_id"]}, "promotional_credit": record}
        if form.get("email") == "declined@example.com":
            return problem(402, "payment_processing_failed", type="payment")
        form["id"] = form.get("id", "").strip()
        if form["id"] in self.rows:
            return problem(400, "duplicate_entry", param="id")
        texts = {name: value for name, value in form.items() if name in ("first_name", "email")}
        return 200, {"customer": self._add("customer", seen.tag, texts, form)}

    def _add(self, kind: str, tag: str, texts: dict[str, str], form: dict[str, str]) -> dict[str, Any]:
        self._numbers += 1
        id = form.get("id") or f"row{self._numbers}"
        now = int(self.clock())
        record = {"id": id, **texts, "created_at": now, "updated_at": now, "object": kind}
        self.rows[id] = {"kind": kind, "tag": tag, "record": record}
        return record

    def subscription(self, id: str, **values: Any) -> None:
        """Put a subscription into the table, as it was long ago."""
        record = {"id": id, "customer_id": "c", "created_at": 1_000, "updated_at": 1_000, "status": "active"}
        self.rows[id] = {"kind": "subscription", "tag": "", "record": {**record, **values}}

    def _cancel(self, id: str) -> Answer:
        row = self.rows.get(id)
        if row is None:
            return problem(404, "resource_not_found")
        if row["record"]["status"] == "cancelled":
            return problem(409, "invalid_state_for_request")
        now = int(self.clock())
        row["record"].update(status="cancelled", cancelled_at=now, updated_at=now)
        return 200, {"subscription": row["record"], "customer": {"id": "c"}}


def problem(status: int, code: str, *, type: str = "invalid_request", param: str | None = None) -> Answer:
    """An error of Chargebee's."""
    details = {"message": code, "type": type, "api_error_code": code, "http_status_code": status}
    return status, {**details, **({"param": param} if param else {})}


async def _read(reader: asyncio.StreamReader, books: Books) -> Seen | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    headers = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    body = await reader.readexactly(int(dict(headers).get("content-length", "0")))
    return Seen(method, path.removeprefix("/chargebee"), headers, body, books.clock(), None)


def _message(status: int, body: bytes, now: float, **headers: str) -> bytes:
    told = {"content-length": str(len(body)), "date": formatdate(now, usegmt=True), **headers}
    lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {value}" for name, value in told.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _json(answer: Answer, now: float, **headers: str) -> bytes:
    return _message(answer[0], json.dumps(answer[1]).encode(), now, content_type="application/json", **headers)


def _refuse(fault: str, writer: asyncio.StreamWriter, now: float) -> bool:
    """What is answered when nothing was done."""
    if fault == "drop_before":
        return False
    answers = {
        "500_before": _json(problem(500, "internal_error", type="operation_failed"), now),
        "503_before": _json(problem(503, "internal_temporary_error", type="operation_failed"), now),
        "429_before": _message(429, b"slow down", now),
        REFUSED: _message(401, b"", now),
        GIVEN_UP: _message(502, b"<html>", now),
        BUSY: _message(503, b"<html>", now, retry_after="300"),
        "lock_timeout": _json(problem(429, "lock_timeout", type="operation_failed"), now),
    }
    writer.write(answers[fault])
    return True


def _spoil(
    fault: str | None, writer: asyncio.StreamWriter, status: int, document: dict[str, Any], replayed: bool, now: float
) -> bool:
    """The answer of what was done, or what a fault leaves of it."""
    headers = {"chargebee-idempotency-replayed": "true"} if replayed else {}
    whole = _json((status, document), now, **headers)
    if fault is None:
        writer.write(whole)
        return True
    if fault == "500_after":
        writer.write(_json(problem(500, "internal_error", type="operation_failed"), now))
        return True
    if fault == "502_after":
        writer.write(_message(502, b"<html><h1>502 Bad Gateway</h1></html>", now, content_type="text/html"))
        return True
    if fault == "cut_body":
        writer.write(whole[:-9])
    elif fault == "cut_gzip":
        packed = gzip.compress(json.dumps(document).encode())[:-12]
        writer.write(_message(status, packed, now, content_encoding="gzip"))
    elif fault == "reset_in_answer":
        writer.write(whole[: len(whole) // 2])
        linger: socket.socket = writer.get_extra_info("socket")
        linger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


@asynccontextmanager
async def books(
    choose: Chooser = _healthy, *, keys: bool = True, clock: Callable[[], float] = time.time
) -> AsyncIterator[Books]:
    """Runs the server on a free port of this machine. With *keys* False a gateway before it drops the header."""
    made = Books(choose, keys, clock)
    async with listening_at(made.serve, made._writers, backlog=512) as made.url:
        yield made
