"""The table that decides about sending again: every row, and both sides of every border."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from aiochargebee_gw import errors
from aiochargebee_gw._policy.outcome import (
    KEY_SECONDS,
    RULES,
    Ability,
    Effect,
    Key,
    ability,
    effect,
    settles,
    still_open,
    verdict,
)

SAYS_IT_DID_NOTHING = ("api_request_limit_exceeded", "lock_timeout", "site_read_only_mode", "site_not_ready")
OTHER_CODE = "param_wrong_value"


def _api(status: int, code: str | None = OTHER_CODE) -> errors.ApiError:
    return errors.ChargebeeError("x", status=status, code=code)


def _maton(status: int, code: str | None = None) -> errors.ApiError:
    return errors.MatonError("x", status=status, code=code)


def test_keys_live_25_minutes() -> None:
    """Five minutes less than Chargebee keeps them."""
    assert KEY_SECONDS == 1500.0


RESEND = {"read": "resend", "keyed": "resend", "named": "resend"}
FINAL = {"read": "final", "keyed": "final", "named": "final", "once": "final"}


def test_the_rules_are_these() -> None:
    """What follows from each effect for each kind of call; nothing is left out."""
    assert RULES == {
        "none": {**RESEND, "once": "resend"},
        "refused": FINAL,
        "exists": FINAL,
        "maybe": {**RESEND, "once": "unknown"},
        "done": {**RESEND, "once": "unknown"},
        "unreadable": {**RESEND, "read": "final", "once": "unknown"},
    }
    assert set(RULES) == set(get_args(Effect))
    assert all(set(row) == set(get_args(Ability)) for row in RULES.values())


@pytest.mark.parametrize("key", get_args(Key))
@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("named", [True, False])
def test_what_a_call_can_bear(key: Key, idempotent: bool, named: bool) -> None:
    """A read bears anything; a proven key holds where Chargebee honours keys; an id of its own protects a write until
    its key is too old to be sent. Everything else is sent once."""
    assert ability(writes=False, key=key, idempotent=idempotent, named=named) == "read"
    found = ability(writes=True, key=key, idempotent=idempotent, named=named)
    if key == "proven" and idempotent:
        assert found == "keyed"
    elif named and key in ("none", "unproven", "proven"):
        assert found == "named"
    else:
        assert found == "once"


def test_nothing_has_happened_before_bytes_leave() -> None:
    """An attempt that was not sent has done nothing, whatever its error says; one that was may have."""
    for phase in ("unsent", "connected"):
        assert effect(errors.ConnectFailed("x", sent=False), phase) == "none"
        assert effect(errors.DecodeError("x", status=200), phase) == "none"
    for phase in ("sent", "headers", "body"):
        assert effect(errors.ConnectionLost("x", sent=True), phase) == "maybe"
        assert effect(errors.RequestTimeout("x", sent=True), phase) == "maybe"
        assert effect(errors.InvalidResponse("x"), phase) == "maybe"


def test_what_is_refused_here_is_final() -> None:
    """An error that no server and no network has brought about is not repeated."""
    for error in (errors.RequestError("x"), errors.ConfigurationError("x"), errors.DeadlineExceeded("x")):
        for phase in ("unsent", "connected", "sent", "headers", "body"):
            assert effect(error, phase) == "refused"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (199, "done"), (200, "done"), (299, "done"), (300, "unreadable"), (301, "refused"), (302, "refused"),
        (303, "unreadable"), (304, "unreadable"), (305, "unreadable"), (306, "unreadable"), (307, "refused"),
        (308, "refused"), (309, "unreadable"), (399, "unreadable"), (400, "unreadable"), (407, "unreadable"),
        (408, "maybe"), (409, "unreadable"), (499, "unreadable"), (500, "maybe"), (501, "maybe"), (599, "maybe"),
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_read(status: int, expected: str) -> None:
    """Its status alone tells: success has most likely been done, a redirect elsewhere has not been forwarded, a 5xx or
    a 408 may come from a proxy that gave up."""
    assert effect(errors.TruncatedResponse("x", status=status), "headers") == expected


@pytest.mark.parametrize(("status", "expected"), [(200, "unreadable"), (301, "refused"), (500, "maybe")])
def test_an_answer_that_would_be_as_unreadable_again(status: int, expected: str) -> None:
    """Too large, or whole and of another shape: a read is not repeated for it, and a write has most likely happened."""
    assert effect(errors.ResponseTooLarge("x", status=status), "body") == expected
    assert effect(errors.DecodeError("x", path="$.customer", status=status), "body") == expected
    assert effect(errors.DecodeError("x", path="$", status=200), "body") == "done"


@pytest.mark.parametrize("status", [400, 402, 404, 407, 409, 410, 422, 428, 430, 498, 499])
def test_a_refusal_is_final(status: int) -> None:
    """A 4xx did nothing, but for those that proxies say too, and a third party's rate limit."""
    assert effect(_api(status), "body") == effect(_maton(status), "body") == "refused"


@pytest.mark.parametrize("status", [408, 429, 500, 501, 502, 503, 504, 599])
def test_an_error_that_says_nothing_leaves_doubt(status: int) -> None:
    """A 5xx, a 408 and a 429 of somebody else's may have come after something was done."""
    assert effect(_api(status), "body") == effect(_maton(status), "body") == "maybe"
    assert effect(_api(status, "third_party_api_request_limit_exceeded"), "body") == "maybe"


@pytest.mark.parametrize(("code", "status"), list(product(SAYS_IT_DID_NOTHING, (400, 409, 429, 500, 503))))
def test_a_server_that_says_it_did_nothing_is_believed(code: str, status: int) -> None:
    """Its rate limit, a lock, a site that is read-only or not ready: with whatever status, it passes."""
    assert effect(_api(status, code), "body") == "none"
    assert effect(errors.GatewayRateLimited("x", status=429), "body") == "none"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "duplicate_entry", "exists"),
        (409, "duplicate_entry", "exists"),
        (409, "invalid_state_for_request", "exists"),
        (400, "invalid_state_for_request", "refused"),
        (410, "invalid_state_for_request", "refused"),
        (409, "resource_not_found", "refused"),
        (500, "duplicate_entry", "maybe"),
    ],
)
def test_a_state_that_the_write_may_have_made(status: int, code: str, expected: str) -> None:
    """An id that is taken, or a 409 because the thing is already so, may be the write's own doing."""
    assert effect(_api(status, code), "body") == expected


@pytest.mark.parametrize("can", get_args(Ability))
def test_a_verdict_is_a_row_of_the_table(can: Ability) -> None:
    """`verdict` is `RULES` looked up by the effect."""
    assert verdict(errors.ConnectionLost("x", sent=True), "sent", can) == RULES["maybe"][can]
    assert verdict(errors.ConnectFailed("x", sent=False), "unsent", can) == RULES["none"][can]
    assert verdict(_api(400), "body", can) == RULES["refused"][can]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (399, False), (400, True), (401, False), (402, True), (403, False), (404, True), (405, True), (407, True),
        (408, False), (409, False), (410, True), (422, True), (428, True), (429, False), (430, True), (499, True),
        (500, False), (501, False),
    ],
)  # fmt: skip
def test_a_refusal_under_the_same_key_settles(status: int, expected: bool) -> None:
    """Chargebee's own 4xx tells that the write has not happened, but for what may come before the key is looked at."""
    assert settles(_api(status)) is expected


def test_what_settles_nothing() -> None:
    """A proxy's refusal, one without a code, one of the whole site, a state that the write may have made, no answer."""
    assert not settles(_maton(400))
    assert not settles(_maton(400, OTHER_CODE))
    assert not settles(_api(400, None))
    for code in ("duplicate_entry", "site_not_found", "resource_limit_exhausted", "resource_limit_exceeded"):
        assert not settles(_api(400, code))
    for error in (errors.ConnectionLost("x", sent=True), errors.DeadlineExceeded("x"), errors.RequestError("x")):
        assert not settles(error)


def test_only_an_answer_of_chargebees_ends_an_attempt() -> None:
    """What a proxy says, or the network, leaves open whether the server still works on it."""
    assert not still_open(_api(500, "internal_error"))
    assert still_open(_api(502, None))
    assert still_open(_maton(504))
    assert still_open(errors.ConnectionLost("x", sent=True))
    assert still_open(errors.DecodeError("x", status=200))
