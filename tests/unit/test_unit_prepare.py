"""From a catalogue row to a request: the shapes that this release's resources do not have yet."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

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
        "days": "times",
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
    params={"days": "times"},
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
        assert request.body == b"days=%5B1704067200%5D"
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
