"""One site's rows: SQLite in memory, one generic table of stored JSON texts.

A list page is joined from the stored texts; nothing is decoded or dumped again on the way out.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterable, Sequence
from typing import Literal, cast

from attrs import frozen

from aiochargebee_gw.sandbox._json import JsonObject, decode_object, encode, holds_nul
from aiochargebee_gw.sandbox._kinds import KINDS, MISSING, Kind

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


def stored(kind: Kind, value: JsonObject, born: int) -> StoredRow:
    """A row for the table; ``born`` (seconds) counts only where the kind has no attribute of its own for it.

    Raises ``ValueError`` for a text with a NUL, which could neither be found nor sorted by.
    """
    body = encode(value).decode()
    if "\\u0000" in body and holds_nul(value):
        raise ValueError(f"a text of this {kind.name} holds a NUL character")
    since = value.get(kind.born, MISSING) if kind.born else born
    deleted = value.get("deleted") is True or (kind.name == "plan" and value.get("status") == "deleted")
    return (
        kind.name,
        value[kind.key],
        since,
        value.get("updated_at", MISSING),
        value.get(kind.owner) if kind.owner else None,
        value.get(kind.subscription) if kind.subscription else None,
        int(deleted),
        body,
    )


class Store:
    """The rows of one site. Synchronous, for one thread at a time; ``close()`` frees the memory early."""

    def __init__(self, rows: Iterable[StoredRow] = (), *, image: bytes | None = None) -> None:
        self._db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        # Python 3.13 warns about a connection that is collected open; a sandbox has no certain last moment.
        self.close = weakref.finalize(self, self._db.close)
        if image is not None:
            self._db.deserialize(image)
            return
        self._db.execute(_TABLE)
        self._db.execute("BEGIN")
        self._db.executemany(_INSERT, rows)
        for statement in _INDEXES:
            self._db.execute(statement)
        self._db.execute("COMMIT")

    def image(self) -> bytes:
        """The whole database as bytes, from which another store can start."""
        return self._db.serialize()

    def add(self, name: str, value: JsonObject, born: int) -> None:
        """Add a row; raises ``sqlite3.IntegrityError`` where the id is taken."""
        self._db.execute(_INSERT, stored(KINDS[name], value, born))

    def put(self, name: str, value: JsonObject) -> None:
        """Replace a row that exists; its internal row id and own creation time stay."""
        kind = KINDS[name]
        born = self._born(name, value[kind.key])
        _, id, since, changed, owner, sub, deleted, body = stored(kind, value, born)
        self._db.execute(_UPDATE, (since, changed, owner, sub, deleted, body, name, id))

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
