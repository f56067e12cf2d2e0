"""Every filter and operator of every described list, against a naive evaluation over the same rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest

from aiochargebee_gw.sandbox import ManualClock
from aiochargebee_gw.sandbox._generic.index import paths
from aiochargebee_gw.sandbox._kinds import kind_of
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._routes import ROUTES
from aiochargebee_gw.sandbox._seed.world import seeded_store
from aiochargebee_gw.sandbox._site import Site
from aiochargebee_gw.sandbox.clock import SEED_EPOCH
from tests.codegen.catalogue import documents

from .schema import Row, known_values, operations

DAY = 86_400
ROWS = 12
LISTS = [
    row
    for row in operations()
    if row.told["list"] and row.told["http"] == "GET" and "{id}" not in row.told["path"]
    if ("GET", row.told["path"].strip("/")) not in ROUTES
]


def a_value(random: Random, told: dict[str, Any]) -> Any:
    """Something of an attribute's type out of a few values, so that rows share some."""
    kind = told["type"]
    if kind == "list":
        return [a_value(random, told["items"]) for _ in range(random.randrange(3))]
    if kind == "object":
        resource, _, cls = told["ref"].partition(".")
        document = documents()[resource]
        fields = document["fields"] if cls == document["class"] else document["sub_resources"][cls]
        return an_object(random, fields)
    values = sorted(known_values(told) - {"deleted"})
    if values:
        return random.choice(values[:3])
    choices: dict[str, list[Any]] = {
        "str": ["a", "ab", "b", "B"],
        "int": [0, 1, 2, 10],
        "float": [0.5, 1.5],
        "bool": [True, False],
        "timestamp": [SEED_EPOCH + day * DAY // 2 for day in range(5)],
        "json": [{}],
    }
    return random.choice(choices[kind])


def an_object(random: Random, fields: dict[str, Any]) -> dict[str, Any]:
    """An object with its required attributes and about two thirds of the others."""
    return {name: a_value(random, one) for name, one in fields.items() if one.get("required") or random.random() < 0.66}


def filled(site: Site, kind: str, random: Random) -> list[dict[str, Any]]:
    """Store rows of a kind, as the catalogue says that they may be, and return them with the seeded ones."""
    fields = {name: one for name, one in documents()[kind]["fields"].items() if one.get("ref") != f"{kind}.{kind}"}
    key = kind_of(kind).key or "id"
    for number in range(ROWS):
        value = an_object(random, fields) | {key: f"{kind}_{number}", "customer_id": "c", "subscription_id": "s"}
        optional = {name for name, one in fields.items() if not one.get("required")}
        # What was left out stays out: None says so.
        absent = {name: None for name in optional if name not in value}
        kept = {name: one for name, one in value.items() if name in fields}
        site.desk.create(kind, {**absent, **kept, "deleted": None})
    return site.desk.store.matching(kind, "1")


def attribute(row: dict[str, Any], name: str, kind: str) -> list[Any]:
    """The values of a row's attribute by its name on the wire; more than one where it stands in a list of parts."""
    outer, _, inner = name.rstrip("]").partition("[")
    if outer == kind and inner:
        outer, inner = inner, ""
    holders = row.get(outer, row.get(f"{outer}s") if inner else None)
    if holders is None:
        return []
    if not inner:
        return [holders]
    return [part[inner] for part in (holders if isinstance(holders, list) else [holders]) if inner in part]


def matches(found: list[Any], operator: str, given: Any, *, parts: bool) -> bool:
    """A naive evaluation: what is absent matches nothing but ``is_present=false``; of parts, none has the value."""
    if operator == "is_present":
        return bool(found) is given
    if operator in ("is_not", "not_in"):
        positive = "is" if operator == "is_not" else "in"
        return (bool(found) or parts) and not matches(found, positive, given, parts=parts)
    tests: dict[str, Callable[[Any], bool]] = {
        "is": lambda value: value == given,
        "in": lambda value: value in given,
        "starts_with": lambda value: value.startswith(given),
        "lt": lambda value: value < given,
        "lte": lambda value: value <= given,
        "gt": lambda value: value > given,
        "gte": lambda value: value >= given,
        "after": lambda value: value > given,
        "before": lambda value: value < given,
        "between": lambda value: given[0] <= value <= given[1],
        "on": lambda value: value // DAY == given // DAY,
    }
    return any(tests[operator](value) for value in found)


def cases(random: Random, rows: list[dict[str, Any]], row: Row, kind: str) -> Iterator[tuple[str, str, Any]]:
    """A filter, an operator and a value that some row has, where any has one."""
    for name, one in paths()["GET", row.told["path"].strip("/")].filters.items():
        present = [value for each in rows for value in attribute(each, name, kind)]
        fallback = {"string": "a", "enum": None, "number": 1, "timestamp": SEED_EPOCH, "boolean": True}[one.kind]
        for operator in one.operators:
            value = random.choice(present) if present else fallback
            if operator == "is_present":
                yield name, operator, random.random() < 0.5
            elif operator == "between" and value is not None:
                yield name, operator, sorted([value, random.choice(present) if present else value])
            elif operator in ("in", "not_in") and value is not None:
                yield name, operator, [value, random.choice(present) if present else value]
            elif value is not None:
                yield name, operator, value


def wire(value: Any) -> str:
    """A value as clients send it."""
    if isinstance(value, bool | list):
        return json.dumps(value)
    return str(value)


@pytest.mark.parametrize("row", LISTS, ids=lambda row: row.id)
def test_every_filter_is_what_a_naive_evaluation_says(row: Row) -> None:
    """Over a dozen rows of random shape, each operator of each filter finds exactly the rows that it should."""
    random = Random(row.id)
    clock = ManualClock(SEED_EPOCH)
    site = Site(seeded_store(0, 7, "both"), now=clock.now, origin=lambda: "", seed="filters", catalog="both")
    kind = next(name for name, told in row.told["rows"].items() if told.get("required"))
    rows = filled(site, kind, random)
    fields = documents()[kind]["fields"]
    needed = [(f"{name}[is]", "s") for name, one in row.told["filters"].items() if one.get("required")]
    for name, operator, value in cases(random, rows, row, kind):
        asked = [("limit", "100"), *needed, (f"{name}[{operator}]", wire(value))]
        path = row.told["path"]
        answer = site.answer(Call("GET", path, tuple(path.strip("/").split("/")), urlencode(asked), {}, b""))
        assert answer.status == 200, (asked, answer.body)
        outer = name.partition("[")[0]
        wanted = [
            each for each in rows if matches(attribute(each, name, kind), operator, value, parts=f"{outer}s" in fields)
        ]
        if outer not in fields and outer != kind and f"{outer}s" not in fields:
            # No attribute of the record: a switch, which selects nothing, or a relation, which no row has.
            wanted = rows if isinstance(value, bool) else []
        found = [one[kind] for one in json.loads(answer.body)["list"]]
        assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, wanted)), asked
    site.desk.store.close()
