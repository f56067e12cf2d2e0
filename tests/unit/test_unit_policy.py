"""Decisions: may it be resent, when, and how fast."""

from __future__ import annotations

import pytest

from aiochargebee_gw import Retry, errors
from aiochargebee_gw._policy.outcome import verdict
from aiochargebee_gw._policy.retry import Again, Budget, Stop, decide


def _api(cls: type[errors.ApiError], status: int, code: str | None = None, after: float | None = None) -> Exception:
    return cls("x", status=status, code=code, retry_after=after)


# error, and what follows for a read, a write, and a write under a key that is known to reach Chargebee
TABLE = [
    (errors.ConnectFailed("x", sent=False), "resend", "resend", "resend"),
    (errors.RequestTimeout("x", sent=False), "resend", "resend", "resend"),
    (errors.RequestTimeout("x", sent=True), "resend", "unknown", "resend"),
    (errors.ConnectionLost("x", sent=True), "resend", "unknown", "resend"),
    (errors.TruncatedResponse("x", status=200), "resend", "unknown", "resend"),
    (errors.InvalidResponse("x"), "resend", "unknown", "resend"),
    (errors.InvalidResponse("x", status=404), "final", "unknown", "resend"),
    (errors.InvalidResponse("x", status=502), "resend", "unknown", "resend"),
    (errors.ResponseTooLarge("x", status=200), "final", "unknown", "resend"),
    (errors.UnexpectedRedirect("x", status=302), "final", "final", "final"),
    (_api(errors.GatewayRateLimited, 429), "resend", "resend", "resend"),
    (_api(errors.RateLimited, 429, "api_request_limit_exceeded"), "resend", "resend", "resend"),
    (_api(errors.RateLimited, 429, "lock_timeout"), "resend", "resend", "resend"),
    (_api(errors.RateLimited, 429, "third_party_api_request_limit_exceeded"), "resend", "unknown", "resend"),
    (_api(errors.ServiceUnavailable, 503, "site_read_only_mode"), "resend", "resend", "resend"),
    (_api(errors.ServiceUnavailable, 503, "site_not_ready"), "resend", "resend", "resend"),
    (_api(errors.ServiceUnavailable, 503, "internal_temporary_error"), "resend", "unknown", "resend"),
    (_api(errors.ServiceUnavailable, 502), "resend", "unknown", "resend"),
    (_api(errors.OperationFailed, 500, "internal_error"), "resend", "unknown", "resend"),
    (_api(errors.AuthorizationExpired, 500), "resend", "unknown", "resend"),
    (_api(errors.NotFound, 404, "resource_not_found"), "final", "final", "final"),
    (_api(errors.PaymentFailed, 400, "payment_processing_failed"), "final", "final", "final"),
    (_api(errors.IdempotencyConflict, 422, "unable_to_process_request"), "final", "final", "final"),
    (_api(errors.Conflict, 409, "invalid_state_for_request"), "final", "final", "final"),
    (errors.RequestError("x"), "final", "final", "final"),
]


@pytest.mark.parametrize(("error", "read", "write", "keyed"), TABLE)
def test_the_resend_table(error: Exception, read: str, write: str, keyed: str) -> None:
    """A read is repeated when it may help; a write only when nothing was done, or under a key known to arrive."""
    phase = "unsent" if isinstance(error, errors.TransportError) and not error.sent else "body"
    assert verdict(error, phase, "read") == read
    assert verdict(error, phase, "once") == write
    assert verdict(error, phase, "keyed") == verdict(error, phase, "named") == keyed


LOST = errors.ConnectionLost("x", sent=True)


def test_pauses_grow_and_are_drawn_in_full() -> None:
    """The pause is a random share of base x 2^n, up to the cap; a 429 starts from its own base."""
    policy = Retry(attempts=99, base_seconds=0.25, throttled_base_seconds=1, cap_seconds=20)
    pauses = [decide(policy, LOST, attempt=n, left=60, jitter=1.0) for n in (1, 2, 3, 20)]
    assert pauses == [Again(0.25), Again(0.5), Again(1.0), Again(20)]
    assert decide(policy, LOST, attempt=3, left=60, jitter=0.5) == Again(0.5)
    throttled = _api(errors.GatewayRateLimited, 429)
    assert decide(policy, throttled, attempt=1, left=60, jitter=1.0) == Again(1.0)


def test_the_server_names_the_wait() -> None:
    """Retry-After replaces the drawn pause; one beyond the deadline ends the call at once."""
    policy = Retry(attempts=4)
    limited = _api(errors.RateLimited, 429, "api_request_limit_exceeded", after=7)
    assert decide(policy, limited, attempt=1, left=60, jitter=0.0) == Again(7)
    assert decide(policy, limited, attempt=1, left=7, jitter=0.0) == Stop("deadline")


def test_attempts_end() -> None:
    """The policy's number of attempts is the number of sends."""
    assert decide(Retry(attempts=4), LOST, attempt=4, left=60, jitter=0.0) == Stop("attempts")
    assert decide(Retry.none(), LOST, attempt=1, left=60, jitter=0.0) == Stop("attempts")


def test_the_budget_is_a_share_of_recent_calls() -> None:
    """Ten retries are free, then one in five calls of the last ten seconds may be one; old ones no longer count."""
    budget, policy = Budget(), Retry()
    for _ in range(50):
        budget.called(0.0)
    assert sum(budget.take(policy, 1.0) for _ in range(100)) == 20
    assert not budget.take(policy, 9.9)
    assert sum(budget.take(policy, 11.5) for _ in range(100)) == 10
