"""What importing costs: fresh processes, interleaved, CPU time above a bare interpreter.

    python benchmarks/imports.py [rounds]

The bars: `import aiochargebee_gw` at most 0.3 times `import aiohttp`; a gateway with one resource touched at most 1.5
times.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

STATEMENTS = {
    "nothing": "pass",
    "aiohttp": "import aiohttp",
    "aiochargebee_gw": "import aiochargebee_gw",
    "gateway + customers, touched": (
        "from aiochargebee_gw import Gateway; Gateway('k').customers;"
        "from aiochargebee_gw.records import Customer; from aiochargebee_gw.fields import customer"
    ),
    "gateway + subscriptions, touched": (
        "from aiochargebee_gw import Gateway; Gateway('k').subscriptions;"
        "from aiochargebee_gw.records import Subscription; from aiochargebee_gw.fields import subscription"
    ),
    "official SDK": "import chargebee",
}


def spent(statement: str) -> float:
    """CPU milliseconds of a fresh interpreter that runs *statement*; -1 when it cannot."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        return -1.0
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def main(rounds: int) -> None:
    """Runs all statements in turn and prints medians."""
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for statement in STATEMENTS.values():
        spent(statement)  # compiles what is not compiled yet
    for _ in range(rounds):
        for name, statement in STATEMENTS.items():
            times[name].append(spent(statement))
    bare = statistics.median(times["nothing"])
    base = statistics.median(times["aiohttp"]) - bare
    print(f"Python {sys.version.split()[0]}, {rounds} rounds; bare interpreter {bare:.0f} ms")
    for name, found in times.items():
        if name != "nothing" and min(found) >= 0:
            own = statistics.median(found) - bare
            print(f"{name:<36} {own:>8.0f} ms {own / base:>8.2f} x aiohttp")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 11)
