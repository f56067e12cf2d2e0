"""The key, and the only function that puts it into a request."""

from __future__ import annotations

import attrs

from .._wire.message import Response
from ..errors import ConfigurationError
from ..settings import Secret

__all__ = ["Credentials"]

_STARS = "**********"


class Credentials:
    """A key for the origins it may go to. Nothing of it is shown, and nothing keeps the header it makes."""

    __slots__ = ("_key", "_prefixes")

    def __init__(self, key: Secret, *prefixes: str) -> None:
        self._key = key
        self._prefixes = prefixes

    def header(self, url: str) -> dict[str, str]:
        """`Authorization` for *url*. Raises `ConfigurationError` for a URL that is not below one of the prefixes."""
        if not url.startswith(self._prefixes):
            raise ConfigurationError("a request was about to carry the key to another place")
        return {"Authorization": f"Bearer {self._key.reveal()}"}

    def without_key(self, answer: Response) -> Response:
        """*answer*, with stars where an error page quotes the key: errors keep answers, are logged and pickled."""
        if answer.status < 400:
            return answer
        key = self._key.reveal()
        headers = {name: value.replace(key, _STARS) for name, value in answer.headers.items()}
        return attrs.evolve(answer, headers=headers, body=answer.body.replace(key.encode(), _STARS.encode()))
