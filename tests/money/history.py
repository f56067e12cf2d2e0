"""A history of writes and its check against the server's table, as Jepsen does it: every write that began ends as ok,
fail or unknown, and each of the three is a claim about the table."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import attrs

from aiochargebee_gw import GatewayClientError, OutcomeUnknown

from .books import Books

End = Literal["ok", "fail", "unknown"]


@attrs.define
class History:
    """`begun` writes by their tag, `ended` how, `errors` by what."""

    begun: list[str] = attrs.field(factory=list)
    ended: dict[str, End] = attrs.field(factory=dict)
    errors: dict[str, GatewayClientError] = attrs.field(factory=dict)

    async def record(self, tag: str, write: Awaitable[Any]) -> None:
        """Await a write and note its end. What is no error of ours comes through."""
        self.begun.append(tag)
        try:
            await write
        except OutcomeUnknown as error:
            self.ended[tag], self.errors[tag] = "unknown", error
        except GatewayClientError as error:
            self.ended[tag], self.errors[tag] = "fail", error
        else:
            self.ended[tag] = "ok"

    async def run(self, tags: list[str], write: Callable[[str], Awaitable[Any]], *, at_once: int) -> None:
        """Make the writes of all *tags*, some at once."""
        left = list(reversed(tags))

        async def worker() -> None:
            while left:
                tag = left.pop()
                await self.record(tag, write(tag))

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())


@attrs.frozen
class Verdict:
    """What does not agree with the table."""

    duplicates: int
    ok_missing: list[str]
    fail_present: list[str]
    unended: list[str]
    unknown: int
    ends: Counter[End]

    @property
    def sound(self) -> bool:
        return not (self.duplicates or self.ok_missing or self.fail_present or self.unended)


def check(history: History, server: Books) -> Verdict:
    """Compare after the server has processed all that it will."""
    server.flush()
    there = server.tags()
    return Verdict(
        duplicates=sum(count - 1 for count in there.values()),
        ok_missing=[tag for tag, end in history.ended.items() if end == "ok" and not there[tag]],
        fail_present=[tag for tag, end in history.ended.items() if end == "fail" and there[tag]],
        unended=[tag for tag in history.begun if tag not in history.ended],
        unknown=sum(end == "unknown" for end in history.ended.values()),
        ends=Counter(history.ended.values()),
    )
