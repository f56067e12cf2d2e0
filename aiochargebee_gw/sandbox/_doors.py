"""The doors of the sandbox, without a socket: a call at a door goes in, an answer comes out.

gateway ``/chargebee/api/v2/...`` (Bearer key) · control ``/connections...`` (Bearer key) · site ``/api/v2/...``
(HTTP Basic: the key as user, an empty password) · page ``/connect``, ``/pages``, ``/portal`` · file ``/downloads`` ·
console ``/_sandbox``, which the edge answers.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from attrs import define

from aiochargebee_gw.sandbox import _pages
from aiochargebee_gw.sandbox._account import Account
from aiochargebee_gw.sandbox._documents import served
from aiochargebee_gw.sandbox._form import body_pairs, first_values
from aiochargebee_gw.sandbox._idempotency import HEADER
from aiochargebee_gw.sandbox._json import decode_object
from aiochargebee_gw.sandbox._messages import Answer, Call
from aiochargebee_gw.sandbox._problems import bad_key, gateway_error, no_such_call, wrong_verb
from aiochargebee_gw.sandbox._site import Site
from aiochargebee_gw.sandbox._window import Window

_DOORS = (
    ("/chargebee/api/v2/", "gateway"),
    ("/chargebee/", "gateway"),
    ("/connections/", "control"),
    ("/api/v2/", "site"),
    ("/connect/", "page"),
    ("/pages/", "page"),
    ("/portal/", "page"),
    ("/downloads/", "file"),
    ("/_sandbox/", "console"),
)


def door_of(path: str) -> str:
    """The door that a raw path leads to; ``none`` for any other path."""
    return next((door for prefix, door in _DOORS if f"{path}/".startswith(prefix)), "none")


def make_call(method: str, raw_path: str, headers: Mapping[str, str], body: bytes, native: str) -> Call:
    """A call from what came in; each part of the path is decoded on its own, so an id may hold ``%2F``."""
    query = _text(raw_path.partition("?")[2])
    native = _text(native)
    segments = tuple(unquote(part) for part in native.strip("/").split("/"))
    return Call(method, native, segments, query, headers, body, headers.get(HEADER))


def _text(raw: str) -> str:
    # Bytes above ASCII that were not percent-encoded arrive as lone surrogates.
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@define
class Doors:
    """Who may come in, and which site answers. ``host`` is the only ``Host`` header that is let in."""

    account: Account
    primary: Callable[[], Site]
    host: Callable[[], str]
    window: Window | None

    def stranger(self, call: Call) -> Answer | None:
        """The answer to a call under another host name, as a page from elsewhere would make it."""
        if call.headers.get("Host", "").lower() != self.host():
            return gateway_error(421, "This host name is not the sandbox's own.")
        return None

    def answer(self, door: str, call: Call) -> Answer:
        """Answer a call at a door."""
        if (refused := self.stranger(call)) is not None:
            return refused
        if call.oversized and door in ("page", "file", "none"):
            return gateway_error(413, "The request is too large.")
        match door:
            case "gateway":
                return self._gateway(call)
            case "control":
                return self.account.answer(call) if self._has_key(call) else _no_key()
            case "site":
                return self._site(call)
            case "page":
                return self._page(call)
            case "file":
                return self._file(call)
        return gateway_error(404, "Not found.")

    def _gateway(self, call: Call) -> Answer:
        if not self._has_key(call):
            return _no_key()
        if self.window is not None and self.window.admit(self.account.now()) > 0:
            return gateway_error(429, "Too many requests.", {"Retry-After": "1"})
        chosen = self.account.choose(call.headers.get("Maton-Connection"))
        if isinstance(chosen, Answer):
            return chosen
        if call.path.startswith("/chargebee"):
            return no_such_call(call.path).answer()
        return self.account.site(chosen).answer(call)

    def _has_key(self, call: Call) -> bool:
        scheme, _, key = call.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self._same(key.strip())

    def _same(self, key: str) -> bool:
        return secrets.compare_digest(key.encode("utf-8", "surrogateescape"), self.account.api_key.encode())

    def _site(self, call: Call) -> Answer:
        scheme, _, encoded = call.headers.get("Authorization", "").partition(" ")
        try:
            user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return bad_key().answer()
        if scheme.lower() != "basic" or not colon or password or not self._same(user):
            return bad_key().answer()
        return self.primary().answer(call)

    def _page(self, call: Call) -> Answer:
        match call.method, call.segments:
            case "GET", ("connect",):
                token = first_values(call.query).get("session_token", "")
                return _pages.ask(token) if self.account.by_token(token) else _pages.no_session()
            case "POST", ("connect",):
                return self._authorize(call)
            case "GET", ("pages", "v3", id):
                return self._hosted(id)
            case "GET", ("portal", *_):
                return _pages.hosted("portal", "created")
        return wrong_verb(call.method).answer() if call.method != "GET" else _pages.gone()

    def _authorize(self, call: Call) -> Answer:
        origin = call.headers.get("Origin")
        if origin is not None and origin != self.account.origin():
            return _pages.refused()
        token = dict(body_pairs(call.body)).get("session_token", "")
        return _pages.connected() if self.account.authorize(token) else _pages.no_session()

    def _hosted(self, id: str) -> Answer:
        for site in self._sites():
            text = site.desk.store.text("hosted_page", id)
            if text is not None:
                page = decode_object(text)
                return _pages.hosted(page["type"], page["state"])
        return _pages.gone()

    def _file(self, call: Call) -> Answer:
        match call.method, call.segments:
            case "GET", ("downloads", token, _):
                return self._download(token)
            case "GET", _:
                return _pages.gone()
        return wrong_verb(call.method).answer()

    def _download(self, token: str) -> Answer:
        for site in self._sites():
            found = site.desk.downloads.get(token)
            if found is not None and found.valid_till >= site.desk.now():
                answer = served(site.desk, found)
                if answer is not None:
                    return answer
        return _pages.gone()

    def _sites(self) -> list[Site]:
        return [self.primary(), *self.account.sites.values()]


def _no_key() -> Answer:
    return gateway_error(401, "Missing or invalid API key.")
