"""Looking at what became of a write: by whose clock, for how long its key is good, and which refusals settle it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import attrs
import pytest

from aiochargebee_gw import OutcomeUnknown, Retry, Timeouts, errors
from aiochargebee_gw._call import Call, Lookup, State
from aiochargebee_gw._doubt import refuses, seen, unknown
from aiochargebee_gw._settle import Trace
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.transport.memory import MemoryTransport

from ..unit.clock import FakeClock
from .conftest import client

pytestmark = pytest.mark.anyio

ONCE = Retry(attempts=1)
BROKEN = Response(status=500, headers={}, body=b"")
SERVERS_TIME = 1_000_000
"""The server's clock is decades behind this machine's."""


def _customer(created: int, date: float | None) -> Response:
    """Both times in seconds since the send."""
    headers = {} if date is None else {"date": formatdate(SERVERS_TIME + date, usegmt=True)}
    record = {"id": "c1", "first_name": "w", "created_at": SERVERS_TIME + created}
    return Response(status=200, headers=headers, body=json.dumps({"customer": record}).encode())


@pytest.mark.parametrize(
    ("created", "date", "sight"),
    [(0, 4, "done"), (-2, 4, "unclear"), (-100, 4, "other"), (0, None, "unclear"), (0, 104, "other")],
)
async def test_a_look_reckons_by_the_servers_clock(created: int, date: float | None, sight: str) -> None:
    """Four seconds after the send the server tells its time: a record of the second of the send is the call's, one that
    is two seconds older may be another's, and a hundred seconds leave no doubt. Where the server does not tell the
    time, nothing can be said."""
    clock = FakeClock()

    async def handler(request: Request) -> Response:
        return BROKEN if request.method == "POST" else _customer(created, date)

    transport = MemoryTransport(handler)
    async with client("http://127.0.0.1:1", transport=transport, clock=clock, retry=ONCE) as gw:
        with pytest.raises(OutcomeUnknown) as caught:
            await gw.customers.create(id="c1", first_name="w")
        clock.now += 4
        if sight == "unclear":
            with pytest.raises(OutcomeUnknown):
                await caught.value.reconcile()
        else:
            made = await caught.value.reconcile()
            assert (made is not None) == (sight == "done")


@pytest.mark.parametrize(("age", "sent"), [(25 * 60 - 1, True), (25 * 60, False)])
async def test_a_key_can_be_used_again_for_25_minutes(age: float, sent: bool) -> None:
    """Until `safe_until`, 25 minutes after the first send, `retry` sends the request again; from then on it refuses. A
    server that has failed has not likely done it."""
    clock = FakeClock()
    answers = [BROKEN, _customer(0, None)]

    async def handler(request: Request) -> Response:
        return answers.pop(0)

    transport = MemoryTransport(handler)
    async with client("http://127.0.0.1:1", transport=transport, clock=clock, retry=ONCE) as gw:
        with pytest.raises(OutcomeUnknown) as caught:
            await gw.customers.create(id="c1", first_name="w")
        error = caught.value
        assert not error.likely_done
        first = datetime.fromtimestamp(clock.wall(), UTC)
        assert (error.first_sent_at, error.safe_until) == (first, first + timedelta(minutes=25))
        clock.now += age
        if sent:
            assert (await error.retry()).customer.id == "c1"
        else:
            with pytest.raises(errors.RequestError) as refused:
                await error.retry()
            assert refused.value.field == "idempotency_key"
        assert len(transport.requests) == 1 + sent


CALL = Call(
    request=Request(method="POST", url="https://h/x", headers={}, body=b"", label="POST /x"),
    writes=True,
    keyed=True,
    retry=Retry(),
    timeouts=Timeouts(),
)


@pytest.mark.parametrize(
    ("error", "plain", "named"),
    [
        (errors.NotFound("x", status=404, code="resource_not_found"), True, True),
        (errors.InvalidRequest("x", status=400, code="param_wrong_value"), True, True),
        # A state that the call itself may have made; for a record of an id of its own, the id is taken.
        (errors.Conflict("x", status=409, code="invalid_state_for_request"), True, False),
        (errors.OperationFailed("x", status=500, code="internal_error"), False, False),
        (errors.RateLimited("x", status=429, code="api_request_limit_exceeded"), False, False),
        (errors.ConnectFailed("x", sent=False), False, False),
        (errors.DeadlineExceeded("x"), False, False),
    ],
)
def test_which_errors_say_that_there_is_nothing(error: errors.GatewayClientError, plain: bool, named: bool) -> None:
    """Where a look finds nothing, the server's refusal is the outcome; what is no refusal is none, nor is that of an id
    as taken by a record that the look does not find."""
    assert refuses(CALL, error) == plain
    assert refuses(attrs.evolve(CALL, named="c1"), error) == named


def test_an_unknown_outcome_claims_no_more_than_is_known() -> None:
    """Of a write of which no send is known: no times, no time until which its key is good, nothing that is likely; and
    a look shows nothing, however clear its answer."""

    async def never() -> None:
        raise AssertionError

    error = unknown(CALL, State(began=0.0), (never, never))
    assert (error.first_sent_at, error.last_sent_at, error.safe_until) == (None, None, None)
    assert (error.likely_done, error.attempts) == (False, 0)
    lookup = Lookup(request=CALL.request, shows=Trace(path="/x", record="customer").shows)
    assert seen(lookup, _customer(0, 4), None, FakeClock()) == "unclear"
