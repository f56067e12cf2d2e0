"""Every operation of the catalogue is a method that says what it sends, and what it sends can be written."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_type_hints
from urllib.parse import parse_qsl

import pytest

from aiochargebee_gw import resources
from aiochargebee_gw._operation import ListOperation, Operation
from aiochargebee_gw._wire.form import encode, query_string

from .catalogue import camel, documents, operations, overrides

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECONDS = str(int(MOMENT.timestamp()))
ALL = list(operations())
SAMPLES: dict[str, tuple[Any, str]] = {
    "str": ("a b&c[0]=é", "a b&c[0]=é"), "int": (-3, "-3"), "float": (1.25, "1.25"), "bool": (True, "true"),
    "enum": ("some_value", "some_value"), "time": (MOMENT, SECONDS),
    "json": ({"a": [1, "é"]}, '{"a":[1,"é"]}'),
}  # fmt: skip


def plural(resource: str) -> str:
    """Where a resource hangs on the gateway, found by its class."""
    for name in dir(resources.Resources):
        if not name.startswith("_"):
            module = importlib.import_module(f"aiochargebee_gw.resources.{name}")
            rows = [value for value in vars(module).values() if isinstance(value, Operation | ListOperation)]
            if rows and rows[0].resource == resource:
                return name
    raise AssertionError(resource)


def constant(resource: str, name: str) -> Operation[Any] | ListOperation[Any, Any]:
    """The generated row of an operation."""
    module = importlib.import_module(f"aiochargebee_gw.resources.{plural(resource)}")
    made = getattr(module, f"_{name.upper()}")
    assert isinstance(made, Operation | ListOperation)
    return made


def given(spec: Any) -> Any:
    """A value that a spec takes."""
    if isinstance(spec, str):
        return SAMPLES[spec][0]
    if isinstance(spec, Mapping):
        return {key: given(inner) for key, inner in spec.items()}
    return [given(spec[0]), given(spec[0])]


def wire(key: str, spec: Any) -> list[tuple[str, str]]:
    """What must be sent for it, written down without the encoder: `a[b]`, `a[0]`, field-first `a[b][0]`."""
    if isinstance(spec, str):
        return [(key, SAMPLES[spec][1])]
    if isinstance(spec, Mapping):
        return [pair for name, inner in spec.items() for pair in wire(f"{key}[{name}]", inner)]
    item = spec[0]
    if isinstance(item, Mapping):
        return [pair for n in (0, 1) for name, inner in item.items() for pair in wire_item(f"{key}[{name}]", inner, n)]
    return [pair for n in (0, 1) for pair in wire(f"{key}[{n}]", item)]


def wire_item(key: str, spec: Any, number: int) -> list[tuple[str, str]]:
    """A field of the n-th object of a list."""
    return wire(f"{key}[{number}]", spec)


@pytest.mark.parametrize(("resource", "name", "row"), ALL)
def test_an_operation_is_what_the_catalogue_says(resource: str, name: str, row: dict[str, Any]) -> None:
    """Method, path, answer, key, body and host of the generated row."""
    made = constant(resource, name)
    assert (made.method, made.path, made.name, made.resource) == (row["http"], row["path"], name, resource)
    kind = "Row" if row["list"] else "Answer"
    assert made.answer == documents()[resource]["class"] + camel(name) + kind
    assert made.keyed is row["idempotent"]
    assert made.json_body is row["json_body"]
    assert made.sub_domain == row["sub_domain"]
    assert made.custom_fields is (row["http"] == "POST" and bool(row.get("custom_fields")))
    assert isinstance(made, ListOperation) is row["list"]
    plain = {key: told for key, told in row["params"].items() if key in made.params}
    assert set(made.required) == {key for key, told in plain.items() if told.get("required")}
    if not isinstance(made, ListOperation):
        by_keyword = {key.partition("[")[0] for key in made.filter_params}
        assert set(made.params) | by_keyword == set(row["params"])
        assert not set(made.params) & by_keyword
        return
    left = set(row["params"]) - set(made.params) - {"limit", "offset", "sort_by"}
    assert left == {key.partition("[")[0] for key in made.filters}
    assert made.sorts == tuple((row.get("sort_by") or {}).get("asc", ()))
    assert made.include_deleted is row["include_deleted"]
    assert made.custom_filters is row["custom_field_filters"]
    assert made.main == next(iter(row["rows"]))


@pytest.mark.parametrize(("resource", "name", "row"), ALL)
def test_parameters_round_trip(resource: str, name: str, row: dict[str, Any]) -> None:
    """A value of every parameter goes out under its name in its wire form, and an independent parser reads it back."""
    made = constant(resource, name)
    pairs = encode(given(made.params), made.params)
    expected = [pair for key, spec in made.params.items() for pair in wire(key, spec)]
    assert pairs == expected
    assert parse_qsl(query_string(pairs), keep_blank_values=True, strict_parsing=bool(pairs)) == expected
    cleared = encode(dict.fromkeys(made.params), made.params)
    assert cleared == [(key, "") for key in made.params]


@pytest.mark.parametrize(("resource", "name", "row"), ALL)
def test_json_parameters_are_one_text(resource: str, name: str, row: dict[str, Any]) -> None:
    """What the catalogue marks as JSON at a level is one JSON text there."""
    made = constant(resource, name)
    for key, level in row["json_keys"].items():
        if level == 0:
            assert made.params[key] == "json"
            assert encode({key: [{"a": 1}]}, made.params) == [(key, json.dumps([{"a": 1}], separators=(",", ":")))]
            continue
        inner = [spec[0] if isinstance(spec, list) else spec for spec in made.params.values()]
        holders = [spec for spec in inner if isinstance(spec, Mapping) and key in spec]
        assert holders
        assert all(spec[key] == "json" for spec in holders)


@pytest.mark.parametrize(("resource", "name", "row"), ALL)
def test_a_method_says_what_it_does(resource: str, name: str, row: dict[str, Any]) -> None:
    """Its docstring has method and path, what is required and what comes back; its keywords are a TypedDict."""
    module = importlib.import_module(f"aiochargebee_gw.resources.{plural(resource)}")
    cls = getattr(module, camel(plural(resource)))
    method = getattr(cls, name)
    doc = inspect.getdoc(method) or ""
    assert doc.startswith(f"{row['http']} /api/v2{row['path']}.\n\n")
    plain = " ".join(doc.split())
    assert all(f"`{key}`" in plain for key in row.get("rows") or row.get("response") or {})
    assert all(f"`{key}`" in plain for key in constant(resource, name).required)
    if row["http"] == "POST":
        assert ("An idempotency key is sent and honoured." in plain) is row["idempotent"]
    assert inspect.iscoroutinefunction(method) is not (row["list"] and row["http"] == "GET")
    parameters = list(inspect.signature(method).parameters.values())[1:]
    positional = [each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_ONLY]
    assert positional == ["id"] * ("{id}" in row["path"]) + ["required"] * needs_a_filter(row)
    params = importlib.import_module(f"aiochargebee_gw.params.{resource}")
    keywords = getattr(params, documents()[resource]["class"] + camel(name) + "Params")
    options = set(get_type_hints(keywords.__mro__[0], localns=_Anything()))
    assert options >= set(constant(resource, name).params)


def needs_a_filter(row: dict[str, Any]) -> bool:
    """Whether the API refuses the list without one: such a list takes it by position, before the others."""
    listing = row["list"] and row["http"] == "GET"
    return listing and any(told["type"] == "filter" and told.get("required") for told in row["params"].values())


class _Anything(dict[str, Any]):
    """Names that are imported for type checkers only."""

    def __missing__(self, key: str) -> Any:
        import builtins
        import typing

        if hasattr(typing, key):
            return getattr(typing, key)
        return getattr(builtins, key) if hasattr(builtins, key) else list


def test_resources_hang_under_their_plurals() -> None:
    """Every carried resource with operations is an attribute, by the plural of its URLs."""
    names = {name for name in dir(resources.Resources) if not name.startswith("_")}
    told = overrides()["carried"]
    if told != "all":
        assert names == {
            "cards", "customers", "events", "hosted_pages", "invoices", "item_families", "item_prices", "items",
            "plans", "portal_sessions", "subscriptions", "transactions",
        }  # fmt: skip


def test_lists_send_a_documented_order() -> None:
    """A list that can be sorted is, by something that does not change while its rows do."""
    for resource, name, _ in ALL:
        made = constant(resource, name)
        if isinstance(made, ListOperation) and made.sorts:
            assert made.default_sort in made.sorts
            assert made.default_sort != "updated_at"


def test_product_catalogues_are_told_apart() -> None:
    """Rows and docstrings say where an operation belongs, where the sources do."""
    assert constant("subscription", "create").catalog == "pc1"
    assert constant("subscription", "create_with_items").catalog == "pc2"
    assert constant("subscription", "cancel").catalog == "pc1"
    assert constant("subscription", "cancel_for_items").catalog == "pc2"
    assert constant("customer", "create").catalog is None
    assert constant("plan", "list").catalog == "pc1"
    assert constant("item_price", "list").catalog == "pc2"
