"""The official node SDK, installed into a temporary folder, against the site door."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import Served
from .test_clients_python import LISTS

pytestmark = pytest.mark.installs
SCRIPT = Path(__file__).with_name("node.cjs")


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the SDK in it; skips where it cannot be had."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("node and npm are not on this machine")
    folder = tmp_path_factory.mktemp("node")
    command = [
        npm,
        "install",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--prefix",
        str(folder),
        "chargebee@^3.33",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode != 0:
        pytest.skip(f"npm could not install the SDK: {done.stderr[-300:]}")
    return folder / "node_modules"


def run(modules: Path, *arguments: str) -> Any:
    """What the script met."""
    command = ["node", str(SCRIPT), *arguments]
    environment = {**os.environ, "NODE_PATH": str(modules)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_paging_filters_creation_errors_and_keys(modules: Path, served: Served) -> None:
    """The SDK meets every row once, its lists of values filter, what it creates is there, its errors carry codes and
    parameters, and a repeated key replays."""
    prices = [row for row in served.rows("item_price") if (row["item_type"], row["status"]) == ("plan", "active")]
    price = next(row["id"] for row in prices if row["pricing_model"] == "per_unit")
    found = run(modules, served.host, str(served.port), served.api_key, price)
    customers = sorted(row["id"] for row in served.rows("customer"))
    assert sorted(found["paged"]["seven"]) == sorted(found["paged"]["hundred"]) == customers
    wanted = [row["id"] for row in served.rows("subscription") if row["status"] in ("active", "in_trial")]
    assert sorted(found["filtered"]) == sorted(wanted)
    assert found["created"] == {"city": "London", "owner": True, "quantity": 2, "comments": True}
    assert found["errors"]["taken"] == [400, "duplicate_entry", "id"]
    assert found["errors"]["absent"][:2] == [404, "resource_not_found"]
    assert found["errors"]["catalog"][:2] == [400, "configuration_incompatible"]
    assert found["errors"]["reused"][:2] == [422, "unable_to_process_request"]
    assert found["replay"] == {"same": True, "flags": [False, True]}


def test_every_list_is_synced(modules: Path, both: Served) -> None:
    """Each list that the SDK knows, paged to its end, has the rows that the sandbox holds."""
    subscription = both.rows("subscription")[0]["id"]
    calls = []
    for row in LISTS:
        main = next(name for name, told in row.told["rows"].items() if told.get("required"))
        needed = {name: {"is": subscription} for name, told in row.told["params"].items() if told.get("required")}
        model, method = row.told["telemetry"]
        calls.append([model, method, main, {"limit": 100, **needed}])
    found = run(modules, both.host, str(both.port), both.api_key, "", json.dumps(calls))
    assert len(found) > len(LISTS) * 0.8, "most lists are in both SDKs"
    for model, method, main, params in calls:
        if f"{model}.{method}" in found:
            count, whole = found[f"{model}.{method}"]
            assert whole, f"{model}.{method}"
            if main != "event" and params.keys() == {"limit"}:
                assert count == len(both.rows(main)), f"{model}.{method}"
