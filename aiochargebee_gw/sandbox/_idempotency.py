"""Idempotency keys: https://apidocs.chargebee.com/docs/api/idempotency.

A key is remembered for 30 minutes with the path, body and ``chargebee-*`` headers it came with (these
change what a call does: ``chargebee-business-entity-id``); the same request again gets the stored
answer and ``chargebee-idempotency-replayed: true``, any other request with the key is 422.
"""

from __future__ import annotations

from hashlib import sha256

from attrs import define, evolve, field, frozen

from aiochargebee_gw.sandbox._messages import Answer, Call
from aiochargebee_gw.sandbox._problems import Problem, wrong_value

HEADER = "chargebee-idempotency-key"
REPLAYED = "chargebee-idempotency-replayed"
WINDOW_SECONDS = 30 * 60
MAX_KEY = 100


@frozen
class Kept:
    """The answer that a key stands for, what it was asked with, and until when (Unix seconds)."""

    fingerprint: bytes
    answer: Answer
    until: float


@define
class IdempotencyKeys:
    """The keys of one site."""

    kept: dict[str, Kept] = field(factory=dict)

    def replay(self, key: str, call: Call, now: float) -> Answer | None:
        """The stored answer, or None for a new key; raises ``Problem`` (400 too long, 422 other request)."""
        if len(key) > MAX_KEY:
            raise wrong_value(HEADER, f"should not be longer than {MAX_KEY} characters")
        found = self.kept.get(key)
        if found is None or found.until <= now:
            return None
        if found.fingerprint != _fingerprint(call):
            raise Problem(
                422,
                "unable_to_process_request",
                "The idempotency key provided has already been used for a different request.",
            )
        return evolve(found.answer, headers={**found.answer.headers, REPLAYED: "true"})

    def keep(self, key: str, call: Call, answer: Answer, now: float) -> None:
        """Remember an answer; keys whose time is over are forgotten."""
        self.kept = {name: kept for name, kept in self.kept.items() if kept.until > now}
        self.kept[key] = Kept(_fingerprint(call), answer, now + WINDOW_SECONDS)


def _fingerprint(call: Call) -> bytes:
    headers = sorted((name.lower(), value) for name, value in call.headers.items())
    told = [f"{name}:{value}" for name, value in headers if name.startswith("chargebee-") and name != HEADER]
    # A header's bytes above ASCII arrive as lone surrogates.
    parts = [text.encode("utf-8", "surrogateescape") for text in (call.path, *told)]
    return sha256(b"\0".join([*parts, call.body])).digest()
