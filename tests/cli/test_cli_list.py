"""`list` and `get`: what is shown, where, and in which form."""

from __future__ import annotations

import json
import os
import pty
import re

import attrs
import pytest

from aiochargebee_gw import DecodeError, RequestError
from aiochargebee_gw.cli._get import main_record, retriever
from aiochargebee_gw.cli._table import choose_columns, show_table
from aiochargebee_gw.sandbox import ThreadedSandbox

from .conftest import Command, environment, spawn


def test_off_a_terminal_a_list_is_tab_separated(cli: Command) -> None:
    """A header line, then a line of a few attributes a row, times in UTC, and nothing else on stdout."""
    found = cli("list", "customers", "--limit", "2")
    header, *rows = found.text.splitlines()
    assert header.split("\t")[:2] == ["id", "first_name"]
    assert [row.split("\t")[0] for row in rows] == ["cust_1", "cust_2"]
    assert re.search(r"\t20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$", rows[0])
    assert found.err == "2 shown, and there are more: --limit or --all\n"


def test_a_list_ends_at_its_limit(cli: Command, sandbox: ThreadedSandbox) -> None:
    """--limit counts rows in total and sets the size of pages below a hundred; the default is a hundred rows."""
    assert len(cli("list", "customers", "--limit", "7", "--json").objects) == 7
    assert "limit=7" in sandbox.requests[-1].query.split("&")
    assert len(cli("list", "customers", "--json").objects) == 100
    more = cli("list", "customers", "--limit", "110", "--json")
    assert len(more.objects) == 110
    assert "there are more" in more.err


def test_all_rows(cli: Command, sandbox: ThreadedSandbox) -> None:
    """--all goes to the end, over as many pages as there are, with one header, and says nothing of more."""
    found = cli("list", "customers", "--all")
    assert len(found.text.splitlines()) == sandbox.count("customer") + 1 == 121
    assert found.err == ""


def test_json_is_what_the_server_sent(cli: Command, sandbox: ThreadedSandbox) -> None:
    """With --json a line is the record, with --envelope the whole row; unknown keys and big integers survive."""
    sandbox.insert("customer", {"id": "odd", "created_at": 1, "cf_big": 123456789012345678901234567890})
    where = ("list", "customers", "--where", "id[is]=odd", "--json")
    assert b'"cf_big":123456789012345678901234567890' in cli(*where).out
    (row,) = cli(*where, "--envelope").objects
    assert row["customer"]["id"] == "odd"


def test_rows_are_sorted_as_told(cli: Command) -> None:
    """--order-by takes a field, with :desc for the other way round."""
    up = cli("list", "customers", "--order-by", "created_at", "--json").objects
    down = cli("list", "customers", "--order-by", "created_at:desc", "--all", "--json").objects
    assert up[0]["id"] == down[-1]["id"] == "cust_1"


def test_deleted_rows_on_demand(cli: Command, sandbox: ThreadedSandbox) -> None:
    """--include-deleted shows deleted rows, too."""
    sandbox.delete("customer", "cust_3")
    where = ("list", "customers", "--where", "id[is]=cust_3", "--json")
    assert cli(*where).objects == []
    assert [row["deleted"] for row in cli(*where, "--include-deleted").objects] == [True]


def test_lists_below_a_record(cli: Command) -> None:
    """--operation and --id reach the other lists of a resource."""
    found = cli("list", "customers", "--operation", "contacts-for-customer", "--id", "cust_1", "--json")
    assert [row["object"] for row in found.objects] == ["contact"]


def test_an_empty_list_says_so(cli: Command) -> None:
    """Nothing on stdout, a word on stderr, and success."""
    found = cli("list", "customers", "--where", "id[is]=nobody")
    assert (found.code, found.out, found.err) == (0, b"", "no rows\n")


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["list", "custmers"], "did you mean customers?"),
        (["list", "zzz"], ", customers, "),
        (["list", "portal_sessions"], "cannot be listed"),
        (["list", "customers", "--where", "emial[is]=x"], "did you mean email?"),
        (["list", "customers", "--where", "email[gt]=x"], "it has is, is_not, starts_with"),
        (["list", "customers", "--where", "email[like]=x"], "starts_with"),
        (["list", "customers", "--where", "email"], "field[operator]=value"),
        (["list", "customers", "--where", "created_at[after]=yesterday"], "Unix seconds"),
        (["list", "customers", "--order-by", "email"], "it has created_at, updated_at"),
        (["list", "customers", "--order-by", "created_at:up"], "field:desc"),
        (["list", "customers", "--operation", "contacts"], "did you mean contacts_for_customer?"),
        (["list", "customers", "--operation", "contacts_for_customer"], "needs --id"),
        (["list", "customers", "--id", "x"], "takes no --id"),
        (["list", "customers", "--limit", "5", "--all"], "exclude each other"),
        (["list", "customers", "--limit", "0"], ">= 1"),
        (["get", "custmers", "x"], "did you mean customers?"),
        (["get", "customers"], "give an id"),
        (["get", "customers", "--bogus=secret"], "unknown option --bogus;"),
        (["get", "customers", "../x"], "segment"),
        (["export", "customers"], "--to"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_starts(bare: Command, argv: list[str], told: str) -> None:
    """A wrong name, filter or option ends with exit code 2 and what is legal: no key is asked for, nothing is sent."""
    if argv[-1] == "../x":
        argv = [*argv, "--sandbox"]
    found = bare(*argv)
    assert (found.code, found.out) == (2, b"")
    assert told in found.err
    assert "secret" not in found.err


def test_records_come_in_the_order_given(cli: Command) -> None:
    """`get` asks for several at once, and shows them in the order of the ids, from stdin as well."""
    found = cli("get", "customers", "cust_9", "-", "cust_2", stdin="cust_5\n\ncust_4\n")
    assert [row["id"] for row in found.objects] == ["cust_9", "cust_5", "cust_4", "cust_2"]


def test_nothing_on_stdin_is_nothing_to_do(cli: Command) -> None:
    """An empty stdin is a valid list of no ids."""
    assert cli("get", "customers", "-").code == 0


def test_missing_ids_do_not_hide_the_others(cli: Command) -> None:
    """An id that does not exist is told on stderr; the others are shown; the exit code is 1."""
    found = cli("get", "customers", "cust_1", "nobody", "cust_2")
    assert (found.code, [row["id"] for row in found.objects]) == (1, ["cust_1", "cust_2"])
    assert found.err.startswith("error: nobody: GET /api/v2/customers/{id}: 404 resource_not_found")
    as_json = cli("get", "customers", "nobody", "--json")
    assert json.loads(as_json.err)["id"] == "nobody"
    assert json.loads(as_json.err)["status"] == 404


def test_any_other_error_ends_get(cli: Command, sandbox: ThreadedSandbox) -> None:
    """A refused key is not a missing record: the rest is not asked for, and the code is that of the error."""
    sandbox.faults.add("status", status=401, path="/customers", times=None)
    ids = [f"cust_{number}" for number in range(1, 101)]
    assert cli("get", "customers", *ids).code == 4
    assert len(sandbox.requests) <= 40


def test_the_key_and_the_ids_cannot_share_stdin(cli: Command) -> None:
    """Both from stdin is refused."""
    assert cli("get", "customers", "-", "--api-key-file", "-").code == 2


def test_columns_are_those_that_rows_have() -> None:
    """Telling attributes first, at the most eight; rows without any show what they begin with; no objects."""
    assert choose_columns([{"status": "x", "id": "1", "line_items": []}, {"email": None, "total": 5}])[:3] == [
        "id", "status", "total",
    ]  # fmt: skip
    assert choose_columns([{"object": "o", "zeta": 1, "eta": True, "theta": {}}]) == ["zeta", "eta"]
    assert choose_columns([{"id": "1", "a": 1, "b": 2, "deleted": True}, {"deleted": False}])[1] == "deleted"
    assert "deleted" not in choose_columns([{"id": "1", "deleted": False}])
    every = dict.fromkeys("abcdefghijkl", 1) | {"id": 1}
    assert len(choose_columns([every])) == 8


def test_moments_beyond_the_calendar_stay_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """What is no time is shown as it is; texts cannot move the cursor or add cells; without a header on demand."""
    rows: list[dict[str, object]] = [
        {"created_at": 10**18, "name": "a\tb\x1b[2J\nc", "deleted": True},
        {"created_at": 0},
    ]
    show_table(rows, ["created_at", "name", "deleted"], header=False)
    assert capsys.readouterr().out == f"{10**18}\ta b [2J c\ttrue\n1970-01-01T00:00:00Z\t\t\n"


def test_what_cannot_be_had_one_by_one() -> None:
    """A resource without `retrieve` says so; an answer without a record is an error of the answer."""
    with pytest.raises(RequestError, match="one by one"):
        retriever(object(), "things")
    with pytest.raises(DecodeError, match="no record"):
        main_record(attrs.make_class("Answer", ["note"])("x"))


def test_a_closed_pipe_ends_quietly(sandbox: ThreadedSandbox) -> None:
    """When nobody reads stdout any more, the command ends with 141 and without a word."""
    process = spawn("list", "customers", "--all", "--json", "--sandbox")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read().startswith(b"sandbox: ")
    process.stderr.close()
    assert process.wait(30) == 141


def test_one_bad_id_does_not_stop_the_others(cli: Command) -> None:
    """An id that cannot be is told with its place and text, and the rest is shown: exit code 1, 2 when all are bad."""
    found = cli("get", "customers", "cust_1", "../x", "cust_2", "y" * 200)
    assert found.code == 1
    assert [json.loads(line)["id"] for line in found.out.splitlines()] == ["cust_1", "cust_2"]
    first, second = found.err.splitlines()
    assert first.startswith("error: id 2, '../x': ")
    assert second.startswith(f"error: id 4, '{'y' * 60}...': ")
    assert cli("get", "customers", "../x", "", "--json").code == 2
    assert cli("get", "customers", "../x", "nobody").code == 1
    assert cli("get", "customers", "-").code == 0


def test_halves_of_surrogate_pairs_are_shown(cli: Command, sandbox: ThreadedSandbox) -> None:
    """A text that UTF-8 cannot hold neither ends a table nor a call."""
    body = b'{"list":[{"customer":{"id":"c","first_name":"a\\ud800b"}}]}'
    sandbox.faults.add("status", status=200, body=body, path="/customers", times=None)
    assert "\ta b" in cli("list", "customers").text
    assert b'"a\\ud800b"' in cli("list", "customers", "--json").out


def test_a_stdout_that_knows_few_letters(sandbox: ThreadedSandbox) -> None:
    """Tab-separated text is UTF-8 whatever the locale says; a terminal's table has question marks instead."""
    sandbox.insert("customer", {"id": "m", "first_name": "Müller 株式会社"})
    argv = ("list", "customers", "--where", "id[is]=m")
    env = {**environment(sandbox), "PYTHONIOENCODING": "ascii", "TERM": "xterm"}
    out, err = spawn(*argv, env=env).communicate(timeout=30)
    assert "Müller 株式会社" in out.decode()
    assert err == b""
    master, slave = pty.openpty()
    process = spawn(*argv, env=env, stdout=slave)
    os.close(slave)
    assert b"M?ller ????" in os.read(master, 65536)
    assert process.wait(30) == 0
    os.close(master)
    assert process.stderr is not None
    process.stderr.close()
