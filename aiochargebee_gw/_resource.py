"""What generated resources stand on: the caller, which turns a catalogue row and arguments into an answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import attrs

from ._engine import Call, Engine, Lookup
from ._operation import ListOperation, Operation
from ._page import answer_class, decode_answer
from ._prepare import Draft, draft, split_options
from ._settle import Trace, trace_of
from ._wire.headers import IDEMPOTENCY_KEY, check_extra, check_idempotency_key
from ._wire.message import Request, Response
from .errors import ConfigurationError, RequestError, WrongCatalog
from .settings import Retry, Settings, Timeouts

if TYPE_CHECKING:
    from ._journal import Entry
    from .batches import Many
    from .filters import Filter
    from .journal import PendingWrite, WriteJournal
    from .pagination import Page, Pages

__all__ = ["GATEWAY_PATH", "Caller", "Options", "Priority", "Resource"]

A = TypeVar("A")
R = TypeVar("R")
Row = TypeVar("Row")
T = TypeVar("T")

Priority = Literal["web", "reconcile", "export"]
GATEWAY_PATH = "/chargebee"
_IDS = uuid.UUID("5b1f1a3e-6a5c-4c0e-9a7c-3a1d0a6f0c11")
_RANKS: dict[Priority, int] = {"web": 0, "reconcile": 2, "export": 4}


@attrs.frozen(kw_only=True)
class Options:
    """What a `Gateway` and its copies say for all their calls; `timeout` is seconds for one attempt."""

    connection: str | None = attrs.field(default=None, repr=False)
    """As `check_connection` gave it."""
    timeout: float | None = None
    retry: Retry | None = None
    priority: Priority = "web"
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    ahead: bool = False
    """Whether its calls go before the others of their priority."""

    def with_call(self, given: Mapping[str, Any]) -> Options:
        """These options with a call's own on top. Raises `RequestError` for a malformed one."""
        if not given:
            return self
        changes: dict[str, Any] = {name: given[name] for name in ("timeout", "retry") if given.get(name) is not None}
        if "timeout" in changes and not (isinstance(changes["timeout"], int | float) and changes["timeout"] > 0):
            raise RequestError("timeout must be a number of seconds above 0", field="timeout")
        if "retry" in changes and not isinstance(changes["retry"], Retry):
            raise RequestError("retry must be a Retry, such as Retry.none()", field="retry")
        if given.get("headers"):
            changes["headers"] = {**self.headers, **check_extra(given["headers"])}
        return attrs.evolve(self, **changes) if changes else self


@attrs.frozen(kw_only=True)
class Caller:
    """One client's way to the gateway: settings, engine and options. Resources and pages hold nothing else."""

    settings: Settings
    engine: Engine
    options: Options = attrs.field(factory=Options)
    journal: WriteJournal | None = None
    place: str | None = None
    """What tells this gateway from others when a program runs again, where its URL does not: an embedded sandbox has
    another port each time."""

    async def answer(self, operation: Operation[A], id: str | None, given: Mapping[str, Any]) -> A:
        """A typed single call."""
        params, options = split_options(given)
        ours = self.settings.assign_ids and _lacks_id(operation, params)
        drawn = ours and options.get("idempotency_key") is None
        if ours:
            # A second create with this id is refused, and it can be looked up. It comes from the key, so that the same
            # key, in another process perhaps, sends the same bytes.
            options["idempotency_key"] = key = _key(options.get("idempotency_key"))
            params["id"] = uuid.uuid5(_IDS, f"{operation.resource} {key}").hex
        prepared = draft(operation, id, params)
        # An id that was drawn here and now is nobody else's; one from a key may be that of another request under it.
        trace = trace_of(operation, id, {} if drawn else params, prepared.named, ours=ours)
        cls: Any = answer_class(operation.resource, operation.answer)

        def read(response: Response) -> A:
            found: A = decode_answer(response.body, cls, operation.label)
            return found

        return await self.send(prepared, options, read, instead=operation.instead, trace=trace)

    async def send(
        self,
        prepared: Draft,
        given: Mapping[str, Any],
        read: Callable[[Response], T],
        *,
        instead: str | None = None,
        trace: Trace | None = None,
    ) -> T:
        """Send a draft through the gateway, under this client's options and the call's own, and *read* its answer."""
        call = self._gateway_call(prepared, given, trace)
        try:
            if self.journal is not None and call.writes:
                return await self.journal.send(self.engine, call, self.settings.gateway_url, read, trace)
            return await self.engine.send(call, read)
        except WrongCatalog as error:
            error.instead = instead
            raise

    async def resume(self, write: PendingWrite, read: Callable[[Response], T]) -> T:
        """Finish a write of the journal: see `journal`."""
        if self.journal is None:
            raise ConfigurationError("this client has no journal: give it journal=")
        entry = await self.journal.entry(write)
        call = self._stored_call(entry)
        return await self.journal.go_on(self.engine, call, self.settings.gateway_url, read, entry)

    def _stored_call(self, entry: Entry) -> Call:
        url = f"{self.settings.gateway_url}{entry.path}"
        request = Request(method=entry.method, url=url, headers=entry.headers, body=entry.body, label=entry.label)
        headers = {name: text for name, text in entry.headers.items() if name not in (IDEMPOTENCY_KEY, "Content-Type")}
        return Call(
            request=request,
            writes=True,
            keyed=entry.keyed,
            named=entry.named,
            lookup=None if entry.trace is None else self._lookup(entry.trace, entry.label, headers),
            proven=self.settings.idempotency == "verified",
            site=entry.connection,
            retry=self.options.retry or self.settings.retry,
            timeouts=self._timeouts(self.options),
            idempotency_key=entry.key,
            rank=_RANKS[self.options.priority],
        )

    def _gateway_call(self, prepared: Draft, given: Mapping[str, Any], trace: Trace | None) -> Call:
        options = self.options.with_call(given)
        headers = self._headers(options)
        lookup = None if trace is None else self._lookup(trace, prepared.label, dict(headers))
        # Made once, before the loop: all attempts carry the same key.
        key = _idempotency_key(prepared, given.get("idempotency_key"))
        if key is not None:
            headers[IDEMPOTENCY_KEY] = key
        if prepared.content_type:
            headers["Content-Type"] = prepared.content_type
        request = Request(
            method=prepared.method,
            url=f"{self.settings.gateway_url}{GATEWAY_PATH}{prepared.target}",
            headers=headers,
            body=prepared.body,
            label=prepared.label,
        )
        return Call(
            request=request,
            writes=prepared.writes,
            keyed=prepared.keyed,
            named=prepared.named,
            lookup=lookup,
            proven=self.settings.idempotency == "verified",
            site=options.connection or "",
            retry=options.retry or self.settings.retry,
            timeouts=self._timeouts(options),
            idempotency_key=key,
            rank=_RANKS[options.priority] - options.ahead,
        )

    def _lookup(self, trace: Trace, label: str, headers: Mapping[str, str]) -> Lookup:
        url = f"{self.settings.gateway_url}{GATEWAY_PATH}{trace.path}"
        request = Request(method="GET", url=url, headers=headers, label=f"GET what became of {label}")
        return Lookup(request=request, shows=trace.shows)

    async def control(
        self,
        method: str,
        path: str,
        label: str,
        read: Callable[[Response], T],
        *,
        query: str = "",
        body: bytes | None = None,
    ) -> T:
        """A call of the control plane; *path* is already encoded. Only a GET is repeated when it may have arrived."""
        headers = self._headers(attrs.evolve(self.options, connection=None))
        if body is not None:
            headers["Content-Type"] = "application/json"
        url = f"{self.settings.control_url}{path}{'?' + query if query else ''}"
        call = Call(
            request=Request(method=method, url=url, headers=headers, body=body, label=label),
            writes=method != "GET",
            control=True,
            retry=self.options.retry or self.settings.retry,
            timeouts=self._timeouts(self.options),
        )
        return await self.engine.send(call, read)

    def within(self, seconds: float) -> Caller:
        """The same caller with *seconds* for a whole call, at the most what it has now."""
        retry = self.options.retry or self.settings.retry
        left = max(0.001, min(seconds, retry.deadline_seconds))
        return attrs.evolve(self, options=attrs.evolve(self.options, retry=attrs.evolve(retry, deadline_seconds=left)))

    def ahead(self) -> Caller:
        """The same caller, going before the others of its priority where calls wait for a limit."""
        return attrs.evolve(self, options=attrs.evolve(self.options, ahead=True))

    def _headers(self, options: Options) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            **options.headers,
        }
        if options.connection is not None:
            headers["Maton-Connection"] = options.connection
        return headers

    def _timeouts(self, options: Options) -> Timeouts:
        timeouts = self.settings.timeouts
        if options.timeout is None:
            return timeouts
        connect = min(timeouts.connect_seconds, options.timeout)
        return attrs.evolve(timeouts, connect_seconds=connect, read_seconds=options.timeout)


def _lacks_id(operation: Operation[Any], params: Mapping[str, Any]) -> bool:
    optional = "id" in operation.params and "id" not in operation.required
    # A None is the caller's wish that Chargebee choose the id.
    return operation.record_path is not None and optional and "id" not in params


def _idempotency_key(prepared: Draft, given: str | None) -> str | None:
    if prepared.method == "POST":
        return _key(given)
    if given is not None:
        raise RequestError("a GET takes no idempotency key", field="idempotency_key", operation=prepared.label)
    return None


def _key(given: str | None) -> str:
    return str(uuid.uuid4()) if given is None else check_idempotency_key(given)


class Resource:
    """The base of the generated resources."""

    __slots__ = ("_caller",)

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def _call(self, operation: Operation[A], id: str | None, params: Mapping[str, Any]) -> A:
        return await self._caller.answer(operation, id, params)

    @overload
    def _list(
        self,
        operation: ListOperation[R, Row],
        id: str | None,
        filters: tuple[Filter, ...],
        into: None,
        params: Mapping[str, Any],
    ) -> Pages[R, Row]: ...

    @overload
    def _list(
        self,
        operation: ListOperation[R, Row],
        id: str | None,
        filters: tuple[Filter, ...],
        into: type[T],
        params: Mapping[str, Any],
    ) -> Pages[T, Row]: ...

    @overload
    def _list(
        self,
        operation: ListOperation[R, Row],
        id: str | None,
        filters: tuple[Filter, ...],
        into: type[T] | None,
        params: Mapping[str, Any],
    ) -> Pages[Any, Row]: ...

    def _list(
        self,
        operation: ListOperation[R, Row],
        id: str | None,
        filters: tuple[Filter, ...],
        into: type[Any] | None,
        params: Mapping[str, Any],
    ) -> Pages[Any, Row]:
        from .pagination import Pages

        return Pages(self._caller, operation, id, filters, into, params)

    def _many(
        self,
        operation: ListOperation[Any, Any],
        ids: Iterable[str],
        into: type[Any] | None,
        options: Mapping[str, Any],
    ) -> Many[Any]:
        from .batches import Many

        return Many(self._caller, operation, ids, into, options)

    async def _posted(
        self, operation: ListOperation[R, Row], id: str | None, params: Mapping[str, Any]
    ) -> Page[R, Row]:
        from .pagination import Page

        own, options = split_options(params)
        prepared = draft(operation, id, own)
        return await self._caller.send(prepared, options, partial(Page.read, operation), instead=operation.instead)
