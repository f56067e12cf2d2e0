"""The sandbox for code that has no loop of its own: a thread runs it, a small facade drives it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._messages import RecordedRequest, Requests
from aiochargebee_gw.sandbox._webhooks import Webhooks
from aiochargebee_gw.sandbox.faults import Faults
from aiochargebee_gw.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from aiochargebee_gw import Gateway

T = TypeVar("T")


class ThreadedSandbox:
    """A :class:`Sandbox` in a thread of its own; the arguments are the same. All methods may be called from
    any thread::

        with ThreadedSandbox(records=50) as sandbox:
            requests.get(f"{sandbox.url}/api/v2/customers", auth=(sandbox.api_key, ""))
    """

    def __init__(self, **options: Any) -> None:
        self._sandbox = Sandbox(**options)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> ThreadedSandbox:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the thread and listen; raises what :meth:`Sandbox.start` raises."""
        if self._loop is not None:
            raise RuntimeError("the sandbox is already running")
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="chargebee-sandbox", daemon=True)
        thread.start()
        self._loop, self._thread = loop, thread
        try:
            asyncio.run_coroutine_threadsafe(self._sandbox.start(), loop).result()
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        """Stop listening and end the thread."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._sandbox.stop(), self._loop).result()
            self._end()

    def _end(self) -> None:
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _call(self, function: Callable[[], T]) -> T:
        """Run a function on the sandbox's thread, so that no request is half-way through while it runs."""
        if self._loop is None or threading.current_thread() is self._thread:
            return function()

        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    @property
    def url(self) -> str:
        """The one origin of all doors."""
        return self._sandbox.url

    @property
    def gateway_url(self) -> str:
        """What comes before ``/chargebee``."""
        return self._sandbox.gateway_url

    @property
    def control_url(self) -> str:
        """What comes before ``/connections``."""
        return self._sandbox.control_url

    @property
    def site_url(self) -> str:
        """What comes before ``/api/v2``."""
        return self._sandbox.site_url

    @property
    def api_key(self) -> str:
        """The Bearer key of the gateway, and the Basic user of the site door."""
        return self._sandbox.api_key

    @property
    def connection_id(self) -> str:
        """The connection that is ACTIVE from the start."""
        return self._sandbox.connection_id

    @property
    def console_url(self) -> str:
        """The page for people."""
        return self._sandbox.console_url

    @property
    def requests(self) -> Requests:
        """A copy of the requests so far, in the order of their answers."""
        return self._call(lambda: Requests(self._sandbox.requests))

    @property
    def faults(self) -> Faults:
        """The faults; safe to use from any thread."""
        return self._sandbox.faults

    @property
    def on_request(self) -> Callable[[RecordedRequest], object] | None:
        """Called on the sandbox's thread before each answer."""
        return self._sandbox.on_request

    @on_request.setter
    def on_request(self, hook: Callable[[RecordedRequest], object] | None) -> None:
        self._sandbox.on_request = hook

    def reset(self) -> None:
        """As :meth:`Sandbox.reset`."""
        self._call(self._sandbox.reset)

    def snapshot(self) -> bytes:
        """As :meth:`Sandbox.snapshot`."""
        return self._call(self._sandbox.snapshot)

    def restore(self, snapshot: bytes) -> None:
        """As :meth:`Sandbox.restore`."""
        self._call(lambda: self._sandbox.restore(snapshot))

    def seed(self, *, records: int | None = None, **rows: Iterable[JsonObject]) -> dict[str, list[JsonObject]]:
        """As :meth:`Sandbox.seed`."""
        return self._call(lambda: self._sandbox.seed(records=records, **rows))

    def now(self) -> float:
        """As :meth:`Sandbox.now`."""
        return self._sandbox.now()

    def travel(self, *, days: float = 0, seconds: float = 0, to: float | None = None) -> float:
        """As :meth:`Sandbox.travel`, without ``await``; raises ``RuntimeError`` before the start."""
        if self._loop is None or threading.current_thread() is self._thread:
            raise RuntimeError("a sandbox travels while it runs, and not from its own thread")
        travelling = self._sandbox.travel(days=days, seconds=seconds, to=to)
        return asyncio.run_coroutine_threadsafe(travelling, self._loop).result()

    @property
    def webhooks(self) -> Webhooks:
        """The webhooks; ``webhooks.waiting`` may be read from any thread."""
        return self._sandbox.webhooks

    def insert(self, kind: str, values: JsonObject) -> JsonObject:
        """As :meth:`Sandbox.insert`."""
        return self._call(lambda: self._sandbox.insert(kind, values))

    def update(self, kind: str, id: str, values: JsonObject) -> JsonObject:
        """As :meth:`Sandbox.update`."""
        return self._call(lambda: self._sandbox.update(kind, id, values))

    def delete(self, kind: str, id: str) -> None:
        """As :meth:`Sandbox.delete`."""
        self._call(lambda: self._sandbox.delete(kind, id))

    def get(self, kind: str, id: str) -> JsonObject | None:
        """As :meth:`Sandbox.get`."""
        return self._call(lambda: self._sandbox.get(kind, id))

    def count(self, kind: str, *, include_deleted: bool = False) -> int:
        """As :meth:`Sandbox.count`."""
        return self._call(lambda: self._sandbox.count(kind, include_deleted=include_deleted))

    def gateway(self, **options: Any) -> Gateway:
        """As :meth:`Sandbox.gateway`: an unopened ``Gateway``."""
        return self._sandbox.gateway(**options)
