"""Reading what clients send: query strings, form bodies and their brackets.

Chargebee's keys are ``a``, ``a[i]``, ``a[b]`` and, field first, ``a[b][i]``; nothing nests deeper. Written
apart from the client's encoder, so that the two cannot share a mistake.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")
_PART = re.compile(r"\[([^\[\]]*)\]")

Pair = tuple[str, str]


def pairs(text: str) -> list[Pair]:
    """Decoded ``(key, value)`` pairs of a query string or form body, in order; blank values stay."""
    found: list[Pair] = []
    for piece in text.split("&"):
        if piece:
            key, _, value = piece.partition("=")
            found.append((unquote_plus(key), unquote_plus(value)))
    return found


def body_pairs(body: bytes) -> list[Pair]:
    """The pairs of a form body; bytes that are not UTF-8 become replacement characters."""
    return pairs(body.decode("utf-8", "replace"))


def split_key(key: str) -> tuple[str, ...]:
    """``a[b][0]`` gives ``("a", "b", "0")``; a key with unbalanced brackets stays whole."""
    match = _KEY.match(key)
    if match is None:
        return (key,)
    return (match[1], *_PART.findall(match[2]))


def first_values(query: str) -> dict[str, str]:
    """Each key once; the first value counts, as a servlet's ``getParameter`` has it."""
    values: dict[str, str] = {}
    for key, value in pairs(query):
        values.setdefault(key, value)
    return values
