"""Customers and their cards."""

from __future__ import annotations

from random import Random

from attrs import frozen

from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._seed import words

DAY = 86_400
RICH_SHARE = 0.6
CARD_SHARE = 0.7
NO_UPDATE_SHARE = 0.05


@frozen
class Person:
    """What the parts of one customer have in common."""

    index: int
    first: str
    last: str
    email: str
    country: str
    city: str
    state: str | None
    zip: str
    currency: str
    tax_rate: float
    locale: str
    rich: bool
    created: int
    updated: int | None


def person(rng: Random, index: int, created: int, latest: int) -> Person:
    """Draw a person; the first one is always John Doe of Oslo, john@example.com."""
    first, last = rng.choice(words.FIRST_NAMES), rng.choice(words.LAST_NAMES)
    email = f"customer{index}@example.com"
    place = rng.choice(words.PLACES)
    if rng.random() < 0.04:
        first, last = rng.choice(words.NATIVE_NAMES)
    rich = rng.random() < RICH_SHARE
    age = latest - created
    updated = None if rng.random() < NO_UPDATE_SHARE else created + int(age * rng.random() ** 2)
    if index == 1:
        first, last, email, place, rich, updated = "John", "Doe", "john@example.com", words.PLACES[0], True, created
    country, city, state, zip, currency, tax, locale = place
    return Person(index, first, last, email, country, city, state, zip, currency, tax, locale, rich, created, updated)


def customer(rng: Random, who: Person, id: str, card: JsonObject | None) -> JsonObject:
    """The customer object, attributes in the vendor's order; rich ones carry 30 and more."""
    value: JsonObject = {"id": id, "first_name": who.first, "last_name": who.last, "email": who.email}
    value.update(_terms(rng, who))
    value.update(_payment(card))
    if who.rich:
        value["billing_address"] = _address(rng, who)
        value["contacts"] = [_contact(who, id)]
    value["preferred_currency_code"] = who.currency
    value.update(_balances(rng, who))
    value["deleted"] = False
    if who.rich:
        value.update(_business(rng, who, id))
    value["object"] = "customer"
    return without_nulls(value)


def _terms(rng: Random, who: Person) -> JsonObject:
    company = f"{rng.choice(words.COMPANIES)} {rng.choice(words.COMPANY_FORMS)}" if who.rich else None
    vat = f"{who.country}{rng.randrange(10**8, 10**9)}" if who.rich and who.tax_rate else None
    changed = who.created if who.updated is None else who.updated
    return {
        "phone": f"+47{rng.randrange(10**7, 10**8)}" if who.rich else None,
        "company": company,
        "vat_number": vat,
        "auto_collection": "off" if rng.random() < 0.15 else "on",
        "offline_payment_method": "bank_transfer" if who.rich and rng.random() < 0.3 else None,
        "net_term_days": rng.choice((0, 0, 0, 14, 30)),
        "vat_number_validated_time": who.created + DAY if vat else None,
        "vat_number_status": "valid" if vat else None,
        "allow_direct_debit": rng.random() < 0.1,
        "is_location_valid": True if who.rich else None,
        "created_at": who.created,
        "created_from_ip": f"203.0.113.{rng.randrange(1, 255)}" if who.rich else None,
        "taxability": "exempt" if rng.random() < 0.05 else "taxable",
        "resource_version": changed * 1000 + rng.randrange(1000),
        "updated_at": who.updated,
        "locale": who.locale if who.rich else None,
        "billing_date": rng.randrange(1, 29) if who.rich and rng.random() < 0.2 else None,
        "billing_date_mode": "using_defaults" if who.rich else None,
        "billing_day_of_week_mode": "using_defaults" if who.rich else None,
        "pii_cleared": "active",
        "auto_close_invoices": rng.random() < 0.8 if who.rich else None,
        "channel": rng.choice(("web", "web", "web", "app_store", "play_store")),
        "fraud_flag": "safe" if who.rich and rng.random() < 0.2 else None,
    }


def _payment(card: JsonObject | None) -> JsonObject:
    if card is None:
        return {"card_status": "no_card"}
    method = {
        "type": "card",
        "gateway": card["gateway"],
        "gateway_account_id": card["gateway_account_id"],
        "status": card["status"],
        "reference_id": f"tok_{card['payment_source_id']}",
        "object": "payment_method",
    }
    return {
        "card_status": card["status"],
        "primary_payment_source_id": card["payment_source_id"],
        "payment_method": method,
    }


def _address(rng: Random, who: Person) -> JsonObject:
    value: JsonObject = {
        "first_name": who.first,
        "last_name": who.last,
        "email": who.email,
        "line1": f"{rng.randrange(1, 200)} {rng.choice(words.STREETS)}",
        "city": who.city,
        "state_code": who.state,
        "country": who.country,
        "zip": who.zip,
        "validation_status": "not_validated",
        "object": "billing_address",
    }
    return without_nulls(value)


def _contact(who: Person, id: str) -> JsonObject:
    return {
        "id": f"contact_{id}",
        "first_name": "Billing",
        "last_name": who.last,
        "email": f"billing{who.index}@example.com",
        "label": "accounts",
        "enabled": True,
        "send_account_email": False,
        "send_billing_email": True,
        "object": "contact",
    }


def _balances(rng: Random, who: Person) -> JsonObject:
    credits = rng.choice((0, 0, 0, 500, 2500)) if who.rich else 0
    value: JsonObject = {
        "promotional_credits": credits,
        "unbilled_charges": 0,
        "refundable_credits": 0,
        "excess_payments": 0,
    }
    if who.rich:
        currency = {"currency_code": who.currency, "balance_currency_code": who.currency}
        value["balances"] = [{**value, **currency, "object": "customer_balance"}]
    return value


def _business(rng: Random, who: Person, id: str) -> JsonObject:
    parent = f"cust_{rng.randrange(1, who.index)}" if who.index > 10 and rng.random() < 0.05 else None
    relationship = {"payment_owner_id": parent, "invoice_owner_id": parent, "parent_id": parent}
    return {
        "is_einvoice_enabled": False,
        "einvoicing_method": "site_default",
        "meta_data": {"source": rng.choice(("ads", "partner", "søk")), "tags": ["a", "b"][: rng.randrange(3)]},
        "registered_for_gst": False,
        "consolidated_invoicing": rng.random() < 0.1,
        "customer_type": rng.choice(("business", "residential")),
        "business_customer_without_vat_number": False,
        "client_profile_id": f"profile-{id}",
        "relationship": {**relationship, "object": "relationship"} if parent else None,
        "use_default_hierarchy_settings": True if parent else None,
        "cf_region": rng.choice(words.REGIONS),
        "cf_score": rng.randrange(101),
        "cf_newsletter": rng.random() < 0.5,
        "cf_contract_signed_at": who.created + rng.randrange(30) * DAY,
    }


def card(rng: Random, who: Person, customer_id: str, id: str) -> JsonObject:
    """The customer's primary card."""
    brand, iin, last4 = rng.choice(words.CARD_BRANDS)
    expired = rng.random() < 0.05
    value: JsonObject = {
        "payment_source_id": id,
        "status": "expired" if expired else "valid",
        "gateway": rng.choice(("stripe", "adyen")),
        "gateway_account_id": "gw_main",
        "ref_tx_id": f"ref_{id}",
        "first_name": who.first,
        "last_name": who.last,
        "iin": iin,
        "last4": last4,
        "card_type": brand,
        "funding_type": rng.choice(("credit", "debit")),
        "expiry_month": rng.randrange(1, 13),
        "expiry_year": 2024 if expired else rng.randrange(2027, 2032),
        "issuing_country": who.country,
        "billing_city": who.city,
        "billing_country": who.country,
        "billing_zip": who.zip,
        "created_at": who.created,
        "resource_version": who.created * 1000,
        "updated_at": who.created,
        "customer_id": customer_id,
        "masked_number": f"************{last4}",
        "object": "card",
    }
    return value


def retire(value: JsonObject, at: int) -> None:
    """Mark an object deleted."""
    value["deleted"] = True
    value["updated_at"] = at
    value["resource_version"] = at * 1000


def source(card: JsonObject, *, deleted: bool) -> JsonObject:
    """The payment source that a card is."""
    own = ("first_name", "last_name", "iin", "last4", "funding_type", "expiry_month", "expiry_year", "masked_number")
    return {
        "id": card["payment_source_id"],
        "resource_version": card["resource_version"],
        "updated_at": card["updated_at"],
        "created_at": card["created_at"],
        "customer_id": card["customer_id"],
        "type": "card",
        "reference_id": f"tok_{card['payment_source_id']}",
        "status": card["status"],
        "gateway": card["gateway"],
        "gateway_account_id": card["gateway_account_id"],
        "card": {
            **{name: card[name] for name in own if name in card},
            "brand": card["card_type"],
            "object": "card",
        },
        "deleted": deleted,
        "object": "payment_source",
    }


def promotion(customer: JsonObject) -> JsonObject:
    """Where a customer's promotional credits come from."""
    return {
        "id": f"pc_{customer['id']}",
        "customer_id": customer["id"],
        "type": "increment",
        "amount": customer["promotional_credits"],
        "currency_code": customer["preferred_currency_code"],
        "description": "Welcome credits",
        "credit_type": "general",
        "closing_balance": customer["promotional_credits"],
        "created_at": customer["created_at"],
        "object": "promotional_credit",
    }
