"""Decisions: may it be resent, when, and how fast."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiochargebee_gw import Retry, errors
from aiochargebee_gw._policy.limits import Window
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


@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.floats(0, 0.4), st.floats(0.001, 2.0), st.floats(0, 1)), min_size=1, max_size=120),
)
def test_no_window_of_the_servers_holds_more_than_the_limit(
    limit: int, steps: list[tuple[float, float, float]]
) -> None:
    """Whenever the server counts a request between its start and its end, no second ever holds more than allowed."""
    window, now = Window(limit, 1.0), 0.0
    running: list[tuple[float, float]] = []
    arrivals: list[float] = []
    for gap, duration, share in steps:
        now += gap
        while True:
            for end, _ in sorted(item for item in running if item[0] <= now):
                window.give_back(end, sent=True)
            running = [item for item in running if item[0] > now]
            wait = window.take(now)
            if not wait:
                break
            now = min([now + wait, *(end for end, _ in running)])
        running.append((now + duration, now))
        arrivals.append(now + duration * share)
    arrivals.sort()
    for number, start in enumerate(arrivals):
        # The server's own clock has no better grain than a microsecond.
        assert sum(1 for moment in arrivals[number:] if moment < start + 1.0 - 1e-6) <= limit


def test_a_naive_limiter_lets_too_many_through() -> None:
    """The baseline: a bucket of ten that refills at ten a second admits nineteen in one second."""
    tokens, admitted, now = 10.0, [], 0.0
    while now < 3:
        tokens = min(10.0, tokens + 0.01 * 10)
        if tokens >= 1:
            tokens -= 1
            admitted.append(now)
        now += 0.01
    assert max(sum(1 for moment in admitted if start <= moment < start + 1) for start in admitted) >= 18


def test_a_place_that_was_not_used_is_free_at_once() -> None:
    """A request that never left does not count."""
    window = Window(1, 1.0)
    assert window.take(0.0) == 0
    assert window.take(0.0) == math.inf
    window.give_back(0.0, sent=False)
    assert window.take(0.0) == 0
    window.give_back(0.5, sent=True)
    assert window.take(0.5) == 1.0
    assert window.take(1.5) == 0


def test_a_closed_window_lets_nobody_through() -> None:
    """After a 429 everybody waits until the same moment; an earlier one does not shorten it."""
    window = Window(math.inf, 1.0)
    window.close(5.0)
    window.close(3.0)
    assert window.take(2.0) == 3.0
    assert window.take(5.0) == 0


def test_less_than_one_in_a_period_is_one_in_a_longer_one() -> None:
    """Half a request per second is one in two seconds."""
    window = Window(0.5, 1.0)
    assert window.take(0.0) == 0
    window.give_back(0.0, sent=True)
    assert window.take(0.0) == 2.0
