"""A sandbox's file: its first site's database itself, with the rest of the state beside the rows.

Each answered request is one transaction, so that a process that is killed leaves what it had answered and no half of a
request. ``synchronous`` is off: a machine that loses its power may lose the file.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define, field

from aiochargebee_gw.sandbox import _snapshot as snapshot
from aiochargebee_gw.sandbox._account import Account
from aiochargebee_gw.sandbox._idempotency import Kept
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._store import Store


@define
class SiteFile:
    """One file, open for one sandbox at a time."""

    path: str
    seed: int
    catalog: str
    _db: sqlite3.Connection | None = None
    _store: Store | None = None
    _state: JsonObject | None = None
    _keys: dict[str, dict[str, Kept]] = field(factory=dict)
    _changes: dict[str, int] = field(factory=dict)

    def open(self, first: Callable[[], bytes]) -> bool:
        """Open the file and take it; a new one is filled with the snapshot ``first()``. Whether it was there before.

        Raises ``ValueError`` for a file that is no sandbox's, another kind of sandbox's or in use, ``OSError`` for one
        that cannot be opened.
        """
        db = _connected(self.path)
        try:
            known = not _is_new(db, self.path)
            if known:
                snapshot.check(db, self.path, seed=self.seed, catalog=self.catalog)
            _take(db, self.path)
            if not known:
                _fill(db, first())
        except BaseException:
            db.close()
            raise
        self._db, self._store = db, Store(db=db)
        return known

    @property
    def is_open(self) -> bool:
        """Whether the file is this sandbox's now."""
        return self._db is not None

    @property
    def db(self) -> sqlite3.Connection:
        """The open database."""
        if self._db is None:
            raise RuntimeError("the file is not open")
        return self._db

    @property
    def store(self) -> Store:
        """The rows of the first site; one object as long as the file is open, since its end closes the database."""
        if self._store is None:
            raise RuntimeError("the file is not open")
        return self._store

    def close(self) -> None:
        """Let go of the file; another sandbox may open it."""
        if self._db is not None:
            self.store.close()
            self._db = self._store = None
            self._forget()

    def _forget(self) -> None:
        self._state = None
        self._keys.clear()
        self._changes.clear()

    def replace(self, image: bytes) -> None:
        """Put a snapshot in the place of all that is in the file."""
        self._forget()
        _fill(self.db, image)
        self.store.refilled()

    def save(self, account: Account, primary: str, state: JsonObject) -> None:
        """Write what has changed since the last time."""
        for connection, site in account.sites.items():
            self._save_keys(connection, site.keys.kept)
            if connection != primary and self._changes.get(connection) != site.desk.store.changes:
                self._changes[connection] = site.desk.store.changes
                snapshot.write_site(self.db, connection, site)
        if state != self._state:
            self._state = state
            snapshot.write(self.db, "state", state)

    def _save_keys(self, connection: str, kept: dict[str, Kept]) -> None:
        known = self._keys.get(connection, {})
        new = {key: one for key, one in kept.items() if known.get(key) is not one}
        if new:
            snapshot.write_keys(self.db, connection, new)
        self._keys[connection] = kept


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise ValueError(f"{path} is in use by another sandbox") from error
        raise OSError(f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise snapshot.NotASnapshot(f"{path} was not made by a sandbox") from error


def _connected(path: str) -> sqlite3.Connection:
    with _told(path):
        return sqlite3.connect(path, timeout=0, check_same_thread=False, isolation_level=None)


def _is_new(db: sqlite3.Connection, path: str) -> bool:
    with _told(path):
        ((tables,),) = db.execute("SELECT count(*) FROM sqlite_schema")
    return bool(tables == 0 and os.path.getsize(path) == 0)


def _take(db: sqlite3.Connection, path: str) -> None:
    with _told(path):
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA synchronous = OFF")
        # In this locking mode the lock of a transaction stays.
        db.execute("BEGIN EXCLUSIVE")
        db.execute("COMMIT")


def _fill(db: sqlite3.Connection, image: bytes) -> None:
    with snapshot.opened(image) as source:
        source.backup(db)
