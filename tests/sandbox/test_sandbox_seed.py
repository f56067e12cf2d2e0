"""The seeded world: deterministic, realistic, and true to the catalogue of attributes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import aiochargebee_gw
from aiochargebee_gw.sandbox import _params
from aiochargebee_gw.sandbox._dates import add_period, terms
from aiochargebee_gw.sandbox._kinds import KINDS
from aiochargebee_gw.sandbox._lists import LISTS
from aiochargebee_gw.sandbox._params import Param, Schema
from aiochargebee_gw.sandbox._seed.world import seeded_rows, seeded_store
from aiochargebee_gw.sandbox.clock import SEED_EPOCH

from .caller import Caller

CATALOGUE = Path(str(aiochargebee_gw.__path__[0])) / "_codegen" / "catalogue"
RECORDS = 400
TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "timestamp": (int,),
    "bool": (bool,),
    "float": (float, int),
}


def catalogue(name: str) -> Any:
    """One file of the catalogue."""
    return json.loads((CATALOGUE / f"{name}.json").read_text("utf-8"))


SHARED = catalogue("_shared")["enums"]


def objects(catalog: str, records: int = RECORDS) -> list[tuple[str, dict[str, Any]]]:
    """Every seeded object with its kind."""
    return [(row[0], json.loads(row[-1])) for row in seeded_rows(records, 7, catalog)]


@pytest.fixture(scope="module")
def both() -> dict[str, list[dict[str, Any]]]:
    """Seeded objects of a site with both Product Catalogs, by kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for kind, value in objects("both"):
        found.setdefault(kind, []).append(value)
    return found


def complaints(value: Any, fields: dict[str, Any], subs: dict[str, Any], where: str, custom: bool) -> Iterator[str]:
    """What an object has that the catalogue does not know, or lacks."""
    if not isinstance(value.get("object"), str):
        yield f"{where}: no object"
    for name, spec in fields.items():
        if spec.get("required") and name not in value:
            yield f"{where}: {name} is required"
    for name, item in value.items():
        if name == "object" or (custom and name.startswith("cf_")):
            continue
        if name not in fields:
            yield f"{where}: {name} is unknown"
        else:
            yield from mismatches(item, fields[name], subs, f"{where}.{name}")


def mismatches(value: Any, spec: dict[str, Any], subs: dict[str, Any], where: str) -> Iterator[str]:
    """Whether a value has the catalogue's type and, for enums, one of its values."""
    kind = spec["type"]
    if value is None:
        yield f"{where}: null"
    elif kind == "list":
        for index, item in enumerate(value):
            yield from mismatches(item, spec["items"], subs, f"{where}[{index}]")
    elif kind == "object":
        yield from complaints(value, subs[spec["ref"].split(".")[1]], subs, where, custom=False)
    elif kind in TYPES and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "bool")):
        yield f"{where}: {value!r} is no {kind}"
    legal = spec.get("values") or SHARED.get(spec.get("enum", ""), None)
    if "enum" in spec and (legal is None or value not in legal):
        yield f"{where}: {value!r} is no {spec['enum']}"


@pytest.mark.parametrize("catalog", ["pc1", "pc2", "both"])
def test_objects_match_the_catalogue(catalog: str) -> None:
    """Every attribute is the catalogue's (or ``cf_*`` where allowed), with its type and values; none is missing."""
    assert check(objects(catalog, 120)) == []


def check(found: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """All complaints about objects, each once."""
    known: dict[str, Any] = {}
    wrong: set[str] = set()
    for kind, value in found:
        spec = known.setdefault(kind, catalogue(kind))
        wrong |= set(complaints(value, spec["fields"], spec["sub_resources"], kind, spec["custom_fields"]))
    return sorted(wrong)


WRITES = [
    (
        "/customers",
        {
            "id": "w",
            "first_name": "W",
            "email": "w@example.com",
            "card[number]": "4111111111111111",
            "card[gateway]": "stripe",
            "card[first_name]": "W",
            "card[expiry_month]": "1",
            "payment_method[type]": "card",
            "token_id": "t",
            "taxjar_exemption_category": "other",
            "exemption_details": '[{"a": 1}]',
            "billing_address[city]": "Oslo",
            "entity_identifiers[id][0]": "e",
            "entity_identifiers[scheme][0]": "s",
            "tax_providers_fields[provider_name][0]": "p",
            "tax_providers_fields[field_id][0]": "f",
            "tax_providers_fields[field_value][0]": "v",
            "cf_region": "EU",
        },
    ),
    ("/customers/w", {"fraud_flag": "safe", "meta_data": "{}", "taxjar_exemption_category": "other"}),
    (
        "/customers/w/subscription_for_items",
        {
            "id": "ws",
            "subscription_items[item_price_id][0]": "scale-USD-Monthly",
            "subscription_items[item_price_id][1]": "backup-USD-Monthly",
            "subscription_items[billing_cycles][1]": "3",
            "shipping_address[city]": "Oslo",
            "coupon_ids[0]": "WELCOME",
            "setup_fee": "100",
            "contract_term[action_at_term_end]": "renew",
            "discounts[duration_type][0]": "forever",
            "discounts[percentage][0]": "5",
            "statement_descriptor[descriptor]": "X",
            "billing_cycles": "12",
            "trial_end_action": "site_default",
        },
    ),
    ("/customers/w/subscriptions", {"id": "wp", "plan_id": "volume-usd-yearly", "plan_quantity": "12"}),
    (
        "/subscriptions",
        {"plan_id": "team-usd-monthly", "customer[email]": "x@example.com", "addons[id][0]": "support-usd-monthly"},
    ),
    ("/subscriptions/ws/cancel_for_items", {"end_of_term": "true"}),
    ("/subscriptions/wp/cancel", {"cancel_reason_code": "X"}),
    ("/hosted_pages/checkout_new_for_items", {"subscription_items[item_price_id][0]": "scale-USD-Monthly"}),
    ("/hosted_pages/checkout_new", {"subscription[plan_id]": "basic-usd-monthly"}),
    ("/hosted_pages/manage_payment_sources", {"customer[id]": "w"}),
    ("/portal_sessions", {"customer[id]": "w"}),
    ("/invoices/inv_1/pdf", {}),
    ("/customers/w/delete", {}),
]


@pytest.mark.anyio
async def test_written_objects_match_the_catalogue(call: Caller) -> None:
    """What calls write and answer, events included, is as true to the catalogue as what is seeded."""
    found: list[tuple[str, dict[str, Any]]] = []
    for path, form in WRITES:
        reply = await call.post(path, form)
        assert reply.status == 200, (path, reply.body)
        found += reply.json.items()
    for row in await call.rows("/events", {"occurred_at[after]": str(SEED_EPOCH)}):
        found += [("event", row["event"]), *row["event"]["content"].items()]
    for kind in KINDS:
        found.append((kind, call.sandbox.insert(kind, {"customer_id": "w"} if KINDS[kind].owner else {})))
    assert check(found) == []


def test_same_seed_same_bytes() -> None:
    """The same seed gives the same rows byte for byte, another seed other ones."""
    assert seeded_rows(50, 7, "pc2") == seeded_rows(50, 7, "pc2")
    assert seeded_rows(50, 7, "pc2") != seeded_rows(50, 8, "pc2")


def test_records_are_live_customers(both: dict[str, list[dict[str, Any]]]) -> None:
    """``records`` counts live customers, each with a subscription; some deleted ones come on top."""
    live = [row for row in both["customer"] if not row["deleted"]]
    assert len(live) == RECORDS
    assert len(both["customer"]) > RECORDS
    owners = {row["customer_id"] for row in both["subscription"]}
    assert {row["id"] for row in both["customer"]} == owners


def test_statuses_and_shapes(both: dict[str, list[dict[str, Any]]]) -> None:
    """All statuses occur, most are active; both shapes of subscription occur where both catalogues are."""
    statuses = [row["status"] for row in both["subscription"]]
    expected = {"future", "in_trial", "active", "non_renewing", "paused", "cancelled", "transferred"}
    assert set(statuses) == expected
    assert statuses.count("active") > len(statuses) / 2
    assert 0.3 < sum("plan_id" in row for row in both["subscription"]) / len(statuses) < 0.7


def test_dates_spread_over_years(both: dict[str, list[dict[str, Any]]]) -> None:
    """Creation spreads over the years 2019 to 2025; nothing but terms lies after the seeded now."""
    years = {add_years(row["created_at"]) for row in both["customer"]}
    assert years == set(range(2019, 2026))
    assert all(row["date"] <= SEED_EPOCH for row in both["invoice"])
    assert all(row.get("updated_at", 0) <= SEED_EPOCH + 86_400 for kind in both for row in both[kind])


def add_years(at: int) -> int:
    """The year of a Unix second, near enough."""
    return 1970 + int(at / 31_556_952)


def test_rich_and_odd_rows(both: dict[str, list[dict[str, Any]]]) -> None:
    """Rich rows have 30 attributes and more; some lack ``updated_at``, some share a second, names are not ASCII."""
    customers, subscriptions = both["customer"], both["subscription"]
    assert sum(len(row) >= 30 for row in customers) > RECORDS / 3
    assert sum(len(row) >= 30 for row in subscriptions) > RECORDS / 3
    for kind in ("customer", "subscription", "invoice", "transaction"):
        share = sum("updated_at" not in row for row in both[kind]) / len(both[kind])
        assert 0.02 < share < 0.09, kind
    assert {type(row[name]) for row in customers for name in row if name.startswith("cf_")} == {str, int, bool}
    assert sum(not row["first_name"].isascii() for row in customers) > 10
    seconds = [row["created_at"] for row in customers]
    assert max(seconds.count(second) for second in set(seconds)) > 5


def test_totals_add_up(both: dict[str, list[dict[str, Any]]]) -> None:
    """Lines, discounts and taxes make the total; what is paid and due makes it too; payments are linked both ways."""
    payments = {row["id"]: row for row in both["transaction"]}
    for row in both["invoice"]:
        lines = row["line_items"]
        assert row["sub_total"] == sum(line["amount"] for line in lines)
        assert (
            row["tax"]
            == sum(line["tax_amount"] for line in lines)
            == sum(tax["amount"] for tax in row.get("taxes", []))
        )
        assert row["tax"] == sum(tax["tax_amount"] for tax in row.get("line_item_taxes", []))
        discount = sum(one["amount"] for one in row.get("discounts", []))
        assert row["total"] == row["sub_total"] - discount + row["tax"]
        assert row["total"] == row["amount_paid"] + row["amount_due"] or row["status"] == "voided"
        assert (row["status"] == "paid") == (row["amount_paid"] == row["total"] > 0)
        for linked in row.get("linked_payments", []):
            payment = payments[linked["txn_id"]]
            assert payment["linked_invoices"][0]["invoice_id"] == row["id"]
            assert payment["amount"] == row["total"]
    assert {row["status"] for row in both["invoice"]} == {"paid", "payment_due", "not_paid", "posted", "voided"}


def test_references_hold(both: dict[str, list[dict[str, Any]]]) -> None:
    """Every id that an object names belongs to a seeded object."""
    ids = {kind: {row.get("id") for row in rows} for kind, rows in both.items()}
    for row in both["subscription"]:
        assert row["customer_id"] in ids["customer"]
        assert row.get("plan_id", "basic-usd-monthly") in ids["plan"]
        assert {item["item_price_id"] for item in row.get("subscription_items", [])} <= ids["item_price"]
    for row in both["item_price"]:
        assert row["item_id"] in ids["item"]
        assert row["item_family_id"] in ids["item_family"]
    assert all(row["customer_id"] in ids["customer"] for row in both["card"])
    assert all(row.get("primary_payment_source_id") for row in both["customer"] if row["card_status"] != "no_card")


def test_large_sites_are_not_cached() -> None:
    """A large site is made anew, a small one copied from an image; both are the same rows."""
    assert seeded_store(2_001, 7, "pc2").count("customer") == 2_001
    first, second = seeded_store(20, 7, "pc2"), seeded_store(20, 7, "pc2")
    first.remove("customer", "cust_1")
    assert (first.count("customer"), second.count("customer")) == (19, 20)


def test_periods() -> None:
    """Months and years follow the calendar: the 31st becomes the last day of a short month, and comes back."""
    january = 1_706_659_200
    assert add_period(january, 1, "month") == 1_709_164_800
    assert [start for start, _ in terms(january, january + 90 * 86_400, 1, "month")] == [
        1_706_659_200,
        1_709_164_800,
        1_711_843_200,
        1_714_435_200,
    ]
    assert add_period(january, 2, "day") == january + 2 * 86_400
    assert add_period(january, 1, "week") == january + 7 * 86_400
    assert add_period(1_709_164_800, 1, "year") == 1_740_700_800


def list_operation(path: str) -> tuple[str, Any]:
    """The catalogue's list operation of a path, with the file it is in."""
    native = "/" + path.replace("*", "{id}")
    for file in sorted(CATALOGUE.glob("[a-z]*.json")):
        for operation in json.loads(file.read_text("utf-8"))["operations"].values():
            if operation["http"] == "GET" and operation["path"] == native and operation["list"]:
                return file.stem, operation
    raise AssertionError(path)


@pytest.mark.parametrize("path", sorted(LISTS))
def test_lists_match_the_catalogue(path: str) -> None:
    """Each list has the catalogue's filters, operators, enum values, sort attributes, row keys and flags."""
    spec = LISTS[path]
    _, operation = list_operation(path)
    filters = operation.get("filters") or {}
    assert set(spec.fields) == set(filters)
    for name, known in filters.items():
        mine = spec.fields[name]
        assert set(mine.operators) == set(known["operators"]), name
        assert mine.type in (known["type"], "none"), name
        assert not mine.values or set(known.get("values") or ()) <= set(mine.values), name
    sortable = operation["params"].get("sort_by", {}).get("sortable", {}).get("asc", [])
    assert set(spec.sort) == set(sortable)
    assert {spec.kind, *spec.beside} == set(operation["rows"])
    assert spec.deleted == ("include_deleted" in operation["params"])
    assert spec.custom == bool(operation.get("custom_field_filters"))
    plain = {name for name, param in operation["params"].items() if param["type"] == "timestamp"}
    assert set(spec.plain) == plain


OPERATIONS = [
    ("CUSTOMER_CREATE", "customer", "create"),
    ("CUSTOMER_UPDATE", "customer", "update"),
    ("CUSTOMER_DELETE", "customer", "delete"),
    ("SUBSCRIPTION_CREATE", "subscription", "create"),
    ("SUBSCRIPTION_CREATE_FOR_CUSTOMER", "subscription", "create_for_customer"),
    ("SUBSCRIPTION_CREATE_WITH_ITEMS", "subscription", "create_with_items"),
    ("SUBSCRIPTION_CANCEL", "subscription", "cancel"),
    ("SUBSCRIPTION_CANCEL_FOR_ITEMS", "subscription", "cancel_for_items"),
    ("CHECKOUT_NEW_FOR_ITEMS", "hosted_page", "checkout_new_for_items"),
    ("CHECKOUT_NEW", "hosted_page", "checkout_new"),
    ("MANAGE_PAYMENT_SOURCES", "hosted_page", "manage_payment_sources"),
    ("PORTAL_SESSION_CREATE", "portal_session", "create"),
    ("INVOICE_PDF", "invoice", "pdf"),
]
LETTERS = {"str": "s", "int": "i", "bool": "b", "timestamp": "t", "json": "j", "float": "f", "enum": "s", "object": "s"}


def compare(schema: Schema, known: dict[str, Any], where: str) -> None:
    """A schema has the names, types, requirements and enum values of the catalogue's parameters."""
    assert set(schema) == set(known), where
    for name, spec in known.items():
        compare_one(schema[name], spec, f"{where}.{name}")


def compare_one(param: Param, spec: dict[str, Any], where: str) -> None:
    """One parameter."""
    many = spec["type"] == "list"
    inner = spec["items"] if many else spec
    fields = inner.get("fields") or {}
    assert (param.many, param.required) == (many, bool(spec.get("required"))), where
    assert param.type == LETTERS[inner["type"]], where
    assert not param.values or set(inner.get("values") or ()) <= set(param.values), where
    compare(param.fields, fields, where)


@pytest.mark.parametrize(("name", "resource", "operation"), OPERATIONS)
def test_parameters_match_the_catalogue(name: str, resource: str, operation: str) -> None:
    """Each POST knows exactly the parameters that the catalogue gives it."""
    compare(getattr(_params, name), catalogue(resource)["operations"][operation]["params"], name)
