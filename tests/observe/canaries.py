"""A program that does everything with marked data, and writes down everything that could leave it.

`python -X dev -m tests.observe.canaries FOLDER BYTES` runs rounds of calls under all faults until so many bytes are
written, into three files. `shown` holds what must hold no mark at all: every log record with its fields, every event,
`str()`, `repr()` and plain tracebacks of every error, also after pickling, and the `repr()` of public values. `locals`
(tracebacks with the variables of their frames, along every cause and context) and `pickles` may hold what the caller
gave, but no key. `marks.json` names the marks, `seen.json` what was run.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import pickle
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiochargebee_gw import Filter, Gateway, Limits, Retry, Settings, Timeouts, errors
from aiochargebee_gw.export import export
from aiochargebee_gw.fields import customer, subscription
from aiochargebee_gw.observe import Event, Observer
from aiochargebee_gw.sandbox import ThreadedSandbox

EMAIL, CARD, CUSTOM = "canarymail7f3a@leak.example", "4111111111111111", "canarycustom7f3a"
NAME, FILTER, ID, OFFSET = "canaryname7f3a", "canaryfilter7f3a", "canaryid7f3a", "canaryoffset7f3a"
IDEMPOTENCY, HEADER = "canaryidem7f3a@leak.example", "canaryheader7f3a"
MARKS = {
    "email": "canarymail7f3a", "card": CARD, "custom field": CUSTOM, "name": NAME, "filter": FILTER, "id": ID,
    "offset": OFFSET, "idempotency key": "canaryidem7f3a", "header": HEADER,
}  # fmt: skip
# What servers write may quote anything that they were sent.
QUOTING = {"message": f"{EMAIL} {NAME} {CARD} {ID} {CUSTOM}", "api_error_code": "param_wrong_value", "param": "email"}
BROKEN = b'{"list":[{"customer":{"id":7,"email":"%s","created_at":"%s"}}]' % (EMAIL.encode(), NAME.encode())
WRONG = {"list": [{"customer": {"id": ID, "email": EMAIL, "created_at": NAME}}], "next_offset": OFFSET}
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    *(("status", {"status": status, "body": QUOTING}) for status in (400, 401, 402, 403, 404, 409, 422, 429, 500, 503)),
    *(("status", {"status": status, "body": {"message": EMAIL}}) for status in (400, 401, 429, 500, 502)),
    ("status", {"status": 503, "body": QUOTING, "after_write": True}),
    ("status", {"status": 200, "body": BROKEN}),
    ("status", {"status": 200, "body": WRONG}),
    ("rate_limited", {"retry_after": 0, "code": None}),
    ("rate_limited", {"retry_after": 86400, "code": "api_request_limit_exceeded"}),
    ("drop", {}),
    ("drop", {"after_write": True}),
    ("cut_body", {}),
    ("cut_gzip", {}),
    ("latency", {"seconds": 0.01}),
    ("hang", {}),
    ("html", {"body": f"<html>{EMAIL} {NAME}</html>"}),
    ("redirect", {"location": f"https://leak.example/{ID}?email={EMAIL}"}),
    ("repeat_offset", {"offset": OFFSET}),
    ("strip_idempotency", {}),
)
SERVER = "chargebee-sandbox"
Work = Callable[[Gateway], Awaitable[object]]


class Sink:
    """Where everything is written."""

    def __init__(self, folder: Path) -> None:
        self._shown = (folder / "shown").open("wb")
        self._locals = (folder / "locals").open("wb")
        self._pickles = (folder / "pickles").open("wb")
        self.bytes = 0
        self.seen: Counter[str] = Counter()
        self.tracers = list(_tracers(self))

    def show(self, text: str) -> None:
        """What must hold no mark."""
        self.bytes += self._shown.write(text.encode("utf-8", "backslashreplace") + b"\n")

    def watch(self, event: Event) -> None:
        """An observer."""
        self.seen[type(event).__name__] += 1
        self.show(f"{event!r} {event!s}")

    def error(self, error: BaseException) -> None:
        """Every form of an error."""
        self.seen[type(error).__name__] += 1
        self.show(f"{error!s} {error!r}")
        self.show("".join(traceback.format_exception(error)))
        for line in _locals(traceback.TracebackException.from_exception(error, capture_locals=True)):
            self.bytes += self._locals.write(line.encode("utf-8", "backslashreplace") + b"\n")
        if isinstance(error, errors.GatewayClientError):
            packed = pickle.dumps(error)
            self.bytes += self._pickles.write(packed)
            again = pickle.loads(packed)
            self.show(f"{again!s} {again!r}")

    def close(self) -> None:
        """End all files."""
        for file in (self._shown, self._locals, self._pickles):
            file.close()


def _locals(found: traceback.TracebackException) -> Iterator[str]:
    """All frames' variables, along causes and contexts, also those that a traceback does not print."""
    for frame in found.stack:
        yield f"{frame.filename}:{frame.lineno} {frame.name} {frame.locals}"
    for other in (found.__cause__, found.__context__):
        if other is not None:
            yield from _locals(other)


def _tracers(sink: Sink) -> Iterator[Observer]:
    """An observer whose spans are shown as they are exported, where OpenTelemetry's SDK is installed."""
    try:
        from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
    except ModuleNotFoundError:
        return

    from aiochargebee_gw.ext.otel import TracingObserver

    class Shown(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            sink.seen["span"] += 1
            sink.show(span.to_json())

    provider = TracerProvider()
    provider.add_span_processor(Shown())
    yield TracingObserver(provider)


class Records(logging.Handler):
    """Every record of every logger, with all of its attributes; what the server's thread logs is the server's."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(logging.DEBUG)
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        if record.threadName == SERVER:
            return
        self._sink.seen[f"log {record.name}"] += 1
        self._sink.show(f"{self.format(record)} {record.__dict__}")


async def _stream(gw: Gateway) -> None:
    async with gw.customers.list(customer.first_name.is_(FILTER), limit=2).prefetch(2) as rows:
        async for _ in rows:
            pass


async def _parallel(gw: Gateway) -> None:
    async with gw.customers.list(customer.first_name.is_(FILTER), limit=2).parallel(workers=2) as rows:
        async for _ in rows:
            pass


async def _export(gw: Gateway) -> None:
    with tempfile.TemporaryDirectory() as folder:
        await export(gw.customers.list(customer.email.is_(EMAIL)), to=Path(folder, "x.jsonl"))


async def _all(rows: AsyncIterator[object]) -> None:
    async for _ in rows:
        pass


def _create(gw: Gateway, **more: Any) -> Awaitable[object]:
    card = {"number": CARD, "cvv": "123", "expiry_month": 1, "expiry_year": 2040}
    return gw.customers.create(first_name=NAME, email=EMAIL, cf_region=CUSTOM, card=card, **more)  # type: ignore[call-arg,arg-type]


CALLS: dict[str, Work] = {
    "list": lambda gw: _first(gw.customers.list(customer.email.is_(EMAIL), offset=None)),
    "filtered": lambda gw: gw.customers.list(Filter("cf_region", "is", FILTER)).collect(),
    "offset": lambda gw: gw.customers.list(offset=OFFSET).collect(limit=5),
    "rows": lambda gw: _all(aiter(gw.customers.list(limit=2).rows())),
    "raw": lambda gw: _all(aiter(gw.customers.list(limit=2).raw())),
    "prefetch": _stream,
    "parallel": lambda gw: _parallel(gw),
    "export": lambda gw: _export(gw),
    "retrieve": lambda gw: gw.customers.retrieve(ID),
    "get_many": lambda gw: _all(aiter(gw.customers.get_many([ID, f"{ID}2"]))),
    "create": _create,
    "create keyed": lambda gw: _create(gw, idempotency_key=IDEMPOTENCY),
    "create named": lambda gw: _create(gw, id=ID, headers={"chargebee-event-email": HEADER}),
    "update": lambda gw: gw.customers.update(ID, email=EMAIL, idempotency_key=IDEMPOTENCY),
    "cancel": lambda gw: gw.subscriptions.cancel_for_items(ID, end_of_term=True),
    "raw get": lambda gw: gw.call("GET", f"/api/v2/customers/{ID}", query={"email": EMAIL}),
    "raw post": lambda gw: gw.call(
        "POST", "/api/v2/customers", form={"card[number]": CARD, "email": EMAIL}, idempotency_key=IDEMPOTENCY
    ),
    "raw json": lambda gw: gw.call("POST", "/api/v2/usage_events", json={"events": [{"customer_id": ID}]}),
    "pdf": lambda gw: _pdf(gw),
    "connections": lambda gw: gw.connections.list(),
    "connection": lambda gw: gw.connections.get(ID),
    "no connection": lambda gw: gw.using(f"{ID}").customers.retrieve(ID),
    "wrong key": lambda gw: gw.customers.retrieve(ID, headers={"chargebee-event-email": HEADER}),
}
MISTAKES: dict[str, Work] = {
    "id": lambda gw: gw.customers.retrieve(f"../{ID}"),
    "empty id": lambda gw: gw.customers.retrieve(f"{ID}/../.."),
    "long id": lambda gw: gw.customers.retrieve(ID * 20),
    "parameter": lambda gw: gw.customers.create(frist_name=NAME),  # type: ignore[call-arg]
    "type": lambda gw: gw.customers.create(email={"x": EMAIL}),  # type: ignore[arg-type]
    "enum": lambda gw: gw.customers.create(auto_collection=NAME),
    "nul": lambda gw: gw.customers.create(first_name=f"{NAME}\0\ud800"),
    "filter": lambda gw: _first(gw.subscriptions.list(subscription.status.is_(FILTER))),
    "filter type": lambda gw: _first(gw.customers.list(customer.created_at.after(FILTER))),  # type: ignore[arg-type]
    "filter name": lambda gw: _first(gw.customers.list(Filter("emial", "is", EMAIL))),
    "filter text": lambda gw: _first(gw.customers.list(Filter.parse(f"email[iz]={EMAIL}"))),
    "header": lambda gw: gw.customers.retrieve(ID, headers={"chargebee-event-email": f"{HEADER}\n"}),
    "key": lambda gw: gw.customers.create(idempotency_key=f"{IDEMPOTENCY} {'x' * 100}"),
    "connection": lambda gw: gw.using(f"{ID} x").customers.retrieve(ID),
    "path": lambda gw: gw.call("GET", f"/chargebee/{ID}?{EMAIL}"),
    "json": lambda gw: gw.call("POST", "/api/v2/usage_events", json={"x": {ID}, EMAIL: math.nan}),
    "link": lambda gw: gw.download(f"http://leak.example/{ID}?{EMAIL}"),
}


async def _first(pages: Any) -> object:
    return await pages


async def _pdf(gw: Gateway) -> None:
    found = await gw.invoices.list(limit=1)
    pdf = await gw.invoices.pdf(found.records[0].id)
    await gw.download(pdf.download)
    await gw.invoices.pdf(ID)


async def _run(sink: Sink, gw: Gateway, work: Work) -> None:
    try:
        await work(gw)
    except Exception as error:
        sink.error(error)
    else:
        sink.seen["ok"] += 1


async def _cancelled(sink: Sink, sandbox: ThreadedSandbox, gw: Gateway, work: Work) -> None:
    """A call that is cancelled while the server keeps it waiting."""
    sandbox.faults.add("hang", times=None)
    arrived, loop = asyncio.Event(), asyncio.get_running_loop()
    sandbox.on_request = lambda request: loop.call_soon_threadsafe(arrived.set)
    task = asyncio.ensure_future(work(gw))
    await asyncio.wait((task, asyncio.ensure_future(arrived.wait())), return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    try:
        await task
    except BaseException as error:
        sink.error(error)
    sandbox.on_request = None
    sandbox.faults.clear()


async def _round(sink: Sink, sandbox: ThreadedSandbox, gw: Gateway) -> None:
    for name, work in CALLS.items():
        sink.seen[f"call {name}"] += 1
        await _run(sink, gw, work)
        await _cancelled(sink, sandbox, gw, work)
        for kind, details in (*FAULTS, *_echoes(sandbox)):
            sandbox.faults.add(kind, times=None, **details)
            async with _fresh(sink, gw, sandbox) as own:
                await _run(sink, own.with_options(timeout=0.02) if kind == "hang" else own, work)
            sandbox.faults.clear()
            sink.seen[f"fault {kind}"] += 1
    for work in MISTAKES.values():
        await _run(sink, gw, _called(work))


def _echoes(sandbox: ThreadedSandbox) -> Iterator[tuple[str, dict[str, Any]]]:
    """Error pages that quote the request with its key, as debugging proxies do."""
    told = {"message": f"Authorization: Bearer {sandbox.api_key}", "api_error_code": "param_wrong_value"}
    headers = {"x-request-authorization": f"Bearer {sandbox.api_key}"}
    for status in (400, 500):
        yield "status", {"status": status, "body": told, "headers": headers}


def _fresh(sink: Sink, gw: Gateway, sandbox: ThreadedSandbox) -> Gateway:
    # What a 429 has closed stays closed for all later calls of its client.
    return sandbox.gateway(
        settings=gw.settings, connection=sandbox.connection_id, observers=[sink.watch, *sink.tracers]
    )


def _called(work: Work) -> Work:
    # A mistake may be raised where the call is made, not where it is awaited.
    async def call(gw: Gateway) -> object:
        return await work(gw)

    return call


async def _unreachable(sink: Sink, key: str) -> None:
    """Nobody listens; a client that is closed; a key for another place; a key that is none."""
    gone = Settings(gateway_url="http://127.0.0.1:9", control_url="http://127.0.0.1:9", retry=Retry.none())
    gw = Gateway(key, settings=gone)
    await _run(sink, gw, CALLS["create keyed"])
    await gw.aclose()
    await _run(sink, gw, CALLS["create keyed"])
    sink.show(f"{gw!r} {gw!s}")


def _constructions(sink: Sink, marked: Callable[[], str]) -> None:
    """Wrong ways to make a client, with the real key."""
    for url in ("https://gateway.example/x", "http://gateway.example", "https://gateway.example", "nonsense"):
        try:
            Gateway(marked(), settings=Settings(gateway_url=url, control_url=url))
        except errors.GatewayClientError as error:
            sink.error(error)
    try:
        Gateway(marked() + "\n")
    except errors.GatewayClientError as error:
        sink.error(error)


def _values(sink: Sink, gw: Gateway) -> None:
    """The `repr()` and `str()` of what a program holds."""
    tenant = gw.using("another").with_options(headers={"chargebee-event-email": HEADER})
    pages = gw.customers.list(customer.email.is_(EMAIL), customer.first_name.is_(FILTER), offset=OFFSET)
    values = (
        gw, tenant, gw.settings, gw.stats, gw.stats.as_dict(), gw.customers, pages, aiter(pages), aiter(pages.rows()),
        pages.pages(), pages.raw(), gw.customers.get_many([ID]), customer.email.is_(EMAIL), gw.connections,
        gw._caller, gw._caller.options, gw._caller.engine, gw._transport, vars(gw), vars(gw._caller.engine),
    )  # fmt: skip
    for value in values:
        sink.show(f"{value!r} {value!s}")


def _inner(sink: Sink, gw: Gateway) -> None:
    """The values that the client works with, as a debugger would show them: they never leave it otherwise."""
    from aiochargebee_gw import _engine

    send = _engine.Engine.send

    async def shown(self: Any, call: Any, read: Any) -> Any:
        sink.show(f"{call!r} {call.request!r} {call.lookup!r}")
        return await send(self, call, read)

    _engine.Engine.send = shown  # type: ignore[method-assign]


@asynccontextmanager
async def _world(sink: Sink, folder: Path) -> AsyncIterator[tuple[ThreadedSandbox, Gateway]]:
    quick = Settings(
        retry=Retry(attempts=2, deadline_seconds=5, base_seconds=0.004, throttled_base_seconds=0.004, budget=math.inf),
        timeouts=Timeouts(read_seconds=5),
        limits=Limits(account_per_second=math.inf, site_per_minute=math.inf),
        max_response_bytes=200_000,
    )
    with ThreadedSandbox(records=6, catalog="both") as sandbox:
        marks = {**MARKS, "key": sandbox.api_key, "connection": sandbox.connection_id}
        (folder / "marks.json").write_text(json.dumps(marks))
        sandbox.insert("customer", {"id": ID, "email": EMAIL, "first_name": FILTER, "cf_region": CUSTOM})
        del marks
        async with sandbox.gateway(settings=quick, observers=[sink.watch, *sink.tracers]) as gw:
            yield sandbox, gw


async def _scenario(folder: Path, wanted: int) -> None:
    sink = Sink(folder)
    logging.basicConfig(level=logging.DEBUG, handlers=[Records(sink)])
    logging.captureWarnings(True)
    warnings.simplefilter("always")
    asyncio.get_running_loop().slow_callback_duration = 0.001
    rounds = 0
    async with _world(sink, folder) as (sandbox, gw):
        _inner(sink, gw)
        while not rounds or sink.bytes < wanted:
            await _round(sink, sandbox, gw)
            rounds += 1
        _values(sink, gw)
        await _unreachable(sink, sandbox.api_key)
        _constructions(sink, lambda: sandbox.api_key)
    logging.getLogger().handlers.clear()
    (folder / "seen.json").write_text(json.dumps({**sink.seen, "rounds": rounds, "bytes": sink.bytes}))
    sink.close()


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    asyncio.run(_scenario(target, int(sys.argv[2]) if len(sys.argv) > 2 else 0))
