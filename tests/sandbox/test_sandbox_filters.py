"""Filters: every operator against an independent reading of the same rows, and how bad ones are met."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .caller import Caller

pytestmark = pytest.mark.anyio
T0 = 1_640_995_200
"""2022-01-01T00:00:00Z"""
DAY = 86_400


def attribute(row: dict[str, Any], name: str) -> Any:
    """``billing_address[city]`` of a row; None when absent."""
    value: Any = row
    for part in name.replace("]", "").split("["):
        value = value.get(part) if isinstance(value, dict) else None
    return value


CASES: list[tuple[str, str, str, str, Callable[[Any], bool]]] = [
    ("customers", "id", "is", "cust_3", lambda v: v == "cust_3"),
    ("customers", "id", "is_not", "cust_3", lambda v: v != "cust_3"),
    ("customers", "id", "starts_with", "cust_1", lambda v: v.startswith("cust_1")),
    ("customers", "id", "in", '["cust_1","cust_2"]', lambda v: v in ("cust_1", "cust_2")),
    ("customers", "id", "in", "[cust_1,cust_2]", lambda v: v in ("cust_1", "cust_2")),
    ("customers", "id", "in", "['cust_1', \"cust_2\"]", lambda v: v in ("cust_1", "cust_2")),
    ("customers", "id", "not_in", '["cust_1"]', lambda v: v != "cust_1"),
    ("customers", "email", "is", "john@example.com", lambda v: v == "john@example.com"),
    ("customers", "email", "starts_with", "customer1", lambda v: v.startswith("customer1")),
    ("customers", "company", "is_present", "true", lambda v: v is not None),
    ("customers", "company", "is_present", "False", lambda v: v is None),
    ("customers", "company", "is_not", "x", lambda v: v is not None),
    ("customers", "auto_collection", "is", "off", lambda v: v == "off"),
    ("customers", "auto_collection", "in", '["off"]', lambda v: v == "off"),
    ("customers", "taxability", "is_not", "taxable", lambda v: v != "taxable"),
    ("customers", "auto_close_invoices", "is", "False", lambda v: v is False),
    ("customers", "created_at", "after", str(T0), lambda v: v > T0),
    ("customers", "created_at", "before", str(T0), lambda v: v < T0),
    ("customers", "created_at", "between", f"[{T0}, {T0 + 300 * DAY}]", lambda v: T0 <= v <= T0 + 300 * DAY),
    ("customers", "updated_at", "after", "0", lambda v: v is not None),
    ("customers", "updated_at", "before", "2000000000", lambda v: v is not None),
    ("customers", "cf_region", "is", "EU", lambda v: v == "EU"),
    ("customers", "cf_region", "in", "[EU,US]", lambda v: v in ("EU", "US")),
    ("customers", "cf_region", "is_present", "false", lambda v: v is None),
    ("customers", "cf_score", "gte", "50", lambda v: v is not None and v >= 50),
    ("customers", "cf_score", "between", "[10,60]", lambda v: v is not None and 10 <= v <= 60),
    ("customers", "cf_newsletter", "is", "true", lambda v: v is True),
    ("customers", "cf_contract_signed_at", "after", str(T0), lambda v: v is not None and v > T0),
    ("subscriptions", "status", "in", '["active","in_trial"]', lambda v: v in ("active", "in_trial")),
    ("subscriptions", "status", "not_in", "['active']", lambda v: v != "active"),
    ("subscriptions", "customer_id", "is", "cust_4", lambda v: v == "cust_4"),
    ("subscriptions", "plan_id", "starts_with", "team-", lambda v: v is not None and v.startswith("team-")),
    ("subscriptions", "cancel_reason", "is_present", "true", lambda v: v is not None),
    ("subscriptions", "remaining_billing_cycles", "lte", "3", lambda v: v is not None and v <= 3),
    ("subscriptions", "activated_at", "is_present", "false", lambda v: v is None),
    ("subscriptions", "has_scheduled_changes", "is", "false", lambda v: v is False),
    ("invoices", "total", "gt", "100000", lambda v: v > 100_000),
    ("invoices", "total", "lt", "100000", lambda v: v < 100_000),
    ("invoices", "amount_due", "is_not", "0", lambda v: v != 0),
    ("invoices", "recurring", "is", "TRUE", lambda v: v is True),
    ("invoices", "date", "after", "1704067200", lambda v: v > 1_704_067_200),
    ("invoices", "dunning_status", "is_present", "true", lambda v: v is not None),
    ("invoices", "subscription_id", "in", "[sub_1,sub_2]", lambda v: v in ("sub_1", "sub_2")),
    ("transactions", "payment_method", "is", "bank_transfer", lambda v: v == "bank_transfer"),
    ("transactions", "reference_number", "is_present", "true", lambda v: v is not None),
    ("transactions", "amount", "between", "[1,100000]", lambda v: 1 <= v <= 100_000),
    ("items", "type", "is", "addon", lambda v: v == "addon"),
    ("items", "is_giftable", "is", "true", lambda v: v is True),
    ("items", "include_site_level_resources", "is", "true", lambda _v: True),
    (
        "item_prices",
        "id",
        "in",
        '["Set-up fee USD","team-USD-Monthly"]',
        lambda v: v in ("Set-up fee USD", "team-USD-Monthly"),
    ),
    ("item_prices", "trial_period", "is", "14", lambda v: v == 14),
    ("item_prices", "currency_code", "is", "JPY", lambda v: v == "JPY"),
    ("item_families", "name", "starts_with", "Cl", lambda v: v.startswith("Cl")),
    ("item_families", "business_entity_id", "is_present", "false", lambda v: v is None),
    ("plans", "trial_period", "is_present", "true", lambda v: v is not None),
    ("plans", "price", "lte", "900", lambda v: v is not None and v <= 900),
    ("plans", "cf_tier", "is", "team", lambda v: v == "team"),
    ("hosted_pages", "state", "is", "created", lambda v: v == "created"),
    ("events", "event_type", "in", "[customer_created]", lambda v: v == "customer_created"),
    ("events", "occurred_at", "after", str(T0), lambda v: v > T0),
]


@pytest.mark.parametrize(("path", "field", "operator", "value", "keeps"), CASES)
async def test_operator(
    call: Caller, path: str, field: str, operator: str, value: str, keeps: Callable[[Any], bool]
) -> None:
    """A filter keeps exactly the rows whose attribute meets it; an absent attribute meets only is_present=false."""
    everything = [next(iter(row.values())) for row in await call.rows(f"/{path}")]
    expected = [row["id"] for row in everything if keeps(attribute(row, field))]
    assert await call.ids(f"/{path}", {f"{field}[{operator}]": value}) == expected
    assert (
        path == "items"
        or operator in ("is_not", "not_in")
        or len(expected) < len(everything)
        or field == "recurring"
        or expected
    )


async def test_on_is_a_utc_day(call: Caller) -> None:
    """``on`` keeps rows of the same UTC day, whatever second is given."""
    customer = (await call.get("/customers/cust_7")).json["customer"]
    midnight = customer["created_at"] // DAY * DAY
    same = {
        row["customer"]["id"]
        for row in await call.rows("/customers")
        if row["customer"]["created_at"] // DAY * DAY == midnight
    }
    for second in (midnight, midnight + DAY - 1):
        assert set(await call.ids("/customers", {"created_at[on]": str(second)})) == same
    assert "cust_7" not in await call.ids("/customers", {"created_at[on]": str(midnight + DAY)})


async def test_between_includes_its_ends(call: Caller) -> None:
    """``between`` is inclusive, ``after`` and ``before`` are strict."""
    at = (await call.get("/customers/cust_7")).json["customer"]["created_at"]
    assert "cust_7" in await call.ids("/customers", {"created_at[between]": f"[{at},{at}]"})
    assert "cust_7" not in await call.ids("/customers", {"created_at[after]": str(at)})
    assert "cust_7" not in await call.ids("/customers", {"created_at[before]": str(at)})


async def test_filters_are_anded(call: Caller) -> None:
    """Several filters narrow together, two operators on one field included."""
    found = await call.rows(
        "/customers",
        {"created_at[after]": str(T0), "created_at[before]": str(T0 + 400 * DAY), "auto_collection[is]": "on"},
    )
    assert all(T0 < row["customer"]["created_at"] < T0 + 400 * DAY for row in found)
    assert all(row["customer"]["auto_collection"] == "on" for row in found)


async def test_any_updated_at_filter_drops_rows_without_it(call: Caller) -> None:
    """Even ``updated_at[after]=0`` hides the rows that have no ``updated_at``."""
    everything = await call.rows("/customers")
    dated = [row for row in everything if "updated_at" in row["customer"]]
    assert len(dated) < len(everything)
    for filter in ({"updated_at[after]": "0"}, {"updated_at[between]": "[0,9999999999]"}):
        assert len(await call.rows("/customers", filter)) == len(dated)


async def test_subscription_items_are_searched(call: Caller) -> None:
    """``item_price_id`` and ``item_id`` match any item of a subscription; the negations the others that have items."""
    everything = [row["subscription"] for row in await call.rows("/subscriptions")]
    with_items = [row for row in everything if "subscription_items" in row]
    price = with_items[0]["subscription_items"][0]["item_price_id"]
    item = price.split("-")[0]
    mine = [row["id"] for row in with_items if any(one["item_price_id"] == price for one in row["subscription_items"])]
    assert await call.ids("/subscriptions", {"item_price_id[is]": price}) == mine
    assert await call.ids("/subscriptions", {"item_price_id[in]": f"[{price}]"}) == mine
    kin = [
        row["id"]
        for row in with_items
        if any(one["item_price_id"].startswith(f"{item}-") for one in row["subscription_items"])
    ]
    assert await call.ids("/subscriptions", {"item_id[starts_with]": item}) == kin
    others = await call.ids("/subscriptions", {"item_price_id[not_in]": f"[{price}]"})
    assert not set(others) & set(mine)


async def test_nested_filters(call: Caller) -> None:
    """``relationship[parent_id]`` and ``einvoice[status]`` look into the nested object."""
    call.sandbox.update("customer", "cust_9", {"relationship": {"parent_id": "cust_1"}})
    call.sandbox.update("invoice", "inv_1", {"einvoice": {"id": "e1", "status": "registered"}})
    assert "cust_9" in await call.ids("/customers", {"relationship[parent_id][is]": "cust_1"})
    assert await call.ids("/invoices", {"einvoice[status][is]": "registered"}) == ["inv_1"]


async def test_plain_time_parameters(call: Caller) -> None:
    """``start_time`` and ``end_time`` of events include their ends; ``paid_on_after`` of invoices is strict."""
    event = (await call.rows("/events"))[3]["event"]
    at = str(event["occurred_at"])
    assert event["id"] in await call.ids("/events", {"start_time": at, "end_time": at})
    paid = next(row["invoice"] for row in await call.rows("/invoices") if "paid_at" in row["invoice"])
    assert paid["id"] not in await call.ids("/invoices", {"paid_on_after": str(paid["paid_at"])})
    assert paid["id"] in await call.ids("/invoices", {"paid_on_after": str(paid["paid_at"] - 1)})
    assert (await call.get("/events", {"start_time": "x"})).code == (400, "param_wrong_value", "start_time")


IGNORED = [
    {"nonsense": "1"},
    {"id[in][0]": "cust_1"},
    {"email[in]": "[a]"},
    {"email[like]": "a"},
    {"cf_region[like]": "a"},
    {"created_at[is]": "1"},
    {"[is]": "1"},
    {"relationship[parent_id]": "x"},
    {"cf_score[starts_with]": "5"},
    {"cf_unheard_of[like]": "5"},
]


@pytest.mark.parametrize("query", IGNORED)
async def test_unknown_parameters_are_ignored(call: Caller, query: dict[str, str]) -> None:
    """Faithfully, a parameter or operator that the list does not know gives the full list."""
    assert len(await call.rows("/customers", query)) == 60


@pytest.mark.parametrize("options", [{"strict": True}])
@pytest.mark.parametrize("query", IGNORED)
async def test_strict_refuses_them(call: Caller, query: dict[str, str]) -> None:
    """In strict mode each of them is 400 and named."""
    assert (await call.get("/customers", query)).code == (400, "invalid_request", next(iter(query)))


@pytest.mark.parametrize(
    ("path", "param", "value", "detail"),
    [
        ("customers", "id[in]", "cust_1", "wrong_format"),
        ("customers", "id[in]", "[]", "wrong_format"),
        ("customers", "id[in]", '["\\ud800"]', "wrong_format"),
        ("customers", "id[is]", "", "param_wrong_value"),
        ("customers", "auto_collection[is]", "maybe", "param_wrong_value"),
        ("customers", "auto_collection[in]", "[on,maybe]", "param_wrong_value"),
        ("customers", "created_at[after]", "yesterday", "wrong_format"),
        ("customers", "created_at[after]", "17040672000", "wrong_format"),
        ("customers", "created_at[on]", "2024-01-01", "wrong_format"),
        ("customers", "created_at[between]", "[1]", "wrong_format"),
        ("customers", "created_at[between]", "1,2", "wrong_format"),
        ("customers", "company[is_present]", "1", "wrong_format"),
        ("customers", "auto_close_invoices[is]", "yes", "wrong_format"),
        ("customers", "cf_score[gt]", "many", "wrong_format"),
        ("invoices", "total[gt]", "1.5", "wrong_format"),
        ("items", "include_site_level_resources[is]", "2", "wrong_format"),
    ],
)
async def test_bad_values_of_known_filters(call: Caller, path: str, param: str, value: str, detail: str) -> None:
    """A known filter with a bad value is 400 ``param_wrong_value`` that names the parameter."""
    reply = await call.get(f"/{path}", {param: value})
    assert reply.code == (400, "param_wrong_value", param)
    assert reply.json["error_code"] == detail


async def test_own_custom_fields(call: Caller) -> None:
    """A custom field that the sandbox does not define is filtered by what the operator suggests."""
    call.sandbox.update("customer", "cust_3", {"cf_Own": "x", "cf_num": 7, "cf_when": T0})
    for query in ({"cf_Own[is]": "x"}, {"cf_num[gte]": "7"}, {"cf_num[is]": "7"}, {"cf_when[after]": str(T0 - 1)}):
        assert await call.ids("/customers", query) == ["cust_3"]


async def test_first_of_repeated_parameters_counts(call: Caller) -> None:
    """A parameter sent twice counts once, with its first value."""
    reply = await call.get("/customers", [("id[is]", "cust_1"), ("id[is]", "cust_2")])
    assert [row["customer"]["id"] for row in reply.json["list"]] == ["cust_1"]


@pytest.mark.parametrize(
    ("param", "value", "found"),
    [
        ("cf_flag[is]", "true", ["cust_1"]),
        ("cf_flag[is]", "false", ["cust_2"]),
        ("cf_flag[in]", '["true","false"]', ["cust_1", "cust_2"]),
        ("cf_flag[is_not]", "true", ["cust_2"]),
        ("cf_flag[is_present]", "true", ["cust_1", "cust_2"]),
        ("cf_n[between]", "[-5,5]", ["cust_1"]),
        ("cf_n[between]", "[0,123456789012]", ["cust_2"]),
        ("cf_n[is]", "-3", ["cust_1"]),
        ("cf_when[between]", f"[{T0},{T0 + 1}]", ["cust_1"]),
    ],
)
async def test_fields_that_only_the_test_knows(call: Caller, param: str, value: str, found: list[str]) -> None:
    """An undefined custom field may be a boolean, a number of any size or a time."""
    call.sandbox.update("customer", "cust_1", {"cf_flag": True, "cf_n": -3, "cf_when": T0})
    call.sandbox.update("customer", "cust_2", {"cf_flag": False, "cf_n": 123456789012})
    assert await call.ids("/customers", {param: value}) == found
