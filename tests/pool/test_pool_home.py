"""Where an engine may be used, and how its calls end when it is closed: on a transport without a network."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import anyio
import attrs
import pytest

from aiochargebee_gw import ConfigurationError, Limits, OutcomeUnknown, Retry, errors
from aiochargebee_gw._call import Lookup
from aiochargebee_gw._clock import SystemClock
from aiochargebee_gw._engine import Engine
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.settings import Timeouts
from aiochargebee_gw.transport.base import Trace
from aiochargebee_gw.transport.memory import MemoryTransport

from ..unit.engines import DOWN, OK, READ, WRITE, script, send

LONG = 1000.0


class Queue(MemoryTransport):
    """A transport in whose queue every request waits, unsent, until *gate* opens."""

    def __init__(self, gate: asyncio.Event, became: Exception | None = None) -> None:
        super().__init__(script([OK]))
        self._gate, self._became = gate, became

    async def send(self, request: Request, timeouts: Timeouts, trace: Trace) -> Response:
        try:
            await self._gate.wait()
        except asyncio.CancelledError:
            if self._became is not None:
                raise self._became from None
            raise
        return await super().send(request, timeouts, trace)


def _engine(transport: MemoryTransport) -> Engine:
    return Engine(transport, limits=Limits(), clock=SystemClock())


def _waiting(handler: Callable[[], Awaitable[object]]) -> MemoryTransport:
    """A transport that has sent each request, and waits for *handler*."""

    async def handle(request: Request) -> Response:
        await handler()
        return OK

    return MemoryTransport(handle)


async def _cancellations(engine: Engine) -> int:
    """How many cancellations are left over for a task whose call was refused or broken off."""
    with pytest.raises(errors.GatewayClientError):
        await send(engine, READ)
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


@pytest.mark.anyio
async def test_what_waits_is_broken_off_and_its_task_goes_on() -> None:
    """A read that waits unsent ends as a ConfigurationError when the time of the closing is over, and no cancellation
    stays behind for the task that made it."""
    engine = _engine(Queue(asyncio.Event()))
    task = asyncio.create_task(_cancellations(engine))
    await anyio.wait_all_tasks_blocked()
    await engine.drain(0)
    assert await task == 0
    with pytest.raises(ConfigurationError, match="closed"):
        await send(engine, READ)
    engine.reopen()
    engine._transport = MemoryTransport(script([OK]))
    assert await send(engine, READ) is OK


@pytest.mark.anyio
async def test_an_end_of_the_transports_own_is_told_as_it_is() -> None:
    """A transport that makes an error of its own of being broken off: that error comes out, and no cancellation stays
    behind either."""
    engine = _engine(Queue(asyncio.Event(), errors.ConnectFailed("x", sent=False)))

    async def call() -> int:
        with pytest.raises(errors.ConnectFailed):
            await send(engine, WRITE)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    task = asyncio.create_task(call())
    await anyio.wait_all_tasks_blocked()
    await engine.drain(0)
    assert await task == 0


@pytest.mark.anyio
async def test_two_closings_at_a_time_break_a_call_off_once() -> None:
    """The second one's time is over in the same moment: the call ends as with one, not as cancelled by somebody."""
    engine = _engine(Queue(asyncio.Event()))
    task = asyncio.create_task(_cancellations(engine))
    await anyio.wait_all_tasks_blocked()
    await asyncio.gather(engine.drain(0), engine.drain(0))
    assert await task == 0


@pytest.mark.anyio
async def test_two_closings_at_a_time_both_end_with_the_last_call() -> None:
    """Neither waits for longer than the other: the last call to end ends both, not the first."""
    gates = {"a": asyncio.Event(), "b": asyncio.Event()}

    async def held(request: Request) -> Response:
        await gates[request.url].wait()
        return OK

    engine = _engine(MemoryTransport(held))
    calls = [
        asyncio.create_task(send(engine, attrs.evolve(READ, request=attrs.evolve(READ.request, url=name))))
        for name in gates
    ]
    await anyio.wait_all_tasks_blocked()
    closings = [asyncio.create_task(engine.drain(LONG)) for _ in range(2)]
    for gate in gates.values():
        await anyio.wait_all_tasks_blocked()
        assert [closing.done() for closing in closings] == [False, False]
        gate.set()
    await anyio.wait_all_tasks_blocked()
    assert [closing.done() for closing in closings] == [True, True]
    assert [await call for call in calls] == [OK, OK]


@pytest.mark.anyio
async def test_each_closing_waits_for_what_is_under_way_then() -> None:
    """With nothing under way a closing ends at once; a client that is opened again waits again."""
    gate = asyncio.Event()
    engine = _engine(MemoryTransport(script([OK])))
    for turn in range(3):
        engine.reopen()
        engine._transport = _waiting(gate.wait)
        gate.clear()
        call = asyncio.create_task(send(engine, READ)) if turn < 2 else None
        await anyio.wait_all_tasks_blocked()
        closing = asyncio.create_task(engine.drain(LONG))
        await anyio.wait_all_tasks_blocked()
        assert closing.done() is (call is None)
        gate.set()
        await anyio.wait_all_tasks_blocked()
        assert closing.done()
        assert call is None or await call is OK


@pytest.mark.anyio
async def test_what_has_left_is_for_the_transport_to_break_off() -> None:
    """A write whose bytes have left, and a download, are not broken off when the time of the closing is over."""
    gate = asyncio.Event()
    engine = _engine(_waiting(gate.wait))

    async def download() -> None:
        with engine.visit():
            await gate.wait()

    write, file = asyncio.create_task(send(engine, WRITE)), asyncio.create_task(download())
    await anyio.wait_all_tasks_blocked()
    await engine.drain(0)
    await anyio.wait_all_tasks_blocked()
    assert (write.done(), file.done()) == (False, False)
    gate.set()
    assert await write is OK
    await file


@pytest.mark.anyio
async def test_a_cancellation_beside_the_closing_is_somebody_elses() -> None:
    """A call that is broken off, and cancelled by its owner in the same moment, ends as cancelled."""
    engine = _engine(Queue(asyncio.Event()))
    task = asyncio.create_task(send(engine, READ))
    await anyio.wait_all_tasks_blocked()
    closing = asyncio.create_task(engine.drain(0))
    while not task.cancelling():  # noqa: ASYNC110 - nothing tells when a task is cancelled
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await closing


@pytest.mark.anyio
async def test_a_call_that_fails_while_the_client_closes_is_not_repeated() -> None:
    """It ends with its error; there is no time for another attempt."""
    gate = asyncio.Event()

    async def down(request: Request) -> Response:
        await gate.wait()
        return DOWN

    engine = _engine(MemoryTransport(down))
    task = asyncio.create_task(send(engine, READ))
    await anyio.wait_all_tasks_blocked()
    closing = asyncio.create_task(engine.drain(LONG))
    await anyio.wait_all_tasks_blocked()
    gate.set()
    with pytest.raises(errors.ServiceUnavailable):
        await task
    await closing
    assert engine.stats.attempts == 1


@pytest.mark.anyio
async def test_a_look_that_is_broken_off_leaves_the_doubt() -> None:
    """A write was sent and lost, its second attempt never left, and the look at what became of it waits when the client
    is closed: the look alone is broken off, and the write is told to be unknown."""

    class Third(MemoryTransport):
        async def send(self, request: Request, timeouts: Timeouts, trace: Trace) -> Response:
            self.requests.append(request)
            if len(self.requests) == 1:
                trace.phase = "sent"
                raise errors.ConnectionLost("x", sent=True)
            if len(self.requests) == 2:
                raise errors.ConnectFailed("x", sent=False)
            await asyncio.Event().wait()
            raise AssertionError

    transport = Third(script([OK]))
    engine = _engine(transport)
    call = attrs.evolve(
        WRITE, named="c1", lookup=Lookup(request=READ.request, shows=lambda answer, since: "unclear"),
        retry=Retry(attempts=2, base_seconds=0),
    )  # fmt: skip
    task = asyncio.create_task(send(engine, call))
    async with asyncio.timeout(20):
        while len(transport.requests) < 3:  # noqa: ASYNC110 - the pause between the attempts is the machine's
            await asyncio.sleep(0)
    await engine.drain(0)
    with pytest.raises(OutcomeUnknown):
        await task
    assert task.cancelling() == 0


def test_what_runs_on_another_loop_is_not_waited_for() -> None:
    """A client whose loop was closed under a call closes on the next loop at once, and leaves that call alone."""
    engine = _engine(Queue(asyncio.Event()))
    tasks: list[asyncio.Task[Response]] = []

    async def start() -> None:
        tasks.append(asyncio.ensure_future(send(engine, READ)))
        await anyio.wait_all_tasks_blocked()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(start())
    tasks[0]._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    asyncio.run(asyncio.wait_for(engine.drain(0), 20))
    assert not tasks[0].cancelling()
    tasks[0].get_coro().close()


def test_one_loop_at_a_time() -> None:
    """While the loop runs that a client was used on, another thread's loop is refused, with the cure; after it has
    ended the next loop is served, and waits for its own calls alone."""
    engine = _engine(MemoryTransport(script([OK])))

    async def use() -> None:
        assert await send(engine, READ) is OK
        with ThreadPoolExecutor(1) as threads:
            other = threads.submit(asyncio.run, send(engine, READ))
            with pytest.raises(ConfigurationError, match="one for each loop or thread"):
                await asyncio.wrap_future(other)
        assert await send(engine, READ) is OK

    asyncio.run(use())
    asyncio.run(use())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
@pytest.mark.parametrize("same", [True, False])
def test_a_fork_is_another_client(same: bool) -> None:
    """A child that was forked after the first call is told to make its own client, on a loop of its own and on that of
    its parent; the parent goes on."""
    engine = _engine(MemoryTransport(script([OK])))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(send(engine, READ))
    with warnings.catch_warnings():
        # Of a fork beside threads; this child ends at once.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        told = 1
        try:
            (loop if same else asyncio.new_event_loop()).run_until_complete(send(engine, READ))
        except ConfigurationError as error:
            told = 0 if "fork" in str(error) else 2
        finally:
            os._exit(told)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert loop.run_until_complete(send(engine, READ)) is OK
    loop.close()


@pytest.mark.anyio
async def test_a_call_is_made_from_within_a_task() -> None:
    """A callback of the loop is no place for a call: there is nothing that could be broken off."""
    engine = _engine(MemoryTransport(script([OK])))
    told: list[Exception] = []

    def callback() -> None:
        call = send(engine, READ)
        try:
            call.send(None)
        except ConfigurationError as error:
            told.append(error)
        finally:
            call.close()

    asyncio.get_running_loop().call_soon(callback)
    await anyio.wait_all_tasks_blocked()
    assert len(told) == 1
    assert await send(engine, READ) is OK
