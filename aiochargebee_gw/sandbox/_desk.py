"""What every call of a site works with: the rows, the time, the ids, the log of events."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping
from random import Random
from urllib.parse import quote

from attrs import define, evolve, field

from aiochargebee_gw.sandbox._coerce import read_params
from aiochargebee_gw.sandbox._form import body_pairs
from aiochargebee_gw.sandbox._forms import form
from aiochargebee_gw.sandbox._json import JsonObject, holds_nul, without_nulls
from aiochargebee_gw.sandbox._kinds import KINDS, STATUS_DELETED, kind_of
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._outbox import Outbox, addressed, statuses
from aiochargebee_gw.sandbox._params import Schema
from aiochargebee_gw.sandbox._problems import not_found, wrong_value
from aiochargebee_gw.sandbox._site_time import SiteTime
from aiochargebee_gw.sandbox._store import Store

_ALPHABET = string.ascii_letters + string.digits
DOWNLOAD_SECONDS = 3_600


@define
class Download:
    """A document behind a secret link: of which row (an invoice, most often), until when (Unix seconds)."""

    invoice_id: str
    valid_till: int
    kind: str = "invoice"


@define
class Desk:
    """One site at work. ``now`` gives Unix seconds, ``origin`` the server's own URL."""

    store: Store
    now: Callable[[], float]
    origin: Callable[[], str]
    ids: Random
    strict: bool = False
    downloads: dict[str, Download] = field(factory=dict)
    outbox: Outbox = field(factory=Outbox)
    opened: float = 0.0
    time: SiteTime | None = None
    source: str = "api"
    catalog: str = "pc2"

    def as_of(self, moment: float) -> Desk:
        """The same site at a moment that the clock has passed: what is due then bears that time."""
        return evolve(self, now=lambda: moment, source="scheduled_job")

    def at(self) -> int:
        """Whole Unix seconds."""
        return int(self.now())

    def new_id(self) -> str:
        """An id in the vendor's style: 16 letters and digits, the same sequence for one seed."""
        return "".join(self.ids.choices(_ALPHABET, k=16))

    def params(self, call: Call, schema: Schema, *, custom: str | None = None) -> JsonObject:
        """The typed form parameters of a call; raises ``Problem`` (400)."""
        given = read_params(schema, body_pairs(call.body), strict=self.strict, custom=custom)
        for name, value in given.items():
            if holds_nul(value):
                raise wrong_value(name, "must not hold a NUL character")
        return given

    def form(self, call: Call, name: str, *, custom: str | None = None) -> JsonObject:
        """The typed form parameters of a call by its name, ``invoice.write_off``; raises ``Problem`` (400)."""
        return self.params(call, form(name), custom=custom)

    def find(self, kind: str, id: str, *, param: str | None = None) -> JsonObject:
        """A row that is there and not deleted; raises ``Problem`` (404)."""
        value = self.store.get(kind, id)
        if value is None or value.get("deleted") is True:
            raise not_found(kind, id, param)
        return value

    def card_of(self, customer_id: str) -> JsonObject | None:
        """The customer's card: there is one at the most."""
        cards = self.store.owned("card", customer_id)
        return cards[0] if cards else None

    def create(self, kind: str, values: JsonObject) -> JsonObject:
        """Add a row, stamped as the API stamps it; attributes that are given win over the stamps."""
        spec = kind_of(kind)
        at = self.at()
        if kind not in KINDS:
            from aiochargebee_gw.sandbox._generic.values import made

            values = {**made(self, kind, values), **values}
        own = {spec.key: self.new_id()} if spec.key else {}
        value: JsonObject = {**own, **spec.defaults, **_stamps(kind, at), **values}
        if spec.versioned and spec.numbered and "resource_version" not in values:
            value["resource_version"] = int(self.now() * 1000)
        if kind in _NAMED:
            value.setdefault("name", value[spec.key])
        value = without_nulls({**value, "object": kind})
        self.store.add(kind, value, born=at, id=None if spec.key else self.new_id())
        return value

    def save(self, kind: str, value: JsonObject, *, given: JsonObject | None = None) -> JsonObject:
        """Write a changed row back with new stamps; those that ``given`` names keep their value."""
        spec = kind_of(kind)
        if spec.versioned:
            value["updated_at"] = self.at()
        if spec.versioned and spec.numbered:
            # Two changes in one millisecond still get two versions.
            value["resource_version"] = max(int(self.now() * 1000), value.get("resource_version", 0) + 1)
        value = without_nulls({**value, **(given or {})})
        self.store.put(kind, value)
        return value

    def discard(self, kind: str, value: JsonObject) -> None:
        """Delete a row: marked where the resource can say so, else taken out."""
        if not kind_of(kind).soft:
            self.store.remove(kind, value[kind_of(kind).key])
        elif kind in STATUS_DELETED:
            self.save(kind, {**value, "status": "deleted"})
        else:
            self.save(kind, {**value, "deleted": True})

    def emit(self, event_type: str, content: Mapping[str, JsonObject | list[JsonObject] | None]) -> None:
        """Append an event, and put it into the outbox for the webhook endpoints that want it."""
        kept = {name: value for name, value in content.items() if value is not None}
        wanted = addressed(self.store, event_type)
        values = {
            "id": f"ev_{self.new_id()}",
            "event_type": event_type,
            "source": self.source,
            "content": kept,
            **statuses(wanted),
        }
        # Webhooks are posted by the sandbox's clock, wherever the site's own time is.
        self.outbox.add(self.create("event", values)["id"], wanted, self.time.clock() if self.time else self.now())

    def download_url(self, id: str, *, kind: str = "invoice", suffix: str = "pdf") -> tuple[str, int]:
        """A secret link to a document of a row and the Unix second at which it ends."""
        token = secrets.token_urlsafe(24)
        valid_till = self.at() + DOWNLOAD_SECONDS
        self.downloads[token] = Download(id, valid_till, kind)
        return f"{self.origin()}/downloads/{token}/{quote(id, safe='')}.{suffix}", valid_till


_NAMED = ("item", "item_price", "item_family", "plan", "addon", "coupon", "coupon_set")


def _stamps(kind: str, at: int) -> JsonObject:
    spec = kind_of(kind)
    stamps: JsonObject = {spec.born: at} if spec.born else {}
    if spec.versioned:
        stamps["updated_at"] = at
    return stamps
