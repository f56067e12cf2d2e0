"""Several things at once, of which the first that fails ends all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

__all__ = ["together"]

T = TypeVar("T")


async def together(things: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """The results in order. Raises the first error as it is, when all others have ended."""
    found: dict[int, T] = {}
    failed: list[Exception] = []

    async def run(number: int) -> None:
        try:
            found[number] = await things[number]()
        except Exception as error:
            # Not raised here: a task group would wrap it.
            failed.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for number in range(len(things)):
            group.start_soon(run, number)
    if failed:
        raise failed[0]
    return [found[number] for number in sorted(found)]
