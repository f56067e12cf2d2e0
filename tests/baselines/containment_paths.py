"""Two common ways to put an id into a URL."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from yarl import URL

__all__ = ["by_format", "by_join"]

_CUSTOMERS = "https://gateway.example/chargebee/api/v2/customers/"


def by_format(id: str) -> str:
    """The path that is asked for when the id stands in an f-string."""
    return URL(f"{_CUSTOMERS}{id}").path


def by_join(id: str) -> str | None:
    """The host that is asked when the id is joined to the URL."""
    return urlsplit(urljoin(_CUSTOMERS, id)).hostname
