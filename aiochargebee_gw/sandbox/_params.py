"""The parameters of the first storey's POST calls, in a small notation, and its reader.

``name`` is a string, ``name(50)`` one of at most 50 characters, ``name:i`` an integer, ``name:i(1..9)`` one from 1
to 9, ``:b`` a boolean, ``:t`` a timestamp, ``:j`` JSON, ``:f`` a number, ``:F`` a filter, ``name=a|b`` an enum,
``name!`` is required, ``name[]`` a list, ``name{...}`` an object and ``name[]{...}`` a list of objects, sent field
first. From the request schemas of the official SDKs.
"""

from __future__ import annotations

import re

from attrs import field, frozen


@frozen
class Param:
    """One parameter."""

    type: str = "s"
    values: tuple[str, ...] = ()
    required: bool = False
    many: bool = False
    fields: dict[str, Param] = field(factory=dict)
    low: float | None = None
    high: float | None = None
    longest: int | None = None


Schema = dict[str, Param]

_TOKEN = re.compile(
    r"\s*(?:([a-z_0-9]+)(\[\])?(?::([ibtjfF]))?"
    r"(?:\((?:(?P<longest>\d+)|(?P<low>-?[\d.]*?)\.\.(?P<high>[\d.]*))\))?"
    r"(?:=([\w|-]+))?(!)?(\{)?|(\}))\s*"
)


def schema(text: str) -> Schema:
    """Read the notation; raises ``ValueError`` where it is broken."""
    found, _ = _read(text, 0, inside=False)
    return found


def _read(text: str, at: int, *, inside: bool) -> tuple[Schema, int]:
    found: Schema = {}
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or (match[10] and not inside):
            raise ValueError(f"unexpected {text[at : at + 20]!r}")
        at = match.end()
        if match[10]:
            return found, at
        name, many, type, values, required, opens = match.group(1, 2, 3, 7, 8, 9)
        fields: Schema = {}
        if opens:
            fields, at = _read(text, at, inside=True)
        options = tuple(values.split("|")) if values else ()
        limits = {key: float(match[key]) if match[key] else None for key in ("low", "high")}
        longest = int(match["longest"]) if match["longest"] else None
        found[name] = Param(
            type or "s", options, required is not None, many is not None, fields, longest=longest, **limits
        )
    if inside:
        raise ValueError("unexpected end inside braces")
    return found, at


_ADDRESS = """{
    first_name last_name email company phone line1 line2 line3 city state_code state zip country
    validation_status=not_validated|valid|partially_valid|invalid
}"""
_OFFLINE = (
    "offline_payment_method=no_preference|cash|check|bank_transfer|ach_credit|sepa_credit|boleto"
    "|us_automated_bank_transfer|eu_automated_bank_transfer|uk_automated_bank_transfer"
    "|jp_automated_bank_transfer|mx_automated_bank_transfer|custom"
)
_CARD = """{
    gateway gateway_account_id tmp_token first_name last_name number expiry_month:i expiry_year:i cvv
    preferred_scheme=cartes_bancaires|mastercard|visa|dankort billing_addr1 billing_addr2 billing_city
    billing_state_code billing_state billing_zip billing_country ip_address additional_information:j
}"""
_BANK = """{
    gateway_account_id iban first_name last_name company email phone bank_name account_number routing_number
    bank_code account_type=checking|savings|business_checking|current account_holder_type=individual|company
    echeck_type=web|ppd|ccd issuing_country swedish_identity_number billing_address:j
}"""
_PAYMENT = f"""
    card{_CARD} bank_account{_BANK} token_id
    payment_method{{type gateway gateway_account_id reference_id tmp_token issuing_country additional_information:j}}
"""
_INTENT = """payment_intent{
    id gateway_account_id gw_token payment_method_type reference_id gw_payment_method_id additional_information:j
}"""
_TAX_CUSTOMER = """
    taxability=taxable|exempt entity_code=a|b|c|d|e|f|g|h|i|j|k|l|m|n|p|q|r|med1|med2 exempt_number
    taxjar_exemption_category=wholesale|government|other exemption_details[]:j
    customer_type=residential|business|senior_citizen|industrial
"""
_VAT = """
    vat_number vat_number_prefix entity_identifier_scheme entity_identifier_standard registered_for_gst:b
    is_einvoice_enabled:b einvoicing_method=automatic|manual|site_default business_customer_without_vat_number:b
"""
_LISTS = """
    entity_identifiers[]{id scheme value standard} tax_providers_fields[]{provider_name field_id field_value}
"""
_NAMES = "first_name last_name email phone company"
_AUTO = "auto_collection=on|off"
_UNIT = "=day|week|month|year"
_EVENTS = "=subscription_creation|subscription_trial_start|plan_activation|subscription_activation|contract_termination"

CUSTOMER_CREATE = schema(f"""
    id {_NAMES} preferred_currency_code {_AUTO} net_term_days:i allow_direct_debit:b {_VAT} {_TAX_CUSTOMER}
    client_profile_id locale meta_data:j {_OFFLINE} auto_close_invoices:b consolidated_invoicing:b {_PAYMENT}
    {_INTENT} billing_address{_ADDRESS} {_LISTS} business_entity_id brand_id created_from_ip invoice_notes
""")
CUSTOMER_UPDATE = schema(f"""
    {_NAMES} preferred_currency_code {_AUTO} allow_direct_debit:b net_term_days:i {_TAX_CUSTOMER}
    client_profile_id locale {_OFFLINE} invoice_notes auto_close_invoices:b meta_data:j
    fraud_flag=safe|suspicious|fraudulent consolidated_invoicing:b
    tax_providers_fields[]{{provider_name field_id field_value}}
""")
CUSTOMER_DELETE = schema("delete_payment_method:b")

_TERM = "action_at_term_end=renew|evergreen|cancel|renew_once cancellation_cutoff_period:i"
_COMMON = f"""
    id brand_id trial_end:t billing_cycles:i setup_fee:i start_date:t coupon {_AUTO} terms_to_charge:i
    billing_alignment_mode=immediate|delayed {_OFFLINE} po_number coupon_ids[] shipping_address{_ADDRESS}
    statement_descriptor{{descriptor}} invoice_notes invoice_date:t meta_data:j invoice_immediately:b {_INTENT}
    free_period:i free_period_unit{_UNIT} contract_term_billing_cycle_on_renewal:i
    trial_end_action=site_default|plan_default|activate_subscription|cancel_subscription
    payment_initiator=customer|merchant coupons[]{{coupon_id apply_till:t}}
"""
_PLAN_COMMON = f"""
    plan_id! plan_quantity:i plan_quantity_in_decimal plan_unit_price:i plan_unit_price_in_decimal
    addons[]{{id quantity:i quantity_in_decimal unit_price:i unit_price_in_decimal billing_cycles:i trial_end:t}}
    event_based_addons[]{{
        id quantity:i unit_price:i quantity_in_decimal unit_price_in_decimal service_period_in_days:i
        on_event{_EVENTS} charge_once:b charge_on=immediately|on_event
    }}
    mandatory_addons_to_remove[]
"""
SUBSCRIPTION_CREATE = schema(f"""
    {_COMMON} {_PLAN_COMMON} {_PAYMENT} {_LISTS} contract_term{{{_TERM}}} client_profile_id
    affiliate_token created_from_ip
    customer{{
        id {_NAMES} locale {_TAX_CUSTOMER} net_term_days:i {_AUTO} {_OFFLINE} allow_direct_debit:b
        consolidated_invoicing:b {_VAT}
    }}
    billing_address{_ADDRESS}
""")
SUBSCRIPTION_CREATE_FOR_CUSTOMER = schema(f"""
    {_COMMON} {_PLAN_COMMON} contract_term{{{_TERM}}} payment_source_id
    override_relationship:b replace_primary_payment_source:b
""")
_DISCOUNTS = f"""discounts[]{{
    apply_on=invoice_amount|specific_item_price duration_type=one_time|forever|limited_period! percentage:f
    amount:i period:i period_unit{_UNIT} included_in_mrr:b item_price_id quantity:i
}}"""
_TIERS = """item_tiers[]{
    item_price_id starting_unit:i ending_unit:i price:i starting_unit_in_decimal ending_unit_in_decimal
    price_in_decimal pricing_type=per_unit|flat_fee|package package_size:i
}"""
_ITEM_FIELDS = f"""
    item_price_id! quantity:i quantity_in_decimal unit_price:i unit_price_in_decimal billing_cycles:i trial_end:t
    service_period_days:i charge_on_event{_EVENTS} charge_once:b item_type=plan|addon|charge
    charge_on_option=immediately|on_event
"""
SUBSCRIPTION_CREATE_WITH_ITEMS = schema(f"""
    {_COMMON} contract_term{{{_TERM} contract_start:t}} business_entity_id
    subscription_items[]{{
        {_ITEM_FIELDS} description usage_accumulation_reset_frequency=never|subscription_billing_frequency
    }}
    {_DISCOUNTS} mandatory_items_to_remove[] {_TIERS} net_term_days:i payment_source_id override_relationship:b
    replace_primary_payment_source:b create_pending_invoices:b auto_close_invoices:b first_invoice_pending:b
    billing_override{{max_excess_payment_usage:i max_refundable_credits_usage:i}}
""")
_CANCEL = """
    cancel_option=immediately|end_of_term|specific_date|end_of_billing_term end_of_term:b cancel_at:t
    credit_option_for_current_term_charges=none|prorate|full|consumption_based unbilled_charges_option=invoice|delete
    account_receivables_handling=no_action|schedule_payment_collection|write_off
    refundable_credits_handling=no_action|schedule_refund
    contract_term_cancel_option=terminate_immediately|end_of_contract_term|specific_date|end_of_subscription_billing_term
    invoice_date:t cancel_reason_code
"""
SUBSCRIPTION_CANCEL = schema(f"""
    {_CANCEL} event_based_addons[]{{id quantity:i unit_price:i service_period_in_days:i}}
""")
SUBSCRIPTION_CANCEL_FOR_ITEMS = schema(f"""
    {_CANCEL}
    subscription_items[]{{
        item_price_id quantity:i quantity_in_decimal unit_price:i unit_price_in_decimal service_period_days:i
    }}
    include_cancellation_day_in_billing:b decommissioned:b
""")

_CHECKOUT_SUBSCRIPTION = f"""
    id trial_end:t setup_fee:i start_date:t coupon {_AUTO} {_OFFLINE} invoice_notes
    contract_term_billing_cycle_on_renewal:i
"""
_CHECKOUT = f"""
    billing_cycles:i terms_to_charge:i billing_alignment_mode=immediate|delayed coupon_ids[]
    card{{gateway gateway_account_id}} redirect_url cancel_url pass_thru_content allow_offline_payment_methods:b
    billing_address{_ADDRESS} shipping_address{_ADDRESS}
    contract_term{{{_TERM}}}
"""
_CHECKOUT_CUSTOMER = f"id {_NAMES} locale taxability=taxable|exempt vat_number vat_number_prefix"
CHECKOUT_NEW_FOR_ITEMS = schema(f"""
    {_CHECKOUT} subscription{{{_CHECKOUT_SUBSCRIPTION} po_number}} layout=in_app|full_page business_entity_id brand_id
    customer{{
        {_CHECKOUT_CUSTOMER} is_einvoice_enabled:b entity_identifier_scheme entity_identifier_standard
        einvoicing_method=automatic|manual|site_default
    }}
    subscription_items[]{{{_ITEM_FIELDS}}} {_DISCOUNTS} mandatory_items_to_remove[] {_TIERS}
    entity_identifiers[]{{id scheme value operation=create|update|delete standard}}
""")
CHECKOUT_NEW = schema(f"""
    {_CHECKOUT}
    subscription{{
        {_CHECKOUT_SUBSCRIPTION} plan_id! plan_quantity:i plan_quantity_in_decimal plan_unit_price:i
        plan_unit_price_in_decimal affiliate_token
    }}
    customer{{{_CHECKOUT_CUSTOMER} consolidated_invoicing:b}}
    addons[]{{id quantity:i quantity_in_decimal unit_price:i unit_price_in_decimal billing_cycles:i}}
    event_based_addons[]{{
        id quantity:i unit_price:i quantity_in_decimal unit_price_in_decimal service_period_in_days:i
        on_event{_EVENTS} charge_once:b charge_on=immediately|on_event
    }}
    mandatory_addons_to_remove[] embed:b iframe_messaging:b
""")
MANAGE_PAYMENT_SOURCES = schema(
    "business_entity_id brand_id customer{id!} redirect_url card{gateway gateway_account_id}"
)
PORTAL_SESSION_CREATE = schema("customer{id!} redirect_url forward_url")
INVOICE_PDF = schema("disposition_type=attachment|inline")
