"""What every call takes beside its own parameters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from .filters import Sort
from .settings import Retry

if TYPE_CHECKING:
    from attrs import AttrsInstance

__all__ = [
    "BatchOptions",
    "CallOptions",
    "CustomWriteOptions",
    "DeletableBatchOptions",
    "ListOptions",
    "SortedListOptions",
    "WriteOptions",
]

CustomValue: TypeAlias = "str | int | float | Decimal | bool | datetime | None"


class CallOptions(TypedDict, total=False):
    """`timeout` is seconds for one attempt, `retry` the policy of this call, `headers` extra `chargebee-*` headers."""

    timeout: float | None
    retry: Retry | None
    headers: Mapping[str, str] | None


class WriteOptions(CallOptions, total=False):
    """`idempotency_key`: printable ASCII, at most 100 characters; one is made when none is given."""

    idempotency_key: str | None


class CustomWriteOptions(WriteOptions, total=False):
    """`custom_fields`: `cf_*` names and values, or an instance of a class of yours with `cf_*` attributes.

    Of an instance, attributes that are None are left out; `cf_x=None` as a keyword or in a mapping clears the field.
    """

    custom_fields: Mapping[str, CustomValue] | AttrsInstance | None


class BatchOptions(CallOptions, total=False):
    """Options of `get_many`."""


class DeletableBatchOptions(BatchOptions, total=False):
    """Options of `get_many` where deleted records can be asked for."""

    include_deleted: bool | None


class ListOptions(CallOptions, total=False):
    """`limit` is the rows of one page, 1 to 100 (100 is sent when it is left out); `offset` a cursor to start from.

    None means the same as leaving an option out.
    """

    limit: int | None
    offset: str | None


class SortedListOptions(ListOptions, total=False):
    """`order_by` is a field's `asc()` or `desc()`."""

    order_by: Sort | None
