"""May this be sent again? One table, over how far an attempt came, what was answered, and what the call can bear.

A read may. A write may when nothing of it left this machine, or when the server said that it did nothing (a rate limit,
a lock, a site that is read-only). A write in doubt may only be repeated when a second one cannot add to the first:
under an idempotency key that is known to reach Chargebee, or when the record it makes has an id of its own, which no
second record can have. Otherwise its outcome is unknown, and the caller must be told so (RFC 9110 §9.2.2).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from ..errors import (
    ApiError,
    ChargebeeError,
    DecodeError,
    GatewayRateLimited,
    InvalidResponse,
    ResponseTooLarge,
    TransportError,
)

__all__ = [
    "KEY_SECONDS",
    "RULES",
    "Ability",
    "Effect",
    "Key",
    "Verdict",
    "ability",
    "effect",
    "settles",
    "still_open",
    "verdict",
]

KEY_SECONDS = 25 * 60.0
"""How long after its first send a request may go out again under its key: Chargebee keeps keys for 30 minutes."""

Key: TypeAlias = Literal["none", "unproven", "proven", "expired"]
"""The idempotency key: not sent, sent but perhaps dropped on the way, known to arrive, or older than `KEY_SECONDS`."""

Ability: TypeAlias = Literal["read", "keyed", "named", "once"]
"""What a call can bear: it changes nothing, its key holds, its record has an id of its own, or one send only."""

Effect: TypeAlias = Literal["none", "refused", "exists", "maybe", "done", "unreadable"]
"""What an attempt that failed may have brought about on the server.

`none`: nothing, and the cause passes. `refused`: nothing, for good. `exists`: refused because of a state that the call
itself may have made. `maybe`: not known. `done`: most likely all of it. `unreadable`: the same, and the answer would be
as unreadable a second time.
"""

Verdict: TypeAlias = Literal["resend", "final", "unknown"]

# fmt: off
RULES: dict[Effect, dict[Ability, Verdict]] = {
    "none":       {"read": "resend", "keyed": "resend", "named": "resend", "once": "resend"},
    "refused":    {"read": "final",  "keyed": "final",  "named": "final",  "once": "final"},
    "exists":     {"read": "final",  "keyed": "final",  "named": "final",  "once": "final"},
    "maybe":      {"read": "resend", "keyed": "resend", "named": "resend", "once": "unknown"},
    "done":       {"read": "resend", "keyed": "resend", "named": "resend", "once": "unknown"},
    "unreadable": {"read": "final",  "keyed": "resend", "named": "resend", "once": "unknown"},
}
# fmt: on

_NOT_FORWARDED = (301, 302, 307, 308)
"""Redirects to another place for the same request. Others may follow upon what was done (303: "see other")."""

_SITE_WIDE = frozenset(("site_not_found", "resource_limit_exhausted", "resource_limit_exceeded"))
"""Refusals that look at the site, and may come before the idempotency key is looked at."""

_NOTHING_DONE = frozenset(("api_request_limit_exceeded", "lock_timeout", "site_read_only_mode", "site_not_ready"))


def ability(*, writes: bool, key: Key, idempotent: bool, named: bool) -> Ability:
    """What a call can bear. *idempotent*: Chargebee honours keys for the operation; *named*: it makes a record under an
    id that is in the request."""
    if not writes:
        return "read"
    if idempotent and key == "proven":
        return "keyed"
    # Past its time a key must not be used, for an id of its own or not: the request carries it.
    return "named" if named and key != "expired" else "once"


def effect(error: Exception, phase: str) -> Effect:
    """What an attempt that ended with *error* in *phase* (see `transport.base`) may have done."""
    if isinstance(error, ApiError):
        return _answered(error)
    if not isinstance(error, TransportError):
        return "refused"
    if phase in ("unsent", "connected"):
        return "none"
    status = error.status if isinstance(error, InvalidResponse) else None
    if status is None:
        return "maybe"
    if status in _NOT_FORWARDED:
        return "refused"
    if status >= 500 or status == 408:
        return "maybe"
    if status >= 300 or isinstance(error, ResponseTooLarge) or (isinstance(error, DecodeError) and error.path != "$"):
        return "unreadable"
    return "done"


def _answered(error: ApiError) -> Effect:
    if isinstance(error, GatewayRateLimited) or error.code in _NOTHING_DONE:
        return "none"
    if error.status in (408, 429) or error.status >= 500:
        # 408 is said by proxies too: of one that gave up, nobody knows what it had passed on.
        return "maybe"
    if error.code == "duplicate_entry" or (error.status == 409 and error.code == "invalid_state_for_request"):
        return "exists"
    return "refused"


def verdict(error: Exception, phase: str, can: Ability) -> Verdict:
    """What to do about an attempt that failed: send again, raise its error, or raise `OutcomeUnknown`."""
    return RULES[effect(error, phase)][can]


def settles(error: Exception) -> bool:
    """Whether *error*, after an attempt in doubt and under the same proven key, tells what became of the write.

    A refusal of Chargebee's does: under its key a write that had succeeded would have been answered with its success. A
    state that the write itself may have brought about (409, an id that exists), credentials, a rate limit, or no answer
    at all do not: they may have come before the key was looked at.
    """
    if not isinstance(error, ChargebeeError) or error.code is None:
        # A refusal of the gateway's never came as far as the key.
        return False
    if error.code == "duplicate_entry" or error.code in _SITE_WIDE:
        return False
    return 400 <= error.status < 500 and error.status not in (401, 403, 408, 409, 429)


def still_open(error: Exception) -> bool:
    """Whether an attempt in doubt may still be under way at the server.

    Only an answer of Chargebee's own ends it: one that broke off on the network, and one for which a proxy answered
    (502, 504), may yet be carried out.
    """
    return not (isinstance(error, ApiError) and error.code is not None)
