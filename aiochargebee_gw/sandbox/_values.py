"""Pure readers of parameter values: numbers, timestamps, booleans and the three spellings of a list.

Lists arrive as JSON (``["a","b"]``), unquoted (``[a,b]``, the Java SDK's way) or as a Python ``repr``
(``['a', "it's"]``, the Python SDK's way); all three are answered by the live API
(https://github.com/chargebee/chargebee-node/issues/51).
"""

from __future__ import annotations

import json
import re

_QUOTED = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*(,|\Z)""", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_CONTROL = {"n": "\n", "r": "\r", "t": "\t"}
_INTEGER = re.compile(r"-?\d{1,18}\Z", re.ASCII)
_TIMESTAMP = re.compile(r"\d{1,10}\Z", re.ASCII)


def integer(text: str) -> int:
    """A whole number; raises ``ValueError``."""
    if not _INTEGER.match(text):
        raise ValueError("must be a whole number")
    return int(text)


def timestamp(text: str) -> int:
    """Unix seconds, at most ten digits; raises ``ValueError``."""
    if not _TIMESTAMP.match(text):
        raise ValueError("must be a Unix timestamp in seconds")
    return int(text)


def boolean(text: str) -> bool:
    """``true`` or ``false`` in any case (a Singer tap sends ``True``); raises ``ValueError``."""
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise ValueError("must be true or false")
    return lowered == "true"


def items(text: str) -> list[str]:
    """The members of a list value in any of the three spellings; raises ``ValueError`` without brackets."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]") and len(text) >= 2):
        raise ValueError('must be a list such as ["a","b"]')
    inner = text[1:-1]
    if not inner.strip():
        raise ValueError("must not be empty")
    found = _json_items(text)
    if found is None:
        found = _repr_items(inner)
    if found is None:
        return [part.strip() for part in inner.split(",")]
    # A lone surrogate is no text; encoding raises UnicodeEncodeError, which is a ValueError.
    "".join(found).encode()
    return found


def pair(text: str) -> tuple[str, str]:
    """The two ends of a ``between`` value; raises ``ValueError``."""
    found = items(text)
    if len(found) != 2:
        raise ValueError("must be a list of two values")
    return found[0], found[1]


def _json_items(text: str) -> list[str] | None:
    try:
        # Numbers stay the text they were: [1.50] and [007] are ids, not values.
        found = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return found if all(isinstance(item, str) for item in found) else None


def _repr_items(inner: str) -> list[str] | None:
    found: list[str] = []
    at = 0
    while True:
        match = _QUOTED.match(inner, at)
        if match is None:
            return None
        found.append(_ESCAPE.sub(_unescape, match[1] if match[1] is not None else match[2]))
        at = match.end()
        if match[3] == "":
            return found


def _unescape(match: re.Match[str]) -> str:
    body = match[1]
    if len(body) > 1:
        code = int(body[1:], 16)
        return chr(code) if code <= 0x10FFFF else match[0]
    return _CONTROL.get(body, body)
