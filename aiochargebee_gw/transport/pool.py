"""The pool: one aiohttp session for each running loop. The only module that imports aiohttp's client.

Four things of aiohttp are switched off, each with its reason: redirects (the key, the connection id and the body would
follow them), its silent second send of a GET (outside of every limit and count), its inflating (a cut stream passes for
whole, and there is no cap), and the environment's proxies (a key is not handed to whoever set a variable).
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
import anyio
import anyio.to_thread
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
from .base import Trace
from .credentials import Credentials

__all__ = ["Pool"]

_FOREIGN = (aiohttp.ClientError, OSError, ValueError, TimeoutError)
_CONNECTIONS = 20
_KEEP_ALIVE_SECONDS = 15.0
_LARGE_BYTES = 512 * 1024


class Pool:
    """A `Transport` over aiohttp. Opening is lazy; the object outlives loops, its sessions do not."""

    def __init__(self, credentials: Credentials, *, max_response_bytes: int, user_agent: str) -> None:
        self._credentials = credentials
        self._max_response_bytes = max_response_bytes
        self._user_agent = user_agent
        self._sessions: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}
        self._ssl: ssl.SSLContext | None = None
        self._certificates = anyio.Lock()
        self._closed = False

    async def send(self, request: Request, timeouts: Timeouts, trace: Trace) -> Response:
        session = await self._session(request.url)
        status: int | None = None
        try:
            async with session.request(
                request.method,
                URL(request.url, encoded=True),
                # Made here and held by nobody: a traceback that shows variables must not show a key.
                headers={**request.headers, **self._credentials.header(request.url)},
                data=_payload(request.body),
                timeout=_timeout(timeouts),
                allow_redirects=False,
                ssl=self._ssl or True,
                trace_request_ctx=trace,
            ) as answer:
                status = answer.status
                trace.phase = "headers"
                return Response(
                    status=answer.status,
                    headers={name.lower(): value for name, value in answer.headers.items()},
                    body=await self._read(answer, trace),
                )
        except _FOREIGN as error:
            raise _translated(error, sent=trace.sent, status=status) from _harmless(error)

    @asynccontextmanager
    async def stream(self, url: str, timeouts: Timeouts) -> AsyncIterator[AsyncIterator[bytes]]:
        session = await self._session(url)
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=timeouts.connect_seconds, sock_read=timeouts.read_seconds
        )
        try:
            answer = await session.get(
                url,
                headers={"Accept-Encoding": "identity"},
                timeout=timeout,
                allow_redirects=False,
                ssl=self._ssl or True,
            )
        except _FOREIGN as error:
            raise _translated(error, sent=False) from _harmless(error)
        async with answer:
            _check_download(answer)
            yield _chunks(answer)

    def reopen(self) -> None:
        """Let a closed pool be used again: `async with` on the same client, perhaps on the next loop."""
        self._closed = False

    async def aclose(self) -> None:
        self._closed = True
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    async def _read(self, answer: aiohttp.ClientResponse, trace: Trace) -> bytes:
        body = Body(
            encoding=answer.headers.get("Content-Encoding", ""), limit=self._max_response_bytes, status=answer.status
        )
        async for chunk in answer.content.iter_any():
            trace.received_bytes += len(chunk)
            body.feed(chunk)
        return body.finish()

    async def _session(self, url: str) -> aiohttp.ClientSession:
        if url.startswith("https:") and self._ssl is None:
            async with self._certificates:
                if self._ssl is None:
                    # Loading the certificates takes some 20 ms: not on the loop, and once.
                    self._ssl = await anyio.to_thread.run_sync(ssl.create_default_context)
        if self._closed:
            raise ConfigurationError("this client is closed; make a new one, or use it in `async with`")
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            # A loop that ended without aclose() takes its session with it; the next loop opens its own.
            self._sessions = {known: kept for known, kept in self._sessions.items() if not known.is_closed()}
            session = self._sessions[loop] = self._open()
        return session

    def _open(self) -> aiohttp.ClientSession:
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_mark_sent)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"User-Agent": self._user_agent},
            trace_configs=[tracing],
        )
        session._retry_connection = False
        return session


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    # aiohttp writes bytes in one go and warns of large ones; a file it sends piece by piece.
    return io.BytesIO(body) if body is not None and len(body) > _LARGE_BYTES else body


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    # Only the reading is translated: an error of whoever writes the chunks down is theirs.
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except _FOREIGN as error:
        raise _translated(error, sent=True) from _harmless(error)


def _check_download(answer: aiohttp.ClientResponse) -> None:
    """Refuse what is not the file, or what could end early without anybody noticing."""
    status = answer.status
    if status != 200:
        raise InvalidResponse(f"the download was answered {status}", status=status)
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InvalidResponse("the download is compressed although that was not asked for", status=status)
    if "Content-Length" not in answer.headers and "chunked" not in answer.headers.get("Transfer-Encoding", "").lower():
        raise InvalidResponse("the download does not tell where it ends", status=status)


async def _mark_sent(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx.phase = "sent"


def _timeout(timeouts: Timeouts) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=timeouts.read_seconds, sock_connect=timeouts.connect_seconds)


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
    return ConnectionLost("the connection broke before the answer came", sent=True)


def _harmless(error: Exception) -> Exception | None:
    """The cause to keep: one whose text cannot hold a URL, else none. Its frames go: aiohttp's hold the headers."""
    if not isinstance(error, aiohttp.ClientOSError | OSError) or isinstance(error, TimeoutError):
        return None
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
