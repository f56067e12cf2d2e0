"""Every format holds every byte of meaning, and the same records give the same file."""

from __future__ import annotations

import gzip
import importlib.util
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aiochargebee_gw import RequestError
from aiochargebee_gw.export import export
from aiochargebee_gw.export._columns import CUSTOM, EXTRA, Kind, columns_of, values_of

from .conftest import Serve, body, customer

pytestmark = pytest.mark.anyio

BIG = 123456789012345678901234567890
RECORDS = [
    b'{"id":"a","first_name":"\xc3\x85se","created_at":1700000000,"resource_version":1700000000123,"cf_y":1e5,'
    b'"cf_big":%d,"net_term_days":%d,"new":{"x":[1.10]},"billing_address":{"city":"Oslo","zip":"0150"}}' % (BIG, BIG),
    b'{"id":"b","last_name":"x\\ud800y","deleted":false,"auto_collection":"brand_new","balances":null,'
    b'"created_at":253402300800,"updated_at":9223372036854775807}',
]


async def written(serve: Serve, path: Path) -> Path:
    """An export of the two records."""
    first, second = map(customer, RECORDS)
    report = await export(serve(body(first, offset="1"), body(second)), to=path)
    assert report.rows == 2
    return path


async def test_compressed_lines(serve: Serve, tmp_path: Path) -> None:
    """`.jsonl.gz` and `.jsonl.zst` are the lines of `.jsonl`; two exports of the same rows are the same bytes."""
    plain = (await written(serve, tmp_path / "x.jsonl")).read_bytes()
    assert gzip.decompress((await written(serve, tmp_path / "x.jsonl.gz")).read_bytes()) == plain
    zstandard = pytest.importorskip("zstandard")
    squeezed = (await written(serve, tmp_path / "x.jsonl.zst")).read_bytes()
    assert zstandard.ZstdDecompressor().decompressobj().decompress(squeezed) == plain
    for ending in ("jsonl.gz", "jsonl.zst"):
        again = await written(serve, tmp_path / f"y.{ending}")
        assert again.read_bytes() == (tmp_path / f"x.{ending}").read_bytes()


async def test_parquet_has_the_catalogues_columns(serve: Serve, tmp_path: Path) -> None:
    """The schema does not depend on the rows: times in UTC, `cf_*` in one JSON column, what has no column in another.

    Parquet itself has no timestamps in seconds: they are read back in milliseconds.
    """
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(await written(serve, tmp_path / "x.parquet"))
    assert table.schema.names == [column.name for column in columns_of("customer.Customer")] + [CUSTOM, EXTRA]
    assert str(table.schema.field("created_at").type) == "timestamp[ms, tz=UTC]"
    first, second = table.to_pylist()
    assert (first["id"], first["first_name"], first["created_at"]) == ("a", "Åse", datetime.fromtimestamp(1.7e9, UTC))
    assert json.loads(first["billing_address"]) == {"city": "Oslo", "zip": "0150"}
    assert first[CUSTOM] == f'{{"cf_y":1e5,"cf_big":{BIG}}}'
    assert first[EXTRA] == f'{{"net_term_days":{BIG},"new":{{"x":[1.10]}}}}'
    assert (second["id"], second["last_name"], second["auto_collection"]) == ("b", None, "brand_new")
    assert json.loads(second[EXTRA])["last_name"] == "x\ud800y"
    assert (second["deleted"], second["created_at"], second["updated_at"]) == (False, None, None)
    assert json.loads(second[EXTRA])["updated_at"] == 2**63 - 1


async def test_a_database_holds_the_documents(serve: Serve, tmp_path: Path) -> None:
    """A table of documents, byte for byte, and a view with typed columns."""
    path = await written(serve, tmp_path / "x.db")
    with closing(sqlite3.connect(path)) as db:
        (document,) = db.execute("SELECT CAST(document AS BLOB) FROM documents WHERE id = 'a'").fetchone()
        assert document == RECORDS[0]
        assert db.execute("SELECT id, created_at, deleted FROM customers ORDER BY id").fetchall() == [
            ("a", "2023-11-14 22:13:20", None), ("b", None, 0),
        ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.db", "x.db.manifest.json"]


def test_no_value_is_lost_on_its_way_into_columns() -> None:
    """What stands in a column, in custom fields or in extra is together what stands in the record."""
    columns: dict[str, Kind] = {column.name: column.kind for column in columns_of("customer.Customer")}
    for record in RECORDS:
        found: dict[str, Any] = values_of(record, columns)
        whole = json.loads(record)
        merged = {**json.loads(found.pop(CUSTOM, "{}")), **json.loads(found.pop(EXTRA, "{}"))}
        for name, value in found.items():
            merged[name] = json.loads(value) if columns[name] == "json" else value
        assert merged == {key: value for key, value in whole.items() if value is not None}


async def test_what_a_format_cannot_have_is_refused(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole rows have no columns; a missing extra is named, before any request."""
    pages = serve(body(*map(customer, RECORDS)))
    for ending in ("parquet", "db"):
        with pytest.raises(RequestError, match="whole rows"):
            await export(pages, to=tmp_path / f"x.{ending}", rows="envelope")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for ending, extra in (("parquet", "parquet"), ("jsonl.zst", "zstd")):
        with pytest.raises(RequestError, match=rf"aiochargebee-gw\[{extra}\]"):
            await export(pages, to=tmp_path / f"x.{ending}")
    assert pages.stats.attempts == 0
    assert list(tmp_path.iterdir()) == []
