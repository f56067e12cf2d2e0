"""List calls: whole resources, what belongs to a customer, a subscription or an invoice, and contacts."""

from __future__ import annotations

import json

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._filters import Sql
from aiochargebee_gw.sandbox._json import JsonObject, encode
from aiochargebee_gw.sandbox._kinds import MISSING
from aiochargebee_gw.sandbox._lists import ListSpec
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._paging import Query, page, read_query
from aiochargebee_gw.sandbox._problems import wrong_value

_PARENTS = {"customers": ("customer", "o.owner"), "subscriptions": ("subscription", "o.sub")}


def answer_list(desk: Desk, call: Call, spec: ListSpec, id: str) -> bytes:
    """The body of one page; ``id`` is the parent's for nested lists. Raises ``Problem`` (400, 404)."""
    query = read_query(spec, call.query, strict=desk.strict)
    if spec.kind == "contact":
        return _contacts(desk.find("customer", id), query)
    belonging = _belonging(desk, spec, id)
    if call.lag > 0:
        belonging = joined(belonging, behind(call, desk.at() - int(call.lag)))
    return page(desk.store, spec, query, belonging)


def behind(call: Call, cutoff: int) -> Sql:
    """What a list that lags behind knows: rows made before, and where it goes by changes, changed before."""
    if "updated_at" not in call.query:
        return Sql("o.born <= ?", (cutoff,))
    return Sql("o.born <= ? AND (o.changed <= ? OR o.changed = ?)", (cutoff, cutoff, MISSING))


def joined(one: Sql | None, other: Sql) -> Sql:
    """Both conditions."""
    return other if one is None else Sql(f"{one.text} AND {other.text}", (*one.values, *other.values))


def _belonging(desk: Desk, spec: ListSpec, id: str) -> Sql | None:
    root, star, _ = (*spec.path.split("/"), "", "")[:3]
    if not star:
        return None
    if root == "invoices":
        linked = desk.find("invoice", id).get("linked_payments", [])
        marks = ", ".join("?" * len(linked))
        return Sql(f"o.id IN ({marks})", tuple(row["txn_id"] for row in linked))
    kind, column = _PARENTS[root]
    desk.find(kind, id)
    return Sql(f"{column} = ?", (id,))


def _contacts(customer: JsonObject, query: Query) -> bytes:
    """Contacts live inside their customer; the cursor names the last one seen."""
    contacts = customer.get("contacts", [])
    ids = [contact["id"] for contact in contacts]
    begin = 0
    if query.offset is not None:
        begin = _after(ids, query.offset)
    rows = contacts[begin : begin + query.limit]
    body: JsonObject = {"list": [{"contact": contact} for contact in rows]}
    if begin + query.limit < len(contacts):
        body["next_offset"] = json.dumps([rows[-1]["id"]])
    return encode(body)


def _after(ids: list[str], offset: str) -> int:
    for index, id in enumerate(ids):
        if json.dumps([id]) == offset:
            return index + 1
    raise wrong_value("offset", "invalid value; use the next_offset of the page before")
