"""A sandbox's whole state as one SQLite database: the first site's rows as they are, the rest in tables beside them.

A snapshot is that database as bytes, a sandbox's file the same on disk. Foreign bytes are told by ``application_id``;
the state is JSON, so that nothing in a file is run by loading it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any

import attrs

from aiochargebee_gw.sandbox._account import Account, Connection
from aiochargebee_gw.sandbox._desk import Download
from aiochargebee_gw.sandbox._idempotency import Kept
from aiochargebee_gw.sandbox._json import JsonObject, decode_object, encode
from aiochargebee_gw.sandbox._messages import Answer
from aiochargebee_gw.sandbox._outbox import Outgoing
from aiochargebee_gw.sandbox._site import Site

APPLICATION_ID = 0x43425347
"""``CBSG``, in the header of every snapshot and file."""
VERSION = 1

_TABLES = (
    "CREATE TABLE IF NOT EXISTS sandbox_state (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS sandbox_sites (connection TEXT PRIMARY KEY, image BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS sandbox_keys (connection TEXT NOT NULL, key BLOB NOT NULL, fingerprint BLOB NOT NULL, "
    "until REAL NOT NULL, status INTEGER NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL, "
    "PRIMARY KEY (connection, key))",
)


class NotASnapshot(ValueError):
    """These bytes, or this file, are no sandbox's, or another kind of sandbox's."""


@contextmanager
def opened(image: bytes) -> Iterator[sqlite3.Connection]:
    """A database in memory with these bytes as its content."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    try:
        if image:
            db.deserialize(image)
        yield db
    finally:
        db.close()


def check_whole(image: bytes) -> None:
    """Raise :class:`NotASnapshot` for bytes that are no SQLite database or end early."""
    # Page size and count stand in the header: https://www.sqlite.org/fileformat.html#the_database_header
    size, pages = int.from_bytes(image[16:18], "big"), int.from_bytes(image[28:32], "big")
    if not image.startswith(b"SQLite format 3\0") or len(image) != (size if size > 1 else 65_536) * pages:
        raise NotASnapshot("the snapshot was not made by a sandbox, or it is not whole")


def _prepare(db: sqlite3.Connection) -> None:
    # Whatever became of an image before, its tables for the state start empty.
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")
    for statement in _TABLES:
        db.execute(statement)
    for table in ("sandbox_state", "sandbox_sites", "sandbox_keys"):
        db.execute(f"DELETE FROM {table}")  # noqa: S608 - three names of this module


def check(db: sqlite3.Connection, what: str, *, seed: int, catalog: str) -> JsonObject:
    """The state in a database; raises :class:`NotASnapshot` where it belongs to no sandbox made like this one."""
    try:
        ((mark,),) = db.execute("PRAGMA application_id")
        ((version,),) = db.execute("PRAGMA user_version")
        if mark != APPLICATION_ID:
            raise NotASnapshot(f"{what} was not made by a sandbox")
        if version != VERSION:
            raise NotASnapshot(f"{what} is of version {version}, this sandbox reads version {VERSION}")
        ((text,),) = db.execute("SELECT value FROM sandbox_state WHERE name = 'state'")
        state = decode_object(text.encode())
    except NotASnapshot:
        raise
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise ValueError(f"{what} is in use by another sandbox") from error
        raise NotASnapshot(f"{what} was not made by a sandbox") from error
    except (sqlite3.Error, ValueError) as error:
        raise NotASnapshot(f"{what} was not made by a sandbox") from error
    made, own = (state["seed"], state["catalog"]), (seed, catalog)
    if made != own:
        raise NotASnapshot(
            f"{what} was made with seed={made[0]}, catalog={made[1]!r}; "
            f"this sandbox has seed={seed}, catalog={catalog!r}"
        )
    return state


def state_of(account: Account, primary: str) -> JsonObject:
    """What is neither rows nor idempotency keys, as JSON."""
    return {
        "primary": primary,
        "connections": [attrs.asdict(one) for one in account.connections.values()],
        "sites": {connection: _site_state(site) for connection, site in account.sites.items()},
    }


def _site_state(site: Site) -> JsonObject:
    outbox = site.desk.outbox
    return {
        "downloads": {token: attrs.asdict(one) for token, one in site.desk.downloads.items()},
        "waiting": [attrs.asdict(one) for one in outbox.waiting],
        "secrets": {endpoint: list(pair) for endpoint, pair in outbox.secrets.items()},
    }


def _sequences(account: Account) -> JsonObject:
    """Where the random sequences of ids stand, so that a restored sandbox goes on with the same ids."""
    sites = {connection: site.desk.ids.getstate() for connection, site in account.sites.items()}
    return {"account": account.ids.getstate(), "sites": sites}


def write(db: sqlite3.Connection, name: str, value: JsonObject) -> None:
    """Keep one JSON object under a name."""
    db.execute("INSERT OR REPLACE INTO sandbox_state VALUES (?, ?)", (name, encode(value).decode()))


def write_keys(db: sqlite3.Connection, connection: str, kept: Mapping[str, Kept]) -> None:
    """Keep the answers of idempotency keys."""
    rows = [
        (connection, _key_bytes(key), one.fingerprint, one.until, one.answer.status,
         encode(dict(one.answer.headers)).decode(), one.answer.body)
        for key, one in kept.items()
    ]  # fmt: skip
    db.executemany("INSERT OR REPLACE INTO sandbox_keys VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def _key_bytes(key: str) -> bytes:
    # A header's bytes above ASCII arrive as lone surrogates, which no SQLite text can hold.
    return key.encode("utf-8", "surrogateescape")


def write_site(db: sqlite3.Connection, connection: str, site: Site) -> None:
    """Keep all rows of a site beside the first one."""
    db.execute("INSERT OR REPLACE INTO sandbox_sites VALUES (?, ?)", (connection, site.desk.store.image()))


def images(db: sqlite3.Connection) -> dict[str, bytes]:
    """The rows of each site beside the first one, by connection."""
    return dict(db.execute("SELECT connection, image FROM sandbox_sites"))


def load_account(account: Account, state: JsonObject) -> str:
    """Give a new account the connections of a state; the id of its first one."""
    account.connections = {one["id"]: Connection(**one) for one in state["connections"]}
    return str(state["primary"])


def load_site(db: sqlite3.Connection, site: Site, connection: str, state: JsonObject) -> None:
    """Give a site that has its rows what belongs to them: idempotency keys, links, waiting webhooks."""
    rows = db.execute(
        "SELECT key, fingerprint, until, status, headers, body FROM sandbox_keys WHERE connection = ?", (connection,)
    )
    site.keys.kept = {
        key.decode("utf-8", "surrogateescape"): Kept(
            fingerprint, Answer(status, body, decode_object(headers.encode())), until
        )
        for key, fingerprint, until, status, headers, body in rows
    }
    found = state["sites"].get(connection)
    if found is None:
        return
    site.desk.downloads = {token: Download(**one) for token, one in found["downloads"].items()}
    site.desk.outbox.waiting = [Outgoing(**one) for one in found["waiting"]]
    site.desk.outbox.secrets = {endpoint: (user, password) for endpoint, (user, password) in found["secrets"].items()}


def load_sequences(db: sqlite3.Connection, account: Account) -> None:
    """Let the ids go on from where they were."""
    ((text,),) = db.execute("SELECT value FROM sandbox_state WHERE name = 'sequences'")
    state = decode_object(text.encode())
    _set(account.ids, state["account"])
    for connection, at in state["sites"].items():
        _set(account.sites[connection].desk.ids, at)


def _set(ids: Random, at: list[Any]) -> None:
    version, numbers, gauss = at
    ids.setstate((version, tuple(numbers), gauss))


def taken(account: Account, primary: str, state: JsonObject) -> bytes:
    """A snapshot: the first site's database with everything else written into it."""
    with opened(account.sites[primary].desk.store.image()) as db:
        db.execute("BEGIN")
        _prepare(db)
        write(db, "state", state)
        write(db, "sequences", _sequences(account))
        for connection, site in account.sites.items():
            write_keys(db, connection, site.keys.kept)
            if connection != primary:
                write_site(db, connection, site)
        db.execute("COMMIT")
        return db.serialize()
