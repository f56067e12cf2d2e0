"""The values that travel between the doors, the site and the test: call, answer, record."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from attrs import field, frozen

from aiochargebee_gw.sandbox._form import body_pairs, first_values

JSON_TYPE = "application/json;charset=utf-8"


@frozen
class Call:
    """One request as a site sees it: the door is already behind it.

    ``path`` is the native path after ``/api/v2`` (``/customers/cust_1``), ``segments`` its decoded
    parts, ``query`` the raw query string, ``body`` the bytes as they arrived; ``oversized`` says that they were
    too many and were left out; ``lag`` is by how many seconds a list is behind.
    """

    method: str
    path: str
    segments: tuple[str, ...]
    query: str
    headers: Mapping[str, str]
    body: bytes
    idempotency_key: str | None = None
    oversized: bool = False
    lag: float = 0.0


@frozen
class Answer:
    """What goes back: a status, a whole body in memory and the headers that are not routine."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(factory=dict)
    content_type: str = JSON_TYPE


@frozen
class RecordedRequest:
    """One request that reached the sandbox, recorded when its answer was sent.

    ``door`` is ``gateway``, ``control``, ``site``, ``page``, ``file`` or ``none``; ``path`` is the raw
    path on the wire (percent-encoding kept), ``query`` the raw query string, ``headers`` are
    case-insensitive, ``status`` is 0 where no answer was sent (dropped, hung), ``at`` is the arrival
    in Unix seconds of the sandbox's clock.
    """

    door: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    at: float

    @property
    def params(self) -> dict[str, str]:
        """The decoded query; of a name that came twice the first value."""
        return first_values(self.query)

    @property
    def form(self) -> dict[str, str]:
        """The decoded form body; of a name that came twice the last value. Empty for any other body."""
        is_form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
        return dict(body_pairs(self.body)) if is_form else {}

    @property
    def native_path(self) -> str:
        """The path as Chargebee sees it, after ``/api/v2``; elsewhere the whole path."""
        return native_path(self.path)


class Requests(list[RecordedRequest]):
    """Recorded requests, oldest first."""

    def to(self, path: str | None = None, *, method: str | None = None) -> Requests:
        """Those that a fault with this ``path`` (a prefix or glob of the native path) and ``method`` would match::

        assert [one.form["first_name"] for one in sandbox.requests.to("/customers", method="POST")] == ["Ada"]
        """
        return Requests(one for one in self if matches(one.method, one.native_path, method=method, path=path))


def matches(to: str, at: str, *, method: str | None, path: str | None) -> bool:
    """Whether a request ``to`` a native path ``at`` is one with this method, at this prefix or glob; None is any."""
    if method is not None and method.upper() != to:
        return False
    if path is None:
        return True
    return fnmatchcase(at, path) if any(character in path for character in "*?[") else at.startswith(path)


def native_path(path: str) -> str:
    """``/chargebee/api/v2/customers`` and ``/api/v2/customers`` give ``/customers``."""
    for prefix in ("/chargebee/api/v2", "/api/v2"):
        if path.startswith(prefix + "/"):
            return path[len(prefix) :]
    return path
