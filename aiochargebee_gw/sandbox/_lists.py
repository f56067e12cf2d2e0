"""The lists of the first storey: rows, filters, sort attributes and flags of each path.

The filter letters: S = is is_not starts_with in not_in, s = is is_not starts_with, E = is is_not in not_in,
N = is is_not lt lte gt gte between, T = after before on between, B = is, I = is (a string), Q = is
is_present (a string), X = a boolean that selects nothing; a ``+`` adds is_present. ``name=a|b`` gives the
known values of an enum, ``parent[child]`` is a nested filter. From the request schemas of the official
SDKs (https://apidocs.chargebee.com/docs/api/list-ops).
"""

from __future__ import annotations

import re

from attrs import field, frozen

from aiochargebee_gw.sandbox._filters import Field

_LETTERS = {
    "S": ("string", "is is_not starts_with in not_in"),
    "s": ("string", "is is_not starts_with"),
    "E": ("enum", "is is_not in not_in"),
    "N": ("number", "is is_not lt lte gt gte between"),
    "T": ("timestamp", "after before on between"),
    "B": ("boolean", "is"),
    "I": ("string", "is"),
    "Q": ("string", "is is_present"),
    "X": ("none", "is"),
}
_CHANNEL = "channel=web|app_store|play_store"
_OFFLINE = (
    "offline_payment_method=no_preference|cash|check|bank_transfer|ach_credit|sepa_credit|boleto"
    "|us_automated_bank_transfer|eu_automated_bank_transfer|uk_automated_bank_transfer"
    "|jp_automated_bank_transfer|mx_automated_bank_transfer|custom"
)
_MODEL = "pricing_model=flat_fee|per_unit|tiered|volume|stairstep"
_STATUS = "status=active|archived|deleted"
_UNITS = "day|week|month|year"

_CUSTOMERS = f"""
s relationship[parent_id] relationship[payment_owner_id] relationship[invoice_owner_id]
S id
s+ first_name last_name email company phone
E auto_collection=on|off taxability=taxable|exempt|zero_rated {_OFFLINE} {_CHANNEL}
T created_at updated_at
B auto_close_invoices
I business_entity_id
"""
_SUBSCRIPTIONS = f"""
S id customer_id plan_id item_id item_price_id cancel_reason_code
E status=future|in_trial|active|non_renewing|paused|cancelled|transferred {_OFFLINE} {_CHANNEL}
E+ cancel_reason=not_paid|no_card|fraud_review_failed|non_compliant_eu_customer|tax_calculation_failed\
|currency_incompatible_with_gateway|non_compliant_customer
N+ remaining_billing_cycles
T created_at next_billing_at cancelled_at updated_at
T+ activated_at
B has_scheduled_changes auto_close_invoices override_relationship decommissioned
I business_entity_id
"""
_INVOICES = f"""
E einvoice[status]=scheduled|skipped|in_progress|success|failed|registered|accepted|rejected\
|message_acknowledgement|in_process|under_query|conditionally_accepted\
|paid|posted|payment_due|not_paid|voided|pending
E status=paid|posted|payment_due|not_paid|voided|pending price_type=tax_exclusive|tax_inclusive {_CHANNEL}
S id customer_id payment_owner void_reason_code
S+ subscription_id
B recurring
T date paid_at updated_at voided_at
N total amount_paid amount_adjusted credits_applied amount_due
E+ dunning_status=in_progress|exhausted|stopped|success
"""
_TRANSACTIONS = """
S id gateway_account_id
S+ customer_id subscription_id payment_source_id
E payment_method gateway type=authorization|payment|refund|payment_reversal
E status=in_progress|success|voided|failure|timeout|needs_attention|late_failure
s id_at_gateway
s+ reference_number
T date updated_at
N amount amount_capturable
"""
_ITEMS = f"""
E bundle_configuration[type]=fixed|plan|addon|charge
E type=plan|addon|charge item_applicability=all|restricted {_STATUS} {_CHANNEL}
E usage_calculation=sum_of_usages|last_usage|max_usage
S id item_family_id
s name
B is_giftable enabled_for_checkout enabled_in_portal metered
X include_site_level_resources
T updated_at
Q business_entity_id
"""
_ITEM_PRICES = f"""
S id name item_id item_family_id currency_code price_variant_id
E {_MODEL} item_type=plan|addon|charge trial_period_unit=day|month {_STATUS} period_unit={_UNITS} {_CHANNEL}
N trial_period period
T updated_at
Q business_entity_id
X include_site_level_resources
"""
_ITEM_FAMILIES = """
S id
s name
T updated_at
Q business_entity_id
X include_site_level_resources
"""
_PLANS = f"""
S id name currency_code
N price period
E period_unit={_UNITS} trial_period_unit=day|month addon_applicability=all|restricted
E charge_model=flat_fee|per_unit|tiered|volume|stairstep {_MODEL} {_STATUS} {_CHANNEL}
N+ trial_period
B giftable
T updated_at
"""
_HOSTED_PAGES = """
S id
E type=checkout_new|checkout_existing|update_card|update_payment_method|manage_payment_sources|collect_now\
|extend_subscription|checkout_one_time|pre_cancel|view_voucher|accept_quote|checkout_gift|claim_gift
E state=created|requested|succeeded|cancelled|failed|acknowledged
T updated_at
"""
_EVENTS = """
S id
E webhook_status=not_configured|scheduled|succeeded|re_scheduled|failed|skipped|not_applicable|disabled|rate_limited
E event_type source=admin_console|api|bulk_operation|scheduled_job|hosted_page|portal|system|none|js_api\
|migration|external_service
T occurred_at
"""
_PRICE_MEMBER = (
    "EXISTS (SELECT 1 FROM json_each(o.body, '$.subscription_items') AS e "
    "JOIN objects AS p ON p.kind = 'item_price' AND p.id = json_extract(e.value, '$.item_price_id') WHERE {})"
)
_MEMBERS = {
    # The vendor calls both "the" item of a subscription; here any of its items counts.
    ("subscription", "item_price_id"): (_PRICE_MEMBER, "p.id"),
    ("subscription", "item_id"): (_PRICE_MEMBER, "json_extract(p.body, '$.item_id')"),
}


@frozen
class Plain:
    """A parameter that filters without brackets: ``start_time`` on events, ``paid_on_after`` on invoices."""

    expression: str
    comparison: str


@frozen
class ListSpec:
    """One list path. ``catalog`` is the only Product Catalog that has it, else None."""

    path: str
    kind: str
    fields: dict[str, Field] = field(factory=dict)
    sort: tuple[str, ...] = ()
    deleted: bool = False
    custom: bool = False
    beside: tuple[str, ...] = ()
    plain: dict[str, Plain] = field(factory=dict)
    catalog: str | None = None


def column(kind: str, name: str) -> tuple[str, bool]:
    """SQL for an attribute, and whether it is a sort column that holds ``MISSING`` for absent values."""
    if name == "id":
        return "o.id", False
    if name == "updated_at":
        return "o.changed", True
    if name == _BORN.get(kind):
        return "o.born", True
    if name == "customer_id" and kind != "customer":
        return "o.owner", False
    if name == "subscription_id":
        return "o.sub", False
    return f"json_extract(o.body, '$.{name.replace('[', '.').rstrip(']')}')", False


_BORN = {
    "customer": "created_at",
    "subscription": "created_at",
    "hosted_page": "created_at",
    "invoice": "date",
    "transaction": "date",
    "event": "occurred_at",
}
_TOKEN = re.compile(r"([a-z_]+(?:\[[a-z_]+\])?)(?:=(\S+))?\Z")


def _fields(kind: str, text: str) -> dict[str, Field]:
    found: dict[str, Field] = {}
    for line in text.split("\n"):
        if line:
            code, *tokens = line.split()
            for token in tokens:
                name, one = _field(kind, code, token)
                found[name] = one
    return found


def _field(kind: str, code: str, token: str) -> tuple[str, Field]:
    match = _TOKEN.match(token)
    if match is None:
        raise ValueError(f"not a filter token: {token!r}")
    name = match[1]
    type, operators = _LETTERS[code[0]]
    names = tuple(operators.split()) + (("is_present",) if code.endswith("+") else ())
    values = tuple(match[2].split("|")) if match[2] else ()
    if (kind, name) in _MEMBERS:
        member, expression = _MEMBERS[kind, name]
        return name, Field(type, names, expression, values, member=member)
    expression, sentinel = column(kind, name)
    indexed = name == "id" or (kind, name) == ("customer", "email")
    return name, Field(type, names, expression, values, sentinel=sentinel, indexed=indexed)


_TIMES = ("created_at", "updated_at")
_DATES = ("date", "updated_at")
_NAMES = ("name", "id", "updated_at")
_PAID_ON = {"paid_on_after": Plain("json_extract(o.body, '$.paid_at')", ">")}
_BETWEEN = {"start_time": Plain("o.born", ">="), "end_time": Plain("o.born", "<=")}

LISTS: dict[str, ListSpec] = {
    spec.path: spec
    for spec in (
        ListSpec("customers", "customer", _fields("customer", _CUSTOMERS), _TIMES, True, True, ("card",)),
        ListSpec(
            "subscriptions",
            "subscription",
            _fields("subscription", _SUBSCRIPTIONS),
            _TIMES,
            True,
            True,
            ("customer", "card"),
        ),
        ListSpec("invoices", "invoice", _fields("invoice", _INVOICES), _DATES, True, plain=_PAID_ON),
        ListSpec("transactions", "transaction", _fields("transaction", _TRANSACTIONS), _DATES, True),
        ListSpec("items", "item", _fields("item", _ITEMS), _NAMES, catalog="pc2"),
        ListSpec("item_prices", "item_price", _fields("item_price", _ITEM_PRICES), _NAMES, catalog="pc2"),
        ListSpec("item_families", "item_family", _fields("item_family", _ITEM_FAMILIES), custom=True, catalog="pc2"),
        ListSpec("plans", "plan", _fields("plan", _PLANS), (), True, True, catalog="pc1"),
        ListSpec("hosted_pages", "hosted_page", _fields("hosted_page", _HOSTED_PAGES)),
        ListSpec("webhook_endpoints", "webhook_endpoint"),
        ListSpec("events", "event", _fields("event", _EVENTS), ("occurred_at",), plain=_BETWEEN),
        ListSpec("customers/*/subscriptions", "subscription"),
        ListSpec("customers/*/invoices", "invoice"),
        ListSpec("customers/*/transactions", "transaction"),
        ListSpec("customers/*/contacts", "contact"),
        ListSpec("subscriptions/*/invoices", "invoice"),
        ListSpec("subscriptions/*/transactions", "transaction"),
        ListSpec("invoices/*/payments", "transaction"),
    )
}
