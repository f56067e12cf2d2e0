"""What every call takes beside its own parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from .filters import Sort
from .settings import Retry

__all__ = ["CallOptions", "ListOptions", "SortedListOptions", "WriteOptions"]


class CallOptions(TypedDict, total=False):
    """`timeout` is seconds for one attempt, `retry` the policy of this call, `headers` extra `chargebee-*` headers."""

    timeout: float | None
    retry: Retry | None
    headers: Mapping[str, str] | None


class WriteOptions(CallOptions, total=False):
    """`idempotency_key`: printable ASCII, at most 100 characters; one is made when none is given."""

    idempotency_key: str | None


class ListOptions(CallOptions, total=False):
    """`limit` is the rows of one page, 1 to 100 (100 is sent when it is left out); `offset` a cursor to start from.

    None means the same as leaving an option out.
    """

    limit: int
    offset: str | None


class SortedListOptions(ListOptions, total=False):
    """`order_by` is a field's `asc()` or `desc()`."""

    order_by: Sort | None
