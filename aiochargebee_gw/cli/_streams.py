"""The three standard streams as a command needs them: there, and able to show any text."""

from __future__ import annotations

import contextlib
import io
import os
import sys

__all__ = ["let_go", "prepare"]

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def prepare() -> None:
    """Open `/dev/null` in the place of streams that are closed, and let stdout replace what it cannot spell.

    A socket or a file that took a closed stream's number would get what is meant for the person; uvloop aborts on it.
    """
    for number in range(len(_STREAMS)):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free: this one.
            os.open(os.devnull, os.O_RDWR)
    for number, (name, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def let_go() -> None:
    """Take what is left in stdout's buffer nowhere: the interpreter would try to write it once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, sys.stdout.fileno())
        finally:
            os.close(null)
