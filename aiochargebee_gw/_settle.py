"""Whether a record shows that a write happened: what a client can find out by reading, without any I/O.

A record that a call makes under an id of its own is there or is not. For a call that changes one, the table says what
it leaves behind: a value, and the time at which it came to be. Chargebee's times are compared with the server's clock.
Only what reading can tell for certain is in the table: an invoice that was to be written off and is `paid` may have
been paid, and a subscription that was to be resumed and is `active` may have been so before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import attrs

from ._operation import ListOperation, Operation
from ._wire.document import as_mapping
from ._wire.message import Response
from ._wire.url import API_PREFIX, fill
from .errors import DecodeError

__all__ = ["Sight", "Trace", "trace_of"]

Sight: TypeAlias = Literal["done", "absent", "other", "unclear"]
"""What a look shows of a write: it happened, it has not happened as of now, it never can because its id belongs to
another record, or nothing that could be relied on."""

_SKEW_SECONDS = 60.0
"""How far the clock of the answer's `Date` (the gateway's, perhaps) and that of the record may be apart."""

# resource and operation: the attribute, its value, the time at which it came to be
_LEAVES: dict[tuple[str, str], tuple[str, str, str]] = {
    ("subscription", "cancel"): ("status", "cancelled", "cancelled_at"),
    ("subscription", "cancel_for_items"): ("status", "cancelled", "cancelled_at"),
    ("subscription", "pause"): ("status", "paused", "pause_date"),
    ("subscription", "delete"): ("deleted", "True", "updated_at"),
    ("customer", "delete"): ("deleted", "True", "updated_at"),
    ("invoice", "void_invoice"): ("status", "voided", "voided_at"),
    ("credit_note", "void_credit_note"): ("status", "voided", "voided_at"),
    ("order", "cancel"): ("status", "cancelled", "cancelled_at"),
    # The value is the one that the call asks for.
    ("quote", "update_status"): ("status", "", "updated_at"),
}
_DATES = ("cancel_at", "cancelled_at", "pause_date")
# What is chosen when nothing is said, and happens now.
_NOW = {
    "cancel_option": "immediately",
    "contract_term_cancel_option": "terminate_immediately",
    "pause_option": "immediately",
}
_PATHS = {
    "subscription": "/subscriptions/{id}",
    "customer": "/customers/{id}",
    "invoice": "/invoices/{id}",
    "credit_note": "/credit_notes/{id}",
    "order": "/orders/{id}",
    "quote": "/quotes/{id}",
}


@attrs.frozen(kw_only=True)
class Trace:
    """Where a write leaves its trace, as plain data: a path below the gateway's, and what tells that it is there.

    *attribute*, *value* and *stamp* are None for a record that the call makes. *ours* says that this client has drawn
    its id, so that nobody else's record can have it. *texts* are those of the request that the record repeats.
    """

    path: str = attrs.field(repr=False)
    record: str
    ours: bool = False
    attribute: str | None = None
    value: str | None = None
    stamp: str = "created_at"
    texts: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    def shows(self, answer: Response | None, since: float | None) -> Sight:
        """What the answer of a look shows, None for a 404; *since* is the server's time before the first send."""
        sight = "absent" if answer is None else self._seen(answer, since)
        # Chargebee deletes some minutes after it was told to (customers: delete): until then a record may look as it
        # did, and one that is gone may have been gone before.
        return "unclear" if sight == "absent" and self.attribute == "deleted" else sight

    def _seen(self, answer: Response, since: float | None) -> Sight:
        record = _record(answer, self.record)
        if not record:
            return "unclear"
        return self._made(record, since) if self.attribute is None else self._changed(record, since)

    def _made(self, record: Mapping[str, Any], since: float | None) -> Sight:
        if not self.ours:
            age = _compare(record.get(self.stamp), since)
            if age != "since":
                return "other" if age == "before" else "unclear"
        # Two may have chosen the same id at the same time.
        same = all(_plain(record[name]) == _plain(text) for name, text in self.texts.items() if name in record)
        return "done" if same else "unclear"

    def _changed(self, record: Mapping[str, Any], since: float | None) -> Sight:
        there = str(record.get(str(self.attribute))) == self.value
        if there and _compare(record.get(self.stamp), since) == "since":
            return "done"
        # What has not been touched since the first send shows that nothing came of it.
        return "absent" if _compare(record.get("updated_at"), since) == "before" else "unclear"


def trace_of(
    operation: Operation[Any] | ListOperation[Any, Any],
    id: str | None,
    params: Mapping[str, Any],
    named: str | None,
    *,
    ours: bool,
) -> Trace | None:
    """The trace of a write, None where it leaves none that can be looked up. *named* is the id of the record that it
    makes."""
    name = operation.resource
    if operation.record_path is not None and named is not None:
        path = API_PREFIX.rstrip("/") + fill(operation.record_path, named)
        return Trace(path=path, record=name, ours=ours, texts=_texts(operation, params))
    left = _left(operation, params)
    if left is None:
        return None
    attribute, value, stamp = left
    path = API_PREFIX.rstrip("/") + fill(_PATHS[name], id)
    return Trace(path=path, record=name, attribute=attribute, value=value, stamp=stamp)


def _left(
    operation: Operation[Any] | ListOperation[Any, Any], params: Mapping[str, Any]
) -> tuple[str, str, str] | None:
    found = _LEAVES.get((operation.resource, operation.name))
    if found is None:
        return None
    attribute, value, stamp = found
    if not value:
        return attribute, str(params.get(attribute)), stamp
    later = {name for name in _DATES if params.get(name) is not None}
    later |= {name for name, now in _NOW.items() if params.get(name, now) != now}
    if params.get("end_of_term") or params.get("cancel_option") == "end_of_term":
        return ("status", "non_renewing", "cancel_schedule_created_at") if later <= {"cancel_option"} else None
    # What happens at another time than now cannot be told by when it came to be.
    return None if later else found


def _texts(operation: Operation[Any] | ListOperation[Any, Any], params: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in params.items() if name in operation.params and isinstance(value, str)}


def _record(answer: Response, name: str) -> Mapping[str, Any]:
    try:
        found = as_mapping(answer.body).get(name)
    except DecodeError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _plain(value: object) -> str:
    return str(value).strip().casefold()


def _compare(moment: Any, since: float | None) -> Literal["before", "since"] | None:
    """Whether *moment* lies before the call or not; None where a time is missing, or the clocks leave it open."""
    if since is None or not isinstance(moment, int):
        return None
    if moment >= since:
        return "since"
    return "before" if moment < since - _SKEW_SECONDS else None
