"""Run in a child with `faulty_writes.so` loaded: exports whose n-th write fails, each gone on with afterwards.

Arguments: folder, format, the kind of fault, the first write that fails, the number of writes. Prints one JSON line.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import json
import os
import sys
from pathlib import Path

from aiochargebee_gw import Gateway, Limits, RequestError, Settings
from aiochargebee_gw.export import export
from aiochargebee_gw.sandbox import Sandbox

FAULTS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "short": 0}
EXPECTED = {errno.ENOSPC, errno.EIO}


def contents(path: Path) -> object:
    """What must be equal however the file came to be."""
    if path.suffix != ".db":
        return path.read_bytes()
    import sqlite3

    db = sqlite3.connect(path)
    try:
        return db.execute("SELECT id, version, document FROM documents ORDER BY id").fetchall()
    finally:
        db.close()


async def attempt(gw: Gateway, path: Path) -> int | None:
    """The errno that an export ends with; None when it succeeds."""
    try:
        await export(gw.customers.list(), to=path, workers=1)
    except OSError as error:
        return error.errno
    return None


async def main(folder: Path, ending: str, fault: str, first: int, count: int) -> dict[str, int]:
    library = ctypes.CDLL(os.environ["LD_PRELOAD"])
    failed = clean = 0
    free = Settings(limits=Limits(account_per_second=float("inf")))
    async with Sandbox(records=230) as sandbox, sandbox.gateway(settings=free) as gw:
        whole = folder / f"whole.{ending}"
        await export(gw.customers.list(), to=whole, workers=1)
        for nth in range(first, first + count):
            path = folder / f"x{nth}.{ending}"
            library.fail_at(ctypes.c_long(nth), FAULTS[fault])
            found = await attempt(gw, path)
            library.fail_at(ctypes.c_long(-1), 0)
            if found is None:
                clean += 1
            else:
                failed += 1
                assert found in EXPECTED, found
                # Whole, when it was the manifest that could not be written.
                assert not path.exists() or contents(path) == contents(whole)
                assert await attempt(gw, path) is None
            assert contents(path) == contents(whole), nth
            for left in folder.glob(f"*x{nth}.{ending}*"):
                assert left.name in (path.name, f"{path.name}.manifest.json"), left.name
                left.unlink()
    return {"failed": failed, "clean": clean}


if __name__ == "__main__":
    try:
        told = asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
    except RequestError as error:
        raise SystemExit(str(error)) from error
    sys.stdout.write(json.dumps(told))
