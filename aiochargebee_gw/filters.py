"""Filters of lists: `fields.customer.email.is_("a@b.example")` becomes `email[is]=a@b.example`.

Chargebee ignores a filter that it does not know and answers with the whole list, so everything wrong is refused here,
before anything is sent: an unknown field or operator, a value of another kind, an empty text or list (the server would
drop the filter), a naive datetime. Lists of values are JSON without spaces, timestamps whole Unix seconds, booleans
lower-case (Chargebee API: filters).

Each operator is a class of its own; the generator gives every field exactly the operators that the API documents for
it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeAlias, TypeVar, overload

import attrs
from attrs import Attribute

from ._filter import Filter as Filter
from ._filter import FilterRule as FilterRule
from ._filter import Kind as Kind
from ._filter import Sort as Sort
from ._filter import refuse
from ._filter_check import check as check
from ._filter_check import check_values
from .errors import RequestError

__all__ = [
    "After",
    "Before",
    "Between",
    "CustomField",
    "CustomFields",
    "Field",
    "FieldGroup",
    "Filter",
    "FilterRule",
    "Gt",
    "Gte",
    "In",
    "Is",
    "IsNot",
    "IsPresent",
    "Kind",
    "Lt",
    "Lte",
    "NotIn",
    "On",
    "Sort",
    "Sortable",
    "StartsWith",
    "check",
    "unknown_field",
]

Moment: TypeAlias = datetime | date | int
V = TypeVar("V")


class _Unknown(RequestError, AttributeError):
    """A `RequestError` that `hasattr` understands."""


class Field:
    """One field of one resource: it knows its wire name, its kind and, for an enum, its values."""

    __slots__ = ("_kind", "_name", "_resource", "_values")

    def __init__(self, resource: str, name: str, kind: Kind, values: tuple[str, ...] = ()) -> None:
        self._resource = resource
        self._name = name
        self._kind: Kind = kind
        self._values = values

    def _filter(self, operator: str, value: Any) -> Filter:
        made = Filter(self._name, operator, value, resource=self._resource, kind=self._kind)
        check_values(made, self._values)
        return made

    def __repr__(self) -> str:
        return f"<field {self._resource}.{self._name}: {', '.join(_methods(type(self)))}>"

    if not TYPE_CHECKING:  # a type checker must go on to report what is not there

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("__"):
                raise AttributeError(name)
            legal = _methods(type(self))
            raise _Unknown(
                f"{self._resource}.{self._name} has no operator {name!r}; it has {', '.join(legal)}",
                field=self._name,
                given=name,
                legal=legal,
            )


class Is(Field, Generic[V]):
    def is_(self, value: V) -> Filter:
        """Equal to *value*."""
        return self._filter("is", value)


class IsNot(Field, Generic[V]):
    def is_not(self, value: V) -> Filter:
        """Not equal to *value*."""
        return self._filter("is_not", value)


class StartsWith(Field):
    def starts_with(self, value: str) -> Filter:
        """Beginning with *value*."""
        return self._filter("starts_with", value)


class In(Field, Generic[V]):
    def in_(self, values: Iterable[V]) -> Filter:
        """Equal to one of *values*, one list that is not empty."""
        return self._filter("in", _listed(values))


class NotIn(Field, Generic[V]):
    def not_in(self, values: Iterable[V]) -> Filter:
        """Equal to none of *values*, one list that is not empty."""
        return self._filter("not_in", _listed(values))


class IsPresent(Field):
    def is_present(self, value: bool = True) -> Filter:
        """Having a value, or having none with False."""
        return self._filter("is_present", value)


class Lt(Field):
    def lt(self, value: int) -> Filter:
        """Less than *value*."""
        return self._filter("lt", value)


class Lte(Field):
    def lte(self, value: int) -> Filter:
        """At most *value*."""
        return self._filter("lte", value)


class Gt(Field):
    def gt(self, value: int) -> Filter:
        """More than *value*."""
        return self._filter("gt", value)


class Gte(Field):
    def gte(self, value: int) -> Filter:
        """At least *value*."""
        return self._filter("gte", value)


class Between(Field, Generic[V]):
    def between(self, low: V, high: V) -> Filter:
        """From *low* to *high*, both included."""
        return self._filter("between", (low, high))


class After(Field):
    def after(self, moment: Moment) -> Filter:
        """Later than *moment*: an aware datetime, a date (its midnight in UTC) or Unix seconds."""
        return self._filter("after", moment)


class Before(Field):
    def before(self, moment: Moment) -> Filter:
        """Earlier than *moment*: an aware datetime, a date (its midnight in UTC) or Unix seconds."""
        return self._filter("before", moment)


class On(Field):
    def on(self, moment: Moment) -> Filter:
        """On the day of *moment*: an aware datetime, a date (its midnight in UTC) or Unix seconds."""
        return self._filter("on", moment)


class Sortable(Field):
    def asc(self) -> Sort:
        """In ascending order."""
        return Sort(self._name, "asc", resource=self._resource)

    def desc(self) -> Sort:
        """In descending order."""
        return Sort(self._name, "desc", resource=self._resource)


class StringCustomField(Is[str], IsNot[str], StartsWith, In[str], NotIn[str], IsPresent):
    __slots__ = ()


class NumberCustomField(Is[int], IsNot[int], Lt, Lte, Gt, Gte, Between[int], IsPresent):
    __slots__ = ()


class TimestampCustomField(After, Before, On, Between[Moment], IsPresent):
    __slots__ = ()


class BooleanCustomField(Is[bool], IsPresent):
    __slots__ = ()


@attrs.frozen
class CustomField:
    """A field that your site defines; say which kind it is to get its operators."""

    resource: str
    name: str

    @property
    def string(self) -> StringCustomField:
        """As a text."""
        return StringCustomField(self.resource, self.name, "string")

    @property
    def number(self) -> NumberCustomField:
        """As a whole number."""
        return NumberCustomField(self.resource, self.name, "number")

    @property
    def timestamp(self) -> TimestampCustomField:
        """As a moment."""
        return TimestampCustomField(self.resource, self.name, "timestamp")

    @property
    def boolean(self) -> BooleanCustomField:
        """As true or false."""
        return BooleanCustomField(self.resource, self.name, "boolean")


@attrs.frozen
class CustomFields:
    """`customer.custom("cf_region").string.is_("EU")`: the way to filter by a field that your site defines."""

    resource: str

    @overload
    def __call__(self, name: str) -> CustomField: ...

    # These overlap for an attribute that can only be None: there is none.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, name: Attribute[bool] | Attribute[bool | None]
    ) -> BooleanCustomField: ...

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, name: Attribute[int] | Attribute[int | None]
    ) -> NumberCustomField: ...

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, name: Attribute[datetime] | Attribute[datetime | None]
    ) -> TimestampCustomField: ...

    @overload
    def __call__(self, name: Attribute[str] | Attribute[str | None]) -> StringCustomField: ...

    def __call__(self, name: Any) -> Any:
        """The field *name*, which starts with `cf_`; say its kind next: `custom("cf_region").string`.

        With a class of yours, its attributes know their kind: `custom(attrs.fields(Mine).cf_region)`. Raises
        `RequestError` for another name, or for a type that no filter has.
        """
        if isinstance(name, Attribute):
            return getattr(self(name.name), _kind_of(name))
        if not (name.startswith("cf_") and len(name) > 3 and name.isidentifier()):
            raise refuse(f"{name!r} is no custom field: its name starts with cf_", name, name, ("cf_...",))
        return CustomField(self.resource, name)


_KINDS = {"bool": "boolean", "str": "string", "int": "number", "datetime": "timestamp"}


def _kind_of(attribute: Attribute[Any]) -> str:
    """The kind of filter for an attribute's type, which may be a class, a union with None, or the text of either."""
    named = [part.rpartition(".")[2] for part in _TYPE_NAME.findall(_shown(attribute.type))]
    kinds = [_KINDS[part] for part in named if part in _KINDS]
    if len(kinds) != 1 or set(named) - {"None", "NoneType", "Optional", *_KINDS}:
        raise refuse(
            f"{attribute.name}: a custom field to filter by is a str, an int, a bool or a datetime",
            attribute.name,
            _shown(attribute.type),
            tuple(_KINDS),
        )
    return kinds[0]


def _shown(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


_TYPE_NAME = re.compile(r"[A-Za-z_][\w.]*")


class FieldGroup:
    """Fields of an object inside a resource: `customer.relationship.parent_id`."""

    _NAME = ""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("__"):
                raise AttributeError(name)
            raise unknown_field(self._NAME, name, [key for key in vars(type(self)) if not key.startswith("_")])


def unknown_field(resource: str, name: str, legal: Iterable[str]) -> RequestError:
    """The error for a field that no list of the resource can filter or sort by; generated modules raise it."""
    names = tuple(sorted(legal))
    close = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(names)}"
    return _Unknown(f"{resource} has no field {name!r} to filter by; {hint}", field=name, given=name, legal=names)


def _listed(values: Any) -> Any:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        return values  # refused, with the field's name, where the wire form is made
    return tuple(values)


def _methods(cls: type) -> tuple[str, ...]:
    return tuple(name for name in dir(cls) if not name.startswith("_"))
