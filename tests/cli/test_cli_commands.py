"""`export`, `connections`, `sandbox` and `doctor` in this process."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import re
import socket
import threading
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from aiochargebee_gw.cli import _loop, _probe
from aiochargebee_gw.sandbox import RecordedRequest, ThreadedSandbox

from .conftest import Command


def test_an_export_says_what_it_did(cli: Command, sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    """With --json a summary on stdout, without it a sentence on stderr."""
    target = tmp_path / "x.jsonl"
    (summary,) = cli("export", "customers", "--to", str(target), "--json").objects
    data = target.read_bytes()
    assert (summary["rows"], summary["repeated"], summary["resource"]) == (120, 0, "customers")
    assert summary["requests"] == len(sandbox.requests)
    assert (summary["path"], summary["sha256"]) == (str(target), hashlib.sha256(data).hexdigest())
    assert summary["bytes"] == len(data)
    assert summary["seconds"] > 0
    again = cli("export", "customers", "--to", str(target), "--force")
    assert (again.code, again.out) == (0, b"")
    assert again.err.startswith("120 rows in ")


def test_an_export_takes_the_options_of_a_list(cli: Command, sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    """Filters, order, deleted rows, whole rows and CSV."""
    sandbox.delete("customer", "cust_3")
    target = tmp_path / "x.csv"
    where = ("--where", 'id[in]=["cust_3","cust_4"]', "--order-by", "created_at:desc")
    assert cli("export", "customers", "--to", str(target), *where, "--include-deleted", "--envelope").code == 0
    with target.open(newline="") as file:
        assert [row["customer.id"] for row in csv.DictReader(file)] == ["cust_4", "cust_3"]


def test_an_export_is_refused_before_any_request(cli: Command, sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    """A file that is there, an ending without a meaning, a wrong filter: exit code 2, nothing sent, nothing touched."""
    target = tmp_path / "x.jsonl"
    target.write_text("precious")
    for argv in (["--to", str(target)], ["--to", "x.txt"], ["--to", "-", "--where", "x[is]=y"]):
        assert cli("export", "customers", *argv).code == 2
    assert target.read_text() == "precious"
    assert sandbox.requests == []


def test_repeated_rows_are_told(cli: Command, sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    """A row that moved behind the cursor while it was paged is counted, and said."""

    def touch(request: RecordedRequest) -> None:
        if "offset=" in request.query:
            sandbox.update("customer", "cust_1", {"first_name": "Moved"})

    sandbox.on_request = touch
    target = tmp_path / "x.jsonl"
    found = cli("export", "customers", "--to", str(target), "--order-by", "updated_at", "--workers", "1")
    assert found.code == 0
    assert ", 1 repeated ones left out" in found.err
    ids = [json.loads(line)["id"] for line in target.read_bytes().splitlines()]
    assert len(ids) == len(set(ids))


def test_an_export_fails_whole(cli: Command, sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    """An error on a later page leaves no file, but the journal; one on the first page nothing at all."""
    sandbox.faults.add("status", status=401, body={"message": "no"}, path="/customers", nth=1)
    assert cli("export", "customers", "--to", str(tmp_path / "x.jsonl")).code == 4
    assert list(tmp_path.iterdir()) == []
    sandbox.faults.add("status", status=401, body={"message": "no"}, path="/customers", nth=2)
    assert cli("export", "customers", "--to", str(tmp_path / "x.jsonl"), "--workers", "1").code == 4
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl.journal"]


def test_the_embedded_sandbox_needs_nothing(bare: Command) -> None:
    """--sandbox works without a key, and a line on stderr says what is talked to."""
    found = bare("list", "customers", "--sandbox", "--sandbox-records", "3", "--all", "--json")
    assert len(found.objects) == 3
    assert re.match(
        r"sandbox: 3 made-up customers at http://127\.0\.0\.1:\d+, both product catalogues; nothing leaves", found.err
    )
    assert "product catalogues: both" in bare("list", "--help").text
    other = bare("list", "plans", "--sandbox", "--sandbox-records", "1", "--sandbox-catalog", "pc2")
    assert other.code == 1
    assert ", pc2; nothing leaves" in other.err


def test_connections_for_a_person(cli: Command, sandbox: ThreadedSandbox) -> None:
    """A table without addresses, which hold session tokens; the address of a new one, and what to do with it."""
    listed = cli("connections", "list")
    assert listed.text.splitlines()[0].split("\t")[:2] == ["connection_id", "status"]
    assert "session_token" not in listed.text
    made = cli("connections", "create", "--method", "API_KEY")
    told = dict(line.split("\t") for line in made.text.splitlines())
    assert "session_token" in told["url"]
    assert f"connections wait {told['connection_id']}" in made.err
    gone = cli("connections", "delete", told["connection_id"])
    assert (gone.code, gone.out, gone.err) == (0, b"", f"{told['connection_id']} is deleted\n")
    none = cli("connections", "list", "--status", "FAILED")
    assert (none.code, none.out) == (0, b"")
    assert "connections create" in none.err
    assert cli("connections", "list", "--status", "new").code == 2


def test_waiting_for_a_connection(cli: Command, sandbox: ThreadedSandbox, control: Callable[[str], str]) -> None:
    """ACTIVE is 0, still PENDING when time is up is 5, a failed authorization is 4, a bad id 2."""
    assert cli("connections", "wait", sandbox.connection_id, "--json").objects[0]["status"] == "ACTIVE"
    (made,) = cli("connections", "create", "--json").objects
    assert cli("connections", "wait", made["connection_id"], "--timeout", "0.01").code == 5
    failed = cli("connections", "wait", "c1", "--control-url", control("FAILED"))
    assert failed.code == 4
    assert "make a new one" in failed.err
    assert cli("connections", "wait", "no good").code == 2


def test_the_doctor_finds_a_healthy_patient(cli: Command, sandbox: ThreadedSandbox, bare: Command) -> None:
    """A line for each check, or one object; nothing is written."""
    found = cli("doctor")
    assert found.code == 0
    names = [line.split()[1] for line in found.text.splitlines()]
    reads = ["read", "filters", "cursor"]
    assert names == ["key", "gateway", "clock", "connection", *reads, "idempotency", "limits", "versions", "speed"]
    assert {line.split()[0] for line in found.text.splitlines()} == {"ok"}
    assert {request.method for request in sandbox.requests} <= {"GET", "HEAD"}
    (report,) = cli("doctor", "--json").objects
    assert report["ok"] is True
    assert [check["name"] for check in report["checks"]] == names
    assert cli("doctor", "--connection", sandbox.connection_id).code == 0
    cli("connections", "create")
    assert bare("doctor", "--sandbox", "--sandbox-records", "1").code == 0


def test_the_doctor_knows_the_cures(cli: Command, sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    """No connection, a refused key, a key file without a key: each has its exit code and what helps."""
    pending = cli("doctor", "--connection", "somewhere")
    assert pending.code == 4
    assert "fail connection somewhere is not there; make one with: aiochargebee-gw connections create" in pending.text
    sandbox.faults.add("status", status=401, body={"message": "no"}, times=None)
    refused = cli("doctor", "--json")
    assert refused.code == 4
    levels = {check["name"]: (check["level"], check["cure"]) for check in refused.objects[0]["checks"]}
    assert levels["read"] == ("fail", "check MATON_API_KEY or the key file")
    assert refused.objects[0]["ok"] is False
    empty = tmp_path / "key"
    empty.touch()
    bad = cli("doctor", "--api-key-file", str(empty))
    assert bad.code == 2
    assert f"fail key        the key file {empty} must hold the key" in bad.text
    empty.write_text(sandbox.api_key)
    assert f"from {empty}" in cli("doctor", "--api-key-file", str(empty)).text


def test_the_doctor_without_a_key(bare: Command) -> None:
    """No key is a failure of authentication; what is installed is shown all the same."""
    found = bare("doctor")
    assert found.code == 4
    assert found.text.startswith("fail key        no API key")
    assert "ok   versions" in found.text


def test_the_doctor_and_a_gateway_that_is_not_there(cli: Command) -> None:
    """Nothing listens: the exit code is 1 (none of a deadline), and the line says where it looked."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        found = cli("doctor", "--gateway-url", url)
    assert found.code == 1
    assert f"fail gateway    {url}: " in found.text


def test_the_doctor_counts_active_connections(cli: Command, control: Callable[[str], str]) -> None:
    """Several active ones: the gateway takes the oldest, and the line says how to choose; none is a failure."""
    several = cli("doctor", "--control-url", control("ACTIVE"))
    assert "2 are active: the gateway takes the oldest; choose with --connection" in several.text
    none = cli("doctor", "--control-url", control("PENDING"))
    assert none.code == 4
    assert "none is active" in none.text


@pytest.mark.parametrize(
    ("date", "told"),
    [
        (formatdate(0, usegmt=True), "warn clock"),
        ("yesterday", "does not tell the time"),
        (None, "does not tell the time"),
    ],
)
def test_the_doctor_reads_the_clock(cli: Command, odd_server: Callable[..., str], date: str | None, told: str) -> None:
    """A clock far away from the gateway's is a warning, and so is one that cannot be compared."""
    assert told in cli("doctor", "--gateway-url", odd_server(date), "--deadline", "0.2").text


def test_what_is_no_http_server_has_no_clock() -> None:
    """An answer that is not HTTP counts as none."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"nonsense\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(OSError, match="not HTTP"):
            _probe.skew(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()


def test_what_is_faster_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without isal and uvloop everything works, on the standard loop; the doctor says how to get them."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "isal, uvloop (pip install" in _probe.accelerators()

    async def work() -> int:
        return 7

    assert _loop.run_loop(work()) == 7
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert _probe.accelerators() == "isal and uvloop are installed"


@pytest.mark.parametrize("argv", [["--host", "0.0.0.0"], ["--records", "-1"], ["--rate", "0"], ["--catalog", "pc3"]])
def test_a_sandbox_that_cannot_be(bare: Command, argv: list[str]) -> None:
    """What the sandbox refuses is wrong usage."""
    assert bare("sandbox", *argv).code == 2


def test_a_port_that_is_taken(bare: Command) -> None:
    """A busy port is an error in one line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = bare("sandbox", "--port", str(taken.getsockname()[1]), "--records", "1")
    assert found.code == 1
    assert found.err.count("\n") == 1


@pytest.fixture
def odd_server(request: pytest.FixtureRequest) -> Callable[..., str]:
    """A server that answers 404 with the `Date` and the body that a test wants."""

    def start(date: str | None, body: bytes = b"{}", status: int = 404) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response_only(status)
                if date is not None:
                    self.send_header("Date", date)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def stop() -> None:
            server.shutdown()
            thread.join()
            server.server_close()

        request.addfinalizer(stop)
        return f"http://127.0.0.1:{server.server_port}"

    return start


@pytest.fixture
def control(odd_server: Callable[..., str]) -> Callable[[str], str]:
    """A control plane whose connections all have one status."""

    def start(status: str) -> str:
        rows = [{"connection_id": name, "status": status, "app": "chargebee"} for name in ("c1", "c2")]
        return odd_server(None, json.dumps({"connections": rows, "connection": rows[0]}).encode(), 200)

    return start
