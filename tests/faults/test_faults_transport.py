"""Twenty-four faults of the network under six kinds of calls: an error of ours or success, and always an end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs
import pytest

from aiochargebee_gw import Gateway, Retry, Timeouts, errors
from aiochargebee_gw.sandbox import Sandbox
from tests.baselines import containment_reads as naive

from .clients import SETTINGS
from .proxy import CLEAN, FaultProxy, Toxic, fault_proxy

pytestmark = pytest.mark.anyio

DEADLINE = 1.0
_FOREVER = 10**9


@attrs.frozen(kw_only=True)
class Fault:
    """What happens to the requests (`up`) and to the answers (`down`); `heals` says that a call must succeed."""

    name: str
    up: Toxic = CLEAN
    down: Toxic = CLEAN
    heals: bool = False


def _cut(after: int, then: Any) -> Toxic:
    return Toxic(after=after, then=then)


# An answer's head has some 250 bytes, and all its bodies here have more than 100.
FAULTS = [
    Fault(name="closed at once", up=_cut(0, "close")),
    Fault(name="reset at once", up=_cut(0, "reset")),
    Fault(name="never read", up=_cut(0, "hang")),
    Fault(name="request cut", up=_cut(40, "close")),
    Fault(name="request reset", up=_cut(40, "reset")),
    Fault(name="request stuck", up=_cut(40, "hang")),
    Fault(name="arrived, closed", down=_cut(0, "close")),
    Fault(name="arrived, reset", down=_cut(0, "reset")),
    Fault(name="arrived, silent", down=_cut(0, "hang")),
    Fault(name="status line cut", down=_cut(9, "close")),
    Fault(name="head cut", down=_cut(60, "close")),
    Fault(name="head reset", down=_cut(60, "reset")),
    Fault(name="head stuck", down=_cut(60, "hang")),
    Fault(name="body cut", down=_cut(300, "close")),
    Fault(name="body reset", down=_cut(300, "reset")),
    Fault(name="body stuck", down=_cut(300, "hang")),
    Fault(name="another protocol", down=Toxic(then="insert", bytes_=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")),
    Fault(name="a byte too much", down=Toxic(then="insert", bytes_=b"\x00")),
    Fault(name="garbage in the head", down=Toxic(after=60, then="insert", bytes_=b"\x00\xff\r\n :\n")),
    Fault(name="garbage in the body", down=Toxic(after=280, then="insert", bytes_=b"\x00\xff{[}" * 4)),
    Fault(name="drip", down=Toxic(slice_=1, pause=0.05)),
    Fault(name="latency", down=Toxic(latency=0.05), heals=True),
    Fault(name="slices", up=Toxic(slice_=7), down=Toxic(slice_=7), heals=True),
    Fault(name="open after the end", down=Toxic(after=_FOREVER, then="linger"), heals=True),
]


async def _list(gw: Gateway, _: str) -> None:
    assert len(await gw.customers.list()) >= 25


async def _stream(gw: Gateway, _: str) -> None:
    assert [record.id async for record in gw.customers.list(limit=5)]


async def _ahead(gw: Gateway, _: str) -> None:
    async with gw.customers.list(limit=5).prefetch(2) as stream:
        assert [record.id async for record in stream]


async def _retrieve(gw: Gateway, _: str) -> None:
    assert (await gw.customers.retrieve("cust_1")).customer.id == "cust_1"


async def _create(gw: Gateway, _: str) -> None:
    assert (await gw.customers.create(first_name="A")).customer.id


async def _write(gw: Gateway, _: str) -> None:
    await gw.customers.update("cust_1", first_name="B")


async def _download(gw: Gateway, path: str) -> None:
    assert (await gw.download(gw.settings.gateway_url + path)).startswith(b"%PDF")


CALLS: dict[str, Callable[[Gateway, str], Coroutine[Any, Any, None]]] = {
    "list": _list, "stream": _stream, "ahead": _ahead, "retrieve": _retrieve, "create": _create, "write": _write,
    "download": _download,
}  # fmt: skip
WRITES = ("create", "write")
CASES = [*itertools.product(FAULTS, CALLS)]


@attrs.define
class _World:
    """A real server, and a file that it serves."""

    sandbox: Sandbox
    path: str

    def proxy(self, fault: Fault) -> AbstractAsyncContextManager[FaultProxy]:
        return fault_proxy(self.sandbox.gateway_url, up=fault.up, down=fault.down)

    def client(self, url: str) -> Gateway:
        settings = attrs.evolve(
            SETTINGS,
            gateway_url=url,
            control_url=url,
            retry=Retry(attempts=2, base_seconds=0, deadline_seconds=DEADLINE),
            timeouts=Timeouts(connect_seconds=0.3, read_seconds=0.3),
        )
        return Gateway(self.sandbox.api_key, settings=settings)


async def _world(sandbox: Sandbox) -> _World:
    async with sandbox.gateway() as gw:
        invoice = await gw.invoices.list().first()
        assert invoice is not None
        link = (await gw.invoices.pdf(invoice.id)).download.download_url
    return _World(sandbox, link.removeprefix(sandbox.url))


async def _outcome(world: _World, fault: Fault, kind: str) -> BaseException | None:
    """How the call ended; None for success."""
    async with world.proxy(fault) as proxy, world.client(proxy.url) as gw:
        call = asyncio.create_task(CALLS[kind](gw, world.path))
        await asyncio.wait((call, ticking := asyncio.create_task(_ticks())), return_when=asyncio.FIRST_COMPLETED)
        ticking.cancel()
        # A call that hangs ends here, as an error that is not ours.
        call.cancel()
        (found,) = await asyncio.gather(call, return_exceptions=True)
        return found


async def _ticks() -> None:
    """The deadline and a second, in a hundred parts each: where the machine stands still, so do the call's timers."""
    for _ in range(round(DEADLINE + 1) * 100):
        await asyncio.sleep(0.01)


def _wrong(fault: Fault, kind: str, outcome: BaseException | None) -> str | None:
    case = f"{fault.name} / {kind}: {outcome!r}"
    if outcome is None:
        # A second attempt, on the same connection, meets no garbage any more; and a file has no checksum.
        return None if fault.heals or fault.name == "garbage in the body" else f"{case}: success by no means"
    if fault.heals or not isinstance(outcome, errors.GatewayClientError):
        return case
    if kind in WRITES and not isinstance(outcome, errors.OutcomeUnknown) and getattr(outcome, "sent", True):
        return f"{case}: a write in doubt is not told as one"
    return None


async def _matrix(cases: list[tuple[Fault, str]]) -> list[str]:
    async with Sandbox(records=25, seed=7) as sandbox:
        world = await _world(sandbox)
        gate = asyncio.Semaphore(8)

        async def one(fault: Fault, kind: str) -> str | None:
            async with gate:
                return _wrong(fault, kind, await _outcome(world, fault, kind))

        found = await asyncio.gather(*(one(*case) for case in cases))
    return [wrong for wrong in found if wrong is not None]


def test_the_matrix_is_as_large_as_promised() -> None:
    """24 faults by 7 kinds of calls."""
    assert (len(FAULTS), len(CALLS), len(CASES)) == (24, 7, 168)


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.soak)])
async def test_every_fault_ends_in_an_error_of_ours_or_in_success(rounds: int) -> None:
    """By the deadline and a second: an error of this package, or success where the fault is none; a write of which
    bytes have left is never told as plainly failed."""
    assert await _matrix(CASES * rounds) == []


async def test_a_refused_connection_is_one_of_ours_for_every_kind_of_call() -> None:
    """Nobody listens: each kind of call ends as ConnectFailed, unsent."""
    async with Sandbox(records=25, seed=7) as sandbox:
        world = await _world(sandbox)
        async with world.proxy(FAULTS[0]) as proxy:
            url = proxy.url
        for kind in CALLS:
            async with world.client(url) as gw:
                with pytest.raises(errors.ConnectFailed) as caught:
                    await CALLS[kind](gw, world.path)
                assert not caught.value.sent


async def test_a_plain_aiohttp_loop_lets_raw_errors_out_and_hangs() -> None:
    """The baseline: under the same faults, bare aiohttp raises its own errors, and a drip holds it for longer
    than the time that it may take."""
    async with Sandbox(records=25, seed=7) as sandbox:
        world = await _world(sandbox)

        async def read(fault: Fault) -> str | None:
            async with world.proxy(fault) as proxy:
                try:
                    await naive.customers(proxy.url, sandbox.api_key, seconds=0.3)
                except Exception as error:
                    return type(error).__module__.partition(".")[0]
            return None

        raised = await asyncio.gather(*(read(fault) for fault in FAULTS if fault.name != "drip"))
        assert set(raised) == {None, "aiohttp"}
        assert raised.count("aiohttp") > 15
        async with world.proxy(Fault(name="drip", down=Toxic(slice_=1, pause=0.02))) as proxy:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(DEADLINE + 1):
                    await naive.customers(proxy.url, sandbox.api_key, seconds=0.3)
