"""`sandbox` on the command line: its file, its faults, its limits, where its console is."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "aiochargebee_gw", "sandbox", "--records", "2", *arguments]


@contextmanager
def _running(*arguments: str) -> Iterator[dict[str, str]]:
    """The first line of a sandbox that runs until the end of the block."""
    with subprocess.Popen(_command(*arguments), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
    assert process.returncode == 0


def _get(url: str, key: str | None = None) -> tuple[int, str]:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_faults_and_limits_from_the_command_line() -> None:
    """Each ``--fault`` strikes as told, ``--site-rate`` admits so many a minute; ``console_url`` is the page."""
    faults = ('{"kind": "status", "status": 503, "path": "/events"}', '{"kind": "rate_limited", "path": "/events"}')
    with _running("--fault", faults[0], "--fault", faults[1], "--site-rate", "2") as place:
        events = f"{place['gateway_url']}/chargebee/api/v2/events"
        found = [_get(events, place["api_key"])[0] for _ in range(5)]
        assert found == [503, 429, 200, 200, 429]
        status, html = _get(place["console_url"])
        assert (status, "<h1>Chargebee sandbox</h1>" in html) == (200, True)


def test_the_file_of_the_command_line_is_gone_on_with(tmp_path: Path) -> None:
    """A second run with the file has the first one's key and connection; SIGTERM leaves the file whole."""
    places = []
    for _ in range(2):
        with _running("--file", str(tmp_path / "site.db")) as place:
            places.append((place["api_key"], place["connection_id"]))
    assert places[0] == places[1]
    assert [path.name for path in tmp_path.iterdir()] == ["site.db"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--fault", "nonsense"], "--fault takes a JSON object"),
        (["--fault", "{}"], "--fault needs a kind"),
        (["--fault", '{"kind": "nonsense"}'], "unknown fault 'nonsense'"),
        (["--fault", '{"kind": "drop", "nth": 0}'], "nth must be"),
        (["--fault", '{"kind": "drop", "method": 1}'], "method must be"),
        (["--site-rate", "0"], "site_rate must be"),
        (["--file", __file__], "was not made by a sandbox"),
        (["--file", f"{__file__}/no"], "unable to open"),
    ],
)
def test_what_cannot_be_is_a_usage_error(arguments: list[str], told: str) -> None:
    """Exit code 2, the reason on stderr, nothing on stdout, and no server."""
    done = subprocess.run(_command(*arguments), capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
