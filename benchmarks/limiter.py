"""How much of a rate of ten a second can be used, and how often the server must refuse.

    python benchmarks/limiter.py [seconds]

First the rules side by side, in made-up time, against a server that counts strictly: the share of the rate that is
served, from the first request of 600 to the last, and the refusals. Then the client itself, with 60 tasks in one
process and in four that share a Redis, and a bucket of tokens, in real time with the server in a process of its own.

The bars: at least 0.95 of the rate and no refusal, in one process and in four.
"""

from __future__ import annotations

import asyncio
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _rules import Bucket, Gcra, SentLog, ShareLog

sys.path.insert(0, str(Path(__file__).parents[1]))

from aiochargebee_gw import Limits
from aiochargebee_gw._clock import SystemClock
from aiochargebee_gw._gates import Gates, Passage
from aiochargebee_gw._policy.limits import Trips, Window
from tests.limits.drive import Drive, Rule
from tests.limits.processes import RedisServer, redis_binary, strict_process, workers
from tests.limits.strict import most

LIMIT = 10
SEEDS = 10
RULES: dict[str, Callable[[], Rule]] = {
    "bucket of 10": lambda: Bucket(LIMIT, 10),
    "GCRA, burst 1": lambda: Gcra(LIMIT),
    "GCRA, burst 1, at 98 %": lambda: Gcra(LIMIT * 0.98),
    "GCRA, burst 1, at 95 %": lambda: Gcra(LIMIT * 0.95),
    "log at sending": lambda: SentLog(LIMIT),
    "log at completion": lambda: Window(LIMIT, 1.0),
    "... - 0.8 x fastest trip": lambda: ShareLog(LIMIT, 0.8),
    "... - learned (ours)": lambda: Window(LIMIT, 1.0, Trips()),
}
# Seconds of service, and the spread of each way.
NETWORKS = {
    f"{service:.2f} s {'calm' if spread < 0.02 else 'jittery'}": (service, spread)
    for service in (0.05, 0.15, 0.4)
    for spread in (0.005, 0.08)
}


def ways(service: float, spread: float, seed: int) -> list[tuple[float, float]]:
    """600 requests: a way of 5 ms and up to *spread* more each way; the first ten open a connection, another trip."""
    draw = random.Random(seed)
    found = [(0.005 + spread * draw.random(), service + 0.005 + spread * draw.random()) for _ in range(600)]
    return [(up + 0.01 + spread * draw.random(), back) if n < 10 else (up, back) for n, (up, back) in enumerate(found)]


def simulate() -> None:
    """Prints the table of rules and networks: medians of the rate, sums of the refusals, over ten seeds."""
    print(f"share of the rate served (refusals in {SEEDS * 600} requests)")
    print(f"{'':<28}" + "".join(f"{name:>17}" for name in NETWORKS))
    for name, rule in RULES.items():
        cells = []
        for service, spread in NETWORKS.values():
            rates, refused = [], 0
            for seed in range(SEEDS):
                late = [0.002 * random.Random(seed).random() for _ in range(97)]
                drive = Drive(rule(), LIMIT, late=late).run(ways(service, spread, seed))
                rates.append(drive.rate)
                refused += len(drive.refused)
            cells.append(f"{statistics.median(rates):>10.3f} ({refused:>4})")
        print(f"{name:<28}" + "".join(f"{cell:>17}" for cell in cells))


def real(name: str, count: int, seconds: float, **plan: Any) -> None:
    """Prints the rate of *count* processes and the refusals of the server."""
    with strict_process(LIMIT, 0.05, 0.01) as (url, server):
        todo = {"url": url, "rate": LIMIT, "tasks": 60 // count, "processes": count, "seconds": seconds, **plan}
        with workers(count, todo) as children:
            for child in children:
                child.finish()
        seen = server.finish()
    moments = seen["arrivals"]
    rate = (len(moments) - seen["refused"] - LIMIT) / (moments[-1] - moments[0]) / LIMIT
    print(f"{name:<36}{rate:>10.3f}{seen['refused']:>10}{most(moments, 1.0):>16}{len(moments):>10}")


async def overhead(calls: int) -> float:
    """Microseconds for a turn when all is free: the least of five rounds."""
    gates = Gates(Limits(account_per_second=1e9), SystemClock())
    who = Passage(site="x", method="GET", rank=0, deadline=math.inf, label="x")
    found = math.inf
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(calls):
            async with gates.turn(who) as turn:
                turn.sent, turn.trip = True, 0.01
        found = min(found, (time.perf_counter() - began) / calls * 1e6)
    return found


def main(seconds: float) -> None:
    """Runs everything."""
    simulate()
    print(f"\n{'60 tasks, 10/s, 0.05 s of service':<36}{'rate':>10}{'refused':>10}{'most in 1 s':>16}{'requests':>10}")
    real("one process", 1, seconds)
    binary = redis_binary()
    if binary is None:
        print("four processes: needs redis-server")
    else:
        with tempfile.TemporaryDirectory(prefix="redis-") as folder:
            redis = RedisServer(binary, Path(folder))
            redis.start()
            try:
                real("four processes over Redis", 4, seconds, redis=redis.url)
            finally:
                redis.kill()
    real("one process, bucket of tokens", 1, seconds / 2, naive=True)
    print(f"\na turn when all is free: {asyncio.run(overhead(20_000)):.1f} us")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
