"""Reading a compressed body piece by piece, with both of the libraries that can do it."""

from __future__ import annotations

import gzip
import importlib
import importlib.util
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiochargebee_gw import InvalidResponse, ResponseTooLarge, TruncatedResponse
from aiochargebee_gw._wire import body as wire
from aiochargebee_gw._wire.body import Body

LIMIT = 3 * 1024 * 1024


@pytest.fixture(params=["zlib", "isal.isal_zlib"], autouse=True)
def _library(request: pytest.FixtureRequest) -> Iterator[None]:
    found = pytest.importorskip(request.param)
    before, wire._zlib = wire._zlib, found
    yield
    wire._zlib = before


def _read(sent: bytes, step: int, *, encoding: str = "gzip", limit: int = LIMIT) -> bytes:
    reader = Body(encoding=encoding, limit=limit, status=200)
    for start in range(0, len(sent), step):
        reader.feed(sent[start : start + step])
    return reader.finish()


BIG = bytes(range(256)) * 4096  # one MiB, the size of a piece


@pytest.mark.parametrize("data", [b"", b"x", BIG, BIG + b"x", b" " * (2 * len(BIG)), BIG[1:] * 2], ids=len)
@pytest.mark.parametrize("step", [3, 1000, 10**9])
def test_a_body_is_the_same_however_it_is_cut(data: bytes, step: int) -> None:
    """Chunks of any size, output of any number of whole pieces: the same bytes as at once."""
    assert _read(gzip.compress(data, 1), step) == data


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), step=st.integers(1, 50), cut=st.integers(0, 400), tail=st.binary(max_size=3))
def test_only_a_whole_stream_passes(data: bytes, step: int, cut: int, tail: bytes) -> None:
    """A stream that is cut anywhere, or followed by anything, is refused; so a body is whole or an error."""
    packed = gzip.compress(data)
    if 0 < cut < len(packed):
        with pytest.raises(TruncatedResponse):
            _read(packed[:cut], step)
    if tail:
        with pytest.raises(InvalidResponse):
            _read(packed + tail, step)
    assert _read(packed, step) == data


@pytest.mark.parametrize("step", [1000, 10**9])
def test_the_limit_is_exact(step: int) -> None:
    """As many bytes as allowed pass, one more does not, compressed or plain."""
    data = b" " * LIMIT
    assert _read(gzip.compress(data), step) == data
    assert _read(data, step, encoding="identity") == data
    for sent, encoding in ((gzip.compress(data + b" "), "gzip"), (data + b" ", "")):
        with pytest.raises(ResponseTooLarge):
            _read(sent, step, encoding=encoding)


@pytest.mark.parametrize("claim", [0, 1, len(BIG) - 1, len(BIG) + 1, LIMIT, 2**32 - 1])
def test_a_wrong_size_in_the_trailer_is_refused(claim: int) -> None:
    """The size that a stream names is where reading begins, not what is believed, and takes no memory by itself."""
    packed = gzip.compress(BIG)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidResponse):
            _read(packed[:-4] + claim.to_bytes(4, "little"), 10**9)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(BIG)
    finally:
        tracemalloc.stop()
    assert _read(packed, 10**9) == BIG


def test_millions_of_tiny_chunks_take_no_more_than_their_bytes() -> None:
    """Chunks of two bytes are not kept one by one: an object for each would take twenty times as much."""
    reader = Body(encoding="", limit=LIMIT, status=200)
    tracemalloc.start()
    try:
        for number in range(200_000):
            reader.feed(b"%02d" % (number % 100))
        assert tracemalloc.get_traced_memory()[1] < 2 * 400_000
    finally:
        tracemalloc.stop()


def test_the_backend_is_one_that_is_installed() -> None:
    """isal where it is installed, else zlib."""
    names = {"isal.isal_zlib", "zlib"}
    assert wire._backend() in [importlib.import_module(name) for name in names if importlib.util.find_spec(name)]
