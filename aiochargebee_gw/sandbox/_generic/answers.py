"""Every operation without a state machine: what it reads, makes, changes or deletes, by its description alone."""

from __future__ import annotations

from attrs import define, field

from aiochargebee_gw.sandbox._catalogue import Operation, describe
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._generic import rows
from aiochargebee_gw.sandbox._generic.index import Entry, entries, kept, main_entry, parent_of
from aiochargebee_gw.sandbox._generic.lists import link
from aiochargebee_gw.sandbox._generic.params import read
from aiochargebee_gw.sandbox._generic.values import fitting, made, plausible
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._kinds import kind_of
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._problems import not_found

_DELETE = ("delete", "delete_local", "delete_offline_transaction", "delete_usage")
_STATUS = {
    "activate": ("active", "activated"),
    "archive": ("archived",),
    "cancel": ("cancelled",),
    "claim": ("claimed",),
    "deactivate": ("inactive", "disabled", "deactivated"),
    "logout": ("logged_out",),
    "pause": ("paused",),
    "reactivate": ("active",),
    "resume": ("active",),
    "unarchive": ("active",),
    "void": ("voided",),
}
_ALWAYS_NEW = ("transaction", "credit_note")
"""A call that moves money makes one of these, however many the customer has."""
_ADDRESSED = {"customers/merge": "to_customer_id"}
_REFERRED = ("customer", "subscription")


@define
class _Work:
    """One call under way; ``links`` are the ids that what is made will carry, ``main`` what the call is about."""

    desk: Desk
    operation: Operation
    params: JsonObject
    parent: str
    holder: JsonObject | None
    main: JsonObject = field(factory=dict)
    links: JsonObject = field(factory=dict)

    @property
    def path(self) -> str:
        return self.operation.path.strip("/")

    @property
    def verb(self) -> str:
        """``archive`` of ``/credit_units/{id}/archive_command``, "" where the path ends with the id."""
        return self.path.rpartition("/")[2].removesuffix("_command").replace("{id}", "")


def answer(desk: Desk, call: Call, operation: Operation, id: str) -> JsonObject:
    """The answer's object; raises ``Problem`` (400 for parameters, 404 for what is not there)."""
    parent = parent_of(operation)
    holder = rows.find(desk, parent, id) if parent in kept() else None
    params = read(desk, call, operation)
    work = _Work(desk, operation, params, parent, holder)
    if holder is not None:
        work.links |= _inherited(parent, holder)
    if call.method == "GET":
        found = {entry.name: _read(work, entry) for entry in entries(operation)}
    else:
        _check_references(work)
        found = _written(work)
    return {name: value for name, value in found.items() if value is not None}


def _inherited(resource: str, value: JsonObject) -> JsonObject:
    """The ids that a row passes on to what is made for it."""
    own = value.get(kind_of(resource).key)
    names = ("customer_id", "subscription_id", "business_entity_id")
    return {name: value[name] for name in names if name in value} | ({f"{resource}_id": own} if own else {})


def _check_references(work: _Work) -> None:
    for resource in _REFERRED:
        id = work.params.get(f"{resource}_id")
        if id is not None and resource != work.operation.resource:
            value = rows.find(work.desk, resource, id, param=f"{resource}_id")
            work.links = _inherited(resource, value) | work.links


def _read(work: _Work, entry: Entry) -> object:
    """What a GET answers under one key; raises ``Problem`` (404) where it must be there and is not."""
    if not entry.resource:
        return plausible(work.desk, entry.name, entry.shape)
    if entry.resource == work.parent and not entry.many and work.holder is not None:
        return work.holder
    if entry.resource not in kept():
        value = _fleeting(work, entry)
        return [value] if entry.many else value
    if entry.many:
        name = link(work.parent, entry.resource)
        wanted = {name: work.links.get(f"{work.parent}_id")} if name else {}
        return [row for _, row in rows.where(work.desk, entry.resource, wanted)]
    found = _related(work, entry.resource) or _described(work, entry.resource)
    if found is None and entry.required:
        raise not_found(entry.resource, str(work.params.get("id", "")))
    return found


def _described(work: _Work, resource: str) -> JsonObject | None:
    """The row that a call without a path id means: it has the values of all required parameters."""
    attributes = describe().attributes(resource)
    names = [name for name, shape in work.operation.params.items() if shape.required and name in attributes]
    found = rows.where(work.desk, resource, {name: work.params[name] for name in names}) if names else []
    return found[0][1] if found else None


def _related(work: _Work, resource: str) -> JsonObject | None:
    """The row of a resource that the parameters or the rows at hand refer to."""
    inner = work.params.get(resource)
    id = work.params.get(f"{resource}_id") or (inner.get("id") if isinstance(inner, dict) else None)
    id = id or _reference(work.main or work.holder or {}, f"{resource}_id") or work.links.get(f"{resource}_id")
    if resource == "card":
        customer = work.links.get("customer_id") or work.main.get("customer_id") or work.main.get("id")
        return work.desk.card_of(customer) if customer else None
    value = work.desk.store.get(resource, id) if isinstance(id, str) else None
    return None if value is None or rows.is_deleted(value) else value


def _reference(value: JsonObject, name: str) -> str | None:
    """An id in a row or in one of its parts, the last part first: a gift's receiver holds its subscription."""
    parts = [part for part in value.values() if isinstance(part, dict)]
    return next((found[name] for found in (value, *reversed(parts)) if isinstance(found.get(name), str)), None)


def _written(work: _Work) -> JsonObject:
    main = main_entry(work.operation)
    found: JsonObject = dict.fromkeys(work.operation.answer)
    others = [entry for entry in entries(work.operation) if main is None or entry.name != main.name]
    # Who pays is settled first, so that what is made belongs to them.
    before = [entry for entry in others if entry.resource == "customer"]
    for entry in before:
        found[entry.name] = _beside(work, entry)
    if main is not None:
        found[main.name] = _main(work, main)
    for entry in others:
        if entry not in before:
            found[entry.name] = _beside(work, entry)
    return found


def _main(work: _Work, entry: Entry) -> object:
    if not entry.resource:
        return True if entry.shape.kind == "bool" else plausible(work.desk, entry.name, entry.shape)
    if entry.resource not in kept():
        value = _fleeting(work, entry)
        return [value] if entry.many else value
    existing = _addressed(work, entry.resource)
    if existing is not None:
        work.main = _changed(work, entry.resource, *existing)
        return [work.main] if entry.many else work.main
    given = work.params.get(entry.name) if entry.many else None
    made = [_create(work, entry.resource, one) for one in (given if isinstance(given, list) else [{}])]
    work.main = made[-1] if made else {}
    return made if entry.many else work.main


def _addressed(work: _Work, resource: str) -> tuple[str, JsonObject] | None:
    """The row that a POST changes, with the id it is stored under; None where it makes one."""
    if resource == work.parent and work.holder is not None:
        return work.holder.get(kind_of(resource).key, ""), work.holder
    id = work.params.get(_ADDRESSED.get(work.path, "id" if work.verb in _DELETE else ""))
    if id is not None:
        return id, rows.find(work.desk, resource, id, param="id")
    if not kind_of(resource).key:
        wanted = {name: work.params[name] for name, shape in work.operation.params.items() if shape.required}
        return next(iter(rows.where(work.desk, resource, wanted)), None)
    return None


def _changed(work: _Work, resource: str, id: str, value: JsonObject) -> JsonObject:
    if work.verb in _DELETE:
        return rows.discard(work.desk, resource, value, id)
    attributes = describe().attributes(resource)
    changes = fitting(resource, _given(work, resource)) | _part_changes(work, resource, value)
    changes.pop(kind_of(resource).key, None)
    changes = {name: new for name, new in changes.items() if new is not None or not attributes[name].required}
    options = describe().options(attributes["status"].values) if "status" in attributes else ()
    status = next((one for one in _STATUS.get(work.verb, ()) if one in options), None)
    if status is not None:
        changes["status"] = status
    saved = rows.save(work.desk, resource, value, changes, id)
    rows.announce(work.desk, resource, saved, *([status] if status else []), "updated", "changed")
    return saved


def _part_changes(work: _Work, resource: str, value: JsonObject) -> JsonObject:
    """``add_contact``, ``update_contact`` and ``delete_contact`` change a list in the object; 404 for no such part."""
    action, _, part = work.verb.partition("_")
    sent, many = work.params.get(part), f"{part}s"
    if action not in ("add", "update", "delete") or not isinstance(sent, dict):
        return {}
    if many not in describe().attributes(resource):
        return {}
    parts = list(value.get(many, []))
    told = {name: one for name, one in sent.items() if one is not None}
    if action == "add":
        return {many: [*parts, {"id": work.desk.new_id(), **told}]}
    at = next((index for index, one in enumerate(parts) if one.get("id") == told.get("id")), None)
    if at is None:
        raise not_found(part, str(told.get("id", "")), f"{part}[id]")
    return {many: [*parts[:at], *([{**parts[at], **told}] if action == "update" else []), *parts[at + 1 :]]}


def _given(work: _Work, resource: str) -> JsonObject:
    inner = work.params.get(resource)
    return {**work.params, **(inner if isinstance(inner, dict) else {})}


def _create(work: _Work, resource: str, row: JsonObject) -> JsonObject:
    given = {**_links(work, resource), **_given(work, resource), **row}
    return rows.create(work.desk, resource, {name: value for name, value in given.items() if value is not None})


def _links(work: _Work, resource: str) -> JsonObject:
    name = link(work.parent, resource) if work.parent else None
    own = {name: work.links[f"{work.parent}_id"]} if name and f"{work.parent}_id" in work.links else {}
    return {**work.links, **own}


def _fleeting(work: _Work, entry: Entry) -> JsonObject:
    """An object that nobody can ask for again, so that none is kept."""
    given = {**_links(work, entry.resource), **_given(work, entry.resource)}
    return made(work.desk, entry.resource, {name: value for name, value in given.items() if value is not None})


def _beside(work: _Work, entry: Entry) -> object:
    """What a POST answers beside its main object: what is there, else new where it must be there."""
    if entry.resource == work.parent and work.holder is not None:
        return work.holder
    if entry.many or not entry.resource:
        return plausible(work.desk, entry.name, entry.shape) if entry.required else None
    value = None if entry.resource in _ALWAYS_NEW else _related(work, entry.resource)
    if value is None and entry.required:
        inner = work.params.get(entry.resource)
        told = {
            "id": _reference(work.main, f"{entry.resource}_id"),
            "customer_id": _reference(work.main, "customer_id"),
        }
        given = {**_links(work, entry.resource), **{name: id for name, id in told.items() if id}}
        given |= inner if isinstance(inner, dict) else {}
        value = rows.create(work.desk, entry.resource, given)
    if value is not None and entry.resource == "customer":
        work.links["customer_id"] = value["id"]
    return value
