"""Lines down a pipe: what a file gets, page by page, and what becomes of them when it breaks."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import sys
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.to_thread
import pytest

from aiochargebee_gw import (
    AuthorizationExpired,
    DecodeError,
)
from aiochargebee_gw.export import Progress, export

from .conftest import EXACT, PRETTY, Serve, body, customer

pytestmark = pytest.mark.anyio


ROWS = {
    "exact": [customer(EXACT), customer(b'{"id":"b"}')],
    "over several lines": [customer(PRETTY), customer(EXACT)],
    "with carriage returns": [b'{\r"customer":{"id":"a",\r"x":1}}', b'{"customer":{"id":"b"}}'],
    "half a pair": [customer(b'{"id":"a","t":"x\\ud800"}'), customer(b'{"id":"b"}')],
    "half a pair, over lines": [customer(b'{"id":"a",\n"t":"x\\ud800"}'), customer(b'{"id":"b"}')],
    "beside others": [b'{"card":{"id":"x"},"customer":{"id":"a"}}', b'{"customer":{"id":"b"}}'],
    "wide": [customer('{"id":"Ł","t":"€😀ö"}'.encode())],
    "none": [],
}


@pytest.mark.parametrize("kept", ["record", "envelope"])
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS.keys())
async def test_a_stream_gets_what_a_file_gets(
    serve: Serve, tmp_path: Path, rows: list[bytes], kept: Literal["record", "envelope"]
) -> None:
    """A list has the same lines down a pipe and in a file, however its pages are spelled."""
    pages = serve(body(*rows))
    stream = io.BytesIO()
    piped = await export(pages, to=stream, rows=kept)
    filed = await export(pages, to=tmp_path / "x.jsonl", rows=kept)
    assert stream.getvalue() == (tmp_path / "x.jsonl").read_bytes()
    assert (piped.rows, piped.bytes, piped.sha256) == (filed.rows, filed.bytes, filed.sha256)
    assert piped.sha256 == hashlib.sha256(stream.getvalue()).hexdigest()


async def test_a_stream_gets_each_row_once(serve: Serve) -> None:
    """Of rows with one id the first stays, in one page and over two; rows without an id stay, alone or among others."""
    first = [b'{"id":"a"}', b'{"id":"a","v":2}', b'{"v":1}', b'{"v":1}']
    second = [b'{"id":"b"}', b'{"id":"a","v":3}', b'{"half":"\\ud83d","id":"b"}', b'{"id":"c"}']
    pages = serve(body(*map(customer, first), offset="1"), body(*map(customer, second)))
    stream = io.BytesIO()
    report = await export(pages, to=stream)
    assert stream.getvalue().splitlines() == [b'{"id":"a"}', b'{"v":1}', b'{"v":1}', b'{"id":"b"}', b'{"id":"c"}']
    assert (report.rows, report.repeated) == (5, 3)


@pytest.mark.parametrize("kept", ["record", "envelope"])
async def test_a_stream_gets_no_broken_text(serve: Serve, kept: Literal["record", "envelope"]) -> None:
    """Bytes that are no UTF-8 end the export before anything of their page is written."""
    pages = serve(body(customer(b'{"id":"a"}'), offset="1"), body(customer(b'{"id":"b","t":"\xc5"}')))
    stream = io.BytesIO()
    with pytest.raises(DecodeError):
        await export(pages, to=stream, rows=kept)
    assert b'"a"' in stream.getvalue()
    assert b'"b"' not in stream.getvalue()


class Reluctant:
    """A stream without a buffer, which takes three bytes at a time."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes, /) -> int:
        self.data += data[:3]
        return min(3, len(data))


async def test_a_stream_gets_the_lines(serve: Serve, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """A binary stream, one that takes a part at a time, and "-" for stdout; a stream is not closed."""
    stream, reluctant = io.BytesIO(), Reluctant()
    report = await export(serve(body(customer(EXACT))), to=stream)
    assert stream.getvalue() == EXACT + b"\n"
    assert report.path is None
    await export(serve(body(customer(EXACT))), to=reluctant)
    assert reluctant.data == EXACT + b"\n"
    await export(serve(body(customer(EXACT))), to="-")
    assert capsysbinary.readouterr().out == EXACT + b"\n"


class Telling(io.BytesIO):
    """A stream that tells when something was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self.told = asyncio.Event()

    def write(self, data: Any, /) -> int:
        self._loop.call_soon_threadsafe(self.told.set)
        return super().write(data)


async def test_a_stream_sees_each_page_at_once(serve: Serve) -> None:
    """What is behind a pipe need not wait for the end: the server sends its second page when the first is written."""
    stream = Telling()
    seen: list[Progress] = []

    async def second() -> bytes:
        await stream.told.wait()
        return body(customer(b'{"id":"b"}'))

    with anyio.fail_after(10):
        await export(serve(body(customer(b'{"id":"a"}'), offset="1"), second), to=stream, progress=seen.append)
    assert stream.getvalue() == b'{"id":"a"}\n{"id":"b"}\n'
    assert [(now.rows, now.pages, now.bytes) for now in seen] == [(1, 1, 11), (2, 2, 22)]


async def test_a_stream_that_is_always_behind_loses_no_page(serve: Serve) -> None:
    """Pages wait for the stream, each for the one before it, while two threads take turns as often as they can."""
    row = b'{"x":"%b"}' % (b"x" * (1 << 20))
    many = 100
    pages = serve(*(body(customer(row), offset=str(number + 1)) for number in range(many)), body(customer(row)))
    stream = Telling()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with anyio.fail_after(60):
            report = await export(pages, to=stream)
    finally:
        sys.setswitchinterval(before)
    assert (report.rows, report.bytes) == (many + 1, (many + 1) * (len(row) + 1))
    assert len(stream.getvalue()) == report.bytes


class Breaking:
    """A pipe whose reader leaves after the first page."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes, /) -> int:
        if self.data:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        self.data += data
        return len(data)


@pytest.mark.parametrize("second", [body(customer(b'{"id":"b"}')), body(customer(b'{"id":"b"}'), offset="2")])
async def test_a_stream_that_breaks_ends_the_export(serve: Serve, second: bytes) -> None:
    """Writing goes on while the next page is read; its error comes out all the same, on the last page too."""
    stream = Breaking()
    with pytest.raises(BrokenPipeError):
        await export(serve(body(customer(b'{"id":"a"}'), offset="1"), second, body()), to=stream)
    assert stream.data == b'{"id":"a"}\n'


async def test_what_was_read_before_an_error_is_written(serve: Serve) -> None:
    """A list that breaks off has given its pages to the stream, although the last of them was being written."""
    stream = io.BytesIO()
    with pytest.raises(AuthorizationExpired):
        await export(serve(body(customer(b'{"id":"a"}'), offset="1"), 500), to=stream)
    assert stream.getvalue() == b'{"id":"a"}\n'
