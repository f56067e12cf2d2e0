"""Writes in doubt: what settles them, what does not, and what their caller can do."""

from __future__ import annotations

import json
import pickle
import time
from typing import Any

import attrs
import pytest

from aiochargebee_gw import OutcomeUnknown, Retry, errors
from aiochargebee_gw._settle import Trace, trace_of
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.observe import CallFinished, Event
from aiochargebee_gw.resources.invoices import _WRITE_OFF
from aiochargebee_gw.resources.quotes import _UPDATE_STATUS
from aiochargebee_gw.resources.subscriptions import _CANCEL_FOR_ITEMS, _PAUSE
from aiochargebee_gw.settings import Timeouts
from aiochargebee_gw.transport.base import Trace as Phases
from aiochargebee_gw.transport.memory import MemoryTransport

from .books import Seen, books, script
from .conftest import EAGER, client

pytestmark = pytest.mark.anyio

ONCE = attrs.evolve(EAGER, attempts=1)


async def test_a_conflict_that_the_write_itself_caused_is_its_success() -> None:
    """The cancellation took effect, its answer was lost, the second one is refused with 409: the subscription shows
    that it was cancelled since, and that is the answer."""
    events: list[Event] = []
    async with books(script("500_after"), keys=False) as server:
        async with client(server.url, idempotency="verified", observers=[events.append]) as gw:
            server.subscription("s1")
            made = await gw.subscriptions.cancel_for_items("s1")
        assert made.subscription.status == "cancelled"
        assert [event.outcome for event in events if isinstance(event, CallFinished)] == ["ok", "reconciled"]
        assert len(server.posts) == 2


@pytest.mark.parametrize(("fault", "expected"), [("500_before", errors.Conflict), ("drop_before", OutcomeUnknown)])
async def test_a_conflict_that_was_there_before_stays_one(fault: str, expected: type[Exception]) -> None:
    """The subscription was cancelled long ago: the 409 is the outcome once the first attempt is known to be over, and
    settles nothing while that may still be under way."""
    async with (
        books(script(fault), keys=False) as server,
        client(server.url, idempotency="verified") as gw,
    ):
        server.subscription("s1", status="cancelled", cancelled_at=1000)
        with pytest.raises(expected):
            await gw.subscriptions.cancel_for_items("s1")


async def test_a_conflict_of_which_nothing_can_be_told_is_unknown() -> None:
    """A subscription that was changed since, but does not say when it was cancelled, shows nothing."""
    async with books(script("500_before"), keys=False) as server, client(server.url, idempotency="verified") as gw:
        server.subscription("s1", status="cancelled", updated_at=int(time.time()) + 1)
        with pytest.raises(OutcomeUnknown):
            await gw.subscriptions.cancel_for_items("s1")


@pytest.mark.parametrize("fault", ["500_before", "drop_before"])
async def test_an_id_that_was_taken_before_stays_an_error(fault: str) -> None:
    """A record of that id is older than the call: duplicate_entry is the outcome, whatever became of the first attempt,
    and the old record is not passed off as the new one."""
    async with books(script(fault)) as server, client(server.url) as gw:
        server.rows["c1"] = {
            "kind": "customer",
            "tag": "old",
            "record": {"id": "c1", "first_name": "w", "created_at": 1000, "object": "customer"},
        }
        with pytest.raises(errors.InvalidRequest) as caught:
            await gw.customers.create(id="c1", first_name="w")
        assert caught.value.code == "duplicate_entry"
        assert server.tags() == {"old": 1}


@pytest.mark.parametrize(("name", "expected"), [("w", None), ("somebody", OutcomeUnknown)])
async def test_a_record_that_appeared_meanwhile_is_ours_only_when_it_says_what_we_said(
    name: str, expected: type[Exception] | None
) -> None:
    """Two may choose the same id at the same time: a record with other texts than the request's settles nothing."""

    def somebody(seen: Seen) -> None:
        record = {"id": "c1", "first_name": name, "created_at": int(time.time()), "object": "customer"}
        server.rows.setdefault("c1", {"kind": "customer", "tag": "x", "record": record})

    async with books(script("drop_before")) as server, client(server.url) as gw:
        server.on_request = somebody
        if expected is None:
            made = await gw.customers.create(id="c1", first_name="w")
            assert made.customer.first_name == "w"
        else:
            with pytest.raises(expected):
                await gw.customers.create(id="c1", first_name="w")


async def test_a_declined_payment_is_final() -> None:
    """It is not repeated; under a trusted key it settles a doubt, without one only when nothing else is under way."""
    declined = {"first_name": "w", "email": "declined@example.com"}
    async with books() as server, client(server.url) as gw:
        with pytest.raises(errors.PaymentFailed):
            await gw.customers.create(**declined)  # type: ignore[arg-type]
        assert len(server.posts) == 1
        for fault, expected in (("500_before", errors.PaymentFailed), ("drop_before", OutcomeUnknown)):
            server.choose = script(fault)
            with pytest.raises(expected):
                await gw.customers.create(**declined)  # type: ignore[arg-type]
    async with books(script("drop_before")) as server, client(server.url, idempotency="verified") as gw:
        with pytest.raises(errors.PaymentFailed):
            await gw.customers.create(**declined)  # type: ignore[arg-type]
        assert len(server.posts) == 2


@pytest.mark.parametrize("faults", [("late", "500_before", "401_before"), ("502_late", "401_before")])
async def test_what_may_still_be_under_way_is_not_called_failed(faults: tuple[str, ...]) -> None:
    """The first attempt is carried out after the client has given it up, or after a proxy has. A later attempt that was
    answered and a look that finds nothing do not make it a failure: the record does appear."""
    async with books(script(*faults)) as server, client(server.url, seconds=0.3) as gw:
        with pytest.raises(OutcomeUnknown) as caught:
            await gw.customers.create(first_name="w")
        assert server.tags() == {}
        assert await caught.value.reconcile() is None
        server.flush()
        assert server.tags() == {"w": 1}
        made = await caught.value.reconcile()
        assert made.customer.first_name == "w"


async def test_a_create_in_doubt_to_the_end_is_looked_up() -> None:
    """All attempts failed and the record is there: that is a success. It is not there: the doubt remains. With one
    attempt alone, the caller decides about looking too."""
    async with books(script("500_after", *["503_before"] * 5), keys=False) as server, client(server.url) as gw:
        assert (await gw.customers.create(first_name="w")).customer.first_name == "w"
        assert len(server.posts) == 6
        server.choose = script(*["drop_before"] * 6)
        with pytest.raises(OutcomeUnknown):
            await gw.customers.create(first_name="x")
        server.seen.clear()
        server.choose = script("500_after")
        with pytest.raises(OutcomeUnknown):
            await gw.customers.create(first_name="y", retry=ONCE)
        assert [seen.method for seen in server.seen] == ["POST"]


async def test_a_record_that_cannot_be_read_is_likely_done() -> None:
    """The record is found and is not as the answer promises: OutcomeUnknown, not a decoding error, and likely done."""

    def spoil(seen: Seen) -> None:
        if seen.method == "GET":
            for row in server.rows.values():
                row["record"]["created_at"] = ["x"]

    async with books(script("500_after"), keys=False) as server, client(server.url) as gw:
        server.on_request = spoil
        with pytest.raises(OutcomeUnknown) as caught:
            await gw.customers.create(first_name="w")
        assert caught.value.likely_done


async def test_an_unknown_outcome_can_be_reconciled_and_retried() -> None:
    """`retry` sends the same bytes and gives the replay; `reconcile` reads; a pickled error has lost its request."""
    async with books(script("cut_body")) as server, client(server.url) as gw:
        with pytest.raises(OutcomeUnknown) as caught:
            await gw.promotional_credits.add(customer_id="c", amount=1, description="w", idempotency_key="k")
        error = caught.value
        assert (error.likely_done, error.idempotency_key, error.natural_id, error.attempts) == (True, "k", None, 1)
        assert error.first_sent_at == error.last_sent_at
        with pytest.raises(OutcomeUnknown):
            await error.reconcile()
        made = await error.retry()
        assert made.promotional_credit.id
        assert len({seen.digest for seen in server.posts}) == 1
        assert (len(server.posts), server.tags()) == (2, {"w": 1})
        copy = pickle.loads(pickle.dumps(error))
        assert (copy.idempotency_key, copy.safe_until) == ("k", error.safe_until)
        for method in (copy.retry, copy.reconcile):
            with pytest.raises(errors.ConfigurationError):
                await method()


async def test_a_retry_that_stays_in_doubt_keeps_the_first_time() -> None:
    """The key's life is counted from the first send of all, and what was likely stays likely."""
    async with books(script("cut_body", "503_before")) as server, client(server.url, retry=ONCE) as gw:
        with pytest.raises(OutcomeUnknown) as first:
            await gw.promotional_credits.add(customer_id="c", amount=1, description="w")
        with pytest.raises(OutcomeUnknown) as second:
            await first.value.retry()
        assert second.value.safe_until == first.value.safe_until
        assert second.value.likely_done
        assert len(server.posts) == 2


async def test_without_a_key_there_is_no_retry() -> None:
    """An operation for which Chargebee honours no key can only be looked into by hand."""
    async with books(script("500_after")) as server, client(server.url, idempotency="verified") as gw:
        with pytest.raises(OutcomeUnknown) as caught:
            await gw.call("POST", "/api/v2/promotional_credits/add", form={"customer_id": "c", "description": "w"})
        assert caught.value.safe_until is None
        with pytest.raises(errors.RequestError) as refused:
            await caught.value.retry()
        assert refused.value.field == "idempotency_key"
        assert len(server.posts) == 1


@pytest.mark.parametrize("blank", ["", " ", None])
async def test_a_blank_id_protects_nothing(blank: str | None) -> None:
    """The server would choose an id for each send: the write is sent once."""
    async with books(script("500_after")) as server, client(server.url) as gw:
        with pytest.raises(OutcomeUnknown) as caught:
            await gw.customers.create(id=blank, first_name="w")
        assert caught.value.natural_id is None
        assert server.tags() == {"w": 1}


async def test_a_key_outlives_chargebees_memory_where_it_makes_the_id() -> None:
    """The id comes from the key: the same call under the same key makes nothing twice, also when the key is forgotten
    or dropped on its way."""
    async with books(keys=False) as server, client(server.url) as gw:
        await gw.customers.create(first_name="w", idempotency_key="order-4711")
        with pytest.raises(errors.InvalidRequest) as caught:
            await gw.customers.create(first_name="w", idempotency_key="order-4711")
        assert caught.value.code == "duplicate_entry"
        assert server.tags() == {"w": 1}


async def test_a_transport_that_contradicts_itself_is_not_believed() -> None:
    """Bytes have left by its trace, none by its error: the write is in doubt."""

    class Confused(MemoryTransport):
        async def send(self, request: Request, timeouts: Timeouts, trace: Phases) -> Response:
            self.requests.append(request)
            trace.phase = "sent"
            raise errors.ConnectFailed("x", sent=False)

    async def never(request: Request) -> Response:
        raise AssertionError

    transport = Confused(never)
    async with client("http://127.0.0.1:1", transport=transport) as gw:
        with pytest.raises(OutcomeUnknown):
            await gw.promotional_credits.add(customer_id="c", amount=1, description="w")
        assert len(transport.requests) == 1


async def test_an_error_of_another_kind_after_a_send_is_a_doubt() -> None:
    """A transport that says "closed" after bytes have left, a reader that refuses what it got: nobody knows."""

    class Closing(MemoryTransport):
        async def send(self, request: Request, timeouts: Timeouts, trace: Phases) -> Response:
            await super().send(request, timeouts, trace)
            raise errors.ConfigurationError("this client is closed")

    async def done(request: Request) -> Response:
        return Response(status=200, headers={}, body=b"{}")

    async with client("http://127.0.0.1:1", transport=Closing(done)) as gw:
        with pytest.raises(OutcomeUnknown) as caught:
            await gw.promotional_credits.add(customer_id="c", amount=1, description="w")
        assert isinstance(caught.value.__cause__, errors.ConfigurationError)


def _page(**record: Any) -> Response:
    return Response(status=200, headers={}, body=json.dumps({"subscription": record}).encode())


NOW = 1_000_000.0
PAUSED = {"status": "paused", "pause_date": 1_000_000, "updated_at": 1_000_000}


@pytest.mark.parametrize(
    ("params", "record", "sight"),
    [
        ({}, {"status": "cancelled", "cancelled_at": 1_000_000, "updated_at": 1_000_000}, "done"),
        ({}, {"status": "cancelled", "cancelled_at": 5, "updated_at": 999_900}, "absent"),
        ({}, {"status": "cancelled", "cancelled_at": 5, "updated_at": 1_000_000}, "unclear"),
        # The clocks of the gateway and of the record may be a little apart.
        ({}, {"status": "active", "updated_at": 999_950}, "unclear"),
        ({}, {"status": "active", "updated_at": 999_900}, "absent"),
        ({}, {"status": "active"}, "unclear"),
        # It was to be cancelled now; that it will not renew is the work of somebody else.
        ({}, {"status": "non_renewing", "cancel_schedule_created_at": 1_000_000, "updated_at": 1_000_000}, "unclear"),
        ({"end_of_term": True}, {"status": "non_renewing", "cancel_schedule_created_at": 1_000_000}, "done"),
        ({"cancel_option": "end_of_term"}, {"status": "cancelled", "updated_at": 1_000_000}, "unclear"),
        ({"end_of_term": False}, {"status": "cancelled", "cancelled_at": 1_000_000}, "done"),
    ],
)
def test_what_a_cancelled_subscription_shows(params: dict[str, Any], record: dict[str, Any], sight: str) -> None:
    """It is the call's work when it says that it was cancelled, in the way that was asked for, since the first send;
    untouched since then, it shows that nothing came of the call; all else leaves the matter open."""
    trace = trace_of(_CANCEL_FOR_ITEMS, "s1", params, None, ours=False)
    assert trace is not None
    assert trace.shows(_page(id="s1", **record), NOW) == sight


@pytest.mark.parametrize(
    ("created", "since", "sight"),
    [(1_000_000, NOW, "done"), (999_950, NOW, "unclear"), (999_900, NOW, "other"), (None, NOW, "unclear"),
     (1_000_000, None, "unclear")],
)  # fmt: skip
def test_what_a_record_of_the_callers_id_shows(created: int | None, since: float | None, sight: str) -> None:
    """It is the call's when it was made since the first send, somebody else's when it was made before; where a time is
    missing, or the clocks may be that far apart, it shows nothing. One of an id that this client has drawn is its."""
    record = {"id": "c1", "first_name": " W ", **({} if created is None else {"created_at": created})}
    answer = Response(status=200, headers={}, body=json.dumps({"customer": record}).encode())
    assert Trace(path="/x", record="customer", texts={"first_name": "w"}).shows(answer, since) == sight
    assert Trace(path="/x", record="customer", ours=True).shows(answer, since) == "done"


def test_what_leaves_no_trace_that_can_be_relied_on() -> None:
    """A change for a later time, an invoice that may as well have been paid: there is nothing to look at."""
    for params in ({"cancel_at": 5}, {"cancel_option": "specific_date"}, {"end_of_term": True, "cancel_at": 5}):
        assert trace_of(_CANCEL_FOR_ITEMS, "s1", params, None, ours=False) is None
    assert trace_of(_PAUSE, "s1", {"pause_option": "end_of_term"}, None, ours=False) is None
    assert trace_of(_WRITE_OFF, "i1", {}, None, ours=False) is None
    paused = trace_of(_PAUSE, "s1", {}, None, ours=False)
    assert paused is not None
    assert paused.shows(_page(id="s1", **PAUSED), NOW) == "done"
    assert paused.shows(_page(id="s1", **PAUSED), None) == "unclear"
    assert paused.shows(Response(status=200, headers={}, body=b"<"), NOW) == "unclear"
    quote = trace_of(_UPDATE_STATUS, "q1", {"status": "accepted"}, None, ours=False)
    assert quote is not None
    declined = {"quote": {"id": "q1", "status": "declined", "updated_at": 1_000_000}}
    assert quote.shows(Response(status=200, headers={}, body=json.dumps(declined).encode()), NOW) == "unclear"


def test_a_404_is_no_answer_about_a_deletion() -> None:
    """A record that is not there may have been deleted by the call; one that was to be made has not been made."""
    gone = Trace(path="/x", record="customer", attribute="deleted", value="True", stamp="updated_at")
    assert gone.shows(None, NOW) == "unclear"
    assert Trace(path="/x", record="customer").shows(None, NOW) == "absent"


async def test_a_missing_site_is_no_missing_record() -> None:
    """A look that is answered 404 for the site says nothing about the record."""
    missing = Response(status=404, headers={}, body=b'{"api_error_code": "site_not_found"}')
    answers = [Response(status=500, headers={}, body=b'{"api_error_code": "internal_error"}'), missing]

    async def handler(request: Request) -> Response:
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async with client("http://127.0.0.1:1", transport=MemoryTransport(handler)) as gw:
        with pytest.raises(OutcomeUnknown):
            await gw.customers.create(first_name="w", retry=Retry(base_seconds=0))


async def test_an_id_that_is_taken_by_nothing_that_can_be_found_is_unknown() -> None:
    """The server says that the id exists, and does not show the record (not yet, perhaps): that is no failure."""
    async with books(script("500_after"), keys=False) as server, client(server.url) as gw:
        hidden: dict[str, Any] = {}

        def hide(seen: Seen) -> None:
            if seen.method == "GET":
                hidden.update(server.rows)
                server.rows.clear()

        server.on_request = hide
        with pytest.raises(OutcomeUnknown) as caught:
            await gw.customers.create(first_name="w")
        assert isinstance(caught.value.__cause__, errors.InvalidRequest)
        server.on_request = None
        server.rows.update(hidden)
        assert (await caught.value.reconcile()).customer.first_name == "w"
