"""Log records: their levels, their fields, and what they cost when nobody reads them."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aiochargebee_gw import LoggingObserver, _recorder, errors
from aiochargebee_gw.logs import level_of
from aiochargebee_gw.observe import AttemptFinished, CallFinished, CallStarted, Event

from ..client.raw import DROP, answer, raw_server
from .clients import client

pytestmark = pytest.mark.anyio

PAGE = answer(b'{"list": []}')
DOWN = answer(b"{}", status="503 Service Unavailable")
NOT_FOUND = answer(b'{"api_error_code": "resource_not_found"}', status="404 Not Found")
BUSY = answer(b"{}", "Retry-After: 0", status="429 Too Many Requests")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that the package's logger gets."""
    with caplog.at_level(logging.DEBUG, "aiochargebee_gw"):
        yield caplog


async def test_the_log_needs_no_observer(logged: pytest.LogCaptureFixture) -> None:
    """At DEBUG a client that was given no observer tells each call, attempt and repeat."""
    async with raw_server(DOWN, PAGE) as server, client(server.url) as gw:
        await gw.customers.list()
    told = [(record.levelname, record.event) for record in logged.records if record.name == "aiochargebee_gw"]  # type: ignore[attr-defined]
    assert told == [
        ("DEBUG", "CallStarted"),
        ("DEBUG", "AttemptFinished"),
        ("INFO", "Retried"),
        ("DEBUG", "AttemptFinished"),
        ("DEBUG", "CallFinished"),
    ]
    last = logged.records[-1]
    assert "GET /api/v2/customers: ok (200) after 0." in last.getMessage()
    assert last.__dict__["attempts"] == 2
    assert last.__dict__["operation"] == "GET /api/v2/customers"


async def test_with_the_observer_each_call_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """`LoggingObserver` takes the place of the client's own records: at INFO a call that succeeds is one line."""
    caplog.set_level(logging.INFO, "aiochargebee_gw")
    async with raw_server(PAGE) as server, client(server.url, LoggingObserver()) as gw:
        await gw.customers.list()
        await gw.customers.list()
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]


async def test_another_logger_can_take_the_records(caplog: pytest.LogCaptureFixture) -> None:
    """The records go to the logger that is given, and to no other."""
    caplog.set_level(logging.DEBUG)
    observer = LoggingObserver(logging.getLogger("billing.chargebee"), success=logging.DEBUG)
    async with raw_server(PAGE) as server, client(server.url, observer) as gw:
        await gw.customers.list()
    names = {record.name for record in caplog.records if hasattr(record, "event")}
    assert names == {"billing.chargebee"}


async def test_levels_say_who_must_act(caplog: pytest.LogCaptureFixture) -> None:
    """A refusal is information, a failure of the service a warning, a write in doubt an error; success is silent."""
    caplog.set_level(logging.INFO, "aiochargebee_gw")
    script = [NOT_FOUND, PAGE, DOWN, DOWN, DOWN, DOWN, BUSY, PAGE, DROP]
    async with raw_server(*script) as server, client(server.url) as gw:
        with pytest.raises(errors.NotFound):
            await gw.customers.retrieve("c1")
        await gw.customers.list()
        with pytest.raises(errors.ServiceUnavailable):
            await gw.customers.list()
        await gw.customers.list()
        with pytest.raises(errors.OutcomeUnknown):
            await gw.call("POST", "/api/v2/portal_sessions")
    told = [(record.levelname, record.__dict__["event"]) for record in caplog.records]
    assert told == [
        ("INFO", "CallFinished"),
        *[("INFO", "Retried")] * 3,
        ("WARNING", "CallFinished"),
        ("INFO", "Throttled"),
        ("INFO", "Retried"),
        ("ERROR", "CallFinished"),
    ]


def test_a_cancelled_read_is_no_failure() -> None:
    """Who cancels a read knows it; a write that was cancelled after its bytes had left is an error all the same."""
    ended = CallFinished(
        call=1, operation="GET /x", attempts=1, seconds=1, status=None, error="CancelledError", outcome="failed"
    )
    assert level_of(ended) == logging.INFO
    unknown = CallFinished(
        call=1, operation="POST /x", attempts=1, seconds=1, status=None, error="CancelledError", outcome="unknown"
    )
    assert level_of(unknown) == logging.ERROR


def test_unless_asked_for_nothing_is_written() -> None:
    """A program that has not set up logging sees no line of ours, not even of a call that failed."""
    program = """
import asyncio
from aiochargebee_gw import Gateway, Retry, Settings, errors
async def main():
    nowhere = Settings(gateway_url="http://127.0.0.1:9", control_url="http://127.0.0.1:9", retry=Retry.none())
    async with Gateway("sandbox_k", settings=nowhere) as gw:
        try:
            await gw.customers.list()
        except errors.ConnectFailed:
            print("failed")
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (b"failed\n", b"")


@pytest.mark.parametrize(
    ("level", "expected"),
    [(logging.WARNING, []), (logging.DEBUG, ["CallStarted", "AttemptFinished", "CallFinished"])],
)
async def test_events_that_nobody_sees_are_not_made(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, level: int, expected: list[str]
) -> None:
    """At the default level, and with no observer, a call that succeeds makes no event; at DEBUG it makes three."""
    made: list[str] = []

    def counted(kind: type[Event]) -> Callable[..., Event]:
        def make(**fields: Any) -> Event:
            made.append(kind.__name__)
            return kind(**fields)

        return make

    for kind in (CallStarted, AttemptFinished, CallFinished):
        monkeypatch.setattr(_recorder, kind.__name__, counted(kind))
    caplog.set_level(level, "aiochargebee_gw")
    async with raw_server(PAGE) as server, client(server.url) as gw:
        await gw.customers.list()
    assert made == expected


async def test_calls_at_once_are_told_apart_in_the_log(logged: pytest.LogCaptureFixture) -> None:
    """Each record carries the number of its call: twenty at once give twenty whole stories."""
    async with raw_server(PAGE) as server, client(server.url) as gw:

        async def one() -> None:
            await gw.customers.list()

        await asyncio.gather(*(one() for _ in range(20)))
    stories: dict[int, list[str]] = {}
    for record in logged.records:
        if record.name == "aiochargebee_gw":
            stories.setdefault(record.__dict__["call"], []).append(record.__dict__["event"])
    assert list(stories.values()) == [["CallStarted", "AttemptFinished", "CallFinished"]] * 20
