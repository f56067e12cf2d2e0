"""An engine on a clock of its own, before a transport without a network that answers what it is told to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs

from aiochargebee_gw import Limits, Retry, Timeouts
from aiochargebee_gw._engine import Call, Engine
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.observe import Event
from aiochargebee_gw.transport.memory import MemoryTransport

from .clock import FakeClock

__all__ = ["DOWN", "LIMITED", "OK", "READ", "WRITE", "engine_of", "script", "send"]

OK = Response(status=200, headers={}, body=b"{}")
LIMITED = Response(status=429, headers={"retry-after": "3"}, body=b"")
DOWN = Response(status=503, headers={}, body=b"")
READ = Call(
    request=Request(method="GET", url="https://h/x", headers={}, label="GET /x"),
    writes=False,
    site="",
    retry=Retry(),
    timeouts=Timeouts(),
)
WRITE = attrs.evolve(READ, writes=True, idempotency_key="k1")


async def send(engine: Engine, call: Call) -> Response:
    """The answer as it came."""
    return await engine.send(call, lambda response: response)


def script(answers: Sequence[Response | Exception]) -> Callable[[Request], Awaitable[Response]]:
    """One answer after another; the last one for ever."""
    left = list(answers)

    async def handler(request: Request) -> Response:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handler


def engine_of(*answers: Response | Exception, **limits: Any) -> tuple[Engine, MemoryTransport, FakeClock, list[Event]]:
    """An engine whose transport gives these answers, and what can be seen of it."""
    transport, clock, events = MemoryTransport(script(answers)), FakeClock(), list[Event]()
    engine = Engine(transport, limits=Limits(**limits), clock=clock, draw=lambda: 1.0, observers=[events.append])
    return engine, transport, clock, events
