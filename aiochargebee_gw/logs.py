"""Events as log records, under the logger `aiochargebee_gw`.

Every client writes them without being asked, and they go wherever the program sends the records of that logger: by
default nowhere. `logging.getLogger("aiochargebee_gw").setLevel(logging.DEBUG)` shows everything, and a call that is not
logged costs next to nothing.

| level | what |
|---|---|
| ERROR | a write whose outcome is unknown |
| WARNING | a call that failed: no answer, a 5xx, a key or a right that is missing, a rate limit, a deadline |
| INFO | a call that was refused (4xx) or cancelled, a repeat, a closed gate; with `LoggingObserver`, each call |
| DEBUG | each call, its start, each attempt, each wait |

A record names the operation by its path template. It holds no key, header, query, body or id; the fields of its event
are attributes of the record (`operation`, `attempts`, `status`, ...) for handlers that write JSON.
"""

from __future__ import annotations

import logging
from typing import Any, TypeAlias

from .observe import AttemptFinished, CallFinished, CallStarted, Event, Retried, Throttled, Waited

__all__ = ["LOGGER", "LoggingObserver", "level_of"]

LOGGER = logging.getLogger("aiochargebee_gw")
# Without a handler of the program's own, Python would write warnings to stderr.
LOGGER.addHandler(logging.NullHandler())

_Logger: TypeAlias = "logging.Logger | logging.LoggerAdapter[Any]"
_NOT_THE_CALLERS_FAULT = (401, 403, 408, 429)
_TEXTS: dict[type[Event], str] = {
    CallStarted: "call %(call)d %(operation)s: started",
    Waited: "call %(call)d %(operation)s: waited %(seconds).3f s (%(reason)s)",
    AttemptFinished: "call %(call)d %(operation)s: attempt %(attempt)d ended (%(end)s) after %(seconds).3f s",
    Retried: "call %(call)d %(operation)s: attempt %(attempt)d failed (%(error)s), again in %(seconds).3f s",
    Throttled: "call %(call)d %(operation)s: rate limited, the %(scope)s waits %(seconds).3f s",
    CallFinished: "call %(call)d %(operation)s: %(outcome)s (%(end)s) after %(seconds).3f s, attempts: %(attempts)d",
}
_FIELDS: dict[type[Event], tuple[str, ...]] = {
    CallStarted: ("call", "operation", "write", "origin"),
    Waited: ("call", "operation", "seconds", "reason"),
    AttemptFinished: (
        "call", "operation", "attempt", "seconds", "status", "error", "phase", "sent_bytes", "received_bytes",
        "replayed",
    ),
    Retried: ("call", "operation", "attempt", "seconds", "error"),
    Throttled: ("call", "operation", "scope", "seconds"),
    # Not the idempotency key: a caller may have made it from an e-mail address.
    CallFinished: ("call", "operation", "attempts", "seconds", "status", "error", "outcome"),
}  # fmt: skip


class LoggingObserver:
    """Writes a log record for each event; `observers=[LoggingObserver()]` shows each call at INFO.

    A client that is given none writes the same records by itself, with calls that succeed at DEBUG. *logger* takes them
    elsewhere, *success* is the level of calls that succeed.
    """

    def __init__(self, logger: _Logger = LOGGER, *, success: int = logging.INFO) -> None:
        self._logger = logger
        self._success = success

    def __call__(self, event: Event, /) -> None:
        level = level_of(event, self._success)
        if not self._logger.isEnabledFor(level):
            return
        kind = type(event)
        fields = {name: getattr(event, name) for name in _FIELDS[kind]}
        shown = {**fields, "end": fields.get("error") or fields.get("status")}
        # The handler formats the text, if any does; "event" tells the kinds apart.
        self._logger.log(level, _TEXTS[kind], shown, extra={"event": kind.__name__, **fields})


def level_of(event: Event, success: int = logging.DEBUG) -> int:
    """The level of an event's record; *success* is that of a call that succeeded."""
    if isinstance(event, CallFinished):
        return _level_of_end(event, success)
    return logging.INFO if isinstance(event, Retried | Throttled) else logging.DEBUG


def _level_of_end(event: CallFinished, success: int) -> int:
    if event.outcome == "unknown":
        return logging.ERROR
    if event.error is None:
        return success
    if event.error == "CancelledError":
        return logging.INFO
    refused = event.status is not None and 400 <= event.status < 500 and event.status not in _NOT_THE_CALLERS_FAULT
    return logging.INFO if refused else logging.WARNING
