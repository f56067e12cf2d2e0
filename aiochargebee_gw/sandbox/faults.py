"""Faults on demand: what goes wrong, for which requests, how often.

Add one with ``sandbox.faults.add("status", status=503, path="/customers*", nth=2)``. Kinds:

``status``            answer ``status`` with ``body`` (bytes, str or a JSON object) and ``headers``; with
                      ``after_write=True`` the call takes effect first
``rate_limited``      429 with ``Retry-After: retry_after`` (seconds; left out when None); ``code`` is the
                      ``api_error_code``, or None for a 429 of the gateway itself
``drop``              close the connection without an answer; ``after_write=True`` as above
``cut_body``          a right ``Content-Length``, then the stream ends early, after ``at`` bytes (default half)
``cut_gzip``          a gzip stream cut short, its ``Content-Length`` matching the cut
``latency``           wait ``seconds`` before answering
``hang``              never answer, until the client goes
``html``              503, or ``status``, with an HTML body as from a load balancer
``redirect``          302, or ``status``, with ``Location: location``
``repeat_offset``     a page whose ``next_offset`` is the request's own ``offset``, or ``offset``
``strip_idempotency`` act as if the idempotency key had not arrived
``slow_body``         the body comes in ``pieces`` (10), ``seconds`` apart
``expired_cursor``    400: the offset is no longer accepted; only a request with one is struck
``expired_authorization`` 500 of the gateway's own: the connection must be authorized anew
``stale_list``        a list shows the rows as they were ``seconds`` ago: newer ones are missing

``share`` strikes a part of the requests (0.1: one in ten, drawn from a fixed seed) instead of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random
from threading import Lock
from typing import Any

from attrs import define, field, frozen

from aiochargebee_gw.sandbox._messages import matches

MODIFIERS = ("latency", "repeat_offset", "strip_idempotency", "stale_list")
_DETAILS: dict[str, dict[str, tuple[type, ...]]] = {
    "status": {
        "status": (int,),
        "body": (bytes, str, dict),
        "headers": (dict,),
        "after_write": (bool,),
    },
    "rate_limited": {"retry_after": (int, float, type(None)), "code": (str, type(None))},
    "drop": {"after_write": (bool,)},
    "cut_body": {"at": (int,)},
    "cut_gzip": {},
    "latency": {"seconds": (int, float)},
    "hang": {"after_write": (bool,)},
    "html": {"status": (int,), "body": (str,)},
    "redirect": {"location": (str,), "status": (int,)},
    "repeat_offset": {"offset": (str,)},
    "strip_idempotency": {},
    "slow_body": {"seconds": (int, float), "pieces": (int,)},
    "expired_cursor": {},
    "expired_authorization": {},
    "stale_list": {"seconds": (int, float)},
}
_REQUIRED = {
    "status": "status",
    "latency": "seconds",
    "redirect": "location",
    "slow_body": "seconds",
    "stale_list": "seconds",
}
_ON_A_CURSOR = ("repeat_offset", "expired_cursor")
KINDS = tuple(_DETAILS)


@define
class Fault:
    """One fault; ``seen`` counts the requests it matched, ``fired`` how often it struck."""

    kind: str
    path: str | None
    method: str | None
    nth: int | None
    times: int | None
    details: dict[str, Any]
    share: float | None = None
    number: int = 0
    seen: int = 0
    fired: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Whether a request to the native ``path`` is one of its kind."""
        return matches(method, path, method=self.method, path=self.path)

    @property
    def due(self) -> bool:
        """Whether the request just counted is to be struck."""
        return self.seen >= (self.nth or 1) and (self.times is None or self.fired < self.times)


@frozen
class Verdict:
    """What happens to one request: at most one fault that replaces the answer, and any modifiers."""

    final: Fault | None = None
    modifiers: tuple[Fault, ...] = ()

    def has(self, kind: str) -> bool:
        """Whether a modifier of that kind struck."""
        return any(fault.kind == kind for fault in self.modifiers)


@define
class Faults:
    """The faults of one sandbox, oldest first. Safe to use from another thread."""

    _faults: list[Fault] = field(factory=list)
    _lock: Lock = field(factory=Lock)
    _numbers: Iterator[int] = field(factory=lambda: count(1))
    _draws: Random = field(factory=lambda: Random(7))  # noqa: S311 - the same faults in every run

    def add(
        self,
        kind: str,
        *,
        path: str | None = None,
        method: str | None = None,
        nth: int | None = None,
        times: int | None = 1,
        share: float | None = None,
        **details: Any,
    ) -> Fault:
        """Add a fault and return it.

        ``path`` is a prefix or glob of the path after ``/api/v2`` (the whole path at the other doors),
        ``nth`` the first matching request to strike (1-based), ``times`` how often (None: from then on
        always), ``share`` the part of the matching requests, from 0 to 1, that is struck. Raises ``ValueError`` that
        names what is legal.
        """
        _check(kind, details)
        _check_text("path", path)
        _check_text("method", method)
        _check_count("nth", nth)
        _check_count("times", times)
        if share is not None and not (isinstance(share, int | float) and 0 < share <= 1):
            raise ValueError(f"share must be None or a number above 0, up to 1, got {share!r}")
        with self._lock:
            number = next(self._numbers)
            fault = Fault(kind, path, method.upper() if method else None, nth, times, details, share, number)
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    def remove(self, fault: Fault) -> None:
        """Forget one fault; raises ``ValueError`` where it is not there."""
        with self._lock:
            self._faults.remove(fault)

    def __len__(self) -> int:
        return len(self._faults)

    def __iter__(self) -> Iterator[Fault]:
        return iter(tuple(self._faults))

    def judge(self, method: str, path: str, offset: str | None) -> Verdict:
        """Count one request against every fault and say which of them strike."""
        final: Fault | None = None
        modifiers: list[Fault] = []
        with self._lock:
            for fault in self._faults:
                if not fault.matches(method, path) or not _pages_on(fault, offset):
                    continue
                fault.seen += 1
                spared = fault.share is not None and self._draws.random() >= fault.share
                if spared or not fault.due or (final is not None and fault.kind not in MODIFIERS):
                    continue
                fault.fired += 1
                if fault.kind in MODIFIERS:
                    modifiers.append(fault)
                else:
                    final = fault
        return Verdict(final, tuple(modifiers))


def _pages_on(fault: Fault, offset: str | None) -> bool:
    # A first page has no offset of its own that could be repeated or refused.
    return fault.kind not in _ON_A_CURSOR or offset is not None or "offset" in fault.details


def details_of() -> dict[str, dict[str, str]]:
    """What each kind of fault takes beside its rules: names, and text, number, bool or json."""
    return {kind: {name: _type(types) for name, types in legal.items()} for kind, legal in _DETAILS.items()}


def needs() -> dict[str, str]:
    """The detail without which a kind of fault is refused."""
    return dict(_REQUIRED)


def _type(types: tuple[type, ...]) -> str:
    if str in types:
        return "text"
    return "bool" if bool in types else "json" if dict in types else "number"


def _check(kind: str, details: dict[str, Any]) -> None:
    if kind not in _DETAILS:
        raise ValueError(f"unknown fault {kind!r}; the kinds are {', '.join(KINDS)}")
    legal = _DETAILS[kind]
    for name, value in details.items():
        if name not in legal:
            options = ", ".join(legal) or "none"
            raise ValueError(f"fault {kind!r} has no detail {name!r}; it takes {options}")
        if not isinstance(value, legal[name]) or (isinstance(value, bool) and bool not in legal[name]):
            types = " or ".join("None" if one is type(None) else one.__name__ for one in legal[name])
            raise ValueError(f"fault {kind!r}: {name} must be {types}, got {value!r}")
    needed = _REQUIRED.get(kind)
    if needed is not None and needed not in details:
        raise ValueError(f"fault {kind!r} needs {needed}=")
    _check_ranges(kind, details)


def _check_ranges(kind: str, details: dict[str, Any]) -> None:
    status = details.get("status")
    if status is not None and not 200 <= status <= 599:
        raise ValueError(f"fault {kind!r}: status must be between 200 and 599, got {status!r}")
    if details.get("pieces") == 0:
        raise ValueError(f"fault {kind!r}: pieces must be at least 1")
    for name in ("seconds", "retry_after", "at", "pieces"):
        value = details.get(name)
        if value is not None and value < 0:
            raise ValueError(f"fault {kind!r}: {name} must not be negative, got {value!r}")


def _check_text(name: str, value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} must be None or a text, got {value!r}")


def _check_count(name: str, value: object) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ValueError(f"{name} must be None or a whole number from 1, got {value!r}")
