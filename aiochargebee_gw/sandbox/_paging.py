"""Keyset paging: parameters of a list call → one SQL query → one page.

``next_offset`` is a JSON array of strings, as a string: ``["1506418802000","122000000064"]``, the sort value
of the last row in milliseconds and its internal row id; absent on the last page. ``limit`` is 1 to 100,
10 by default (https://apidocs.chargebee.com/docs/api/list-ops). Unknown parameters and operators are ignored,
as the live API does (https://github.com/chargebee/chargebee-typescript/issues/17), unless ``strict``.
"""

from __future__ import annotations

import json
import re

from attrs import define, evolve, field, frozen

from aiochargebee_gw.sandbox import _values
from aiochargebee_gw.sandbox._custom_fields import custom_field
from aiochargebee_gw.sandbox._filters import Sql, compile_filter
from aiochargebee_gw.sandbox._form import first_values
from aiochargebee_gw.sandbox._json import decode_object, encode
from aiochargebee_gw.sandbox._kinds import MISSING
from aiochargebee_gw.sandbox._lists import ListSpec, Plain, column
from aiochargebee_gw.sandbox._problems import unknown_param, wrong_format, wrong_value
from aiochargebee_gw.sandbox._store import Hit, Store, Value

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
_FILTER = re.compile(r"([A-Za-z0-9_]+(?:\[[a-z0-9_]+\])?)\[([a-z_]+)\]\Z")
_TEXTS = ("name", "id", "status")
_AXES = ("o.born", "o.changed")
_DIGITS = re.compile(r"\d{1,19}\Z", re.ASCII)


@frozen
class Order:
    """The sort of one list call; ``numeric`` sort values travel as milliseconds."""

    expression: str = "o.born"
    descending: bool = False
    numeric: bool = True


@define
class Query:
    """One list call, read from its parameters."""

    limit: int = DEFAULT_LIMIT
    offset: str | None = None
    order: Order = field(factory=Order)
    include_deleted: bool = False
    conditions: list[Sql] = field(factory=list)


def read_query(spec: ListSpec, text: str, *, strict: bool) -> Query:
    """Read a list call's query string; raises ``Problem`` (400) for a bad value of a known parameter."""
    query = Query()
    for param, value in first_values(text).items():
        if not _read_param(query, spec, param, value) and strict:
            raise unknown_param(param)
    return query


def _read_param(query: Query, spec: ListSpec, param: str, value: str) -> bool:
    if param == "limit":
        query.limit = _limit(value)
    elif param == "offset":
        query.offset = value
    elif param == "include_deleted" and spec.deleted:
        query.include_deleted = _flag(param, value)
    elif param in ("sort_by[asc]", "sort_by[desc]") and spec.sort:
        query.order = _order(spec, param, value)
    elif param in spec.plain:
        query.conditions.append(_plain(spec.plain[param], param, value))
    else:
        return _read_filter(query, spec, param, value)
    return True


def _read_filter(query: Query, spec: ListSpec, param: str, value: str) -> bool:
    match = _FILTER.match(param)
    if match is None:
        return False
    name, operator = match[1], match[2]
    known = spec.fields.get(name)
    if known is None and spec.custom and name.startswith("cf_"):
        known = custom_field(spec.kind, name, operator)
    if known is None or operator not in known.operators:
        return False
    query.conditions.append(compile_filter(known, operator, value, param))
    return True


def _limit(value: str) -> int:
    try:
        limit = _values.integer(value)
    except ValueError as error:
        raise wrong_format("limit", str(error)) from error
    if not 1 <= limit <= MAX_LIMIT:
        raise wrong_value("limit", f"must be between 1 and {MAX_LIMIT}")
    return limit


def _flag(param: str, value: str) -> bool:
    try:
        return _values.boolean(value)
    except ValueError as error:
        raise wrong_format(param, str(error)) from error


def _plain(plain: Plain, param: str, value: str) -> Sql:
    try:
        return Sql(f"{plain.expression} {plain.comparison} ?", (_values.timestamp(value),))
    except ValueError as error:
        raise wrong_format(param, str(error)) from error


def _order(spec: ListSpec, param: str, value: str) -> Order:
    if value not in spec.sort:
        raise wrong_value(param, f"cannot sort by {value!r}; use {' or '.join(spec.sort)}")
    expression, _ = column(spec.kind, value)
    numeric = value not in _TEXTS
    if expression.startswith("json_extract"):
        # NULL compares with nothing: a row without the attribute would be on no page behind the first.
        expression = f"COALESCE({expression}, {MISSING})" if numeric else f"COALESCE(CAST({expression} AS TEXT), '')"
    return Order(expression, param == "sort_by[desc]", numeric)


def encode_cursor(order: Order, hit: Hit) -> str:
    """``["<sort value>","<row id>"]``; a row without a time sorts as ``MISSING``."""
    value = str(int(hit.sort) * 1000) if order.numeric else str(hit.sort)
    return json.dumps([value, str(hit.row)], separators=(",", ":"), ensure_ascii=False)


def decode_cursor(order: Order, text: str) -> tuple[int | str, int]:
    """The sort value (seconds, or text) and row id of a cursor; raises ``Problem`` (400, ``offset``)."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    match found:
        case [str() as value, str() as row] if _DIGITS.match(row):
            if not order.numeric and _is_text(value):
                return value, _row(row)
            if order.numeric and _DIGITS.match(value):
                return int(value) // 1000, _row(row)
    raise wrong_value("offset", "invalid value; use the next_offset of the page before")


def _row(text: str) -> int:
    # SQLite's integers end at 2**63 - 1.
    return min(int(text), 2**63 - 1)


def _is_text(value: str) -> bool:
    # A lone surrogate cannot be bound.
    return not any("\ud800" <= character <= "\udfff" for character in value)


def select(spec: ListSpec, query: Query, base: Sql | None = None) -> Sql:
    """The SQL of one page, one row longer than asked, to see whether there is a next one."""
    order = query.order
    conditions = [] if base is None else [base]
    if not query.include_deleted:
        conditions.append(Sql("o.deleted = 0"))
    conditions += query.conditions
    direction, comparison = ("DESC", "<") if order.descending else ("ASC", ">")
    # A unary plus keeps SQLite from walking the sort index where another one has the few rows at hand.
    key = f"+{order.expression}" if any(condition.narrow for condition in conditions) else order.expression
    if query.offset is not None:
        cursor = decode_cursor(order, query.offset)
        conditions = [_beyond(condition, order, comparison) for condition in conditions]
        conditions.append(Sql(f"({key}, o.row) {comparison} (?, ?)", cursor))
    where = "".join(f" AND {condition.text}" for condition in conditions)
    values: list[Value] = [value for condition in conditions for value in condition.values]
    # Names come from this package's own tables, values are bound.
    text = (
        f"SELECT {order.expression}, o.row, o.id, o.owner, CAST(o.body AS BLOB) FROM objects AS o "  # noqa: S608
        f"WHERE o.kind = '{spec.kind}'{where} "
        f"ORDER BY {key} {direction}, o.row {direction} LIMIT ?"
    )
    return Sql(text, (*values, query.limit + 1))


def _beyond(condition: Sql, order: Order, comparison: str) -> Sql:
    """The condition of a page behind the first: where it begins is the cursor's to say.

    SQLite takes one bound for each end of an index: at the filter's own it would walk through all pages before.
    """
    if order.expression not in _AXES:
        return condition
    bound = f"{order.expression} {comparison}"
    return evolve(condition, text=re.sub(rf"(?<![+\w]){re.escape(bound)}", f"+{bound}", condition.text))


def page(store: Store, spec: ListSpec, query: Query, base: Sql | None = None) -> bytes:
    """The body of one page: ``{"list":[...],"next_offset":"..."}``."""
    sql = select(spec, query, base)
    hits = store.select(sql.text, sql.values)
    more = len(hits) > query.limit
    hits = hits[: query.limit]
    body = b'{"list":[' + b",".join(_rows(store, spec, hits)) + b"]"
    if more:
        body += b',"next_offset":' + encode(encode_cursor(query.order, hits[-1]))
    return body + b"}"


def _rows(store: Store, spec: ListSpec, hits: list[Hit]) -> list[bytes]:
    head = b'{"' + spec.kind.encode() + b'":'
    if not spec.beside or not hits:
        return [head + hit.body + b"}" for hit in hits]
    if "subscription" in spec.beside:
        return [_gift(store, head, hit) for hit in hits]
    # A customer's own id, or the id of the customer that a subscription belongs to.
    people = [hit.id if spec.kind == "customer" else hit.owner or "" for hit in hits]
    customers = store.texts("customer", "id", people) if "customer" in spec.beside else {}
    cards = store.texts("card", "owner", people) if "card" in spec.beside else {}
    rows: list[bytes] = []
    for hit, person in zip(hits, people, strict=True):
        parts = [head, hit.body]
        if person in customers:
            parts += [b',"customer":', customers[person]]
        if person in cards:
            parts += [b',"card":', cards[person]]
        rows.append(b"".join([*parts, b"}"]))
    return rows


def _gift(store: Store, head: bytes, hit: Hit) -> bytes:
    """A gift comes with the subscription that its receiver has."""
    subscription = store.text("subscription", decode_object(hit.body)["gift_receiver"]["subscription_id"])
    return head + hit.body + (b',"subscription":' + subscription if subscription else b"") + b"}"
