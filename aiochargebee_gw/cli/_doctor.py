"""`doctor`: does everything that a call needs hold? Reads only, unless it is asked to write to a test site."""

from __future__ import annotations

import math
import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import anyio.to_thread
from cyclopts import Parameter

from ..connections import ConnectionStatus
from ..errors import ConfigurationError, GatewayClientError, RequestError
from ..settings import Retry
from ._checks import Check, Checks
from ._failures import BadKey, NoKey, explain
from ._options import Common
from ._probe import accelerators, skew, versions
from ._reads import read
from ._redis import redis_check
from ._replay import Replays, consent, replay, untested
from ._session import open_gateway

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..connections import Connection
    from ..gateway import Gateway

__all__ = ["command"]

_SKEW_SECONDS = 30


def command(
    *,
    redis: Annotated[
        str | None,
        Parameter(help="The URL of a Redis that shares limits, to be checked. Else AIOCHARGEBEE_GW_REDIS_URL."),
    ] = None,
    test_site: Annotated[
        bool,
        Parameter(help="Find out whether the idempotency key reaches Chargebee: creates and deletes a customer."),
    ] = False,
    yes: Annotated[bool, Parameter(help="Do not ask before --test-site writes.")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> Coroutine[Any, Any, int]:
    """Check everything that a call needs."""
    # Before there is a loop: Ctrl-C must end a read that waits for a person.
    agreed = test_site and consent(common, yes=yes)
    return _examine(common, redis or os.environ.get("AIOCHARGEBEE_GW_REDIS_URL"), asked=test_site, agreed=agreed)


async def _examine(common: Common, redis: str | None, *, asked: bool, agreed: bool) -> int:
    checks, replays = Checks(common), Replays()
    try:
        async with open_gateway(common, retry=Retry(attempts=2, deadline_seconds=20), observers=[replays]) as gw:
            checks.tell(Check("key", "ok", _origin(common)))
            await _remote(gw, checks, common)
            if agreed and checks.passed("read"):
                await replay(gw, replays, checks)
            else:
                untested(gw, checks, declined=asked and not agreed)
            checks.tell(_limits(gw))
    except (ConfigurationError, RequestError) as error:
        checks.fail("key" if isinstance(error, NoKey | BadKey) else "settings", error)
    if redis:
        checks.tell(await redis_check(redis))
    checks.tell(Check("versions", "ok", versions()))
    checks.tell(Check("speed", "ok", accelerators()))
    return checks.end()


def _origin(common: Common) -> str:
    if common.sandbox:
        return "the sandbox's own"
    if common.api_key_file:
        return f"from {common.api_key_file}"
    return "from MATON_API_KEY" if os.environ.get("MATON_API_KEY") else "from the keyring"


async def _remote(gw: Gateway, checks: Checks, common: Common) -> None:
    gateway, control = gw.settings.gateway_url, gw.settings.control_url
    await _reach("gateway", gateway, checks, clock=True)
    if control != gateway:
        await _reach("control", control, checks, clock=False)
    try:
        checks.tell(_chosen(await gw.connections.list(), common))
    except GatewayClientError as error:
        checks.fail("connection", error)
    await read(gw, checks)


async def _reach(name: str, origin: str, checks: Checks, *, clock: bool) -> None:
    try:
        seconds = await anyio.to_thread.run_sync(skew, origin)
    except OSError as error:
        detail, _ = explain(error)
        cure = f"check the network, and --{name}-url if you gave one"
        checks.tell(Check(name, "fail", f"{origin}: {detail}", cure, code=1))
        return
    checks.tell(Check(name, "ok", f"{origin} answers"))
    if clock:
        checks.tell(_compared(seconds))


def _compared(seconds: float | None) -> Check:
    if seconds is None:
        return Check("clock", "warn", "the gateway does not tell the time", "compare the clock yourself")
    if abs(seconds) > _SKEW_SECONDS:
        return Check("clock", "warn", f"{seconds:+.0f} s against the gateway's", "set this machine's clock")
    return Check("clock", "ok", f"within {_SKEW_SECONDS} s of the gateway's")


def _chosen(found: Sequence[Connection], common: Common) -> Check:
    """Whether the connection that calls will go through is ACTIVE."""
    active = [connection.connection_id for connection in found if connection.status is ConnectionStatus.ACTIVE]
    wanted = common.connection or (None if common.sandbox else os.environ.get("MATON_CONNECTION"))
    if wanted is None and active:
        many = f" ({len(active)} are active: the gateway takes the oldest; choose with --connection)"
        return Check("connection", "ok", "active" + (many if len(active) > 1 else f": {active[0]}"))
    if wanted is not None and wanted in active:
        return Check("connection", "ok", f"active: {wanted}")
    status = next((str(each.status) for each in found if each.connection_id == wanted), "not there")
    detail = "none is active" if wanted is None else f"{wanted} is {status}"
    return Check("connection", "fail", detail, "make one with: aiochargebee-gw connections create", code=4)


def _limits(gw: Gateway) -> Check:
    """What the settings allow, and whether a server found even these few requests too many."""
    limits, limited = gw.settings.limits, gw.stats.rate_limited
    site = "the site's minute adapts" if limits.site_per_minute is None else f"{_rate(limits.site_per_minute)} a minute"
    detail = f"{_rate(limits.account_per_second)} requests a second, {site}, {limits.concurrency} at once"
    if not limited:
        return Check("limits", "ok", f"{detail}; no 429 came")
    cure = "something else uses the same account or site"
    return Check("limits", "warn", f"{detail}; {limited} of {gw.stats.attempts} requests were answered 429", cure)


def _rate(value: float) -> str:
    return "any number of" if math.isinf(value) else f"{value:g}"
