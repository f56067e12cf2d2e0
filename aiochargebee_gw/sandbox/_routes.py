"""Which call is answered by which function, and in which Product Catalog it exists."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from aiochargebee_gw.sandbox._calls import cancelling, customers, reads, sessions, subscriptions, webhook_endpoints
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, encode
from aiochargebee_gw.sandbox._listing import answer_list
from aiochargebee_gw.sandbox._lists import LISTS, ListSpec
from aiochargebee_gw.sandbox._messages import Call

Handler = Callable[[Desk, Call, str], bytes]
Operation = Callable[[Desk, Call, str], JsonObject]


@frozen
class Route:
    """One operation; ``catalog`` is ``pc1`` or ``pc2`` where only that one has it."""

    handler: Handler
    catalog: str | None = None


def _object(operation: Operation) -> Handler:
    return lambda desk, call, id: encode(operation(desk, call, id))


def _list(spec: ListSpec) -> Handler:
    return lambda desk, call, id: answer_list(desk, call, spec, id)


def _routes() -> dict[tuple[str, str], Route]:
    found = {("GET", spec.path): Route(_list(spec), spec.catalog) for spec in LISTS.values()}
    for method, path, operation, catalog in _OPERATIONS:
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
    ("POST", "customers/*/subscription_for_items", subscriptions.create_with_items, "pc2"),
    ("POST", "customers/*/subscriptions", subscriptions.create_for_customer, "pc1"),
    ("POST", "subscriptions", subscriptions.create, "pc1"),
    ("POST", "subscriptions/*/cancel", cancelling.cancel, "pc1"),
    ("POST", "subscriptions/*/cancel_for_items", cancelling.cancel_for_items, "pc2"),
    ("POST", "invoices/*/pdf", sessions.invoice_pdf, None),
    ("POST", "hosted_pages/checkout_new_for_items", sessions.checkout_new_for_items, "pc2"),
    ("POST", "hosted_pages/checkout_new", sessions.checkout_new, "pc1"),
    ("POST", "hosted_pages/manage_payment_sources", sessions.manage_payment_sources, None),
    ("POST", "webhook_endpoints", webhook_endpoints.create, None),
    ("POST", "webhook_endpoints/*", webhook_endpoints.update, None),
    ("POST", "webhook_endpoints/*/delete", webhook_endpoints.delete, None),
    ("POST", "portal_sessions", sessions.create_portal_session, None),
)
ROUTES = _routes()


def find(method: str, segments: tuple[str, ...]) -> tuple[Route, str] | None:
    """The route of a call and the id in its path; a literal path goes before one with an id."""
    literal = ROUTES.get((method, "/".join(segments)))
    if literal is not None and "*" not in segments:
        return literal, ""
    if len(segments) < 2:
        return None
    route = ROUTES.get((method, "/".join((segments[0], "*", *segments[2:]))))
    return None if route is None else (route, segments[1])


def known_path(segments: tuple[str, ...]) -> bool:
    """Whether another verb would find something here."""
    return any(find(method, segments) is not None for method in ("GET", "POST"))
