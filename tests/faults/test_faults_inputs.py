"""Hostile ids, cursors and header values, which must not leave as anything else; answers that lie about themselves."""

from __future__ import annotations

import asyncio
import gzip
import re
import zlib
from typing import Any
from urllib.parse import unquote_to_bytes

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiochargebee_gw import Gateway, RequestError, Retry, Timeouts, errors
from aiochargebee_gw._wire.headers import check_connection, check_extra, check_idempotency_key
from aiochargebee_gw._wire.url import check_path, fill
from tests.baselines import containment_paths as naive

from .clients import client
from .scripted import answer, scripted

pytestmark = pytest.mark.anyio

REFUSED = [
    "", ".", "..", "../x", "a/../b", "a/..", "../../../slack/api/x", "..%2f..%2fx", "%2e%2e/x", "%2e%2e%2fx", "a/%2e",
    "%252e%252e%252fx", "%25252e%25252e", "a\\..\\b", "..;/x", "a;..;b", "a/./b", "a\r\nX-Evil: 1", "a\nb", "a\x00b",
    "a%00b", "a%0d%0aX: 1", "\x7f", "a\x1fb", "\ud800", "a" * 101, "a" * 10_000, "%2525252525252525252e",
]  # fmt: skip
HARMLESS = [
    "a b", "a/b", "a?b=c", "a#b", "a&b", "a%b", "%41", "a+b", "a:b", "a;b", "@a", "//evil.example/x", "\\\\evil", "æøå",
    "日本", "\u202e", "a..b", "...", "~a", "'", '"', "<x>", "{id}", "$(x)", "http://evil.example", "a" * 100, "-", "*",
]  # fmt: skip


@pytest.mark.parametrize("id", REFUSED, ids=lambda id: ascii(id)[:30])
async def test_an_id_that_could_leave_its_path_is_refused(id: str) -> None:
    """Dot segments at any depth of encoding, controls, half pairs, nothing and too much: RequestError, unsent."""
    async with scripted(answer(b'{"customer":{"id":"a"}}')) as server, client(server.url) as gw:
        with pytest.raises(RequestError) as caught:
            await gw.customers.retrieve(id)
        assert not id or len(id) < 4 or id not in str(caught.value)
        with pytest.raises(RequestError):
            await gw.customers.update(id, first_name="A")
        assert server.connections == 0


@pytest.mark.parametrize("id", HARMLESS, ids=lambda id: ascii(id)[:30])
async def test_an_odd_id_stays_one_segment_of_its_path(id: str) -> None:
    """What may be an id arrives as one segment, byte for byte, on the host that was asked."""
    async with scripted(answer(b'{"customer":{"id":"a"}}')) as server, client(server.url) as gw:
        await gw.customers.retrieve(id)
        (request,) = server.requests
        found = re.match(rb"GET /chargebee/api/v2/customers/([^/?#; ]+) HTTP/1\.1\r\n", request)
        assert found is not None
        assert unquote_to_bytes(found[1]) == id.encode()


async def test_common_ways_to_make_a_path_let_an_id_out() -> None:
    """The baseline: an f-string and a join take the key to another app's path, or to another host."""
    asked = [naive.by_format(id) for id in ("../../../slack/api/x", "a?b=c", "a#b")]
    assert asked[0] == "/chargebee/slack/api/x"
    assert asked[1:] == ["/chargebee/api/v2/customers/a", "/chargebee/api/v2/customers/a"]
    assert naive.by_join("//evil.example/x") == "evil.example"


@given(id=st.text(max_size=120) | st.text(alphabet="./\\%2eE;a\r\n\x00", max_size=12))
def test_no_id_leaves_its_segment(id: str) -> None:
    """Any text: refused, or one segment that says the same once decoded and has no dot segment however often it is."""
    try:
        path = fill("/customers/{id}/cards", id)
    except RequestError:
        return
    *_, segment, _ = path.split("/")
    assert path == f"/customers/{segment}/cards"
    assert unquote_to_bytes(segment) == id.encode()
    seen = segment.encode()
    for _ in range(5):
        seen = unquote_to_bytes(seen)
        assert not {b".", b".."} & set(re.split(rb"[/\\;]", seen))


@given(path=st.text(alphabet="/.%2eE5c\\;?#a\r\n\x00@:", max_size=20).map(lambda tail: f"/api/v2/{tail}"))
def test_no_untyped_path_leaves_the_api(path: str) -> None:
    """Any path of an untyped call: refused, or below /api/v2/ however often it is decoded."""
    try:
        found = check_path(path)
    except RequestError:
        return
    for _ in range(5):
        assert found.startswith("/api/v2/")
        assert not {".", ".."} & set(re.split(r"[/\\;]", found))
        assert not re.search(r"[?#\r\n\x00]", found)
        found = unquote_to_bytes(found.encode()).decode("utf-8", "surrogateescape")
        if found.count("%") == 0:
            break


OFFSETS = ["\ud800", "a\r\nX: 1", "\x00", "&limit=1", "#"]


async def test_a_hostile_offset_stays_in_its_parameter() -> None:
    """An offset is a value: it adds no parameter and no header, and one that cannot be sent is a RequestError."""
    async with scripted(answer(b'{"list":[]}')) as server, client(server.url) as gw:
        for offset in OFFSETS[1:]:
            await gw.customers.list(offset=offset)
            line, _, head = server.requests[-1].partition(b"\r\n")
            assert line.count(b"limit=") == line.count(b"offset=") == 1
            assert b"\r\nX: 1" not in head
        with pytest.raises(RequestError):
            gw.customers.list(offset=OFFSETS[0])


VALUES = ["a\r\nX: 1", "a\nb", "a\x00", "é", "\ud800", "日", "a" * 20_000, "\x7f", "a\tb"]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:20])
async def test_a_header_value_that_a_header_cannot_carry_is_refused(value: str) -> None:
    """Keys, connections and the caller's own headers: RequestError before anything is sent, the value not shown."""
    async with scripted(answer()) as server, client(server.url) as gw:
        post: Any = gw.call
        for attempt in (
            lambda: post("POST", "/api/v2/customers", idempotency_key=value),
            lambda: post("GET", "/api/v2/customers", headers={"x-own": value}),
            lambda: post("GET", "/api/v2/customers", headers={value: "x"}),
            lambda: gw.using(value).customers.list(),
        ):
            with pytest.raises(RequestError) as caught:
                await attempt()
            assert value not in str(caught.value)
        assert server.connections == 0


@given(text=st.text(max_size=130))
def test_what_passes_for_a_header_is_plain(text: str) -> None:
    """Any text: refused, or printable ASCII of the length that the header may have."""
    for check, most in (
        (check_connection, 64),
        (check_idempotency_key, 100),
        (lambda it: check_extra({"x": it}), 1000),
    ):
        try:
            check(text)
        except RequestError:
            continue
        assert text.isascii()
        assert text.isprintable()
        assert len(text) <= most


@pytest.mark.parametrize(
    "name",
    ["Authorization", "HOST", "Maton-Connection", "content-length", "Transfer-Encoding", "Connection", "Cookie",
     "Proxy-Authorization", "Accept-Encoding", "chargebee-idempotency-key", "x y", "x:", "", "Expect", "Upgrade", "TE",
     "Trailer", "Proxy-Connection", "Keep-Alive"],
)  # fmt: skip
def test_headers_that_are_ours_cannot_be_set(name: str) -> None:
    """What frames a message, says who calls or changes what the connection speaks is not the caller's."""
    with pytest.raises(RequestError):
        check_extra({name: "1"})


STATUSES = (200, 201, 202, 204, 206, 226, 400, 401, 402, 403, 404, 405, 409, 410, 413, 414, 421, 422, 429, 500, 501,
            502, 503, 504, 520, 599)  # fmt: skip
HTML = b"<!DOCTYPE html><title>503 canary@example.com</title>" + b"x" * 5000
BROKEN = b'{"api_error_code":"param_wrong_value","message":"canary@example.com'


@pytest.mark.parametrize("body", [HTML, BROKEN, b""], ids=["HTML", "broken JSON", "nothing"])
async def test_a_page_for_people_is_an_error_of_its_status(body: bytes) -> None:
    """HTML, broken JSON and nothing at every status: an error that goes by the status, never by the text, and that
    shows nothing of the body."""
    wanted = {404: errors.MatonError, 401: errors.InvalidApiKey, 429: errors.GatewayRateLimited}
    for status in STATUSES:
        sent = b"" if status == 204 else body
        async with (
            scripted(answer(sent, "Content-Type: text/html", status=f"{status} Canary")) as server,
            client(server.url, retry=Retry.none()) as gw,
        ):
            with pytest.raises(errors.GatewayClientError) as caught:
                await gw.customers.list()
            expected = errors.DecodeError if status < 300 else errors.ApiError
            assert isinstance(caught.value, wanted.get(status, expected)), status
            assert "canary" not in str(caught.value).lower()
            with pytest.raises(errors.GatewayClientError) as refused:
                await gw.customers.update("a", first_name="A")
            unclear = status < 300 or status >= 500
            assert isinstance(refused.value, errors.OutcomeUnknown) == unclear, status
            assert "canary" not in str(refused.value).lower()


_GOOD = b'{"list":[{"customer":{"id":"\xc3\xa6"}}]}'
_PACKED = gzip.compress(_GOOD)
LIES: dict[str, tuple[bytes, type[Exception] | None]] = {
    "a charset that is none": (answer(_GOOD, "Content-Type: application/json; charset=klingon"), None),
    "another charset": (answer(_GOOD, "Content-Type: application/json; charset=utf-16"), None),
    "no type": (answer(_GOOD, "Content-Type:"), None),
    "two types": (answer(_GOOD, "Content-Type: text/html", "Content-Type: application/json"), None),
    "UTF-16": (answer(_GOOD.decode().encode("utf-16"), "Content-Type: application/json"), errors.DecodeError),
    "Latin-1": (answer(_GOOD.decode().encode("latin-1")), errors.DecodeError),
    "br": (answer(_GOOD, "Content-Encoding: br"), errors.InvalidResponse),
    "zstd": (answer(_GOOD, "Content-Encoding: zstd"), errors.InvalidResponse),
    "deflate": (answer(zlib.compress(_GOOD), "Content-Encoding: deflate"), errors.InvalidResponse),
    "gzip twice": (answer(gzip.compress(_PACKED), "Content-Encoding: gzip, gzip"), errors.InvalidResponse),
    "gzip that is none": (answer(_GOOD, "Content-Encoding: gzip"), errors.InvalidResponse),
    "gzip not told": (answer(_PACKED), errors.DecodeError),
    "gzip with a tail": (answer(_PACKED + _PACKED, "Content-Encoding: gzip"), errors.InvalidResponse),
    "gzip with a wrong sum": (answer(_PACKED[:-8] + b"\0" * 8, "Content-Encoding: gzip"), errors.InvalidResponse),
    "GZIP": (answer(_PACKED, "Content-Encoding:  GZIP "), None),
    "identity": (answer(_GOOD, "Content-Encoding: identity"), None),
    "two lengths": (answer(_GOOD, f"Content-Length: {len(_GOOD) + 1}"), errors.InvalidResponse),
    "a length and chunks": (answer(_GOOD, "Transfer-Encoding: chunked"), errors.TransportError),
    "chunks without sizes": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + _GOOD, errors.TransportError),
    "a negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + _GOOD, errors.InvalidResponse),
    "a length in words": (b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n" + _GOOD, errors.InvalidResponse),
    "too short a length": (answer(_GOOD, length=len(_GOOD) - 1), errors.InvalidResponse),
    "too long a length": (answer(_GOOD, "Connection: close", length=len(_GOOD) + 1), errors.TransportError),
    "HTTP/2": (b"HTTP/2 200\r\nContent-Length: 2\r\n\r\n{}", errors.InvalidResponse),
    "HTTP/0.9": (_GOOD, errors.InvalidResponse),
    "a status of 99": (answer(_GOOD, status="099 Odd"), errors.TransportError),
    "a status of 101": (
        answer(b"", "Upgrade: x", "Connection: upgrade", status="101 Switching"),
        errors.TransportError,
    ),
    "a status in words": (answer(_GOOD, status="OK"), errors.InvalidResponse),
    "a header of 100 kB": (answer(_GOOD, "X: " + "a" * 100_000), errors.InvalidResponse),
    "a header with a zero": (answer(_GOOD, "X: a\x00b"), errors.InvalidResponse),
}


@pytest.mark.parametrize("lie", LIES)
async def test_an_answer_that_lies_about_itself(lie: str) -> None:
    """Charsets are not believed (JSON is UTF-8), nor encodings that were not asked for, nor two framings at once."""
    sent, error = LIES[lie]
    # One of them announces more than it sends, and waits.
    seconds = Timeouts(read_seconds=2)
    async with scripted(sent) as server, client(server.url, retry=Retry.none(), timeouts=seconds) as gw:
        reading = gw.customers.list().collect()
        if error is None:
            assert [record.id for record in await reading] == ["æ"]
            return
        with pytest.raises(errors.GatewayClientError) as caught:
            await reading
        found = caught.value
        # A page that cannot be read stops a stream, with the cause behind it.
        if isinstance(found, errors.PaginationError) and isinstance(found.__cause__, errors.DecodeError):
            found = found.__cause__
        assert isinstance(found, error), found


async def test_a_second_answer_on_the_connection_is_not_taken_for_the_next() -> None:
    """Bytes behind an answer do not become the answer of the next request."""
    forged = answer(b'{"list":[{"customer":{"id":"forged"}}]}')
    good = answer(b'{"list":[{"customer":{"id":"good"}}]}')
    first = [good + forged]

    def script(_: bytes) -> bytes:
        return first.pop() if first else good

    async with scripted(script) as server, client(server.url) as gw:
        for _ in range(3):
            try:
                assert [record.id for record in await gw.customers.list().collect()] == ["good"]
            except errors.TransportError:
                continue
            await asyncio.sleep(0)


async def test_bare_aiohttp_goes_by_the_charset() -> None:
    """The baseline: aiohttp reads JSON by the charset that is told, and fails on it with an error of Python's."""
    sent, _ = LIES["a charset that is none"]
    async with scripted(sent) as server, aiohttp.ClientSession() as bare, bare.get(server.url) as got:
        assert (await got.json())["list"]
    sent, _ = LIES["another charset"]
    async with scripted(sent) as server, aiohttp.ClientSession() as bare, bare.get(server.url) as got:
        with pytest.raises(ValueError):  # noqa: PT011
            await got.json()


async def test_the_gateway_needs_no_client_of_ours_to_be_careful() -> None:
    """A key is not sent to a gateway of another scheme, host form or path than an origin."""
    for url in ("http://example.com", "https://a@b", "https://x/y", "ftp://x", "https://", "//x", "https://x?y", "x"):
        with pytest.raises(errors.ConfigurationError):
            client(url)
    assert isinstance(client("http://127.0.0.1:1"), Gateway)
