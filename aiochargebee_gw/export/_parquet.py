"""Records as Parquet, one row group after another: the schema comes from the catalogue, not from the rows."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from ._columns import CUSTOM, EXTRA, Kind, columns_of, values_of
from ._output import Counted, WritableFile

__all__ = ["write_parquet"]

_ROWS = 10_000
_BYTES = 32 << 20


def write_parquet(chunks: Iterator[list[bytes]], out: Counted, record: str) -> int:
    """Write all records. Returns how many they are."""
    pa: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    columns: dict[str, Kind] = {column.name: column.kind for column in columns_of(record)}
    schema = _schema(pa, columns)
    rows = 0
    with parquet.ParquetWriter(WritableFile(out), schema, compression="zstd") as writer:
        for group in _groups(chunks):
            # A chunk at a time: as columns, rows take a tenth of the memory that they take as objects.
            batches = [_batch(pa, schema, columns, chunk) for chunk in group]
            writer.write_table(pa.Table.from_batches(batches, schema))
            rows += sum(batch.num_rows for batch in batches)
    return rows


def _batch(pa: Any, schema: Any, columns: dict[str, Kind], chunk: list[bytes]) -> Any:
    values = [values_of(document, columns) for document in chunk]
    arrays = [pa.array([row.get(field.name) for row in values], type=field.type) for field in schema]
    return pa.record_batch(arrays, schema=schema)


def _schema(pa: Any, columns: dict[str, Kind]) -> Any:
    kinds = {
        "text": pa.string(), "json": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(),
        "time": pa.timestamp("s", tz="UTC"),
    }  # fmt: skip
    fields = [pa.field(name, kinds[kind]) for name, kind in columns.items()]
    return pa.schema([*fields, pa.field(CUSTOM, pa.string()), pa.field(EXTRA, pa.string())])


def _groups(chunks: Iterator[list[bytes]]) -> Iterator[list[list[bytes]]]:
    """Chunks gathered into row groups: a reader wants large ones, and memory has an end."""
    group: list[list[bytes]] = []
    rows = size = 0
    for chunk in chunks:
        group.append(chunk)
        rows += len(chunk)
        size += sum(map(len, chunk))
        if rows >= _ROWS or size >= _BYTES:
            yield group
            group, rows, size = [], 0, 0
    if group:
        yield group
