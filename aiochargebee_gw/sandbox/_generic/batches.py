"""The POSTs that answer a list: entitlements are put, changed or taken away many at once."""

from __future__ import annotations

from aiochargebee_gw.sandbox._catalogue import Operation, describe
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._generic import rows
from aiochargebee_gw.sandbox._generic.index import kept, main_entry, parent_of
from aiochargebee_gw.sandbox._generic.lists import link
from aiochargebee_gw.sandbox._generic.params import read
from aiochargebee_gw.sandbox._generic.values import fitting
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._messages import Call


def answer_batch(desk: Desk, call: Call, operation: Operation, id: str) -> JsonObject:
    """``{"list": [...]}`` with one row for each that was sent; raises ``Problem`` (400, 404)."""
    parent = parent_of(operation)
    if parent in kept():
        rows.find(desk, parent, id)
    params = read(desk, call, operation)
    main = main_entry(operation)
    resource = main.resource if main is not None else operation.resource
    name = link(parent, resource) if parent else None
    shared = {key: value for key, value in params.items() if not isinstance(value, list) and value is not None}
    if name is not None:
        shared[name] = id
    sent = next((value for value in params.values() if isinstance(value, list)), [])
    answers = [_one(desk, resource, {**shared, **row}, params.get("action")) for row in sent]
    return {"list": [{resource: value} for value in answers]}


def _one(desk: Desk, resource: str, given: JsonObject, action: object) -> JsonObject:
    """One row: it is the same as a stored one where all the ids that were sent are the same."""
    attributes = describe().attributes(resource)
    given = {name: value for name, value in given.items() if value is not None}
    ids = {name: value for name, value in given.items() if name.endswith("_id") and name in attributes}
    known = rows.where(desk, resource, ids) if ids else []
    if not known:
        return rows.create(desk, resource, given)
    id, value = known[0]
    if action == "remove":
        return rows.discard(desk, resource, value, id)
    return rows.save(desk, resource, value, fitting(resource, given), id)
