"""Seeding one site: products, customers with cards, subscriptions, invoices, payments, events, hosted pages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from random import Random

from attrs import define, field

from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._kinds import KINDS
from aiochargebee_gw.sandbox._money import Bill, invoice, pay, payment
from aiochargebee_gw.sandbox._seed import people, products
from aiochargebee_gw.sandbox._seed.subscriptions import Deal, billed_terms, deal, lines, subscription
from aiochargebee_gw.sandbox._store import Store, StoredRow, stored
from aiochargebee_gw.sandbox.clock import SEED_EPOCH

DAY = 86_400
DELETED_SHARE = 50
"""One deleted customer for so many live ones; they come on top of ``records``."""
INVOICES_PER_SUBSCRIPTION = 3
_LARGEST_CACHED = 2_000

_INVOICE_STATUSES = (*("paid",) * 78, *("payment_due",) * 7, *("not_paid",) * 5, *("posted",) * 4, *("voided",) * 4)


@define
class _World:
    rng: Random
    records: int
    catalog: str
    rows: list[StoredRow] = field(factory=list)
    counts: dict[str, int] = field(factory=dict)
    beside: list[JsonObject] = field(factory=list)

    def next_id(self, prefix: str) -> str:
        self.counts[prefix] = self.counts.get(prefix, 0) + 1
        return f"{prefix}_{self.counts[prefix]}"

    def keep(self, value: JsonObject, born: int = 0) -> None:
        self.rows.append(stored(KINDS[value["object"]], value, born))


def seeded_store(records: int, seed: int, catalog: str) -> Store:
    """A store for one site; with ``records=0`` it holds the product catalogue only."""
    if records <= _LARGEST_CACHED:
        return Store(image=_image(records, seed, catalog))
    return Store(seeded_rows(records, seed, catalog))


@lru_cache(maxsize=4)
def _image(records: int, seed: int, catalog: str) -> bytes:
    return Store(seeded_rows(records, seed, catalog)).image()


def seeded_rows(records: int, seed: int, catalog: str) -> list[StoredRow]:
    """All rows of a site in the order of their internal ids."""
    rng = Random(f"aiochargebee-gw {seed}")  # noqa: S311 - made-up data, not secrets
    world = _World(rng, records, catalog)
    _add_products(world)
    for index, created in enumerate(_creation_times(world), 1):
        _add_customer(world, f"cust_{index}", index, created)
    if records:
        for number in range(1, max(1, records // DELETED_SHARE) + 1):
            _add_customer(world, f"cust_deleted_{number}", records + number, SEED_EPOCH - number * DAY, deleted=True)
        _add_hosted_pages(world)
    # Last, so that the rows before keep their numbers.
    _add_offers(world)
    return world.rows


def _add_offers(world: _World) -> None:
    for index, value in enumerate(products.coupons() + (products.addons() if world.catalog != "pc2" else [])):
        world.keep(value, products.OPENED + index * 60)
    for value in world.beside:
        world.keep(value)


def _add_products(world: _World) -> None:
    groups = [products.families(), products.items(), products.item_prices()] if world.catalog != "pc1" else []
    if world.catalog != "pc2":
        groups.append(products.plans())
    for group in groups:
        for index, value in enumerate(group):
            world.keep(value, products.OPENED + index * 60)


def _creation_times(world: _World) -> list[int]:
    """Growing business over seven years; one import in a hundred customers shares its second with others."""
    span = SEED_EPOCH - products.OPENED - 2 * DAY
    times = [products.OPENED + int(span * world.rng.random() ** 0.7) for _ in range(world.records)]
    times.sort()
    imported = times[len(times) // 2] if times else 0
    for index in range(len(times)):
        if world.rng.random() < 0.03:
            times[index] = imported
    return times


def _add_customer(world: _World, id: str, index: int, created: int, *, deleted: bool = False) -> None:
    rng = world.rng
    who = people.person(rng, index, created, SEED_EPOCH)
    has_card = index == 1 or rng.random() < people.CARD_SHARE
    card = people.card(rng, who, id, world.next_id("pm")) if has_card else None
    value = people.customer(rng, who, id, card)
    if deleted:
        people.retire(value, SEED_EPOCH - DAY)
    world.keep(value)
    if card is not None:
        world.keep(card)
        world.beside.append(people.source(card, deleted=deleted))
    if value["promotional_credits"]:
        world.beside.append(people.promotion(value))
    if index == 1 or rng.random() < 0.3:
        _add_event(world, "customer_created", created, without_nulls({"customer": value, "card": card}))
    for _ in range(2 if rng.random() < 0.25 else 1):
        _add_subscription(world, who, value, card, deleted=deleted)


def _add_subscription(
    world: _World, who: people.Person, owner: JsonObject, card: JsonObject | None, *, deleted: bool
) -> None:
    rng = world.rng
    legacy = world.catalog == "pc1" or (world.catalog == "both" and rng.random() < 0.5)
    sold = deal(rng, who, world.next_id("sub"), owner["id"], legacy=legacy, now=SEED_EPOCH)
    value = subscription(rng, sold, rich=who.rich)
    bills = [] if deleted else list(_bills(world, who, owner, card, sold, value))
    due = [bill for bill in bills if bill["amount_due"] > 0]
    value["due_invoices_count"] = len(due)
    if due:
        value["due_since"] = due[0]["date"]
        value["total_dues"] = sum(bill["amount_due"] for bill in due)
    if deleted:
        people.retire(value, SEED_EPOCH - DAY)
    world.keep(value)
    for bill in bills:
        world.keep(bill)
    if value["id"] == "sub_1" or rng.random() < 0.3:
        _add_event(world, "subscription_created", sold.created, {"subscription": value, "customer": owner})


def _bills(
    world: _World, who: people.Person, owner: JsonObject, card: JsonObject | None, sold: Deal, value: JsonObject
) -> Iterator[JsonObject]:
    rng = world.rng
    for number, (start, end) in enumerate(billed_terms(sold, value, INVOICES_PER_SUBSCRIPTION)):
        status = rng.choice(_INVOICE_STATUSES)
        taxed = owner["taxability"] == "taxable"
        discount = sold.plan_amount // 10 if rng.random() < 0.1 else 0
        bill = invoice(
            Bill(
                world.next_id("inv"),
                owner,
                sold.id,
                lines(sold, start, end),
                start,
                status,
                sold.currency,
                tax_rate=who.tax_rate if taxed else 0.0,
                discount=discount,
                net_term_days=owner["net_term_days"],
                first=number == 0 and start == sold.started,
            )
        )
        _settle(world, bill, card, status)
        if rng.random() < people.NO_UPDATE_SHARE:
            bill.pop("updated_at")
        yield bill


def _settle(world: _World, bill: JsonObject, card: JsonObject | None, status: str) -> None:
    if status == "voided":
        bill["voided_at"] = bill["updated_at"] = bill["date"] + DAY
        bill["void_reason_code"] = "Duplicate"
    if status == "not_paid":
        bill["dunning_status"] = "exhausted"
    if status not in ("paid", "not_paid"):
        return
    made = payment(world.next_id("txn"), bill, card, status="success" if status == "paid" else "failure")
    pay(bill, made)
    if world.rng.random() < people.NO_UPDATE_SHARE:
        made.pop("updated_at")
    world.keep(made)


def _add_event(world: _World, type: str, at: int, content: JsonObject) -> None:
    world.keep(
        {
            "id": world.next_id("ev"),
            "occurred_at": at,
            "source": world.rng.choice(("api", "admin_console", "hosted_page")),
            "object": "event",
            "api_version": "v2",
            "content": content,
            "event_type": type,
            "webhook_status": "not_configured",
        }
    )


def _add_hosted_pages(world: _World) -> None:
    for number in range(world.records // 10 + 1):
        at = SEED_EPOCH - (number + 1) * 3_600
        id = world.next_id("hp")
        state = world.rng.choice(("created", "requested", "succeeded", "cancelled"))
        world.keep(
            {
                "id": id,
                "type": world.rng.choice(("checkout_new", "manage_payment_sources")),
                "url": f"https://site.example.com/pages/v3/{id}/",
                "state": state,
                "embed": False,
                "created_at": at,
                "expires_at": at + 3 * 3_600,
                "content": {},
                "updated_at": at,
                "resource_version": at * 1000,
                "object": "hosted_page",
            }
        )
