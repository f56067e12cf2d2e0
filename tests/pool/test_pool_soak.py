"""Many requests with faults among them, over clients that are closed and opened again: nothing grows."""

from __future__ import annotations

import asyncio
import gc
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import attrs
import psutil
import pytest

from aiochargebee_gw import Gateway, GatewayClientError, Retry

from .server import KEY, settings_of

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def _faulty_server() -> Iterator[str]:
    """`faulty.py` in a process of its own."""
    command = [sys.executable, "-m", "tests.pool.faulty"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@attrs.define
class Run:
    """What was seen of a run: samples of (requests so far, bytes in memory), and how its calls ended."""

    samples: list[tuple[int, int]] = attrs.field(factory=list)
    files: list[int] = attrs.field(factory=list)
    ok: int = 0
    failed: int = 0
    attempts: int = 0

    def growth(self) -> float:
        """MiB per 10,000 requests, after the first quarter."""
        kept = self.samples[len(self.samples) // 4 :]
        line = statistics.linear_regression([done for done, _ in kept], [size / 2**20 for _, size in kept])
        return line.slope * 10_000


async def _calls(gw: Gateway, numbers: Iterator[int], run: Run) -> None:
    for _ in numbers:
        try:
            await gw.customers.retrieve("c1")
            run.ok += 1
        except GatewayClientError:
            run.failed += 1


async def _soak(url: str, requests: int, recycles: int, width: int) -> Run:
    run, process = Run(), psutil.Process()
    tasks = asyncio.all_tasks()
    gw = Gateway(KEY, settings=settings_of(url, retry=Retry(attempts=8, base_seconds=0, budget=1, budget_tokens=100)))
    for turn in range(recycles):
        async with gw:
            numbers = iter(range(requests // recycles))
            async with asyncio.TaskGroup() as group:
                for _ in range(width):
                    group.create_task(_calls(gw, numbers, run))
        gc.collect()
        run.samples.append(((turn + 1) * (requests // recycles), process.memory_info().rss))
        run.files.append(process.num_fds())
    assert asyncio.all_tasks() == tasks
    run.attempts = gw.stats.attempts
    return run


def test_recycled_clients_lose_nothing() -> None:
    """4,000 calls, 64 at once, a fault in every 20th answer, over 8 openings of one client: every call is answered, and
    no task and no file descriptor is left."""
    with _faulty_server() as url:
        run = asyncio.run(_soak(url, 4000, 8, 64))
    assert (run.ok, run.failed) == (4000, 0)
    assert run.attempts > 4000 * 1.04
    assert max(run.files) - min(run.files) <= 2


@pytest.mark.soak
def test_sixty_thousand_requests_grow_nothing() -> None:
    """60,000 calls, 64 at once, 5 % faults, 20 openings: at least 700 requests/s, at most 1 MiB of growth per 10,000
    after the warm-up, the same file descriptors, no task left."""
    began = time.perf_counter()
    with _faulty_server() as url:
        run = asyncio.run(_soak(url, 60_000, 20, 64))
    rate = run.attempts / (time.perf_counter() - began)
    assert (run.ok, run.failed) == (60_000, 0)
    assert max(run.files) - min(run.files) <= 2
    assert run.growth() <= 1.0, (run.growth(), rate)
    assert rate >= 700


def test_sessions_that_are_left_open_lose_descriptors() -> None:
    """The naive form: a session for each batch that is never closed keeps its connections open."""

    async def batches(url: str) -> list[int]:
        kept, files = [], []
        for _ in range(4):
            session = aiohttp.ClientSession()
            kept.append(session)
            for _ in itertools.repeat(None, 3):
                try:
                    async with session.get(url) as answer:
                        await answer.read()
                except aiohttp.ClientError:
                    pass
            files.append(psutil.Process().num_fds())
        for session in kept:
            await session.close()
        return files

    with _faulty_server() as url:
        files = asyncio.run(batches(url))
    assert files[-1] - files[0] >= 3
