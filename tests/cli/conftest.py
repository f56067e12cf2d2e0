"""Commands in this process, against a sandbox in a thread; and commands in a process of their own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import attrs
import pytest

from aiochargebee_gw.cli import main
from aiochargebee_gw.sandbox import ThreadedSandbox


@attrs.frozen
class Result:
    """What a command left behind."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """stdout as text."""
        return self.out.decode()

    @property
    def objects(self) -> list[Any]:
        """stdout as JSON, one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


class Command(Protocol):
    """Runs a command line."""

    def __call__(self, *argv: str, stdin: str = "") -> Result: ...


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Command:
    """Commands in this process, with no key anywhere."""

    def run(*argv: str, stdin: str = "") -> Result:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsysbinary.readouterr()
        code = main(argv)
        out, err = capsysbinary.readouterr()
        assert b"Traceback" not in err
        return Result(code, out, err.decode())

    return run


@pytest.fixture
def sandbox() -> Iterator[ThreadedSandbox]:
    """Both product catalogues, 120 customers: two pages of them."""
    with ThreadedSandbox(records=120, catalog="both") as running:
        yield running


@pytest.fixture
def cli(bare: Command, sandbox: ThreadedSandbox, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Commands in this process, with the sandbox in the environment."""
    for name, value in environment(sandbox).items():
        monkeypatch.setenv(name, value)
    return bare


def environment(sandbox: ThreadedSandbox) -> dict[str, str]:
    """What sends a command to *sandbox*."""
    return {
        "MATON_API_KEY": sandbox.api_key,
        "AIOCHARGEBEE_GW_GATEWAY_URL": sandbox.gateway_url,
        "AIOCHARGEBEE_GW_CONTROL_URL": sandbox.control_url,
    }


def heed() -> None:
    """In the child: obey signals, also where the tests run in the background or under nohup."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def spawn(
    *argv: str,
    env: dict[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    preexec_fn: Callable[[], None] | None = None,
) -> subprocess.Popen[bytes]:
    """A command in a process of its own, where warnings are errors."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "aiochargebee_gw", *argv],
        env={**os.environ, **(env or {})},
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        preexec_fn=preexec_fn,
    )
