"""Who may post: only the endpoint's user and password, and no header makes anything raise."""

from __future__ import annotations

import base64
import binascii
from random import Random

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict

from aiochargebee_gw import ConfigurationError
from aiochargebee_gw.settings import Secret
from aiochargebee_gw.webhooks import Credentials, WebhookReceiver

from .parts import GOOD, PASSWORD, USER, Recorder, basic, event_body, receiver, serving

ODD = (
    "", "Basic", "Basic ", "Basic Og==", "basic", "Bearer x", GOOD[6:], f"Bearer {GOOD[6:]}", f"Digest {GOOD[6:]}",
    f"{GOOD}x", f"{GOOD}=", f"Basic  x{GOOD[6:]}", "Basic %%%", "Basic é", "Basic w6nDqTrDqQ==", f"{GOOD}, {GOOD}",
    basic(USER, ""), basic("", PASSWORD), basic("", ""), basic(PASSWORD, USER), basic(USER.upper(), PASSWORD),
    basic(USER, PASSWORD + "\0"), basic(USER + "\0", PASSWORD), basic(USER, PASSWORD[:-1]), basic(USER, f" {PASSWORD}"),
    basic(USER, "x" * 4000), basic("é" * 1000, PASSWORD), basic(f"{USER}:{PASSWORD}", ""),
    "Basic " + base64.b64encode(f"{USER}{PASSWORD}".encode()).decode(),
    "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode("latin-1")).decode(),
    "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode("utf-16")).decode(),
    "Basic " + base64.urlsafe_b64encode(b"\xff\xfe\xfd:\xff\xff").decode(),
)  # fmt: skip


def forged(count: int) -> list[str]:
    """Headers that must not pass: odd ones, bytes that are no text, and the right ones with one bit turned."""
    random = Random(25)
    good = base64.b64decode(GOOD[6:])
    found = list(ODD)
    while len(found) < count:
        if random.random() < 0.5:
            secret = random.randbytes(random.randrange(1, 60))
        else:
            at = random.randrange(len(good))
            secret = good[:at] + bytes([good[at] ^ 1 << random.randrange(8)]) + good[at + 1 :]
        found.append("Basic " + base64.b64encode(secret).decode())
    return found[:count]


async def statuses(url: str, headers: list[str]) -> list[int]:
    """What the server answers to an event under each header."""
    found = []
    async with aiohttp.ClientSession() as session:
        for header in headers:
            async with session.post(url, data=event_body(), headers={"Authorization": header}) as response:
                found.append(response.status)
                assert response.status != 401 or await response.read() == b""
    return found


@pytest.mark.anyio
async def test_five_hundred_forgeries_are_refused() -> None:
    """500 of 500 are 401 without a body, none an exception; the right ones are let in before and after."""
    handle = Recorder()
    async with serving(receiver(handle).handler) as url:
        assert await statuses(url, [GOOD]) == [200]
        assert set(await statuses(url, forged(500))) == {401}
        async with aiohttp.ClientSession() as session:
            twice = CIMultiDict([("Authorization", GOOD), ("Authorization", GOOD)])
            async with session.post(url, data=event_body(), headers=twice) as response:
                assert response.status == 401
            async with session.post(url, data=event_body()) as response:
                assert (response.status, response.headers["WWW-Authenticate"][:6]) == (401, "Basic ")
        assert await statuses(url, [GOOD, GOOD.replace("Basic", "bAsIC")]) == [200, 200]
    assert handle.ids == ["ev_1"]


@pytest.mark.anyio
async def test_comparing_text_breaks_on_forgeries() -> None:
    """Baseline: a handler that decodes the header to text and compares with `==` answers forgeries with exceptions."""
    broken = 0

    async def naive(request: web.Request) -> web.Response:
        nonlocal broken
        try:
            encoded = request.headers["Authorization"].split(" ")[1]
            user, password = base64.b64decode(encoded).decode().split(":")
        except (IndexError, ValueError, binascii.Error):
            broken += 1
            return web.Response(status=500)
        return web.Response(status=200 if user == USER and password == PASSWORD else 401)

    async with serving(naive) as url:
        found = await statuses(url, forged(500))
    assert broken > 100
    assert 200 in found, "what is no base64 is skipped over, and another scheme passes"


def test_credentials_match_bytes() -> None:
    """Text beyond ASCII is no obstacle, secrets are taken as such, and nothing shows them."""
    ours = Credentials(Secret(USER), Secret(PASSWORD))
    assert ours.match([GOOD])
    assert not any(ours.match([header]) for header in forged(500))
    assert not ours.match([])
    assert PASSWORD not in repr(ours) + repr(vars(WebhookReceiver))


@pytest.mark.parametrize(("user", "password"), [("", "x"), ("x", ""), ("a:b", "x"), ("x", "\ud800"), (3, "x")])
def test_unusable_credentials_are_refused_at_once(user: str, password: str) -> None:
    """An empty secret would let everybody in; a colon cannot be told from the one between the two."""
    with pytest.raises(ConfigurationError):
        Credentials(user, password)
