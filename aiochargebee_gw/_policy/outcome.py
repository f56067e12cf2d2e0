"""May this be sent again? One function, over what is known of the attempt that failed.

A read may. A write may when nothing of it left this machine, or when the server said that it did nothing (a rate limit,
a lock, a site that is read-only). A write in doubt may only be repeated under an idempotency key that is known to reach
Chargebee (`trusted`); otherwise its outcome is unknown, and the caller must be told so (RFC 9110 §9.2.2).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from ..errors import (
    ApiError,
    ConnectFailed,
    GatewayRateLimited,
    InvalidResponse,
    ResponseTooLarge,
    TransportError,
    UnexpectedRedirect,
)

__all__ = ["Verdict", "verdict"]

Verdict: TypeAlias = Literal["resend", "final", "unknown"]

_NOTHING_DONE = frozenset(("api_request_limit_exceeded", "lock_timeout", "site_read_only_mode", "site_not_ready"))


def verdict(error: Exception, *, safe: bool, trusted: bool) -> Verdict:
    """What to do about *error*: send again, raise it, or raise `OutcomeUnknown`. *safe* is True for reads."""
    if isinstance(error, TransportError):
        return _transport(error, safe=safe, trusted=trusted)
    if isinstance(error, ApiError):
        return _api(error, safe=safe, trusted=trusted)
    return "final"


def _transport(error: TransportError, *, safe: bool, trusted: bool) -> Verdict:
    if isinstance(error, ConnectFailed) or not error.sent:
        return "resend"
    if isinstance(error, UnexpectedRedirect):
        return "final"
    if isinstance(error, ResponseTooLarge) and safe:
        return "final"
    if isinstance(error, InvalidResponse) and error.status is not None and error.status >= 400 and safe:
        return "resend" if error.status >= 500 else "final"
    return _doubtful(safe=safe, trusted=trusted)


def _api(error: ApiError, *, safe: bool, trusted: bool) -> Verdict:
    if isinstance(error, GatewayRateLimited) or error.code in _NOTHING_DONE:
        return "resend"
    if error.status == 429 or error.status >= 500:
        return _doubtful(safe=safe, trusted=trusted)
    return "final"


def _doubtful(*, safe: bool, trusted: bool) -> Verdict:
    return "resend" if safe or trusted else "unknown"
