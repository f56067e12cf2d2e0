"""A process that makes one write on the record and, where it is told so, kills itself on the way.

`python -m tests.money.child URL FILE KIND KEY WHEN`: KIND is "credit" or "customer", KEY "-" for none, WHEN "stored"
(nothing was sent yet), "answered" (the journal does not know it yet) or "never".
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from aiochargebee_gw.journal import WriteJournal
from aiochargebee_gw.observe import AttemptFinished, CallStarted, Event

from .conftest import client


async def main(url: str, file: str, kind: str, key: str, when: str) -> None:
    deadly = {"stored": CallStarted, "answered": AttemptFinished}.get(when)

    def watch(event: Event) -> None:
        if deadly is not None and isinstance(event, deadly):
            os.kill(os.getpid(), signal.SIGKILL)

    options = {} if key == "-" else {"idempotency_key": key}
    async with client(url, idempotency="verified", journal=WriteJournal(file), observers=[watch]) as gw:
        if kind == "credit":
            await gw.promotional_credits.add(customer_id="c", amount=1, description="w", **options)  # type: ignore[arg-type]
        else:
            await gw.customers.create(first_name="w", **options)  # type: ignore[arg-type]


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
