"""The composition root: the one place that puts a client together."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, overload
from urllib.parse import urlsplit

import attrs

from ._clock import Clock, SystemClock
from ._engine import Engine
from ._files import write_atomically
from ._prepare import Draft
from ._resource import GATEWAY_PATH, Caller, Options, Priority
from ._version import __version__
from ._wire import url
from ._wire.body import Body, Pace, paced
from ._wire.document import as_mapping
from ._wire.form import Pair, checked, query_string
from ._wire.headers import check_connection
from ._wire.jsonbody import encode_json
from .errors import ConfigurationError, RequestError
from .limiter import Limiter
from .observe import Observer, Stats
from .resources import Resources
from .settings import Retry, Secret, Settings
from .transport.base import Transport
from .transport.credentials import Credentials

if TYPE_CHECKING:
    from .connections import Connections
    from .journal import PendingWrite, WriteJournal
    from .records import Download

__all__ = ["Gateway"]

_DRAIN_SECONDS = 5.0
_DOWNLOAD_BYTES_PER_SECOND = 1000.0
_FORM = "application/x-www-form-urlencoded; charset=utf-8"
_RESOURCE = re.compile(r"[a-z_]{1,50}")


class Gateway(Resources):
    """A client of Chargebee behind the Maton gateway.

    *api_key* is the Maton key, else `MATON_API_KEY`; *connection* a connection id, else `MATON_CONNECTION`, else the
    gateway chooses the oldest active one. *settings* default to `Settings.from_env()`. Nothing is opened and no loop is
    needed until the first call. Close it with `async with` or `aclose()`; the same object works in one event loop after
    another. *observers* are called with each event of `observe`; *limiter* shares the limits
    with other processes (see `ext.redis`) and is closed with the client; *journal* keeps every write (see `journal`).

    Raises `ConfigurationError` for a missing or malformed key or URL, never showing the key.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        connection: str | None = None,
        settings: Settings | None = None,
        transport: Transport | None = None,
        observers: Iterable[Observer] = (),
        limiter: Limiter | None = None,
        clock: Clock | None = None,
        journal: WriteJournal | None = None,
    ) -> None:
        key = Secret((api_key if api_key is not None else os.environ.get("MATON_API_KEY")) or "")
        # A traceback that shows variables must not show it.
        del api_key
        if not key.reveal():
            raise ConfigurationError("no API key: give api_key= or set MATON_API_KEY")
        settings = _checked(settings if settings is not None else Settings.from_env())
        url.check_key(key, settings.gateway_url, settings.control_url)
        chosen = connection if connection is not None else os.environ.get("MATON_CONNECTION") or None
        self._transport = transport if transport is not None else _pool(settings, key)
        engine = Engine(
            self._transport,
            limits=settings.limits,
            clock=clock or SystemClock(),
            limiter=limiter,
            observers=tuple(observers),
        )
        options = Options(connection=None if chosen is None else check_connection(chosen))
        self._caller = Caller(settings=settings, engine=engine, options=options, journal=journal)
        self._owner = True

    async def __aenter__(self) -> Self:
        if self._owner:
            self._transport.reopen()
            self._caller.engine.reopen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections of the running loop. A copy made by `using` or `with_options` closes nothing.

        No call begins or is tried again. Those under way have five seconds to end; then they are broken off, and a
        write of which bytes have left ends as `OutcomeUnknown`.
        """
        if not self._owner:
            return
        # Each of them, whatever happens to the others: a task that closes a client may be cancelled.
        async with AsyncExitStack() as closing:
            if self._caller.journal is not None:
                closing.push_async_callback(self._caller.journal.aclose)
            closing.push_async_callback(self._caller.engine.release)
            closing.push_async_callback(self._transport.aclose)
            await self._caller.engine.drain(_DRAIN_SECONDS)

    async def resume(self, write: PendingWrite, /) -> dict[str, Any]:
        """Finish a write that the journal lists as pending: the answer's JSON object, as a dict.

        Within 25 minutes of its first send the same bytes go out under the same key, if the key is known to reach
        Chargebee or the record has an id of its own; else it is looked up. Raises what the call would have raised,
        `OutcomeUnknown` when neither can be done, `ConfigurationError` without a journal.
        """
        return await self._caller.resume(write, lambda response: dict(as_mapping(response.body)))

    def using(self, connection: str, /) -> Self:
        """The same client and pool, through another connection."""
        return self._copy(connection=check_connection(connection))

    def with_options(
        self,
        *,
        timeout: float | None = None,
        retry: Retry | None = None,
        priority: Priority | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """The same client and pool, with other options for all calls; what is left out stays.

        `timeout` is seconds for one attempt, `headers` are added (`chargebee-event-email` and the like). `priority`
        says whose calls go first where they wait for a limit: web, then reconcile, then export.
        """
        options = self._caller.options.with_call({"timeout": timeout, "retry": retry, "headers": headers})
        if priority is not None and priority not in ("web", "reconcile", "export"):
            raise RequestError("priority must be web, reconcile or export", field="priority")
        return self._copy(**{**_shallow(options), "priority": priority or options.priority})

    def _copy(self, **changes: Any) -> Self:
        other = object.__new__(type(self))
        other._transport = self._transport
        other._caller = attrs.evolve(self._caller, options=attrs.evolve(self._caller.options, **changes))
        other._owner = False
        return other

    @property
    def connections(self) -> Connections:
        """Maton's connections: list, create, get, delete, wait."""
        from .connections import Connections

        return Connections(self._caller)

    @property
    def settings(self) -> Settings:
        """The settings this client was made with."""
        return self._caller.settings

    @property
    def stats(self) -> Stats:
        """Counters since the client was made, shared with its copies."""
        return self._caller.engine.stats

    async def call(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        query: Mapping[str, Any] | Iterable[Pair] | None = None,
        form: Mapping[str, Any] | Iterable[Pair] | None = None,
        json: Any = None,
        **options: Any,
    ) -> dict[str, Any]:
        """A call that is not typed here: the answer's JSON object as a dict.

        *path* begins with `/api/v2/`. *query* and *form* are mappings or pairs whose keys are spelled as on the wire
        (`customer[id]`); values are strings, numbers or booleans. *options* are `timeout`, `retry`, `headers`,
        `idempotency_key`. Raises `RequestError` before sending, else the errors of `errors`.
        """
        if method not in ("GET", "POST"):
            raise RequestError("the method must be GET or POST: Chargebee has no other", field="method")
        if method == "GET" and (form is not None or json is not None):
            raise RequestError("a GET takes query=, not form= or json=", field="form")
        if form is not None and json is not None:
            raise RequestError("a POST takes form= or json=, not both", field="form")
        if unknown := set(options) - {"timeout", "retry", "headers", "idempotency_key"}:
            raise RequestError(f"unknown option {min(unknown)!r}", field=min(unknown))
        body, content_type = _body(method, form, json)
        prepared = Draft(
            method=method,
            path=url.check_path(path),
            label=_label(method, path),
            writes=method != "GET",
            query=tuple(_pairs(query)),
            body=body,
            content_type=content_type,
        )
        return await self._caller.send(prepared, options, lambda response: dict(as_mapping(response.body)))

    @overload
    async def download(self, source: Download | str, *, to: str | os.PathLike[str]) -> Path: ...

    @overload
    async def download(self, source: Download | str, *, to: None = None) -> bytes: ...

    async def download(self, source: Download | str, *, to: str | os.PathLike[str] | None = None) -> Path | bytes:
        """The file behind a `Download`, requested without any credential: as bytes, or written to *to*.

        The file appears under its name only when it is whole; as bytes it may have `Settings.max_response_bytes`.
        Raises `RequestError` for a URL that is not https (http is spoken to this machine alone), `TransportError`
        when the file cannot be had whole, or comes slower than 1 kB a second for `Timeouts.read_seconds`.
        """
        link = source if isinstance(source, str) else source.download_url
        _check_link(link)
        timeouts = self.settings.timeouts
        pace = Pace(least=_DOWNLOAD_BYTES_PER_SECOND, window=timeouts.read_seconds)
        with self._caller.engine.visit():
            async with self._transport.stream(link, timeouts) as answered:
                chunks = paced(answered, pace, self._caller.engine.clock.monotonic)
                if to is not None:
                    return await write_atomically(Path(to), chunks)
                body = Body(encoding="", limit=self.settings.max_response_bytes, status=200)
                async for chunk in chunks:
                    body.feed(chunk)
                return body.finish()

    def __repr__(self) -> str:
        if not hasattr(self, "_caller"):  # in a traceback of `__init__` that shows variables
            return "<Gateway that could not be made>"
        connection = self._caller.options.connection
        return f"<Gateway {self.settings.gateway_url}{'' if connection is None else f' connection={connection}'}>"


def _checked(settings: Settings) -> Settings:
    if not isinstance(settings, Settings):
        raise ConfigurationError(f"settings must be Settings, not {type(settings).__name__}")
    return attrs.evolve(
        settings,
        gateway_url=url.origin(settings.gateway_url, "Settings.gateway_url"),
        control_url=url.origin(settings.control_url, "Settings.control_url"),
    )


def _label(method: str, path: str) -> str:
    """What errors and events call an untyped call: an id in its path may be an e-mail address."""
    first, *rest = path.removeprefix(url.API_PREFIX).split("/")
    resource = first if _RESOURCE.fullmatch(first) else "..."
    return f"{method} {url.API_PREFIX}{resource}{'/...' if rest else ''}"


def _pool(settings: Settings, key: Secret) -> Transport:
    # aiohttp takes some 200 ms to import: not before a client is made.
    from .transport.pool import Pool

    credentials = Credentials(key, f"{settings.gateway_url}{GATEWAY_PATH}/", f"{settings.control_url}/connections")
    return Pool(
        credentials, max_response_bytes=settings.max_response_bytes, user_agent=f"aiochargebee-gw/{__version__}"
    )


def _shallow(options: Options) -> dict[str, Any]:
    return {field.name: getattr(options, field.name) for field in attrs.fields(Options)}


def _pairs(given: Mapping[str, Any] | Iterable[Pair] | None) -> list[Pair]:
    if given is None:
        return []
    items = given.items() if isinstance(given, Mapping) else given
    try:
        return [(checked(str(name), str(name)), _plain(str(name), value)) for name, value in items]
    except (TypeError, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError("query= and form= take a mapping or pairs", field="query") from None


def _plain(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return checked(name, str(value))
    if value is None:
        return ""
    raise RequestError(f"{name}: expected a string, a number or a boolean, got {type(value).__name__}", field=name)


def _body(method: str, form: Any, json: Any) -> tuple[bytes | None, str | None]:
    if method == "GET":
        return None, None
    if json is not None:
        return encode_json({"json": json}, {"json": "json"})[len(b'{"json":') : -1], "application/json"
    return query_string(_pairs(form)).encode("ascii"), _FORM


def _check_link(link: str) -> None:
    try:
        parts = urlsplit(link)
        allowed = parts.scheme == "https" or (parts.scheme == "http" and url.is_loopback(parts.hostname or ""))
    except ValueError:
        allowed = False
    if not allowed:
        raise RequestError("a download URL must be https", field="download_url")
