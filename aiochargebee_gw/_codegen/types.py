"""The catalogue's types in the model: of attributes in answers, and of parameters."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from .enums import Enums
from .model import Attribute, Enum, Type
from .names import CatalogueError, prefixed

__all__ = ["OPERATORS", "Context", "answer_type", "attribute", "parameter"]

OPERATORS = {
    "string": ("is", "is_not", "starts_with", "in", "not_in", "is_present"),
    "enum": ("is", "is_not", "in", "not_in", "is_present"),
    "number": ("is", "is_not", "lt", "lte", "gt", "gte", "between", "is_present"),
    "timestamp": ("after", "before", "on", "between", "is_present"),
    "boolean": ("is", "is_present"),
}
"""The operators of each kind, in the order in which everything lists them."""

_SCALARS = {"str": "str", "int": "int", "float": "float", "bool": "bool", "json": "json", "timestamp": "time"}


@frozen
class Context:
    """What every rule may look at: all files of the catalogue, and the enums."""

    documents: dict[str, dict[str, Any]]
    enums: Enums

    def record_class(self, reference: str) -> tuple[str, str]:
        """Module and class of `customer.BillingAddress`."""
        resource, _, name = reference.partition(".")
        document = self.documents.get(resource)
        if document is None or name not in (document["class"], *document["sub_resources"]):
            raise CatalogueError(f"no record is called {reference}")
        return resource, prefixed(document["class"], name)


def attribute(context: Context, owner: str, name: str, told: dict[str, Any]) -> Attribute:
    """An attribute of the record class *owner*."""
    kind = answer_type(context, told, owner, name)
    return Attribute(name=name, type=kind, required=bool(told.get("required")), note=_unit(told))


def answer_type(context: Context, told: dict[str, Any], owner: str = "", name: str = "") -> Type:
    """The type of a value in an answer."""
    kind = told["type"]
    if kind == "list":
        return Type(kind="list", item=answer_type(context, told["items"] | _enum_of(told), owner, name))
    if kind == "object":
        return Type(kind="object", record=context.record_class(told["ref"]))
    if told.get("enum"):
        return Type(kind="enum", enum=context.enums.find(told["enum"]))
    if told.get("values"):
        return Type(kind="enum", enum=context.enums.inline(owner, name))
    return Type(kind=_scalar(kind))  # type: ignore[arg-type]


def parameter(context: Context, name: str, told: dict[str, Any]) -> Attribute:
    """A parameter of an operation, or of an object in one."""
    kind = _parameter_type(context, told)
    return Attribute(name=name, type=kind, required=bool(told.get("required")), note=_limits(told))


def _parameter_type(context: Context, told: dict[str, Any]) -> Type:
    kind = told["type"]
    if kind == "list":
        return Type(kind="list", item=_parameter_type(context, told["items"] | _enum_of(told)))
    if kind == "object":
        fields = tuple(parameter(context, name, field) for name, field in told["fields"].items())
        return Type(kind="object", fields=fields)
    if kind == "filter":
        return Type(
            kind="filter",
            filter_kind=told["filter"],
            operators=legal_operators(told),
            values=tuple(told.get("values", ())),
        )
    if kind == "enum":
        reference = told.get("enum")
        return Type(kind="enum", enum=context.enums.find(reference) if reference else None)
    return Type(kind=_scalar(kind))  # type: ignore[arg-type]


def legal_operators(told: dict[str, Any]) -> tuple[str, ...]:
    """The operators of a filter; those of its kind except `is_present` where no source lists them."""
    known = OPERATORS.get(told["filter"])
    if known is None:
        raise CatalogueError(f"no filter is of the kind {told['filter']}")
    given = told.get("operators")
    if given is None:
        return tuple(operator for operator in known if operator != "is_present")
    if odd := set(given) - set(known):
        raise CatalogueError(f"a {told['filter']} filter has no operators {', '.join(sorted(odd))}")
    return tuple(operator for operator in known if operator in given)


def enum_class(kind: Type) -> Enum | None:
    """The enum of a type, or of what it lists."""
    return enum_class(kind.item) if kind.item else kind.enum


def _enum_of(told: dict[str, Any]) -> dict[str, Any]:
    # A list of enum values names its enum beside `items`, not in it.
    return {key: told[key] for key in ("enum",) if key in told}


def _scalar(kind: str) -> str:
    if kind not in _SCALARS:
        raise CatalogueError(f"no type is called {kind}")
    return _SCALARS[kind]


def _unit(told: dict[str, Any]) -> str:
    return str(told.get("unit", ""))


def _limits(told: dict[str, Any]) -> str:
    notes: list[str] = []
    if "min" in told and "max" in told:
        notes.append(f"{told['min']} to {told['max']}")
    elif "min" in told:
        notes.append(f"at least {told['min']}")
    elif "max" in told:
        notes.append(f"at most {told['max']}")
    if "min_len" in told:
        notes.append(f"at least {told['min_len']} characters")
    if "max_len" in told:
        notes.append(f"at most {told['max_len']} {'items' if told['type'] == 'list' else 'characters'}")
    if "default" in told:
        notes.append(f"{str(told['default']).lower()} by default")
    return ", ".join([*notes, *([_unit(told)] if "unit" in told else [])])
