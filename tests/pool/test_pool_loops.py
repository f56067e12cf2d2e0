"""One client over successive event loops, and what happens with loops that end badly or run side by side."""

from __future__ import annotations

import asyncio
import gc
import logging
import tracemalloc
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import anyio
import pytest

from aiochargebee_gw import ConfigurationError, Gateway
from aiochargebee_gw.sandbox.threaded import ThreadedSandbox

from .server import settings_of


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ThreadedSandbox]:
    """A sandbox whose loop is not the test's."""
    with ThreadedSandbox(records=3, seed=7) as running:
        yield running


@pytest.fixture
def gw(sandbox: ThreadedSandbox) -> Gateway:
    """A client that nobody closes."""
    return Gateway(sandbox.api_key, settings=settings_of(sandbox.gateway_url))


async def _rows(gw: Gateway) -> int:
    return len((await gw.customers.list(limit=2)).records)


def test_one_client_serves_one_loop_after_another(gw: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    """The same object works in five `asyncio.run`, without `aclose`: each loop's shutdown closes what was opened on it,
    and nothing is warned of or logged."""
    gc.collect()
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.WARNING, "asyncio"):
        warnings.simplefilter("always")
        for _ in range(5):
            assert asyncio.run(_rows(gw)) == 2
        assert [opened.session.closed for opened in gw._transport._sessions.values()] == [True]  # type: ignore[attr-defined]
        del gw
        gc.collect()
    assert [str(warning.message) for warning in warned] == []
    assert caplog.messages == []


def test_one_client_serves_one_loop_after_another_when_it_is_closed(gw: Gateway) -> None:
    """With `async with` in each loop the same object works again and again, and keeps no session."""

    async def use() -> int:
        async with gw:
            return await _rows(gw)

    assert [asyncio.run(use()) for _ in range(3)] == [2, 2, 2]
    assert gw._transport._sessions == {}  # type: ignore[attr-defined]


def test_a_bare_session_does_not_survive_its_loop(sandbox: ThreadedSandbox) -> None:
    """The naive form, one aiohttp session in two `asyncio.run`, fails in the second."""
    made: list[aiohttp.ClientSession] = []

    async def use() -> int:
        session = made[0] if made else aiohttp.ClientSession()
        made[:] = [session]
        async with session.get(f"{sandbox.gateway_url}/chargebee/api/v2/customers") as answer:
            await answer.read()
            return answer.status

    assert asyncio.run(use()) == 401
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises(RuntimeError, match="closed"):
            asyncio.run(use())
        made.clear()
        gc.collect()


def test_a_loop_that_is_closed_without_shutdown_is_forgotten(gw: Gateway) -> None:
    """After a loop that was closed under the client the next one works; the only warnings are those of the loop's own
    transports and sockets."""
    gc.collect()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(_rows(gw)) == 2
        loop.close()
        assert asyncio.run(_rows(gw)) == 2
        assert loop not in gw._transport._sessions  # type: ignore[attr-defined]
        gc.collect()
    assert {str(warning.message).split(" <")[0] for warning in warned} <= {"unclosed transport", "unclosed"}


def test_a_loop_that_goes_on_after_its_shutdown_is_served(gw: Gateway) -> None:
    """A call after `shutdown_asyncgens`, which has closed the session, opens another one."""

    async def use() -> int:
        first = await _rows(gw)
        await asyncio.get_running_loop().shutdown_asyncgens()
        with pytest.warns(ResourceWarning, match="after loop.shutdown_asyncgens"):
            second = await _rows(gw)
        await gw.aclose()
        return first + second

    assert asyncio.run(use()) == 4


def test_calls_that_a_loop_took_with_it_do_not_count(gw: Gateway) -> None:
    """A call that was cut off by the end of its loop does not keep the next loop's `aclose` waiting."""

    async def start() -> None:
        task = asyncio.create_task(gw.call("GET", "/api/v2/customers"))
        await asyncio.sleep(0)
        assert not task.done()

    asyncio.run(start())

    async def close() -> None:
        assert await _rows(gw) == 2
        await gw.aclose()

    asyncio.run(close())
    assert not gw._caller.engine._home._inside


def test_two_loops_at_the_same_time_are_refused(gw: Gateway) -> None:
    """While a loop runs that the client was used on, a call from another thread's loop is refused with the cure, also
    when nothing is under way; the first loop goes on."""

    async def use() -> int:
        first = await _rows(gw)
        with ThreadPoolExecutor(1) as threads:
            caught = await asyncio.wrap_future(threads.submit(_refusal, gw))
        assert "one for each loop or thread" in str(caught)
        return first + await _rows(gw)

    assert asyncio.run(use()) == 4


def _refusal(gw: Gateway) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(_rows(gw))
    return caught.value


def test_a_client_that_is_dropped_says_where_it_was_made(sandbox: ThreadedSandbox) -> None:
    """A client that is collected while its loop runs warns once; with tracemalloc the warning knows the line that made
    it. Its connections are closed all the same."""

    async def use() -> aiohttp.ClientSession:
        gw = Gateway(sandbox.api_key, settings=settings_of(sandbox.gateway_url))
        await _rows(gw)
        [opened] = gw._transport._sessions.values()  # type: ignore[attr-defined]
        session: aiohttp.ClientSession = opened.session
        del opened, gw
        gc.collect()
        await anyio.wait_all_tasks_blocked()
        assert session.closed
        return session

    tracemalloc.start(10)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            asyncio.run(use())
            gc.collect()
    finally:
        tracemalloc.stop()
    [warning] = warned
    assert "left open" in str(warning.message)
    assert issubclass(warning.category, ResourceWarning)
    traced = tracemalloc.get_object_traceback(warning.source)
    assert traced is None or __file__ in str(traced)
