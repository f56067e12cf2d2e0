"""Bytes on their way into a file or a stream, counted and hashed. All of it waits for the disk."""

from __future__ import annotations

import hashlib
import importlib
import io
import sys
import zlib
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Compressor", "Counted", "Writable", "WritableFile", "gzipped", "zstandard"]


class Writable(Protocol):
    """A binary stream, or whatever writes like one."""

    def write(self, data: bytes, /) -> object: ...


class Counted:
    """Passes bytes on; `size` and `sha256` are those of all of them."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self._write(data)
        self._digest.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class WritableFile(io.RawIOBase):
    """A `Counted` for those who want a file to append to."""

    def __init__(self, out: Counted) -> None:
        self._out = out

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._out.size

    def write(self, data: Any, /) -> int:
        self._out.write(bytes(data))
        return len(data)


class Compressor(Protocol):
    """Takes bytes, and gives some now and the rest at the end."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def gzipped() -> Compressor:
    """gzip, with neither a name nor a time in its head: the same rows give the same bytes."""
    return zlib.compressobj(6, zlib.DEFLATED, 31)


def zstandard() -> Compressor:
    """Zstandard: from the standard library where it has it (Python 3.14), else from the package of that name."""
    if sys.version_info >= (3, 14):
        return importlib.import_module("compression.zstd").ZstdCompressor()  # type: ignore[no-any-return]
    return importlib.import_module("zstandard").ZstdCompressor().compressobj()  # type: ignore[no-any-return]
