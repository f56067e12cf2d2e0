"""Where lines go. Sinks wait for the disk: call them off the loop; `discard` may be called at any time, and twice."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from .._files import Replacement
from ..errors import RequestError
from ._csv import cells, header

__all__ = ["Sink", "Writable", "choose"]

_CHUNK = 1 << 18


@runtime_checkable
class Writable(Protocol):
    """A binary stream, or whatever writes like one."""

    def write(self, data: bytes, /) -> object: ...


class Sink(Protocol):
    """Takes the lines of an export. `path` is None for a stream, `chunk` the bytes worth a visit."""

    path: Path | None
    chunk: int

    @property
    def written(self) -> tuple[int, str]:
        """The bytes written and their SHA-256."""
        ...

    def write(self, lines: list[bytes]) -> None: ...

    def finish(self) -> None:
        """Make it last."""
        ...

    def discard(self) -> bool:
        """Take it back. False when it lasts already."""
        ...


class _Counted:
    """Bytes on their way, counted and hashed."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self._write(data)
        self._digest.update(data)
        self.size += len(data)

    @property
    def result(self) -> tuple[int, str]:
        return self.size, self._digest.hexdigest()


class _JsonlFile:
    chunk = _CHUNK

    def __init__(self, path: Path, *, force: bool) -> None:
        self.path: Path | None = path
        self._file = Replacement(path, replace=force)
        self._out = _Counted(self._file.write)

    @property
    def written(self) -> tuple[int, str]:
        return self._out.result

    def write(self, lines: list[bytes]) -> None:
        self._out.write(b"\n".join(lines) + b"\n")

    def finish(self) -> None:
        _commit(self._file, self.path)

    def discard(self) -> bool:
        return self._file.discard()


class _CsvFile:
    """The columns are known behind the last row only: the lines wait in a nameless file beside the target."""

    chunk = _CHUNK

    def __init__(self, path: Path, *, force: bool) -> None:
        self.path: Path | None = path
        self._file = Replacement(path, replace=force)
        try:
            self._spool = tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent)  # noqa: SIM115
        except BaseException:
            self._file.discard()
            raise
        self._out = _Counted(self._file.write)
        self._seen: dict[str, None] = {}

    def write(self, lines: list[bytes]) -> None:
        for line in lines:
            self._seen.update((name, None) for name, _ in cells(line))
        self._spool.write(b"\n".join(lines) + b"\n")

    @property
    def written(self) -> tuple[int, str]:
        return self._out.result

    def finish(self) -> None:
        columns = header(self._seen)
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(columns)
        self._spool.seek(0)
        for line in self._spool:
            row = dict(cells(line))
            writer.writerow([row.get(name, "") for name in columns])
            if text.tell() >= _CHUNK:
                self._drain(text)
        self._drain(text)
        _commit(self._file, self.path)

    def _drain(self, text: io.StringIO) -> None:
        self._out.write(text.getvalue().encode())
        text.seek(0)
        text.truncate()

    def discard(self) -> bool:
        self._spool.close()
        return self._file.discard()


class _JsonlStream:
    """The caller's stream: nothing is taken back, nothing is closed, and each page is seen at once."""

    path: Path | None = None
    chunk = 0

    def __init__(self, stream: Writable) -> None:
        self._stream = stream
        self._out = _Counted(self._send)

    def write(self, lines: list[bytes]) -> None:
        self._out.write(b"\n".join(lines) + b"\n")
        flush = getattr(self._stream, "flush", None)
        if flush is not None:
            flush()

    def _send(self, data: bytes) -> None:
        # A stream without a buffer (`python -u`) may take a part when a signal comes in between.
        while data:
            taken = self._stream.write(data)
            data = data[taken:] if isinstance(taken, int) else b""

    @property
    def written(self) -> tuple[int, str]:
        return self._out.result

    def finish(self) -> None:
        pass

    def discard(self) -> bool:
        return True


class _File(Protocol):
    """Opens a file's sink."""

    def __call__(self, path: Path, *, force: bool) -> Sink: ...


_BY_ENDING: dict[str, _File] = {".jsonl": _JsonlFile, ".csv": _CsvFile}
_LEGAL = (*_BY_ENDING, "-")


def choose(to: object, *, force: bool) -> Callable[[], Sink]:
    """What opens the sink for *to*. Raises `RequestError`, with nothing touched, for a place that cannot be had."""
    if to == "-":
        return lambda: _JsonlStream(sys.stdout.buffer)
    if isinstance(to, str | os.PathLike):
        return _file(Path(to), force=force)
    if isinstance(to, Writable):
        return lambda: _JsonlStream(to)
    raise _refused(f"to= takes a path, '-' or a binary stream, not {type(to).__name__}")


def _file(path: Path, *, force: bool) -> Callable[[], Sink]:
    make = _BY_ENDING.get(path.suffix.lower())
    if make is None:
        raise _refused(f"{path}: the ending names the format; it can be .jsonl or .csv (or - for JSONL on stdout)")
    # With force a symlink stays and what it points at is replaced.
    place = Path(os.path.realpath(path)) if force else path
    if not place.parent.is_dir():
        raise _refused(f"{path}: its folder does not exist")
    mode = _mode(place, path)
    if mode is not None and not (stat.S_ISREG(mode) or (stat.S_ISLNK(mode) and not force)):
        raise _refused(f"{path} is not a regular file")
    if mode is not None and not force:
        raise _refused(f"{path} exists already; force replaces it")
    if not os.access(place.parent, os.W_OK | os.X_OK):
        raise _refused(f"{path}: its folder cannot be written to")
    return lambda: make(path, force=force)


def _mode(place: Path, shown: Path) -> int | None:
    """What has the name, a dangling link included; None for nothing."""
    try:
        return os.lstat(place).st_mode
    except FileNotFoundError:
        return None
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise _refused(f"{shown}: {error.strerror}") from error


def _commit(file: Replacement, path: Path | None) -> None:
    try:
        file.commit()
    except FileExistsError as error:
        raise _refused(f"{path} was made by somebody else meanwhile; force replaces it") from error


def _refused(text: str) -> RequestError:
    return RequestError(text, field="to", legal=_LEGAL)
