"""What a type checker must not let through: every line marked as a mistake, and no other. Never run."""

from __future__ import annotations

from datetime import UTC, datetime

import aiochargebee_gw
from aiochargebee_gw import Gateway, Page, Retry, fields, records
from aiochargebee_gw.fields import customer, grant_block, hosted_page, invoice, subscription
from aiochargebee_gw.records import Card, Customer, CustomerListRow, Subscription

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def names_that_do_not_exist() -> None:
    print(aiochargebee_gw.Gatway)  # mistake
    print(fields.custmer)  # mistake
    print(records.Custmer)  # mistake


def operators_that_a_field_does_not_have() -> None:
    customer.email.in_(["a"])  # mistake
    customer.email.gt(5)  # mistake
    customer.auto_close_invoices.is_not(True)  # mistake
    customer.created_at.is_(NOW)  # mistake
    customer.created_at.is_present()  # mistake
    customer.business_entity_id.starts_with("a")  # mistake
    customer.relationship.parent_id.in_(["a"])  # mistake
    customer.custom("cf_region").string.between(1, 2)  # mistake
    grant_block.subscription_id.is_not("a")  # mistake


def fields_that_do_not_exist() -> None:
    customer.emial.is_("a")  # mistake
    customer.relationship.parent.is_("a")  # mistake
    customer.cf_region.is_("EU")  # mistake
    customer.meta_data.is_("a")  # mistake
    hosted_page.custom("cf_region")  # mistake


def values_of_a_wrong_type() -> None:
    customer.email.is_(5)  # mistake
    customer.id.in_([1, 2])  # mistake
    customer.auto_close_invoices.is_("yes")  # mistake
    customer.created_at.after("2026-01-02")  # mistake
    customer.created_at.between(NOW)  # mistake
    subscription.remaining_billing_cycles.gte("3")  # mistake
    invoice.total.between(1.5, 2)  # mistake
    customer.auto_collection.is_(True)  # mistake


def orders_that_a_field_does_not_have() -> None:
    customer.email.asc()  # mistake
    hosted_page.created_at.asc()  # mistake


async def lists(gw: Gateway) -> None:
    gw.customers.list(emial="a")  # mistake
    gw.customers.list(email="a")  # mistake
    gw.customers.list("email")  # mistake
    gw.customers.list(limit="10")  # mistake
    gw.customers.list(order_by="created_at")  # mistake
    gw.customers.list(order_by=customer.email.is_("a"))  # mistake
    gw.hosted_pages.list(order_by=customer.created_at.asc())  # mistake
    gw.customers.list(into="Mine")  # mistake
    gw.customers.list(idempotency_key="k")  # mistake
    gw.customers.list(retry=3)  # mistake
    gw.customers.contacts_for_customer()  # mistake
    gw.customers.contacts_for_customer(customer.id.is_("a"))  # mistake
    gw.customers.list_hierarchy_detail("c")  # mistake
    gw.grant_blocks.list_grant_blocks()  # mistake
    gw.ramps.list(limit=5)  # mistake
    gw.customer.list()  # mistake


async def writes(gw: Gateway) -> None:
    await gw.customers.create(frist_name="John")  # mistake
    await gw.customers.create(first_name=5)  # mistake
    await gw.customers.create(net_term_days="5")  # mistake
    await gw.customers.create(billing_address={"cty": "Oslo"})  # mistake
    await gw.customers.create(billing_address={"city": 5})  # mistake
    await gw.customers.create(billing_address="Oslo")  # mistake
    await gw.customers.create(tax_providers_fields={"provider_name": "a"})  # mistake
    await gw.customers.create("John")  # mistake
    await gw.customers.create(idempotency_key=5)  # mistake
    await gw.customers.create(retry="never")  # mistake
    await gw.customers.merge(from_customer_id="a")  # mistake
    await gw.customers.merge(from_customer_id="a", to_customer_id=None)  # mistake
    await gw.entitlements.create(action="upsert", entitlements=[{"entity_id": "a"}])  # mistake
    await gw.ramps.update("r", effective_from="2026-01-02")  # mistake
    await gw.exports.customers(customer={"email": {"is_present": True}})  # mistake
    await gw.customers.crate(first_name="John")  # mistake


async def ids(gw: Gateway) -> None:
    await gw.customers.retrieve(5)  # mistake
    await gw.customers.retrieve(None)  # mistake
    await gw.customers.retrieve()  # mistake
    await gw.customers.retrieve(id="a")  # mistake
    await gw.customers.retrieve("a", idempotency_key="k")  # mistake
    await gw.invoices.pdf(b"inv_1")  # mistake


async def answers(gw: Gateway, one: Customer, sub: Subscription, row: CustomerListRow) -> None:
    print(one.emial)  # mistake
    print(one.cf_region)  # mistake
    print(row.subscription)  # mistake
    print((await gw.customers.retrieve("a")).invoice)  # mistake
    print(row.card.last4)  # mistake
    print(sub.current_term_end.year)  # mistake
    name: str = one.first_name  # mistake
    page: Page[Card, CustomerListRow] = await gw.customers.list()  # mistake
    print(name, page)


async def awaiting(gw: Gateway) -> None:
    await gw.customers  # mistake
    await gw.customers.list().rows()  # mistake
    await gw.customers.list().prefetch(1)  # mistake
    print(gw.customers.retrieve("a").customer)  # mistake
    print(gw.customers.list().records)  # mistake
    async for _ in gw.customers.retrieve("a"):  # mistake
        pass
    async for _ in await gw.customers.list():  # mistake
        pass
    for _ in gw.customers.list():  # mistake
        pass
    async with gw.customers.list() as _:  # mistake
        pass
    async with gw.customers.list().prefetch("2"):  # mistake
        pass
    gw.with_options(retry=Retry.web)  # mistake
    gw.with_options(priority="low")  # mistake
    gw.using(5)  # mistake
