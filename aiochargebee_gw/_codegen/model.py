"""What the generator knows of the API, after the overrides and before any text: frozen values."""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import field, frozen

__all__ = ["Api", "Attribute", "Enum", "Filter", "Operation", "Record", "Resource", "Type"]

Kind: TypeAlias = Literal["str", "int", "float", "bool", "time", "json", "enum", "list", "object", "filter"]


@frozen
class Enum:
    """A set of values. `home` is the module in `records` that defines it: `enums`, or a resource's."""

    name: str
    home: str
    values: tuple[str, ...]


@frozen(kw_only=True)
class Type:
    """A type of a record's attribute or of a parameter."""

    kind: Kind
    enum: Enum | None = None
    item: Type | None = None
    """Of a list."""
    record: tuple[str, str] | None = None
    """Of an object in an answer: module and class."""
    fields: tuple[Attribute, ...] = ()
    """Of an object in a request."""
    filter_kind: str = ""
    operators: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


@frozen(kw_only=True)
class Attribute:
    """An attribute of a record or a parameter of an operation. `note` says limits and units."""

    name: str
    type: Type
    required: bool = False
    note: str = ""


@frozen(kw_only=True)
class Record:
    """A class of `records`: base is `Record`, `Part` or `Envelope`. `names` are an envelope's other names."""

    name: str
    base: str
    doc: str
    fields: tuple[Attribute, ...]


@frozen(kw_only=True)
class Filter:
    """A field that a list is filtered by; `wire` is its name there: `relationship[parent_id]`."""

    wire: str
    kind: str
    operators: tuple[str, ...]
    values: tuple[str, ...] = ()
    enum: Enum | None = None
    required: bool = False


@frozen(kw_only=True)
class Operation:
    """One row of the catalogue."""

    name: str
    method: str
    path: str
    params: tuple[Attribute, ...]
    json_keys: dict[str, int] = field(factory=dict)
    answer: Record
    listing: bool
    paged: bool
    main: tuple[str, str, str] | None = None
    """Of a list: key, module and class of a row's main record."""
    filters: tuple[Filter, ...] = ()
    sorts: tuple[str, ...] = ()
    default_sort: str | None = None
    include_deleted: bool = False
    custom_filters: bool = False
    custom_fields: bool = False
    keyed: bool = False
    record_path: str | None = None
    """Where the record that this creates under an id of the caller's can be read."""
    json_body: bool = False
    sub_domain: str | None = None
    catalog: str | None = None
    instead: tuple[str, str] | None = None
    """Resource and operation that do the same in the other product catalogue."""


@frozen(kw_only=True)
class Resource:
    """A file of the catalogue. `plural` is its name on the gateway and its module in `resources`."""

    name: str
    cls: str
    plural: str
    records: tuple[Record, ...]
    enums: tuple[Enum, ...]
    operations: tuple[Operation, ...]


@frozen(kw_only=True)
class Api:
    """Everything. `carried` resources are written whole, `referred` ones as records only."""

    resources: dict[str, Resource]
    enums: tuple[Enum, ...]
    """The global ones that are used by what is written."""
    carried: tuple[str, ...]
    referred: tuple[str, ...]
    digest: str

    @property
    def operated(self) -> tuple[Resource, ...]:
        """The carried resources that have operations."""
        return tuple(self.resources[name] for name in self.carried if self.resources[name].operations)

    @property
    def recorded(self) -> tuple[Resource, ...]:
        """The resources whose records are written."""
        return tuple(self.resources[name] for name in sorted({*self.carried, *self.referred}))
