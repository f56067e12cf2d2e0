"""The README does what it says: every code block runs against the sandbox."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from aiochargebee_gw.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python"]
COMMANDS = [line[2:] for language, text in BLOCKS if language == "console" for line in text.splitlines()]


def _compiled(text: str, number: int) -> CodeType:
    code: CodeType = compile(text, f"README block {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return code


@pytest.mark.anyio
async def test_every_python_block_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The blocks run in their order, in one namespace, with a sandbox behind the environment's key and hosts."""
    monkeypatch.chdir(tmp_path)
    async with Sandbox(records=120, catalog="both") as sandbox:
        monkeypatch.setenv("MATON_API_KEY", sandbox.api_key)
        monkeypatch.setenv("AIOCHARGEBEE_GW_GATEWAY_URL", sandbox.gateway_url)
        monkeypatch.setenv("AIOCHARGEBEE_GW_CONTROL_URL", sandbox.control_url)
        namespace: dict[str, Any] = {"__name__": "readme"}
        for number, text in enumerate(PYTHON, 1):
            running = FunctionType(_compiled(text, number), namespace)()
            if inspect.iscoroutine(running):
                await running
        assert namespace["due"]
        assert namespace["everyone"]
        assert namespace["first"].auto_collection == "on"
        assert namespace["same"].customer == namespace["made"].customer
        assert namespace["report"].rows == sandbox.count("customer")
    assert len(PYTHON) == 14


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("aiochargebee-gw ")])
def test_every_command_runs(command: str, tmp_path: Path) -> None:
    """The commands of the README end with 0, and print something or leave a file."""
    words = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-m", "aiochargebee_gw", *words[1:]], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() or list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_sandbox_serves_any_client(tmp_path: Path) -> None:
    """The process of the README starts, and the commands after it are answered, on a free port instead of 8765."""
    first, *others = next(text for language, text in BLOCKS if language == "sh").splitlines()
    words = shlex.split(first[2:].replace("8765", "0"))
    command = [sys.executable, "-m", "aiochargebee_gw", *words[1:]]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            told = json.loads(server.stdout.readline())
            env = {**os.environ, "API_KEY": told["api_key"]}
            answers = []
            for line in others:
                typed = line[2:].replace("http://127.0.0.1:8765", told["site_url"])
                done = subprocess.run(typed, shell=True, env=env, capture_output=True, text=True, check=True)
                answers.append(json.loads(done.stdout))
        finally:
            server.terminate()
    assert len(answers[0]["list"]) == 1
    assert "error" not in answers[1]


def test_ci_runs_the_two_commands_of_the_readme() -> None:
    """What decides whether work lands is what a new user is told to type."""
    script = (ROOT / ".ci" / "run").read_text()
    typed = [line for line in COMMANDS if not line.startswith("aiochargebee-gw ")]
    assert len(typed) == 2
    for line in typed:
        assert line in script


def test_every_claim_names_a_test() -> None:
    """What happens when things go wrong: each paragraph names tests, and they are there."""
    section = README.partition("## What happens when things go wrong")[2].partition("\n## ")[0]
    told = [part for part in section.split("\n\n")[2:] if part.startswith("**")]
    named = [re.findall(r"§ `([^`]+)`", part) for part in told]
    assert len(told) == 8
    assert all(named)
    assert [name for names in named for name in names if not (ROOT / "tests" / name).is_file()] == []


def test_the_blocks_are_found() -> None:
    """Blocks in other languages are run elsewhere: commands that do not end above, node by `nox -s clients`."""
    assert [language for language, _ in BLOCKS if language not in ("python", "console")] == ["sh", "javascript"]
    assert asyncio.iscoroutinefunction(test_every_python_block_runs)
