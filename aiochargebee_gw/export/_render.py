"""From a journal to a file: every format, streamed, and always the same bytes for the same records."""

from __future__ import annotations

import csv
import hashlib
import io
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import attrs

from .._files import Replacement
from ._csv import cells, header
from ._formats import Format
from ._journal import Journal, define, guarded, remove_tails
from ._lines import lines
from ._lists import Listed
from ._output import Compressor, Counted, gzipped, zstandard
from ._parquet import write_parquet
from ._state import Published
from ._views import view

__all__ = ["Source", "render"]

_CHUNK = 1 << 18
_COMPRESSORS: dict[Format, Callable[[], Compressor]] = {"jsonl.gz": gzipped, "jsonl.zst": zstandard}


@attrs.frozen
class Source:
    """The records of one list in a journal: those that are written, in their order."""

    journal: Journal
    name: str
    listed: Listed
    deleted: bool
    sorted: bool

    def chunks(self) -> Iterator[list[bytes]]:
        """Some hundreds of records at a time."""
        return self.journal.documents(self.name, deleted=self.deleted, sorted=self.sorted)


def render(source: Source, file: Replacement, format: Format) -> Published:
    """Write the records into *file*. Returns what was written. The name is the caller's to give, by `commit`."""
    if format == "db":
        return _database(source, file)
    out = Counted(file.write)
    if format == "csv":
        rows = _table(source, out)
    elif format == "parquet":
        rows = write_parquet(source.chunks(), out, source.listed.record)
    else:
        rows = _lines(source, out, _COMPRESSORS.get(format))
    return Published(rows=rows, bytes=out.size, sha256=out.sha256)


def _lines(source: Source, out: Counted, compressor: Callable[[], Compressor] | None) -> int:
    squeeze = None if compressor is None else compressor()
    rows = 0
    for documents in source.chunks():
        text = lines(documents)
        out.write(text if squeeze is None else squeeze.compress(text))
        rows += len(documents)
    if squeeze is not None:
        out.write(squeeze.flush())
    return rows


def _table(source: Source, out: Counted) -> int:
    """The columns are known behind the last record only: all are read twice."""
    seen: dict[str, None] = {}
    for documents in source.chunks():
        for document in documents:
            seen.update((name, None) for name, _ in cells(document))
    columns = header(seen)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    rows = 0
    for documents in source.chunks():
        for document in documents:
            row = dict(cells(document))
            writer.writerow([row.get(name, "") for name in columns])
        rows += len(documents)
        if text.tell() >= _CHUNK:
            _drain(text, out)
    _drain(text, out)
    return rows


def _drain(text: io.StringIO, out: Counted) -> None:
    out.write(text.getvalue().encode())
    text.seek(0)
    text.truncate()


def _database(source: Source, file: Replacement) -> Published:
    """The journal itself, compact, with a view: `sync` goes on from there."""
    try:
        source.journal.copy(file.path, file.target)
        with guarded(file.target), closing(sqlite3.connect(file.path, isolation_level=None)) as db:
            # Readers need no files beside it, and nothing of it is written any more.
            db.execute("PRAGMA journal_mode = DELETE")
            define(db, *view(source.name, source.listed.record))
    finally:
        # There are none, unless the disk failed.
        remove_tails(file.path)
    rows = source.journal.count(source.name, deleted=False)
    return Published(rows=rows, bytes=file.path.stat().st_size, sha256=_digest(file.path))


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(partial(file.read, 1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
