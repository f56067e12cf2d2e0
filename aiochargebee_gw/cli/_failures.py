"""What went wrong, as one line or one JSON object on stderr, and as an exit code. Never a traceback, never a key."""

from __future__ import annotations

import json
import re
from typing import Any

from .. import errors
from ._output import say

__all__ = ["BadKey", "NoKey", "exit_code", "explain", "protect", "report"]


class NoKey(errors.ConfigurationError):
    """No API key was found anywhere."""


class BadKey(errors.ConfigurationError):
    """There is a key, or a file for it, that cannot be used. The text says where it came from."""


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
_NO_CONNECTION = "see which there are: aiochargebee-gw connections list"
# What the library calls them, and the command line.
_SPELLED = (
    (re.compile(r"; force replaces it\b"), "; --force replaces it"),
    (re.compile(r"; resume goes on with it\b"), "; --resume goes on with it"),
    (re.compile(r"\bRetry\.deadline_seconds\b"), "--deadline"),
)
_secrets: set[str] = set()


def protect(secret: str) -> None:
    """Keep *secret* out of everything that is reported, even where a server quotes it."""
    _secrets.add(secret)


def exit_code(error: BaseException) -> int:
    """The exit code of the command line's contract."""
    if _is_unknown_connection(error):
        return 4
    return next((code for code, kinds in _CODES if isinstance(error, kinds)), 1)


def explain(error: Exception) -> tuple[str, str | None]:
    """What went wrong on one line, and what helps where that is known."""
    if _is_unknown_connection(error):
        return _clean(_text(error)), _NO_CONNECTION
    return _clean(_text(error)), next((cure for kind, cure in _CURES if isinstance(error, kind)), None)


def _is_unknown_connection(error: BaseException) -> bool:
    # The gateway's own 404 on the way to Chargebee; the control plane has one for its own paths.
    return isinstance(error, errors.MatonError) and error.status == 404 and "/api/v2/" in (error.operation or "")


def report(error: Exception, *, as_json: bool, id: str | None = None) -> int:
    """Tell on stderr what went wrong, with the *id* of what it is about. Returns the exit code."""
    text, cure = explain(error)
    if as_json:
        about = {} if id is None else {"id": _clean(id)}
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
        return _spelled(str(error))
    if isinstance(error, OSError):
        what = error.strerror or type(error).__name__
        return f"{error.filename}: {what}" if error.filename else what
    return f"unexpected {type(error).__name__}; AIOCHARGEBEE_GW_DEBUG=1 shows where"


def _with_legal(error: errors.RequestError) -> str:
    """The error's text, with what would have been legal where it names nothing of that."""
    text = _spelled(str(error))
    if not error.legal or any(_names(text, value) for value in error.legal):
        return text
    return f"{text}; it can be {', '.join(error.legal)}"


def _spelled(text: str) -> str:
    for pattern, ours in _SPELLED:
        text = pattern.sub(ours, text)
    return text


def _names(text: str, value: str) -> bool:
    """Whether *value* stands in *text*, not as a part of another word."""
    before = r"(?<!\w)" if value[:1].isalnum() else ""
    after = r"(?!\w)" if value[-1:].isalnum() else ""
    return re.search(f"{before}{re.escape(value)}{after}", text) is not None


def _details(error: Exception) -> dict[str, Any]:
    names = ("status", "code", "type", "param", "field", "legal", "operation", "offset", "idempotency_key")
    found = {name: getattr(error, name, None) for name in names}
    return {name: _cleaned(value) for name, value in found.items() if value not in (None, ())}


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    return [_cleaned(each) for each in value] if isinstance(value, tuple | list) else value


def _clean(text: str) -> str:
    """One line without control characters, which could write anything on a terminal."""
    for secret in _secrets:
        text = text.replace(secret, "**********")
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
