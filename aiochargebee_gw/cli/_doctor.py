"""`doctor`: does everything that a call needs hold? Reads only; nothing is written anywhere."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Literal

import anyio.to_thread
import attrs

from ..connections import ConnectionStatus
from ..errors import ConfigurationError, GatewayClientError, RequestError
from ..settings import Retry
from ._failures import BadKey, NoKey, exit_code, explain
from ._options import Common
from ._output import dump, emit, emit_text
from ._probe import accelerators, skew, versions
from ._session import open_gateway

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..connections import Connection
    from ..gateway import Gateway

__all__ = ["command"]

_SKEW_SECONDS = 30
_WORST_FIRST = (4, 5, 2, 1)
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@attrs.frozen
class Check:
    """What was looked at, what was found, and what helps. `code` is the exit code of a failure."""

    name: str
    level: Literal["ok", "warn", "fail"]
    detail: str
    cure: str | None = None
    code: int = attrs.field(default=0, kw_only=True)


async def command(*, common: Common = Common()) -> int:  # noqa: B008 - frozen
    """Check everything that a call needs."""
    checks = _Checks(common)
    try:
        async with open_gateway(common, retry=Retry(attempts=2, deadline_seconds=20)) as gw:
            checks.tell(Check("key", "ok", _origin(common)))
            await _remote(gw, checks, common)
    except (ConfigurationError, RequestError) as error:
        checks.fail("key" if isinstance(error, NoKey | BadKey) else "settings", error)
    checks.tell(Check("versions", "ok", versions()))
    checks.tell(Check("speed", "ok", accelerators()))
    return checks.end()


class _Checks:
    """The checks as they are made: a line each, or one JSON object at the end."""

    def __init__(self, common: Common) -> None:
        self._common = common
        self._made: list[Check] = []

    def tell(self, check: Check) -> None:
        self._made.append(check)
        if not self._common.json:
            _show(check)

    def fail(self, name: str, error: Exception) -> None:
        detail, cure = explain(error)
        self.tell(Check(name, "fail", detail, cure, code=exit_code(error)))

    def end(self) -> int:
        codes = {check.code for check in self._made if check.level == "fail"}
        if self._common.json:
            shown = [attrs.asdict(check, filter=attrs.filters.exclude("code")) for check in self._made]
            emit([dump({"ok": not codes, "checks": shown})])
        return next((code for code in _WORST_FIRST if code in codes), 0)


def _origin(common: Common) -> str:
    if common.sandbox:
        return "the sandbox's own"
    if common.api_key_file:
        return f"from {common.api_key_file}"
    return "from MATON_API_KEY" if os.environ.get("MATON_API_KEY") else "from the keyring"


async def _remote(gw: Gateway, checks: _Checks, common: Common) -> None:
    await _reach(gw.settings.gateway_url, checks)
    try:
        checks.tell(_chosen(await gw.connections.list(), common))
    except GatewayClientError as error:
        checks.fail("connection", error)
    began = time.monotonic()
    try:
        await gw.customers.list(limit=1)
    except GatewayClientError as error:
        checks.fail("read", error)
    else:
        checks.tell(Check("read", "ok", f"one customer asked for, answered in {time.monotonic() - began:.2f} s"))


async def _reach(origin: str, checks: _Checks) -> None:
    try:
        seconds = await anyio.to_thread.run_sync(skew, origin)
    except OSError as error:
        detail, _ = explain(error)
        cure = "check the network, and --gateway-url if you gave one"
        checks.tell(Check("gateway", "fail", f"{origin}: {detail}", cure, code=1))
        return
    checks.tell(Check("gateway", "ok", f"{origin} answers"))
    if seconds is None:
        checks.tell(Check("clock", "warn", "the gateway does not tell the time", "compare the clock yourself"))
    elif abs(seconds) > _SKEW_SECONDS:
        checks.tell(Check("clock", "warn", f"{seconds:+.0f} s against the gateway's", "set this machine's clock"))
    else:
        checks.tell(Check("clock", "ok", f"within {_SKEW_SECONDS} s of the gateway's"))


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


def _show(check: Check) -> None:
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble((f"{check.level:<5}", _STYLES[check.level]), f"{check.name:<11}{check.detail}")
    if check.cure:
        line.append(f"; {check.cure}")
    console = Console(file=sys.stdout, soft_wrap=True, highlight=False)
    with console.capture() as shown:
        console.print(line)
    emit_text(shown.get())
