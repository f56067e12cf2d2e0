"""Header values that are checked before they are sent, and the ones that are read from an answer.

Chargebee: "Idempotent requests" (the key has at most 100 characters). RFC 9110 §10.2.3 for `Retry-After`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_tz

from ..errors import RequestError

__all__ = [
    "IDEMPOTENCY_KEY",
    "REPLAYED",
    "check_connection",
    "check_extra",
    "check_idempotency_key",
    "replayed",
    "retry_after",
    "server_time",
]

IDEMPOTENCY_KEY = "chargebee-idempotency-key"
REPLAYED = "chargebee-idempotency-replayed"

_CONNECTION = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
_VALUE = re.compile(r"[\x20-\x7e]{0,1000}\Z")
_KEY = re.compile(r"[\x21-\x7e]{1,100}\Z")
_SECONDS = re.compile(r"[0-9]{1,9}\Z", re.ASCII)
_OURS = frozenset(
    ("authorization", "host", "maton-connection", "content-type", "content-length", "transfer-encoding", "connection",
     "accept-encoding", "cookie", "proxy-authorization", "proxy-connection", "keep-alive", "te", "trailer", "upgrade",
     "expect", IDEMPOTENCY_KEY)
)  # fmt: skip


def check_connection(connection: str) -> str:
    """A `Maton-Connection` value. Raises `RequestError`."""
    if not isinstance(connection, str) or not _CONNECTION.match(connection):
        raise RequestError("a connection id has 1 to 64 letters, digits and hyphens", field="connection")
    return connection


def check_idempotency_key(key: str) -> str:
    """An idempotency key. Raises `RequestError`."""
    if not isinstance(key, str) or not _KEY.match(key):
        raise RequestError(
            "an idempotency key has 1 to 100 printable ASCII characters without spaces", field="idempotency_key"
        )
    return key


def check_extra(headers: Mapping[str, str]) -> dict[str, str]:
    """A caller's own headers, names in lower case. Raises `RequestError` for one that is ours or malformed."""
    checked: dict[str, str] = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.match(name) or name.lower() in _OURS:
            raise RequestError("headers: a name is malformed or is one that this client sets", field="headers")
        if not isinstance(value, str) or not _VALUE.match(value):
            raise RequestError(f"headers: the value of {name} is not printable ASCII text", field="headers")
        checked[name.lower()] = value
    return checked


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `Retry-After` as a number or as a date; None when absent or malformed.

    A date is measured against the answer's own `Date`: the local clock may be wrong.
    """
    text = headers.get("retry-after", "").strip()
    if _SECONDS.match(text):
        return float(text)
    then, now = _instant(text), _instant(headers.get("date", ""))
    if then is None or now is None:
        return None
    return float(max(0, then - now))


def server_time(headers: Mapping[str, str]) -> float | None:
    """The server's clock, from `Date`, in Unix seconds; None when absent or malformed."""
    told = _instant(headers.get("date", ""))
    return None if told is None else float(told)


def replayed(headers: Mapping[str, str]) -> bool:
    """Whether Chargebee says that it answers from an idempotency key: the key has reached it."""
    return headers.get(REPLAYED, "").strip().lower() == "true"


def _instant(text: str) -> int | None:
    parsed = parsedate_tz(text) if text else None
    if parsed is None:
        return None
    try:
        moment = datetime(*parsed[:6], tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return int(moment.timestamp()) - (parsed[9] or 0)
