"""Single calls through the sandbox, those that the gateway's documentation names among them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aiochargebee_gw import ConfigurationError, Gateway, RequestError, Retry, Settings, errors
from aiochargebee_gw.fields import customer, invoice, item_price, subscription
from aiochargebee_gw.records import Customer, SubscriptionStatus
from aiochargebee_gw.sandbox import Sandbox

from .conftest import FAST

pytestmark = pytest.mark.anyio


async def test_customers_by_the_calls_of_the_mission(gw: Gateway, sandbox: Sandbox) -> None:
    """list with a filter, create, retrieve and update of customers."""
    made = await gw.customers.create(
        first_name="John",
        last_name="Doe",
        email="jane.roe@example.com",
        billing_address={"city": "Oslo", "country": "NO"},
    )
    found = await gw.customers.list(customer.email.is_("jane.roe@example.com"), limit=10)
    assert [record.id for record in found.records] == [made.customer.id]
    changed = await gw.customers.update(made.customer.id, last_name="Dough", company=None)
    assert changed.customer.last_name == "Dough"
    read = await gw.customers.retrieve(made.customer.id)
    assert read.customer == changed.customer
    assert read.customer.billing_address is not None
    assert read.customer.billing_address.city == "Oslo"
    keys = [request.headers.get("chargebee-idempotency-key") for request in sandbox.requests]
    assert [bool(key) for key in keys] == [request.method == "POST" for request in sandbox.requests]
    assert len(set(keys)) == 3


async def test_subscriptions_by_the_calls_of_the_mission(gw: Gateway) -> None:
    """list, retrieve, create with a plan and a customer, cancel at the end of the term (Product Catalog 1.0)."""
    plan = await gw.plans.list().first()
    assert plan is not None
    made = await gw.subscriptions.create(
        plan_id=plan.id,
        customer={"email": "a@example.com", "first_name": "A"},
        trial_end=datetime(2030, 1, 1, tzinfo=UTC),
    )
    assert made.subscription.plan_id == plan.id
    assert made.customer.email == "a@example.com"
    listed = await gw.subscriptions.list(subscription.id.is_(made.subscription.id)).collect()
    assert listed == [made.subscription]
    again = await gw.subscriptions.create(plan_id=plan.id, customer={"email": "b@example.com"})
    ended = await gw.subscriptions.cancel(again.subscription.id, end_of_term=True)
    assert ended.subscription.status is SubscriptionStatus.NON_RENEWING
    read = await gw.subscriptions.retrieve(again.subscription.id)
    assert read.subscription.status == "non_renewing"
    assert isinstance(read.subscription.current_term_end, datetime)
    assert (
        read.subscription.current_term_end.tzinfo is UTC or read.subscription.current_term_end.utcoffset() is not None
    )


async def test_a_subscription_of_the_second_catalogue(gw: Gateway, sandbox: Sandbox) -> None:
    """create_with_items and cancel_for_items: field-first arrays on the wire (Product Catalog 2.0)."""
    price = await gw.item_prices.list(item_price.item_type.is_("plan")).first()
    who = await gw.customers.list().first()
    assert price is not None
    assert who is not None
    made = await gw.subscriptions.create_with_items(
        who.id, subscription_items=[{"item_price_id": price.id, "quantity": 2}]
    )
    assert b"subscription_items%5Bitem_price_id%5D%5B0%5D=" in sandbox.requests[-1].body
    ended = await gw.subscriptions.cancel_for_items(made.subscription.id)
    assert ended.subscription.status is SubscriptionStatus.CANCELLED
    with pytest.raises(errors.Conflict):
        await gw.subscriptions.cancel_for_items(made.subscription.id)


async def test_the_catalogue_by_the_calls_of_the_mission(gw: Gateway) -> None:
    """list and retrieve of item prices, items and plans."""
    for resource in (gw.item_prices, gw.items, gw.plans):
        first = await resource.list().first()
        assert first is not None
        answer = await resource.retrieve(first.id)
        (read,) = [value for value in (getattr(answer, name, None) for name in ("item_price", "item", "plan")) if value]
        assert read == first


async def test_invoices_by_the_calls_of_the_mission(gw: Gateway, tmp_path: Path) -> None:
    """list by date, retrieve, and the PDF, downloaded without any credential."""
    page = await gw.invoices.list(invoice.date.after(datetime(2024, 1, 1, tzinfo=UTC)), limit=5)
    assert all(record.date is not None and record.date > datetime(2024, 1, 1, tzinfo=UTC) for record in page.records)
    one = page.records[0]
    assert (await gw.invoices.retrieve(one.id)).invoice == one
    pdf = await gw.invoices.pdf(one.id)
    target = await gw.download(pdf.download, to=tmp_path / "inv.pdf")
    assert target.read_bytes() == await gw.download(pdf.download.download_url)
    assert target.read_bytes().startswith(b"%PDF-")
    assert [path.name for path in tmp_path.iterdir()] == ["inv.pdf"]


async def test_transactions_pages_and_sessions_by_the_calls_of_the_mission(gw: Gateway) -> None:
    """list of transactions; hosted pages for a checkout and for payment sources; a portal session."""
    assert await gw.transactions.list().first() is not None
    who = await gw.customers.list().first()
    price = await gw.item_prices.list().first()
    assert who is not None
    assert price is not None
    checkout = await gw.hosted_pages.checkout_new_for_items(
        subscription_items=[{"item_price_id": price.id}], customer={"id": who.id}
    )
    assert checkout.hosted_page.url
    sources = await gw.hosted_pages.manage_payment_sources(customer={"id": who.id})
    assert sources.hosted_page.url
    session = await gw.portal_sessions.create(customer={"id": who.id})
    assert session.portal_session.access_url


async def test_a_raw_call_is_a_dict(gw: Gateway, sandbox: Sandbox) -> None:
    """What is not typed is reached with `call`: GET with a query, POST with a form; the wire's own spelling."""
    found = await gw.call("GET", "/api/v2/customers", query={"limit": 5, "include_deleted": False})
    assert len(found["list"]) == 5
    assert sandbox.requests[-1].query == "limit=5&include_deleted=false"
    made = await gw.call("POST", "/api/v2/customers", form=[("id", "raw_1"), ("first_name", "R"), ("company", "")])
    assert made["customer"]["id"] == "raw_1"
    assert sandbox.requests[-1].headers["chargebee-idempotency-key"]
    made = await gw.call("POST", "/api/v2/customers/raw_1", form={"last_name": None}, idempotency_key="mine")
    assert sandbox.requests[-1].headers["chargebee-idempotency-key"] == "mine"
    assert made["customer"]["first_name"] == "R"


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("DELETE", "/api/v2/customers/x", {}),
        ("GET", "/customers", {}),
        ("GET", "/api/v2/customers", {"form": {"a": "b"}}),
        ("POST", "/api/v2/customers", {"form": {}, "json": {}}),
        ("POST", "/api/v2/customers", {"form": {"a": object()}}),
        ("GET", "/api/v2/customers", {"idempotency_key": "x"}),
        ("GET", "/api/v2/customers", {"timeout": 0}),
        ("GET", "/api/v2/customers", {"retry": 3}),
        ("GET", "/api/v2/customers", {"headers": {"Authorization": "x"}}),
        ("GET", "/api/v2/customers", {"filters": 1}),
        ("POST", "/api/v2/customers", {"form": {}, "idempotency_key": "a b"}),
        ("POST", "/api/v2/customers", {"form": {}, "idempotency_key": ""}),
        ("POST", "/api/v2/customers", {"form": {"a": "\ud800"}}),
        ("POST", "/api/v2/customers", {"json": object()}),
        ("GET", "/api/v2/customers", {"query": "limit=5"}),
        ("GET", "/api/v2/..;/..;/slack/x", {}),
    ],
)
async def test_a_bad_raw_call_is_refused(
    gw: Gateway, sandbox: Sandbox, method: str, path: str, more: dict[str, object]
) -> None:
    """What is wrong with a raw call is said before anything is sent."""
    with pytest.raises(RequestError):
        await gw.call(method, path, **more)  # type: ignore[arg-type]
    assert sandbox.requests == []


async def test_none_leaves_an_option_out(gw: Gateway, sandbox: Sandbox) -> None:
    """None for an option or a parameter of a list is the same as not giving it."""
    await gw.customers.list(limit=None, offset=None, order_by=None, include_deleted=None, timeout=None)
    assert sandbox.requests[-1].query == "limit=100&sort_by%5Basc%5D=created_at"


async def test_a_repeated_key_is_a_replay(gw: Gateway, sandbox: Sandbox) -> None:
    """The same key with the same bytes creates once; with other bytes it is an IdempotencyConflict."""
    first = await gw.customers.create(first_name="A", idempotency_key="k1")
    second = await gw.customers.create(first_name="A", idempotency_key="k1")
    assert second.customer == first.customer
    with pytest.raises(errors.IdempotencyConflict):
        await gw.customers.create(first_name="B", idempotency_key="k1")
    assert sandbox.count("customer") in (251, 252)


@pytest.mark.parametrize("kind", ["drop", "status"])
async def test_a_create_in_doubt_is_settled_by_its_id(gw: Gateway, sandbox: Sandbox, kind: str) -> None:
    """The create took effect and its answer was lost: the second one is refused for its id, which is then read."""
    details: dict[str, Any] = {"status": 500, "body": b"<html>"} if kind == "status" else {}
    before = sandbox.count("customer")
    sandbox.faults.add(kind, method="POST", after_write=True, **details)
    made = await gw.customers.create(first_name="A")
    assert (made.customer.first_name, sandbox.count("customer")) == ("A", before + 1)


@pytest.mark.parametrize("kind", ["drop", "status"])
async def test_a_write_in_doubt_is_sent_once_and_a_naive_loop_charges_twice(
    gw: Gateway, sandbox: Sandbox, kind: str
) -> None:
    """The write took effect, its answer was lost: OutcomeUnknown, one customer; the naive retry makes two."""
    details: dict[str, Any] = {"status": 500, "body": b"<html>"} if kind == "status" else {}
    before = sandbox.count("customer")
    sandbox.faults.add(kind, method="POST", after_write=True, **details)
    with pytest.raises(errors.OutcomeUnknown) as caught:
        await gw.customers.create(id=None, first_name="A")
    assert sandbox.count("customer") == before + 1
    assert caught.value.idempotency_key
    sandbox.faults.add(kind, method="POST", after_write=True, **details)
    for _ in range(2):
        try:
            await gw.call("POST", "/api/v2/customers", form={"first_name": "B"})
        except errors.GatewayClientError:
            continue
        break
    assert sandbox.count("customer") == before + 3


async def test_a_verified_key_makes_the_retry_safe(sandbox: Sandbox) -> None:
    """Where the key is known to reach Chargebee, a lost answer is asked for again, and one customer is made."""
    before = sandbox.count("customer")
    settings = Settings(
        gateway_url=sandbox.gateway_url, control_url=sandbox.control_url, limits=FAST, idempotency="verified"
    )
    async with Gateway(sandbox.api_key, settings=settings) as gw:
        for kind in ("drop", "html"):
            details: dict[str, Any] = {"after_write": True} if kind == "drop" else {}
            sandbox.faults.add(kind, method="POST", **details)
            assert (await gw.customers.create(first_name=kind)).customer.first_name == kind
    assert sandbox.count("customer") == before + 2


@pytest.mark.parametrize(
    "fault",
    [
        ("drop", {}),
        ("status", {"status": 500, "body": b""}),
        ("html", {}),
        ("cut_body", {}),
        ("cut_gzip", {}),
        ("rate_limited", {"retry_after": 0}),
    ],
)
async def test_a_read_survives_each_fault(gw: Gateway, sandbox: Sandbox, fault: tuple[str, dict[str, Any]]) -> None:
    """One lost, broken, cut or refused answer of a list costs a second request and no row."""
    kind, details = fault
    sandbox.faults.add(kind, nth=2, **details)
    found = [record.id async for record in gw.customers.list()]
    assert len(set(found)) == len(found) == 250
    assert gw.stats.retries == 1
    assert gw.stats.attempts == 4


async def test_a_redirect_is_not_followed(gw: Gateway, sandbox: Sandbox) -> None:
    """A 302 leads nowhere: neither key nor body travels on."""
    sandbox.faults.add("redirect", location=f"{sandbox.url}/elsewhere", times=None)
    with pytest.raises(errors.UnexpectedRedirect):
        await gw.customers.list()
    with pytest.raises(errors.UnexpectedRedirect):
        await gw.customers.create(first_name="A")
    assert len(sandbox.requests) == 2


async def test_a_timeout_is_per_attempt(gw: Gateway, sandbox: Sandbox) -> None:
    """An answer that does not come ends with RequestTimeout after `timeout=`, and a write with OutcomeUnknown."""
    sandbox.faults.add("hang", times=None)
    with pytest.raises(errors.RequestTimeout) as caught:
        await gw.customers.list(timeout=0.05, retry=Retry.none())
    assert caught.value.sent
    with pytest.raises(errors.OutcomeUnknown):
        await gw.with_options(timeout=0.05).customers.create(first_name="A")


async def test_errors_of_the_gateway_and_of_chargebee(sandbox: Sandbox) -> None:
    """401 for a wrong key, 404 for an unknown resource or connection, 400 without a connection, each its class."""
    settings = Settings(gateway_url=sandbox.gateway_url, control_url=sandbox.control_url, limits=FAST)
    async with Gateway("sandbox_wrong", settings=settings) as wrong:
        with pytest.raises(errors.InvalidApiKey):
            await wrong.customers.list()
    async with Gateway(sandbox.api_key, settings=settings) as gw:
        with pytest.raises(errors.NotFound) as caught:
            await gw.customers.retrieve("nobody")
        assert caught.value.code == "resource_not_found"
        with pytest.raises(errors.MatonError):
            await gw.using("00000000-0000-0000-0000-000000000000").customers.list()
        with pytest.raises(errors.InvalidRequest) as refused:
            await gw.customers.create(id="cust_1")
        assert refused.value.code == "duplicate_entry"
        await gw.connections.delete(sandbox.connection_id)
        with pytest.raises(errors.MissingConnection):
            await gw.customers.list()


async def test_the_other_catalogue_is_named() -> None:
    """On a site of Product Catalog 2.0, an operation of 1.0 is refused as WrongCatalog."""
    async with Sandbox(records=3) as sandbox, sandbox.gateway() as gw:
        with pytest.raises(errors.WrongCatalog):
            await gw.plans.list()


async def test_a_429_is_waited_out(sandbox: Sandbox) -> None:
    """The gateway's 429 with Retry-After: 0 costs an attempt; the statistics say so."""
    async with sandbox.gateway() as gw:
        sandbox.faults.add("rate_limited", retry_after=0)
        await gw.customers.list(limit=1)
        assert (gw.stats.rate_limited, gw.stats.retries, gw.stats.attempts) == (1, 1, len(sandbox.requests))


async def test_copies_share_the_pool_and_close_nothing(gw: Gateway, sandbox: Sandbox) -> None:
    """using() and with_options() are copies: their own options, the same statistics, and closing one closes nothing."""
    copy = gw.with_options(headers={"chargebee-event-email": "all-disabled"}, retry=Retry.web(), priority="export")
    async with copy.using(sandbox.connection_id) as tenant:
        await tenant.customers.list(limit=1)
    assert sandbox.requests[-1].headers["chargebee-event-email"] == "all-disabled"
    assert sandbox.requests[-1].headers["maton-connection"] == sandbox.connection_id
    await gw.customers.list(limit=1)
    assert "maton-connection" not in sandbox.requests[-1].headers
    assert gw.stats is tenant.stats
    assert sandbox.connection_id in repr(tenant)
    with pytest.raises(RequestError):
        gw.using("a b")
    with pytest.raises(RequestError):
        gw.with_options(priority="low")  # type: ignore[arg-type]


async def test_a_closed_client_says_so_and_can_be_entered_again(sandbox: Sandbox) -> None:
    """After aclose a call is a ConfigurationError; `async with` opens it again; closing twice is nothing."""
    gw = sandbox.gateway()
    async with gw:
        await gw.customers.list(limit=1)
    await gw.aclose()
    with pytest.raises(ConfigurationError):
        await gw.customers.list(limit=1)
    async with gw:
        assert isinstance((await gw.customers.list(limit=1)).records[0], Customer)


async def test_a_download_goes_nowhere_unsafe(gw: Gateway, sandbox: Sandbox, tmp_path: Path) -> None:
    """Plain http to another machine is refused; a failed download leaves no file."""
    for bad in ("http://files.example/x.pdf", "ftp://127.0.0.1/x", "file:///etc/hostname", "https://["):
        with pytest.raises(RequestError):
            await gw.download(bad)
    with pytest.raises(errors.InvalidResponse):
        await gw.download(f"{sandbox.url}/downloads/none.pdf", to=tmp_path / "x.pdf")
    assert list(tmp_path.iterdir()) == []
    assert all("authorization" not in {name.lower() for name in request.headers} for request in sandbox.requests)
