"""What calls itself a stream and cannot be one for an export: refused before a request, or found out by what it
answers, and never counted as written."""

from __future__ import annotations

import asyncio
import codecs
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import anyio
import pytest

from aiochargebee_gw import RequestError
from aiochargebee_gw.export import check, export

from ..cli.conftest import spawn
from .conftest import Serve, body, customer

pytestmark = pytest.mark.anyio

ROW = b'{"id":"a","t":"%b"}' % (b"x" * (1 << 18))


class Kept:
    """What a stream has taken, in `data`."""

    def __init__(self) -> None:
        self.data = b""


class Coroutine(Kept):
    async def write(self, data: bytes, /) -> None:
        self.data += data


class CoroutineFlush(Kept):
    def write(self, data: bytes, /) -> None:
        self.data += data

    async def flush(self) -> None:
        """Nothing."""


class Later(Kept):
    """A plain function that returns what must be awaited, a coroutine or a future."""

    def __init__(self, *, flushes: bool) -> None:
        super().__init__()
        self._flushes = flushes

    def write(self, data: bytes, /) -> object:
        return None if self._flushes else self._add(data)

    def flush(self) -> object:
        return self._add(b"")

    async def _add(self, data: bytes) -> None:
        self.data += data


class Answering(Kept):
    """Takes three bytes at a time, and answers what it is told to, whatever it took."""

    def __init__(self, *answers: object) -> None:
        super().__init__()
        self._answers = iter(answers)

    def write(self, data: bytes, /) -> object:
        self.data += data[:3]
        return next(self._answers)


class Raw(io.RawIOBase):
    """What a raw stream says that would block."""

    def write(self, data: Any, /) -> None:
        """Takes nothing."""


def naive(stream: Any, data: bytes) -> None:
    """The baseline: a part is what is a number, and everything else is all."""
    while data:
        taken = stream.write(data)
        data = data[taken:] if isinstance(taken, int) else b""


@contextmanager
def full_pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Both ends of a pipe that holds 64 kB and does not wait: that of who reads, and that of who writes."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(reading, "rb") as read, open(writing, "wb", buffering=0) as write:
        yield read, write


async def _refused(serve: Serve, to: Any, said: str) -> None:
    for refuses in (check, export):
        with pytest.raises(RequestError, match=said) as caught:
            if refuses is check:
                check(to)
            else:
                await export(serve(AssertionError("a request was sent")), to=to)
        assert caught.value.field == "to"


async def test_what_takes_text_is_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text streams and the wrappers of them, a closed file, and "-" where stdout has no bytes: before any request."""
    both = codecs.StreamReaderWriter(io.BytesIO(), *codecs.lookup("utf-8")[2:])
    with tempfile.NamedTemporaryFile("w") as wrapped:
        for text in (io.StringIO(), sys.__stdout__, wrapped, both):
            await _refused(serve, text, "takes text")
    closed = io.BytesIO()
    closed.close()
    await _refused(serve, closed, "is closed")
    for stdout in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stdout", stdout)
        await _refused(serve, "-", "stdout has none")


async def test_a_temporary_file_is_a_stream(serve: Serve) -> None:
    """The wrapper of `tempfile` has the `write` of its file, although its class has none."""
    with tempfile.NamedTemporaryFile() as file:
        report = await export(serve(body(customer(b'{"id":"a"}'))), to=file)
        assert (os.stat(file.name).st_size, report.bytes) == (11, 11)


async def test_what_must_be_awaited_is_refused(serve: Serve, tmp_path: Path) -> None:
    """Streams with coroutine functions, and asyncio's, which live on their loop: before any request."""
    await _refused(serve, Coroutine(), "must be awaited")
    await _refused(serve, CoroutineFlush(), "must be awaited")
    async with await anyio.open_file(tmp_path / "x", "wb") as file:
        await _refused(serve, file, "must be awaited")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_streams_of_asyncio_are_refused(serve: Serve) -> None:
    """A StreamWriter and its transport may be called on the loop's thread alone: refused before any request."""
    with full_pipe() as (_, end):
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, end)
        with closing(transport):
            for stream in (asyncio.StreamWriter(transport, protocol, None, loop), transport):
                await _refused(serve, stream, "on its event loop only")


@pytest.mark.parametrize("flushes", [False, True])
async def test_an_answer_that_must_be_awaited_ends_the_export(serve: Serve, flushes: bool) -> None:
    """A plain function may return a coroutine, which nobody awaits: an error, where the baseline reports success."""
    with pytest.raises(RequestError, match="must be awaited"):
        await export(serve(body(customer(b'{"id":"a"}'))), to=Later(flushes=flushes))
    lost = Coroutine()
    with pytest.warns(RuntimeWarning, match="never awaited"):
        naive(lost, ROW)
    assert lost.data == b""


async def test_a_future_for_an_answer_ends_the_export(serve: Serve) -> None:
    """So do streams that return futures."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with pytest.raises(RequestError, match="must be awaited"):
        await export(serve(body(customer(b'{"id":"a"}'))), to=Answering(future))


@pytest.mark.parametrize("answer", [0, -1, True, False, 1 << 20, "3", 3.0], ids=repr)
async def test_an_answer_that_is_no_count_ends_the_export(serve: Serve, answer: object) -> None:
    """A number of bytes that cannot have been taken is an error, which names it; so is what is no number."""
    shown = answer if isinstance(answer, int) else type(answer).__name__
    with anyio.fail_after(10), pytest.raises(OSError, match=rf"write\(\) returned {shown} for 11 bytes"):
        await export(serve(body(customer(b'{"id":"a"}'))), to=Answering(answer))


async def test_what_was_taken_is_not_written_again(serve: Serve) -> None:
    """The baseline takes True for one byte, and writes the rest anew: what arrives is no JSON."""
    shifted = Answering(*[True] * 11)
    naive(shifted, b'{"id":"a"}\n')
    assert shifted.data != b'{"id":"a"}\n'
    stream = Answering(3, 3, 3, 2)
    report = await export(serve(body(customer(b'{"id":"a"}'))), to=stream)
    assert stream.data == b'{"id":"a"}\n'
    assert report.bytes == 11


@pytest.mark.parametrize("stream", [Raw(), Answering(3, None)], ids=["raw", "one that counts"])
async def test_a_stream_that_would_block_ends_the_export(serve: Serve, stream: Any) -> None:
    """None from a raw stream says that nothing was taken, and so it does from any that has counted before."""
    with pytest.raises(BlockingIOError, match="non-blocking"):
        await export(serve(body(customer(b'{"id":"a"}'))), to=stream)


async def test_a_full_pipe_that_does_not_wait_ends_the_export(serve: Serve) -> None:
    """Of a page larger than the pipe a part arrives. The export fails; the baseline says that all was written."""
    with full_pipe() as (read, write):
        with pytest.raises(BlockingIOError):
            await export(serve(body(customer(ROW))), to=write)
        write.close()
        assert 0 < len(read.read()) < len(ROW)
    with full_pipe() as (read, write):
        naive(write, ROW)
        write.close()
        assert 0 < len(read.read()) < len(ROW)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("argv", [("export", "customers", "--to", "-"), ("list", "customers", "--all", "--json")])
def test_a_command_does_not_claim_what_was_not_taken(argv: tuple[str, ...], unbuffered: str) -> None:
    """A command whose stdout does not wait, and is full, ends with an error, with a buffer and without one."""
    with full_pipe() as (read, write):
        child = spawn(*argv, "--sandbox", stdout=write.fileno(), env={"PYTHONUNBUFFERED": unbuffered})
        _, err = child.communicate(timeout=60)
        write.close()
        arrived = read.read()
    assert child.returncode == 1
    assert b"error" in err
    assert b" rows in " not in err
    assert arrived.count(b"\n") < 500
