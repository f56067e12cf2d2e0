"""What went wrong, as one line or one JSON object on stderr, and as an exit code. Never a traceback, never a key."""

from __future__ import annotations

import json
import re
from typing import Any

from .. import errors
from ._output import say

__all__ = ["NoKey", "exit_code", "explain", "protect", "report"]


class NoKey(errors.ConfigurationError):
    """No API key was found anywhere."""


# The first that fits decides.
_CODES: tuple[tuple[int, tuple[type[Exception], ...]], ...] = (
    (
        4,
        (
            NoKey,
            errors.InvalidApiKey,
            errors.Unauthorized,
            errors.MissingConnection,
            errors.AuthorizationExpired,
        ),
    ),
    (5, (errors.GatewayRateLimited, errors.RateLimited, errors.DeadlineExceeded, errors.RequestTimeout)),
    (2, (errors.RequestError, errors.ConfigurationError)),
)
_CURES: tuple[tuple[type[Exception], str], ...] = (
    (errors.InvalidApiKey, "check MATON_API_KEY or the key file"),
    (errors.MissingConnection, "make one with: aiochargebee-gw connections create"),
    (errors.AuthorizationExpired, "if it stays so, make a new connection: aiochargebee-gw connections create"),
    (errors.ConnectFailed, "check the network, and --gateway-url if you gave one"),
)
_secrets: set[str] = set()


def protect(secret: str) -> None:
    """Keep *secret* out of everything that is reported, even where a server quotes it."""
    _secrets.add(secret)


def exit_code(error: BaseException) -> int:
    """The exit code of the command line's contract."""
    return next((code for code, kinds in _CODES if isinstance(error, kinds)), 1)


def explain(error: Exception) -> tuple[str, str | None]:
    """What went wrong on one line, and what helps where that is known."""
    return _clean(_text(error)), next((cure for kind, cure in _CURES if isinstance(error, kind)), None)


def report(error: Exception, *, as_json: bool, id: str | None = None) -> int:
    """Tell on stderr what went wrong, with the *id* of what it is about. Returns the exit code."""
    text, cure = explain(error)
    if as_json:
        about = {} if id is None else {"id": id}
        say(
            json.dumps({"error": type(error).__name__, "message": text, **_details(error), **about}, ensure_ascii=False)
        )
    else:
        about_id = "" if id is None else f"{_clean(id)}: "
        say(f"error: {about_id}{text}" + (f" ({cure})" if cure else ""))
    return exit_code(error)


def _text(error: Exception) -> str:
    if isinstance(error, errors.ApiError):
        # The person at the terminal owns the data that the server's text may quote.
        return f"{error}: {error.message}" if error.message else str(error)
    if isinstance(error, errors.OutcomeUnknown):
        return f"{error}; idempotency key used: {error.idempotency_key}" if error.idempotency_key else str(error)
    if isinstance(error, errors.RequestError):
        return _with_legal(error)
    if isinstance(error, errors.GatewayClientError):
        return str(error)
    if isinstance(error, OSError):
        what = error.strerror or type(error).__name__
        return f"{error.filename}: {what}" if error.filename else what
    return f"unexpected {type(error).__name__}; AIOCHARGEBEE_GW_DEBUG=1 shows where"


def _with_legal(error: errors.RequestError) -> str:
    """The error's text, with what would have been legal where it names nothing of that."""
    text = str(error)
    named = set(re.findall(r"\w+", text)) - {error.field}
    return text if not error.legal or named & set(error.legal) else f"{text}; it can be {', '.join(error.legal)}"


def _details(error: Exception) -> dict[str, Any]:
    names = ("status", "code", "type", "param", "field", "legal", "operation", "offset", "idempotency_key")
    found = {name: getattr(error, name, None) for name in names}
    return {name: value for name, value in found.items() if value not in (None, ())}


def _clean(text: str) -> str:
    """One line without control characters, which could write anything on a terminal."""
    for secret in _secrets:
        text = text.replace(secret, "**********")
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
