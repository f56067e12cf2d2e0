"""The official Python SDK against the site door: paging, filters, creation, errors, idempotency, every list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.schema import Row, operations

from .conftest import Served

chargebee = pytest.importorskip("chargebee", reason="the official Python SDK is not installed")
LISTS = [
    row for row in operations() if row.told["list"] and row.told["http"] == "GET" and "{id}" not in row.told["path"]
]


@pytest.fixture(autouse=True)
def plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK speaks http only where it is told not to look at certificates."""
    monkeypatch.setattr(chargebee.Chargebee, "verify_ca_certs", False)


def client(served: Served) -> Any:
    """The SDK, pointed at the site door."""
    made = chargebee.Chargebee(api_key=served.api_key, site="sandbox", protocol="http")
    made.env.api_endpoint = f"{served.url}/api/v2"
    return made


def pages(method: Any, params: dict[str, Any]) -> Iterator[list[Any]]:
    """All pages of a list, as the SDK's documentation follows them."""
    asked = dict(params)
    while True:
        page = method(asked)
        yield list(page.list)
        if page.next_offset is None:
            return
        asked["offset"] = page.next_offset


@pytest.mark.parametrize("limit", [7, 100])
def test_paging_meets_every_row_once(both: Served, limit: int) -> None:
    """Following ``next_offset`` gives each customer and each invoice of the sandbox once."""
    sdk = client(both)
    for kind, method in (("customer", sdk.Customer.list), ("invoice", sdk.Invoice.list)):
        found = [getattr(row, kind).id for page in pages(method, {"limit": limit}) for row in page]
        assert sorted(found) == sorted(row["id"] for row in both.rows(kind)), kind


def test_filters_find_what_a_naive_evaluation_finds(both: Served) -> None:
    """Operators in the SDK's own spelling: a list as a Python ``repr``, a range, a prefix, a number."""
    sdk = client(both)
    customers, subscriptions, invoices = both.rows("customer"), both.rows("subscription"), both.rows("invoice")
    middle = sorted(row["created_at"] for row in customers)[len(customers) // 2]
    cases: list[tuple[Any, str, dict[str, Any], list[dict[str, Any]]]] = [
        (
            sdk.Subscription.list,
            "subscription",
            {"status": {"in": ["active", "in_trial"]}},
            [row for row in subscriptions if row["status"] in ("active", "in_trial")],
        ),
        (
            sdk.Customer.list,
            "customer",
            {"created_at": {"between": [middle - 10**7, middle]}},
            [row for row in customers if middle - 10**7 <= row["created_at"] <= middle],
        ),
        (
            sdk.Customer.list,
            "customer",
            {"first_name": {"starts_with": "A"}},
            [row for row in customers if row.get("first_name", "").startswith("A")],
        ),
        (
            sdk.Invoice.list,
            "invoice",
            {"total": {"gte": "5000"}},
            [row for row in invoices if row["total"] >= 5000],
        ),
    ]
    for method, kind, filters, wanted in cases:
        found = [getattr(row, kind).id for page in pages(method, {"limit": 50, **filters}) for row in page]
        assert sorted(found) == sorted(row["id"] for row in wanted), filters
        assert 0 < len(wanted) < len(both.rows(kind)), "the filter must divide the rows"


def test_what_is_created_is_there(served: Served) -> None:
    """Nested objects and arrays arrive; customer and subscription are retrieved as they were answered."""
    sdk = client(served)
    address = {"first_name": "Ada", "city": "London", "country": "GB"}
    made = sdk.Customer.create({"first_name": "Ada", "email": "ada@example.com", "billing_address": address}).customer
    assert made.billing_address.city == "London"
    prices = [row for row in served.rows("item_price") if (row["item_type"], row["status"]) == ("plan", "active")]
    price = next(row for row in prices if row["pricing_model"] == "per_unit")
    items = [{"item_price_id": price["id"], "quantity": 2}]
    subscription = sdk.Subscription.create_with_items(made.id, {"subscription_items": items}).subscription
    assert subscription.customer_id == made.id
    assert sdk.Subscription.retrieve(subscription.id).subscription.subscription_items[0].quantity == 2
    assert sdk.Customer.update(made.id, {"last_name": "Lovelace"}).customer.last_name == "Lovelace"
    assert sdk.Customer.retrieve(made.id).customer.first_name == "Ada"
    comment = sdk.Comment.create({"entity_type": "customer", "entity_id": made.id, "notes": "Hello"}).comment
    assert [row.comment.id for row in sdk.Comment.list({"entity_id": made.id, "entity_type": "customer"}).list] == [
        comment.id
    ]


def test_errors_are_the_sdks_own(served: Served) -> None:
    """Each kind of refusal becomes the SDK's exception with its code, parameter and status."""
    sdk = client(served)
    with pytest.raises(chargebee.InvalidRequestError) as taken:
        sdk.Customer.create({"id": "cust_1"})
    assert (taken.value.api_error_code, taken.value.param, taken.value.http_status_code) == (
        "duplicate_entry",
        "id",
        400,
    )
    with pytest.raises(chargebee.InvalidRequestError) as absent:
        sdk.Customer.retrieve("nobody")
    assert (absent.value.api_error_code, absent.value.http_status_code) == ("resource_not_found", 404)
    with pytest.raises(chargebee.InvalidRequestError) as other:
        sdk.Plan.list({})
    assert other.value.api_error_code == "configuration_incompatible"
    sdk.env.api_key = "wrong"
    with pytest.raises(chargebee.APIError) as refused:
        sdk.Customer.list({})
    assert (refused.value.api_error_code, refused.value.http_status_code) == ("api_authentication_failed", 401)


def test_a_key_replays(served: Served) -> None:
    """The same call with the same key creates nothing and says so; another call with it is 422."""
    sdk = client(served)
    headers = {"chargebee-idempotency-key": "once"}
    first = sdk.Customer.create({"first_name": "Once"}, headers=dict(headers))
    again = sdk.Customer.create({"first_name": "Once"}, headers=dict(headers))
    assert (first.is_idempotency_replayed, again.is_idempotency_replayed) == (False, True)
    assert first.customer.id == again.customer.id
    with pytest.raises(chargebee.InvalidRequestError) as reused:
        sdk.Customer.create({"first_name": "Twice"}, headers=dict(headers))
    assert reused.value.http_status_code == 422
    assert len(list(sdk.Customer.list({"first_name": {"is": "Once"}}).list)) == 1


@pytest.mark.parametrize("row", LISTS, ids=lambda row: row.id)
def test_every_list_is_synced(both: Served, row: Row) -> None:
    """Each list of the API, paged to its end by the SDK, has the rows that the sandbox holds."""
    sdk = client(both)
    main = next(name for name, told in row.told["rows"].items() if told.get("required"))
    subscription = both.rows("subscription")[0]["id"]
    params: dict[str, Any] = {"limit": 100}
    for name, one in row.told["params"].items():
        if one.get("required"):
            params[name] = {"is": subscription}
    model = getattr(sdk, "".join(part.capitalize() for part in row.resource.split("_")))
    found = [getattr(one, main) for page in pages(getattr(model, row.name), params) for one in page]
    if main != "event" and params.keys() == {"limit"}:
        assert len(found) == len(both.rows(main))
