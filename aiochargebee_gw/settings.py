"""Settings as one frozen value: built once, evolved by copies (`attrs.evolve`), never mutated.

Sources: Maton's documentation for the two origins and the 10 requests per second; Chargebee's "API limits" page for the
limits per site and minute (150 on Starter and on any test site, 1,000 on Performance, 3,500 on Enterprise).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

import attrs

from .errors import ConfigurationError

__all__ = ["Limits", "Retry", "Secret", "Settings", "Timeouts"]

GATEWAY_URL = "https://gateway.maton.ai"
CONTROL_URL = "https://ctrl.maton.ai"
_IDEMPOTENCY = "AIOCHARGEBEE_GW_IDEMPOTENCY"


class Secret:
    """A string that does not print itself: `reveal()` is the only way to its value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('**********')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled: make the client where it is used")


def _positive(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value) or value <= 0:
        raise ConfigurationError(f"{type(instance).__name__}.{attribute.name} must be a number above 0, not {value!r}")


def _seconds(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    _positive(instance, attribute, value)
    if math.isinf(value):
        raise ConfigurationError(f"{type(instance).__name__}.{attribute.name} must be a finite number of seconds")


def _not_negative(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value) or value < 0:
        raise ConfigurationError(f"{type(instance).__name__}.{attribute.name} must be a number from 0, not {value!r}")


def _count(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(
            f"{type(instance).__name__}.{attribute.name} must be a whole number from 1, not {value!r}"
        )


def _idempotency(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value not in ("auto", "verified"):
        raise ConfigurationError(f'Settings.idempotency must be "auto" or "verified", not {value!r}')


@attrs.frozen(kw_only=True)
class Timeouts:
    """Limits of one attempt, in seconds: `connect_seconds` for TCP and TLS, `read_seconds` for the whole answer."""

    connect_seconds: float = attrs.field(default=10, validator=_seconds)
    read_seconds: float = attrs.field(default=80, validator=_seconds)


@attrs.frozen(kw_only=True)
class Retry:
    """When and how often a call is repeated.

    `attempts` sends at the most, within `deadline_seconds` for everything (waiting for the limits included). The pause
    is drawn from 0 to `base_seconds` x 2^n (full jitter), from `throttled_base_seconds` after a 429, never above
    `cap_seconds`; a `Retry-After` of the server is kept to. `budget` is the share of the calls of the last ten seconds
    that may be retries, above an allowance of `budget_tokens`.
    """

    attempts: int = attrs.field(default=4, validator=_count)
    deadline_seconds: float = attrs.field(default=60, validator=_seconds)
    base_seconds: float = attrs.field(default=0.25, validator=_not_negative)
    throttled_base_seconds: float = attrs.field(default=1, validator=_not_negative)
    cap_seconds: float = attrs.field(default=20, validator=_seconds)
    budget: float = attrs.field(default=0.2, validator=_not_negative)
    budget_tokens: float = attrs.field(default=10, validator=_not_negative)

    @classmethod
    def none(cls) -> Retry:
        """One attempt: the caller decides about everything else."""
        return cls(attempts=1)

    @classmethod
    def web(cls) -> Retry:
        """For a request handler: two attempts within five seconds."""
        return cls(attempts=2, deadline_seconds=5, cap_seconds=2)

    @classmethod
    def batch(cls) -> Retry:
        """For a job that runs for hours: eight attempts within ten minutes."""
        return cls(attempts=8, deadline_seconds=600, cap_seconds=60)


@attrs.frozen(kw_only=True)
class Limits:
    """How fast this client may go; what all processes together may, with a `Gateway(limiter=...)`.

    `account_per_second`: requests per second for the Maton account, all its apps together. `site_per_minute`: requests
    per minute for the Chargebee site, None when the plan is not known (each process then learns from the server's 429
    what is left for it), `math.inf` for none. `concurrency`: requests of this client under way at once; where it speaks
    to several sites, none gets more than three quarters of them, or of the 20 connections. `get_concurrency` and
    `post_concurrency`: the same for each site. Chargebee refuses a site's 51st GET, and on test sites its 51st POST
    (live: its 101st), at once.
    """

    account_per_second: float = attrs.field(default=10, validator=_positive)
    site_per_minute: float | None = attrs.field(default=None, validator=attrs.validators.optional(_positive))
    concurrency: int = attrs.field(default=40, validator=_count)
    get_concurrency: int = attrs.field(default=50, validator=_count)
    post_concurrency: int = attrs.field(default=50, validator=_count)


@attrs.frozen(kw_only=True)
class Settings:
    """Everything about a `Gateway` but its key and its connection.

    `gateway_url` and `control_url` are origins (`https://host[:port]`; http only for loopback). `max_response_bytes`
    caps a body after decompression. `idempotency` is "auto" (a key is sent with every POST, but a write in doubt is
    not repeated because of it) or "verified" (you know that the key reaches Chargebee). `assign_ids`: a record that is
    created without an `id` gets a random one (32 hexadecimal digits) from this client where Chargebee takes one, so
    that a create in doubt can be repeated and looked up; False leaves it to Chargebee.
    """

    gateway_url: str = GATEWAY_URL
    control_url: str = CONTROL_URL
    timeouts: Timeouts = attrs.field(factory=Timeouts)
    retry: Retry = attrs.field(factory=Retry)
    limits: Limits = attrs.field(factory=Limits)
    max_response_bytes: int = attrs.field(default=32 * 1024 * 1024, validator=_count)
    idempotency: Literal["auto", "verified"] = attrs.field(default="auto", validator=_idempotency)
    assign_ids: bool = attrs.field(default=True, validator=attrs.validators.instance_of(bool))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Settings with what the environment says.

        `AIOCHARGEBEE_GW_GATEWAY_URL` and `AIOCHARGEBEE_GW_CONTROL_URL` are the two origins,
        `AIOCHARGEBEE_GW_IDEMPOTENCY` is "auto" or "verified", which `aiochargebee-gw doctor --test-site` finds out.
        Raises `ConfigurationError`.
        """
        env = os.environ if environ is None else environ
        idempotency = env.get(_IDEMPOTENCY) or "auto"
        if idempotency not in ("auto", "verified"):
            raise ConfigurationError(f'{_IDEMPOTENCY} must be "auto" or "verified", not {idempotency!r}')
        return cls(
            idempotency="verified" if idempotency == "verified" else "auto",
            gateway_url=env.get("AIOCHARGEBEE_GW_GATEWAY_URL") or GATEWAY_URL,
            control_url=env.get("AIOCHARGEBEE_GW_CONTROL_URL") or CONTROL_URL,
        )
