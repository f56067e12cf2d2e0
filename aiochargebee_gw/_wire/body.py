"""Reading a body: counted, inflated here, and believed only when it is whole.

aiohttp takes a gzip stream that was cut off for a complete one, and inflates as much as a server likes to send. So the
transport asks for compressed bytes, and this module inflates them under a cap and asks for the end of the stream. isal
is used where it is installed (the `speed` extra): 160 microseconds for a page of 250 kB against 370.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from ..errors import InvalidResponse, RequestTimeout, ResponseTooLarge, TruncatedResponse

__all__ = ["Body", "Pace", "paced"]

_GZIP = 31  # window bits: 15, plus 16 for the gzip wrapper
_GZIPPED = ("gzip", "x-gzip")
_ENCODINGS = (*_GZIPPED, "identity", "")
_PIECE = 1024 * 1024
# A page has less, compressed; what has more is inflated as it comes, for it may be a bomb without an end.
_WHOLE = 128 * 1024
_LARGE, _ROOM = 64 * 1024, 4 * 1024 * 1024


def _backend() -> Any:
    for name in ("isal.isal_zlib", "zlib"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise AssertionError("zlib is part of Python")


_zlib = _backend()


@functools.cache
def _make_room() -> None:
    """Have glibc keep what pages are made of, rather than ask the system anew for each (a tenth of an export's time).

    It asks for every block that is larger than any that was freed, and gives back what is free beyond twice that size
    (mallopt(3), M_MMAP_THRESHOLD). This block is freed, and never written to: it costs nothing.
    """
    bytes(_ROOM)


class Body:
    """Collects chunks: `feed` each, then `finish`; raises the three kinds of `InvalidResponse` imported above.

    No more than *limit* bytes are taken in, neither of what comes nor of what it inflates to.
    """

    __slots__ = ("_body", "_encoding", "_inflater", "_limit", "_packed", "_received", "_status")

    def __init__(self, *, encoding: str, limit: int, status: int) -> None:
        self._encoding = encoding.strip().lower()
        self._inflater: Any = _zlib.decompressobj(_GZIP) if self._encoding in _GZIPPED else None
        self._limit = limit
        self._status = status
        self._body: bytes | bytearray = b""
        self._packed: bytes | bytearray = b""
        self._received = 0

    def feed(self, chunk: bytes) -> None:
        """Take a chunk as it came from the wire."""
        if chunk and self._encoding not in _ENCODINGS:
            raise InvalidResponse("the body has an encoding that was not asked for", status=self._status)
        self._received += len(chunk)
        if self._received > self._limit:
            raise self._too_large()
        if self._inflater is None:
            self._body = self._joined(self._body, chunk)
            return
        self._packed = self._joined(self._packed, chunk)
        if len(self._packed) > _WHOLE:
            self._inflate(_PIECE)

    def finish(self) -> bytes:
        """The whole body, inflated.

        Most are inflated here, in one piece of the size that their last four bytes name: a buffer that grows to a power
        of two takes twice as long.
        """
        if self._packed:
            claimed = int.from_bytes(self._packed[-4:], "little")
            self._inflate(_PIECE if self._body else min(claimed, self._limit) + 1)
        if self._inflater is not None and self._received and not self._inflater.eof:
            raise TruncatedResponse("the compressed body ends early", status=self._status)
        return bytes(self._body)

    def _inflate(self, most: int) -> None:
        """Inflate what has come, *most* bytes and then a piece at a time: a zip bomb is left after its first pieces."""
        if most > _LARGE:
            _make_room()
        chunk, self._packed = bytes(self._packed), b""
        while chunk or not self._inflater.eof:
            if self._inflater.eof:
                raise InvalidResponse("there are bytes behind the compressed body", status=self._status)
            try:
                piece = self._inflater.decompress(chunk, most)
            except _zlib.error as error:
                raise InvalidResponse("the body is not valid gzip", status=self._status) from error
            self._body = self._joined(self._body, piece)
            chunk = self._inflater.unconsumed_tail or self._inflater.unused_data
            if not chunk and len(piece) < most:
                return
            most = _PIECE

    def _joined(self, body: bytes | bytearray, piece: bytes) -> bytes | bytearray:
        if len(body) + len(piece) > self._limit:
            raise self._too_large()
        if not body:
            return piece
        if isinstance(body, bytes):
            # Not a list of chunks: millions of them, of some bytes each, would take many times the limit.
            body = bytearray(body)
        body += piece
        return body

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
