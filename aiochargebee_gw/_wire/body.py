"""Reading a body: counted, inflated here, and believed only when it is whole.

aiohttp takes a gzip stream that was cut off for a complete one, and inflates as much as a server likes to send. So the
transport asks for compressed bytes, and this module inflates them under a cap and asks for the end of the stream. isal
is used where it is installed (the `speed` extra): 160 microseconds for a page of 250 kB against 370.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from ..errors import InvalidResponse, RequestTimeout, ResponseTooLarge, TruncatedResponse

__all__ = ["Body", "Pace", "paced"]

_GZIP = 31  # window bits: 15, plus 16 for the gzip wrapper
_PIECE = 1024 * 1024


def _backend() -> Any:
    for name in ("isal.isal_zlib", "zlib"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise AssertionError("zlib is part of Python")


_zlib = _backend()


class Body:
    """Collects chunks: `feed` each, then `finish`; raises the three kinds of `InvalidResponse` imported above.

    No more than *limit* bytes are taken in, neither of what comes nor of what it inflates to.
    """

    __slots__ = ("_body", "_inflater", "_limit", "_received", "_status", "_unasked")

    def __init__(self, *, encoding: str, limit: int, status: int) -> None:
        encoding = encoding.strip().lower()
        self._inflater: Any = _zlib.decompressobj(_GZIP) if encoding in ("gzip", "x-gzip") else None
        self._unasked = self._inflater is None and encoding not in ("", "identity")
        self._limit = limit
        self._status = status
        self._body: bytes | bytearray = b""
        self._received = 0

    def feed(self, chunk: bytes) -> None:
        """Take a chunk as it came from the wire."""
        self._received += len(chunk)
        if self._unasked and chunk:
            raise InvalidResponse("the body has an encoding that was not asked for", status=self._status)
        if self._received > self._limit:
            raise self._too_large()
        if self._inflater is None:
            self._keep(chunk)
        elif chunk:
            self._inflate(chunk)

    def finish(self) -> bytes:
        """The whole body, inflated."""
        if self._inflater is not None and self._received and not self._inflater.eof:
            raise TruncatedResponse("the compressed body ends early", status=self._status)
        return bytes(self._body)

    def _inflate(self, chunk: bytes) -> None:
        """Inflate *chunk* a piece at a time: a zip bomb is left after its first pieces."""
        while chunk or not self._inflater.eof:
            if self._inflater.eof:
                raise InvalidResponse("there are bytes behind the compressed body", status=self._status)
            try:
                piece = self._inflater.decompress(chunk, _PIECE)
            except _zlib.error as error:
                raise InvalidResponse("the body is not valid gzip", status=self._status) from error
            self._keep(piece)
            chunk = self._inflater.unconsumed_tail or self._inflater.unused_data
            if not chunk and len(piece) < _PIECE:
                return

    def _keep(self, piece: bytes) -> None:
        if len(self._body) + len(piece) > self._limit:
            raise self._too_large()
        if not self._body:
            self._body = piece
            return
        if isinstance(self._body, bytes):
            # Not a list of chunks: millions of them, of some bytes each, would take many times the limit.
            self._body = bytearray(self._body)
        self._body += piece

    def _too_large(self) -> ResponseTooLarge:
        return ResponseTooLarge(f"the body is larger than {self._limit} bytes", status=self._status)


class Pace:
    """The least speed of a body that may take as long as it likes, a file: `came` raises `RequestTimeout` below it.

    A server that sends a byte now and then keeps every timeout between two reads from firing. *window* is in seconds;
    in each of them, on average, *least* bytes a second must come.
    """

    __slots__ = ("_bytes", "_least", "_seconds", "_window")

    def __init__(self, *, least: float, window: float) -> None:
        self._least = least
        self._window = window
        self._bytes = 0
        self._seconds = 0.0

    def came(self, size: int, seconds: float) -> None:
        """Note that *size* bytes were waited for *seconds*; what the reader does between two chunks does not count."""
        self._bytes += size
        self._seconds += seconds
        if self._seconds >= self._window:
            if self._bytes < self._least * self._seconds:
                raise RequestTimeout("the body comes too slowly", sent=True)
            self._bytes, self._seconds = 0, 0.0


async def paced(chunks: AsyncIterator[bytes], pace: Pace, now: Callable[[], float]) -> AsyncIterator[bytes]:
    """*chunks*, as long as they come fast enough. Raises `RequestTimeout` when they do not."""
    began = now()
    async for chunk in chunks:
        pace.came(len(chunk), now() - began)
        yield chunk
        # What was done with the chunk meanwhile is not the server's time.
        began = now()
