"""What became of which write: the table of lookups, against the catalogue and against what the sandbox does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from aiochargebee_gw import Gateway, OutcomeUnknown, Retry, Settings, errors
from aiochargebee_gw._operation import ListOperation, Operation
from aiochargebee_gw._settle import Trace, trace_of
from aiochargebee_gw._wire.message import Response
from aiochargebee_gw.records import QuoteStatus
from aiochargebee_gw.resources.customers import _CREATE
from aiochargebee_gw.resources.quotes import _UPDATE_STATUS
from aiochargebee_gw.sandbox import Sandbox

from ..codegen.catalogue import documents
from .conftest import FAST
from .operations import posts

pytestmark = pytest.mark.anyio

DAY = 86_400
OPERATIONS = {f"{operation.resource}.{operation.name}": operation for operation in posts()}


@attrs.frozen(kw_only=True)
class Deed:
    """A call that changes a record and can be seen there: what it needs, and the record that it is made on."""

    operation: str
    needs: dict[str, Any] = attrs.field(factory=dict)
    before: dict[str, Any] = attrs.field(factory=dict)
    unstamped: str | None = None
    """What the sandbox leaves out of the record; set by hand."""

    @property
    def kind(self) -> str:
        return self.operation.partition(".")[0]

    @property
    def deletes(self) -> bool:
        return self.operation.endswith(".delete")


DEEDS = [
    Deed(operation="subscription.cancel"),
    Deed(operation="subscription.cancel_for_items"),
    Deed(operation="subscription.pause"),
    Deed(operation="subscription.delete"),
    Deed(operation="customer.delete"),
    Deed(operation="invoice.void_invoice"),
    Deed(operation="credit_note.void_credit_note", before={"amount_available": 0}),
    Deed(operation="order.cancel", needs={"cancellation_reason": "others"}, unstamped="cancelled_at"),
    Deed(operation="quote.update_status", needs={"status": "accepted"}),
]
each_deed = pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: str(deed.operation))

# The parameters by which a call says when; a value that says "now", as nothing does, changes nothing.
WHEN = {
    "subscription.cancel": {"cancel_option", "end_of_term", "cancel_at", "contract_term_cancel_option"},
    "subscription.cancel_for_items": {"cancel_option", "end_of_term", "cancel_at", "contract_term_cancel_option"},
    "subscription.pause": {"pause_option", "pause_date"},
    "order.cancel": {"cancelled_at"},
}


def _trace(name: str, id: str = "x", **params: Any) -> Trace | None:
    operation: Operation[Any] | ListOperation[Any, Any] = OPERATIONS[name]
    return trace_of(operation, id, params, None, ours=False)


def _seen(name: str, **params: Any) -> Trace:
    found = _trace(name, **params)
    assert found is not None
    return found


def _answer(**records: Any) -> Response:
    return Response(status=200, headers={}, body=json.dumps(records).encode())


def test_every_row_of_the_table_has_been_tried() -> None:
    """Of all POSTs of the catalogue exactly these leave something that tells them from what others may have done."""
    needed = {deed.operation: deed.needs for deed in DEEDS}
    assert {name for name in OPERATIONS if _trace(name, **needed.get(name, {})) is not None} == set(needed)


@each_deed
def test_the_table_speaks_of_what_the_catalogue_has(deed: Deed) -> None:
    """The record is read where the catalogue's `retrieve` reads it; the attribute can have the value, both times are
    times, and the operation is a write on one record."""
    trace = _seen(deed.operation, **deed.needs)
    catalogue = documents()[deed.kind]
    retrieve, row = (catalogue["operations"][name] for name in ("retrieve", deed.operation.partition(".")[2]))
    assert (retrieve["http"], row["http"]) == ("GET", "POST")
    assert trace.path == "/api/v2" + retrieve["path"].replace("{id}", "x")
    assert trace.record in retrieve["response"]
    attribute = catalogue["fields"][trace.attribute]
    assert trace.value in (("True", "False") if attribute["type"] == "bool" else attribute["values"])
    assert {catalogue["fields"][name]["type"] for name in (trace.stamp, "updated_at")} == {"timestamp"}
    assert "{id}" in row["path"]


@each_deed
def test_only_what_says_when_changes_what_is_looked_for(deed: Deed) -> None:
    """Every value of every parameter of the catalogue: what is to happen later leaves no trace that could be told from
    somebody else's doing it now, but for the end of the term, which is noted at once; no other parameter matters."""
    plain = _seen(deed.operation, **deed.needs)
    when = WHEN.get(deed.operation, set())
    told = documents()[deed.kind]["operations"][deed.operation.partition(".")[2]]["params"]
    assert when <= set(told)
    for name, spec in told.items():
        if name in deed.needs:
            continue
        for value in _values(spec):
            found = _trace(deed.operation, **deed.needs, **{name: value})
            if name not in when or value is False or "immediately" in str(value):
                assert found == plain, (name, value)
            elif name == "end_of_term" or (name, value) == ("cancel_option", "end_of_term"):
                assert found is not None
                assert (found.value, found.stamp) == ("non_renewing", "cancel_schedule_created_at")
            else:
                assert found is None, (name, value)


def _values(spec: dict[str, Any]) -> list[Any]:
    match spec["type"]:
        case "enum":
            return list(spec["values"])
        case "bool":
            return [True, False]
        case "timestamp":
            return [datetime(2030, 1, 1, tzinfo=UTC)]
        case _:
            return ["x"]


def test_a_quote_is_looked_at_for_the_status_that_was_asked_for() -> None:
    """Whichever it is of those that the catalogue names."""
    for status in documents()["quote"]["operations"]["update_status"]["params"]["status"]["values"]:
        trace = trace_of(_UPDATE_STATUS, "q", {"status": status}, None, ours=False)
        assert trace is not None
        assert trace.shows(_answer(quote={"status": status, "updated_at": 1000}), 1000) == "done"


@pytest.mark.parametrize("extra", [{"cancel_at": 5}, {"contract_term_cancel_option": "end_of_contract_term"}])
def test_two_wishes_about_the_time_leave_no_trace(extra: dict[str, Any]) -> None:
    """Nobody can say from here which of them the server follows."""
    assert _trace("subscription.cancel", end_of_term=True, **extra) is None
    assert _trace("subscription.cancel", end_of_term=True, cancel_option="end_of_term") is not None


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A site with one customer."""
    async with Sandbox(records=0, catalog="both") as running:
        running.seed(records=0, customers=[{"id": "ada"}])
        yield running


@pytest.fixture
async def gw(sandbox: Sandbox) -> AsyncIterator[Gateway]:
    """A client of it that tries once."""
    async with sandbox.gateway(settings=Settings(limits=FAST, retry=Retry(attempts=1))) as gateway:
        yield gateway


def _insert(sandbox: Sandbox, deed: Deed, id: str) -> None:
    """A record as it was an hour ago."""
    ago = int(sandbox.now()) - 3600
    values: dict[str, Any] = {"id": id, "updated_at": ago, **deed.before}
    if deed.kind != "customer":
        values |= {"customer_id": "ada"}
    if deed.kind == "subscription":
        values |= {"status": "active", "current_term_start": ago, "current_term_end": ago + 30 * DAY}
    sandbox.insert(deed.kind, values)


async def _do(gw: Gateway, sandbox: Sandbox, deed: Deed, id: str, **more: Any) -> None:
    path = OPERATIONS[deed.operation].path.replace("{id}", id)
    await gw.call("POST", f"/api/v2{path}", form={**deed.needs, **more})
    if deed.unstamped is not None:
        sandbox.update(deed.kind, id, {deed.unstamped: int(sandbox.now())})


async def _look(gw: Gateway, trace: Trace) -> Response | None:
    try:
        return _answer(**await gw.call("GET", trace.path))
    except errors.NotFound:
        return None


@each_deed
async def test_what_the_sandbox_has_done_is_seen(gw: Gateway, sandbox: Sandbox, deed: Deed) -> None:
    """Before the call the record shows that nothing came of it, after it that it happened; a later call of the same
    kind is not taken for the cause. A deletion is scheduled: what is there shows nothing, nor does what is gone, where
    the server does not show what it has deleted."""
    _insert(sandbox, deed, "r1")
    trace = _seen(deed.operation, id="r1", **deed.needs)
    since = int(sandbox.now())
    assert trace.shows(await _look(gw, trace), since) == ("unclear" if deed.deletes else "absent")
    await _do(gw, sandbox, deed, "r1")
    if deed.deletes:
        assert trace.shows(await _look(gw, trace), since) == "unclear"
    shown = _answer(**{deed.kind: sandbox.get(deed.kind, "r1")}) if deed.deletes else await _look(gw, trace)
    assert trace.shows(shown, since) == "done"
    assert trace.shows(shown, since + 3600) == ("unclear" if deed.deletes else "absent")


@pytest.mark.parametrize("name", ["subscription.cancel", "subscription.cancel_for_items"])
@pytest.mark.parametrize("later", [{"end_of_term": "true"}, {"cancel_option": "end_of_term"}])
async def test_a_cancellation_at_the_end_of_the_term_is_seen_at_once(
    gw: Gateway, sandbox: Sandbox, name: str, later: dict[str, Any]
) -> None:
    """The subscription will not renew, and says since when. One that somebody has cancelled meanwhile shows nothing."""
    deed = Deed(operation=name)
    trace = _seen(name, id="r1", **later)
    since = int(sandbox.now())
    for id, how in (("r1", later), ("r2", {})):
        _insert(sandbox, deed, id)
        await _do(gw, sandbox, deed, id, **how)
    assert trace.shows(await _look(gw, trace), since) == "done"
    assert trace.shows(await _look(gw, _seen(name, id="r2")), since) == "unclear"


SENT: dict[str, Any] = {
    "first_name": " Ada  ",
    "email": "ADA@example.com",
    "auto_collection": "off",
    "net_term_days": 7,
    "allow_direct_debit": True,
    "locale": None,
    "billing_address": {"city": "London"},
    "cf_shelf": "007",
}


@pytest.mark.parametrize(
    ("theirs", "found"),
    [
        ({}, True),
        # What is no text may come back written otherwise; what was left to the server is no text either.
        ({"net_term_days": 8, "locale": "en", "cf_shelf": 7, "billing_address": {"city": "Oslo"}}, True),
        ({"first_name": "Bob"}, False),
        ({"email": "bob@example.com"}, False),
        ({"auto_collection": "on"}, False),
    ],
)
async def test_a_record_under_the_callers_id_is_compared_by_its_texts(
    gw: Gateway, sandbox: Sandbox, theirs: dict[str, Any], found: bool
) -> None:
    """A customer was made under the id meanwhile: by this call, if the record repeats all texts of it that it has,
    letter case and blanks at the ends aside."""
    sandbox.faults.add("drop", method="POST", after_write=True)
    with pytest.raises(OutcomeUnknown) as caught:
        await gw.customers.create(id="c1", **SENT)
    sandbox.update("customer", "c1", {"first_name": "ada", "email": "ada@example.com", **theirs})
    if found:
        made = await caught.value.reconcile()
        assert made.customer.id == "c1"
    else:
        with pytest.raises(OutcomeUnknown):
            await caught.value.reconcile()


def test_what_is_no_record_shows_nothing() -> None:
    """An answer without the record, or with something else in its place, is not read as one; nor is a time that is no
    number."""
    made = trace_of(_CREATE, None, {}, "c1", ours=True)
    assert made is not None
    for body in (b"[]", b"{}", b"null", b'{"customer": null}', b'{"customer": "x"}', b'{"card": {"id": "c1"}}', b"{"):
        assert made.shows(Response(status=200, headers={}, body=body), 1000) == "unclear"
    assert made.shows(_answer(customer={"id": "c1"}), 1000) == "done"
    cancelled = {"status": "cancelled", "cancelled_at": "1000", "updated_at": [1000]}
    assert _seen("subscription.cancel").shows(_answer(subscription=cancelled), 1000) == "unclear"


def test_clocks_may_be_a_minute_apart() -> None:
    """What was made within the minute before the first send may be older or not; what is older still is another's."""
    trace = Trace(path="/x", record="customer")
    ages = {60: "unclear", 61: "other", 1: "unclear", 0: "done"}
    assert {age: trace.shows(_answer(customer={"created_at": 5000 - age}), 5000) for age in ages} == ages


def test_a_status_may_be_a_member_of_its_enum() -> None:
    """The caller may say it as a text or as the enum's member."""
    trace = trace_of(_UPDATE_STATUS, "q", {"status": QuoteStatus.ACCEPTED}, None, ours=False)
    assert trace is not None
    assert trace.value == "accepted"


def test_a_trace_hides_whom_it_is_about() -> None:
    """Its repr holds no id and no text of the request."""
    trace = trace_of(_CREATE, None, {"id": "ada@example.com", "first_name": "Ada"}, "ada@example.com", ours=False)
    assert "ada" not in repr(trace).lower()
