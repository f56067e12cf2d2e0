"""The public API as its users write it. Checked by mypy and pyright, never run."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, assert_type

import attrs

from aiochargebee_gw import Connection, ConnectionStatus, Filter, Gateway, Page, Pages, Retry, Sort, Stream
from aiochargebee_gw.fields import (
    contract_term,
    coupon,
    customer,
    event,
    grant_block,
    invoice,
    item_price,
    subscription,
    transaction,
)
from aiochargebee_gw.records import (
    Card,
    Contact,
    ContractTerm,
    Coupon,
    Customer,
    CustomerBillingAddress,
    CustomerCreateAnswer,
    CustomerListRow,
    CustomerRetrieveAnswer,
    Download,
    Entitlement,
    EntitlementCreateRow,
    EventType,
    GrantBlock,
    Invoice,
    InvoiceStatus,
    Subscription,
    SubscriptionItem,
    SubscriptionListRow,
    SubscriptionStatus,
    UnbilledCharge,
)
from aiochargebee_gw.records.enums import AutoCollection


@attrs.frozen
class Mine:
    id: str
    cf_region: str | None = None


async def every_form_of_a_list(gw: Gateway) -> None:
    pages = gw.customers.list(customer.email.is_("john@example.com"), limit=10)
    assert_type(pages, Pages[Customer, CustomerListRow])
    page = await pages
    assert_type(page, Page[Customer, CustomerListRow])
    assert_type(page.records, list[Customer])
    assert_type(page.rows, list[CustomerListRow])
    assert_type(page.raw, list[bytes])
    assert_type(page.next_offset, str | None)
    assert_type(len(page), int)
    async for one in pages:
        assert_type(one, Customer)
    assert_type(aiter(pages), Stream[Customer])
    assert_type(pages.rows(), Stream[CustomerListRow])
    async for row in pages.rows():
        assert_type(row.customer, Customer)
        assert_type(row.card, Card | None)
    assert_type(pages.raw(), Stream[bytes])
    async for raw in pages.raw():
        assert_type(raw, bytes)
    assert_type(pages.pages(), Stream[Page[Customer, CustomerListRow]])
    async for each in pages.pages():
        assert_type(each.records[0], Customer)
    assert_type(await pages.first(), Customer | None)
    assert_type(await pages.collect(), list[Customer])
    assert_type(await pages.collect(limit=5), list[Customer])
    assert_type([found.id async for found in pages], list[str])
    async with pages.prefetch(2) as stream:
        assert_type(stream, Stream[Customer])
        async for one in stream:
            assert_type(one, Customer)
        assert_type(stream.offset, str | None)
        assert_type(stream.pages, int)
    async with pages.prefetch_pages() as whole:
        assert_type(whole, Stream[Page[Customer, CustomerListRow]])
    await pages.raw().aclose()


async def lists_of_a_class_of_mine(gw: Gateway) -> None:
    pages = gw.customers.list(into=Mine)
    assert_type(pages, Pages[Mine, CustomerListRow])
    assert_type(await pages, Page[Mine, CustomerListRow])
    assert_type((await pages).records, list[Mine])
    async for mine in gw.customers.list(customer.id.in_(["a", "b"]), into=Mine, limit=100):
        assert_type(mine, Mine)
    assert_type(await pages.first(), Mine | None)
    assert_type(await pages.collect(), list[Mine])
    async with pages.prefetch(1) as stream:
        assert_type(stream, Stream[Mine])
    assert_type(gw.customers.contacts_for_customer("c", into=Mine).raw(), Stream[bytes])


async def lists_of_other_resources(gw: Gateway) -> None:
    assert_type(await gw.customers.contacts_for_customer("c_1").first(), Contact | None)
    async for term in gw.subscriptions.contract_terms_for_subscription(
        "sub_1", order_by=contract_term.created_at.desc()
    ):
        assert_type(term, ContractTerm)
    async for block in gw.grant_blocks.list_grant_blocks(grant_block.subscription_id.is_("sub_1")):
        assert_type(block, GrantBlock)
    async for row in gw.subscriptions.list(subscription.status.in_(["active", SubscriptionStatus.IN_TRIAL])).rows():
        assert_type(row, SubscriptionListRow)
        assert_type(row.subscription, Subscription)
        assert_type(row.customer, Customer)
        assert_type(row.card, Card | None)
    made = await gw.entitlements.create(action="upsert", entitlements=[{"entity_id": "e", "feature_id": "f"}])
    assert_type(made, Page[Entitlement, EntitlementCreateRow])
    assert_type(made.records, list[Entitlement])


async def answers_by_name(gw: Gateway) -> None:
    made = await gw.customers.create(
        first_name="John",
        last_name=None,
        auto_collection=AutoCollection.ON,
        net_term_days=5,
        meta_data={"any": [1, None]},
        billing_address={"city": "Oslo", "country": "NO", "validation_status": "valid"},
        tax_providers_fields=[{"provider_name": "a", "field_id": "b", "field_value": None}],
        idempotency_key="k-1",
        timeout=5,
        retry=Retry.web(),
        headers={"chargebee-event-email": "all-disabled"},
    )
    assert_type(made, CustomerCreateAnswer)
    assert_type(made.customer, Customer)
    assert_type(made.card, Card | None)
    assert_type(await gw.customers.retrieve("c_1", timeout=2.5, retry=None), CustomerRetrieveAnswer)
    cancelled = await gw.subscriptions.cancel_for_items("sub_1", end_of_term=True)
    assert_type(cancelled.subscription, Subscription)
    assert_type(cancelled.customer, Customer)
    assert_type(cancelled.invoice, Invoice | None)
    assert_type(cancelled.unbilled_charges, list[UnbilledCharge] | None)
    await gw.customers.merge(from_customer_id="a", to_customer_id="b")
    pdf = await gw.invoices.pdf("inv_1")
    assert_type(pdf.download, Download)
    assert_type(await gw.download(pdf.download), bytes)
    assert_type(await gw.download(pdf.download, to="inv_1.pdf"), Path)
    await gw.exports.customers(customer={"email": {"is": "x"}, "created_at": {"after": datetime.now(UTC)}})
    await gw.ramps.update("r_1", effective_from=datetime.now(UTC), items_to_remove=("a", "b"))
    await gw.coupons.create(id="c", name="n", discount_percentage=Decimal("12.5"), apply_on="invoice_amount")


def records_have_types(one: Customer, sub: Subscription, bill: Invoice, code: Coupon) -> None:
    assert_type(one.id, str)
    assert_type(one.email, str | None)
    assert_type(one.auto_collection, AutoCollection)
    assert_type(one.auto_collection.known, bool)
    assert_type(one.created_at, datetime)
    assert_type(one.vat_number_validated_time, datetime | None)
    assert_type(one.billing_address, CustomerBillingAddress | None)
    assert_type(one.raw, bytes)
    assert_type(one.detach(), Customer)
    assert_type(sub.status, SubscriptionStatus)
    assert_type(sub.current_term_end, datetime | None)
    assert_type(sub.subscription_items, list[SubscriptionItem] | None)
    assert_type(bill.status, InvoiceStatus)
    assert_type(bill.total, int | None)
    assert_type(code.discount_percentage, float | None)
    assert_type(attrs.evolve(one, first_name="J"), Customer)
    assert_type(attrs.asdict(one), dict[str, Any])
    words: list[str] = [one.auto_collection, EventType.CUSTOMER_CREATED, one.id]
    words.sort()


def filters_and_orders(now: datetime) -> None:
    found = [
        customer.email.is_("a@b.example"),
        customer.email.starts_with("a"),
        customer.email.is_present(),
        customer.phone.is_present(False),
        customer.id.in_(["a", "b"]),
        customer.id.not_in(("a",)),
        customer.auto_collection.is_(AutoCollection.ON),
        customer.auto_collection.in_({"on", AutoCollection.OFF}),
        customer.auto_close_invoices.is_(True),
        customer.created_at.after(now),
        customer.created_at.on(date(2026, 1, 2)),
        customer.created_at.between(now, now),
        customer.relationship.parent_id.is_("p"),
        customer.custom("cf_region").string.is_("EU"),
        customer.custom("cf_size").number.between(1, 2),
        customer.custom("cf_since").timestamp.before(now),
        customer.custom("cf_vip").boolean.is_(True),
        subscription.status.is_(SubscriptionStatus.ACTIVE),
        subscription.remaining_billing_cycles.gte(3),
        invoice.total.between(1, 100),
        invoice.status.is_not("paid"),
        transaction.amount.lt(5),
        event.event_type.in_([EventType.PLAN_CREATED, "brand_new"]),
        coupon.applicable_item_price_ids.in_(["p"]),
        item_price.id.is_not("x"),
        Filter("status", "is", "active"),
        Filter.parse("email[is]=a@b.example"),
    ]
    assert_type(found, list[Filter])
    assert_type(found[0].pair, tuple[str, str])
    assert_type([customer.created_at.asc(), invoice.date.desc()], list[Sort])


async def options(gw: Gateway) -> None:
    assert_type(gw.using("c-2"), Gateway)
    assert_type(gw.with_options(timeout=3, retry=Retry(attempts=2), priority="export", headers={}), Gateway)
    pages = gw.customers.list(
        customer.created_at.after(datetime.now(UTC)),
        order_by=customer.updated_at.desc(),
        include_deleted=True,
        limit=50,
        offset=None,
        timeout=5,
        retry=Retry.batch(),
        headers=None,
    )
    assert_type(pages, Pages[Customer, CustomerListRow])
    await gw.call("GET", "/api/v2/customers", query={"limit": 5})
    assert_type(await gw.connections.list(), list[Connection])
    found = await gw.connections.get("c-1")
    assert_type(found, Connection)
    assert_type(found.status, ConnectionStatus)
    async with Gateway("sandbox_k") as other:
        assert_type(other, Gateway)
        assert_type(other.stats.attempts, int)
