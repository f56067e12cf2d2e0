"""stdout for data, stderr for everything else. A reader that stalls does not keep a signal from ending the command."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ..export._lines import line
from ..export._stream import write_all

__all__ = ["STDOUT", "dump", "emit", "emit_document", "emit_text", "has_terminal", "interrupt", "is_stuck", "say"]


class _Writing:
    """Who is inside of a write: the main thread can be thrown out of it by a signal, others can only be left behind."""

    def __init__(self) -> None:
        self._threads: set[int] = set()
        self._interrupted = self._broken = False

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        me = threading.get_ident()
        self._threads.add(me)
        try:
            yield
        finally:
            self._threads.discard(me)

    def interrupt(self) -> None:
        self._interrupted = True
        if threading.get_ident() in self._threads:
            self._broken = True
            raise asyncio.CancelledError

    @property
    def is_stuck(self) -> bool:
        # What was broken off is still in a buffer, for which the interpreter would wait.
        return self._broken or (self._interrupted and bool(self._threads))


_writing = _Writing()


def interrupt() -> None:
    """To be called by a signal's handler. Raises `CancelledError` when the signal came in the middle of a write."""
    _writing.interrupt()


def is_stuck() -> bool:
    """Whether a signal came and a write will never end."""
    return _writing.is_stuck


class _Stdout:
    """stdout as a binary stream."""

    def write(self, data: bytes, /) -> None:
        with _writing.noted():
            write_all(sys.stdout.buffer, data)

    def flush(self) -> None:
        with _writing.noted():
            sys.stdout.buffer.flush()


STDOUT = _Stdout()


def say(text: str) -> None:
    """A line for the person, on stderr."""
    with _writing.noted():
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def emit(lines: Iterable[bytes]) -> None:
    """Lines of data, on stdout, at once."""
    data = b"".join(line + b"\n" for line in lines)
    with _writing.noted():
        sys.stdout.flush()
        write_all(sys.stdout.buffer, data)
        sys.stdout.buffer.flush()


def emit_text(text: str) -> None:
    """A text for the person, on stdout."""
    with _writing.noted():
        sys.stdout.write(text)
        sys.stdout.flush()


def emit_document(document: bytes, *, as_json: bool) -> None:
    """A JSON document on stdout: indented for a person at a terminal, else on one line."""
    indent = 2 if sys.stdout.isatty() and not as_json else -1
    try:
        emit([msgspec.json.format(document, indent=indent)])
    except msgspec.DecodeError:  # half of a surrogate pair: it stays as the server wrote it
        emit([line(document)])


def dump(value: Any) -> bytes:
    """*value* as JSON on one line."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can spell
        return json.dumps(value, separators=(",", ":")).encode()


def has_terminal() -> bool:
    """Whether stderr is a terminal that can redraw a line."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
