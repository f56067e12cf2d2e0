"""A journal of writes, so that a process that was killed can find out what became of them, or finish them.

    gw = Gateway(journal=WriteJournal("writes.db"))
    await gw.subscriptions.create_with_items("cust_1", ..., idempotency_key="order-4711")

A write's request is on the disk before it is sent, and its end after. When the same call is made again under the same
`idempotency_key=`, also by another process after a crash, it goes on where it was. What is done gives the stored
answer. What is not goes out again within 25 minutes of its first send, the same bytes under the same key, where the key
is known to reach Chargebee or the record has an id of its own; else it is settled by reading, or is `OutcomeUnknown`.
What was under way and is asked for by nobody is listed by `pending` and finished by `Gateway.resume`.

A call that is cancelled stays pending, whether its bytes had left or not. One journal is for one Maton account: keys
are told apart by connection, and refused at another gateway than the first time.

The file holds what was sent and answered with mode 0600: customers' data, and card numbers where you send any; the API
key is not in it. `forget` deletes what has ended. It is SQLite with `synchronous=FULL`: one flush to the disk before a
write and one after.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self, TypeVar

import anyio
import anyio.to_thread
import attrs

from ._call import Call, Doubt, Moment
from ._clock import Clock, SystemClock
from ._engine import Engine
from ._journal import Entry, JournalFile, State, fingerprint
from ._settle import Trace
from ._wire.message import Request, Response
from .errors import ConfigurationError, ConnectionLost, GatewayClientError, OutcomeUnknown, RequestError

__all__ = ["PendingWrite", "WriteJournal"]

T = TypeVar("T")
R = TypeVar("R")

_log = logging.getLogger("aiochargebee_gw")
_LAST_SECONDS = 1.0


@attrs.frozen(kw_only=True)
class PendingWrite:
    """A write whose end is not known.

    `operation` is its method and path template, `connection` "" for the default one, `natural_id` the id of the record
    that it makes where the request names one, `first_sent_at` when it was stored to be sent (UTC, this machine's
    clock).
    `state` is "open" when it was broken off, "unknown" when it ended as `OutcomeUnknown`.
    """

    operation: str
    connection: str
    idempotency_key: str = attrs.field(repr=False)
    natural_id: str | None = attrs.field(repr=False)
    first_sent_at: datetime
    state: Literal["open", "unknown"]


class WriteJournal:
    """The journal in the file at *path*, which is made when it is first used. For one process at a time.

    Its errors are `ConfigurationError` (in use by another process, damaged, not writable), raised before anything is
    sent. A write that succeeded does not fail because its end cannot be noted: that is logged, and it stays pending.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock | None = None) -> None:
        self._file = JournalFile(path)
        self._clock = clock or SystemClock()
        self._thread = anyio.CapacityLimiter(1)
        self._under_way: set[tuple[str, str]] = set()
        self._ended: anyio.Event | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the file and its lock; the next use opens it again. Closing the `Gateway` does this too.

        Writes that are just being broken off have a second to note their end.
        """
        with anyio.move_on_after(_LAST_SECONDS):
            while self._under_way:
                self._ended = anyio.Event()
                await self._ended.wait()
        await self._blocking(self._file.close)

    async def pending(self) -> AsyncIterator[PendingWrite]:
        """The writes whose end is not known, the oldest first; not those that this object has under way."""
        for entry in await self._blocking(self._file.pending):
            if entry.place not in self._under_way:
                yield _pending(entry)

    async def forget(self, *, older_than: timedelta) -> int:
        """Delete the writes that ended longer ago than *older_than*, and say how many they were.

        What is pending stays. A key that is forgotten protects nothing any more, except through Chargebee, which keeps
        it for 30 minutes.
        """
        before = self._clock.wall() - older_than.total_seconds()
        return await self._blocking(lambda: self._file.forget(before))

    async def send(
        self, engine: Engine, call: Call, origin: str, read: Callable[[Response], T], trace: Trace | None
    ) -> T:
        """Send a write as `Engine.send` does, on the record."""
        entry = _entry(call, origin, trace, engine.clock.wall())
        with self._alone(entry.place, call.request.label):
            known = await self._blocking(lambda: self._file.begin(entry))
            if known is None:
                return await self._finish(entry.place, lambda: engine.send(call, _both(read)), again=False)
            return await self._go_on(engine, call, origin, read, known)

    async def entry(self, write: PendingWrite) -> Entry:
        """What is stored of a write. Raises `RequestError` when there is nothing."""
        found = await self._blocking(lambda: self._file.find((write.connection, write.idempotency_key)))
        if found is None:
            raise RequestError("the journal does not know this write", operation=write.operation)
        return found

    async def go_on(self, engine: Engine, call: Call, origin: str, read: Callable[[Response], T], known: Entry) -> T:
        """Finish a write of an earlier try: its stored answer, or what a `Call` made of it brings about."""
        with self._alone(known.place, known.label):
            return await self._go_on(engine, call, origin, read, known)

    async def _go_on(self, engine: Engine, call: Call, origin: str, read: Callable[[Response], T], known: Entry) -> T:
        if known.origin != origin:
            # A write of a sandbox's must not be finished at the real site.
            raise RequestError("this write belongs to another gateway", field="gateway_url", operation=known.label)
        if known.state == "done" and known.status is not None:
            return read(Response(status=known.status, headers={}, body=known.answer or b""))
        request = Request(
            method=known.method, url=origin + known.path, headers=known.headers, body=known.body, label=known.label
        )
        lost = ConnectionLost("an earlier try ended without an answer", sent=True, operation=known.label)
        first = Moment.at(known.first_sent, engine.clock)
        call = attrs.evolve(call, request=request, first_sent=first, doubt=Doubt(error=lost))
        return await self._finish(known.place, lambda: engine.send(call, _both(read)), again=True)

    async def _finish(
        self, place: tuple[str, str], act: Callable[[], Awaitable[tuple[Response, T]]], *, again: bool
    ) -> T:
        """Do *act* and note how it ended. What is broken off, by cancelling or by a kill, stays open."""
        try:
            response, value = await act()
        except OutcomeUnknown as error:
            await self._end(place, "unknown")
            self._take_over(place, error)
            raise
        except (ConfigurationError, RequestError):
            if not again:
                await self._end(place, "refused")
            raise
        except GatewayClientError:
            await self._end(place, "refused")
            raise
        await self._end(place, "done", response)
        return value

    def _take_over(self, place: tuple[str, str], error: OutcomeUnknown) -> None:
        """What `reconcile` and `retry` of the error find out is noted too."""
        if error._live is None:
            return
        look, send = error._live

        async def reconcile() -> Any:
            with self._alone(place, error.operation):
                found: tuple[Response, Any] | None = await look()
                if found is None:
                    return None
                await self._end(place, "done", found[0])
                return found[1]

        async def retry() -> Any:
            with self._alone(place, error.operation):
                return await self._finish(place, send, again=True)

        error._live = (reconcile, retry)

    @contextmanager
    def _alone(self, place: tuple[str, str], label: str | None) -> Iterator[None]:
        if place in self._under_way:
            raise RequestError(
                "a call under this idempotency key is under way", field="idempotency_key", operation=label
            )
        self._under_way.add(place)
        try:
            yield
        finally:
            self._under_way.discard(place)
            if self._ended is not None:
                self._ended.set()

    async def _end(self, place: tuple[str, str], state: State, response: Response | None = None) -> None:
        status, body = (None, None) if response is None else (response.status, response.body)
        try:
            await self._blocking(lambda: self._file.end(place, state, self._clock.wall(), status, body))
        except ConfigurationError:
            _log.exception("the end of a write could not be noted in the journal")

    async def _blocking(self, act: Callable[[], R]) -> R:
        # Not abandoned when cancelled: what is half written would be waited for by the next one anyway.
        return await anyio.to_thread.run_sync(act, limiter=self._thread)


def _both(read: Callable[[Response], T]) -> Callable[[Response], tuple[Response, T]]:
    return lambda response: (response, read(response))


def _entry(call: Call, origin: str, trace: Trace | None, now: float) -> Entry:
    request, key = call.request, call.idempotency_key
    if key is None:
        raise ConfigurationError("a write without an idempotency key cannot be journalled", operation=request.label)
    path = request.url.removeprefix(origin)
    return Entry(
        connection=call.site or "",
        key=key,
        origin=origin,
        label=request.label,
        method=request.method,
        path=path,
        headers=request.headers,
        body=request.body,
        keyed=call.keyed,
        named=call.named,
        trace=trace,
        fingerprint=fingerprint(request, path),
        first_sent=now,
    )


def _pending(entry: Entry) -> PendingWrite:
    return PendingWrite(
        operation=entry.label,
        connection=entry.connection,
        idempotency_key=entry.key,
        natural_id=entry.named,
        first_sent_at=datetime.fromtimestamp(entry.first_sent, UTC),
        state="unknown" if entry.state == "unknown" else "open",
    )
