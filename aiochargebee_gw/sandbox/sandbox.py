"""The embedded sandbox: the gateway, its control plane and a Chargebee site on one loopback port."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import attrs
from aiohttp import web

from aiochargebee_gw.sandbox._console.control import Console
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._doors import Doors
from aiochargebee_gw.sandbox._edge import Edge
from aiochargebee_gw.sandbox._file import SiteFile
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._kinds import kind_of
from aiochargebee_gw.sandbox._messages import Answer, Call, RecordedRequest, Requests
from aiochargebee_gw.sandbox._plurals import in_order
from aiochargebee_gw.sandbox._site import Site
from aiochargebee_gw.sandbox._state import State
from aiochargebee_gw.sandbox._webhooks import Webhooks
from aiochargebee_gw.sandbox._window import Window
from aiochargebee_gw.sandbox.clock import Clock, SystemClock
from aiochargebee_gw.sandbox.faults import Faults

if TYPE_CHECKING:
    from aiochargebee_gw import Gateway

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CATALOGS = ("pc1", "pc2", "both")


class Sandbox:
    """A stateful stand-in for everything the client talks to; nothing leaves the machine.

    ``records`` is the number of live customers (each with at least one subscription), ``seed`` picks the
    data, ``latency`` is seconds per answer, ``rate`` the requests per second that the gateway door admits,
    ``site_rate`` the requests per minute that each Chargebee site admits, ``strict`` refuses parameters that the
    live API would ignore, ``catalog`` is the Product Catalog: ``pc1``, ``pc2`` or ``both``. The first
    connection is ACTIVE and opens the seeded site; every further one opens a site of its own that holds the
    product catalogue and no customers. Raises ``ValueError`` for arguments outside these meanings.

    ``file`` is the path of a file that keeps everything: a sandbox that opens it again goes on where the last one was,
    with the same key and connections, whatever ``records`` says. A new file starts with the seeded data. Each request
    is kept when it is answered. Raises ``ValueError`` for a file that no sandbox made, that was made with another
    ``seed`` or ``catalog``, or that another sandbox has open, and ``OSError`` for one that cannot be opened.

    ``on_request`` may be set to a function that is called with each :class:`RecordedRequest` (its ``status``
    still 0) before the answer is computed. ``clock`` may be replaced at any time. ``webhooks`` posts events
    to the endpoints that were registered over the API.
    """

    def __init__(
        self,
        *,
        records: int = 500,
        seed: int = 7,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: float = 0.0,
        rate: int | None = None,
        strict: bool = False,
        catalog: str = "pc2",
        site_rate: int | None = None,
        clock: Clock | None = None,
        file: str | os.PathLike[str] | None = None,
    ) -> None:
        _check(records, host, port, latency, catalog)
        _check_rate("rate", rate)
        _check_rate("site_rate", site_rate)
        self._host, self._port, self._rate = host, port, rate
        self._bound: int | None = None
        self._runner: web.ServerRunner | None = None
        self.clock: Clock = clock or SystemClock()
        self.on_request: Callable[[RecordedRequest], object] | None = None
        self.faults: Faults = Faults()
        self.webhooks: Webhooks = Webhooks(self._desks, lambda: self.clock)
        self._state = State(
            records=records,
            seed=seed,
            catalog=catalog,
            strict=strict,
            rate=site_rate,
            clock=lambda: self.clock,
            origin=lambda: self.url,
            woken=self.webhooks.wake,
            file=None if file is None else SiteFile(os.fspath(file), seed, catalog),
        )
        # A file goes on with what it holds, whatever was asked for. The clock dates none of the seeded rows.
        data = f"{seed} {records} {catalog}" if file is None else os.path.realpath(os.fspath(file))
        self._place = f"sandbox {data}"
        self._edge = Edge(self._new_doors(), lambda: self.clock, self.faults, latency, lambda: self.on_request)
        self._edge.keeping, self._edge.console = self._state.keeping, self._show
        self._state.changed = self._changed
        self._console = Console(self, self.faults)

    @property
    def url(self) -> str:
        """The one origin of all doors; raises ``RuntimeError`` before the start."""
        return f"http://{self._authority()}"

    @property
    def gateway_url(self) -> str:
        """What comes before ``/chargebee``."""
        return self.url

    @property
    def control_url(self) -> str:
        """What comes before ``/connections``."""
        return self.url

    @property
    def site_url(self) -> str:
        """What comes before ``/api/v2``: the seeded site itself, for any Chargebee client."""
        return self.url

    @property
    def api_key(self) -> str:
        """The Bearer key of the gateway, and the Basic user of the site door."""
        return self._state.account.api_key

    @property
    def connection_id(self) -> str:
        """The connection that is ACTIVE from the start."""
        return self._state.primary

    @property
    def console_url(self) -> str:
        """The page for people: connections, requests, records, faults, time."""
        return f"{self.url}/_sandbox"

    @property
    def requests(self) -> Requests:
        """Every request in the order of its answer, from all doors."""
        return self._edge.requests

    async def __aenter__(self) -> Sandbox:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen on the running loop; raises ``RuntimeError`` when it already does, ``OSError`` for a busy port."""
        if self._runner is not None:
            raise RuntimeError("the sandbox is already running")
        self._site()
        self._edge.stopping.clear()
        server = web.Server(self._edge.handle, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self._bound = int(runner.addresses[0][1])
        self.webhooks.start()

    async def stop(self) -> None:
        """Stop listening and let go of hanging requests; the data stays until the object goes."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await self.webhooks.stop()
            self._edge.stopping.set()
            await runner.cleanup()
            self._bound = None
            self._state.close()

    def close(self) -> None:
        """Let go of the file, as :meth:`stop` does; needed only by a sandbox that was never started."""
        self._state.close()

    def now(self) -> float:
        """The sandbox's time, in Unix seconds."""
        return self.clock.now()

    @property
    def travels(self) -> bool:
        """Whether the clock can be moved by :meth:`travel`; one of the test's own moves by itself."""
        return hasattr(self.clock, "travel")

    async def travel(self, *, days: float = 0, seconds: float = 0, to: float | None = None) -> float:
        """Move the clock forward and let everything happen that falls due on the way; the new time.

        By *days* and *seconds*, or *to* a Unix time. Raises ``ValueError`` for a step back, ``RuntimeError`` where the
        clock is one that does not travel.
        """
        travel = getattr(self.clock, "travel", None)
        if travel is None:
            raise RuntimeError("this sandbox runs on a clock of the test's own")
        travel(seconds=(to - self.now()) if to is not None else days * 86_400 + seconds)
        self._state.catch_up()
        return self.now()

    def reset(self) -> None:
        """Back to the seeded state and the time at the start; requests and faults are cleared, the key, URL and
        connection stay."""
        self._state.reset()
        self._forget()

    def snapshot(self) -> bytes:
        """The whole state: rows, connections, idempotency keys, waiting webhooks, how far the clock has travelled.

        It is a SQLite database: written to disk, it is a ``file`` for another sandbox with this ``seed`` and
        ``catalog``. Requests and faults are no part of it.
        """
        return self._state.snapshot()

    def restore(self, snapshot: bytes) -> None:
        """Back to a snapshot, of this sandbox or of one with the same ``seed`` and ``catalog``.

        Requests and faults are cleared as by :meth:`reset`. Raises ``ValueError`` for bytes that are no such snapshot,
        and changes nothing then.
        """
        self._state.restore(snapshot)
        self._forget()

    def seed(self, *, records: int | None = None, **rows: Iterable[JsonObject]) -> dict[str, list[JsonObject]]:
        """Add rows of the test's own to the seeded site and return them as stored, under the names that were given::

            sandbox.seed(records=0, customers=[{"id": "ada"}], subscriptions=[{"id": "s1", "customer_id": "ada"}])

        ``records`` puts so many seeded customers in the place of all that the site holds first; 0 leaves the product
        catalogue. A row is one as for :meth:`insert`; customers are added before what belongs to them. Raises what
        :meth:`insert` raises, and adds nothing then; :meth:`reset` forgets it all.
        """
        ordered = in_order(rows)
        if records is not None:
            _check_records(records)
            self._state.reseed(records)
        with self._state.keeping(), self._site().desk.store.atomic():
            return {name: [self.insert(kind, one) for one in rows[name]] for name, kind in ordered.items()}

    def gateway(self, **options: Any) -> Gateway:
        """An unopened ``Gateway`` for this sandbox; ``options`` go to it, ``settings=`` keeps all but the URLs.

        What an export or a mirror of it has kept is gone on with by a sandbox with the same ``file``, or the same
        ``seed``, ``records`` and ``catalog``, whatever its port is.
        """
        from aiochargebee_gw import Gateway, Settings

        settings: Settings = options.pop("settings", None) or Settings()
        settings = attrs.evolve(settings, gateway_url=self.gateway_url, control_url=self.control_url)
        options.setdefault("api_key", self.api_key)
        gateway = Gateway(settings=settings, **options)
        gateway._caller = attrs.evolve(gateway._caller, place=self._place)
        return gateway

    def insert(self, kind: str, values: JsonObject) -> JsonObject:
        """Add a row to the seeded site and return it.

        Missing required attributes get defaults, times and ``resource_version`` are stamped as the API does
        unless given; ``None`` leaves an attribute out (``{"updated_at": None}``). Raises ``ValueError`` for an
        unknown kind, an id that is taken, a missing ``customer_id`` or a text with a NUL character.
        """
        spec = kind_of(kind)
        if spec.owner is not None and kind != "transaction" and values.get("customer_id") is None:
            raise ValueError(f"a {kind} needs a customer_id")
        try:
            with self._state.keeping():
                return self._site().desk.create(kind, values)
        except sqlite3.IntegrityError as error:
            raise ValueError(f"there is already a {kind} {values.get(spec.key)!r}") from error

    def update(self, kind: str, id: str, values: JsonObject) -> JsonObject:
        """Change attributes of a row and return it; ``None`` clears one. Raises ``KeyError`` for an unknown id."""
        row = self._row(kind, id)
        with self._state.keeping():
            return self._site().desk.save(kind, {**row, **values}, given=values)

    def delete(self, kind: str, id: str) -> None:
        """Delete a row as the API does: where it can, it stays with ``deleted: true``. Raises ``KeyError``."""
        row = self._row(kind, id)
        with self._state.keeping():
            self._site().desk.discard(kind, row)

    def get(self, kind: str, id: str) -> JsonObject | None:
        """A copy of a row, deleted or not; None for an unknown id. Raises ``ValueError`` for an unknown kind."""
        return self._site().desk.store.get(kind_of(kind).name, id)

    def count(self, kind: str, *, include_deleted: bool = False) -> int:
        """How many rows of a kind the seeded site has."""
        return self._site().desk.store.count(kind_of(kind).name, include_deleted=include_deleted)

    def _row(self, kind: str, id: str) -> JsonObject:
        found = self.get(kind, id)
        if found is None:
            raise KeyError(f"there is no {kind} {id!r}")
        return found

    def _site(self) -> Site:
        return self._state.site()

    def _desks(self) -> list[Desk]:
        for site in self._state.account.sites.values():
            site.catch_up()
        return [site.desk for site in self._state.account.sites.values()]

    def _changed(self) -> None:
        self._edge.doors = self._new_doors()

    def _forget(self) -> None:
        self.faults.clear()
        self._edge.requests.clear()

    async def _show(self, call: Call) -> Answer:
        answer = await self._console.answer(self._state.account, self._site(), call)
        self._state.save()
        return answer

    def _new_doors(self) -> Doors:
        window = None if self._rate is None else Window(self._rate, 1.0)
        return Doors(self._state.account, self._site, self._authority, window)

    def _authority(self) -> str:
        if self._bound is None:
            raise RuntimeError("the sandbox has no URL before it is started")
        return f"[{self._host}]:{self._bound}" if ":" in self._host else f"{self._host}:{self._bound}"


def _check(records: int, host: str, port: int, latency: float, catalog: str) -> None:
    _check_records(records)
    if host not in LOOPBACK:
        raise ValueError(f"the sandbox listens on loopback only ({', '.join(LOOPBACK)}), got {host!r}")
    if not 0 <= port <= 65535:
        raise ValueError(f"port must be between 0 and 65535, got {port!r}")
    if not 0 <= latency < float("inf"):
        raise ValueError(f"latency must be seconds from 0, got {latency!r}")
    if catalog not in CATALOGS:
        raise ValueError(f"catalog must be one of {', '.join(CATALOGS)}, got {catalog!r}")


def _check_records(records: int) -> None:
    if records < 0:
        raise ValueError(f"records must not be negative, got {records!r}")


def _check_rate(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"{name} must be None or a whole number from 1, got {value!r}")
