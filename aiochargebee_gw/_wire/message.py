"""A request and its answer as frozen values. Their `repr` holds no header, no query and no body."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = ["Request", "Response"]


@attrs.frozen(kw_only=True)
class Request:
    """What one attempt sends; all attempts of a call send the same value. `label` is what errors and events show."""

    method: str
    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes | None = attrs.field(default=None, repr=False)
    label: str


@attrs.frozen(kw_only=True)
class Response:
    """An answer, read to its end and inflated. Header names are lower-case."""

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
