"""Exports and the time machine: jobs that are ``in_process`` first and done a while later, on the site's time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._form import body_pairs, split_key
from aiochargebee_gw.sandbox._generic.index import paths
from aiochargebee_gw.sandbox._generic.lists import spec_of
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._life import jobs
from aiochargebee_gw.sandbox._lists import LISTS, ListSpec
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._paging import read_query, select
from aiochargebee_gw.sandbox._problems import Problem, not_found, wrong_state, wrong_value

MAX_EXPORTS = 5
PC1, PC2 = (
    ("plans", "addons"),
    (
        "item_families",
        "items",
        "item_prices",
        "attached_items",
        "differential_prices",
        "price_variants",
    ),
)
_KINDS = (
    *PC1,
    *PC2,
    "coupons",
    "customers",
    "subscriptions",
    "invoices",
    "credit_notes",
    "transactions",
    "orders",
    "ramps",
    "revenue_recognition",
    "deferred_revenue",
)
_REPORTS = ("revenue_recognition", "deferred_revenue")
_EVERYTHING = 10**9


def start(plural: str, desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /exports/<plural>``: the filters of the list, under the resource's name. A sixth at once is 429."""
    running = desk.store.matching("export", "json_extract(o.body, '$.status') = 'in_process'")
    if len(running) >= MAX_EXPORTS:
        message = f"There are {MAX_EXPORTS} exports under way already."
        raise Problem(429, "api_request_limit_exceeded", message, type="operation_failed")
    ids = [] if plural in _REPORTS else _selected(desk, call, plural)
    made = desk.create("export", {"id": f"exp_{desk.new_id()}", "operation_type": plural})
    kind = "" if plural in _REPORTS else _spec(plural).kind
    jobs.begin_export(desk, made["id"], plural, kind, ids)
    return {"export": made}


def _spec(plural: str) -> ListSpec:
    path = "items/*/attached_items" if plural == "attached_items" else plural
    return LISTS.get(plural) or spec_of(paths()["GET", path])


def _selected(desk: Desk, call: Call, plural: str) -> list[str]:
    """The ids of the rows that the filters of a call select; raises ``Problem`` (400)."""
    spec = _spec(plural)
    if plural == "ramps":
        return [row["id"] for row in desk.store.matching("ramp", "1")]
    own: list[tuple[str, str]] = []
    for key, value in body_pairs(call.body):
        match split_key(key):
            case (resource, name, operator) if resource == spec.kind:
                own.append((f"{name}[{operator}]", value))
            case (name, operator) if operator != "json":
                own.append((f"{name}[{operator}]", value))
    query = read_query(spec, urlencode(own), strict=False)
    query.limit = _EVERYTHING
    sql = select(spec, query)
    return [hit.id for hit in desk.store.select(sql.text, sql.values)]


def retrieve(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``GET /exports/{id}``: ``in_process``, then ``completed`` with a ``download``."""
    return {"export": desk.find("export", id)}


def time_machine(desk: Desk, _call: Call, name: str) -> JsonObject:
    """``GET /time_machines/delorean``: there is only that one."""
    return {"time_machine": _machine(desk, name)}


def _machine(desk: Desk, name: str) -> JsonObject:
    if name != jobs.DELOREAN:
        raise not_found("time_machine", name)
    return jobs.machine(desk)


def start_afresh(desk: Desk, call: Call, name: str) -> JsonObject:
    """``POST /time_machines/{id}/start_afresh``: all customers and what is theirs are wiped, time begins anew."""
    value = _machine(desk, name)
    params = desk.form(call, "time_machine.start_afresh")
    genesis = params.get("genesis_time") or desk.at()
    _check_free(value)
    return {"time_machine": jobs.begin_travel(desk, genesis, afresh=True)}


def travel_forward(desk: Desk, call: Call, name: str) -> JsonObject:
    """``POST /time_machines/{id}/travel_forward``: everything due on the way happens; never backwards."""
    value = _machine(desk, name)
    params = desk.form(call, "time_machine.travel_forward")
    destination = params.get("destination_time") or desk.at() + 86_400
    if destination <= desk.at():
        raise wrong_value("destination_time", "must be in the future")
    _check_free(value)
    return {"time_machine": jobs.begin_travel(desk, destination, afresh=False)}


def _check_free(value: JsonObject) -> None:
    if value["time_travel_status"] == "in_progress":
        raise wrong_state("The time machine is under way.")


def _catalog(plural: str) -> str | None:
    return "pc1" if plural in PC1 else "pc2" if plural in PC2 else None


_Operation = Callable[[Desk, Call, str], JsonObject]
_STARTS: tuple[tuple[str, str, _Operation, str | None], ...] = tuple(
    ("POST", f"exports/{plural}", partial(start, plural), _catalog(plural)) for plural in _KINDS
)
OPERATIONS = (
    *_STARTS,
    ("GET", "exports/*", retrieve, None),
    ("GET", "time_machines/*", time_machine, None),
    ("POST", "time_machines/*/start_afresh", start_afresh, None),
    ("POST", "time_machines/*/travel_forward", travel_forward, None),
)
