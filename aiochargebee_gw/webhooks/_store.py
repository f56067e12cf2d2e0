"""What a receiver remembers: which events were handled, and the newest version of each resource.

Chargebee sends an event for the last time three days and seven hours after the first (its documentation of webhooks).
That long an id must be known, and the version of a resource too: nothing older can arrive later than that.

An event is taken, then handled, then committed. Who takes it holds a lease: a process that is killed in between loses
it by time, and the next delivery is handled. A resource is held in the same way while an event about it is handled, so
that of two processes none puts an older version in the place of a newer one.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Protocol, TypeVar

import attrs

from ..errors import ConfigurationError
from ._event import Resource, Versions

__all__ = ["KEEP_SECONDS", "Claim", "MemoryStore", "SqliteStore", "State", "Store"]

KEEP_SECONDS = 4 * 86_400.0
"""How long ids and versions are kept: more than three days and seven hours."""

T = TypeVar("T")


class State(Enum):
    """What `take` found: nobody has the event, it was handled, or another delivery of it is being handled."""

    NEW = "new"
    DONE = "done"
    BUSY = "busy"


@attrs.frozen(kw_only=True)
class Claim:
    """One delivery's claim on the event `id`; `token` tells it from others, `until` (Unix seconds) ends it."""

    id: str
    token: str = attrs.field(repr=False)
    until: float


class Store(Protocol):
    """The memory of receivers. `now` is Unix seconds. Each call is one transaction, and may raise what it likes: the
    receiver answers 503 then."""

    async def take(self, claim: Claim, now: float) -> State:
        """Claim an event that is new or whose claim has ended."""
        ...

    async def hold(self, claim: Claim, versions: Versions, now: float) -> frozenset[Resource] | None:
        """Hold the resources of a claimed event, all or none. Those of which a newer version was committed; None where
        another claim holds one."""
        ...

    async def commit(self, claim: Claim, versions: Versions, now: float) -> bool:
        """The event is handled: keep its id, raise the versions, let go. False where the claim was lost."""
        ...

    async def release(self, claim: Claim) -> None:
        """The event is not handled: whoever comes next may take it. Nothing happens where the claim was lost."""
        ...


_TABLES = """
CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY, token TEXT NOT NULL, until REAL NOT NULL, done REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_done ON events (done, until);
CREATE TABLE IF NOT EXISTS resources (
    kind TEXT, id TEXT, version INTEGER NOT NULL, seen REAL NOT NULL, token TEXT, until REAL NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_seen ON resources (seen);
CREATE INDEX IF NOT EXISTS by_token ON resources (token) WHERE token IS NOT NULL;
"""
_TAKE = """
INSERT INTO events VALUES (:id, :token, :until, NULL)
ON CONFLICT (id) DO UPDATE SET token = :token, until = :until
"""
_HOLD = """
INSERT INTO resources VALUES (?, ?, -1, ?, ?, ?)
ON CONFLICT (kind, id) DO UPDATE SET token = excluded.token, until = excluded.until
"""
_RAISE = "UPDATE resources SET version = max(version, ?), seen = ? WHERE kind = ? AND id = ?"
_FREE = "UPDATE resources SET token = NULL, until = 0 WHERE token = ?"


class SqliteStore:
    """A `Store` in one SQLite file: it survives restarts, and processes of one machine may share it.

    WAL with `synchronous=FULL`: what was committed is on the disk before Chargebee is answered. Holds ids and versions,
    nothing else of an event. Raises `ConfigurationError` where the file cannot be opened. `keep_seconds` must not be
    below three days and seven hours.
    """

    _inline = False

    def __init__(self, path: str | os.PathLike[str], *, keep_seconds: float = KEEP_SECONDS) -> None:
        if not keep_seconds >= 79 * 3600:
            raise ConfigurationError("keep_seconds must be at least 284400: three days and seven hours")
        self._keep = keep_seconds
        self._lock = threading.Lock()
        self._db = _opened(path)
        # Python 3.13 warns about a connection that is collected open.
        self.close: Callable[[], object] = weakref.finalize(self, self._db.close)

    async def take(self, claim: Claim, now: float) -> State:
        return await self._run(lambda: self._take(claim, now))

    async def hold(self, claim: Claim, versions: Versions, now: float) -> frozenset[Resource] | None:
        return await self._run(lambda: self._hold(claim, versions, now))

    async def commit(self, claim: Claim, versions: Versions, now: float) -> bool:
        return await self._run(lambda: self._commit(claim, versions, now))

    async def release(self, claim: Claim) -> None:
        await self._run(lambda: self._release(claim))

    async def _run(self, work: Callable[[], T]) -> T:
        return work() if self._inline else await asyncio.to_thread(work)

    def _take(self, claim: Claim, now: float) -> State:
        with self._transaction():
            self._forget(now)
            row = self._db.execute("SELECT until, done FROM events WHERE id = ?", (claim.id,)).fetchone()
            if row is not None and row[1] is not None:
                return State.DONE
            if row is not None and row[0] > now:
                return State.BUSY
            self._make_room("events", 1)
            self._db.execute(_TAKE, attrs.asdict(claim))
            return State.NEW

    def _hold(self, claim: Claim, versions: Versions, now: float) -> frozenset[Resource] | None:
        with self._transaction():
            older = set()
            for resource, version in versions.items():
                row = self._db.execute(
                    "SELECT version, token, until FROM resources WHERE kind = ? AND id = ?", resource
                ).fetchone()
                if row is not None and row[1] not in (None, claim.token) and row[2] > now:
                    return None
                if row is not None and row[0] > version:
                    older.add(resource)
            self._make_room("resources", len(versions))
            self._db.executemany(_HOLD, [(*resource, now, claim.token, claim.until) for resource in versions])
            return frozenset(older)

    def _commit(self, claim: Claim, versions: Versions, now: float) -> bool:
        with self._transaction():
            kept = self._db.execute(
                "UPDATE events SET done = ? WHERE id = ? AND token = ? AND done IS NULL", (now, claim.id, claim.token)
            )
            if kept.rowcount != 1:
                return False
            self._db.executemany(_RAISE, [(version, now, *resource) for resource, version in versions.items()])
            self._db.execute(_FREE, (claim.token,))
            return True

    def _release(self, claim: Claim) -> None:
        with self._transaction():
            self._db.execute("DELETE FROM events WHERE id = ? AND token = ? AND done IS NULL", (claim.id, claim.token))
            self._db.execute(_FREE, (claim.token,))

    def _forget(self, now: float) -> None:
        before = now - self._keep
        self._db.execute("DELETE FROM events WHERE done < ?", (before,))
        self._db.execute("DELETE FROM events WHERE done IS NULL AND until < ?", (before,))
        self._db.execute("DELETE FROM resources WHERE seen < ? AND until <= ?", (before, now))

    def _make_room(self, table: str, coming: int) -> None:
        """A file has room."""

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


class MemoryStore(SqliteStore):
    """A `Store` of one process, in memory, gone with it.

    It keeps at most `capacity` ids and as many versions (of what is not being handled); beyond that the oldest are
    forgotten, a sixteenth at a time, however young they are.
    Raises `ConfigurationError` for a capacity below 1.
    """

    _inline = True

    def __init__(self, *, capacity: int = 100_000, keep_seconds: float = KEEP_SECONDS) -> None:
        if not isinstance(capacity, int) or capacity < 1:
            raise ConfigurationError("capacity must be a whole number from 1")
        super().__init__(":memory:", keep_seconds=keep_seconds)
        self._capacity = capacity
        self._room = {"events": capacity, "resources": capacity}

    def _make_room(self, table: str, coming: int) -> None:
        self._room[table] -= coming
        if self._room[table] < 0:
            # A sixteenth at a time: to look for the oldest at each event would cost more than the event.
            freed = max(coming, self._capacity // 16)
            self._db.execute(_TRIM[table], (max(0, self._capacity - freed),))
            self._room[table] = freed - coming


_TRIM = {
    "events": """DELETE FROM events WHERE done IS NOT NULL AND id NOT IN
        (SELECT id FROM events WHERE done IS NOT NULL ORDER BY done DESC LIMIT ?)""",
    "resources": """DELETE FROM resources WHERE token IS NULL AND (kind, id) NOT IN
        (SELECT kind, id FROM resources WHERE token IS NULL ORDER BY seen DESC LIMIT ?)""",
}


def _opened(path: str | os.PathLike[str]) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise ConfigurationError(f"the store of webhooks cannot be opened: {Path(path).name}") from error
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_TABLES)
    except sqlite3.Error as error:
        db.close()
        raise ConfigurationError(f"the store of webhooks cannot be opened: {Path(path).name}") from error
    return db
