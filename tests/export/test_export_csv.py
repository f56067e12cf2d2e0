"""Lists into columns: one per leaf, exact cells, nothing lost."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiochargebee_gw import DecodeError, Limits, Settings
from aiochargebee_gw.export import export
from aiochargebee_gw.export._csv import cells
from aiochargebee_gw.sandbox import Sandbox

from .conftest import Serve, body, customer

pytestmark = pytest.mark.anyio


def table(path: Path) -> list[list[str]]:
    """The file as a reader of CSV sees it."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


async def test_columns_are_the_leaves_of_all_rows(serve: Serve, tmp_path: Path) -> None:
    """`id` first, then in the order first seen, over all pages; what a row lacks is an empty cell."""
    pages = serve(
        body(
            customer(b'{"email":"a@b.example","id":"a","billing_address":{"city":"Oslo","geo":{"x":1.50}}}'), offset="1"
        ),
        body(customer(b'{"id":"b","cf_region":"EU","billing_address":{"zip":"0150"}}')),
    )
    report = await export(pages, to=tmp_path / "x.csv")
    assert table(tmp_path / "x.csv") == [
        ["id", "email", "billing_address.city", "billing_address.geo.x", "cf_region", "billing_address.zip"],
        ["a", "a@b.example", "Oslo", "1.50", "", ""],
        ["b", "", "", "", "EU", "0150"],
    ]
    assert report.bytes == (tmp_path / "x.csv").stat().st_size


async def test_cells_are_exact(serve: Serve, tmp_path: Path) -> None:
    """Numbers and booleans as JSON spells them, lists as JSON, null empty, text with quotes, breaks and formulas."""
    record = (
        b'{"id":"a","big":123456789012345678901234567890,"rate":1.10,"on":true,"no":null,"empty":{},'
        b'"list":[1, {"x":"y"}],"text":"say \\"hi\\",\\r\\nbye","formula":"=1+1","a.b":{"c\\\\d":"dots"},"":"nameless"}'
    )
    await export(serve(body(customer(record))), to=tmp_path / "x.csv")
    header, row = table(tmp_path / "x.csv")
    assert dict(zip(header, row, strict=True)) == {
        "id": "a",
        "big": "123456789012345678901234567890",
        "rate": "1.10",
        "on": "true",
        "no": "",
        "empty": "{}",
        "list": '[1, {"x":"y"}]',
        "text": 'say "hi",\r\nbye',
        "formula": "=1+1",
        "a\\.b.c\\\\d": "dots",
        "": "nameless",
    }


async def test_an_export_without_rows_has_a_header(serve: Serve, tmp_path: Path) -> None:
    """So that readers of CSV find one."""
    await export(serve(body()), to=tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_bytes() == b"id\r\n"


async def test_rows_without_an_id_have_no_id_column(serve: Serve, tmp_path: Path) -> None:
    """No column that nobody fills; whole rows have theirs below the record's name."""
    await export(serve(body(customer(b'{"v":1}'))), to=tmp_path / "x.csv")
    assert table(tmp_path / "x.csv") == [["v"], ["1"]]
    await export(serve(body(customer(b'{"id":"a"}'))), to=tmp_path / "y.csv", rows="envelope")
    assert table(tmp_path / "y.csv") == [["customer.id", "card.id"], ["a", "card"]]


async def test_a_row_that_is_no_object_is_an_error(serve: Serve, tmp_path: Path) -> None:
    """There is no column for it; no file remains but the journal, from which another format can be made."""
    with pytest.raises(DecodeError, match="columns"):
        await export(serve(body(customer(b"[1]"))), to=tmp_path / "x.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv.journal"]
    await export(serve(body(customer(b"[1]"))), to=tmp_path / "x.jsonl", journal=tmp_path / "x.csv.journal")
    assert (tmp_path / "x.jsonl").read_bytes() == b"[1]\n"


async def test_many_rows_of_a_sandbox(tmp_path: Path) -> None:
    """More than a chunk: every row has every column, and the ids are those of the list, in its order."""
    async with Sandbox(records=350) as sandbox:
        free = Settings(limits=Limits(account_per_second=math.inf))
        async with sandbox.gateway(settings=free) as gw:
            report = await export(gw.subscriptions.list(), to=tmp_path / "x.csv")
            ids = [subscription.id async for subscription in gw.subscriptions.list()]
    header, *rows = table(tmp_path / "x.csv")
    assert [row[0] for row in rows] == ids
    assert {len(row) for row in rows} == {len(header)}
    assert len(header) == len(set(header))
    assert report.bytes > 1 << 18


KEYS = st.text(alphabet='ab.\\"é', max_size=4)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.lists(st.integers(), max_size=2))
RECORDS = st.dictionaries(
    KEYS, st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, min_size=1, max_size=3))
)


def leaves(record: dict[str, Any], *path: str) -> dict[tuple[str, ...], Any]:
    """The leaves of a record by their path, found in another way."""
    found: dict[tuple[str, ...], Any] = {}
    for key, value in record.items():
        found |= leaves(value, *path, key) if isinstance(value, dict) and value else {(*path, key): value}
    return found


def unfold(name: str) -> tuple[str, ...]:
    """The path that a column's name stands for."""
    parts, escaped = [""], False
    for character in name:
        if escaped or character not in ".\\":
            parts[-1] += character
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            parts.append("")
    return tuple(parts)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(record=RECORDS)
def test_no_leaf_is_lost_and_no_two_share_a_column(record: dict[str, Any]) -> None:
    """Column names unfold to the paths of the leaves, and the cells hold their values."""
    try:
        document = msgspec.json.encode(record)
    except (OverflowError, UnicodeEncodeError):
        return
    found = list(cells(document))
    assert len({name for name, _ in found}) == len(found)
    expected = leaves(record)
    assert {unfold(name) for name, _ in found} == set(expected)
    for name, text in found:
        value = expected[unfold(name)]
        spelled = "" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()
        assert text == spelled


def test_what_csv_writes_is_rfc_4180() -> None:
    """Lone carriage returns are quoted too: every reader takes the same rows."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow(["a\rb", "c\nd", "e"])
    assert text.getvalue() == '"a\rb","c\nd",e\r\n'


async def test_half_of_a_surrogate_pair_is_spelled_as_in_json(serve: Serve, tmp_path: Path) -> None:
    """UTF-8 has no spelling for it: the cell is the JSON text, the rest of the export as always."""
    await export(serve(body(customer(b'{"id":"a","t":"x\\ud800y","u":"\\ud83d\\ude00"}'))), to=tmp_path / "x.csv")
    assert table(tmp_path / "x.csv") == [["id", "t", "u"], ["a", '"x\\ud800y"', "😀"]]


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (b'{"a":"\\uDC00","b":"\\\\ud800","c":1.50}', [("a", '"\\uDC00"'), ("b", "\\ud800"), ("c", "1.50")]),
        (b'{"a":["\\ud800", 1.0],"b":null,"e":{}}', [("a", '["\\ud800", 1.0]'), ("b", ""), ("e", "{}")]),
        (b'{"a":{"b.\\ud800":"x"}}', [("a.b\\.\\ud800", "x")]),
        (b'{"a":"\\ud800\\ue000","b":"\\uE000"}', [("a", '"\\ud800\\ue000"'), ("b", "\ue000")]),
        (b'{"a":"\\ud800 and more of it","b":1}', [("a", '"\\ud800 and more of it"'), ("b", "1")]),
        (b'{"a":"\\ud800\\udbff"}', [("a", '"\\ud800\\udbff"')]),
        ('{"a":"\\ud800","b":"\ue000"}'.encode(), [("a", '"\\ud800"'), ("b", "\ue000")]),
    ],
)
def test_halves_touch_nothing_else(document: bytes, found: list[tuple[str, str]]) -> None:
    """Other cells, escaped backslashes, lists, keys and private characters stay what they are."""
    assert cells(document) == found
