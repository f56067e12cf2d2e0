"""Variants side by side in one run: interleaved rounds, CPU time of this thread, medians of ratios."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping

Variant = Callable[[bytes], object]


def compare(variants: Mapping[str, Variant], pages: list[bytes], rounds: int) -> dict[str, list[float]]:
    """Milliseconds per page and round for each variant; each round runs every variant over all pages, in turn."""
    for run in variants.values():
        run(pages[0])
    times: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            run = variants[name]
            began = time.thread_time_ns()
            for page in pages:
                run(page)
            times[name].append((time.thread_time_ns() - began) / len(pages) / 1e6)
    return times


def table(title: str, times: Mapping[str, list[float]], base: str) -> dict[str, float]:
    """Prints a table with ratios to *base*; returns the median ratios."""
    print(f"\n{title} (Python {platform.python_version()})")
    print(f"{'variant':<46} {'ms/page':>9} {'fastest':>9} {'x ' + base:>16}")
    ratios = {}
    for name, spent in times.items():
        ratios[name] = statistics.median(mine / other for mine, other in zip(spent, times[base], strict=True))
        print(f"{name:<46} {statistics.median(spent):>9.3f} {min(spent):>9.3f} {ratios[name]:>16.3f}")
    return ratios
