"""The pool: one aiohttp session for each running loop. With `connector`, the only importer of aiohttp's client.

Four things of aiohttp are switched off, each with its reason: redirects (the key, the connection id and the body would
follow them), its silent second send of a GET (outside of every limit and count), its inflating (a cut stream passes for
whole, and there is no cap), and the environment's proxies (a key is not handed to whoever set a variable).
"""

from __future__ import annotations

import asyncio
import functools
import io
import ssl
import time
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import anyio
import anyio.to_thread
import attrs
from yarl import URL

from .._wire.body import Body
from .._wire.message import Request, Response
from ..errors import (
    ConfigurationError,
    ConnectFailed,
    ConnectionLost,
    InvalidResponse,
    RequestTimeout,
    TransportError,
    TruncatedResponse,
)
from ..settings import Timeouts
from .base import CONNECTIONS, Trace
from .connector import CURRENT, Connector, Tracked
from .credentials import Credentials
from .deadlines import Deadlines

__all__ = ["Pool"]

_FOREIGN = (aiohttp.ClientError, OSError, ValueError, TimeoutError)
_KEEP_ALIVE_SECONDS = 15.0
_LARGE_BYTES = 512 * 1024


@attrs.frozen
class _Opened:
    """A session, the deadlines of its requests, and what closes both when their loop shuts down."""

    session: aiohttp.ClientSession
    deadlines: Deadlines
    guard: AsyncGenerator[None, None]


class Pool:
    """A `Transport` over aiohttp. Opening is lazy; the object outlives loops, its sessions do not.

    *now* is the clock by which a connection's idle time is told, in seconds.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        max_response_bytes: int,
        user_agent: str,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._max_response_bytes = max_response_bytes
        self._user_agent = user_agent
        self._now = now
        self._sessions: dict[asyncio.AbstractEventLoop, _Opened] = {}
        self._ssl: ssl.SSLContext | None = None
        self._certificates = anyio.Lock()
        self._closed = False

    async def send(self, request: Request, timeouts: Timeouts, trace: Trace) -> Response:
        opened = self._found(request.url) or await self._opened(request.url)
        token = CURRENT.set(trace)
        answer: aiohttp.ClientResponse | None = None
        try:
            with opened.deadlines.within(timeouts.read_seconds):
                answer = await opened.session.request(
                    request.method,
                    URL(request.url, encoded=True),
                    # Made here and held by nobody: a traceback that shows variables must not show a key.
                    headers={**request.headers, **self._credentials.header(request.url)},
                    data=_payload(request.body),
                    timeout=_connecting(timeouts.connect_seconds),
                    allow_redirects=False,
                    ssl=self._ssl or True,
                )
                trace.phase = "headers"
                found = Response(
                    status=answer.status,
                    headers={name.lower(): value for name, value in answer.headers.items()},
                    body=await self._read(answer, trace),
                )
                return self._credentials.without_key(found)
        except _FOREIGN as error:
            status = None if answer is None else answer.status
            _forget_frames(error)
            raise _translated(error, sent=trace.sent, status=status) from _harmless(error)
        except BaseException as error:
            _forget_frames(error)
            raise
        finally:
            CURRENT.reset(token)
            if answer is not None and not answer.closed:
                # Read to its end it has given its connection back; what was not read is of no use to anybody.
                answer.close()

    @asynccontextmanager
    async def stream(self, url: str, timeouts: Timeouts) -> AsyncIterator[AsyncIterator[bytes]]:
        opened = self._found(url) or await self._opened(url)
        trace = Trace()
        token = CURRENT.set(trace)
        try:
            with opened.deadlines.within(timeouts.connect_seconds + timeouts.read_seconds):
                answer = await opened.session.get(
                    url,
                    headers={"Accept-Encoding": "identity"},
                    timeout=_connecting(timeouts.connect_seconds),
                    allow_redirects=False,
                    ssl=self._ssl or True,
                )
        except _FOREIGN as error:
            raise _translated(error, sent=trace.sent) from _harmless(error)
        finally:
            CURRENT.reset(token)
        async with answer:
            _check_download(answer)
            yield _chunks(answer, opened.deadlines, timeouts.read_seconds)

    def reopen(self) -> None:
        """Let a closed pool be used again: `async with` on the same client, perhaps on the next loop."""
        self._closed = False

    async def aclose(self) -> None:
        self._closed = True
        opened = self._sessions.pop(asyncio.get_running_loop(), None)
        if opened is not None:
            await opened.guard.aclose()

    async def _read(self, answer: aiohttp.ClientResponse, trace: Trace) -> bytes:
        body = Body(
            encoding=answer.headers.get("Content-Encoding", ""), limit=self._max_response_bytes, status=answer.status
        )
        content = answer.content
        while chunk := await content.readany():
            trace.received_bytes += len(chunk)
            body.feed(chunk)
        return body.finish()

    def _found(self, url: str) -> _Opened | None:
        """What is open on the running loop, None where something has to be opened or refused first."""
        if self._closed or (self._ssl is None and url.startswith("https:")):
            return None
        opened = self._sessions.get(asyncio.get_running_loop())
        return None if opened is None or opened.session.closed else opened

    async def _opened(self, url: str) -> _Opened:
        if url.startswith("https:") and self._ssl is None:
            async with self._certificates:
                if self._ssl is None:
                    # Loading the certificates takes some 20 ms: not on the loop, and once.
                    self._ssl = await anyio.to_thread.run_sync(ssl.create_default_context)
        await self._forget_ended_loops()
        if self._closed:
            raise ConfigurationError("this client is closed; make a new one, or use it in `async with`")
        loop = asyncio.get_running_loop()
        if loop not in self._sessions:
            self._sessions[loop] = self._open(loop)
            await anext(self._sessions[loop].guard)
        return self._sessions[loop]

    async def _forget_ended_loops(self) -> None:
        for loop, opened in list(self._sessions.items()):
            if loop.is_closed() or opened.session.closed:
                self._sessions.pop(loop, None)
                # Where nobody shut the loop down before it was closed: a session that is marked closed says nothing.
                await opened.session.close()

    def _open(self, loop: asyncio.AbstractEventLoop) -> _Opened:
        session = aiohttp.ClientSession(
            # For each host: files that are fetched slowly from another one keep nothing from the gateway's calls.
            connector=Connector(
                now=self._now, limit=0, limit_per_host=CONNECTIONS, keepalive_timeout=_KEEP_ALIVE_SECONDS
            ),
            request_class=Tracked,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"User-Agent": self._user_agent},
        )
        session._retry_connection = False
        deadlines = Deadlines(loop)
        return _Opened(session, deadlines, _until_shutdown(session, deadlines))

    def __del__(self) -> None:
        if any(not loop.is_closed() and not opened.session.closed for loop, opened in self._sessions.items()):
            # With tracemalloc the warning shows where this pool was made.
            warnings.warn("a Gateway was left open: use `async with` or aclose()", ResourceWarning, 2, self)
        # Without their references the guards close what is open, on their loops.
        self._sessions.clear()


async def _until_shutdown(session: aiohttp.ClientSession, deadlines: Deadlines) -> AsyncGenerator[None, None]:
    """Closes both when this generator is closed: by the pool, when it is dropped, or by the loop's shutdown, which
    closes the generators that were begun on it (`asyncio.run` does that)."""
    try:
        yield
    finally:
        deadlines.close()
        await session.close()


@functools.lru_cache(maxsize=32)
def _connecting(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=seconds)


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    # aiohttp writes bytes in one go and warns of large ones; a file it sends piece by piece.
    return io.BytesIO(body) if body is not None and len(body) > _LARGE_BYTES else body


async def _chunks(answer: aiohttp.ClientResponse, deadlines: Deadlines, seconds: float) -> AsyncIterator[bytes]:
    """The body; each chunk of it within so many *seconds*."""
    while True:
        # Only the reading is translated: an error of whoever writes the chunks down is theirs.
        try:
            with deadlines.within(seconds):
                chunk = await answer.content.readany()
        except _FOREIGN as error:
            raise _translated(error, sent=True) from _harmless(error)
        if not chunk:
            return
        yield chunk


def _check_download(answer: aiohttp.ClientResponse) -> None:
    """Refuse what is not the file, or what could end early without anybody noticing."""
    status = answer.status
    if status != 200:
        raise InvalidResponse(f"the download was answered {status}", status=status)
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InvalidResponse("the download is compressed although that was not asked for", status=status)
    if "Content-Length" not in answer.headers and "chunked" not in answer.headers.get("Transfer-Encoding", "").lower():
        raise InvalidResponse("the download does not tell where it ends", status=status)


def _translated(error: Exception, *, sent: bool, status: int | None = None) -> TransportError:
    """Our error for one of aiohttp's or the system's, without their text: it may hold a URL with its query."""
    if isinstance(error, TransportError):
        return error
    if isinstance(error, aiohttp.ConnectionTimeoutError) or (isinstance(error, TimeoutError) and not sent):
        return RequestTimeout("no connection in time", sent=False)
    if isinstance(error, TimeoutError):
        return RequestTimeout("no whole answer in time", sent=True)
    if isinstance(error, aiohttp.ClientConnectorError):
        return ConnectFailed("no connection could be made", sent=False)
    if isinstance(error, aiohttp.ClientPayloadError):
        return TruncatedResponse("the body ended early", status=status)
    if isinstance(error, aiohttp.ClientResponseError):
        return InvalidResponse("the answer is not valid HTTP", status=status)
    if not sent:
        return ConnectFailed("the connection broke before the request was sent", sent=False)
    if status is not None:
        return TruncatedResponse("the connection broke within the body", status=status)
    return ConnectionLost("the connection broke before the answer came", sent=True)


def _forget_frames(error: BaseException | None) -> None:
    """aiohttp's frames hold the headers: a traceback that shows variables, of a cancelled call even, must not."""
    while error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        _forget_frames(error.__cause__)
        error = error.__context__


def _harmless(error: Exception) -> Exception | None:
    """The cause to keep: one whose text cannot hold a URL, else none. Its frames go: aiohttp's hold the headers."""
    if not isinstance(error, aiohttp.ClientOSError | OSError) or isinstance(error, TimeoutError):
        return None
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
