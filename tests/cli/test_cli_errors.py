"""What goes wrong: one line, one exit code, no key."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from aiochargebee_gw import ApiError, OutcomeUnknown, RequestError, RequestTimeout, __version__
from aiochargebee_gw.cli import _failures, main
from aiochargebee_gw.sandbox import ThreadedSandbox

from .conftest import Command, spawn


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        ({"kind": "status", "status": 401, "body": {"message": "no"}}, 4, "InvalidApiKey"),
        ({"kind": "status", "status": 400, "body": {"message": "no"}}, 4, "MissingConnection"),
        ({"kind": "status", "status": 500, "body": {"message": "no"}}, 4, "AuthorizationExpired"),
        ({"kind": "status", "status": 401, "body": {"api_error_code": "api_authentication_failed"}}, 4, "Unauthorized"),
        ({"kind": "rate_limited", "retry_after": 9, "code": None}, 5, "GatewayRateLimited"),
        ({"kind": "rate_limited", "retry_after": 9, "code": "api_request_limit_exceeded"}, 5, "RateLimited"),
        ({"kind": "hang"}, 5, "OutcomeUnknown|RequestTimeout|DeadlineExceeded"),
        ({"kind": "status", "status": 404, "body": {"api_error_code": "resource_not_found"}}, 1, "NotFound"),
        ({"kind": "redirect", "location": "https://elsewhere.example"}, 1, "UnexpectedRedirect"),
        ({"kind": "cut_body"}, 1, "TruncatedResponse"),
    ],
)
def test_exit_codes(cli: Command, sandbox: ThreadedSandbox, fault: dict[str, Any], code: int, told: str) -> None:
    """Authentication is 4, rate limits and deadlines are 5, the rest is 1; with --json the error is an object."""
    sandbox.faults.add(**fault, path="/customers", times=None)
    found = cli("list", "customers", "--json", "--deadline", "0.3")
    assert (found.code, found.out) == (code, b"")
    assert json.loads(found.err)["error"] in told.split("|")


def test_no_key_is_an_authentication_matter(bare: Command) -> None:
    """Without a key anywhere the exit code is 4, and the line says what to do."""
    found = bare("list", "customers")
    assert found.code == 4
    assert "set MATON_API_KEY" in found.err


def test_the_key_never_shows(cli: Command, sandbox: ThreadedSandbox) -> None:
    """Not even when a server quotes it; nor do control characters reach the terminal."""
    text = f"the key {sandbox.api_key} is\nnot \x1b[31mgood"
    sandbox.faults.add("status", status=401, body={"message": text}, path="/customers", times=None)
    found = cli("list", "customers")
    assert found.err == (
        "error: GET /api/v2/customers: 401: the gateway did not accept the API key: the key ********** is not "
        "[31mgood (check MATON_API_KEY or the key file)\n"
    )


def test_a_key_is_no_argument(bare: Command) -> None:
    """--api-key=... is refused without repeating what stands behind the sign, wherever it stands."""
    found = bare("list", "customers", "--api-key=maton_secret")
    assert found.code == 2
    assert "--api-key-file" in found.err
    for argv in (
        ["list", "customers", "--api-key=maton_secret"],
        ["--api-key=maton_secret", "list", "customers"],
        ["--api-key", "maton_secret", "list", "customers"],
        ["connections", "--api-key=maton_secret", "list"],
        ["list", "customers", "-kmaton_secret"],
        ["list", "customers", "-k=maton_secret"],
        ["list", "customers", "maton_secret"],
        ["list", "customers", "--json=maton_secret"],
        ["get", "customers", "--api-key=maton_secret"],
    ):
        for more in ([], ["--json"]):
            found = bare(*argv, *more)
            assert (found.code, found.out) == (2, b"")
            assert "maton_secret" not in found.err
    assert "1 more than this command takes" in bare("list", "customers", "maton_secret").err


def test_the_key_from_a_file(
    bare: Command, sandbox: ThreadedSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--api-key-file comes before the environment, and - reads stdin; origins and connection may be options."""
    file = tmp_path / "key"
    file.write_text(f"{sandbox.api_key}\n")
    monkeypatch.setenv("MATON_API_KEY", "sandbox_wrong")
    place = ("--gateway-url", sandbox.gateway_url, "--control-url", sandbox.control_url)
    argv = ("list", "customers", *place, "--connection", sandbox.connection_id)
    assert bare(*argv, "--api-key-file", str(file)).code == 0
    assert bare(*argv, "--api-key-file", "-", stdin=f"{sandbox.api_key}\n").code == 0
    assert bare(*argv).code == 4
    file.write_bytes(b"\xef\xbb\xbf" + sandbox.api_key.encode() + b"\r\n")
    assert bare(*argv, "--api-key-file", str(file)).code == 0
    assert bare(*argv, "--api-key-file", "-", stdin=f"\ufeff{sandbox.api_key}\n").code == 0


def test_an_unknown_connection_is_an_authentication_matter(cli: Command) -> None:
    """The gateway's 404 for a connection that is not there: exit code 4, and where to see which there are."""
    for argv in (("list", "customers"), ("get", "customers", "cust_1"), ("call", "GET", "/api/v2/customers")):
        found = cli(*argv, "--connection", "unknown")
        assert found.code == 4
        assert "aiochargebee-gw connections list" in found.err


@pytest.mark.parametrize("content", [None, b"", b"two words", b"\xff\xfe", b"umlaut-\xc3\xa4"])
def test_a_bad_key_file_is_wrong_usage(bare: Command, tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing, empty, no text or more than a key ends with exit code 2 and shows nothing of it."""
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    found = bare("list", "customers", "--api-key-file", str(file))
    assert found.code == 2
    assert f"key file {file}" in found.err
    assert "two words" not in found.err
    assert "umlaut" not in found.err


def test_a_keyring_is_asked_last(bare: Command, sandbox: ThreadedSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no file and no variable, the key is asked of a keyring; a broken one is as good as none."""
    keyring: Any = ModuleType("keyring")
    keyring.get_password = lambda service, user: {("aiochargebee-gw", "MATON_API_KEY"): sandbox.api_key}[service, user]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    place = ("--gateway-url", sandbox.gateway_url, "--control-url", sandbox.control_url)
    assert bare("list", "customers", *place).code == 0
    assert "ok   key        from the keyring" in bare("doctor", *place).text
    keyring.get_password = None
    assert bare("list", "customers", *place).code == 4


@pytest.mark.parametrize(
    "argv",
    [
        ["--gateway-url", "http://far.example"],
        ["--gateway-url", "https://far.example/path"],
        ["--deadline", "0"],
        ["--sandbox", "--gateway-url", "http://127.0.0.1:9"],
    ],
)
def test_a_wrong_setting_is_wrong_usage(cli: Command, argv: list[str]) -> None:
    """A URL that may not be spoken to, a deadline of nothing, two places at once: exit code 2."""
    assert cli("list", "customers", *argv).code == 2


def test_an_unknown_outcome_names_its_key(cli: Command, sandbox: ThreadedSandbox) -> None:
    """A write in doubt is never repeated; the line names the idempotency key for doing so."""
    sandbox.faults.add("drop", method="POST", path="/customers", after_write=True)
    found = cli("call", "POST", "/api/v2/customers", "-d", "id=doubt", "--idempotency-key", "mine")
    assert found.code == 1
    assert "idempotency key used: mine" in found.err
    again = cli("call", "POST", "/api/v2/customers", "-d", "id=doubt", "--idempotency-key", "mine", "--json")
    assert again.objects[0]["customer"]["id"] == "doubt"


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["call", "PUT", "/api/v2/customers"], "GET or POST"),
        (["call", "GET", "/other"], "/api/v2/"),
        (["call", "GET", "/api/v2/customers", "-d", "a=b"], "query="),
        (["call", "POST", "/api/v2/customers", "-d", "secret"], "--data takes name=value"),
        (["call", "GET", "/api/v2/customers", "--query", "=x"], "--query takes name=value"),
        (["call", "GET", "/api/v2/customers", "--idempotency-key", "k"], "idempotency"),
    ],
)
def test_a_wrong_call_is_wrong_usage(cli: Command, sandbox: ThreadedSandbox, argv: list[str], told: str) -> None:
    """What the client refuses ends with exit code 2, and nothing is sent."""
    found = cli(*argv)
    assert found.code == 2
    assert told in found.err
    assert "secret" not in found.err
    assert sandbox.requests == []


def test_a_call_prints_exact_integers(cli: Command, sandbox: ThreadedSandbox) -> None:
    """`call` prints one line of JSON in which big integers and other scripts survive."""
    sandbox.insert("customer", {"id": "big", "first_name": "محمد", "cf_big": 2**80})
    found = cli("call", "GET", "/api/v2/customers/big")
    assert found.objects[0]["customer"]["cf_big"] == 2**80
    assert "محمد" in found.text


def test_errors_of_other_kinds() -> None:
    """An OSError names its file, a bug names its class; neither shows a value."""
    assert _failures.explain(FileNotFoundError(2, "No such file", "x.jsonl"))[0] == "x.jsonl: No such file"
    assert _failures.explain(OSError("odd"))[0] == "OSError"
    text, cure = _failures.explain(KeyError("john@example.com"))
    assert (text, cure) == ("unexpected KeyError; AIOCHARGEBEE_GW_DEBUG=1 shows where", None)
    assert _failures.explain(OutcomeUnknown("unknown"))[0] == "unknown"
    assert _failures.exit_code(RequestTimeout("late", sent=True)) == 5
    assert _failures.exit_code(ApiError("no", status=418)) == 1


def test_a_bug_is_one_line(bare: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is raised becomes a line and exit code 1, a traceback only on demand; Ctrl-C becomes 130."""
    from aiochargebee_gw.cli import _app

    raised: list[BaseException] = [RuntimeError("john@example.com"), KeyboardInterrupt(), RuntimeError("shown")]

    def fail(argv: object) -> int:
        raise raised.pop(0)

    monkeypatch.setattr(_app, "_dispatch", fail)
    assert bare("doctor").err == "error: unexpected RuntimeError; AIOCHARGEBEE_GW_DEBUG=1 shows where\n"
    assert bare("doctor").code == 130
    monkeypatch.setenv("AIOCHARGEBEE_GW_DEBUG", "1")
    with pytest.raises(RuntimeError, match="shown"):
        main(["doctor"])


def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing cyclopts is exit code 2 and the command that installs it; --version works without it."""
    real = builtins.__import__
    missing = "cyclopts"

    def fail(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "_app":
            if missing == "^C":
                raise KeyboardInterrupt
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fail)
    assert main(["list", "customers"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"
    missing = "^C"
    assert main(["list", "customers"]) == 130
    missing = "something"
    with pytest.raises(ModuleNotFoundError):
        main(["list", "customers"])


def test_help_of_everything(bare: Command) -> None:
    """--help of the program and of each command is on stdout, with exit code 0."""
    commands = ("list", "get", "call", "export", "sandbox", "doctor")
    for argv in ([], *([name] for name in commands), *(["connections", name] for name in ("list", "wait"))):
        found = bare(*argv, "--help")
        assert found.code == 0
        assert found.text.startswith("Usage: aiochargebee-gw")
        assert found.err == ""
    assert all(name in bare("--help").text for name in commands)


@pytest.mark.parametrize("argv", [["bogus"], ["list"], ["list", "customers", "extra"], ["sandbox", "--rate", "x"]])
def test_wrong_usage(bare: Command, argv: list[str]) -> None:
    """What cannot be parsed is exit code 2 and a line on stderr, an object with --json."""
    assert bare(*argv).code == 2
    assert json.loads(bare(*argv, "--json").err)["error"] == "RequestError"


def test_the_details_of_an_error_hold_no_key(cli: Command, sandbox: ThreadedSandbox) -> None:
    """A server may quote the key in any of its fields: none of them shows it."""
    key = sandbox.api_key
    body = {"message": key, "api_error_code": f"code {key}", "type": key, "param": f"a[{key}]\x1b[2J"}
    sandbox.faults.add("status", status=400, body=body, path="/customers", times=None)
    found = cli("list", "customers", "--json")
    assert key not in found.err
    error = json.loads(found.err)
    assert (error["code"], error["param"]) == ("code **********", "a[**********] [2J")
    assert _failures._details(RequestError("x", legal=("a", "b\n")))["legal"] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "legal", "told"),
    [
        (
            "x.csv exists already; force replaces it",
            (".jsonl", ".csv", "-"),
            "x.csv exists already; --force replaces it",
        ),
        ("x is not a thing", ("is", "in"), "x is not a thing"),
        ("no list of islands", ("is", "in"), "no list of islands; it can be is, in"),
        ("odd", (), "odd"),
        ("Retry.deadline_seconds must be above 0", (), "--deadline must be above 0"),
    ],
)
def test_what_is_legal_is_said_once(text: str, legal: tuple[str, ...], told: str) -> None:
    """Legal values are added where the text has none of them; the command line's options have its own names."""
    assert _failures.explain(RequestError(text, legal=legal))[0] == told


def test_settings_are_named_as_the_command_line_names_them(cli: Command) -> None:
    """A bad deadline or origin is told by its option."""
    assert "--deadline must be a number above 0" in cli("list", "customers", "--deadline", "0").err
    assert "--gateway-url must be https" in cli("list", "customers", "--gateway-url", "http://far.example").err
    assert "--control-url must be an origin" in cli("list", "customers", "--control-url", "ftp://far.example").err


def test_a_gateway_of_this_machine_alone(
    bare: Command, sandbox: ThreadedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a loopback gateway and no other word, the control plane is there, too; else the message names the option."""
    monkeypatch.setenv("MATON_API_KEY", sandbox.api_key)
    assert bare("connections", "list", "--gateway-url", sandbox.gateway_url).code == 0
    assert bare("doctor", "--gateway-url", sandbox.gateway_url).code == 0
    far = bare("list", "customers", "--gateway-url", sandbox.gateway_url, "--control-url", "https://far.example")
    assert far.code == 2
    assert "--control-url https://far.example: this is a sandbox key" in far.err
    told = bare("doctor", "--gateway-url", sandbox.gateway_url, "--control-url", "https://far.example")
    assert told.code == 2
    assert told.text.startswith("fail settings   --control-url https://far.example: ")
    odd = bare("list", "customers", "--gateway-url", "http://[::1")
    assert (odd.code, odd.err) == (2, "error: --gateway-url is not a URL\n")
    assert "else the gateway's" in bare("list", "--help").text


@pytest.mark.parametrize(
    "argv",
    [
        ["list", "customers", "--limit", "1.9"],
        ["list", "customers", "--limit", "0x2"],
        ["list", "customers", "--limit", "1_0"],
        ["list", "customers", "--limit=1e1"],
        ["list", "customers", "--sandbox", "--sandbox-records", "1.5"],
        ["sandbox", "--rate", "1.5"],
        ["sandbox", "--port", "0x0"],
        ["sandbox", "--seed", "7.0"],
        ["sandbox", "--records", "1.5"],
    ],
)
def test_whole_numbers_are_whole(bare: Command, argv: list[str]) -> None:
    """A fraction or a hexadecimal number is wrong usage, not rounded or read."""
    found = bare(*argv)
    assert (found.code, found.out) == (2, b"")
    assert "it must be a whole number" in found.err


def test_ids_that_are_not_text(bare: Command) -> None:
    """What cannot be read as text is wrong usage; a mark before the first id is no part of it."""
    process = spawn(
        "get", "customers", "-", "--sandbox", stdin=subprocess.PIPE, env={"PYTHONIOENCODING": "utf-8:strict"}
    )
    out, err = process.communicate(b"\xff\n", timeout=30)
    assert (process.returncode, out) == (2, b"")
    assert b"not text" in err
    found = bare("get", "customers", "-", "--sandbox", "--sandbox-records", "1", stdin="\ufeffcust_1\n")
    assert found.objects[0]["id"] == "cust_1"
