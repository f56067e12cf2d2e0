"""The journal: one SQLite file that holds records and cursors, so that what is known and how far it goes never differ.

A commit takes the rows of some pages and the cursor behind them in one transaction (WAL, `synchronous=FULL`): a process
that is killed at any point has lost no row and repeats none. A record is kept once, in the version with the highest
`resource_version`. One process at a time may have a journal open. All methods wait for the disk.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .._files import FileLock, sync_folder
from ..errors import RequestError
from ._keys import Row
from ._state import ListState, decode_state, encode_state

__all__ = ["Journal", "define", "guarded", "is_journal", "making_way", "remove", "remove_tails"]

# "acgw", in the place where SQLite keeps whose file it is.
_APPLICATION = 0x61636777
_FORMAT = 1
_SCHEMA = """
CREATE TABLE documents (
    seq INTEGER PRIMARY KEY, resource TEXT NOT NULL, id TEXT, version INTEGER NOT NULL, position INTEGER,
    deleted INTEGER NOT NULL, generation INTEGER NOT NULL, document TEXT NOT NULL
);
CREATE UNIQUE INDEX documents_by_id ON documents (resource, id);
CREATE TABLE lists (resource TEXT PRIMARY KEY, state TEXT NOT NULL);
"""
# A record that is read again is newer, unless its version says otherwise: lists may show an old state for minutes.
_UPSERT = """
INSERT INTO documents (resource, generation, id, version, position, deleted, document)
VALUES {rows}
ON CONFLICT (resource, id) DO UPDATE SET
    version = max(version, excluded.version),
    deleted = CASE WHEN excluded.version >= version THEN excluded.deleted ELSE deleted END,
    document = CASE WHEN excluded.version >= version THEN excluded.document ELSE document END,
    generation = excluded.generation
"""
_NEWER = """
SELECT version < ?3 OR (version = ?3 AND (document <> CAST(?4 AS TEXT) OR deleted <> ?5))
FROM documents WHERE resource = ?1 AND id = ?2
"""
_FULL = {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_READONLY: errno.EROFS}
_FOREIGN = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_CURE = "; remove it, or name another file"
_TAILS = ("-wal", "-shm", "-journal")
# After each step of a statement SQLite's thread asks for the interpreter back, which a busy loop may hold for
# milliseconds: so a page goes in by one step. It takes 502 values; older SQLites allow 999, and more rows are slower.
_AT_ONCE = (100, 1)


class Journal:
    """Opens *path*, or makes it (`is_new`).

    Raises `RequestError` for a file that is no journal, or that is damaged or in use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._closed = False
        self._last: int | None = None
        self._lock = _claim(path)
        self.is_new = False
        try:
            self.is_new = _made(path)
            with guarded(path):
                self._db = _open(path)
        except BaseException:
            if self.is_new:
                remove(path)
            self._lock.release()
            raise

    def lists(self) -> list[str]:
        """The lists of which something is known."""
        with guarded(self.path):
            return [name for (name,) in self._db.execute("SELECT resource FROM lists ORDER BY resource")]

    @property
    def is_mirror(self) -> bool:
        """Whether it has views: then it is an output, and what is in it is not only there to make one."""
        with guarded(self.path):
            return self._db.execute("SELECT 1 FROM sqlite_schema WHERE type = 'view'").fetchone() is not None

    def state(self, resource: str) -> ListState | None:
        """How far the list of *resource* has come; None when nothing is known of it."""
        with guarded(self.path):
            found = self._db.execute("SELECT state FROM lists WHERE resource = ?", (resource,)).fetchone()
        if found is None:
            return None
        try:
            return decode_state(found[0])
        except ValueError as error:
            raise _refused(self.path, f"is damaged, or of another version of this program{_CURE}") from error

    def commit(self, resource: str, rows: list[Row], state: ListState) -> tuple[int, int]:
        """Keep *rows* and *state*, both or none. Returns how many rows are new, and how many newer than those known.

        They are counted in the last pass of *state*, too, before it is kept.
        """
        with guarded(self.path), self._transaction():
            before = self._newest() if self._last is None else self._last
            self._last = None
            known = self._newer(resource, rows) if rows and not state.is_first_pass else 0
            self._upsert(resource, state.generation, rows)
            last = self._newest()
            added = last - before
            if rows:
                state.passes[-1].added += added
                state.passes[-1].changed += known
            self._db.execute("INSERT OR REPLACE INTO lists VALUES (?, ?)", (resource, encode_state(state)))
        self._last = last
        return added, known

    def count(self, resource: str, *, deleted: bool) -> int:
        """How many records there are, with those that are *deleted* or without."""
        with guarded(self.path):
            sql = "SELECT count(*) FROM documents WHERE resource = ? AND deleted <= ?"
            return int(self._db.execute(sql, (resource, deleted)).fetchone()[0])

    def documents(self, resource: str, *, deleted: bool, sorted: bool) -> Iterator[list[bytes]]:
        """The records in the order in which they came, or *sorted* by their position, some hundreds at a time."""
        with guarded(self.path):
            if sorted:
                self._db.execute("CREATE INDEX IF NOT EXISTS documents_by_position ON documents (resource, position)")
            # Each record is a page of the file or so: a sort of whole records would write all of them once more.
            how, order = ("INDEXED BY documents_by_position", "position, seq") if sorted else ("NOT INDEXED", "seq")
            cursor = self._db.execute(
                f"SELECT CAST(document AS BLOB) FROM documents {how} "  # noqa: S608 - words of ours
                f"WHERE resource = ? AND deleted <= ? ORDER BY {order}",
                (resource, deleted),
            )
            while found := cursor.fetchmany(500):
                yield [document for (document,) in found]

    def bury(self, resource: str, generation: int) -> int:
        """Flag as deleted what the full pass of *generation* has not shown, and drop what has no id: that was read
        anew. Returns how many records were flagged."""
        self._last = None
        with guarded(self.path), self._transaction():
            older = "resource = ? AND generation < ?"
            self._db.execute(f"DELETE FROM documents WHERE id IS NULL AND {older}", (resource, generation))  # noqa: S608
            flag = f"UPDATE documents SET deleted = 1 WHERE deleted = 0 AND {older}"  # noqa: S608
            return self._db.execute(flag, (resource, generation)).rowcount

    def forget(self, resource: str) -> None:
        """Drop everything about a list."""
        self._last = None
        with guarded(self.path), self._transaction():
            self._db.execute("DELETE FROM documents WHERE resource = ?", (resource,))
            self._db.execute("DELETE FROM lists WHERE resource = ?", (resource,))

    def copy(self, file: Path, target: Path) -> None:
        """Write the whole journal, without the gaps in it, into the empty *file*; the disk's errors name *target*."""
        with guarded(self.path, target):
            self._db.execute("VACUUM INTO ?", (str(file),))

    def define(self, view: str, statement: str) -> None:
        """Make a view, or make it anew where it is another."""
        with guarded(self.path), self._transaction():
            define(self._db, view, statement)

    def check(self) -> None:
        """Read everything once. Raises `RequestError` for a file that is damaged."""
        with guarded(self.path):
            told = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if told[0] != "ok":
            raise _refused(self.path, f"is damaged{_CURE}")

    def close(self, *, drop: bool = False) -> None:
        """Let go of the file, or *drop* it, with what SQLite keeps beside it. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        try:
            # SQLite moves its WAL into the file and removes it: whenever the process is killed, either a whole journal
            # is left, with which the next run does what is right, or nothing.
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            if drop:
                remove(self.path)
        finally:
            self._lock.release()

    def _upsert(self, resource: str, generation: int, rows: list[Row]) -> None:
        at = 0
        for count in _AT_ONCE:
            while len(rows) - at >= count:
                values: list[Any] = [resource, generation]
                for key, document in rows[at : at + count]:
                    values += (*key, document)
                self._db.execute(_upsert(count), values)
                at += count

    def _newer(self, resource: str, rows: list[Row]) -> int:
        """How many of *rows* are newer than what is known of them."""
        given = ((resource, key.id, key.version, document, key.deleted) for key, document in rows)
        found = (self._db.execute(_NEWER, values).fetchone() for values in given)
        return sum(newer is not None and newer[0] for newer in found)

    def _newest(self) -> int:
        # No row is taken out while others are put in: each new one is one more.
        return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM documents").fetchone()[0])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A disk that is full may have ended the transaction already.
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise


def define(db: sqlite3.Connection, view: str, statement: str) -> None:
    """Make a view, or make it anew where it is another."""
    found = db.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (view,)).fetchone()
    if found is None or found[0] != statement:
        db.execute(f'DROP VIEW IF EXISTS "{view}"')
        db.execute(statement)


@functools.cache
def _upsert(count: int) -> str:
    """The statement for *count* rows; the first two values are those of all."""
    rows = (f"(?1, ?2, ?{at}, ?{at + 1}, ?{at + 2}, ?{at + 3}, CAST(?{at + 4} AS TEXT))"
            for at in range(3, 3 + 5 * count, 5))  # fmt: skip
    return _UPSERT.format(rows=", ".join(rows))


def _claim(path: Path) -> FileLock:
    try:
        return FileLock(path)
    except BlockingIOError:
        # Cancelled while the disk is slow, an export ends some time behind its call.
        text = "is in use by another process, or by an export of this one that may be ending still"
        raise _refused(path, text) from None


def _made(path: Path) -> bool:
    """Whether there was no file: then there is one now that only its owner may read, and so will what SQLite keeps
    beside it. Raises `OSError`, also where there is one that may only be read: SQLite would say so much later."""
    try:
        handle = os.open(os.path.realpath(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)) from None
        return False
    os.close(handle)
    return True


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        if fresh := not _pragma(db, "page_count"):
            # Records have some kilobytes: with SQLite's own 4,096 most would go on in a second page.
            db.execute("PRAGMA page_size = 16384")
            # Before the WAL: either the whole of it is there, or an empty file.
            _create(db)
        elif _pragma(db, "application_id") != _APPLICATION:
            raise _refused(path, f"is not a journal{_CURE}")
        elif _pragma(db, "user_version") != _FORMAT:
            raise _refused(path, f"is of another version of this program{_CURE}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA wal_autocheckpoint = 4000")
        db.execute("PRAGMA cache_size = -16000")
        if fresh:
            sync_folder(path.parent)
    except BaseException:
        db.close()
        raise
    return db


def _create(db: sqlite3.Connection) -> None:
    db.executescript(f"BEGIN;{_SCHEMA}PRAGMA application_id={_APPLICATION};PRAGMA user_version={_FORMAT};COMMIT;")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


@contextlib.contextmanager
def guarded(path: Path, target: Path | None = None) -> Iterator[None]:
    """Turns SQLite's errors into `OSError`, or into the `RequestError` for a file that is damaged or not ours.

    The disk's errors name the *target*, where that is another file than *path*.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        told = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR)
        code = told & 0xFF
        if code in _FOREIGN:
            raise _refused(path, f"is damaged, or is not a journal{_CURE}") from error
        if code == sqlite3.SQLITE_BUSY:
            raise _refused(path, "is in use by another process") from error
        if code == sqlite3.SQLITE_ERROR:
            # It speaks of statements, tables and views, never of what is in them.
            raise _refused(path, f"is damaged, or was changed by something else ({error}){_CURE}") from error
        number = _FULL.get(code, errno.EIO)
        text = os.strerror(number)
        if told == sqlite3.SQLITE_IOERR_WRITE:
            # SQLite keeps to itself what the system has said.
            text += " (a write failed: a fault of the disk, a quota, or a limit on the size of a file)"
        raise OSError(number, text, str(target or path)) from error


def is_journal(path: Path) -> bool:
    """Whether *path* looks like a journal; a file that cannot be read does not.

    SQLite itself looks: a handle of ours would, when it is closed, take the locks away that SQLite has on the file for
    whoever uses it in this process. As if nobody wrote to it (`immutable`), it locks nothing and makes no file.
    """
    where = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(where, uri=True)) as db:
            # It takes a file, too, that a checkpoint which was killed has left shorter than its head says.
            db.execute("PRAGMA writable_schema = 1")
            return _pragma(db, "application_id") == _APPLICATION
    except sqlite3.Error:
        return False


def remove(path: Path) -> None:
    """Take a database away, with what SQLite keeps beside it."""
    path.unlink(missing_ok=True)
    remove_tails(path)


def remove_tails(path: Path) -> None:
    """Take away what SQLite keeps beside a database."""
    for tail in _TAILS:
        Path(f"{path}{tail}").unlink(missing_ok=True)


@contextlib.contextmanager
def making_way(path: Path) -> Iterator[None]:
    """Keeps others from *path* while another database takes its name.

    What a run that was killed has left beside it goes: SQLite would write that into the other one, and destroy it.
    Raises `RequestError` when the database is in use.
    """
    with contextlib.ExitStack() as stack:
        if path.exists():
            stack.callback(_claim(path).release)
            # It stays whole until the other one is there.
            with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, timeout=0)) as db:
                db.execute("PRAGMA journal_mode = DELETE")
        remove_tails(path)
        yield


def _refused(path: Path, what: str) -> RequestError:
    return RequestError(f"{path} {what}", field="journal")
