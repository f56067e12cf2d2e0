"""A site in process, with a clock of the test's own; its books are checked after every call."""

from __future__ import annotations

import calendar
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._seed.world import seeded_store
from aiochargebee_gw.sandbox._site import Site
from aiochargebee_gw.sandbox.clock import ManualClock

from .invariants import complaints

DAY = 86_400
NOW = 1_767_225_600
FEBRUARY = 1_769_904_000
MARCH = 1_772_323_200
GOOD, FAILING, REFUSED = "4111111111111111", "4000000000000341", "4000000000000002"


class Books:
    """``post`` and ``get`` give the decoded answer and fail on an error; ``refused`` gives the error."""

    def __init__(self, *, catalog: str = "both", records: int = 0, strict: bool = True) -> None:
        self.clock = ManualClock()
        self.site = Site(
            seeded_store(records, 7, catalog),
            now=self.clock.now,
            origin=lambda: "http://127.0.0.1",
            seed="books",
            catalog=catalog,
            strict=strict,
            travels=lambda: self.clock.travels,
        )
        self.store = self.site.desk.store
        self.seen = len(self.events())

    def send(self, method: str, path: str, form: Mapping[str, object] | None = None) -> tuple[int, Any]:
        """Status and decoded body; afterwards the books must be right."""
        query = urlencode(form or {}) if method == "GET" else ""
        body = b"" if method == "GET" else urlencode({k: _text(v) for k, v in (form or {}).items()}).encode()
        segments = tuple(path.strip("/").split("/"))
        answer = self.site.answer(Call(method, path, segments, query, {}, body))
        assert complaints(self.store) == [], (method, path, form)
        return answer.status, json.loads(answer.body)

    def post(self, path: str, form: Mapping[str, object] | None = None, /, **more: object) -> Any:
        """The answer of a POST that must succeed."""
        status, body = self.send("POST", path, {**(form or {}), **more})
        assert status == 200, body
        return body

    def get(self, path: str, query: Mapping[str, object] | None = None, /, **more: object) -> Any:
        """The answer of a GET that must succeed."""
        status, body = self.send("GET", path, {**(query or {}), **more})
        assert status == 200, body
        return body

    def refused(self, path: str, form: Mapping[str, object] | None = None, /, **more: object) -> tuple[int, str, Any]:
        """Status, ``api_error_code`` and ``param`` of a POST that must be refused, and that must change nothing."""
        before = self.site.desk.store.image()
        status, body = self.send("POST", path, {**(form or {}), **more})
        assert status >= 400, body
        if body["api_error_code"] != "payment_processing_failed":
            assert self.site.desk.store.image() == before
        return status, body["api_error_code"], body.get("param")

    def travel(self, *, days: float = 0, seconds: float = 0) -> None:
        """Move the clock, and let happen what is due."""
        self.clock.travel(days=days, seconds=seconds)
        self.site.catch_up()
        assert complaints(self.store) == []

    def row(self, kind: str, id: str) -> Any:
        """A row as it is stored."""
        return self.store.get(kind, id)

    def rows(self, kind: str) -> list[Any]:
        """All rows of a kind that are not deleted, oldest first."""
        return self.store.matching(kind, "1")

    def events(self) -> list[Any]:
        """All events, oldest first."""
        return self.store.matching("event", "1")

    def fresh(self) -> list[str]:
        """The types of the events since the last call of this."""
        found = [event["event_type"] for event in self.events()]
        fresh, self.seen = found[self.seen :], len(found)
        return fresh

    def customer(self, id: str = "ada", *, number: str | None = GOOD, **more: Any) -> Any:
        """A customer with a card, in a country without a tax unless told otherwise."""
        form: dict[str, object] = {"id": id, "billing_address[country]": "US", **more}
        made = self.post("/customers", form)["customer"]
        if number is not None:
            card = {"card[number]": number, "card[expiry_month]": 12, "card[expiry_year]": 2039}
            self.post(
                "/payment_sources/create_card", {"customer_id": id, **card, "replace_primary_payment_source": True}
            )
        return made

    def subscribe(self, *prices: str, customer: str = "ada", **more: Any) -> Any:
        """A subscription to item prices; the answer as it is."""
        form = {
            f"subscription_items[item_price_id][{at}]": id for at, id in enumerate(prices or ("basic-USD-Monthly",))
        }
        return self.post(f"/customers/{quote(customer)}/subscription_for_items", form | more)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def sub(books: Books, id: str = "s1") -> Any:
    """The subscription as it is stored."""
    return books.row("subscription", id)


def month(year: int, number: int, day: int = 1) -> int:
    """Midnight UTC of a day."""
    return calendar.timegm((year, number, day, 0, 0, 0))
