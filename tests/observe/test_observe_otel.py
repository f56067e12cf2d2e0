"""Spans and metrics, read back from OpenTelemetry's own SDK."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` and the SDK are not installed")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from aiochargebee_gw import Gateway, Limits, Retry, errors
from aiochargebee_gw.ext.otel import MetricsObserver, TracingObserver
from aiochargebee_gw.fields import customer
from aiochargebee_gw.observe import CallFinished, CallStarted, Event

from ..client.raw import DROP, answer, raw_server
from .clients import client

pytestmark = pytest.mark.anyio

PAGE = answer(b'{"list": []}')
ONE = answer(b'{"customer": {"id": "c1", "object": "customer"}}')
BUSY = answer(b"{}", "Retry-After: 0", status="429 Too Many Requests")
DOWN = answer(b"{}", status="503 Service Unavailable")
# Four requests do not fit into its first instant.
SLOW = Limits(account_per_second=50)


class Traced:
    """A provider that keeps its spans."""

    def __init__(self, **options: Any) -> None:
        self._kept = InMemorySpanExporter()
        self.provider = TracerProvider(**options)
        self.provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.tracer: Tracer = self.provider.get_tracer("test")

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended."""
        return list(self._kept.get_finished_spans())

    def ours(self) -> list[ReadableSpan]:
        """Those of calls."""
        return [span for span in self.spans if span.kind is SpanKind.CLIENT]


async def test_a_call_is_a_client_span_of_whoever_makes_it() -> None:
    """The span's parent is the current span, its name the operation, its attributes those of the conventions."""
    traced = Traced()
    async with raw_server(PAGE) as server, client(server.url, TracingObserver(traced.provider)) as gw:
        with traced.tracer.start_as_current_span("handler") as handler:
            await gw.customers.list(customer.email.is_("ada@example.com"))
        port = int(server.url.rpartition(":")[2])
    (span,) = traced.ours()
    assert span.name == "GET /api/v2/customers"
    assert span.parent is not None
    assert span.parent.span_id == handler.get_span_context().span_id
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.template": "/api/v2/customers",
        "url.scheme": "http",
        "server.address": "127.0.0.1",
        "server.port": port,
        "chargebee.write": False,
        "chargebee.outcome": "ok",
        "http.response.status_code": 200,
    }
    assert span.status.status_code is StatusCode.UNSET
    assert "example.com" not in span.to_json()


async def test_each_attempt_and_repeat_is_an_event_of_the_span() -> None:
    """A 429, a lost connection and a success are three attempts and two repeats inside of one span."""
    traced = Traced()
    async with raw_server(BUSY, DROP, PAGE) as server, client(server.url, TracingObserver(traced.provider)) as gw:
        await gw.customers.list()
    (span,) = traced.ours()
    assert [event.name for event in span.events] == [
        *("attempt", "throttled", "retry"),
        *("attempt", "retry"),
        "attempt",
    ]
    attempts = [dict(event.attributes or {}) for event in span.events if event.name == "attempt"]
    assert [each.get("http.response.status_code") for each in attempts] == [429, None, 200]
    assert [each.get("error.type") for each in attempts] == ["GatewayRateLimited", "ConnectionLost", None]
    assert (span.attributes or {})["http.request.resend_count"] == 2


async def test_failures_and_doubt_have_the_status_error() -> None:
    """A failed call names its error; a write in doubt says that its outcome is unknown."""
    traced = Traced()
    script = [DOWN, DOWN, DOWN, DOWN, DROP]
    async with raw_server(*script) as server, client(server.url, TracingObserver(traced.provider)) as gw:
        with pytest.raises(errors.ServiceUnavailable):
            await gw.customers.list()
        with pytest.raises(errors.OutcomeUnknown):
            await gw.call("POST", "/api/v2/portal_sessions")
    failed, doubtful = traced.ours()
    assert failed.status.status_code is doubtful.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "ServiceUnavailable"
    assert (failed.attributes or {})["http.response.status_code"] == 503
    assert (doubtful.attributes or {})["chargebee.outcome"] == "unknown"
    assert doubtful.status.description == "the outcome of this write is unknown"


async def _parents(traced: Traced, gw: Gateway, calls: int) -> list[bool]:
    """For each of many tasks at once, whether the calls that it made are children of its own span."""

    async def one(number: int) -> tuple[int, int]:
        with traced.tracer.start_as_current_span(f"task {number}") as own:
            await asyncio.gather(gw.call("GET", "/api/v2/customers"), gw.call("GET", "/api/v2/invoices"))
            return number, own.get_span_context().span_id

    own = dict(await asyncio.gather(*(one(number) for number in range(calls))))
    children = [span.parent.span_id if span.parent else None for span in traced.ours()]
    return [children.count(span_id) == 2 for span_id in own.values()]


async def test_calls_at_once_do_not_mix() -> None:
    """Of fifty tasks at once, each with two calls at once, every call is a child of its own task's span."""
    traced = Traced()
    async with raw_server(PAGE) as server, client(server.url, TracingObserver(traced.provider)) as gw:
        assert all(await _parents(traced, gw, 50))
    assert len(traced.ours()) == 100


async def test_a_naive_observer_mixes_them() -> None:
    """The baseline: an observer that keeps one span as the one that is open loses spans as soon as calls overlap."""
    traced = Traced()
    current: list[Any] = [None]

    def naive(event: Event) -> None:
        if isinstance(event, CallStarted):
            current[0] = traced.tracer.start_span(event.operation, kind=SpanKind.CLIENT)
        elif isinstance(event, CallFinished) and current[0] is not None:
            current[0].end()
            current[0] = None

    async with raw_server(PAGE) as server, client(server.url, naive) as gw:
        assert not all(await _parents(traced, gw, 50))
    assert len(traced.ours()) < 100


async def test_a_cancelled_call_ends_its_span() -> None:
    """No span stays open, whatever ends a call; a write that was cancelled under way is in doubt."""
    traced, sent = Traced(), asyncio.Event()
    observer = TracingObserver(traced.provider)

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        sent.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(stall, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with client(url, observer) as gw:
        task = asyncio.create_task(gw.call("POST", "/api/v2/portal_sessions"))
        await sent.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    server.close()
    await server.wait_closed()
    (span,) = traced.ours()
    assert (span.attributes or {})["chargebee.outcome"] == "unknown"
    assert (span.attributes or {})["error.type"] == "CancelledError"
    assert not observer._open


async def test_a_span_that_is_not_sampled_costs_no_events() -> None:
    """Where the sampler says no, nothing is recorded and the call goes on as ever."""
    traced = Traced(sampler=ALWAYS_OFF)
    async with raw_server(BUSY, PAGE) as server, client(server.url, TracingObserver(traced.provider)) as gw:
        await gw.customers.list()
    assert traced.spans == []


async def test_a_tracer_that_raises_breaks_no_call(caplog: pytest.LogCaptureFixture) -> None:
    """A call whose span could not be begun goes on without one."""

    class Broken(TracerProvider):
        def get_tracer(self, *arguments: Any, **options: Any) -> Any:
            return None

    async with raw_server(PAGE) as server, client(server.url, TracingObserver(Broken())) as gw:
        await gw.customers.list()
    assert caplog.text.count("an observer failed") == 1


async def test_metrics_count_what_the_client_counts() -> None:
    """The counters of OpenTelemetry and of `gw.stats` agree, by operation."""
    reader = InMemoryMetricReader()
    observer = MetricsObserver(MeterProvider([reader]))
    pauses = Retry(base_seconds=0.005, throttled_base_seconds=0.005)
    script = [BUSY, DROP, PAGE, ONE]
    async with raw_server(*script) as server, client(server.url, observer, retry=pauses, limits=SLOW) as gw:
        await gw.customers.list()
        await gw.customers.retrieve("c1")
        stats = gw.stats
    data = reader.get_metrics_data()
    assert data is not None
    found: dict[str, Any] = {
        metric.name: list(metric.data.data_points) for metric in data.resource_metrics[0].scope_metrics[0].metrics
    }
    assert sum(point.count for point in found["aiochargebee_gw.call.duration"]) == stats.calls == 2
    attempts = {point.attributes["url.template"]: point.value for point in found["aiochargebee_gw.attempts"]}
    assert attempts == {"/api/v2/customers": 3, "/api/v2/customers/{id}": 1}
    assert sum(attempts.values()) == stats.attempts
    assert sum(point.value for point in found["aiochargebee_gw.retries"]) == stats.retries
    assert sum(point.value for point in found["aiochargebee_gw.rate_limited"]) == stats.rate_limited
    assert sum(point.count for point in found["aiochargebee_gw.wait.duration"]) == stats.waits > 0
    outcomes = {point.attributes["chargebee.outcome"] for point in found["aiochargebee_gw.call.duration"]}
    assert outcomes == {"ok"}
