"""May it be sent again? All 72 rows, and the class of all 355 POST operations. R4."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import attrs
import pytest

from aiochargebee_gw import Limits, Retry, Timeouts, errors
from aiochargebee_gw._engine import Call, Engine
from aiochargebee_gw._page import answer_class
from aiochargebee_gw._policy.outcome import effect
from aiochargebee_gw._resource import _lacks_id
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.settings import Timeouts as Seconds
from aiochargebee_gw.transport.base import Trace
from aiochargebee_gw.transport.memory import MemoryTransport

from ..unit.clock import FakeClock
from .operations import posts, retrieves

pytestmark = pytest.mark.anyio

OK = Response(status=200, headers={}, body=b"{}")


def _api(status: int, code: str = "", **details: Any) -> Response:
    body = json.dumps({"api_error_code": code, **details}).encode() if code else b"<html>"
    return Response(status=status, headers={}, body=body)


# What becomes of a call whose first attempt ends so and whose second would succeed: `again` sends it a second time,
# `unknown` raises OutcomeUnknown and `error` the error itself after one send, `late` says that the key's time is over
# and nothing was done. The columns: a read; a write under a key known to arrive; a write under a key not known to
# arrive that makes a record under an id of its own; the same without such an id; an operation that takes no key; and a
# write under a key known to arrive whose first attempt took 25 minutes and a second.
COLUMNS = ("read", "proven", "named", "unproven", "unkeyed", "expired")
# fmt: off
TABLE: list[tuple[str, errors.TransportError | Response, str, tuple[str, str, str, str, str, str]]] = [
    ("not sent: refused, DNS, TLS", errors.ConnectFailed("x", sent=False),                      "unsent",
     ("again", "again", "again", "again", "again", "again")),
    ("gateway 429",                 _api(429),                                                  "body",
     ("again", "again", "again", "again", "again", "late")),
    ("Chargebee's rate limit",      _api(429, "api_request_limit_exceeded"),                    "body",
     ("again", "again", "again", "again", "again", "late")),
    ("lock_timeout",                _api(409, "lock_timeout"),                                  "body",
     ("again", "again", "again", "again", "again", "late")),
    ("503 site_read_only_mode",     _api(503, "site_read_only_mode"),                           "body",
     ("again", "again", "again", "again", "again", "late")),
    ("503 internal_temporary_error", _api(503, "internal_temporary_error"),                     "body",
     ("again", "again", "again", "unknown", "unknown", "unknown")),
    ("502 in HTML",                 _api(502),                                                  "body",
     ("again", "again", "again", "unknown", "unknown", "unknown")),
    ("third party's rate limit",    _api(429, "third_party_api_request_limit_exceeded"),        "body",
     ("again", "again", "again", "unknown", "unknown", "unknown")),
    ("sent, no answer",             errors.ConnectionLost("x", sent=True),                      "sent",
     ("again", "again", "again", "unknown", "unknown", "unknown")),
    ("2xx, body cut",               errors.TruncatedResponse("x", status=200),                  "headers",
     ("again", "again", "again", "unknown", "unknown", "unknown")),
    ("422 key of another request",  _api(422, "unable_to_process_request"),                     "body",
     ("error", "error", "error", "error", "error", "error")),
    ("payment declined",            _api(402, "payment_processing_failed", type="payment"),     "body",
     ("error", "error", "error", "error", "error", "error")),
]
# fmt: on
ROWS = [
    pytest.param(first, phase, column, result, id=f"{name}, {column}")
    for name, first, phase, results in TABLE
    for column, result in zip(COLUMNS, results, strict=True)
]
CALL = Call(
    request=Request(method="POST", url="https://h/x", headers={}, body=b"a=1", label="POST /x"),
    writes=True,
    keyed=True,
    idempotency_key="k",
    site="",
    retry=Retry(deadline_seconds=7200, base_seconds=0, throttled_base_seconds=0),
    timeouts=Timeouts(),
)
CALLS = {
    "read": attrs.evolve(CALL, writes=False, keyed=False, idempotency_key=None),
    "proven": attrs.evolve(CALL, proven=True),
    "named": attrs.evolve(CALL, named="id1"),
    "unproven": CALL,
    "unkeyed": attrs.evolve(CALL, keyed=False, proven=True),
    "expired": attrs.evolve(CALL, proven=True, named="id1"),
}


class Scripted(MemoryTransport):
    """Its first attempt ends as told, in a phase of its own."""

    def __init__(self, clock: FakeClock, first: errors.TransportError | Response, phase: Any, seconds: float) -> None:
        super().__init__(self._answer)
        self._clock, self._first, self._phase, self._seconds = clock, first, phase, seconds

    async def send(self, request: Request, timeouts: Seconds, trace: Trace) -> Response:
        try:
            return await super().send(request, timeouts, trace)
        finally:
            trace.phase = self._phase if len(self.requests) == 1 else "body"

    async def _answer(self, request: Request) -> Response:
        if len(self.requests) > 1:
            return OK
        self._clock.now += self._seconds
        if isinstance(self._first, Response):
            return self._first
        raise self._first


def test_the_table_has_72_rows() -> None:
    """Twelve endings of an attempt times six kinds of calls."""
    assert len(ROWS) == 72


@pytest.mark.parametrize(("first", "phase", "column", "result"), ROWS)
async def test_every_row_of_the_table(
    first: errors.TransportError | Response, phase: str, column: str, result: str
) -> None:
    """A second send only where it cannot add to the first; else the error, or OutcomeUnknown."""
    clock = FakeClock()
    transport = Scripted(clock, first, phase, 25 * 60 + 1 if column == "expired" else 0)
    engine = Engine(transport, limits=Limits(account_per_second=1000), clock=clock, draw=lambda: 0.0)
    ended = "again"
    try:
        await engine.send(CALLS[column], lambda response: response)
    except errors.OutcomeUnknown:
        ended = "unknown"
    except errors.DeadlineExceeded:
        ended = "late"
    except errors.GatewayClientError:
        ended = "error"
    assert ended == result
    assert len(transport.requests) == (2 if result == "again" else 1)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.UnexpectedRedirect("x", status=307), "refused"),
        (errors.UnexpectedRedirect("x", status=303), "unreadable"),
        (errors.MatonError("x", status=408), "maybe"),
        (errors.InvalidResponse("x", status=408), "maybe"),
        (errors.MatonError("x", status=404), "refused"),
        (errors.InvalidRequest("x", status=400, code="duplicate_entry"), "exists"),
        (errors.Conflict("x", status=409, code="invalid_state_for_request"), "exists"),
        (errors.DecodeError("x", path="$.customer.id", status=200), "unreadable"),
        (errors.DecodeError("x", status=200), "done"),
    ],
)
def test_the_effects_that_are_easily_mistaken(error: Exception, expected: str) -> None:
    """A 303 follows upon what was done, a 408 comes from a proxy that gave up; a refusal in a proxy's words is one."""
    assert effect(error, "body") == expected


# The operations of which the record that they make has an id that the client may choose.
NAMED_BY_CALLER = {
    "addon.create", "coupon.create", "coupon.create_for_items", "coupon_set.create", "credit_note.import_credit_note",
    "invoice.import_invoice", "item.create", "item_family.create", "item_price.create", "plan.create",
    "price_variant.create",
}  # fmt: skip
NAMED_BY_US = {
    "business_rule.create", "business_ruleset.create", "customer.create", "feature.create", "order.create",
    "order.import_order", "subscription.create", "subscription.create_for_customer", "subscription.create_with_items",
    "subscription.import_for_customer", "subscription.import_for_items", "subscription.import_subscription",
}  # fmt: skip
ONCE = {
    "ledger_operation.allocate", "ledger_operation.authorize", "ledger_operation.capture",
    "ledger_operation.capture_authorization", "ledger_operation.release_authorization", "offer_event.offer_events",
    "offer_fulfillment.offer_fulfillments", "offer_fulfillment.offer_fulfillments_update",
    "personalized_offer.personalized_offers", "usage_event.batch_ingest", "usage_event.create",
    "usage_file.upload_url",
}  # fmt: skip


def test_every_post_is_classed() -> None:
    """355 POST operations: 325 for which Chargebee honours keys (one of them only computes), 18 estimates that take
    none and are reads, and 12 that take none and are sent once. Nothing else passes for a read."""
    found = posts()
    names = {f"{operation.resource}.{operation.name}" for operation in found}
    assert len(found) == len(names) == 355
    kinds = Counter((operation.keyed, operation.writes) for operation in found)
    assert kinds == {(True, True): 324, (True, False): 1, (False, False): 18, (False, True): 12}
    reads = [operation for operation in found if not operation.writes]
    assert {f"{operation.resource}.{operation.name}" for operation in reads if operation.resource != "estimate"} == {
        "purchase.estimate",
        "unbilled_charge.invoice_now_estimate",
    }
    assert {f"{one.resource}.{one.name}" for one in found if one.writes and not one.keyed} == ONCE


def test_exactly_these_operations_get_an_id() -> None:
    """The creates that take an `id` and whose record can be read by it: twelve get one from this client, for eleven the
    caller has to give it. Each is keyed, and its answer can be read from the record's own page."""
    found = [operation for operation in posts() if operation.record_path is not None]
    assigned = {f"{one.resource}.{one.name}" for one in found if _lacks_id(one, {})}  # type: ignore[arg-type]
    assert assigned == NAMED_BY_US
    assert {f"{one.resource}.{one.name}" for one in found} == NAMED_BY_US | NAMED_BY_CALLER
    for one in found:
        page = retrieves()[one.resource]
        answer: Any = answer_class(one.resource, one.answer)
        read: Any = answer_class(page.resource, page.answer)
        needed = {field.name for field in attrs.fields(answer) if field.default is attrs.NOTHING}
        assert needed <= {field.name for field in attrs.fields(read)}
        assert one.keyed
        assert one.record_path == page.path
