"""Whether the idempotency key reaches Chargebee: the one thing that only a write can tell.

Chargebee answers a POST whose key it has seen from memory and says so in a header. So one customer is created twice
under one key, with an id made for it, and deleted afterwards. Where the key gets lost the id is refused the second
time, so no second customer can come of it.
"""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING

from ..errors import ApiError, GatewayClientError, IdempotencyConflict, NotFound, RequestError
from ..observe import AttemptFinished, Event
from ..settings import Retry
from ._checks import Check, Checks
from ._failures import explain
from ._options import Common
from ._output import say

if TYPE_CHECKING:
    from ..gateway import Gateway

__all__ = ["Replays", "consent", "replay", "untested"]

_NAME = "idempotency"
_SET = 'set AIOCHARGEBEE_GW_IDEMPOTENCY=verified, or Settings(idempotency="verified")'
_UNSET = 'take AIOCHARGEBEE_GW_IDEMPOTENCY and Settings(idempotency="verified") away: a repeat may write twice'
_WARNING = (
    "--test-site creates a customer twice under one idempotency key, and deletes it.\n"
    "Through the gateway it cannot be seen whether a site is a test site (its name ends in -test):\n"
    "make sure that the connection belongs to one."
)


class Replays:
    """An observer that counts the answers which came from an idempotency key."""

    def __init__(self) -> None:
        self.seen: int = 0

    def __call__(self, event: Event, /) -> None:
        self.seen += isinstance(event, AttemptFinished) and event.replayed


def consent(common: Common, *, yes: bool) -> bool:
    """Whether the person agrees to the write. Raises `RequestError` where there is nobody to ask."""
    if yes or common.sandbox:
        return True
    if common.api_key_file == "-" or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise RequestError("--test-site writes to the site, and there is nobody to ask: give --yes", field="yes")
    say(_WARNING)
    sys.stderr.write("Go on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def untested(gw: Gateway, checks: Checks, *, declined: bool) -> None:
    """What can be said of the key without a write."""
    if gw.settings.idempotency == "verified":
        checks.idempotency = "verified"
        checks.tell(Check(_NAME, "ok", "verified, say the settings; not tested here"))
        return
    why = "not tested, as you wished" if declined else "not tested; --test-site finds out, by a write"
    checks.tell(Check(_NAME, "ok", f"unverified: {why}"))


async def replay(gw: Gateway, replays: Replays, checks: Checks) -> None:
    """Create a customer twice under one key and see how the second one is answered."""
    once, mark = gw.with_options(retry=Retry.none()), uuid.uuid4().hex
    id = f"doctor-{mark}"
    try:
        await once.customers.create(id=id, first_name="aiochargebee-gw doctor", idempotency_key=mark)
        checks.tell(_judged(gw, checks, await _again(once, replays, id, mark)))
    except GatewayClientError as error:
        checks.fail(_NAME, error)
    finally:
        await _remove(gw, id, checks)


async def _again(once: Gateway, replays: Replays, id: str, mark: str) -> str | None:
    """Why the key is not to be trusted, None where it is."""
    before = replays.seen
    try:
        await once.customers.create(id=id, first_name="aiochargebee-gw doctor", idempotency_key=mark)
    except IdempotencyConflict:
        return "the key arrives, but the same request does not arrive the same twice"
    except ApiError as error:
        if error.code != "duplicate_entry":
            raise
        return "the key does not reach Chargebee: the repeated create was carried out anew"
    return None if replays.seen > before else "the repeated create was answered without the mark of a replay"


def _judged(gw: Gateway, checks: Checks, doubt: str | None) -> Check:
    trusting = gw.settings.idempotency == "verified"
    if doubt is None:
        checks.idempotency = "verified"
        return Check(_NAME, "ok", "verified: the repeated create was answered as a replay", None if trusting else _SET)
    if trusting:
        return Check(_NAME, "fail", f"unverified, but the settings trust it: {doubt}", _UNSET, code=1)
    return Check(_NAME, "warn", f"unverified: {doubt}", "leave the setting as it is: writes in doubt are sent once")


async def _remove(gw: Gateway, id: str, checks: Checks) -> None:
    try:
        await gw.customers.delete(id)
    except NotFound:
        return
    except GatewayClientError as error:
        detail, _ = explain(error)
        checks.tell(Check("clean-up", "warn", f"the customer {id} is perhaps still there: {detail}", "delete it"))
