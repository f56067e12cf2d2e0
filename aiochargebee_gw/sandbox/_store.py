"""One site's rows: SQLite in memory, one generic table of stored JSON texts.

A list page is joined from the stored texts; nothing is decoded or dumped again on the way out.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, cast

from attrs import frozen

from aiochargebee_gw.sandbox._json import JsonObject, decode_object, encode, holds_nul
from aiochargebee_gw.sandbox._kinds import MISSING, Kind, kind_of

Value = str | int | float | None
StoredRow = tuple[str, str, int, int, str | None, str | None, int, str]
"""kind, id, born, changed, owner, subscription, deleted, body"""

_TABLE = """
CREATE TABLE objects (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, id TEXT NOT NULL,
    born INTEGER NOT NULL, changed INTEGER NOT NULL,
    owner TEXT, sub TEXT,
    deleted INTEGER NOT NULL, body TEXT NOT NULL
)
"""
_INDEXES = (
    "CREATE UNIQUE INDEX by_id ON objects (kind, id)",
    "CREATE INDEX by_born ON objects (kind, born, row)",
    "CREATE INDEX by_change ON objects (kind, changed, row)",
    "CREATE INDEX by_owner ON objects (kind, owner, born, row) WHERE owner IS NOT NULL",
    "CREATE INDEX by_sub ON objects (kind, sub, born, row) WHERE sub IS NOT NULL",
    "CREATE INDEX by_email ON objects (json_extract(body, '$.email')) WHERE kind = 'customer'",
)
# What no answer shows: the work that lies ahead of a row (``due``, Unix seconds), and what is to be known for it.
_AGENDA = (
    "CREATE TABLE IF NOT EXISTS agenda (kind TEXT NOT NULL, id TEXT NOT NULL, due INTEGER, note TEXT NOT NULL, "
    "PRIMARY KEY (kind, id))"
)
_BY_DUE = "CREATE INDEX IF NOT EXISTS by_due ON agenda (due) WHERE due IS NOT NULL"
_INSERT = "INSERT INTO objects (kind, id, born, changed, owner, sub, deleted, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE = (
    "UPDATE objects SET born = ?, changed = ?, owner = ?, sub = ?, deleted = ?, body = ? WHERE kind = ? AND id = ?"
)


@frozen
class Hit:
    """One row of a page: its cursor (sort value, internal row id), its id, its customer, its stored JSON."""

    sort: int | str
    row: int
    id: str
    owner: str | None
    body: bytes


def stored(kind: Kind, value: JsonObject, born: int, id: str | None = None) -> StoredRow:
    """A row for the table; ``born`` (seconds) counts only where the kind has no attribute of its own for it.

    ``id`` is for a kind whose objects have none of their own.

    Raises ``ValueError`` for a text with a NUL, which could neither be found nor sorted by.
    """
    body = encode(value).decode()
    if "\\u0000" in body and holds_nul(value):
        raise ValueError(f"a text of this {kind.name} holds a NUL character")
    since = value.get(kind.born, MISSING) if kind.born else born
    deleted = value.get("deleted", value.get("status") == "deleted") is True
    return (
        kind.name,
        value[kind.key] if id is None else id,
        since,
        value.get("updated_at", MISSING),
        value.get(kind.owner) if kind.owner else None,
        value.get(kind.subscription) if kind.subscription else None,
        int(deleted),
        body,
    )


class Store:
    """The rows of one site. Synchronous, for one thread at a time; ``close()`` frees the memory early.

    ``image`` is what :meth:`image` gave; ``db`` is an open database that holds such an image already.
    """

    def __init__(
        self, rows: Iterable[StoredRow] = (), *, image: bytes | None = None, db: sqlite3.Connection | None = None
    ) -> None:
        self._db = db or sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._counted: tuple[int, dict[str, int]] = (-1, {})
        # Python 3.13 warns about a connection that is collected open; a sandbox has no certain last moment.
        self.close = weakref.finalize(self, self._db.close)
        if db is not None:
            return
        if image is not None:
            self._db.deserialize(image)
            return
        # A row is a kilobyte or two: pages of 4 kB, the default, would stay empty by a quarter.
        self._db.execute("PRAGMA page_size = 16384")
        self._db.execute(_AGENDA)
        self._db.execute(_BY_DUE)
        self._db.execute(_TABLE)
        self._db.execute("BEGIN")
        self._db.executemany(_INSERT, rows)
        for statement in _INDEXES:
            self._db.execute(statement)
        self._db.execute("COMMIT")

    def image(self) -> bytes:
        """The whole database as bytes, from which another store can start."""
        return self._db.serialize()

    @property
    def changes(self) -> int:
        """Grows with each row that is written."""
        return self._db.total_changes

    def counts(self) -> dict[str, int]:
        """How many rows of each kind there are, deleted ones among them; kinds without any are left out."""
        # The console asks each second, of a store that may hold a million rows.
        if self._counted[0] != self.changes:
            found = dict(self._db.execute("SELECT kind, count(*) FROM objects GROUP BY kind"))
            self._counted = (self.changes, found)
        return self._counted[1]

    def refilled(self) -> None:
        """Count anew: the database was given other content, past this store."""
        self._counted = (-1, {})

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All that is written inside, or nothing of it where an error leaves; may be nested."""
        begin, end, undo = ("BEGIN", "COMMIT", "ROLLBACK")
        if self._db.in_transaction:
            begin, end, undo = ("SAVEPOINT inner", "RELEASE inner", "ROLLBACK TO inner")
        self._db.execute(begin)
        try:
            yield
        except BaseException:
            self._db.execute(undo)
            if undo != "ROLLBACK":
                self._db.execute(end)
            raise
        self._db.execute(end)

    def note(self, kind: str, id: str) -> JsonObject | None:
        """What the agenda knows of a row, None where it knows nothing."""
        row = self._db.execute("SELECT note FROM agenda WHERE kind = ? AND id = ?", (kind, id)).fetchone()
        return None if row is None else decode_object(row[0])

    def set_note(self, kind: str, id: str, due: int | None, note: JsonObject) -> None:
        """Put a row on the agenda, or move it there; without ``due`` nothing lies ahead of it."""
        sql = (
            "INSERT INTO agenda (kind, id, due, note) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (kind, id) DO UPDATE SET due = excluded.due, note = excluded.note"
        )
        self._db.execute(sql, (kind, id, due, encode(note).decode()))

    def drop_note(self, kind: str, id: str) -> None:
        """Take a row off the agenda."""
        self._db.execute("DELETE FROM agenda WHERE kind = ? AND id = ?", (kind, id))

    def next_due(self) -> tuple[int, str, str] | None:
        """The earliest work: when, the kind and the id of its row; of two at one time the one noted first."""
        row = self._db.execute(
            "SELECT due, kind, id FROM agenda WHERE due IS NOT NULL ORDER BY due, rowid LIMIT 1"
        ).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def wipe(self, *, keep: Sequence[str]) -> None:
        """Take out all rows but those of these kinds, and the whole agenda but the site's own time."""
        marks = ", ".join("?" * len(keep))
        # The kinds are bound.
        self._db.execute(f"DELETE FROM objects WHERE kind NOT IN ({marks})", tuple(keep))  # noqa: S608
        self._db.execute("DELETE FROM agenda WHERE kind <> 'site'")

    def ids(self, name: str, condition: str) -> list[str]:
        """The ids of the rows that :meth:`matching` would give, for conditions that very many rows meet."""
        sql = f"SELECT o.id FROM objects AS o WHERE o.kind = ? AND o.deleted = 0 AND {condition} ORDER BY o.born, o.row"  # noqa: S608
        return [id for (id,) in self._db.execute(sql, (name,))]

    def matching(self, name: str, condition: str, values: Sequence[Value] = ()) -> list[JsonObject]:
        """The rows of a kind, not deleted, for which a condition of this package holds; oldest first."""
        sql = (
            f"SELECT CAST(o.body AS BLOB) FROM objects AS o WHERE o.kind = ? AND o.deleted = 0 AND {condition} "  # noqa: S608
            "ORDER BY o.born, o.row"
        )
        return [decode_object(body) for (body,) in self._db.execute(sql, (name, *values))]

    def add(self, name: str, value: JsonObject, born: int, *, id: str | None = None) -> None:
        """Add a row; raises ``sqlite3.IntegrityError`` where the id is taken."""
        self._db.execute(_INSERT, stored(kind_of(name), value, born, id))

    def put(self, name: str, value: JsonObject, *, id: str | None = None) -> None:
        """Replace a row that exists; its internal row id and own creation time stay."""
        kind = kind_of(name)
        born = self._born(name, value[kind.key] if id is None else id)
        _, own, since, changed, owner, sub, deleted, body = stored(kind, value, born, id)
        self._db.execute(_UPDATE, (since, changed, owner, sub, deleted, body, name, own))

    def remove(self, name: str, id: str) -> None:
        """Take a row out for good."""
        self._db.execute("DELETE FROM objects WHERE kind = ? AND id = ?", (name, id))

    def text(self, name: str, id: str) -> bytes | None:
        """The stored JSON of a row, deleted or not."""
        row = self._db.execute(
            "SELECT CAST(body AS BLOB) FROM objects WHERE kind = ? AND id = ?", (name, id)
        ).fetchone()
        return None if row is None else cast(bytes, row[0])

    def get(self, name: str, id: str) -> JsonObject | None:
        """A decoded copy of a row, deleted or not."""
        text = self.text(name, id)
        return None if text is None else decode_object(text)

    def count(self, name: str, *, include_deleted: bool = False) -> int:
        """How many rows of a kind there are."""
        row = self._db.execute(
            "SELECT count(*) FROM objects WHERE kind = ? AND deleted <= ?", (name, int(include_deleted))
        ).fetchone()
        return int(row[0])

    def owned(self, name: str, owner: str) -> list[JsonObject]:
        """All rows of a kind that belong to a customer, oldest first."""
        rows = self._db.execute(
            "SELECT CAST(body AS BLOB) FROM objects WHERE kind = ? AND owner = ? ORDER BY born, row", (name, owner)
        )
        return [decode_object(body) for (body,) in rows]

    def texts(self, name: str, column: Literal["id", "owner"], values: Sequence[str]) -> dict[str, bytes]:
        """Stored JSON by ``id`` or ``owner`` for many values at once; absent ones are left out."""
        marks = ", ".join("?" * len(values))
        # The column is one of two names, the values are bound.
        sql = f"SELECT {column}, CAST(body AS BLOB) FROM objects WHERE kind = ? AND {column} IN ({marks})"  # noqa: S608
        return dict(self._db.execute(sql, (name, *values)))

    def select(self, sql: str, parameters: Sequence[Value]) -> list[Hit]:
        """Run a list query whose columns are those of :class:`Hit`, in that order."""
        return [Hit(*row) for row in self._db.execute(sql, parameters)]

    def newest(self, name: str, *, before: int | None, many: int) -> list[Hit]:
        """The rows of a kind in the order of their making, the newest first, from below an internal row id."""
        sql = (
            "SELECT born, row, id, owner, CAST(body AS BLOB) FROM objects"
            " WHERE kind = ? AND (? IS NULL OR row < ?) ORDER BY row DESC LIMIT ?"
        )
        return self.select(sql, (name, before, before, many))

    def _born(self, name: str, id: str) -> int:
        row = self._db.execute("SELECT born FROM objects WHERE kind = ? AND id = ?", (name, id)).fetchone()
        return int(row[0])
