"""How rows of resources without a state machine are kept, by what their records have."""

from __future__ import annotations

from functools import cache

from aiochargebee_gw.sandbox._catalogue import describe
from aiochargebee_gw.sandbox._generic.index import kept
from aiochargebee_gw.sandbox._kinds import Kind

_KEYS = {"coupon_code": "code", "time_machine": "name"}
_BIRTHS = ("created_at", "date", "occurred_at")


@cache
def described(resource: str) -> Kind | None:
    """The kind of a resource that can be listed or retrieved; ``key`` is "" where its record has no id of its own."""
    if resource not in kept():
        return None
    attributes = describe().attributes(resource)
    return Kind(
        resource,
        next((name for name in _BIRTHS if name in attributes), None),
        key="id" if "id" in attributes else _KEYS.get(resource, ""),
        owner="customer_id" if "customer_id" in attributes else None,
        subscription="subscription_id" if "subscription_id" in attributes else None,
        soft="deleted" in attributes,
        versioned="updated_at" in attributes,
        numbered="resource_version" in attributes,
    )
