"""OpenTelemetry: a span for each call, and metrics. Needs the extra `otel`, which is the API alone.

    from aiochargebee_gw.ext.otel import MetricsObserver, TracingObserver

    gw = Gateway(observers=[TracingObserver(), MetricsObserver()])

Where they go is the program's choice of an SDK; without one nothing is kept. Names follow the semantic conventions for
HTTP clients, except that nothing holds a full URL: ids and filters stand in it. No key, header, query or body is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from .._version import __version__
from ..observe import AttemptFinished, CallFinished, CallStarted, Event, Retried, Throttled, Waited

__all__ = ["MetricsObserver", "TracingObserver"]

_SCOPE = "aiochargebee_gw"
_Attributes: TypeAlias = Mapping[str, str | int | float | bool]


class TracingObserver:
    """A CLIENT span for each call, as a child of the span that is current where the call is made.

    It lasts from the call to its end: waits and repeats are inside of it, as events `wait`, `attempt`, `retry` and
    `throttled`. A call that fails has the status ERROR and `error.type`; `chargebee.outcome` tells a write in doubt
    ("unknown") from one that failed. The span is never made the current one. *provider* defaults to the global one.
    """

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer(_SCOPE, __version__, provider)
        self._open: dict[int, Span] = {}

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, CallStarted):
            self._open[event.call] = self._begin(event)
            return
        # None where the tracer raised when the call began.
        span = self._open.get(event.call)
        if span is None:
            return
        if isinstance(event, CallFinished):
            del self._open[event.call]
            _end(span, event)
        elif span.is_recording():
            span.add_event(*_told(event))

    def _begin(self, event: CallStarted) -> Span:
        # Observers are called in the caller's task, so the current context is the caller's.
        attributes = {**_request(event.operation), **_server(event.origin), "chargebee.write": event.write}
        return self._tracer.start_span(event.operation, kind=SpanKind.CLIENT, attributes=attributes)


class MetricsObserver:
    """Measures calls: a histogram of their seconds, and counters of attempts, repeats, rate limits and waits.

    Attributes are the method, the path template, the outcome and the class of the error: a set that does not grow with
    the data. *provider* defaults to the global one.
    """

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter(_SCOPE, __version__, provider)
        self._calls = meter.create_histogram(
            "aiochargebee_gw.call.duration", unit="s", description="Seconds from a call to its end."
        )
        self._attempts = meter.create_counter("aiochargebee_gw.attempts", description="Requests that were sent.")
        self._retries = meter.create_counter("aiochargebee_gw.retries", description="Repeats of failed attempts.")
        self._throttled = meter.create_counter("aiochargebee_gw.rate_limited", description="Answers 429.")
        self._waits = meter.create_histogram(
            "aiochargebee_gw.wait.duration", unit="s", description="Seconds that calls waited for a send."
        )

    def __call__(self, event: Event, /) -> None:
        about = _request(event.operation)
        if isinstance(event, CallFinished):
            self._calls.record(event.seconds, {**about, "chargebee.outcome": event.outcome, **_error(event.error)})
        elif isinstance(event, AttemptFinished):
            # As `Stats` counts them: what servers have seen.
            if event.phase not in ("unsent", "connected"):
                self._attempts.add(1, about)
            if event.status == 429:
                self._throttled.add(1, about)
        elif isinstance(event, Retried):
            self._retries.add(1, {**about, **_error(event.error)})
        elif isinstance(event, Waited):
            self._waits.record(event.seconds, {**about, "reason": event.reason})


def _request(operation: str) -> dict[str, str]:
    method, _, template = operation.partition(" ")
    named = {"url.template": template} if template.startswith("/") else {}
    return {"http.request.method": method, **named}


def _server(origin: str) -> dict[str, str | int]:
    parts = urlsplit(origin)
    port = parts.port or {"https": 443}.get(parts.scheme, 80)
    return {"server.address": parts.hostname or "", "server.port": port, "url.scheme": parts.scheme}


def _error(name: str | None) -> dict[str, str]:
    return {} if name is None else {"error.type": name}


def _status(status: int | None) -> dict[str, int]:
    return {} if status is None else {"http.response.status_code": status}


def _told(event: Waited | AttemptFinished | Retried | Throttled) -> tuple[str, _Attributes]:
    """A span event's name and attributes."""
    if isinstance(event, Waited):
        return "wait", {"seconds": event.seconds, "reason": event.reason}
    if isinstance(event, Retried):
        return "retry", {"attempt": event.attempt, "seconds": event.seconds, **_error(event.error)}
    if isinstance(event, Throttled):
        return "throttled", {"scope": event.scope, "seconds": event.seconds}
    about: dict[str, str | int | float] = {
        "attempt": event.attempt,
        "seconds": event.seconds,
        "phase": event.phase,
        "http.request.body.size": event.sent_bytes,
        "http.response.body.size": event.received_bytes,
        "chargebee.replayed": event.replayed,
    }
    return "attempt", {**about, **_status(event.status), **_error(event.error)}


def _end(span: Span, event: CallFinished) -> None:
    if span.is_recording():
        resends = {"http.request.resend_count": event.attempts - 1} if event.attempts > 1 else {}
        found = {"chargebee.outcome": event.outcome, **resends, **_status(event.status), **_error(event.error)}
        span.set_attributes(found)
        if event.error is not None:
            doubt = "the outcome of this write is unknown" if event.outcome == "unknown" else event.error
            span.set_status(Status(StatusCode.ERROR, doubt))
    span.end()
