"""`sandbox`: the embedded sandbox as a server, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from ..errors import RequestError
from ._options import whole
from ._output import dump, emit, has_terminal, say

__all__ = ["command"]


async def command(
    *,
    host: Annotated[str, Parameter(help="The loopback address to listen on: 127.0.0.1.")] = "127.0.0.1",
    port: Annotated[int, Parameter(converter=whole, help="The port; 0, the default, takes a free one.")] = 0,
    records: Annotated[int, Parameter(converter=whole, help="Customers, each with subscriptions: 500.")] = 500,
    seed: Annotated[int, Parameter(converter=whole, help="The same seed gives the same data: 7.")] = 7,
    latency: Annotated[float, Parameter(help="Seconds that every answer takes: 0.")] = 0.0,
    rate: Annotated[
        int | None, Parameter(converter=whole, help="Requests per second that the gateway lets through: all.")
    ] = None,
    strict: Annotated[bool, Parameter(help="Refuse parameters that Chargebee would ignore.")] = False,
    catalog: Annotated[Literal["pc2", "pc1", "both"], Parameter(help="The product catalogue: pc2.")] = "pc2",
    json: Annotated[bool, Parameter(help="Accepted for uniformity: the first line is JSON anyway.")] = False,
) -> int:
    """Run the sandbox until a signal comes."""
    from ..sandbox import Sandbox

    try:
        sandbox = Sandbox(
            records=records, seed=seed, host=host, port=port, latency=latency, rate=rate, strict=strict, catalog=catalog
        )
    except ValueError as error:
        raise RequestError(str(error)) from error
    stop = asyncio.Event()
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with sandbox:
        names = ("gateway_url", "control_url", "site_url", "api_key", "connection_id")
        emit([dump({name: getattr(sandbox, name) for name in names})])
        if has_terminal() and sys.stdout.isatty():
            say("Ctrl-C stops the sandbox")
        await stop.wait()
    return 0
