"""Memory while rows stream through: flat, however many they are."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from aiochargebee_gw import Gateway, Limits, Settings
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.export import Progress, export
from aiochargebee_gw.fields import customer
from aiochargebee_gw.transport.memory import MemoryTransport

pytestmark = pytest.mark.anyio

WARM, ALLOWED = 10_000, 30 * 2**20
STATM, CLEAR = Path("/proc/self/statm"), Path("/proc/self/clear_refs")


def resident() -> int:
    """Bytes of memory that this process uses."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def generated(rows: int) -> Gateway:
    """A client of a list of *rows* customers of half a kilobyte, made as they are asked for."""

    async def handle(request: Request) -> Response:
        query = parse_qs(urlsplit(request.url).query)
        if "updated_at[after]" in query:
            return Response(status=200, headers={}, body=b'{"list":[]}')
        begin = int(query.get("offset", ["0"])[0])
        made = [
            b'{"customer":{"id":"c%07d","created_at":%d,"note":"%b"}}' % (number, 1_600_000_000 + number, b"x" * 450)
            for number in range(begin, min(begin + 100, rows))
        ]
        more = b"" if begin + 100 >= rows else b',"next_offset":"%d"' % (begin + 100)
        return Response(status=200, headers={}, body=b'{"list":[' + b",".join(made) + b"]" + more + b"}")

    settings = Settings(
        gateway_url="http://127.0.0.1", control_url="http://127.0.0.1", limits=Limits(account_per_second=math.inf)
    )
    return Gateway("sandbox_key", settings=settings, transport=MemoryTransport(handle))


async def grown(folder: Path, ending: str, rows: int) -> int:
    """Bytes by which an export of *rows* grows behind its first ten thousand."""
    warm, most = 0, 0

    def watch(now: Progress) -> None:
        nonlocal warm, most
        if now.rows <= WARM:
            warm = max(warm, resident())
        elif now.pages % 50 == 0 or now.stage == "render":
            most = max(most, resident())

    pages = generated(rows).customers.list(order_by=customer.created_at.desc())
    report = await export(pages, to=folder / f"x.{ending}", progress=watch)
    assert report.rows == rows
    return max(most, resident()) - warm


@pytest.mark.skipif(not STATM.exists(), reason="the system does not tell")
@pytest.mark.parametrize("ending", ["jsonl", "csv"])
async def test_memory_is_flat(tmp_path: Path, ending: str) -> None:
    """50,000 rows need no more than 30 MiB above the first 10,000, writing the file included."""
    assert await grown(tmp_path, ending, 50_000) < ALLOWED


@pytest.mark.soak
@pytest.mark.skipif(not STATM.exists(), reason="the system does not tell")
@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "csv", "db"])
async def test_memory_is_flat_over_a_million_rows(tmp_path: Path, ending: str) -> None:
    """A million rows, too."""
    assert await grown(tmp_path, ending, 1_000_000) < ALLOWED


async def peak(folder: Path, ending: str, rows: int) -> int:
    """Bytes of memory that an export of *rows* takes at the most."""
    CLEAR.write_text("5")  # the peak begins anew
    await export(generated(rows).customers.list(), to=folder / f"{rows}.{ending}", workers=1)
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.skipif(not CLEAR.exists(), reason="the system does not tell")
async def test_parquet_takes_the_memory_of_a_row_group(tmp_path: Path) -> None:
    """90,000 rows need no more at their peak than 30,000 do: what is written is let go of."""
    await peak(tmp_path, "parquet", 20_000)
    few = await peak(tmp_path, "parquet", 30_000)
    assert await peak(tmp_path, "parquet", 90_000) - few < ALLOWED


@pytest.mark.skipif(not STATM.exists(), reason="the system does not tell")
async def test_collecting_rows_first_fails(tmp_path: Path) -> None:
    """Rows in a list, then written: 100,000 of half a kilobyte as dicts are beyond what is allowed."""
    gw = generated(100_000)
    before = resident()
    rows = []
    async for page in gw.customers.list(order_by=customer.created_at.desc()).pages():
        rows += [json.loads(document) for document in page.documents]
    grown = resident() - before
    assert len(rows) == 100_000
    assert grown > ALLOWED
