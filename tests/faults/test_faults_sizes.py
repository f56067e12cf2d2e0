"""Answers that are too large, too long or without an end: refused in little memory, and soon."""

from __future__ import annotations

import asyncio
import json
import sys
import zlib
from collections.abc import Iterable
from typing import Any

import pytest

from aiochargebee_gw import RequestTimeout
from aiochargebee_gw._wire.body import Pace

from .scripted import CLOSE, Action, Endless, answer, scripted

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is read from /proc"),
]

MIB = 1024 * 1024
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n"


def _bomb(mebibytes: int = 1024) -> bytes:
    """A GiB of zeros as 1 MB of gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.compress(b"\0" * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b"\0" * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + block * (mebibytes - 1) + packer.flush()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _attack(name: str) -> Iterable[Action]:
    zeros = b"0" * 65536
    match name.removeprefix("file_").removeprefix("post_"):
        case "bomb":
            return [answer(_bomb(), "Content-Encoding: gzip")]
        case "small_bomb":
            return [answer(_bomb(128), "Content-Encoding: gzip")]
        case "endless_bomb":
            bomb = _bomb()
            return [
                _CHUNKED + b"Content-Encoding: gzip\r\n\r\n" + _chunk(bomb[:1000]),
                Endless(_chunk(bomb[1016:2032])),
            ]
        case "endless_chunks":
            return [_CHUNKED + b"\r\n", Endless(_chunk(zeros))]
        case "endless_small_chunks":
            return [_CHUNKED + b"\r\n", Endless(_chunk(b"00") * 5000)]
        case "endless_headers":
            return [_HEAD, Endless(b"".join(b"X-%d: %b\r\n" % (number, b"a" * 50) for number in range(1000)))]
        case "endless_header":
            return [_HEAD + b"X: ", Endless(zeros)]
        case "endless_status":
            return [b"HTTP/1.1 200 ", Endless(zeros)]
        case "endless_1xx":
            return [Endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 200)]
        case "endless_early_hints":
            return [Endless(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 200)]
        case "endless_trailers":
            return [_CHUNKED + b"\r\n" + _chunk(b"{}") + b"0\r\n", Endless(b"X: y\r\n" * 1000)]
        case "endless_chunk_extension":
            return [_CHUNKED + b"\r\n1;", Endless(zeros)]
        case "huge_length":
            return [answer(b"{", length=10**15), Endless(zeros)]
        case "huge_chunk":
            return [_CHUNKED + b"\r\nfffffffffffffff\r\n", Endless(zeros)]
        case "without_length":
            return [_HEAD + b"Connection: close\r\n\r\n", Endless(zeros)]
        case "drip":
            return [answer(b"", length=1000), Endless(b" ", 0.2)]
        case "drip_head":
            return [_HEAD, Endless(b"X", 0.2)]
        case "trickle":
            return [answer(b"", length=10**9), Endless(b"  ", 0.01)]
        case "silence":
            return [answer(b"{", length=2), Endless(b"", 1.0)]
    return [answer()]


def _script(request: bytes) -> Iterable[Action]:
    yield from _attack(request.split(b" ")[1].rpartition(b"/")[2].decode())
    yield CLOSE


async def _run(url: str, how: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.size_child", url, how, *names, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()
    assert child.returncode == 0
    return {each["name"]: each for each in map(json.loads, out.splitlines())}


LARGE = ("ResponseTooLarge",)
LATE = ("RequestTimeout",)
BROKEN = ("InvalidResponse", "RequestTimeout", "ConnectionLost", "TruncatedResponse")
ATTACKS: dict[str, tuple[str, ...]] = {
    "bomb": LARGE,
    "endless_bomb": LARGE,
    "endless_chunks": LARGE,
    "endless_small_chunks": (*LARGE, *LATE),
    "endless_headers": BROKEN,
    "endless_header": BROKEN,
    "endless_status": BROKEN,
    "endless_1xx": BROKEN,
    "endless_early_hints": BROKEN,
    "endless_trailers": BROKEN,
    "endless_chunk_extension": BROKEN,
    "huge_length": (*LARGE, *BROKEN),
    "huge_chunk": (*LARGE, *BROKEN),
    "without_length": LARGE,
    "drip": LATE,
    "drip_head": LATE,
    "trickle": LATE,
    "silence": LATE,
    "post_bomb": ("OutcomeUnknown",),
    "post_drip": ("OutcomeUnknown",),
    "file_endless_chunks": LARGE,
    "file_huge_length": LARGE,
    "file_bomb": ("InvalidResponse",),
    "file_drip": LATE,
    "file_drip_head": LATE,
    "file_trickle": LATE,
    "file_silence": LATE,
}


async def test_no_answer_takes_more_than_its_share_of_memory_or_time() -> None:
    """27 attacks on size and time: each ends as an error of ours within the deadline and two seconds, and with the
    limit of 32 MiB the process never grows by more than 64 MiB."""
    async with scripted(_script) as server:
        found = await _run(server.url, "ours", ATTACKS)
    assert list(found) == list(ATTACKS)
    wrong = {name: told["outcome"] for name, told in found.items() if told["outcome"] not in ATTACKS[name]}
    assert wrong == {}
    large = {name: told["growth"] // MIB for name, told in found.items() if told["growth"] > 64 * MIB}
    assert large == {}


async def test_bare_aiohttp_takes_a_bomb_and_waits_for_a_drip() -> None:
    """The baseline: a plain `json()` inflates an eighth of the bomb to more than 64 MiB, and a timeout between two
    reads never ends a drip."""
    async with scripted(_script) as server:
        found = await _run(server.url, "naive", ["drip", "small_bomb"])
    assert found["drip"]["outcome"] == "raw TimeoutError"
    assert found["small_bomb"]["growth"] > 64 * MIB


def test_the_pace_of_a_file() -> None:
    """Slower than its least speed over a window, a file is given up; what the reader does meanwhile is not counted."""
    pace = Pace(least=1000, window=10)
    for _ in range(9):
        pace.came(1, 1.0)
    pace.came(9992, 1.0)
    for _ in range(9):
        pace.came(1, 1.0)
    with pytest.raises(RequestTimeout):
        pace.came(9000, 1.0)
