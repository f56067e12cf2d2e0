"""stdout for data, stderr for everything else."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

import msgspec

__all__ = ["dump", "emit", "emit_document", "has_terminal", "say"]


def say(text: str) -> None:
    """A line for the person, on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def emit(lines: Iterable[bytes]) -> None:
    """Lines of data, on stdout, at once."""
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines))
    sys.stdout.buffer.flush()


def emit_document(document: bytes, *, as_json: bool) -> None:
    """A JSON document on stdout: indented for a person at a terminal, else on one line."""
    indent = 2 if sys.stdout.isatty() and not as_json else -1
    emit([msgspec.json.format(document, indent=indent)])


def dump(value: Any) -> bytes:
    """*value* as JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def has_terminal() -> bool:
    """Whether stderr is a terminal that can redraw a line."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
