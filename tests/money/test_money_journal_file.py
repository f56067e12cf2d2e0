"""The file behind the journal of writes: what is stored comes back, and nothing else is taken for it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from aiochargebee_gw import ConfigurationError, RequestError
from aiochargebee_gw._journal import Entry, JournalFile, State, fingerprint
from aiochargebee_gw._settle import Trace
from aiochargebee_gw._wire.message import Request

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
TRACE = Trace(
    path="/api/v2/customers/tracepath", record="customer", ours=True, attribute="status", value="v",
    stamp="updated_at", texts={"first_name": "tracetext"},
)  # fmt: skip
PLAIN = Entry(
    connection="", key="secretkey", origin="http://h", label="POST /customers", method="POST", path="/secretpath",
    headers={"x": "secretheader"}, body=b"secretbody", keyed=False, named=None, trace=None,
    fingerprint=b"secretfingerprint", first_sent=5.5,
)  # fmt: skip
FULL = attrs.evolve(PLAIN, connection="c", body=None, keyed=True, named="secretname", trace=TRACE, first_sent=4.25)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JournalFile]:
    """A new one."""
    made = JournalFile(tmp_path / "w.db")
    yield made
    made.close()


@pytest.mark.parametrize("entry", [PLAIN, FULL])
def test_a_write_comes_back_as_it_was_stored(journal: JournalFile, entry: Entry) -> None:
    """Every field, with or without a body, a name and a trace, also by the next process; its end is added."""
    assert journal.find(entry.place) is None
    assert journal.begin(entry) is None
    journal.close()
    found = journal.find(entry.place)
    assert found == entry
    assert found is not None
    assert type(found.keyed) is bool
    assert (type(found.trace), found.state) == (type(entry.trace), "open")
    journal.end(entry.place, "done", 7.5, 200, b"{}")
    assert journal.find(entry.place) == attrs.evolve(entry, state="done", ended=7.5, status=200, answer=b"{}")


@pytest.mark.parametrize("state", ["open", "unknown", "done", "refused"])
def test_what_is_known_of_a_key_is_told_and_stays(journal: JournalFile, state: State) -> None:
    """A write that was begun is not begun again, unless it is known not to have happened: then it is open anew."""
    journal.begin(PLAIN)
    if state != "open":
        journal.end(PLAIN.place, state, 7.5, None, None)
    known = journal.find(PLAIN.place)
    again = attrs.evolve(PLAIN, first_sent=9.0)
    if state == "refused":
        assert journal.begin(again) is None
        assert journal.find(PLAIN.place) == again
    else:
        assert journal.begin(again) == known == journal.find(PLAIN.place)


@pytest.mark.parametrize("other", [{"fingerprint": b"x"}, {"origin": "http://other"}])
@pytest.mark.parametrize("state", ["open", "refused"])
def test_a_key_is_for_one_request_at_one_gateway(journal: JournalFile, other: dict[str, Any], state: State) -> None:
    """Another one under it is refused, also after a refusal, and the error names the argument. Under the key of
    another connection it is stored."""
    journal.begin(PLAIN)
    journal.end(PLAIN.place, state, 7.5, None, None)
    known = journal.find(PLAIN.place)
    with pytest.raises(RequestError) as caught:
        journal.begin(attrs.evolve(PLAIN, **other))
    assert (caught.value.field, caught.value.operation) == ("idempotency_key", "POST /customers")
    assert journal.find(PLAIN.place) == known
    assert journal.begin(attrs.evolve(PLAIN, connection="c", **other)) is None


def test_the_oldest_of_those_without_an_end_comes_first(journal: JournalFile) -> None:
    """Open and unknown ones are pending; done and refused ones are forgotten once they ended before a time."""
    ends: list[tuple[State, float]] = [("unknown", 1.0), ("done", 2.0), ("refused", 3.0), ("done", 4.0), ("open", 0.0)]
    for number, (state, at) in enumerate(ends):
        entry = attrs.evolve(PLAIN, key=f"k{number}", first_sent=100.0 - number)
        journal.begin(entry)
        if at:
            journal.end(entry.place, state, at, None, None)
    assert [entry.key for entry in journal.pending()] == ["k4", "k0"]
    assert journal.forget(4.0) == 2
    assert [journal.find(("", f"k{number}")) is None for number in range(5)] == [False, True, True, False, False]


def test_what_is_printed_of_a_write_shows_nothing_of_it() -> None:
    """No key, path, header, body, name, text or answer, nor what could be compared with one."""
    text = repr(attrs.evolve(FULL, body=b"secretbody", answer=b"secretanswer"))
    assert "POST /customers" in text
    assert [word for word in ("secret", "tracepath", "tracetext") if word in text] == []


BASE = Request(method="POST", url="http://h/p", headers={}, body=b"a=1", label="POST /p")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"method": "PUT"}, False),
        ({"body": b"a=2"}, False),
        ({"body": None}, False),
        ({"headers": {"chargebee-business-entity-id": "x"}}, False),
        ({"headers": {"Maton-Connection": "x"}}, False),
        ({"headers": {"Chargebee-Idempotency-Key": "x"}}, True),
        ({"headers": {"chargebee-idempotency-key": "x"}}, True),
        ({"headers": {"user-agent": "x", "authorization": "x", "accept-encoding": "x"}}, True),
        ({"label": "another"}, True),
    ],
)
def test_what_a_key_stands_for(other: dict[str, Any], same: bool) -> None:
    """Method, path, body and the headers of Chargebee and Maton; not the key itself, nor what a release may change."""
    assert (fingerprint(attrs.evolve(BASE, **other), "/p") == fingerprint(BASE, "/p")) is same
    assert fingerprint(BASE, "/q") != fingerprint(BASE, "/p")


def test_headers_count_by_name_and_value_whatever_their_case_and_order() -> None:
    """The same ones written otherwise are the same request; another value is another one. No body is an empty one."""
    one = attrs.evolve(BASE, headers={"chargebee-a": "1", "Maton-B": "2"}, body=None)
    two = attrs.evolve(BASE, headers={"maton-b": "2", "Chargebee-A": "1"}, body=b"")
    three = attrs.evolve(two, headers={"maton-b": "1", "Chargebee-A": "2"})
    assert fingerprint(one, "/p") == fingerprint(two, "/p") != fingerprint(three, "/p")


def test_it_is_usable_from_any_thread(journal: JournalFile) -> None:
    """Opened in one thread, used in a second and closed in a third."""
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
        assert one.submit(journal.begin, PLAIN).result() is None
        assert two.submit(journal.find, PLAIN.place).result() == PLAIN
    journal.close()
    journal.close()
    assert journal.find(PLAIN.place) == PLAIN


def test_the_format_is_that_of_the_last_release(journal: JournalFile, tmp_path: Path) -> None:
    """What is in the file's head is how the next release knows it: "acgj", format 1. Only its owner may read it."""
    journal.begin(PLAIN)
    journal.close()
    head = (tmp_path / "w.db").read_bytes()[:72]
    assert (head[68:72], head[60:64]) == (b"acgj", b"\0\0\0\1")
    assert stat.S_IMODE((tmp_path / "w.db").stat().st_mode) == 0o600


def _other_application(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA application_id = 5")


def _other_release(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA user_version = 2")


def _unmarked(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA application_id = 0")


def _without_any_mark(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA application_id = 0")
    database.execute("PRAGMA user_version = 0")
    database.execute("CREATE TABLE t (x)")


@pytest.mark.parametrize("change", [_other_application, _other_release, _unmarked, _without_any_mark])
@pytest.mark.parametrize("empty", [True, False])
def test_what_is_no_journal_of_this_format_is_left_alone(
    tmp_path: Path, change: Callable[[sqlite3.Connection], None], empty: bool
) -> None:
    """A database of another program, or of another release, is refused and not written to, even when it is empty."""
    path = tmp_path / "w.db"
    if not empty:
        made = JournalFile(path)
        made.begin(PLAIN)
        made.close()
    with closing(sqlite3.connect(path)) as database:
        if empty:
            database.execute("PRAGMA user_version = 9")
        change(database)
        before = list(database.iterdump())
    with pytest.raises(ConfigurationError, match="is no journal"):
        JournalFile(path).begin(attrs.evolve(PLAIN, key="new"))
    with closing(sqlite3.connect(path)) as database:
        assert list(database.iterdump()) == before


def test_a_broken_page_is_found_before_it_is_needed(journal: JournalFile, tmp_path: Path) -> None:
    """The file is looked through when it is opened, not only where the write in hand is."""
    for number in range(100):
        journal.begin(attrs.evolve(PLAIN, key=f"k{number:03}", body=b"x" * 200))
    journal.close()
    path = tmp_path / "w.db"
    data = path.read_bytes()
    path.write_bytes(data[:-4096] + b"\xff" * 4096)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT 1 FROM writes WHERE connection = '' AND key = 'k000'").fetchall() == [(1,)]
    with pytest.raises(ConfigurationError, match="damaged"):
        journal.find(("", "k000"))


def test_a_file_that_another_program_writes_to_is_in_use(journal: JournalFile, tmp_path: Path) -> None:
    """As long as it does; then the journal goes on. A log that cannot be made is another thing."""
    journal.begin(PLAIN)
    journal.close()
    path = tmp_path / "w.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConfigurationError, match="in use"):
            journal.pending()
    assert journal.pending() == [PLAIN]
    journal.close()
    (tmp_path / "w.db-wal").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        journal.pending()


async def _fork(path: Path, how: str) -> int | None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.money.forked", str(path), how, cwd=ROOT)
    async with asyncio.timeout(30):
        return await process.wait()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
@pytest.mark.parametrize(("how", "code"), [("exit", 0), ("closed", 0), ("locked", 0), ("used", 7)])
async def test_a_forked_process_takes_nothing_away(tmp_path: Path, how: str, code: int) -> None:
    """However a forked child ends, with the journal closed, freed or in another thread's hands at the fork, what its
    parent stores after that is there when the parent is killed. In the child the journal is refused; one that nobody
    had opened is of no concern."""
    assert await _fork(tmp_path / "w.db", how) == code
    journal = JournalFile(tmp_path / "w.db")
    assert sorted(entry.key for entry in journal.pending()) == ["after", "before"]
    journal.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
async def test_a_forked_process_that_lives_on_does_not_keep_the_file(tmp_path: Path) -> None:
    """When its parent is killed, the next process has the journal, whatever the child still does."""
    arguments = ["-m", "tests.money.forked", str(tmp_path / "w.db"), "lives"]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT, stdin=asyncio.subprocess.PIPE)
    async with asyncio.timeout(30):
        assert await process.wait() == 0
    journal = JournalFile(tmp_path / "w.db")
    assert sorted(entry.key for entry in journal.pending()) == ["after", "before"]
    journal.close()
    assert process.stdin is not None
    process.stdin.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
async def test_a_connection_that_knows_nothing_of_forks_loses_a_write(tmp_path: Path) -> None:
    """The baseline: SQLite's own connection, which the child frees when it ends, and removes the log with."""
    assert await _fork(tmp_path / "w.db", "naive") == 0
    with closing(sqlite3.connect(tmp_path / "w.db")) as database:
        assert database.execute("SELECT key FROM writes").fetchall() == [("before",)]


def test_who_is_refused_takes_no_lock_away(tmp_path: Path, journal: JournalFile) -> None:
    """A second object on the file, in the same process, is refused and leaves the first one's hold on it whole: another
    process cannot read the database then, and when it closes it, does not take the log away."""
    journal.begin(PLAIN)
    with pytest.raises(ConfigurationError, match="in use"):
        JournalFile(tmp_path / "w.db").begin(FULL)
    log = tmp_path / "w.db-wal"
    size = log.stat().st_size
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('select count(*) from writes')"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "w.db")], capture_output=True, text=True, timeout=60, check=False
    )
    assert "locked" in done.stderr
    assert (log.exists(), log.stat().st_size) == (True, size)
