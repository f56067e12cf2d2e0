"""The Singer tap for Chargebee, in an environment of its own because of its pins: a full sync, and a second one."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .conftest import Served, serve

pytestmark = pytest.mark.installs
SCRIPT = Path(__file__).with_name("tap.py")
KINDS = {
    "pc1": {"customers": "customer", "subscriptions": "subscription", "invoices": "invoice", "plans": "plan"},
    "pc2": {
        "customers": "customer",
        "subscriptions": "subscription",
        "invoices": "invoice",
        "transactions": "transaction",
        "items": "item",
        "item_prices": "item_price",
        "item_families": "item_family",
    },
}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the tap; skips where it cannot be had."""
    folder = tmp_path_factory.mktemp("tap")
    venv.create(folder, with_pip=True)
    found = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    # Its requirements are built by old ways that newer setuptools have dropped.
    for wanted in (["setuptools<70", "wheel"], ["--no-build-isolation", "tap-chargebee==1.7.1"]):
        command = [str(found), "-m", "pip", "install", "-q", *wanted]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            pytest.skip(f"pip could not install the tap: {done.stderr[-300:]}")
    return found


def tap(python: Path, served: Served, folder: Path, *arguments: str) -> str:
    """Run the tap and return its stdout."""
    config = folder / "config.json"
    config.write_text(json.dumps({"api_key": served.api_key, "site": "sandbox", "start_date": "2000-01-01T00:00:00Z"}))
    command = [str(python), str(SCRIPT), served.url, "--config", str(config), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def synced(python: Path, served: Served, folder: Path, state: dict[str, Any] | None) -> tuple[Counter[str], Any]:
    """How many records of each stream a sync wrote, and the state that it left."""
    catalog = json.loads(tap(python, served, folder, "--discover"))
    for stream in catalog["streams"]:
        next(entry for entry in stream["metadata"] if entry["breadcrumb"] == [])["metadata"]["selected"] = True
    (folder / "catalog.json").write_text(json.dumps(catalog))
    arguments = ["--catalog", str(folder / "catalog.json")]
    if state is not None:
        (folder / "state.json").write_text(json.dumps(state))
        arguments += ["--state", str(folder / "state.json")]
    messages = [json.loads(line) for line in tap(python, served, folder, *arguments).splitlines()]
    records = Counter(message["stream"] for message in messages if message["type"] == "RECORD")
    return records, [message["value"] for message in messages if message["type"] == "STATE"][-1]


@pytest.mark.parametrize("catalog", ["pc1", "pc2"])
def test_a_full_sync_and_the_next(python: Path, tmp_path: Path, catalog: str) -> None:
    """The tap finds the site's Product Catalog and writes each row that has ``updated_at``, the deleted ones too; a
    second sync from its bookmarks writes next to nothing."""
    for served in serve(catalog):
        found, state = synced(python, served, tmp_path, None)
        for stream, kind in KINDS[catalog].items():
            rows = served.rows(kind, deleted=stream not in ("items", "item_prices", "item_families"))
            assert found[stream] == sum("updated_at" in row for row in rows), stream
        again, _ = synced(python, served, tmp_path, state)
        assert sum(again.values()) < sum(found.values()) / 20
