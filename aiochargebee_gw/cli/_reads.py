"""What `doctor` finds out through the client by reading: whether filters arrive, and what a cursor is.

A filter that gets lost on the way would make every filtered list the whole list, without any error. What a cursor is
Chargebee does not promise: a place in the order (rows move it while they are changed) or the last row's sort value.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING

from ..errors import GatewayClientError
from ..fields import customer
from ._checks import Check, Checks

if TYPE_CHECKING:
    from ..gateway import Gateway

__all__ = ["read"]


async def read(gw: Gateway, checks: Checks) -> None:
    """Read a customer or two. Adds the checks `read`, `filters` and `cursor`."""
    began = time.monotonic()
    try:
        first = await gw.customers.list(limit=1)
    except GatewayClientError as error:
        checks.fail("read", error)
        return
    checks.tell(Check("read", "ok", f"one customer asked for, answered in {time.monotonic() - began:.2f} s"))
    try:
        checks.tell(await _filters(gw, bool(first.records)))
        checks.tell(await _cursor(gw, first.next_offset, {each.id for each in first.records}))
    except GatewayClientError as error:
        checks.fail("filters" if not checks.passed("filters") else "cursor", error)


async def _filters(gw: Gateway, any_rows: bool) -> Check:
    nobody = uuid.uuid4().hex
    found = await gw.customers.list(customer.id.is_(nobody), limit=1)
    if found.records:
        cure = "do not use filtered lists through this gateway"
        return Check("filters", "fail", "a filter that nothing matches was answered with rows", cure, code=1)
    if not any_rows:
        return Check("filters", "ok", "cannot tell: the site has no customers")
    return Check("filters", "ok", "they arrive: a filter that nothing matches finds nothing")


async def _cursor(gw: Gateway, offset: str | None, seen: set[str]) -> Check:
    if offset is None:
        return Check("cursor", "ok", "cannot tell: the site has fewer than two customers")
    second = await gw.customers.list(limit=1, offset=offset)
    if {each.id for each in second.records} & seen:
        return Check("cursor", "fail", "the second page repeats the first", "lists cannot be followed here", code=1)
    return Check("cursor", "ok", f"the second page follows the first; {_kind(offset)}")


def _kind(offset: str) -> str:
    """What a cursor looks like; its value holds an id and is not shown."""
    try:
        value = json.loads(offset)
    except ValueError:
        return "its form is not known"
    if isinstance(value, list):
        return f"it holds {len(value)} values, as one that names the last row does"
    return "it is a number, as one that counts rows is" if isinstance(value, int) else "its form is not known"
