"""Pages of realistic rows, made from the catalogue: 100 rows, nested lists, custom fields, non-ASCII names, no nulls.

A customer row has 55 attributes and a card, a subscription row 46 and its customer, an invoice row 60 with two to five
line items; the order is the catalogue's, which is the API documentation's. The data is synthetic: ratios travel,
absolute times do not.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

CATALOGUE = Path(__file__).parent.parent / "aiochargebee_gw" / "_codegen" / "catalogue"
PRESENT = {"customer": 55, "subscription": 46, "invoice": 60}
USUAL = {"line_items", "linked_payments", "taxes", "line_item_taxes", "line_item_tiers", "discounts"}
# Most texts of a billing system are ASCII, most rows hold one that is not.
WORDS = ["Zoë", "Łódź", "Oslo", "Bergen", "invoice", "annual", "basic", "premium", "Main St", "team", "plan", "monthly"]

Json = dict[str, Any]


def _load(name: str) -> Json:
    found: Json = json.loads((CATALOGUE / f"{name}.json").read_text())
    return found


_SHARED = _load("_shared")["enums"]


class Maker:
    """Makes objects of one resource; which optional attributes are there is drawn once, as for one kind of site."""

    def __init__(self, resource: str, random: Random) -> None:
        self.resource = resource
        self.random = random
        self.catalogue = _load(resource)
        fields = self.catalogue["fields"]
        required = [name for name, field in fields.items() if field.get("required")]
        optional = [name for name in fields if name not in required and name != "deleted"]
        wanted = max(0, PRESENT.get(resource, len(fields)) - len(required))
        chosen = set(required) | set(random.sample(optional, min(wanted, len(optional))))
        self.names = [name for name in fields if name in chosen]

    def make(self, number: int) -> Json:
        """One object with the attributes of its kind, and five custom fields."""
        fields = self.catalogue["fields"]
        made = {name: self._value(name, fields[name], number) for name in self.names}
        made["id"] = f"{self.resource}_{number:06d}"
        made["object"] = self.resource
        made["cf_region"] = "EU"
        made["cf_seats"] = number
        made["cf_vip"] = True
        made["cf_note"] = "köttbullar"
        made["cf_since"] = 1_600_000_000 + number
        return made

    def _value(self, name: str, field: Json, number: int) -> Any:
        kind = field["type"]
        if kind == "list":
            # As in the samples of the API documentation: most of an invoice's lists are empty.
            rare = self.resource == "invoice" and name not in USUAL and self.random.random() < 0.7
            count = self.random.randint(2, 5) if name == "line_items" else 0 if rare else self.random.randint(1, 2)
            return [self._value(name, field["items"], number) for _ in range(count)]
        if kind == "object":
            return self._part(field["ref"], number)
        return self._scalar(name, kind, field, number)

    def _part(self, ref: str, number: int) -> Json:
        module, _, cls = ref.partition(".")
        source = self.catalogue if module == self.resource else _load(module)
        fields = source["sub_resources"].get(cls) or source["fields"]
        made = {
            name: self._value(name, field, number)
            for name, field in fields.items()
            if field["type"] not in ("object", "list") and (field.get("required") or self.random.random() < 0.7)
        }
        made["object"] = cls.lower()
        return made

    def _scalar(self, name: str, kind: str, field: Json, number: int) -> Any:
        random = self.random
        if kind == "timestamp":
            return random.randint(1_500_000_000, 1_760_000_000)
        if kind == "int":
            return 1_700_000_000_000 + number if field.get("unit") == "milliseconds" else random.randint(0, 100_000)
        if kind == "float":
            return round(random.random() * 100, 4)
        if kind == "bool":
            return random.random() < 0.5
        if kind == "json":
            return {"key": random.choice(WORDS), "n": number}
        if "enum" in field:
            values = field.get("values") or _SHARED.get(field["enum"]) or ["other"]
            return random.choice(values)
        return f"{random.choice(WORDS)} {random.choice(WORDS)} {number}" if "id" not in name else f"{name}_{number}"


def pages(resource: str, count: int = 8, rows: int = 100) -> list[bytes]:
    """*count* different pages of *rows* rows, compact JSON as Chargebee sends it."""
    random = Random(resource)
    main, extra = Maker(resource, random), {"customer": "card", "subscription": "customer"}.get(resource)
    second = Maker(extra, random) if extra else None
    made = []
    for page in range(count):
        numbers = range(page * rows, (page + 1) * rows)
        body = {
            "list": [
                {resource: main.make(number), **({extra: second.make(number)} if second and extra else {})}
                for number in numbers
            ],
            "next_offset": json.dumps([str(1_700_000_000_000 + page), str(page)]),
        }
        made.append(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
    return made
