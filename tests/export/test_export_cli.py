"""`export` and `sync` as commands: several at once, gone on with, and clear about what is wrong."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aiochargebee_gw.export import Progress
from aiochargebee_gw.sandbox import RecordedRequest, ThreadedSandbox

from ..cli.conftest import Command, bare, cli, environment, heed, spawn

__all__ = ["bare", "cli", "sandbox"]  # fixtures

THREE = ("customers", "subscriptions", "invoices")


@pytest.fixture
def sandbox() -> Iterator[ThreadedSandbox]:
    """450 customers of both product catalogues."""
    with ThreadedSandbox(records=450, catalog="both") as running:
        yield running


def test_several_at_once_into_a_folder(cli: Command, sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    """One folder, one manifest, whose counts are the sandbox's; one summary line, whose requests are all there were."""
    (summary,) = cli("export", *THREE, "--to", f"{tmp_path}/out/", "--json").objects
    counts = {name: sandbox.count(name.removesuffix("s")) for name in THREE}
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert {part["resource"]: part["rows"] for part in manifest["parts"]} == counts
    assert (summary["rows"], summary["requests"]) == (sum(counts.values()), len(sandbox.requests))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        ["manifest.json", *(f"{name}.jsonl" for name in THREE)]
    )
    told = cli("export", *THREE, "--to", f"{tmp_path}/csv", "--format", "csv")
    assert told.code == 0
    assert len(told.err.splitlines()) == 3


def test_an_export_is_gone_on_with(cli: Command, sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    """Code 3 and a hint, then a refusal without --resume, then the rest; a folder as one file."""
    for argv in (("customers", "--to", f"{tmp_path}/x.csv"), (*THREE, "--to", f"{tmp_path}/out/")):
        fault = sandbox.faults.add("status", status=403, path="/customers", nth=3, times=None)
        failed = cli("export", *argv, "--workers", "1")
        assert (failed.code, "--resume goes on" in failed.err) == (3, True)
        sandbox.faults.remove(fault)
        again = cli("export", *argv)
        assert (again.code, "--resume goes on" in again.err) == (2, True)
        (summary,) = cli("export", *argv, "--resume", "--json").objects
        parts = summary.get("parts", [summary])
        assert parts[0]["resumed"] is True
        assert {part["resource"]: part["rows"] for part in parts}["customers"] == sandbox.count("customer")
        assert not list(tmp_path.rglob("*.journal"))


def test_a_bad_command_is_refused_with_nothing_touched(cli: Command, sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    """Unknown resources, filters and formats, files in the way, the wrong place for many: exit code 2."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "customers.jsonl").write_text("precious")
    (tmp_path / "m.db").write_text("precious")
    for argv in (
        ("export", "--to", "x.jsonl"),
        ("export", "customers", "customers", "--to", f"{tmp_path}/o/"),
        ("export", "custmers", "--to", f"{tmp_path}/x.jsonl"),
        ("export", "customers", "--to", f"{tmp_path}/x.jsonl", "--where", "nope[is]=1"),
        ("export", "customers", "--to", f"{tmp_path}/x.xlsx"),
        ("export", "customers", "--to", f"{tmp_path}/x.jsonl", "--format", "csv"),
        ("export", "customers", "--to", f"{tmp_path}/out/"),
        ("export", *THREE, "--to", "-"),
        ("export", *THREE, "--to", f"{tmp_path}/out"),
        ("export", *THREE, "--to", f"{tmp_path}/out", "--journal", "j"),
        ("export", "comments", "--to", f"{tmp_path}/x.jsonl", "--since", "2024-01-31"),
        ("export", "customers", "--to", f"{tmp_path}/\udcff.jsonl"),
        ("export", "ledger_operations", "--to", f"{tmp_path}/x.jsonl"),
        ("sync", "customers", "--to", f"{tmp_path}/\udcff.db"),
        ("sync", "ledger_operations", "--to", f"{tmp_path}/x.db"),
        ("sync", "--to", f"{tmp_path}/x.db"),
        ("sync", "customers", "--to", f"{tmp_path}/m.db"),
        ("sync", "customers", "--to", f"{tmp_path}/m.jsonl"),
    ):
        found = cli(*argv)
        assert (found.code, found.out) == (2, b""), argv
        assert found.err.startswith("error: ")
    assert sandbox.requests == []
    assert (tmp_path / "out" / "customers.jsonl").read_text() == "precious"
    assert cli("export", *THREE, "--to", f"{tmp_path}/out", "--force").code == 0


def test_since_asks_for_what_has_changed(cli: Command, sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    """--since is a filter on `updated_at`."""
    sandbox.update("customer", "cust_7", {"first_name": "Late"})
    row = sandbox.get("customer", "cust_7")
    assert row is not None
    (summary,) = cli(
        "export", "customers", "--to", f"{tmp_path}/x.jsonl", "--since", str(row["updated_at"] - 1), "--json"
    ).objects
    assert summary["rows"] == 1


def test_a_mirror_again_and_again(cli: Command, sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    """The first run reads everything, the second what has changed, deletions among it; SQL reads it."""
    path = str(tmp_path / "m.db")
    first = cli("sync", *THREE, "--to", path)
    assert first.code == 0
    assert all("(the whole list)" in line for line in first.err.splitlines())
    sandbox.delete("customer", "cust_5")
    (second,) = cli("sync", *THREE, "--to", path, "--json").objects
    assert [part["full"] for part in second["lists"]] == [False, False, False]
    assert second["lists"][0]["rows"] == sandbox.count("customer")
    with closing(sqlite3.connect(path)) as db:
        (found,) = db.execute("SELECT count(*) FROM customers WHERE id = 'cust_5'").fetchone()
    assert found == 0
    sandbox.faults.add("status", status=503, path="/customers", times=None, nth=1)
    failed = cli("sync", "customers", "--to", path, "--deadline", "0.2")
    assert (failed.code, "goes on" in failed.err) == (3, True)


def test_the_whole_story_killed_and_resumed(sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    """Three resources, kill -9 in the middle, --resume: the manifest's counts are the sandbox's."""
    argv = ("export", *THREE, "--to", f"{tmp_path}/out/", "--resume", "--json")
    children: list[subprocess.Popen[bytes]] = []
    heard: list[RecordedRequest] = []

    def hear(request: RecordedRequest) -> None:
        heard.append(request)
        if len(heard) == 12:
            children[0].kill()

    sandbox.on_request = hear
    out = b""
    for _ in range(2):
        children.append(spawn(*argv, env=environment(sandbox), preexec_fn=heed))
        out, _err = children[-1].communicate(timeout=60)
    assert [child.returncode for child in children] == [-9, 0]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    counts = {part["resource"]: part["rows"] for part in manifest["parts"]}
    assert counts == {name: sandbox.count(name.removesuffix("s")) for name in THREE}
    assert json.loads(out)["rows"] == manifest["rows"]


def test_bars_say_what_is_known() -> None:
    """Rows of an estimated total, the rate against what is allowed, windows, and the time that is left."""
    from aiochargebee_gw.cli._progress import _Rate, _text

    now = Progress(rows=500, pages=5, bytes=0, seconds=2, windows=8, requests=20, resource="customers")
    text = _text(now, 1_500, 250.0, 9.8, 10)
    assert text == "500 of ~1,500 rows read  5 pages  250 rows/s  9.8 of 10 requests/s  8 windows  0:00:04 left"
    narrow = _text(now, 1_500, 250.0, 9.8, 10, 60)
    assert narrow == "500 of ~1,500 rows read  9.8 of 10 requests/s  0:00:04 left"
    assert _text(now, 1_500, 250.0, 9.8, 10, 40) == "500 of ~1,500 rows read  0:00:04 left"
    assert _text(now, 1_500, 250.0, 9.8, 10, 0) == "500 of ~1,500 rows read"
    done = Progress(rows=500, pages=5, bytes=0, seconds=2, stage="render")
    assert _text(done, 500, 0, 0, float("inf")) == "500 rows read  5 pages  0 rows/s  writing"
    rate = _Rate()
    seen = ((0, 5), (1, 10), (2, 30), (9, 30), (12, 90))
    assert [rate.of(seconds, count) for seconds, count in seen] == [0, 10, 15, 0, 6]
