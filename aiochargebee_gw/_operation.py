"""One row of the catalogue as a frozen value: what a call sends and what comes back. Data, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Literal, TypeVar

import attrs

from ._wire.form import Spec
from .filters import FilterRule

__all__ = ["ListOperation", "Operation"]

A = TypeVar("A", covariant=True)
R = TypeVar("R", covariant=True)
Row = TypeVar("Row", covariant=True)


@attrs.frozen(kw_only=True)
class _Call:
    resource: str
    """The resource's own name, and its module in `records`: "customer"."""
    name: str
    method: Literal["GET", "POST"]
    path: str
    """Below `/api/v2`, with at most one `{id}`: "/customers/{id}/contacts"."""
    answer: str
    """The class, in `records.<resource>`, of the answer or of a row of it."""
    params: Mapping[str, Spec] = attrs.field(factory=dict)
    filter_params: Mapping[str, FilterRule] = attrs.field(factory=dict)
    """Filters that this operation takes as keywords, by wire name: "customer[email]"."""
    required: tuple[str, ...] = ()
    custom_fields: bool = False
    """Whether `cf_*` parameters are taken."""
    keyed: bool = False
    """Whether Chargebee honours an idempotency key here."""
    record_path: str | None = None
    """Where the record that this creates under an `id` of the caller's can be read: "/customers/{id}"."""
    json_body: bool = False
    sub_domain: str | None = None
    """Set for the operations on another host than `{site}.chargebee.com`, which the gateway does not reach."""
    catalog: Literal["pc1", "pc2"] | None = None
    """The product catalogue that the operation belongs to, where the sources say so."""

    instead: str | None = None
    """What does the same in the other product catalogue: "subscriptions.create_with_items"."""

    @property
    def writes(self) -> bool:
        """Whether it may change anything. An estimate is asked for by POST and only computes."""
        return self.method != "GET" and self.resource != "estimate" and not self.name.endswith("estimate")

    @property
    def label(self) -> str:
        """What errors, events and logs call it: "POST /api/v2/customers/{id}"."""
        return f"{self.method} /api/v2{self.path}"


@attrs.frozen(kw_only=True)
class Operation(_Call, Generic[A]):
    """A call with one answer of type *A*, an `Envelope`."""


@attrs.frozen(kw_only=True)
class ListOperation(_Call, Generic[R, Row]):
    """A list of rows of type *Row*, whose main record (*R*) stands under the key `main`.

    `paged` lists take limit and offset; the others (answers of some POSTs) come whole.
    """

    main: str
    record: str
    """The class of the main record, and its module in `records`: "customer.Customer"."""
    paged: bool = True
    filters: Mapping[str, FilterRule] = attrs.field(factory=dict)
    """By wire name: "email", "relationship[parent_id]"."""
    required_filters: tuple[str, ...] = ()
    """The fields without a filter by which the server refuses the list."""
    sorts: tuple[str, ...] = ()
    default_sort: str | None = None
    """The attribute, ascending, that is sent when the caller names none: the server's own default is not promised."""
    include_deleted: bool = False
    custom_filters: bool = False
