"""Fields have exactly the operators that the catalogue says, and no other."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from typing import Any

import pytest

from aiochargebee_gw import fields
from aiochargebee_gw.errors import RequestError
from aiochargebee_gw.filters import CustomFields, Field, FieldGroup, Filter, Sort

from .catalogue import documents, operations, overrides, shared

METHODS = {"is": "is_", "in": "in_"}
VALUES: dict[str, Any] = {
    "string": "x", "enum": None, "number": 3, "timestamp": datetime(2026, 1, 2, tzinfo=UTC), "boolean": True,
}  # fmt: skip


def listed() -> dict[str, dict[str, tuple[str, set[str], list[str]]]]:
    """By resource of the rows and wire name: the kind, the operators and the values, read from the catalogue."""
    found: dict[str, dict[str, tuple[str, set[str], list[str]]]] = {}
    for _, _, row in operations():
        if not row["list"] or row["http"] != "GET":
            continue
        main = next(iter(row["rows"].values()))["ref"].split(".")[0]
        here = found.setdefault(main, {})
        for name, told in row["params"].items():
            if name == "sort_by":
                continue
            inner = told.get("fields", {}) if told["type"] == "object" else {"": told}
            for key, each in inner.items():
                if each["type"] == "filter":
                    wire = f"{name}[{key}]" if key else name
                    add(here, wire, each["filter"], operators(each), each.get("values") or values(main, wire))
        for attribute in (row.get("sort_by") or {}).get("asc", []):
            add(here, attribute, "", {"asc", "desc"}, [])
    return {main: here for main, here in found.items() if here}


def values(main: str, wire: str) -> list[str]:
    """What an enum's filter takes that no request schema lists: the values of the record's attribute of that name."""
    document = documents()[main]
    cls, _, enum = document["fields"].get(wire, {}).get("enum", "").partition(".")
    found: list[str] = document["enums"][enum] if enum and cls == document["class"] else []
    return found


def operators(told: dict[str, Any]) -> set[str]:
    """The operators of a filter; where no source lists them, those of its kind except `is_present`."""
    kinds: dict[str, list[str]] = shared()["filter_operators"]
    return set(told["operators"]) if "operators" in told else set(kinds[told["filter"]]) - {"is_present"}


def add(
    here: dict[str, tuple[str, set[str], list[str]]], wire: str, kind: str, legal: set[str], values: list[str]
) -> None:
    """Note a field, or more operators of one that is known."""
    had, known, listed_values = here.get(wire, ("", set(), []))
    here[wire] = (kind or had, known | legal, values or listed_values)


CASES = [(resource, wire) for resource, here in listed().items() for wire in here]


def field_of(resource: str, wire: str) -> Field:
    """What the generated module has under a wire name."""
    module = importlib.import_module(f"aiochargebee_gw.fields.{resource}")
    outer, _, inner = wire.partition("[")
    found = getattr(module, outer)
    made = getattr(found, inner.rstrip("]")) if inner else found
    assert isinstance(made, Field)
    return made


@pytest.mark.parametrize(("resource", "wire"), CASES)
def test_a_field_has_its_operators_and_no_other(resource: str, wire: str) -> None:
    """One public method an operator of the catalogue; each writes the catalogue's name and operator."""
    kind, legal, known = listed()[resource][wire]
    field = field_of(resource, wire)
    methods = {name for name in dir(field) if not name.startswith("_")}
    assert methods == {METHODS.get(operator, operator) for operator in legal}
    for operator in sorted(legal):
        call = getattr(field, METHODS.get(operator, operator))
        if operator in ("asc", "desc"):
            assert call().pair == (f"sort_by[{operator}]", wire)
            continue
        value = (patched(resource, wire) or known or ["x"])[0] if kind == "enum" else VALUES[kind]
        made = call(*arguments(operator, value))
        assert isinstance(made, Filter)
        assert made.pair[0] == f"{wire}[{operator}]"


def arguments(operator: str, value: Any) -> tuple[Any, ...]:
    """What a method takes."""
    if operator == "is_present":
        return (False,)
    if operator == "between":
        return value, value
    return ([value],) if operator in ("in", "not_in") else (value,)


def patched(resource: str, wire: str) -> list[str]:
    """The values that an override gives a filter."""
    path = wire.replace("[", "/fields/").replace("]", "")
    for patch in overrides()["patch"]:
        if f"{resource}/operations/list/params/{path}/values" in patch["at"]:
            values: list[str] = patch["value"]
            return values
    return []


@pytest.mark.parametrize("resource", list(listed()))
def test_a_module_is_its_fields(resource: str) -> None:
    """Public globals are fields, groups of them, or `custom`; anything else is refused by name."""
    module = importlib.import_module(f"aiochargebee_gw.fields.{resource}")
    public = {name: value for name, value in vars(module).items() if name[0].isalpha()}
    assert {wire.partition("[")[0] for wire in listed()[resource]} == set(public) - {"custom"}
    assert all(isinstance(value, Field | FieldGroup | CustomFields) for value in public.values())
    with pytest.raises(RequestError, match="nonsense") as caught:
        module.nonsense  # noqa: B018
    assert set(caught.value.legal) == set(public)
    assert not hasattr(module, "nonsense")
    assert not hasattr(module, "__nonsense__")


def test_custom_fields_are_where_a_list_takes_them() -> None:
    """`custom` exists on the resources whose lists filter by `cf_*`."""
    taking = {
        next(iter(row["rows"].values()))["ref"].split(".")[0]
        for _, _, row in operations()
        if row["list"] and row.get("custom_field_filters")
    }
    having = {
        name for name in fields.__all__ if "custom" in vars(importlib.import_module(f"aiochargebee_gw.fields.{name}"))
    }
    assert having == taking


def test_the_index_lists_what_can_be_filtered_or_sorted() -> None:
    """`from aiochargebee_gw.fields import ...` offers these and no other module."""
    assert set(fields.__all__) == set(listed())


def test_an_einvoice_is_filtered_by_its_own_status() -> None:
    """The catalogue repeats the invoice's status there; the override has the values of the Einvoice part."""
    from aiochargebee_gw.fields import invoice

    legal = documents()["invoice"]["enums"]["EinvoiceStatus"]
    for value in legal:
        assert invoice.einvoice.status.is_(value).pair == ("einvoice[status][is]", value)
    with pytest.raises(RequestError):
        invoice.einvoice.status.is_("posted")


def test_sorting_is_typed_by_its_method() -> None:
    """`asc` and `desc` make an order for `order_by`."""
    from aiochargebee_gw.fields import customer

    assert isinstance(customer.created_at.desc(), Sort)


def test_values_of_every_source_are_taken() -> None:
    """The request schemas leave out events of Product Catalog 1.0; the enum has them, so the filter takes them."""
    from aiochargebee_gw.fields import event
    from aiochargebee_gw.records import EventType

    assert "plan_created" not in documents()["event"]["operations"]["list"]["params"]["event_type"]["values"]
    assert event.event_type.is_("plan_created") == event.event_type.is_(EventType.PLAN_CREATED)
    with pytest.raises(RequestError):
        event.event_type.is_("plan_craeted")
