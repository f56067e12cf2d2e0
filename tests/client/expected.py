"""What a call must look like on the wire, from the catalogue's files alone: no line of it uses the package's encoder.

`given` makes a value for a parameter, `pairs` says what must be sent for it in a form or a query, `plain` in JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

from aiochargebee_gw import records
from aiochargebee_gw._record import OpenEnum

from ..codegen.catalogue import camel, documents, shared
from ..codegen.samples import MOMENT, sample

Pair = tuple[str, str]
PAGING = {"limit", "offset", "sort_by"}
# Neither in UTC nor whole: what is sent is both.
WHEN = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=timezone(timedelta(hours=5, minutes=30)))
DAY = date(2026, 1, 2)


class Anything(OpenEnum):
    """A member made from a text that no list knows, `Anything("b")`, is given on purpose and goes through."""

    A = "a"


def plural(resource: str) -> str:
    """Where a resource hangs on the gateway: its plural as it stands in a URL, else its own name."""
    words = {word for row in documents()[resource]["operations"].values() for word in row["path"].split("/")}
    plurals = [resource + "s", resource + "es", resource.removesuffix("y") + "ies"]
    return next((name for name in plurals if name in words), resource)


def record_name(reference: str) -> str:
    """The class in `records` of a reference of the catalogue: `customer.BillingAddress` is CustomerBillingAddress."""
    resource, _, name = reference.partition(".")
    cls: str = documents()[resource]["class"]
    return name if name.startswith(cls) else cls + name


def answer_name(resource: str, name: str, row: Mapping[str, Any]) -> str:
    """The class in `records` of an operation's answer, or of a row of it."""
    cls: str = documents()[resource]["class"]
    return cls + camel(name) + ("Row" if row["list"] else "Answer")


def is_filter(told: Mapping[str, Any]) -> bool:
    """Whether a parameter of a list is a filter, or an object of filters."""
    return told["type"] == "filter" or any(field["type"] == "filter" for field in told.get("fields", {}).values())


def keywords(row: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The parameters that a method takes by name: lists read by GET take filters by position."""
    if not (row["list"] and row["http"] == "GET"):
        return dict(row["params"])
    return {name: told for name, told in row["params"].items() if name not in PAGING and not is_filter(told)}


def filters(row: Mapping[str, Any]) -> dict[str, tuple[str, list[str]]]:
    """Kind and operators by wire name of what a list is filtered by; all but `is_present` where no source says."""
    found: dict[str, tuple[str, list[str]]] = {}
    for name, told in row["params"].items():
        if name in PAGING or not is_filter(told):
            continue
        for key, each in {"": told}.items() if told["type"] == "filter" else told["fields"].items():
            found[f"{name}[{key}]" if key else name] = each["filter"], _operators(each)
    return found


def _operators(told: Mapping[str, Any]) -> list[str]:
    known: list[str] = shared()["filter_operators"][told["filter"]]
    given_operators: list[str] | None = told.get("operators")
    return given_operators or [operator for operator in known if operator != "is_present"]


def condition(kind: str, operator: str) -> tuple[Any, str]:
    """A value for an operator of a filter, and its text on the wire: lists are JSON without spaces."""
    if operator == "is_present":
        return False, "false"
    if operator in ("in", "not_in"):
        values: list[Any] = [Anything("c"), Anything("b")] if kind == "enum" else ["a,b", 'é"']
        return values, json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    if operator == "between":
        # What ends within a second includes that second's rows.
        return ((3, 9), "[3,9]") if kind == "number" else ((WHEN, WHEN), f"[{seconds(WHEN)},{seconds(WHEN) + 1}]")
    if operator == "on":
        return DAY, str(seconds(datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)))
    if operator in ("after", "before"):
        return WHEN, str(seconds(WHEN) + (operator == "before"))
    if kind == "enum":
        return Anything("brand_new"), "brand_new"
    return {"string": ("a b&é=", "a b&é="), "number": (-3, "-3"), "boolean": (True, "true")}[kind]


def seconds(moment: datetime) -> int:
    """Whole seconds since 1970 in UTC."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


def given(told: Mapping[str, Any], name: str, number: int = 0) -> Any:
    """A value for a parameter; *number* tells the items of a list apart."""
    kind = told["type"]
    if kind == "object":
        return {key: given(field, key, number) for key, field in told["fields"].items()}
    if kind == "list":
        items = [given(told["items"] | _enum_of(told), name, n) for n in (0, 1)]
        if isinstance(items[1], dict) and len(items[1]) > 1 and told["items"]["type"] == "object":
            items[1].popitem()  # the second row lacks a field: its number is left out, the others keep theirs
        return items
    if kind == "filter":
        return {operator: condition(told["filter"], operator)[0] for operator in _operators(told)}
    if kind == "enum":
        return _enum(told, number)
    scalars: dict[str, tuple[Any, Any]] = {
        "str": (f"{name} é&=[0]+%", f"{name} two"), "int": (7, 0), "float": (1.25, Decimal("10.50")),
        "bool": (False, True), "timestamp": (WHEN, WHEN + timedelta(days=9)),
        "json": ({"a": [1, "é", None], "b": {"c": True}}, ["second"]),
    }  # fmt: skip
    return scalars[kind][number]


def _enum_of(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: told[key] for key in ("enum", "values") if key in told}


def _enum(told: Mapping[str, Any], number: int) -> Any:
    """A member of the enum's class where that is easily found, for a second item its text."""
    cls, _, name = told.get("enum", "").rpartition(".")
    homes = [document for document in documents().values() if document["class"] == cls]
    values = told.get("values") or (homes[0]["enums"][name] if homes else shared()["enums"][name])
    made = getattr(records, name if name.startswith(cls) else cls + name, None)
    if not number and isinstance(made, type) and issubclass(made, OpenEnum) and values[0] in list(made):
        return made(values[0])
    return values[-1]


def pairs(row: Mapping[str, Any], params: Mapping[str, Any]) -> list[Pair]:
    """The pairs of a form or a query that stand for *params*: filters come last; a GET has nothing to clear."""
    given = {name: value for name, value in params.items() if value is not None or row["http"] == "POST"}
    found = [
        (is_filter(row["params"][name]), pair)
        for name, value in given.items()
        for pair in _pairs(name, name, row["params"][name], value, 0, row)
    ]
    return [pair for late, pair in sorted(found, key=lambda item: item[0])]


def _pairs(key: str, name: str, told: Mapping[str, Any], value: Any, level: int, row: Mapping[str, Any]) -> list[Pair]:
    if value is None:
        return [(key, "")]
    if told["type"] == "json" or row["json_keys"].get(name) == level:
        return [(key, _compact(value))]
    if told["type"] == "object":
        items = [(f"{key}[{inner}]", inner, told["fields"][inner], each) for inner, each in value.items()]
    elif told["type"] == "filter":
        return [(f"{key}[{operator}]", condition(told["filter"], operator)[1]) for operator in value]
    elif told["type"] == "list" and told["items"]["type"] == "object":
        items = [
            (f"{key}[{inner}][{number}]", inner, told["items"]["fields"][inner], each)
            for number, row_of_it in enumerate(value)
            for inner, each in row_of_it.items()
        ]
    elif told["type"] == "list":
        return [(f"{key}[{number}]", _text(each)) for number, each in enumerate(value)]
    else:
        return [(key, _text(value))]
    return [pair for path, inner, field, each in items for pair in _pairs(path, inner, field, each, level + 1, row)]


def _compact(value: Any) -> str:
    return json.dumps(plain(value), separators=(",", ":"), ensure_ascii=False)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(plain(value)) if not isinstance(value, Decimal) else str(value)


def plain(value: Any) -> Any:
    """A parameter as JSON has it: the text of an enum, whole seconds, None as null."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return seconds(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def cleared(told: Mapping[str, Any]) -> Any:
    """None, in an object for each of its fields, in a list of objects for each of those of one."""
    if told["type"] == "object":
        return dict.fromkeys(told["fields"])
    if told["type"] == "list" and told["items"]["type"] == "object":
        return [dict.fromkeys(told["items"]["fields"])]
    return None


def document(keys: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An answer, or a row of one, with all of its keys."""
    return {key: _sample(told) for key, told in keys.items()}


def _sample(told: Mapping[str, Any]) -> Any:
    if told["type"] == "list":
        return [_sample(told["items"]), _sample(told["items"])]
    if told["type"] == "object":
        resource, _, cls = told["ref"].partition(".")
        return sample(resource, cls, depth=3)
    return {"int": MOMENT, "bool": True, "str": "x", "json": [{"any": None}]}[told["type"]]
