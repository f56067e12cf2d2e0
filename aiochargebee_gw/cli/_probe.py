"""What `doctor` looks at outside of the client: the gateway's clock, and what is installed."""

from __future__ import annotations

import http.client
import importlib.metadata
import importlib.util
import platform
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from .._version import __version__

__all__ = ["accelerators", "skew", "versions"]

_TIMEOUT_SECONDS = 10.0


def skew(origin: str) -> float | None:
    """Seconds by which the server's clock is ahead of ours, by its `Date`; None where it sends none.

    One HEAD request without any credential. It waits: call it off the loop. Raises `OSError` when there is no answer.
    """
    parts = urlsplit(origin)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    try:
        began = time.time()
        connection.request("HEAD", "/")
        told = connection.getresponse().getheader("Date")
        ours = (began + time.time()) / 2
    except http.client.HTTPException as error:
        raise OSError("the answer is not HTTP") from error
    finally:
        connection.close()
    return None if told is None else _seconds(told, ours)


def _seconds(told: str, ours: float) -> float | None:
    try:
        # The header is cut to whole seconds.
        return parsedate_to_datetime(told).timestamp() + 0.5 - ours
    except ValueError:
        return None


def versions() -> str:
    """Ours, Python's, and those of what does the work."""
    others = ("aiohttp", "msgspec", "attrs", "cattrs", "anyio")
    told = (f"{name} {importlib.metadata.version(name)}" for name in others)
    return ", ".join((f"aiochargebee-gw {__version__}", f"Python {platform.python_version()}", *told))


def accelerators() -> str:
    """Which of the optional faster parts are installed."""
    names = ("isal", "uvloop")
    there = [name for name in names if importlib.util.find_spec(name) is not None]
    if len(there) == len(names):
        return "isal and uvloop are installed"
    missing = ", ".join(name for name in names if name not in there)
    return f"not installed, optional: {missing} (pip install 'aiochargebee-gw[speed]')"
