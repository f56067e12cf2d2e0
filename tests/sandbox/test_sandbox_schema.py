"""Every answer against the catalogue: types, required attributes, known values, no unknown key, no null."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from aiochargebee_gw.sandbox import ManualClock, Sandbox
from aiochargebee_gw.sandbox._generic import rows
from aiochargebee_gw.sandbox._generic.index import kept, parent_of, paths
from aiochargebee_gw.sandbox._kinds import kind_of
from aiochargebee_gw.sandbox._lists import LISTS
from aiochargebee_gw.sandbox._messages import Answer, Call
from aiochargebee_gw.sandbox._routes import ROUTES
from aiochargebee_gw.sandbox._seed.world import seeded_store
from aiochargebee_gw.sandbox._site import Site
from aiochargebee_gw.sandbox.clock import SEED_EPOCH

from .caller import Caller
from .schema import (
    Row,
    faults_of_answer,
    faults_of_error,
    faults_of_record,
    faults_of_reply,
    operations,
    parameters,
)

ROWS = operations()
REFUSALS = (400, 402, 404, 409)
"""What an operation with rules of its own may answer to parameters that are legal one by one."""


@pytest.fixture
def site() -> Iterator[Site]:
    """A site with both Product Catalogs; nothing listens."""
    clock = ManualClock(SEED_EPOCH)
    made = Site(
        seeded_store(20, 7, "both"), now=clock.now, origin=lambda: "http://127.0.0.1:1", seed="schema", catalog="both"
    )
    yield made
    made.desk.store.close()


def known_ids(site: Site) -> dict[str, str]:
    """Ids that are there, by the parameter that asks for them."""
    return {
        "customer_id": "cust_1",
        "subscription_id": site.desk.store.owned("subscription", "cust_1")[0]["id"],
        "to_customer_id": "cust_2",
        "from_customer_id": "cust_3",
    }


def send(site: Site, row: Row, id: str, sent: list[tuple[str, str]]) -> Answer:
    """Call an operation in process."""
    path = row.told["path"].replace("{id}", id)
    text = urlencode(sent)
    form = row.told["http"] == "POST"
    segments = tuple(path.strip("/").split("/"))
    return site.answer(Call(row.told["http"], path, segments, "" if form else text, {}, text.encode() if form else b""))


def path_id(site: Site, row: Row) -> str:
    """The id of something that is there for the path, made where the seed has none."""
    if "{id}" not in row.told["path"]:
        return ""
    operation = paths()[row.told["http"], row.told["path"].strip("/").replace("{id}", "*")]
    parent = parent_of(operation)
    if parent not in kept():
        return "any_1"
    if parent == "gift":
        gift = next(row for row in ROWS if row.id == "gift.create_for_items")
        answer = send(site, gift, "", parameters(gift.told, known_ids(site), optional=False))
        return str(json.loads(answer.body)["gift"]["id"])
    key = kind_of(parent).key
    found = [value for _, value in rows.where(site.desk, parent, {})]
    if not found:
        found = [rows.create(site.desk, parent, known_ids(site))]
    return str(found[-1][key])


def own(row: Row) -> bool:
    """Whether a function of its own answers the operation."""
    return (row.told["http"], row.told["path"].strip("/").replace("{id}", "*")) in ROUTES


def checked(site: Site, row: Row, answer: Answer) -> Any:
    """The body of a success that the catalogue allows, None for an error that it allows."""
    body = json.loads(answer.body)
    if answer.status != 200:
        assert own(row), (answer.status, body)
        assert answer.status in REFUSALS, body
        assert faults_of_error(answer.status, body) == []
        return None
    assert faults_of_answer(row, body) == []
    return body


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
@pytest.mark.parametrize("optional", [False, True], ids=["required", "all"])
def test_every_operation_answers_as_the_catalogue_says(site: Site, row: Row, optional: bool) -> None:
    """With legal parameters, the required ones or all, each operation answers 200 and an envelope that validates; those
    of other hosts are 404."""
    if row.told["sub_domain"] is not None:
        assert send(site, row, "any_1", []).status == 404
        return
    id = path_id(site, row)
    sent = [pair for pair in parameters(row.told, known_ids(site), optional=optional) if pair[0] != "offset"]
    filters = [
        (f"{name}[{one.operators[0]}]", known_ids(site)["subscription_id"])
        for name, one in paths()[row.told["http"], row.told["path"].strip("/").replace("{id}", "*")].filters.items()
        if one.required
    ]
    if row.id in ("usage.retrieve", "usage.delete"):
        made = rows.create(site.desk, "usage", {"subscription_id": id})
        sent = [("id", made["id"])]
    elif row.id in ("address.retrieve", "resource_migration.retrieve_latest"):
        rows.create(site.desk, row.resource, dict(sent))
    elif row.id in ("customer.update_contact", "customer.delete_contact"):
        added = next(row for row in ROWS if row.id == "customer.add_contact")
        send(site, added, id, [("contact[id]", "id_1"), ("contact[email]", "cfo@example.com")])
    checked(site, row, send(site, row, id, sent + filters))


@pytest.mark.parametrize("path", sorted(path for path in LISTS if "*" not in path))
def test_seeded_lists_validate(site: Site, path: str) -> None:
    """Each seeded row of each kind is as the catalogue says."""
    row = next(row for row in ROWS if row.told["path"] == f"/{path}" and row.told["http"] == "GET")
    answer = checked(site, row, send(site, row, "", [("limit", "100")]))
    assert answer["list"] or site.desk.store.count(LISTS[path].kind) == 0


SCENARIO: list[tuple[str, str, dict[str, str]]] = [
    ("POST", "/customers", {"id": "ada", "first_name": "Ada", "card[number]": "4111111111111111",
                            "card[expiry_month]": "12", "card[expiry_year]": "2030", "card[cvv]": "100",
                            "billing_address[city]": "London", "billing_address[country]": "GB"}),
    ("POST", "/customers/ada/add_contact", {"contact[email]": "cfo@example.com"}),
    ("GET", "/customers/ada/contacts", {}),
    ("POST", "/customers/ada/subscription_for_items", {"id": "one", "subscription_items[item_price_id][0]": "{price}"}),
    ("GET", "/subscriptions/one", {}),
    ("GET", "/subscriptions/one/invoices", {}),
    ("GET", "/customers/ada/transactions", {}),
    ("POST", "/subscriptions/one/add_charge_at_term_end", {"amount": "100", "description": "Extra"}),
    ("GET", "/subscriptions/one/renewal_estimate", {}),
    ("POST", "/hosted_pages/manage_payment_sources", {"customer[id]": "ada"}),
    ("POST", "/portal_sessions", {"customer[id]": "ada"}),
    ("POST", "/comments", {"entity_type": "customer", "entity_id": "ada", "notes": "Hello"}),
    ("POST", "/subscriptions/one/cancel_for_items", {"end_of_term": "true"}),
    ("POST", "/customers/ada/delete", {}),
    ("GET", "/customers/ada", {}),
    ("GET", "/customers", {"limit": "0"}),
    ("GET", "/nothing", {}),
]  # fmt: skip


@pytest.mark.anyio
async def test_a_business_validates_on_the_wire(call: Caller) -> None:
    """Sign-up, subscription, invoices, estimates, cancellation, deletion and errors, over the socket: each answer is as
    the catalogue says, and the events that they left are, too."""
    prices = [row["item_price"] for row in await call.rows("/item_prices", {"item_type[is]": "plan"})]
    price = next(one["id"] for one in prices if one["status"] == "active" and one["pricing_model"] == "per_unit")
    for method, path, sent in SCENARIO:
        told = {name: value.format(price=price) for name, value in sent.items()}
        reply = await (call.get(path, told) if method == "GET" else call.post(path, told))
        assert faults_of_reply(method, path, reply.status, reply.json) == [], path
    events = {row["event"]["event_type"] for row in await call.rows("/events")}
    assert {"customer_created", "subscription_created", "customer_deleted"} <= events
    for row in await call.rows("/events"):
        for name, value in row["event"]["content"].items():
            for one in value if isinstance(value, list) else [value]:
                cls = "".join(part.capitalize() for part in one["object"].split("_"))
                assert faults_of_record(f"{one['object']}.{cls}", one) == [], (row["event"]["event_type"], name)


@pytest.mark.anyio
async def test_the_typed_client_knows_every_key(sandbox: Sandbox) -> None:
    """Of the seeded rows that the package's own client lists, none has a key that its record class lacks."""
    async with sandbox.gateway() as gw:
        lists = (
            gw.customers, gw.subscriptions, gw.invoices, gw.transactions, gw.items, gw.item_prices, gw.item_families,
            gw.plans, gw.events, gw.hosted_pages, gw.credit_notes, gw.coupons,
        )  # fmt: skip
        for resource in lists:
            async for record in resource.list():
                assert record.extra == {}, record.id
