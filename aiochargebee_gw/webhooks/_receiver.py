"""The receiver: a request comes in, an event is handled once, a status goes out.

Chargebee takes any 2xx as received and sends again after anything else (its documentation of webhooks). So an event is
handled and committed first, and answered then. What is logged is the id and the type of an event, nothing else of it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import anyio
import attrs

from .._clock import Clock, SystemClock
from .._record import Record
from ..errors import ConfigurationError, DecodeError, GatewayClientError, RequestError
from ..settings import Secret
from ._credentials import Credentials
from ._event import MAX_BODY_BYTES, Event, Resource, parse, resource_of, typed, versions
from ._store import Claim, MemoryStore, State, Store

if TYPE_CHECKING:
    from aiohttp import web

    from ..gateway import Gateway

__all__ = ["Delivery", "Handle", "WebhookReceiver"]

_log = logging.getLogger("aiochargebee_gw.webhooks")
_OK, _UNREADABLE, _FAILED, _LATER = 200, 400, 500, 503


@attrs.frozen(kw_only=True)
class Delivery:
    """What a handler is given: an event, and the resources of it of which a later version was handled before."""

    event: Event
    stale: frozenset[Resource] = frozenset()

    def is_newest(self, record: Record) -> bool:
        """Whether no later `resource_version` of this record was handled before: only then does it belong into a copy.

        True for a record without an id or a version (an address, say): such records have no order.
        """
        return resource_of(record) not in self.stale


Handle: TypeAlias = Callable[[Delivery], Awaitable[object]]


class WebhookReceiver:
    """Receives the webhooks of one endpoint and gives each event to `handle` once.

    *user* and *password* are those of the endpoint. With *gateway*, the event that is handled is fetched from Chargebee
    by its id, and the posted one, which nothing signs, only says which; this costs one request an event. *store*
    remembers what was handled: a `MemoryStore` unless given. *seconds* are for one event, waiting and fetching
    included; then `handle` is cancelled and Chargebee told to come again.

    An event counts as handled when `handle` returns; when it raises, Chargebee sends it again, up to seven times. A
    process that dies between the end of `handle` and the commit of the store gets the event once more, so what must
    not happen twice belongs into one transaction with the event's id. Events of one resource are handled one
    after another, others at once. Raises `ConfigurationError` for unusable credentials or seconds.
    """

    def __init__(
        self,
        *,
        user: str | Secret,
        password: str | Secret,
        handle: Handle,
        store: Store | None = None,
        gateway: Gateway | None = None,
        seconds: float = 30.0,
        clock: Clock | None = None,
    ) -> None:
        if not 0 < seconds <= 55:
            # The first repetition comes after two minutes: the claim of a process that died must have ended then.
            raise ConfigurationError("seconds must be above 0 and at most 55")
        self._credentials = Credentials(user, password)
        self._handle = handle
        self._store: Store = MemoryStore() if store is None else store
        self._gateway = gateway
        self._seconds = seconds
        self._clock: Clock = SystemClock() if clock is None else clock
        self._events = _Turns()
        self._resources = _Turns()

    async def handler(self, request: web.Request) -> web.Response:
        """The handler for a route: `app.router.add_post("/chargebee", receiver.handler)`. No answer has a body."""
        from aiohttp import web

        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
        if not self._credentials.match(request.headers.getall("Authorization", [])):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="webhooks"'})
        try:
            async with self._clock.timeout(self._seconds):
                body = await _body(request)
        except TimeoutError:
            return web.Response(status=408)
        return web.Response(status=413 if body is None else await self._accept(body))

    async def receive(self, authorization: str | None, body: bytes) -> int:
        """The same for any other framework: from the header and the whole body to the HTTP status to answer with.

        200 handled, now or before · 400 no event · 401 other credentials · 413 above 1 MiB · 500 `handle` failed ·
        503 come again: being handled, not to be fetched, the store failed or time is up. Raises nothing of its own.
        """
        if not self._credentials.match([] if authorization is None else [authorization]):
            return 401
        return 413 if len(body) > MAX_BODY_BYTES else await self._accept(body)

    async def _accept(self, body: bytes) -> int:
        try:
            event = parse(body)
        except DecodeError:
            _log.warning("a webhook was refused: its body is no event of API version 2")
            return _UNREADABLE
        status, failure = await self._in_time(event)
        level = logging.INFO if status == _OK else logging.WARNING
        # Of an error only the name: its text, or that of its cause, may quote the event.
        _log.log(level, "%s %s: %d %s", event.id, event.event_type, status, failure)
        return status

    async def _in_time(self, event: Event) -> tuple[int, str]:
        try:
            async with self._clock.timeout(self._seconds), self._events.of(event.id):
                return await self._take(event), ""
        except _HandlerFailed as error:
            return _FAILED, type(error.__cause__).__name__
        except RequestError:
            return _UNREADABLE, "the id is none"
        except Exception as error:
            # Whatever a store or the network raised: the event is not handled, so it must come again.
            return _LATER, type(error).__name__

    async def _take(self, event: Event) -> int:
        now = self._clock.wall()
        claim = Claim(id=event.id, token=secrets.token_hex(16), until=now + 2 * self._seconds)
        status = _LATER
        try:
            state = await self._store.take(claim, now)
            if state is State.NEW:
                status = await self._perform(claim, await self._fetched(event))
            elif state is State.DONE:
                status = _OK
        finally:
            if status != _OK:
                await self._release(claim)
        return status

    async def _perform(self, claim: Claim, event: Event) -> int:
        seen = versions(event.content)
        async with self._resources.of(*seen):
            stale = await self._store.hold(claim, seen, self._clock.wall())
            if stale is None:
                return _LATER
            try:
                await self._handle(Delivery(event=event, stale=stale))
            except Exception as error:
                raise _HandlerFailed from error
            kept = await self._store.commit(claim, seen, self._clock.wall())
            return _OK if kept else _LATER

    async def _fetched(self, event: Event) -> Event:
        if self._gateway is None:
            return event
        answer = await self._gateway.events.retrieve(event.id)
        found = typed(answer.event.raw)
        if found.id != event.id:
            raise GatewayClientError("another event was answered than the one asked for")
        return found

    async def _release(self, claim: Claim) -> None:
        # Also when the request was cancelled. Where it fails the claim ends by time.
        with anyio.CancelScope(shield=True):
            try:
                await self._store.release(claim)
            except Exception:
                _log.warning("%s could not be released", claim.id)


class _HandlerFailed(Exception):
    """The handler raised; its error is the cause."""


class _Turns:
    """One at a time for each key; several keys are taken in order, so that no two wait for each other."""

    def __init__(self) -> None:
        # A lock lives as long as somebody holds it or waits for it.
        self._locks: weakref.WeakValueDictionary[Hashable, asyncio.Lock] = weakref.WeakValueDictionary()

    @asynccontextmanager
    async def of(self, *keys: Resource | str) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for key in sorted(keys):
                lock = self._locks.get(key)
                if lock is None:
                    lock = self._locks[key] = asyncio.Lock()
                await stack.enter_async_context(lock)
            yield


async def _body(request: web.Request) -> bytes | None:
    """The whole body; None as soon as it is above 1 MiB, decompressed."""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        return None
    found = bytearray()
    async for chunk in request.content.iter_any():
        found += chunk
        if len(found) > MAX_BODY_BYTES:
            return None
    return bytes(found)
