"""`sandbox`: the embedded sandbox as a server, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ..errors import RequestError
from ._options import whole
from ._output import dump, emit, has_terminal, say

if TYPE_CHECKING:
    from ..sandbox import Faults

__all__ = ["command"]

_PLACES = ("gateway_url", "control_url", "site_url", "api_key", "connection_id", "console_url")


async def command(
    *,
    host: Annotated[str, Parameter(help="The loopback address to listen on: 127.0.0.1.")] = "127.0.0.1",
    port: Annotated[int, Parameter(converter=whole, help="The port; 0, the default, takes a free one.")] = 0,
    records: Annotated[int, Parameter(converter=whole, help="Customers, each with subscriptions: 500.")] = 500,
    seed: Annotated[int, Parameter(converter=whole, help="The same seed gives the same data: 7.")] = 7,
    file: Annotated[
        Path | None, Parameter(help="Keep everything in this file, and go on from it the next time.")
    ] = None,
    latency: Annotated[float, Parameter(help="Seconds that every answer takes: 0.")] = 0.0,
    rate: Annotated[
        int | None, Parameter(converter=whole, help="Requests per second that the gateway lets through: all.")
    ] = None,
    site_rate: Annotated[
        int | None, Parameter(converter=whole, help="Requests per minute that each Chargebee site lets through: all.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        Parameter(
            help='A fault as JSON, such as \'{"kind": "drop", "path": "/customers", "nth": 2}\'; may be repeated.'
        ),
    ] = None,
    strict: Annotated[bool, Parameter(help="Refuse parameters that Chargebee would ignore.")] = False,
    catalog: Annotated[Literal["pc2", "pc1", "both"], Parameter(help="The product catalogue: pc2.")] = "pc2",
    open: Annotated[bool, Parameter(negative=(), help="Open the console in a browser.")] = False,
    json: Annotated[bool, Parameter(help="Accepted for uniformity: the first line is JSON anyway.")] = False,
) -> int:
    """Run the sandbox until a signal comes."""
    from ..sandbox import Sandbox

    try:
        sandbox = Sandbox(
            records=records, seed=seed, host=host, port=port, latency=latency, rate=rate, strict=strict,
            catalog=catalog, site_rate=site_rate, file=file,
        )  # fmt: skip
        _add_faults(sandbox.faults, fault or [])
    except (ValueError, OSError) as error:
        raise RequestError(str(error)) from error
    stop = asyncio.Event()
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with sandbox:
        emit([dump({name: getattr(sandbox, name) for name in _PLACES})])
        if has_terminal() and sys.stdout.isatty():
            say(f"the console is {sandbox.console_url}\nCtrl-C stops the sandbox")
        if open:
            _show(sandbox.console_url)
        await stop.wait()
    return 0


def _add_faults(faults: Faults, given: list[str]) -> None:
    for text in given:
        described = _object(text)
        kind = described.pop("kind", None)
        if not isinstance(kind, str):
            raise ValueError(f"--fault needs a kind: {text}")
        try:
            faults.add(kind, **described)
        except TypeError as error:
            raise ValueError(f"--fault {text}: {error}") from error


def _object(text: str) -> dict[str, Any]:
    import msgspec

    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ValueError(f"--fault takes a JSON object, not {text}") from error


def _show(url: str) -> None:
    import webbrowser

    if not webbrowser.open(url):
        say(f"no browser was found; the console is {url}")
