"""The file behind `journal`: one SQLite table of writes. No event loop here; every method blocks.

`synchronous=FULL` over a write-ahead log: what `begin` has stored is on the disk before anything is sent. The file is
locked for as long as it is open, so that two processes never take the same write for theirs.
"""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import attrs

from ._settle import Trace
from ._wire.message import Request
from .errors import ConfigurationError, RequestError

if TYPE_CHECKING:
    import sqlite3

    from ._files import FileLock

__all__ = ["Entry", "JournalFile", "State", "fingerprint"]

R = TypeVar("R")

State: TypeAlias = Literal["open", "unknown", "done", "refused"]
"""`open`: sent, or about to be. `unknown`: given up in doubt. `done`: its answer is kept.
`refused`: it has not happened."""

_APPLICATION = 0x6163676A
_VERSION = 1
_SCHEMA = """
CREATE TABLE writes (
    connection TEXT NOT NULL, key TEXT NOT NULL, origin TEXT NOT NULL, label TEXT NOT NULL, method TEXT NOT NULL,
    path TEXT NOT NULL, headers TEXT NOT NULL, body BLOB, keyed INTEGER NOT NULL, named TEXT, trace TEXT,
    fingerprint BLOB NOT NULL, first_sent REAL NOT NULL, state TEXT NOT NULL, status INTEGER, answer BLOB, ended REAL,
    PRIMARY KEY (connection, key)
) WITHOUT ROWID
"""


@attrs.frozen(kw_only=True)
class Entry:
    """One write. `path` is below `origin`, the gateway's; times are Unix seconds; `status` and `answer` are those of a
    write that is done."""

    connection: str
    key: str = attrs.field(repr=False)
    origin: str
    label: str
    method: str
    path: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes | None = attrs.field(repr=False)
    keyed: bool
    named: str | None = attrs.field(repr=False)
    trace: Trace | None
    fingerprint: bytes = attrs.field(repr=False)
    first_sent: float
    state: State = "open"
    status: int | None = None
    answer: bytes | None = attrs.field(default=None, repr=False)
    ended: float | None = None

    @property
    def place(self) -> tuple[str, str]:
        """What it is found by."""
        return self.connection, self.key


def fingerprint(request: Request, path: str) -> bytes:
    """What a key stands for: method, path, body and the headers that change what a call does.

    Not those that a later release of this package may send otherwise: they are kept and sent as they were.
    """
    telling = sorted(
        (name.lower(), value)
        for name, value in request.headers.items()
        if name.lower().startswith(("chargebee-", "maton-")) and name.lower() != "chargebee-idempotency-key"
    )
    parts = (request.method, path, json.dumps(telling))
    return sha256(b"\0".join([*(part.encode() for part in parts), request.body or b""])).digest()


class JournalFile:
    """The file at *path*: made with mode 0600, opened by the first use, usable from any thread."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._lock = threading.Lock()
        self._opened: _Opened | None = None
        self._forked = False
        self._path = os.path.abspath(path)
        _files.add(self)

    def begin(self, entry: Entry) -> Entry | None:
        """Store a write that is to be sent now; what is known of it already is returned instead, and nothing stored.

        Raises `RequestError` when the key belongs to another request.
        """
        return self._do(lambda database: self._begin(database, entry))

    def find(self, place: tuple[str, str]) -> Entry | None:
        """One write."""
        return self._do(lambda database: _find(database, place))

    def end(self, place: tuple[str, str], state: State, at: float, status: int | None, answer: bytes | None) -> None:
        """Note what became of a write."""
        text = "UPDATE writes SET state = ?, status = ?, answer = ?, ended = ? WHERE connection = ? AND key = ?"
        self._do(lambda database: database.execute(text, (state, status, answer, at, *place)))

    def pending(self) -> list[Entry]:
        """The writes whose end is not known, the oldest first."""
        text = "SELECT * FROM writes WHERE state IN ('open', 'unknown') ORDER BY first_sent"
        return self._do(lambda database: [_entry(row) for row in database.execute(text)])

    def forget(self, before: float) -> int:
        """Delete the writes that ended before a time, and how many they were."""
        text = "DELETE FROM writes WHERE state IN ('done', 'refused') AND ended < ?"
        return self._do(lambda database: database.execute(text, (before,)).rowcount)

    def close(self) -> None:
        """Let go of the file and its lock; the next use opens it again."""
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.close()

    def leave(self) -> None:
        """In a process that was forked off: leave the file to the one that goes on with it."""
        self._forked = True
        # Held for ever, if another thread had it.
        self._lock = threading.Lock()
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.leave()

    def __del__(self) -> None:
        self.close()

    def _begin(self, database: sqlite3.Connection, entry: Entry) -> Entry | None:
        known = _find(database, entry.place)
        if known is not None and (known.fingerprint, known.origin) != (entry.fingerprint, entry.origin):
            raise RequestError(
                "this idempotency key was used for another request, or at another gateway",
                field="idempotency_key",
                operation=entry.label,
            )
        if known is not None and known.state != "refused":
            return known
        values = [_plain(getattr(entry, field.name)) for field in attrs.fields(Entry)]
        marks = ", ".join("?" * len(values))
        database.execute(f"INSERT OR REPLACE INTO writes VALUES ({marks})", values)  # noqa: S608 - question marks
        return None

    def _do(self, act: Callable[[sqlite3.Connection], R]) -> R:
        import sqlite3

        with self._lock:
            try:
                return act(self._database())
            except sqlite3.OperationalError as error:
                if "locked" in str(error):
                    raise ConfigurationError("the journal is in use by another process or another object") from error
                raise ConfigurationError("the journal cannot be written or read") from error
            except (sqlite3.DatabaseError, ValueError, TypeError) as error:
                if isinstance(error, RequestError):
                    raise
                raise ConfigurationError("the journal is damaged, or is no journal of writes") from error
            except OSError as error:
                raise ConfigurationError("the journal cannot be opened") from error

    def _database(self) -> sqlite3.Connection:
        if self._forked:
            raise ConfigurationError("this journal was made before a fork; make one in each process")
        if self._opened is None:
            self._opened = _open(self._path)
        return self._opened.database


@attrs.frozen
class _Opened:
    """A connection, and the claim on its file."""

    database: sqlite3.Connection
    lock: FileLock

    def close(self) -> None:
        self.database.close()
        self.lock.release()

    def leave(self) -> None:
        """The same in a process that was forked off: there SQLite must not close the connection, also when it is
        freed, for it would remove the log that the other process goes on to write. So it is never freed."""
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.database))
        self.lock.leave()


_files: weakref.WeakSet[JournalFile] = weakref.WeakSet()


def _leave_all() -> None:
    for file in tuple(_files):
        file.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)


def _open(path: str) -> _Opened:
    import sqlite3

    from ._files import FileLock

    try:
        lock = FileLock(Path(path))
    except BlockingIOError:
        raise ConfigurationError("the journal is in use by another process or another object") from None
    try:
        _restrict(path)
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        try:
            _prepare(database)
        except BaseException:
            database.close()
            raise
    except BaseException:
        lock.release()
        raise
    return _Opened(database, lock)


def _restrict(path: str) -> None:
    """Only the owner may read it. A file that is there is not opened: to close a handle of it takes the locks away that
    SQLite has on it in this process."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        os.chmod(path, 0o600)


def _prepare(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("BEGIN EXCLUSIVE")
    _check(database)
    database.execute("COMMIT")


def _check(database: sqlite3.Connection) -> None:
    application = database.execute("PRAGMA application_id").fetchone()[0]
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if (application, version) == (0, 0) and not database.execute("SELECT 1 FROM sqlite_master").fetchall():
        database.execute(_SCHEMA)
        database.execute(f"PRAGMA application_id = {_APPLICATION}")
        database.execute(f"PRAGMA user_version = {_VERSION}")
        return
    if (application, version) != (_APPLICATION, _VERSION):
        raise ValueError("a database of something else, or of another release")
    if database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise ValueError("quick_check")


def _find(database: sqlite3.Connection, place: tuple[str, str]) -> Entry | None:
    row = database.execute("SELECT * FROM writes WHERE connection = ? AND key = ?", place).fetchone()
    return None if row is None else _entry(row)


def _plain(value: object) -> Any:
    if isinstance(value, Trace):
        return json.dumps(attrs.asdict(value))
    return json.dumps(dict(value)) if isinstance(value, Mapping) else value


def _entry(row: tuple[Any, ...]) -> Entry:
    told = dict(zip((field.name for field in attrs.fields(Entry)), row, strict=True))
    trace = told["trace"] and Trace(**json.loads(told["trace"]))
    return Entry(**{**told, "headers": json.loads(told["headers"]), "trace": trace, "keyed": bool(told["keyed"])})
