"""Files that appear whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import tempfile
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Self

import anyio.to_thread

try:
    import fcntl
except ImportError:  # Windows: SQLite's own locks are all there is
    fcntl = None  # type: ignore[assignment]

__all__ = ["FileLock", "Replacement", "drop_parts", "sync_folder", "write_atomically"]

# What a filesystem says that has no second names for a file.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES)
# A name may have 255 bytes, and the target's may use them up.
_SHOWN = 20
_parts: set[Path] = set()


class Replacement:
    """A new file beside *target* that takes its name by `commit`; without it, or by `discard`, it is gone.

    With *replace* a file that has the name gives way, and a symlink keeps pointing at it; without, `commit` raises
    `FileExistsError`. Only its owner may read it: it holds customers' data. All methods wait for the disk; `discard`
    may come from another thread while one of the others runs. *tag* names what a process that is killed leaves behind.
    """

    def __init__(self, target: Path, *, replace: bool = True, tag: str = "") -> None:
        self.target = target
        """The name, as it was given: for errors."""
        self._replace = replace
        self._target = Path(os.path.realpath(target)) if replace else target
        with _named(target):
            handle, name = tempfile.mkstemp(
                prefix=f".{target.name[:_SHOWN]}.{tag}", suffix=".part", dir=self._target.parent
            )
        self._part = Path(name)
        _parts.add(self._part)
        self._file = os.fdopen(handle, "wb")
        self._lock = threading.Lock()
        self._committed = self._discarded = False

    def write(self, data: bytes) -> None:
        """Append *data*."""
        with _named(self.target):
            self._file.write(data)

    @property
    def path(self) -> Path:
        """Where the bytes are until they have their name: for who must write there by itself, before `commit`."""
        return self._part

    def commit(self) -> None:
        """Make the bytes last, then give them the target's name."""
        with _named(self.target):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        with self._lock:
            if self._discarded:
                raise ValueError("the file was discarded")
            with _named(self.target):
                self._publish()
            self._committed = True
            _parts.discard(self._part)
        sync_folder(self._target.parent)

    def _publish(self) -> None:
        if self._replace:
            os.replace(self._part, self._target)
            return
        try:
            # Unlike a rename, a link never takes a name away.
            os.link(self._part, self._target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._claim()
        else:
            self._part.unlink()

    def _claim(self) -> None:
        os.close(os.open(self._target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            os.replace(self._part, self._target)
        except BaseException:
            self._target.unlink(missing_ok=True)
            raise

    def discard(self) -> bool:
        """Remove what was written, unless it was committed: False then. Safe to call twice."""
        with self._lock:
            if self._committed:
                return False
            self._discarded = True
        with contextlib.suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)
        _parts.discard(self._part)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()


@contextlib.contextmanager
def _named(target: Path) -> Iterator[None]:
    """Errors of the disk name what the person knows, not ours."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error


def drop_parts() -> None:
    """Remove what was begun, from a process that ends at once. Takes no lock: a signal's handler may call it."""
    for part in tuple(_parts):
        with contextlib.suppress(OSError):
            os.unlink(part)


class FileLock:
    """A claim on *path* that nobody else has, in this process or another, made with an empty file beside it,
    `<path>-lock`: `flock`, which ends with the process however it ends; the file goes when the claim is given back.

    It is not made with the file itself, which may be a database: who closes any handle of a file lets go of all `fcntl`
    locks that the process has on it, SQLite's too (sqlite.org/howtocorrupt.html, 2.2), and over NFS both kinds of lock
    are one (flock(2)). Raises `BlockingIOError` when somebody else has it, `OSError`; they name *path*.
    """

    def __init__(self, path: Path) -> None:
        self._path = f"{os.path.realpath(path)}-lock"
        with _named(path):
            self._handle = _locked(self._path)
        _locks.add(self)

    def release(self) -> None:
        """Give it back. Safe to call twice."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            # While it is still ours: its name may be somebody else's a moment later.
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            os.close(handle)

    def leave(self) -> None:
        """In a process that was forked off: the claim is the other one's, and ends with it."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


_locks: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _leave_all() -> None:
    for lock in tuple(_locks):
        lock.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)


def _locked(path: str) -> int:
    if fcntl is None:
        return -1
    # Whoever had it may have removed the file between our opening and our claim.
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(handle: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def sync_folder(folder: Path) -> None:
    """Make a name that was given or taken in *folder* last, where the system can.

    The rename itself must survive a power cut.
    """
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


async def write_atomically(target: Path, chunks: AsyncIterator[bytes]) -> Path:
    """Write *chunks* to *target*, with the disk's waits off the loop.

    The file is opened on the loop: a cancelled call would leave one behind that a thread is still opening. A
    cancellation that comes when the file has its name comes too late.
    """
    with Replacement(target) as file:
        async for chunk in chunks:
            await anyio.to_thread.run_sync(file.write, chunk)
        try:
            await anyio.to_thread.run_sync(file.commit)
        except asyncio.CancelledError:
            if file.discard():
                raise
    return target
