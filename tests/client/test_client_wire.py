"""The pool against a raw server: every byte of the answers is the test's."""

from __future__ import annotations

import asyncio
import gzip
import math
import pickle
import ssl
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from aiochargebee_gw import ConfigurationError, Gateway, Limits, Retry, Settings, errors
from aiochargebee_gw.fields import customer
from aiochargebee_gw.transport.pool import Pool

from .raw import DROP, answer, bodies, raw_server

pytestmark = pytest.mark.anyio

PAGE = b'{"list":[{"customer":{"id":"a"}}]}'
SETTINGS = Settings(
    limits=Limits(account_per_second=math.inf), retry=Retry(attempts=2, base_seconds=0), max_response_bytes=100_000
)


def _client(url: str, **changes: Any) -> Gateway:
    settings = attrs.evolve(SETTINGS, gateway_url=url, control_url=url, **changes)
    return Gateway("sandbox_k", settings=settings)


async def _list(gw: Gateway) -> dict[str, Any]:
    return await gw.call("GET", "/api/v2/customers")


async def test_what_a_request_carries() -> None:
    """Bearer key, gzip asked for, our agent, no cookie; the path below /chargebee; a POST a form and a key."""
    async with raw_server(answer(b"{}", "Set-Cookie: a=b")) as server, _client(server.url) as gw:
        await gw.call("GET", "/api/v2/customers", query={"email[is]": "a b@c"})
        await gw.call("POST", "/api/v2/customers", form={"x[y]": "1"})
        get, post = server.requests
        assert get.startswith(b"GET /chargebee/api/v2/customers?email%5Bis%5D=a+b%40c HTTP/1.1\r\n")
        for part in (b"Authorization: Bearer sandbox_k", b"Accept-Encoding: gzip", b"User-Agent: aiochargebee-gw/"):
            assert part in get
        assert b"idempotency" not in get.lower()
        assert b"cookie" not in post.lower()
        assert b"Content-Type: application/x-www-form-urlencoded" in post
        assert b"chargebee-idempotency-key: " in post
        assert bodies(server.requests)[1] == b"x%5By%5D=1"
        assert server.connections == 1


async def test_a_post_without_parameters_has_an_empty_body() -> None:
    """An operation without parameters is still a form POST."""
    async with raw_server(answer(b"{}")) as server, _client(server.url) as gw:
        await gw.call("POST", "/api/v2/customers/x/delete")
        assert b"Content-Length: 0" in server.requests[0]


async def test_a_large_body_goes_out_whole() -> None:
    """A form of more than a megabyte is sent with its length, in pieces, and arrives as it was."""
    async with raw_server(answer(b"{}")) as server, _client(server.url) as gw:
        await gw.call("POST", "/api/v2/customers", form={"a": "x" * 2_000_000})
        assert bodies(server.requests) == [b"a=" + b"x" * 2_000_000]
        assert b"Content-Length: 2000002\r\n" in server.requests[0]


async def test_nothing_is_sent_behind_our_back() -> None:
    """A connection that drops costs exactly the attempts that were made; bare aiohttp sends a GET twice."""
    async with raw_server(DROP) as server, _client(server.url) as gw:
        with pytest.raises(errors.ConnectionLost) as caught:
            await gw.with_options(retry=Retry.none()).call("GET", "/api/v2/customers")
        assert caught.value.sent
        assert len(server.requests) == gw.stats.attempts == 1
    async with raw_server(DROP) as server, aiohttp.ClientSession() as bare:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await bare.get(server.url)
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (answer(gzip.compress(PAGE)[:-9], "Content-Encoding: gzip"), errors.TruncatedResponse),
        (answer(PAGE, "Connection: close", length=len(PAGE) + 5), errors.TruncatedResponse),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nabc",
            errors.TruncatedResponse,
        ),
        (answer(gzip.compress(b" " * 200_000), "Content-Encoding: gzip"), errors.ResponseTooLarge),
        (answer(b" " * 100_001), errors.ResponseTooLarge),
        (answer(PAGE, "Content-Encoding: gzip"), errors.InvalidResponse),
        (answer(PAGE, "Content-Encoding: br"), errors.InvalidResponse),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", errors.InvalidResponse),
        (answer(b"<html>", status="200 OK"), errors.DecodeError),
        (answer(b"[1]"), errors.DecodeError),
        (answer(b"", status="204 No Content"), errors.DecodeError),
        (answer(b"x", "Location: http://127.0.0.1/x", status="301 Moved"), errors.UnexpectedRedirect),
        (answer(b"<html>", status="503 Unavailable"), errors.ServiceUnavailable),
    ],
)
async def test_an_answer_that_cannot_be_trusted_is_one_of_our_errors(sent: bytes, error: type[Exception]) -> None:
    """Cut, oversized, undecodable or foreign answers: a typed error each, and for a write never a plain one."""
    async with raw_server(sent) as server, _client(server.url) as gw:
        with pytest.raises(error) as caught:
            await _list(gw)
        assert type(caught.value) is error
        server.requests.clear()
        with pytest.raises((errors.OutcomeUnknown, errors.UnexpectedRedirect)) as unknown:
            await gw.call("POST", "/api/v2/customers", form={}, idempotency_key="k1")
        assert len(server.requests) == 1
        if isinstance(unknown.value, errors.OutcomeUnknown):
            assert unknown.value.idempotency_key == "k1"
            assert unknown.value.attempts == 1
            assert unknown.value.likely_done is (b"HTTP/1.1 2" in sent)


@pytest.mark.parametrize("status", ["402 Payment Required", "500 Internal Server Error"])
async def test_a_broken_refusal_is_no_likely_success(status: str) -> None:
    """A cut body behind an error status does not say that the write was probably done."""
    cut = answer(b"{", "Connection: close", status=status, length=50)
    async with raw_server(cut) as server, _client(server.url) as gw:
        with pytest.raises(errors.OutcomeUnknown) as caught:
            await gw.call("POST", "/api/v2/customers", form={})
        assert not caught.value.likely_done


async def test_bare_aiohttp_takes_a_cut_stream_for_whole() -> None:
    """The baseline: aiohttp hands out the part of a cut gzip body that it has, with status 200."""
    cut = answer(gzip.compress(PAGE * 50)[:-9], "Content-Encoding: gzip")
    async with raw_server(cut) as server, aiohttp.ClientSession() as bare:
        got = await (await bare.get(server.url)).read()
        assert 0 < len(got) <= len(PAGE * 50)


async def test_an_unreadable_answer_of_a_typed_write_is_unknown() -> None:
    """A create that was answered 200 with something else may have happened: OutcomeUnknown, likely done."""
    async with raw_server(answer(b'{"customer": 5}')) as server, _client(server.url) as gw:
        with pytest.raises(errors.OutcomeUnknown) as caught:
            await gw.customers.create(first_name="A")
        assert caught.value.likely_done
        with pytest.raises(errors.DecodeError) as read:
            await gw.customers.retrieve("a")
        assert read.value.path == "$.customer"


async def test_a_refused_connection_was_not_sent() -> None:
    """Nothing listens: ConnectFailed after all attempts, for a write as for a read."""
    async with raw_server(answer(b"{}")) as server:
        url = server.url
    async with _client(url) as gw:
        for call in (gw.customers.list(), gw.customers.create(first_name="A")):
            with pytest.raises(errors.ConnectFailed) as caught:
                await call
            assert not caught.value.sent
        assert gw.stats.attempts == 0
        assert gw.stats.retries == 2


async def test_a_name_that_does_not_resolve_was_not_sent() -> None:
    """A failed lookup is ConnectFailed too."""
    settings = attrs.evolve(SETTINGS, gateway_url="https://nowhere.invalid", retry=Retry.none())
    async with Gateway("k", settings=settings) as gw:
        with pytest.raises((errors.ConnectFailed, errors.RequestTimeout)) as caught:
            await _list(gw)
        assert not caught.value.sent


async def test_a_server_without_tls_gets_no_key() -> None:
    """A server behind an https URL that does not speak TLS never sees the key; certificates are always verified."""
    seen: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(4096))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with _client(url, retry=Retry.none()) as gw:
            with pytest.raises(errors.ConnectFailed):
                await _list(gw)
            assert isinstance(gw._transport, Pool)
            assert gw._transport._ssl is not None
            assert gw._transport._ssl.verify_mode is ssl.CERT_REQUIRED
    assert seen
    assert b"sandbox_k" not in b"".join(seen)


async def test_a_body_that_drips_ends_with_the_attempt() -> None:
    """A server that sends a byte now and then cannot hold a call beyond its timeout."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.005)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server, _client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as gw:
        with pytest.raises(errors.RequestTimeout) as caught:
            await gw.call("GET", "/api/v2/customers", timeout=0.1, retry=Retry.none())
        assert caught.value.sent


def test_one_client_lives_through_many_loops() -> None:
    """The same Gateway serves successive asyncio.run calls, each with a session of its own."""

    async def serve(use: Callable[[str], Awaitable[None]]) -> None:
        async with raw_server(answer(PAGE)) as server:
            await use(server.url)

    made: list[Gateway] = []

    async def use(url: str) -> None:
        if not made:
            made.append(_client(url))
        gw = made[0]
        object.__setattr__(gw._caller.settings, "gateway_url", url)
        gw._transport._credentials._prefixes = (url,)  # type: ignore[attr-defined]
        for _ in range(2):
            assert await _list(gw) == {"list": [{"customer": {"id": "a"}}]}
        await gw.aclose()
        await gw.__aenter__()

    for _ in range(3):
        asyncio.run(serve(use))
    assert made[0].stats.calls == 6


async def test_a_cancelled_call_leaves_the_pool_whole() -> None:
    """Cancelling calls whose requests have arrived, and which read their answer, gives everything back."""
    arrived = asyncio.Event()
    served = 0

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                served += 1
                whole = served > 40
                writer.write(answer(PAGE) if whole else answer(PAGE, length=len(PAGE) + 5))
                await writer.drain()
                arrived.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(half, "127.0.0.1", 0)
    async with server, _client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as gw:
        for _ in range(40):
            task = asyncio.ensure_future(_list(gw))
            await arrived.wait()
            arrived.clear()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await _list(gw)
        assert served == gw.stats.attempts == 41
        assert gw._caller.engine._gates._running == 0


async def test_no_key_in_the_frames_of_a_failed_connection() -> None:
    """The cause of a refused connection is kept, without the frames that hold headers."""
    async with raw_server(answer(b"{}")) as server:
        url = server.url
    async with _client(url, retry=Retry.none()) as gw:
        with pytest.raises(errors.ConnectFailed) as caught:
            await _list(gw)
        assert isinstance(caught.value.__cause__, OSError)
        shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
        assert "sandbox_k" not in shown


@pytest.mark.parametrize("bad", [b"HTTP/1.1 banana\r\n\r\n", DROP, answer(b"{", "Connection: close", length=9)])
async def test_nothing_personal_and_no_key_in_a_traceback(bad: bytes) -> None:
    """A failed call's traceback does not show the filter's value, nor its frames' variables the key."""
    email = "@".join(["jane", "example.com"])
    async with raw_server(bad) as server, _client(server.url) as gw:
        with pytest.raises(errors.GatewayClientError) as caught:
            await gw.customers.list(customer.email.is_(email), retry=Retry.none())
        error = caught.value
        plain = "".join(traceback.format_exception(error))
        # Without this test's own frame, whose server has seen the key.
        ours = error.__traceback__.tb_next if error.__traceback__ else None
        shown = "".join(traceback.TracebackException(type(error), error, ours, capture_locals=True).format())
        assert "jane" not in plain
        assert "jane%40" not in plain
        assert "sandbox_k" not in shown
        for holder in (gw, gw.customers.list()):
            with pytest.raises(TypeError):
                pickle.dumps(holder)
        with pytest.raises(errors.GatewayClientError) as untyped:
            await gw.call("GET", f"/api/v2/customers/{email}/contacts", retry=Retry.none())
        assert "jane" not in str(untyped.value)


async def test_a_closing_pool_opens_nothing_behind_its_back() -> None:
    """A call under way may end while the client closes and leaves no session; ten calls load certificates once."""
    settings = attrs.evolve(SETTINGS, gateway_url="https://127.0.0.1:9", control_url="https://127.0.0.1:9")
    async with Gateway("sandbox_k", settings=attrs.evolve(settings, retry=Retry.none())) as gw:
        pool = gw._transport
        assert isinstance(pool, Pool)
        first = asyncio.ensure_future(_list(gw))
        await asyncio.sleep(0)
        await gw.aclose()
        with pytest.raises(errors.ConnectFailed):
            await first
        assert pool._sessions == {}
    copy = gw.using("c-1")
    async with copy:
        with pytest.raises(ConfigurationError):
            await _list(copy)
    async with gw:
        failed = await asyncio.gather(*(_list(gw) for _ in range(10)), return_exceptions=True)
        assert {type(one) for one in failed} == {errors.ConnectFailed}


async def test_keys_and_hosts_are_checked_when_the_client_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, a bad key, a bad URL: ConfigurationError, without showing the key; the environment is read."""
    with pytest.raises(ConfigurationError, match="MATON_API_KEY"):
        Gateway()
    with pytest.raises(ConfigurationError) as caught:
        Gateway("two words")
    assert "two words" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="gateway_url"):
        Gateway("k", settings=Settings(gateway_url="http://gateway.example"))
    with pytest.raises(ConfigurationError, match="Settings"):
        Gateway("k", settings={})  # type: ignore[arg-type]
    monkeypatch.setenv("MATON_API_KEY", "from_env")
    monkeypatch.setenv("MATON_CONNECTION", "c-1")
    monkeypatch.setenv("AIOCHARGEBEE_GW_GATEWAY_URL", "https://other.example/")
    gw = Gateway()
    assert gw.settings.gateway_url == "https://other.example"
    assert gw.settings.control_url == "https://ctrl.maton.ai"
    assert gw._caller.options.connection == "c-1"
    assert "from_env" not in repr(gw) + repr(gw._caller) + repr(vars(gw))


async def test_a_download_that_breaks_leaves_no_file(tmp_path: Path) -> None:
    """A file that ends early, is too large for memory or never comes is an error, and nothing stays on the disk."""
    cut = answer(b"x" * 10, "Connection: close", length=50)
    async with raw_server(cut) as server, _client(server.url) as gw:
        with pytest.raises(errors.TruncatedResponse):
            await gw.download(server.url, to=tmp_path / "file")
        assert b"uthorization" not in server.requests[0]
    for odd in (answer(b"x", "Content-Encoding: gzip"), b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nx"):
        async with raw_server(odd) as server, _client(server.url) as gw:
            with pytest.raises(errors.InvalidResponse):
                await gw.download(server.url, to=tmp_path / "file")
    async with raw_server(answer(b"x" * 100_001)) as server, _client(server.url) as gw:
        with pytest.raises(errors.ResponseTooLarge):
            await gw.download(server.url)
        kept = await gw.download(server.url, to=tmp_path / "whole")
        assert kept.stat().st_size == 100_001
        assert kept.stat().st_mode & 0o077 == 0
        kept.unlink()
        with pytest.raises(FileNotFoundError):
            await gw.download(server.url, to=tmp_path / "nowhere" / "file")
    async with _client(server.url) as gw:
        with pytest.raises(errors.ConnectFailed):
            await gw.download(server.url, to=tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
