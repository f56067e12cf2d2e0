"""Filters: what the builder writes, an independent parser reads back; what is wrong is refused by name."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiochargebee_gw import Filter, RequestError, Sort
from aiochargebee_gw._prepare import draft_list
from aiochargebee_gw.fields import customer, event, invoice, item, subscription
from aiochargebee_gw.records import InvoiceStatus, SubscriptionStatus
from aiochargebee_gw.resources import customers, events, invoices, item_families, items, subscriptions

# What a type checker would refuse is tried all the same.
loose: Any = customer
loose_invoice: Any = invoice
loose_sort: Any = Sort
NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


def _read(key: str, value: str) -> tuple[str, str, Any]:
    """Reads a pair as Chargebee's documentation describes it, sharing nothing with the builder."""
    match = re.fullmatch(r"(.+)\[([a-z_]+)\]", key)
    assert match is not None
    field, operator = match.groups()
    if operator in ("in", "not_in"):
        assert re.fullmatch(r"\[(.*)(,.*)*\]", value, re.DOTALL)
        return field, operator, json.loads(value)
    if operator == "between":
        assert re.fullmatch(r"\[-?\d+,-?\d+\]", value)
        return field, operator, json.loads(value)
    return field, operator, value


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=8))
def test_texts_read_back(text: str, texts: list[str]) -> None:
    """Any text, with commas, quotes, brackets and newlines, in every operator of a text, also through the URL."""
    made = [customer.id.is_(text), customer.id.is_not(text), customer.id.starts_with(text), customer.id.not_in(texts)]
    target = draft_list(customers._LIST, None, made, {}).target
    pairs = [pair for pair in parse_qsl(target.partition("?")[2], strict_parsing=True) if pair[0].startswith("id[")]
    assert [_read(*pair) for pair in pairs] == [
        ("id", "is", text),
        ("id", "is_not", text),
        ("id", "starts_with", text),
        ("id", "not_in", texts),
    ]


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**12))
def test_numbers_read_back(low: int, span: int) -> None:
    """Whole numbers of any size and sign."""
    total = invoice.total
    made = [total.is_(low), total.is_not(low), total.lt(low), total.lte(low), total.gt(low), total.gte(low)]
    assert [_read(*one.pair)[1:] for one in made] == [
        (operator, str(low)) for operator in ("is", "is_not", "lt", "lte", "gt", "gte")
    ]
    assert _read(*total.between(low, low + span).pair) == ("total", "between", [low, low + span])


@given(st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.timezones()))
def test_moments_read_back(moment: datetime) -> None:
    """Aware datetimes of any zone become whole seconds since 1970."""
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1))
    created = customer.created_at
    made = [created.after(moment), created.before(moment), created.on(moment)]
    # What ends within a second includes that second's rows.
    up = seconds + (1 if moment.microsecond else 0)
    expected = [("after", str(seconds)), ("before", str(up)), ("on", str(seconds))]
    assert [_read(*one.pair)[1:] for one in made] == expected
    later = moment + timedelta(days=1)
    assert _read(*created.between(moment, later).pair)[2][0] == seconds


@pytest.mark.parametrize(
    ("made", "pair"),
    [
        (subscription.status.is_("active"), ("status[is]", "active")),
        (subscription.status.is_(SubscriptionStatus.ACTIVE), ("status[is]", "active")),
        (subscription.status.is_(SubscriptionStatus("brand_new")), ("status[is]", "brand_new")),
        (subscription.status.in_(["active", SubscriptionStatus.PAUSED]), ("status[in]", '["active","paused"]')),
        (customer.auto_close_invoices.is_(True), ("auto_close_invoices[is]", "true")),
        (customer.email.is_present(), ("email[is_present]", "true")),
        (customer.email.is_present(False), ("email[is_present]", "false")),
        (customer.created_at.after(date(2024, 1, 1)), ("created_at[after]", "1704067200")),
        (customer.created_at.after(1704067200), ("created_at[after]", "1704067200")),
        (customer.created_at.between(NEW_YEAR, NEW_YEAR), ("created_at[between]", "[1704067200,1704067200]")),
        (customer.relationship.parent_id.is_("p"), ("relationship[parent_id][is]", "p")),
        (item.bundle_configuration.type.is_("fixed"), ("bundle_configuration[type][is]", "fixed")),
        (invoice.einvoice.status.is_("success"), ("einvoice[status][is]", "success")),
        (customer.custom("cf_region").string.is_("EU"), ("cf_region[is]", "EU")),
        (customer.custom("cf_n").number.between(1, 2), ("cf_n[between]", "[1,2]")),
        (customer.custom("cf_t").timestamp.before(NEW_YEAR), ("cf_t[before]", "1704067200")),
        (customer.custom("cf_b").boolean.is_(False), ("cf_b[is]", "false")),
        (Filter("status", "is", "active"), ("status[is]", "active")),
        (Filter("id", "in", ("a", "b")), ("id[in]", '["a","b"]')),
        (Filter("created_at", "between", [NEW_YEAR, NEW_YEAR]), ("created_at[between]", "[1704067200,1704067200]")),
        (customer.created_at.asc(), ("sort_by[asc]", "created_at")),
        (event.occurred_at.desc(), ("sort_by[desc]", "occurred_at")),
    ],
)
def test_each_value_has_one_form(made: Filter | Sort, pair: tuple[str, str]) -> None:
    """Members, strings, booleans, dates, nested and custom fields, orders: the pair on the wire."""
    assert made.pair == pair


@pytest.mark.parametrize(
    ("make", "field", "legal"),
    [
        (lambda: loose.email.in_(["x"]), "email", "starts_with"),
        (lambda: loose.emial, "emial", "email"),
        (lambda: loose.relationship.parent, "parent", "parent_id"),
        (lambda: loose.email.is_(""), "email", "a text"),
        (lambda: loose.email.is_(5), "email", "a string"),
        (lambda: loose.email.is_("\ud800"), "email", "a text without lone surrogates"),
        (lambda: loose.id.in_([]), "id", "one value or more"),
        (lambda: loose.id.in_("abc"), "id", "a list of values"),
        (lambda: loose.id.in_(5), "id", "a list of values"),
        (lambda: loose.id.in_(["a", ""]), "id", "a text"),
        (lambda: loose.created_at.after(datetime(2024, 1, 1)), "created_at", "aware datetime"),
        (lambda: loose.created_at.after("2024-01-01"), "created_at", None),
        (lambda: loose.created_at.between(2, 1), "created_at", "low, high"),
        (lambda: loose.auto_close_invoices.is_("true"), "auto_close_invoices", "True or False"),
        (lambda: loose.email.is_present(1), "email", "True or False"),
        (lambda: subscription.status.is_("activ"), "status", "active"),
        (lambda: subscription.status.in_(["active", "nonsense"]), "status", "active"),
        (lambda: loose_invoice.total.gt(1.5), "total", "an integer"),
        (lambda: loose_invoice.total.gt(True), "total", "an integer"),
        (lambda: loose.created_at.after(1704067200000), "created_at", "Unix seconds, not milliseconds"),
        (lambda: loose.created_at.after(-1), "created_at", "Unix seconds, not milliseconds"),
        (lambda: subscription.status.is_(InvoiceStatus.PAID), "status", "active"),
        (lambda: loose.custom("region"), "region", "cf_..."),
        (lambda: loose.custom("cf_"), "cf_", "cf_..."),
        (lambda: Filter("status", "equals", "x"), "status", "is"),
        (lambda: Filter("status", "between", 5), "status", "two values"),
        (lambda: Filter("status", "is", object()), "status", None),
        (lambda: Filter.parse("status=x"), "status", "field[operator]=value"),
        (lambda: Filter.parse("status[is]"), "status[is]", "field[operator]=value"),
        (lambda: Filter.parse("[is]=x"), "[is]", "field[operator]=value"),
        (lambda: loose_sort("created_at", "up"), "created_at", "asc"),
    ],
)
def test_what_is_wrong_is_named(make: Any, field: str, legal: str | None) -> None:
    """An unknown field or operator or a bad value is a RequestError with the field and what is legal."""
    with pytest.raises(RequestError) as caught:
        make()
    assert caught.value.field == field
    assert caught.value.given
    if legal is not None:
        assert legal in caught.value.legal


def test_hasattr_understands_what_is_not_there() -> None:
    """The error for an unknown field or operator is an AttributeError too, and dunders are left alone."""
    assert not hasattr(customer, "emial")
    assert not hasattr(customer.email, "in_")
    assert not hasattr(customer.email, "__wrapped__")
    assert not hasattr(customer.relationship, "__wrapped__")
    assert repr(customer.email) == "<field customer.email: is_, is_not, is_present, starts_with>"


def test_a_filter_does_not_print_its_value() -> None:
    """An e-mail address in a filter stays out of logs."""
    assert "jane" not in repr(customer.email.is_("jane@example.com"))


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("email[is]=a=b@example.com", ("email[is]", "a=b@example.com")),
        ("created_at[after]=2024-01-01", ("created_at[after]", "1704067200")),
        ("created_at[after]=2024-01-01T01:00:00+01:00", ("created_at[after]", "1704067200")),
        ("created_at[between]=[1,2]", ("created_at[between]", "[1,2]")),
        ("created_at[between]=2024-01-01,2024-01-02", ("created_at[between]", "[1704067200,1704153600]")),
        ("id[in]=a,b", ("id[in]", '["a","b"]')),
        ('id[in]=["a,b","c"]', ("id[in]", '["a,b","c"]')),
        ("id[starts_with]=12", ("id[starts_with]", "12")),
        ("auto_close_invoices[is]=TRUE", ("auto_close_invoices[is]", "true")),
        ("email[is_present]=false", ("email[is_present]", "false")),
        ("cf_score[gt]=5", ("cf_score[gt]", "5")),
        ("cf_region[is]=EU", ("cf_region[is]", "EU")),
        ("relationship[parent_id][is]=p", ("relationship[parent_id][is]", "p")),
    ],
)
def test_filters_as_text_are_read_as_their_field_is(text: str, pair: tuple[str, str]) -> None:
    """From a command line: dates, numbers, booleans and lists become what the field's kind says."""
    assert pair in draft_list(customers._LIST, None, [Filter.parse(text)], {}).query


@pytest.mark.parametrize(
    "text",
    ["created_at[after]=yesterday", "created_at[after]=2024-02-31", "created_at[after]=2024-01-01T00:00:00",
     "auto_close_invoices[is]=1", "auto_collection[is]=maybe", "email[in]=a", "emial[is]=a", "cf_x[max]=1",
     "email[is]=", "created_at[between]=5", "cf_score[gt]=x", 'id[in]=["a","b"', "cf_region [is]=EU"],
)  # fmt: skip
def test_bad_filters_as_text_are_refused(text: str) -> None:
    """A value that is not of its field's kind, or an operator that the list does not have."""
    with pytest.raises(RequestError) as caught:
        draft_list(customers._LIST, None, [Filter.parse(text)], {})
    assert caught.value.field


@pytest.mark.parametrize(
    ("operation", "given", "params"),
    [
        (customers._LIST, [invoice.status.is_(InvoiceStatus.PAID)], {}),
        (customers._LIST, [Filter("status", "is", "x")], {}),
        (customers._LIST, [Filter("email", "in", ["x"])], {}),
        (customers._LIST, [Filter("cf_x", "is", "y", resource="plan")], {}),
        (events._LIST, [Filter("cf_x", "is", "y")], {}),
        (customers._CONTACTS_FOR_CUSTOMER, [customer.email.is_("x")], {}),
        (customers._LIST, [], {"order_by": invoice.date.asc()}),
        (item_families._LIST, [], {"order_by": customer.created_at.asc()}),
        (customers._LIST, [], {"sort_by": "created_at"}),
        (customers._LIST, [], {"limit": "5"}),
        (customers._LIST, [], {"include_deleted": "yes"}),
        (subscriptions._LIST, ["status"], {}),
        (customers._LIST, [customer.email.is_("a"), customer.email.is_("b")], {}),
        (customers._LIST, [Filter("cf_region ", "is", "EU")], {}),
    ],
)
def test_a_list_takes_its_own_filters_alone(operation: Any, given: list[Any], params: dict[str, Any]) -> None:
    """A filter, an order or a parameter of another list is refused with the operation's name."""
    id = "c1" if "{id}" in operation.path else None
    with pytest.raises(RequestError) as caught:
        draft_list(operation, id, given, params)
    assert caught.value.operation == operation.label


def test_an_escape_hatch_is_checked_as_well() -> None:
    """`Filter(...)` in strings is the field's filter: kind and values are the list's."""
    given = [Filter("status", "in", ["active"]), Filter("cf_x", "is", 5)]
    pairs = draft_list(subscriptions._LIST, None, given, {}).query
    assert ("status[in]", '["active"]') in pairs
    assert ("cf_x[is]", "5") in pairs


@pytest.mark.parametrize(
    ("operation", "sort"),
    [(customers._LIST, "created_at"), (invoices._LIST, "date"), (events._LIST, "occurred_at"), (items._LIST, "id")],
)
def test_the_documented_order_is_sent(operation: Any, sort: str) -> None:
    """Without order_by the list's own sort is sent, ascending; a list without one sends none."""
    assert ("sort_by[asc]", sort) in draft_list(operation, None, [], {}).query
    assert "sort_by[asc]" not in dict(draft_list(item_families._LIST, None, [], {}).query)
