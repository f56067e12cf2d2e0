"""An event as Chargebee posts it to a webhook: strict JSON in, the event with typed content out.

Chargebee's documentation of events: `content` holds the resources concerned by name, `{"customer": {...}}`, some
of them as lists (`unbilled_charges`). Each resource says what it is in its attribute `object`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from .. import records
from .._page import decode_answer
from .._record import Record
from .._wire.document import Source, fields_of, loads
from ..errors import DecodeError
from ..records.event import Event as _Event

if TYPE_CHECKING:
    from ..records import (
        Addon,
        Card,
        Coupon,
        CreditNote,
        Customer,
        Invoice,
        Item,
        ItemPrice,
        Order,
        PaymentSource,
        Plan,
        Quote,
        Subscription,
        Transaction,
        UnbilledCharge,
    )

__all__ = ["MAX_BODY_BYTES", "Content", "Event", "Resource", "Versions", "parse", "resource_of", "typed", "versions"]

MAX_BODY_BYTES = 1024 * 1024

Resource: TypeAlias = tuple[str, str]
"""What a record is and its id: ("customer", "cust_1")."""
Versions: TypeAlias = Mapping[Resource, int]
"""`resource_version` (milliseconds) of resources."""

_NAME = re.compile(r"[!-~]{1,100}\Z")
_HALF_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Content(Mapping[str, Any]):
    """What an event is about, by name: records, lists of records, and plain JSON where no record class fits.

    A record is decoded when it is asked for; that raises `DecodeError` with its path ("$.content.customer.created_at")
    where it is not as documented, and the other records stay readable. The attributes below are the names that most
    events have: None where this event has none. All others are found by `content["name"]`.
    """

    __slots__ = ("_made", "_raw")

    addon: Addon | None
    card: Card | None
    coupon: Coupon | None
    credit_note: CreditNote | None
    credit_notes: list[CreditNote] | None
    customer: Customer | None
    invoice: Invoice | None
    item: Item | None
    item_price: ItemPrice | None
    order: Order | None
    payment_source: PaymentSource | None
    plan: Plan | None
    quote: Quote | None
    subscription: Subscription | None
    transaction: Transaction | None
    unbilled_charges: list[UnbilledCharge] | None

    def __init__(self, raw: Mapping[str, bytes]) -> None:
        self._raw = dict(raw)
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _read(self._raw[name], name)
        return self._made[name]

    def __getattr__(self, name: str) -> Any:
        if name not in _TYPED:
            raise AttributeError(f'{name!r} is no attribute of an event\'s content; use content["{name}"]')
        return self.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __repr__(self) -> str:
        return f"<Content {' '.join(self._raw)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Content, (self._raw,)

    def records(self) -> Iterator[Record]:
        """All records, those in lists too, in the order of the event."""
        for value in self.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, Record):
                    yield one

    def raw(self, name: str) -> bytes:
        """The JSON of one value as it was sent; raises `KeyError`."""
        return self._raw[name]


_TYPED = frozenset(Content.__annotations__)


class Event(_Event):
    """A `event` object whose `content` is typed; everything else as in `gw.events.list()`."""

    __slots__ = ()
    if TYPE_CHECKING:
        content: Content


def parse(body: bytes) -> Event:
    """The event in the body of a webhook, at most 1 MiB of strict JSON of API version 2.

    Unknown event types, attributes and resources survive. Raises `DecodeError`, whose `path` says where: for anything
    larger, for a key that stands twice in an object, NaN, bytes that are not UTF-8, another API version ("v1" events
    have other attributes), and for a body without a usable `id` or an object as `content`. Its text quotes no value.
    """
    if len(body) > MAX_BODY_BYTES:
        raise DecodeError(f"the event is larger than {MAX_BODY_BYTES} bytes")
    return typed(_strict(body))


def typed(body: bytes) -> Event:
    """An event from well-formed JSON. Raises `DecodeError`."""
    event = decode_answer(body, Event, "webhook")
    _check(event, fields_of(body))
    event._attach(Source(body), ())
    # What was decoded for the check is left to be decoded again by name, as records.
    event.content = Content(fields_of(fields_of(body)["content"]))
    return event


def _check(event: Event, given: Mapping[str, bytes]) -> None:
    # Both are logged and kept as keys: a line break or a kilobyte in them would be an attack.
    if not isinstance(event.id, str) or not _NAME.match(event.id):
        raise DecodeError("the event has no usable id", path="$.id")
    if event.event_type is not None and not _NAME.match(event.event_type):
        raise DecodeError("the event has no usable type", path="$.event_type")
    if given.get("object", b'"event"') != b'"event"':
        raise DecodeError("the body is no event", path="$.object")
    if event.api_version is not None and event.api_version != "v2":
        raise DecodeError("the event is not of API version v2", path="$.api_version")
    if not isinstance(event.content, dict):
        raise DecodeError("the event has no content", path="$.content")


def _strict(body: bytes) -> bytes:
    """The body, once it is known to be one reading only. Half of a surrogate pair (a name cut in the middle of an
    emoji) becomes U+FFFD, for the event must not be lost."""
    try:
        # NaN passes here: the decoder of the event refuses it.
        text = body.decode("utf-8")
        document = json.loads(text, object_pairs_hook=_unique)
    except _Repeated as error:
        raise DecodeError("the event cannot be read: a key stands twice in one object") from error
    except (ValueError, RecursionError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else "it is not well-formed JSON"
        # The decoders' own errors hold the whole document.
        raise DecodeError(f"the event cannot be read: {what}") from None
    if "\\u" not in text:
        return body
    written = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return _HALF_SURROGATE.sub("\ufffd", written).encode() if _HALF_SURROGATE.search(written) else body


class _Repeated(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Repeated("a key stands twice")
    return found


def _read(raw: bytes, name: str) -> Any:
    """A record where the value is one, a list where all of its items are, else plain JSON."""
    path = f"$.content.{name}"
    if raw[:1] == b"[":
        return [_one(item, name, f"{path}[{number}]") for number, item in enumerate(_items.decode(raw))]
    return _one(msgspec.Raw(raw), name, path)


def _one(value: msgspec.Raw, name: str, path: str) -> Any:
    raw = bytes(value)
    cls = _class(_identity(raw).object or name) if raw[:1] == b"{" else None
    if cls is None:
        return loads(raw)
    try:
        record = decode_answer(raw, cls, "webhook")
    except DecodeError as error:
        error.path = path + error.path.removeprefix("$")
        raise
    record._attach(Source(raw), ())
    return record


def _class(name: str) -> type[Record] | None:
    """`CreditNote` for "credit_note"; None where the API of this release has no such resource."""
    found = getattr(records, "".join(map(str.capitalize, name.split("_"))), None)
    return found if isinstance(found, type) and issubclass(found, Record) else None


class _Identity(msgspec.Struct):
    object: str | None = None
    id: str | None = None
    payment_source_id: str | None = None
    resource_version: int | None = None


_items = msgspec.json.Decoder(list[msgspec.Raw])
_identities = msgspec.json.Decoder(_Identity)
_nobody = _Identity()


def _identity(raw: bytes) -> _Identity:
    try:
        return _identities.decode(raw)
    except msgspec.ValidationError:
        return _nobody


def resource_of(record: Record) -> Resource | None:
    """What a record of an event is and its id, None where it does not say."""
    return _resource(_identity(record.raw or b"{}"))


def _resource(found: _Identity) -> Resource | None:
    # A card is known by its payment source.
    id = found.id or found.payment_source_id
    return (found.object, id) if found.object and id else None


def versions(content: Content) -> dict[Resource, int]:
    """The `resource_version` of every resource of an event that has one, without decoding the records."""
    found: dict[Resource, int] = {}
    for name in content:
        raw = content.raw(name)
        for one in _items.decode(raw) if raw[:1] == b"[" else [msgspec.Raw(raw)]:
            identity = _identity(bytes(one))
            resource = _resource(identity)
            # SQLite's integers end here; a version is milliseconds since 1970.
            if resource is not None and identity.resource_version is not None and identity.resource_version < 2**63:
                found[resource] = max(identity.resource_version, found.get(resource, 0))
    return found
