"""When the next attempt happens: the pauses, the waits that a server names, and the budget."""

from __future__ import annotations

import math

import pytest

from aiochargebee_gw import Retry, errors
from aiochargebee_gw._policy.retry import Again, Budget, Stop, decide

LOST = errors.ConnectionLost("x", sent=True)
PATIENT = Retry(attempts=99, base_seconds=100, throttled_base_seconds=300, cap_seconds=3000)


def _named(seconds: float) -> errors.ApiError:
    return errors.ServiceUnavailable("x", status=503, retry_after=seconds)


@pytest.mark.parametrize(
    ("error", "first"),
    [
        (LOST, 100.0),
        (errors.ServiceUnavailable("x", status=503), 100.0),
        (errors.InvalidResponse("x", status=429), 100.0),
        (errors.RateLimited("x", status=429), 300.0),
    ],
)
def test_only_an_answer_with_a_429_starts_from_the_longer_pause(error: Exception, first: float) -> None:
    """A lost connection, a 503 and a 429 that is no proper answer start from the usual pause."""
    assert decide(PATIENT, error, attempt=1, left=9999, jitter=1.0) == Again(first)
    assert decide(PATIENT, error, attempt=2, left=9999, jitter=1.0) == Again(2 * first)


@pytest.mark.parametrize("error", [LOST, errors.ServiceUnavailable("x", status=503)])
def test_a_policy_may_pause_for_longer_than_a_server_may_ask_for(error: Exception) -> None:
    """The 120 seconds are for a wait that the server names; a pause of our own is what the policy says."""
    assert decide(PATIENT, error, attempt=4, left=9999, jitter=0.5) == Again(400)


def test_what_a_server_may_ask_for_ends_at_two_minutes() -> None:
    """120 seconds are waited for, above them the caller decides, whatever the deadline; the attempts count first."""
    assert decide(PATIENT, _named(120), attempt=1, left=math.inf, jitter=1.0) == Again(120)
    assert decide(PATIENT, _named(120.5), attempt=1, left=math.inf, jitter=1.0) == Stop("wait")
    assert decide(PATIENT, _named(120.5), attempt=99, left=math.inf, jitter=1.0) == Stop("attempts")


def test_pauses_of_many_attempts_can_be_calculated() -> None:
    """However many attempts a policy allows, the pause is a number."""
    endless = Retry(attempts=10**6, base_seconds=0.25, cap_seconds=20)
    assert decide(endless, LOST, attempt=99_999, left=60, jitter=1.0) == Again(20)


def test_a_call_counts_for_ten_seconds() -> None:
    """A call of ten seconds ago earns no retry any more, one of a moment less does; a retry is forgotten likewise."""
    policy = Retry(budget=1, budget_tokens=0)
    for later, calls in ((9.99, 3), (10.0, 0), (10.5, 0)):
        budget = Budget()
        for _ in range(3):
            budget.called(0.0)
        assert sum(budget.take(policy, later) for _ in range(10)) == calls
    budget, free = Budget(), Retry(budget=0, budget_tokens=2)
    assert [budget.take(free, now) for now in (0, 0, 0, 9.99, 10.0, 10.0, 10.0)] == [True, True, False, False, True,
                                                                                    True, False]  # fmt: skip


def test_the_budget_is_the_share_and_the_allowance_together() -> None:
    """Half of four calls and an allowance of three are five retries, and what was refused is not counted as one."""
    budget, policy = Budget(), Retry(budget=0.5, budget_tokens=3)
    for _ in range(4):
        budget.called(0.0)
    assert [budget.take(policy, 1.0) for _ in range(7)] == [True] * 5 + [False] * 2
    for _ in range(2):
        budget.called(1.0)
    assert [budget.take(policy, 1.0) for _ in range(2)] == [True, False]
