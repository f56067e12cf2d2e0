"""Half of a surrogate pair, of a name that was cut in the middle of an emoji, costs no other record anything."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aiochargebee_gw.export import export
from aiochargebee_gw.export._columns import EXTRA
from aiochargebee_gw.export._journal import Journal
from aiochargebee_gw.export._keys import Key
from aiochargebee_gw.export._state import ListState, PassState
from aiochargebee_gw.export._views import view

from .conftest import Serve, body, customer

pytestmark = pytest.mark.anyio

RATE = b'"cf_rate":0.12345678901234567890'
RECORDS = [
    b'{"id":"a","first_name":"Ann \\ud83d","created_at":1700000000,' + RATE + b"}",
    b'{"id":"b","created_at":1700000001,"cf_amount":1.10,"company":"\xc3\x85","phone":"\\u00e5","new":{"x":1.10},'
    + RATE + b"}",
    b'{"id":"c","last_name":"\\uDC00","company":"\\\\ud83d","first_name":"\\ud83d\\ude00 \xef\xbf\xbd \\ue000"}',
]  # fmt: skip


async def written(serve: Serve, path: Path) -> Path:
    """An export of the records, which come in one page."""
    await export(serve(body(*map(customer, RECORDS))), to=path)
    return path


async def test_every_line_is_the_record_as_the_server_sent_it(serve: Serve, tmp_path: Path) -> None:
    """All records of the page, byte for byte. To decode the page and to write it anew, as the standard library can (the
    baseline), changes numbers and letters."""
    found = (await written(serve, tmp_path / "x.jsonl")).read_bytes()
    assert found == b"".join(record + b"\n" for record in RECORDS)
    anew = json.dumps(json.loads(RECORDS[1]), separators=(",", ":")).encode()
    assert RATE not in anew
    assert b"1.10" not in anew
    assert b"\xc3\x85" not in anew


async def test_rows_as_they_are(serve: Serve, tmp_path: Path) -> None:
    """rows="envelope" keeps what is beside the record as it is, too."""
    rows = [*map(customer, RECORDS)]
    await export(serve(body(*rows)), to=tmp_path / "x.jsonl", rows="envelope")
    assert (tmp_path / "x.jsonl").read_bytes().splitlines() == rows


async def test_cells_are_what_the_server_spelled(serve: Serve, tmp_path: Path) -> None:
    """A text with a half stands in its JSON, all others as the text that they are; numbers keep their digits."""
    found = list(csv.DictReader((await written(serve, tmp_path / "x.csv")).read_text().splitlines()))
    assert [row["first_name"] for row in found] == ['"Ann \\ud83d"', "", "😀 � \ue000"]
    assert [row["last_name"] for row in found] == ["", "", '"\\uDC00"']
    assert [row["company"] for row in found] == ["", "Å", "\\ud83d"]
    assert [row["cf_rate"] for row in found] == ["0.12345678901234567890", "0.12345678901234567890", ""]


async def test_columns_are_what_the_server_spelled(serve: Serve, tmp_path: Path) -> None:
    """What a column cannot hold is in another one, as it was spelled; the rest of its record is in its columns."""
    parquet = pytest.importorskip("pyarrow.parquet")
    first, second, third = parquet.read_table(await written(serve, tmp_path / "x.parquet")).to_pylist()
    assert (first["id"], first["first_name"], first[EXTRA]) == ("a", None, '{"first_name":"Ann \\ud83d"}')
    assert first["custom_fields"] == f"{{{RATE.decode()}}}"
    assert (second["company"], second["phone"]) == ("Å", "å")
    assert second[EXTRA] == '{"new":{"x":1.10}}'
    assert (third["company"], third["first_name"]) == ("\\ud83d", "😀 � \ue000")
    assert third[EXTRA] == '{"last_name":"\\uDC00"}'


async def test_a_view_can_be_read(serve: Serve, tmp_path: Path) -> None:
    """Each row is there, and a text with a half is in its JSON, as in CSV; all others are the texts that they are, also
    those with a replacement character. Only to extract them (the baseline) makes the table unreadable."""
    with closing(sqlite3.connect(await written(serve, tmp_path / "x.db"))) as db:
        assert len(db.execute("SELECT * FROM customers").fetchall()) == len(RECORDS)
        assert db.execute("SELECT first_name, last_name, company FROM customers ORDER BY id").fetchall() == [
            ('"Ann \\ud83d"', None, None), (None, None, "Å"), ("😀 � \ue000", '"\\uDC00"', "\\ud83d"),
        ]  # fmt: skip
        assert db.execute("SELECT id FROM customers WHERE first_name LIKE '%ud83d%'").fetchall() == [("a",)]
        with pytest.raises(sqlite3.OperationalError, match="Could not decode to UTF-8"):
            db.execute("SELECT json_extract(document, '$.first_name') FROM documents").fetchall()


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (r'{"first_name":"\ufffd\udc00 \"q\" \\"}', r'"\ufffd\udc00 \"q\" \\"'),
        ('{"first_name":"é😀\\uD83D"}', '"é😀\\uD83D"'),
        (r'{"first_name":{"y":"\uD83D"}}', r'{"y":"\uD83D"}'),
        (r'{"first_name":["\uD83D",1.10]}', r'["\uD83D",1.10]'),
        (r'{"first_name":["\uD83D\uDE00","�"],"x":"\ud83d"}', r'["\uD83D\uDE00","�"]'),
        (r'{"first_name":1.50,"x":"\ud83d"}', 1.5),
        (r'{"first_name":true,"x":"\ud83d"}', 1),
        (r'{"first_name":null,"x":"\ud83d"}', None),
        (r'{"x":"\ud83d"}', None),
        ('{"first_name":"�","x":"\\ud83d"}', "�"),
        (r'{"first_name":"","x":"\ud83d"}', ""),
    ],
)
def test_a_value_in_a_view(tmp_path: Path, document: str, found: object) -> None:
    """Nothing but a text that holds a half is spelled as in JSON."""
    journal = Journal(tmp_path / "m.db")
    state = ListState(query="q", fingerprint="f", passes=[PassState(kind="full")])
    journal.commit("customers", [(Key("a", 1, None, False), document.encode())], state)
    journal.define(*view("customers", "customer.Customer"))
    with closing(sqlite3.connect(journal.path)) as db:
        assert db.execute("SELECT first_name, typeof(first_name) FROM customers").fetchone()[0] == found
    journal.close()
