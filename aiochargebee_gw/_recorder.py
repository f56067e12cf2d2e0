"""What happened, counted and told: the counters of a client and its observers."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable
from typing import Literal

import attrs

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

_log = logging.getLogger("aiochargebee_gw")


class Recorder:
    """Where the records of all calls come together."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = tuple(observers)
        self._numbers = itertools.count(1)
        self.stats: Stats = Stats()

    def call(self, operation: str, *, write: bool) -> Record:
        """The record of a call that begins now."""
        record = Record(self, next(self._numbers), operation, (self.stats, self.stats.of(operation)))
        for tally in record.tallies:
            tally.calls += 1
        if self.watched:
            self.tell(CallStarted(call=record.number, operation=operation, write=write))
        return record

    @property
    def watched(self) -> bool:
        """Whether anybody looks: events that nobody sees are not made."""
        return bool(self._observers)

    def tell(self, event: Event) -> None:
        for observer in self._observers:
            try:
                observer(event)
            except Exception:
                # A write that succeeded must not fail because of who watches it.
                _log.exception("an observer failed")


@attrs.frozen
class Record:
    """One call's part of it."""

    _recorder: Recorder
    number: int
    operation: str
    tallies: tuple[Tally, Tally]

    def waited(self, seconds: float, reason: Literal["limit", "retry"]) -> None:
        for tally in self.tallies:
            tally.waits += 1
            tally.waited_seconds += seconds
        if self._recorder.watched:
            self._recorder.tell(Waited(call=self.number, operation=self.operation, seconds=seconds, reason=reason))

    def attempted(
        self, attempt: int, seconds: float, trace: Trace, status: int | None, error: BaseException | None, sent: int
    ) -> None:
        """An attempt ended; *sent* is the size of its body."""
        left = sent if trace.sent else 0
        for tally in self.tallies:
            tally.attempts += trace.sent
            tally.rate_limited += status == 429
            tally.sent_bytes += left
            tally.received_bytes += trace.received_bytes
        if self._recorder.watched:
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
                )
            )

    def retried(self, attempt: int, seconds: float, error: Exception) -> None:
        for tally in self.tallies:
            tally.retries += 1
        if self._recorder.watched:
            name = type(error).__name__
            self._recorder.tell(
                Retried(call=self.number, operation=self.operation, attempt=attempt, seconds=seconds, error=name)
            )

    def throttled(self, scope: Literal["account", "site"], seconds: float) -> None:
        if self._recorder.watched:
            self._recorder.tell(Throttled(call=self.number, operation=self.operation, scope=scope, seconds=seconds))

    def finished(
        self, attempts: int, seconds: float, error: str | None, outcome: Outcome, idempotency_key: str | None
    ) -> None:
        if self._recorder.watched:
            self._recorder.tell(
                CallFinished(
                    call=self.number,
                    operation=self.operation,
                    attempts=attempts,
                    seconds=seconds,
                    error=error,
                    outcome=outcome,
                    idempotency_key=idempotency_key,
                )
            )
