"""Where bytes may go: to the configured host, whatever an answer or the environment says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from aiochargebee_gw import Gateway, errors
from tests.baselines import containment_redirects as naive

from .clients import client
from .scripted import CLOSE, Scripted, answer, scripted

pytestmark = pytest.mark.anyio

CANARIES = (b"sandbox_canary_key", b"canary-connection", b"canary-idempotency", b"canary-body", b"canary-header")

# Statuses and where they point: {foreign} is another listener, {own} this one.
STATUSES = (
    "300 Multiple Choices", "301 Moved Permanently", "302 Found", "303 See Other", "304 Not Modified", "305 Use Proxy",
    "306 Switch Proxy", "307 Temporary Redirect", "308 Permanent Redirect", "399 Whatever",
)  # fmt: skip
PLACES = (
    "Location: http://{foreign}/x", "Location: //{foreign}/x", "Location: /\\{foreign}/x",
    "Location: http://{own}@{foreign}/x", "Location: http://user:pass@{foreign}/x", "Location: HTTP://{foreign}",
    "Location: /chargebee/../../x", "Location: http://{own}/elsewhere", "Location:", "Location: http://[",
    "Location: \thttp://{foreign}/a b", "Location: http://{foreign}/\r\nX-Injected: 1",
)  # fmt: skip
HINTS = (
    "Refresh: 0; url=http://{foreign}/x", "Content-Location: http://{foreign}/x", 'Alt-Svc: http/1.1="{foreign}"',
    "Link: <http://{foreign}/x>; rel=preload", "Proxy-Authenticate: Basic", "Location: http://{foreign}/x",
)  # fmt: skip
REDIRECTS = [
    *((status, "Location: http://{foreign}/x") for status in STATUSES),
    *(("307 Temporary Redirect", place) for place in PLACES),
    *(("308 Permanent Redirect", place) for place in PLACES[:4]),
    *(("200 OK", hint) for hint in HINTS),
    ("401 Unauthorized", "Location: http://{foreign}/x"),
    ("407 Proxy Authentication Required", "Proxy-Authenticate: Basic"),
    ("503 Unavailable", "Refresh: 0; url=http://{foreign}/x"),
]


async def _get(gw: Gateway) -> None:
    await gw.call("GET", "/api/v2/customers", query={"q": "canary-body"}, headers={"x-canary": "canary-header"})


async def _post(gw: Gateway) -> None:
    await gw.call(
        "POST",
        "/api/v2/customers",
        form={"canary-body": "1"},
        idempotency_key="canary-idempotency",
        headers={"x-canary": "canary-header"},
    )


async def _delete(gw: Gateway) -> None:
    await gw.connections.delete("canary-connection")


async def _stream(gw: Gateway) -> None:
    async for _ in gw.customers.list():
        pass


async def _download(gw: Gateway) -> None:
    await gw.download(f"{gw.settings.gateway_url}/file?token=canary-body")


VERBS: dict[str, Callable[[Gateway], Awaitable[None]]] = {
    "GET": _get, "POST": _post, "DELETE": _delete, "stream": _stream, "download": _download,
}  # fmt: skip
VARIABLES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "ws_proxy")


def _host(server: Scripted) -> str:
    return server.url.removeprefix("http://")


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Scripted], None]:
    """Makes the environment name a listener as the proxy of everything."""

    def make(foreign: Scripted) -> None:
        for name in VARIABLES:
            monkeypatch.setenv(name, foreign.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)

    return make


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A ~/.netrc with a login for this machine."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login netrc-login password netrc-password\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))


def _redirecting(status: str, header: str, foreign: Scripted, own: list[Scripted]) -> Callable[[bytes], bytes]:
    def script(_: bytes) -> bytes:
        shown = header.format(foreign=_host(foreign), own=_host(own[0]))
        # A 304 has no body: with one, it is no HTTP.
        return answer(b"" if status.startswith("304") else b"{}", shown, status=status)

    return script


def test_the_redirects_are_as_many_as_promised() -> None:
    """Thirty and more, each by five verbs."""
    assert len(set(REDIRECTS)) >= 30
    assert len(VERBS) == 5


async def _ended(call: Awaitable[None]) -> errors.GatewayClientError | None:
    try:
        await call
    except errors.GatewayClientError as error:
        return error
    return None


def _is_right(verb: str, status: str, error: errors.GatewayClientError | None) -> bool:
    if status.startswith("200") or error is None:
        # What a list or a file makes of "{}" is not the matter here.
        return status.startswith("200")
    refused = errors.InvalidResponse if verb == "download" else errors.UnexpectedRedirect | errors.OutcomeUnknown
    return isinstance(error, refused) or not status.startswith("3")


@pytest.mark.usefixtures("logins")
@pytest.mark.parametrize("verb", VERBS)
async def test_no_byte_follows_a_redirect_or_a_proxy(verb: str, hostile: Callable[[Scripted], None]) -> None:
    """Redirects and hints of every form, with proxies in the environment: nobody else is so much as connected to, a
    3xx is refused by name, and only the host that was asked ever sees a canary."""
    async with scripted(answer()) as foreign:
        hostile(foreign)
        for status, header in REDIRECTS:
            own: list[Scripted] = []
            async with scripted(_redirecting(status, header, foreign, own)) as server:
                own.append(server)
                gw = Gateway("sandbox_canary_key", connection="canary-connection", settings=client(server.url).settings)
                async with gw:
                    assert _is_right(verb, status, await _ended(VERBS[verb](gw))), (status, header)
                assert server.requests
                assert all(b" /elsewhere" not in request and b" /x" not in request for request in server.requests)
                assert b"netrc" not in server.heard
        assert (foreign.connections, bytes(foreign.heard)) == (0, b"")


async def test_a_download_carries_nothing_of_ours() -> None:
    """A file's host sees neither key nor connection nor the caller's headers."""
    async with scripted(answer(b"file")) as server:
        gw = Gateway("sandbox_canary_key", connection="canary-connection", settings=client(server.url).settings)
        async with gw.with_options(headers={"x-canary": "canary-header"}) as copy:
            assert await copy.download(f"{server.url}/f") == b"file"
        await gw.aclose()
        assert not any(canary in server.heard for canary in CANARIES)


async def test_a_link_to_another_scheme_is_refused() -> None:
    """A download goes over https, or to this machine: file, data, ftp, plain http and nonsense are RequestErrors."""
    async with client("http://127.0.0.1:9") as gw:
        for link in (
            "file:///etc/passwd", "http://example.com/x", "ftp://127.0.0.1/x", "data:text/plain,x", "//127.0.0.1/x",
            "http://127.0.0.1@example.com/", "http://[", "", "javascript:alert(1)", "http://127.0.0.1.example.com/",
            "http://2130706433.example/", "unix:///run/x",
        ):  # fmt: skip
            with pytest.raises(errors.RequestError):
                await gw.download(link)


async def test_bare_aiohttp_hands_the_canaries_on(hostile: Callable[[Scripted], None]) -> None:
    """The baseline: aiohttp follows a 307 to another host with the connection id, the idempotency key and the body;
    with the environment trusted, whoever set a variable sees the key as well."""
    headers = {
        "Authorization": "Bearer sandbox_canary_key",
        "Maton-Connection": "canary-connection",
        "chargebee-idempotency-key": "canary-idempotency",
    }
    async with scripted(lambda _: [answer(), CLOSE]) as foreign:
        redirect = answer(b"", f"Location: {foreign.url}/x", status="307 Temporary Redirect")
        async with scripted(redirect) as server:
            await naive.send("POST", server.url, headers, b"canary-body")
            # Another port of the same host is another origin: aiohttp leaves the key behind, and nothing else.
            assert [canary in foreign.heard for canary in CANARIES[:4]] == [False, True, True, True]
            foreign.heard.clear()
            hostile(foreign)
            await naive.send("POST", server.url, headers, b"canary-body", trust_env=True)
            assert all(canary in foreign.heard for canary in CANARIES[:4])
