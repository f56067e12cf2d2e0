"""Each call that the mission names, by command line."""

from __future__ import annotations

import pytest

from aiochargebee_gw.sandbox import ThreadedSandbox

from .conftest import Command

LISTED = ["customers", "subscriptions", "item_prices", "items", "plans", "invoices", "transactions"]


@pytest.mark.parametrize("resource", LISTED)
def test_every_named_resource_is_listed(cli: Command, resource: str) -> None:
    """`list RESOURCE` shows rows of each resource that the mission lists."""
    found = cli("list", resource, "--limit", "3", "--json")
    assert found.code == 0
    assert len(found.objects) == 3
    assert {row["object"] for row in found.objects} == {resource.removesuffix("s")}


@pytest.mark.parametrize("resource", [name for name in LISTED if name != "transactions"])
def test_every_named_resource_is_retrieved(cli: Command, resource: str) -> None:
    """`get RESOURCE ID` shows the record that the list showed, byte for byte."""
    listed = cli("list", resource, "--limit", "1", "--json")
    assert cli("get", resource, listed.objects[0]["id"], "--json").out == listed.out


def test_the_filters_that_the_mission_shows(cli: Command) -> None:
    """Status, e-mail and date filters reach the server and hold for every row."""
    (john,) = cli("list", "customers", "--where", "email[is]=john@example.com", "--json").objects
    assert john["email"] == "john@example.com"
    active = cli("list", "subscriptions", "--where", "status[is]=active", "--limit", "20", "--json").objects
    assert {row["status"] for row in active} == {"active"}
    later = cli("list", "invoices", "--where", "date[after]=1704067200", "--limit", "20", "--json").objects
    assert later
    assert min(row["date"] for row in later) > 1704067200


def test_a_customer_is_created_and_updated(cli: Command, sandbox: ThreadedSandbox) -> None:
    """POST /customers and POST /customers/{id} write what was given."""
    given = ("-d", "first_name=Jane", "-d", "email=jane@example.com", "-d", "billing_address[city]=Oslo")
    (made,) = cli("call", "POST", "/api/v2/customers", *given).objects
    id = made["customer"]["id"]
    assert made["customer"]["billing_address"]["city"] == "Oslo"
    (changed,) = cli("call", "post", f"/api/v2/customers/{id}", "-d", "first_name=Janet").objects
    assert changed["customer"]["first_name"] == "Janet"
    stored = sandbox.get("customer", id)
    assert stored is not None
    assert (stored["first_name"], stored["email"]) == ("Janet", "jane@example.com")


def test_a_subscription_is_created_and_cancelled_by_plan(cli: Command) -> None:
    """POST /subscriptions with a plan, and POST /subscriptions/{id}/cancel at the end of the term."""
    plan = cli("list", "plans", "--where", "status[is]=active", "--limit", "1", "--json").objects[0]["id"]
    given = ("-d", f"plan_id={plan}", "-d", "customer[email]=new@example.com", "-d", "customer[first_name]=New")
    (made,) = cli("call", "POST", "/api/v2/subscriptions", *given).objects
    assert made["customer"]["email"] == "new@example.com"
    path = f"/api/v2/subscriptions/{made['subscription']['id']}/cancel"
    (cancelled,) = cli("call", "POST", path, "-d", "end_of_term=true").objects
    assert cancelled["subscription"]["status"] == "non_renewing"


def test_an_invoice_has_a_pdf(cli: Command) -> None:
    """POST /invoices/{id}/pdf answers with a link."""
    id = cli("list", "invoices", "--limit", "1", "--json").objects[0]["id"]
    (answer,) = cli("call", "POST", f"/api/v2/invoices/{id}/pdf").objects
    assert answer["download"]["download_url"].startswith("http")


@pytest.mark.parametrize(
    ("path", "given"),
    [
        (
            "hosted_pages/checkout_new_for_items",
            ("-d", "subscription_items[item_price_id][0]={price}", "-d", "customer[id]=cust_1"),
        ),
        ("hosted_pages/manage_payment_sources", ("-d", "customer[id]=cust_1")),
        ("portal_sessions", ("-d", "customer[id]=cust_1")),
    ],
)
def test_pages_and_sessions_are_made(cli: Command, path: str, given: tuple[str, ...]) -> None:
    """Hosted pages and portal sessions come with the address to send the customer to."""
    where = ("--where", "item_type[is]=plan", "--where", "status[is]=active")
    price = cli("list", "item_prices", *where, "--limit", "1", "--json").objects[0]["id"]
    (answer,) = cli("call", "POST", f"/api/v2/{path}", *(text.format(price=price) for text in given)).objects
    (made,) = answer.values()
    assert (made.get("url") or made["access_url"]).startswith("http")


def test_the_control_plane(cli: Command, sandbox: ThreadedSandbox) -> None:
    """Connections are listed, made, shown and deleted."""
    (first,) = cli("connections", "list", "--status", "active", "--json").objects
    assert first["connection_id"] == sandbox.connection_id
    (made,) = cli("connections", "create", "--json").objects
    assert (made["status"], made["app"]) == ("PENDING", "chargebee")
    (shown,) = cli("connections", "get", made["connection_id"], "--json").objects
    assert shown == made
    (gone,) = cli("connections", "delete", made["connection_id"], "--json").objects
    assert gone == {"connection_id": made["connection_id"], "deleted": True}
    assert cli("connections", "get", made["connection_id"]).code == 1
