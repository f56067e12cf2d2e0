"""Where a request goes. The Maton key opens every app of its account, so no path may leave `/chargebee/api/v2/`.

An id is percent-encoded whole and refused when it holds a `.` or `..` segment, also once decoded: proxies normalise
such paths. Origins are https; http is spoken to this machine alone.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, unquote, urlsplit

from ..errors import ConfigurationError, RequestError
from ..settings import Secret

__all__ = ["API_PREFIX", "check_key", "check_path", "fill", "is_loopback", "origin"]

API_PREFIX = "/api/v2/"
_MAX_ID = 100
_PLAIN = re.compile(rf"[A-Za-z0-9_-]{{1,{_MAX_ID}}}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PATH = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*\Z")


def origin(url: str, name: str) -> str:
    """*url* as `scheme://host[:port]`. Raises `ConfigurationError` naming the setting for anything else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except (ValueError, AttributeError, TypeError):
        raise ConfigurationError(f"{name} is not a URL") from None
    if not host or parts.scheme not in ("https", "http") or parts.username or parts.password:
        raise ConfigurationError(f"{name} must be an origin such as https://gateway.maton.ai")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigurationError(f"{name} must be an origin without a path, a query or a fragment")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(f"{name} must be https: plain http is spoken to this machine alone")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" if port is None else f"{parts.scheme}://{shown}:{port}"


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine: `localhost`, 127.0.0.0/8 or ::1."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_key(key: Secret, *origins: str) -> None:
    """Refuse a key that is malformed, a real one over http, or a sandbox's one for another machine; never show it."""
    # No frame of ours that an error passes through has the bare key in a variable: a traceback may show them.
    if problem := _problem(key.reveal(), origins):
        raise ConfigurationError(problem)


def _problem(key: str, origins: tuple[str, ...]) -> str | None:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        return "the API key is empty or holds characters that a header cannot carry"
    for given in origins:
        if given.startswith("http:") and not key.startswith("sandbox_"):
            return "a real API key is not sent over plain http; sandbox keys start with sandbox_"
        if key.startswith("sandbox_") and not is_loopback(urlsplit(given).hostname or ""):
            return "this is a sandbox key, and the URL is not one of this machine"
    return None


def fill(template: str, id: str | None) -> str:
    """The path of an operation with its id. Raises `RequestError` for an id that could leave the template."""
    if "{id}" not in template:
        return template
    # Nearly every id needs neither a closer look nor encoding.
    plain = isinstance(id, str) and _PLAIN.match(id) is not None
    return template.replace("{id}", str(id) if plain else quote(_checked(id), safe=""))


def _checked(id: object) -> str:
    if not isinstance(id, str):
        raise RequestError(f"the id must be a string, not {type(id).__name__}", field="id", given=type(id).__name__)
    if not id or len(id) > _MAX_ID:
        raise RequestError(f"the id must have 1 to {_MAX_ID} characters, this one has {len(id)}", field="id")
    if _CONTROL.search(id) or _leaves(id):
        raise RequestError("the id holds a control character or a '.' or '..' segment", field="id")
    try:
        id.encode()
    except UnicodeEncodeError:
        raise RequestError("the id holds a lone surrogate", field="id") from None
    return id


def _leaves(text: str) -> bool:
    """Whether a proxy that decodes once more could read a dot segment or a control character into *text*."""
    seen = text
    for _ in range(3):
        if any(segment in (".", "..") for segment in re.split(r"[/\\;]", seen)) or _CONTROL.search(seen):
            return True
        if (decoded := unquote(seen)) == seen:
            return False
        seen = decoded
    return True


def check_path(path: str) -> str:
    """The path of an untyped call: below `/api/v2/`, no query, no dot segments. Raises `RequestError`."""
    usable = isinstance(path, str) and not set(path) & set("?#")
    encoded = quote(path, safe="/%:@-._~!$&'()*+,;=") if usable else ""
    if not encoded.startswith(API_PREFIX) or not _PATH.match(encoded) or "//" in encoded or _leaves(encoded):
        raise RequestError(
            "the path must begin with /api/v2/ and hold no query, no empty and no '.' or '..' segment",
            field="path",
        )
    return encoded
