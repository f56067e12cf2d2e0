"""Which call is answered by which function, and in which Product Catalog it exists."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from attrs import frozen

from aiochargebee_gw.sandbox import _generic
from aiochargebee_gw.sandbox._calls import (
    cancelling,
    collecting,
    couponing,
    crediting,
    customers,
    exporting,
    invoicing,
    offers,
    pausing,
    payment_sources,
    quotes,
    reads,
    sessions,
    subscriptions,
    updating,
    webhook_endpoints,
)
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, encode
from aiochargebee_gw.sandbox._listing import answer_list
from aiochargebee_gw.sandbox._lists import LISTS, ListSpec
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._problems import Problem

Handler = Callable[[Desk, Call, str], bytes]
Operation = Callable[[Desk, Call, str], JsonObject]
_WORDS = re.compile(r"[a-z_*/]+\Z")


@frozen
class Route:
    """One operation; ``catalog`` is ``pc1`` or ``pc2`` where only that one has it."""

    handler: Handler
    catalog: str | None = None


def _object(operation: Operation) -> Handler:
    return lambda desk, call, id: encode(_whole(operation, desk, call, id))


def _whole(operation: Operation, desk: Desk, call: Call, id: str) -> JsonObject:
    """All that a call writes, or nothing of it where it is refused; some refusals leave the failed attempt."""
    waiting = len(desk.outbox.waiting)
    kept: Problem | None = None
    try:
        with desk.store.atomic():
            try:
                return operation(desk, call, id)
            except Problem as problem:
                if not problem.keeps:
                    raise
                kept = problem
    except BaseException:
        del desk.outbox.waiting[waiting:]
        raise
    raise kept


def _list(spec: ListSpec) -> Handler:
    return lambda desk, call, id: answer_list(desk, call, spec, id)


def _routes() -> dict[tuple[str, str], Route]:
    found = {("GET", spec.path): Route(_list(spec), spec.catalog) for spec in LISTS.values()}
    for method, path, operation, catalog in (*_OPERATIONS, *(row for part in _PARTS for row in part)):
        found[method, path] = Route(_object(operation), catalog)
    return found


_OPERATIONS: tuple[tuple[str, str, Operation, str | None], ...] = (
    ("GET", "customers/*", reads.customer, None),
    ("GET", "subscriptions/*", reads.subscription, None),
    ("GET", "cards/*", reads.card, None),
    ("GET", "invoices/*", reads.plain, None),
    ("GET", "transactions/*", reads.plain, None),
    ("GET", "events/*", reads.plain, None),
    ("GET", "webhook_endpoints/*", reads.plain, None),
    ("GET", "hosted_pages/*", reads.plain, None),
    ("GET", "portal_sessions/*", reads.plain, None),
    ("GET", "items/*", reads.plain, "pc2"),
    ("GET", "item_prices/*", reads.plain, "pc2"),
    ("GET", "item_families/*", reads.plain, "pc2"),
    ("GET", "plans/*", reads.plain, "pc1"),
    ("POST", "customers", customers.create, None),
    ("POST", "customers/*", customers.update, None),
    ("POST", "customers/*/delete", customers.delete, None),
    ("POST", "invoices/*/pdf", sessions.invoice_pdf, None),
    ("POST", "hosted_pages/checkout_new_for_items", sessions.checkout_new_for_items, "pc2"),
    ("POST", "hosted_pages/checkout_new", sessions.checkout_new, "pc1"),
    ("POST", "hosted_pages/manage_payment_sources", sessions.manage_payment_sources, None),
    ("POST", "webhook_endpoints", webhook_endpoints.create, None),
    ("POST", "webhook_endpoints/*", webhook_endpoints.update, None),
    ("POST", "webhook_endpoints/*/delete", webhook_endpoints.delete, None),
    ("POST", "portal_sessions", sessions.create_portal_session, None),
)
_PARTS: tuple[tuple[tuple[str, str, Operation, str | None], ...], ...] = (
    subscriptions.OPERATIONS,
    cancelling.OPERATIONS,
    updating.OPERATIONS,
    pausing.OPERATIONS,
    payment_sources.OPERATIONS,
    invoicing.OPERATIONS,
    collecting.OPERATIONS,
    crediting.OPERATIONS,
    offers.OPERATIONS,
    couponing.OPERATIONS,
    exporting.OPERATIONS,
    quotes.OPERATIONS,
    sessions.OPERATIONS,
)
ROUTES = _routes()


def find(method: str, segments: tuple[str, ...]) -> tuple[Route, str] | None:
    """The route of a call and the id in its path; a literal path goes before one with an id.

    What has no function of its own here is answered from the catalogue's description.
    """
    for path, id in _readings(segments):
        route = ROUTES.get((method, path)) or _described(method, path)
        if route is not None:
            return route, id
    return None


def _readings(segments: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if "*" not in segments:
        yield "/".join(segments), ""
    if len(segments) > 1:
        yield "/".join((segments[0], "*", *segments[2:])), segments[1]


def _described(method: str, path: str) -> Route | None:
    # Most ids are no such path: the description is not read for their sake.
    found = _generic.find(method, path) if _WORDS.match(path) else None
    return None if found is None else Route(*found)


def known_path(segments: tuple[str, ...]) -> bool:
    """Whether another verb would find something here."""
    return any(find(method, segments) is not None for method in ("GET", "POST"))
