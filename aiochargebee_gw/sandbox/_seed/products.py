"""The product catalogue of a site: families, items and item prices (2.0), plans (1.0)."""

from __future__ import annotations

from attrs import frozen

from aiochargebee_gw.sandbox._json import JsonObject, without_nulls

CURRENCIES = ("USD", "EUR", "GBP", "NOK", "JPY")
_RATE = {"USD": 1.0, "EUR": 0.9, "GBP": 0.8, "NOK": 10.0, "JPY": 1.5}
OPENED = 1_546_300_800
"""2019-01-01T00:00:00Z, the day on which the seeded business opens."""
_WEEK = 7 * 86_400


@frozen
class Product:
    """One thing on sale: ``base`` is its monthly price in cents of a dollar."""

    id: str
    name: str
    type: str
    family: str
    base: int
    model: str = "per_unit"
    status: str = "active"
    trial_days: int = 0


PRODUCTS = (
    Product("basic", "Basic", "plan", "cloud", 900, "flat_fee"),
    Product("team", "Team", "plan", "cloud", 1_900, trial_days=14),
    Product("scale", "Scale", "plan", "cloud", 4_900),
    Product("enterprise", "Enterprise", "plan", "cloud", 19_900, "flat_fee"),
    Product("volume", "Volume", "plan", "cloud", 700, "volume"),
    Product("legacy", "Legacy", "plan", "archive", 500, "flat_fee", status="archived"),
    Product("backup", "Backup", "addon", "services", 300),
    Product("support", "Support", "addon", "services", 1_500, "flat_fee"),
    Product("audit-log", "Audit log", "addon", "services", 800),
    Product("setup", "Set-up", "charge", "services", 10_000, "flat_fee"),
)
_FAMILIES = (("cloud", "Cloud"), ("services", "Services"), ("archive", "Archive"))


def price(product: Product, currency: str, period_unit: str) -> int:
    """The price of one unit in the currency's minor unit; a year costs ten months."""
    amount = round(product.base * _RATE[currency])
    return amount * 10 if period_unit == "year" else amount


def price_id(product: Product, currency: str, period_unit: str) -> str:
    """``team-USD-Monthly``; the one-off charge has an id with blanks, as users choose their own."""
    if product.type == "charge":
        return f"{product.name} fee {currency}"
    return f"{product.id}-{currency}-{'Yearly' if period_unit == 'year' else 'Monthly'}"


def plan_id(product: Product, currency: str, period_unit: str) -> str:
    """The id of the Product Catalog 1.0 plan, ``team-usd-monthly``."""
    return price_id(product, currency, period_unit).lower()


def units(product: Product) -> tuple[str, ...]:
    """The billing periods in which a product is sold."""
    return ("month", "year") if product.type == "plan" else ("month",)


def families() -> list[JsonObject]:
    """Item families; one of them carries a custom field, one has no ``updated_at``."""
    found: list[JsonObject] = []
    for index, (id, name) in enumerate(_FAMILIES):
        at = OPENED + index * _WEEK
        value: JsonObject = {
            "id": id,
            "name": name,
            "description": f"{name} products",
            "status": "active",
            "resource_version": at * 1000,
            "updated_at": at if id != "archive" else None,
            "channel": "web",
            "deleted": False,
            "cf_team": "platform" if index == 0 else None,
            "object": "item_family",
        }
        found.append(without_nulls(value))
    return found


def items() -> list[JsonObject]:
    """Items of every type; one is archived."""
    return [_item(product, OPENED + index * _WEEK) for index, product in enumerate(PRODUCTS)]


def _item(product: Product, at: int) -> JsonObject:
    archived = product.status == "archived"
    value: JsonObject = {
        "id": product.id,
        "name": product.name,
        "external_name": f"{product.name} ☁",
        "description": f"The {product.name} {product.type}",
        "status": product.status,
        "resource_version": at * 1000,
        "updated_at": at,
        "item_family_id": product.family,
        "type": product.type,
        "is_shippable": False,
        "is_giftable": product.id == "basic",
        "enabled_for_checkout": not archived,
        "enabled_in_portal": not archived,
        "included_in_mrr": product.type != "charge",
        "item_applicability": "all" if product.type == "plan" else None,
        "unit": "seat" if product.model == "per_unit" else None,
        "metered": False,
        "archived_at": at + _WEEK if archived else None,
        "channel": "web",
        "metadata": {"shelf": product.family},
        "deleted": False,
        "object": "item",
    }
    return without_nulls(value)


def item_prices() -> list[JsonObject]:
    """A price for each product, currency and period."""
    found: list[JsonObject] = []
    for product in PRODUCTS:
        for currency in CURRENCIES:
            for unit in units(product):
                found.append(_item_price(product, currency, unit, OPENED + len(found) * 3_600))
    return found


def _item_price(product: Product, currency: str, unit: str, at: int) -> JsonObject:
    recurring = product.type != "charge"
    id = price_id(product, currency, unit)
    value: JsonObject = {
        "id": id,
        "name": id.replace("-", " "),
        "item_family_id": product.family,
        "item_id": product.id,
        "status": product.status,
        "external_name": product.name,
        "pricing_model": product.model,
        "price": None if product.model == "volume" else price(product, currency, unit),
        "period": 1 if recurring else None,
        "currency_code": currency,
        "period_unit": unit if recurring else None,
        "trial_period": product.trial_days or None,
        "trial_period_unit": "day" if product.trial_days else None,
        "trial_end_action": "site_default" if product.trial_days else None,
        "free_quantity": 0,
        "channel": "web",
        "resource_version": at * 1000,
        "updated_at": at,
        "created_at": at,
        "archived_at": at + _WEEK if product.status == "archived" else None,
        "tiers": _tiers(product, currency, unit),
        "is_taxable": True,
        "item_type": product.type,
        "show_description_in_invoices": False,
        "show_description_in_quotes": False,
        "deleted": False,
        "object": "item_price",
    }
    return without_nulls(value)


def _tiers(product: Product, currency: str, unit: str) -> list[JsonObject] | None:
    if product.model != "volume":
        return None
    full = price(product, currency, unit)
    return [
        {"starting_unit": 1, "ending_unit": 10, "price": full, "object": "tier"},
        {"starting_unit": 11, "price": full * 8 // 10, "object": "tier"},
    ]


def plans() -> list[JsonObject]:
    """Product Catalog 1.0 plans, one a currency and period; the archived product's plans are archived."""
    found: list[JsonObject] = []
    for product in PRODUCTS:
        if product.type == "plan":
            for currency in CURRENCIES:
                for unit in units(product):
                    found.append(_plan(product, currency, unit, OPENED + len(found) * 3_600))
    return found


def _plan(product: Product, currency: str, unit: str, at: int) -> JsonObject:
    archived = product.status == "archived"
    id = plan_id(product, currency, unit)
    tiers = _tiers(product, currency, unit)
    value: JsonObject = {
        "id": id,
        "name": id.replace("-", " ").title(),
        "invoice_name": product.name,
        "description": f"The {product.name} plan",
        "price": None if tiers else price(product, currency, unit),
        "currency_code": currency,
        "period": 1,
        "period_unit": unit,
        "trial_period": product.trial_days or None,
        "trial_period_unit": "day" if product.trial_days else None,
        "pricing_model": product.model,
        "charge_model": product.model,
        "free_quantity": 0,
        "status": product.status,
        "archived_at": at + _WEEK if archived else None,
        "enabled_in_hosted_pages": not archived,
        "enabled_in_portal": not archived,
        "addon_applicability": "all",
        "is_shippable": False,
        "resource_version": at * 1000,
        "updated_at": at,
        "giftable": False,
        "channel": "web",
        "taxable": True,
        "meta_data": {"shelf": product.family},
        "tiers": tiers,
        "show_description_in_invoices": False,
        "show_description_in_quotes": False,
        "cf_tier": product.name.lower(),
        "cf_rank": product.base,
        "object": "plan",
    }
    return without_nulls(value)


def addons() -> list[JsonObject]:
    """Product Catalog 1.0 addons, one a currency: ``support-usd-monthly``."""
    found: list[JsonObject] = []
    for product in PRODUCTS:
        if product.type == "addon":
            for currency in CURRENCIES:
                found.append(_addon(product, currency, OPENED + len(found) * 3_600))
    return found


def _addon(product: Product, currency: str, at: int) -> JsonObject:
    id = plan_id(product, currency, "month")
    return {
        "id": id,
        "name": id.replace("-", " ").title(),
        "invoice_name": product.name,
        "description": f"The {product.name} addon",
        "pricing_model": product.model,
        "type": "on_off" if product.model == "flat_fee" else "quantity",
        "charge_type": "recurring",
        "price": price(product, currency, "month"),
        "currency_code": currency,
        "period": 1,
        "period_unit": "month",
        "status": "active",
        "enabled_in_portal": True,
        "resource_version": at * 1000,
        "updated_at": at,
        "channel": "web",
        "taxable": True,
        "object": "addon",
    }


def coupons() -> list[JsonObject]:
    """The coupons of the seeded business: ten percent off the first invoice, five percent for ever."""
    return [
        _coupon("WELCOME", "Welcome", 10.0, "one_time", OPENED),
        _coupon("LOYAL", "Loyal", 5.0, "forever", OPENED + 60),
    ]


def _coupon(id: str, name: str, percentage: float, duration: str, at: int) -> JsonObject:
    return {
        "id": id,
        "name": name,
        "invoice_name": name,
        "discount_type": "percentage",
        "discount_percentage": percentage,
        "duration_type": duration,
        "status": "active",
        "apply_discount_on": "not_applicable",
        "apply_on": "invoice_amount",
        "created_at": at,
        "resource_version": at * 1000,
        "updated_at": at,
        "included_in_mrr": False,
        "redemptions": 0,
        "deleted": False,
        "object": "coupon",
    }
