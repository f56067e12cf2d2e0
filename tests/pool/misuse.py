"""Twelve ways to use a client wrongly, or to leave it: `python -m tests.pool.misuse NAME URL KEY FOLDER`.

Each prints what came of it. Whatever it leaves behind is warned of on stderr, which must stay empty.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from aiochargebee_gw import Gateway, GatewayClientError
from aiochargebee_gw.export import export
from aiochargebee_gw.observe import AttemptFinished, Event

from .server import never, serving, settings_of
from .test_pool_closing import Impatient

CUSTOMERS = "/api/v2/customers"
URL, KEY, FOLDER = (*sys.argv[2:], "", "", "")[:3]


def tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")


def client() -> Gateway:
    return Gateway(KEY, settings=settings_of(URL))


async def ask(gw: Gateway) -> str:
    """ok, or the name of the error and what it tells to do."""
    try:
        await gw.call("GET", CUSTOMERS)
    except GatewayClientError as error:
        return f"{type(error).__name__}: {str(error).rpartition('; ')[2]}"
    return "ok"


def next_loop() -> None:
    gw = client()
    tell(asyncio.run(ask(gw)), asyncio.run(ask(gw)))


def thread() -> None:
    gw = client()

    async def main() -> None:
        tell(await ask(gw), await asyncio.to_thread(lambda: asyncio.run(ask(gw))), await ask(gw))

    asyncio.run(main())


def two_threads() -> None:
    gw, both, found = client(), threading.Barrier(2), []

    async def main() -> None:
        both.wait()
        found.append(await ask(gw))
        both.wait()

    threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    tell(*sorted(found))


def _forked(ask_there: Callable[[], str]) -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, ask_there().encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading) as told:
        return told.read()


def fork() -> None:
    gw = client()
    first = asyncio.run(ask(gw))
    tell(first, _forked(lambda: asyncio.run(ask(gw))), asyncio.run(ask(gw)))


def fork_before_use() -> None:
    gw = client()
    tell(_forked(lambda: asyncio.run(ask(gw))), asyncio.run(ask(gw)))


def pickled() -> None:
    try:
        multiprocessing.get_context("spawn").Process(target=print, args=(client(),)).start()
    except TypeError as error:
        tell(str(error).rpartition(": ")[2])


def closed() -> None:
    async def main() -> None:
        async with client() as gw:
            first = await ask(gw)
        tell(first, await ask(gw))

    asyncio.run(main())


def closed_twice() -> None:
    async def main() -> None:
        gw = client()
        tell(await ask(gw))
        await gw.aclose()
        await gw.aclose()

    asyncio.run(main())


def closed_in_flight() -> None:
    async def main() -> None:
        async with serving(never) as server:
            gw = Gateway("sandbox_key", settings=settings_of(server.url), clock=Impatient())
            calls = [asyncio.create_task(ask(gw)) for _ in range(100)]
            await server.wait_for(20)
            await gw.aclose()
            told = [name.partition(":")[0] for name in await asyncio.gather(*calls)]
        tell(*(f"{name}={told.count(name)}" for name in sorted(set(told))))

    asyncio.run(main())


def left_in_flight() -> None:
    async def main() -> list[asyncio.Task[str]]:
        async with serving(never) as server:
            gw = Gateway("sandbox_key", settings=settings_of(server.url))
            calls = [asyncio.create_task(ask(gw)) for _ in range(100)]
            await server.wait_for(20)
            return calls

    tell(sum(call.done() for call in asyncio.run(main())))


def dropped_between_loops() -> None:
    for _ in range(3):
        gw = client()
        asyncio.run(ask(gw))
        del gw
        gc.collect()
    tell("ok")


def interrupted_export() -> None:
    pages = []

    def interrupt(event: Event) -> None:
        if isinstance(event, AttemptFinished):
            pages.append(event)
            if len(pages) == 3:
                signal.raise_signal(signal.SIGINT)

    target = Path(FOLDER, "customers.jsonl")

    async def main(observers: list[Callable[[Event], None]]) -> None:
        async with Gateway(KEY, settings=settings_of(URL), observers=observers) as gw:
            await export(gw.customers.list(limit=2), to=target)

    try:
        asyncio.run(main([interrupt]))
    except KeyboardInterrupt:
        tell("interrupted", target.exists())
    asyncio.run(main([]))
    tell(len(target.read_text().splitlines()))


CASES: dict[str, Callable[[], None]] = {
    case.__name__: case
    for case in (
        next_loop, thread, two_threads, fork, fork_before_use, pickled, closed, closed_twice, closed_in_flight,
        left_in_flight, dropped_between_loops, interrupted_export,
    )
}  # fmt: skip

if __name__ == "__main__":
    CASES[sys.argv[1]]()
