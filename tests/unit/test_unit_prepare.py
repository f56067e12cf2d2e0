"""From a catalogue row to a request: the shapes that this release's resources do not have yet."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest

from aiochargebee_gw import Filter, Gateway, Limits, RequestError, Settings
from aiochargebee_gw._operation import ListOperation, Operation
from aiochargebee_gw._prepare import draft, draft_list
from aiochargebee_gw._resource import Resource
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.filters import FilterRule
from aiochargebee_gw.records import Contact, CustomerContactsForCustomerRow, SubscriptionStatus
from aiochargebee_gw.transport.memory import MemoryTransport

MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
JSON_BODY: Operation[Any] = Operation(
    resource="customer",
    name="capture",
    method="POST",
    path="/ledger/capture",
    answer="CustomerCreateAnswer",
    params={
        "amount": "int",
        "at": "time",
        "context": "json",
        "rate": "float",
        "kind": "enum",
        "on": "bool",
        "who": {"id": "str"},
        "parts": [{"n": "int"}],
        "days": ["time"],
    },
    required=("amount",),
    json_body=True,
)
ELSEWHERE: Operation[Any] = Operation(
    resource="customer", name="x", method="POST", path="/x", answer="CustomerCreateAnswer", sub_domain="ingest"
)
NEEDY: ListOperation[Any, Any] = ListOperation(
    resource="customer",
    name="ramps",
    method="GET",
    path="/ramps",
    answer="CustomerListRow",
    main="customer",
    record="customer.Customer",
    filters={"subscription_id": FilterRule("string", ("is",))},
    required_filters=("subscription_id",),
)
POSTED: ListOperation[Contact, CustomerContactsForCustomerRow] = ListOperation(
    resource="customer",
    name="posted",
    method="POST",
    path="/items/{id}/contacts",
    answer="CustomerContactsForCustomerRow",
    main="contact",
    record="contact.Contact",
    params={"days": ["time"]},
    paged=False,
)


def test_a_json_body_is_json() -> None:
    """The operations with a JSON body send one, with times as whole seconds."""
    given: dict[str, Any] = {"amount": 5, "at": MOMENT, "context": {"a": None}, "rate": Decimal("1.5"), "on": True}
    given |= {"kind": SubscriptionStatus.ACTIVE, "who": {"id": "w"}, "parts": [{"n": 1}, {"n": None}], "days": [MOMENT]}
    made = draft(JSON_BODY, None, given)
    assert made.content_type == "application/json"
    plain = {"at": 1704067200, "kind": "active", "rate": 1.5, "days": [1704067200]}
    assert json.loads(made.body or b"") == given | plain


@pytest.mark.parametrize(
    "wrong",
    [{"amuont": 6}, {"context": object()}, {"amount": "5"}, {"amount": True}, {"on": 1}, {"rate": float("nan")},
     {"at": datetime(2024, 1, 1)}, {"who": 5}, {"who": {"x": 1}}, {"parts": "n"}, {"parts": [5]}],
)  # fmt: skip
def test_a_json_body_is_checked_as_a_form_is(wrong: dict[str, Any]) -> None:
    """An unknown name or a value of another kind is refused before anything is sent."""
    with pytest.raises(RequestError):
        draft(JSON_BODY, None, {"amount": 5} | wrong)


def test_a_required_parameter_is_required() -> None:
    """A missing one is refused with its name and the operation's."""
    with pytest.raises(RequestError) as caught:
        draft(JSON_BODY, None, {"amount": None})
    assert caught.value.field == "amount"
    assert str(caught.value).startswith("POST /api/v2/ledger/capture: ")


def test_another_host_is_named() -> None:
    """An operation on another host than the site's says which, and is not sent."""
    with pytest.raises(RequestError, match="ingest"):
        draft(ELSEWHERE, None, {})


def test_a_list_may_need_a_filter() -> None:
    """Some lists are refused by the server without a filter; so they are here."""
    with pytest.raises(RequestError, match="subscription_id"):
        draft_list(NEEDY, None, [], {})
    assert draft_list(NEEDY, None, [Filter("subscription_id", "is", "s")], {}).query == (
        ("limit", "100"),
        ("subscription_id[is]", "s"),
    )


@pytest.mark.anyio
async def test_a_post_that_answers_a_list_is_a_page() -> None:
    """Some POSTs answer rows without a cursor: awaiting them gives a page."""

    async def handler(request: Request) -> Response:
        assert request.body == b"days%5B0%5D=1704067200"
        return Response(status=200, headers={}, body=b'{"list":[{"contact":{"id":"c"}}]}')

    transport = MemoryTransport(handler, files={"https://files.example/x": b"file"})
    settings = Settings(limits=Limits(account_per_second=math.inf))
    async with Gateway("k", settings=settings, transport=transport) as gw:
        page = await Resource(gw._caller)._posted(POSTED, "i 1", {"days": [MOMENT], "timeout": 5})
        assert [record.id for record in page.records] == ["c"]
        assert [row.contact.id for row in page.rows] == ["c"]
        assert "last page" in repr(page)
        assert repr(gw.customers.list()) == "<Pages of GET /api/v2/customers>"
        assert await gw.download("https://files.example/x") == b"file"
        for bad in ("2024", [1], MOMENT):
            with pytest.raises(RequestError):
                await Resource(gw._caller)._posted(POSTED, "i", {"days": bad})
    assert transport.closed
    assert [request.url for request in transport.requests] == [
        "https://gateway.maton.ai/chargebee/api/v2/items/i%201/contacts"
    ]


EXPORTED: Operation[Any] = Operation(
    resource="customer",
    name="export",
    method="POST",
    path="/exports/customers",
    answer="CustomerCreateAnswer",
    params={"export_type": "enum"},
    filter_params={
        "customer[email]": FilterRule("string", ("is", "in")),
        "customer[status]": FilterRule("enum", ("is",), ("on", "off")),
        "customer[total]": FilterRule("number", ("between",)),
        "id": FilterRule("string", ("is",)),
    },
)


def test_filters_as_keywords_go_out_as_filters() -> None:
    """An export's filters are objects of operators; they are written as those of a list are."""
    given = {"customer": {"email": {"in": ["a", "b"]}, "total": {"between": (1, 2)}}, "id": {"is": "x"}}
    made = draft(EXPORTED, None, {"export_type": "full"} | given)
    assert parse_qsl((made.body or b"").decode()) == [
        ("export_type", "full"),
        ("customer[email][in]", '["a","b"]'),
        ("customer[total][between]", "[1,2]"),
        ("id[is]", "x"),
    ]
    assert draft(EXPORTED, None, {}).body == b""


@pytest.mark.parametrize(
    "wrong",
    [{"customer": {"email": {"is": None}}}, {"customer": {"email": {"is": ""}}}, {"customer": {"email": {}}},
     {"customer": {"email": None}}, {"customer": None}, {"id": None}, {"customer": {}}, {"customer": "x"},
     {"customer": {"email": {"in": []}}}, {"customer": {"email": {"in": "a"}}}, {"customer": {"emial": {"is": "x"}}},
     {"customer": {"email": {"like": "x"}}}, {"customer": {"status": {"is": "maybe"}}},
     {"customer": {"total": {"between": [5, 1]}}}, {"id": "x"}, {"id": {}}],
)  # fmt: skip
def test_a_filter_that_would_mean_everything_is_refused(wrong: dict[str, Any]) -> None:
    """An empty, misspelt or ill-typed filter of an export would export everything: it is refused."""
    with pytest.raises(RequestError):
        draft(EXPORTED, None, wrong)


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("inf")]}, "\ud800"])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    """NaN, infinity and half a surrogate pair have no JSON: they are not turned into null."""
    with pytest.raises(RequestError):
        draft(JSON_BODY, None, {"amount": 5, "context": value})


def test_large_amounts_keep_their_digits() -> None:
    """A Decimal in a JSON body is written as it is, not through a float."""
    made = draft(JSON_BODY, None, {"amount": 5, "rate": Decimal("12345678901234567.89")})
    assert b'"rate":12345678901234567.89' in (made.body or b"")
