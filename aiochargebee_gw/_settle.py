"""Whether a record shows that a write happened: what a client can find out by reading, without any I/O.

A record that a call makes under an id of its own is there or is not. For a call that changes one, the table says which
of its attributes then has which values. A record that is older than the call shows nothing about it: Chargebee's
`created_at` and `updated_at` are compared with Chargebee's own clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ._operation import ListOperation, Operation
from ._wire.document import as_mapping
from ._wire.message import Response
from ._wire.url import API_PREFIX, fill
from .errors import DecodeError

__all__ = ["Trace", "trace_of"]

# fmt: off
_AFTER: dict[tuple[str, str], tuple[str, frozenset[str]]] = {
    ("subscription", "cancel"):           ("status", frozenset(("cancelled", "non_renewing"))),
    ("subscription", "cancel_for_items"): ("status", frozenset(("cancelled", "non_renewing"))),
    ("subscription", "pause"):            ("status", frozenset(("paused",))),
    ("subscription", "resume"):           ("status", frozenset(("active", "in_trial"))),
    ("subscription", "reactivate"):       ("status", frozenset(("active", "in_trial", "future"))),
    ("subscription", "delete"):           ("deleted", frozenset(("True",))),
    ("customer", "delete"):               ("deleted", frozenset(("True",))),
    ("invoice", "void_invoice"):          ("status", frozenset(("voided",))),
    ("invoice", "close"):                 ("status", frozenset(("payment_due", "posted", "paid", "not_paid"))),
    ("invoice", "write_off"):             ("status", frozenset(("paid",))),
    ("credit_note", "void_credit_note"):  ("status", frozenset(("voided",))),
    ("order", "cancel"):                  ("status", frozenset(("cancelled",))),
    ("quote", "update_status"):           ("status", frozenset(("accepted", "declined", "closed", "proposed"))),
}
# fmt: on
_PATHS = {
    "subscription": "/subscriptions/{id}",
    "customer": "/customers/{id}",
    "invoice": "/invoices/{id}",
    "credit_note": "/credit_notes/{id}",
    "order": "/orders/{id}",
    "quote": "/quotes/{id}",
}


@attrs.frozen
class Trace:
    """Where a write leaves its trace: a path below the gateway's, and what tells that it is there."""

    path: str
    shows: Callable[[Response, float | None], bool | None]


def trace_of(
    operation: Operation[Any] | ListOperation[Any, Any], id: str | None, named: str | None, *, ours: bool
) -> Trace | None:
    """The trace of a write, None where it leaves none that can be looked up.

    *named* is the id of the record that it makes; *ours* says that this client has drawn it, so that nobody else's
    record can have it.
    """
    name = operation.resource
    if operation.record_path is not None and named is not None:
        path = API_PREFIX.rstrip("/") + fill(operation.record_path, named)
        return Trace(path, lambda answer, since: ours or _since(_record(answer, name), "created_at", since))
    rule = _AFTER.get((name, operation.name))
    if rule is None or id is None:
        return None
    attribute, values = rule

    def shows(answer: Response, since: float | None) -> bool | None:
        record = _record(answer, name)
        return str(record.get(attribute)) in values and _since(record, "updated_at", since)

    return Trace(API_PREFIX.rstrip("/") + fill(_PATHS[name], id), shows)


def _record(answer: Response, name: str) -> Mapping[str, Any]:
    try:
        found = as_mapping(answer.body).get(name)
    except DecodeError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _since(record: Mapping[str, Any], attribute: str, since: float | None) -> bool | None:
    """Whether the record was made or changed by the call; None where a time is missing, and nothing is shown."""
    moment = record.get(attribute)
    return None if since is None or not isinstance(moment, int) else moment >= since
