"""HTTP Basic credentials of a webhook, compared in constant time.

Chargebee signs nothing: the user and the password of the endpoint are all that tells its requests from others (its
documentation of webhooks). `hmac.compare_digest` raises `TypeError` for text beyond ASCII, so bytes are compared, and
their digests, for it also ends early where the lengths differ.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from ..errors import ConfigurationError
from ..settings import Secret

__all__ = ["Credentials"]


class Credentials:
    """The user and password that a request must show. Neither can be read from it."""

    __slots__ = ("_password", "_user")

    def __init__(self, user: str | Secret, password: str | Secret) -> None:
        """Raises `ConfigurationError` for an empty user or password, and for a user with a colon (RFC 7617)."""
        self._user = _digest(_bytes(user, "user"))
        self._password = _digest(_bytes(password, "password"))
        if ":" in (user.reveal() if isinstance(user, Secret) else user):
            raise ConfigurationError("the user of a webhook must not hold a colon")

    def match(self, headers: Sequence[str]) -> bool:
        """Whether the values of `Authorization` are one, well-formed, and ours. Never raises; takes as long for a wrong
        user as for a wrong password."""
        given = _decoded(headers[0]) if len(headers) == 1 else None
        user, colon, password = (given or b"").partition(b":")
        same_user = hmac.compare_digest(_digest(user), self._user)
        same_password = hmac.compare_digest(_digest(password), self._password)
        return (given is not None) & bool(colon) & same_user & same_password

    def __repr__(self) -> str:
        return "<Credentials>"


def _bytes(value: str | Secret, name: str) -> bytes:
    text = value.reveal() if isinstance(value, Secret) else value
    if not isinstance(text, str) or not text:
        raise ConfigurationError(f"a webhook needs a {name}: a text that is not empty")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"the {name} of a webhook holds a lone surrogate") from None


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


def _decoded(header: str) -> bytes | None:
    scheme, _, encoded = header.strip(" \t").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip(" ").encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        return None
