"""What happened, counted and told: the counters of a client and its observers."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable
from typing import Literal

import attrs

from .logs import LOGGER, LoggingObserver
from .observe import (
    AttemptFinished,
    CallFinished,
    CallStarted,
    Event,
    Observer,
    Outcome,
    Retried,
    Stats,
    Tally,
    Throttled,
    Waited,
)
from .transport.base import Trace

__all__ = ["Record", "Recorder"]

# One sequence for all clients: an observer that several share must not take their calls for one.
_numbers = itertools.count(1)
_own = LoggingObserver(success=logging.DEBUG)
_SHORTEST_WAIT = 0.001


class Recorder:
    """Where the records of all calls come together."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = tuple(observers)
        self._logs = not any(isinstance(observer, LoggingObserver) for observer in self._observers)
        self.stats: Stats = Stats()

    def call(self, operation: str, *, write: bool, url: str) -> Record:
        """The record of a call that begins now. Of *url*, only the origin is told."""
        record = Record(self, next(_numbers), operation, (self.stats, self.stats.of(operation)))
        for tally in record.tallies:
            tally.calls += 1
        if self.watched(logging.DEBUG):
            origin = "/".join(url.split("/", 3)[:3])
            self.tell(CallStarted(call=record.number, operation=operation, write=write, origin=origin))
        return record

    def watched(self, level: int) -> bool:
        """Whether anybody looks: events that nobody sees are not made. *level* is that of their log record."""
        return bool(self._observers) or LOGGER.isEnabledFor(level)

    def tell(self, event: Event) -> None:
        """Hand *event* to all; a write that succeeded must not fail because of who watches it."""
        if self._logs:
            _tell(_own, event)
        for observer in self._observers:
            _tell(observer, event)


def _tell(observer: Observer, event: Event) -> None:
    try:
        observer(event)
    except Exception:
        LOGGER.exception("an observer failed")


@attrs.define
class Record:
    """One call's part of it."""

    _recorder: Recorder
    number: int
    operation: str
    tallies: tuple[Tally, Tally]
    _status: int | None = None

    def waited(self, seconds: float, reason: Literal["limit", "retry"]) -> None:
        """A wait is over."""
        if seconds < _SHORTEST_WAIT:
            return
        for tally in self.tallies:
            tally.waits += 1
            tally.waited_seconds += seconds
        if self._recorder.watched(logging.DEBUG):
            self._recorder.tell(Waited(call=self.number, operation=self.operation, seconds=seconds, reason=reason))

    def attempted(
        self,
        attempt: int,
        seconds: float,
        trace: Trace,
        status: int | None,
        error: BaseException | None,
        sent: int,
        *,
        replayed: bool,
    ) -> None:
        """An attempt ended; *sent* is the size of its body."""
        self._status = status
        left = sent if trace.sent else 0
        for tally in self.tallies:
            tally.attempts += trace.sent
            tally.rate_limited += status == 429
            tally.sent_bytes += left
            tally.received_bytes += trace.received_bytes
        if self._recorder.watched(logging.DEBUG):
            self._recorder.tell(
                AttemptFinished(
                    call=self.number,
                    operation=self.operation,
                    attempt=attempt,
                    seconds=seconds,
                    status=status,
                    error=type(error).__name__ if error is not None else None,
                    phase=trace.phase,
                    sent_bytes=left,
                    received_bytes=trace.received_bytes,
                    replayed=replayed,
                )
            )

    def retried(self, attempt: int, seconds: float, error: Exception) -> None:
        """The next attempt follows in *seconds*."""
        for tally in self.tallies:
            tally.retries += 1
        if self._recorder.watched(logging.INFO):
            name = type(error).__name__
            self._recorder.tell(
                Retried(call=self.number, operation=self.operation, attempt=attempt, seconds=seconds, error=name)
            )

    def throttled(self, scope: Literal["account", "site"], seconds: float) -> None:
        """A 429 has closed a gate."""
        if self._recorder.watched(logging.INFO):
            self._recorder.tell(Throttled(call=self.number, operation=self.operation, scope=scope, seconds=seconds))

    def finished(
        self, attempts: int, seconds: float, error: str | None, outcome: Outcome, idempotency_key: str | None
    ) -> None:
        """The call has ended."""
        for tally in self.tallies:
            tally.failed += outcome == "failed"
            tally.unknown += outcome == "unknown"
        if self._recorder.watched(logging.DEBUG if error is None else logging.ERROR):
            self._recorder.tell(
                CallFinished(
                    call=self.number,
                    operation=self.operation,
                    attempts=attempts,
                    seconds=seconds,
                    status=self._status,
                    error=error,
                    outcome=outcome,
                    idempotency_key=idempotency_key,
                )
            )
