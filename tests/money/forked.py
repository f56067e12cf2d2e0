"""A process that has a journal open, forks, and is killed: `python -m tests.money.forked FILE HOW`.

It stores "before", forks, waits until the child has ended by *HOW*, stores "after" and ends without closing anything.
A child that "lives" is not waited for: it ends with its input. "naive" is a connection that knows nothing of forks, in
the journal's own modes.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import sys
from collections.abc import Callable

import attrs

from aiochargebee_gw import ConfigurationError
from aiochargebee_gw._journal import Entry, JournalFile

ENTRY = Entry(
    connection="", key="", origin="http://h", label="POST /customers", method="POST", path="/api/v2/customers",
    headers={}, body=b"", keyed=True, named=None, trace=None, fingerprint=b"", first_sent=1.0,
)  # fmt: skip


def _naive(path: str) -> tuple[object, Callable[[str], object]]:
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
        database.execute(f"PRAGMA {pragma}").fetchall()
    database.execute("CREATE TABLE writes (key TEXT)")
    return database, lambda key: database.execute("INSERT INTO writes VALUES (?)", (key,)).rowcount


def _journal(path: str) -> tuple[JournalFile, Callable[[str], object]]:
    journal = JournalFile(path)
    return journal, lambda key: journal.begin(attrs.evolve(ENTRY, key=key))


def _end(how: str, journal: object) -> None:
    if how == "lives":
        sys.stdin.read()
    if isinstance(journal, JournalFile):
        if how == "locked":
            # Another thread was writing when the fork came: its lock is never released.
            journal.close()
        if how == "used":
            try:
                journal.pending()
            except ConfigurationError as error:
                os._exit(7 if "fork" in str(error) else 8)
        if how == "closed":
            journal.close()
    if how in ("closed", "locked"):
        del journal
        gc.collect()
        os._exit(0)


def main(path: str, how: str) -> None:
    """See above; the exit code is the child's."""
    unused = JournalFile(f"{path}.unused")
    journal, store = _naive(path) if how == "naive" else _journal(path)
    store("before")
    if how == "locked" and isinstance(journal, JournalFile):
        journal._lock.acquire()
    begun, begin = os.pipe()
    if (child := os.fork()) == 0:
        os.write(begin, b".")
        _end(how, journal)
        sys.exit()
    os.read(begun, 1)
    _, status = (child, 0) if how == "lives" else os.waitpid(child, 0)
    unused.pending()
    if how == "locked" and isinstance(journal, JournalFile):
        journal._lock.release()
    store("after")
    os._exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(*sys.argv[1:])
