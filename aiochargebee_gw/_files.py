"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import anyio.to_thread

__all__ = ["Replacement", "write_atomically"]


class Replacement:
    """A new file beside *target* that takes its name by `commit`; without it, or by `discard`, it is gone.

    Only its owner may read it: it holds customers' data. All methods wait for the disk.
    """

    def __init__(self, target: Path) -> None:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        self._target = target
        self._part = Path(name)
        self._file = os.fdopen(handle, "wb")

    def write(self, data: bytes) -> None:
        """Append *data*."""
        self._file.write(data)

    def commit(self) -> None:
        """Make the bytes last, then give them the target's name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._part, self._target)
        _sync_folder(self._target.parent)

    def discard(self) -> None:
        """Remove what was written, unless it was committed. Safe to call twice."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()


def _sync_folder(folder: Path) -> None:
    # The rename itself must survive a power cut; not every system lets a folder be synced.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


async def write_atomically(target: Path, chunks: AsyncIterator[bytes]) -> Path:
    """Write *chunks* to *target*, with the disk's waits off the loop.

    The file is opened on the loop: a cancelled call would leave one behind that a thread is still opening.
    """
    with Replacement(target) as file:
        async for chunk in chunks:
            await anyio.to_thread.run_sync(file.write, chunk)
        await anyio.to_thread.run_sync(file.commit)
    return target
