"""Whose a journal is: SQLite's locks on it outlast whatever else this process does with the file.

POSIX takes all `fcntl` locks of a process from a file when it closes any handle of that file. SQLite's go, too, and the
next reader of another process, which then takes itself for the last one, removes the log that is still written to.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from textwrap import dedent

import pytest

from aiochargebee_gw import RequestError
from aiochargebee_gw._files import FileLock
from aiochargebee_gw.export import check, check_sync, sync
from aiochargebee_gw.export._journal import Journal, is_journal, making_way
from aiochargebee_gw.export._keys import Key
from aiochargebee_gw.export._state import ListState, PassState
from aiochargebee_gw.sandbox import Sandbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")

READ = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); print(*db.execute({!r}).fetchone()); db.close()"


def read_elsewhere(path: Path, query: str = "SELECT count(*) FROM documents") -> str:
    """What another process reads, which comes and goes."""
    found = subprocess.run(
        [sys.executable, "-c", READ.format(query), path], capture_output=True, text=True, timeout=60, check=True
    )
    return found.stdout.strip()


def commit(journal: Journal, *ids: str) -> None:
    """Keep some rows."""
    state = ListState(query="q", fingerprint="f", passes=[PassState(kind="full")])
    journal.commit("customers", [(Key(id, 1, None, False), b"{}") for id in ids], state)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """One with a row in its log."""
    made = Journal(tmp_path / "m.db")
    commit(made, "a")
    yield made
    made.close()


def log_of(path: Path) -> Path:
    """Where SQLite keeps what is not yet in the database."""
    return Path(f"{path}-wal")


def by_hand(path: Path) -> None:
    """The baseline: any handle of the file, opened and closed."""
    path.open("rb").close()


def again(path: Path) -> None:
    with pytest.raises(RequestError, match="in use"):
        Journal(path)


def in_its_place(path: Path) -> None:
    with pytest.raises(RequestError, match="in use"), making_way(path):
        raise AssertionError("it has made way")


def looked_at(path: Path) -> None:
    assert is_journal(path)
    assert check_sync(path) == path
    with suppress(RequestError):
        check(path.with_name("x.jsonl"), journal=path)


@pytest.mark.parametrize("does", [again, in_its_place, looked_at])
def test_who_is_refused_takes_no_locks_away(journal: Journal, does: Callable[[Path], None]) -> None:
    """Neither a second run of this process nor a look at the file: after each, a reader of another process comes and
    goes, the log stays where it is, and what is committed then is found by the next reader."""
    does(journal.path)
    assert read_elsewhere(journal.path) == "1"
    assert log_of(journal.path).exists()
    commit(journal, "b")
    assert read_elsewhere(journal.path) == "2"


def test_a_handle_of_the_file_takes_them_away(tmp_path: Path) -> None:
    """The baseline: after it the reader removes the log, and what is committed next nobody else finds."""
    journal = Journal(tmp_path / "m.db")
    commit(journal, "a")
    by_hand(journal.path)
    assert read_elsewhere(journal.path) == "1"
    assert not log_of(journal.path).exists()
    commit(journal, "b")
    assert read_elsewhere(journal.path) == "1"
    journal.close()


def test_a_reader_of_this_process_keeps_its_locks(tmp_path: Path) -> None:
    """Whoever has the mirror open, in the program that brings it up to date, has it still when the run is over."""
    journal = Journal(tmp_path / "m.db")
    commit(journal, "a")
    with closing(sqlite3.connect(journal.path)) as mine:
        assert mine.execute("SELECT count(*) FROM documents").fetchone() == (1,)
        journal.close()
        assert read_elsewhere(journal.path) == "1"
        assert log_of(journal.path).exists()
        by_hand(journal.path)
        assert read_elsewhere(journal.path) == "1"
        assert not log_of(journal.path).exists()


@pytest.mark.anyio
async def test_two_syncs_of_one_mirror(tmp_path: Path) -> None:
    """The second is refused while the first one runs, and then a reader of another process comes and goes: the first
    one ends as if nothing had been, and its mirror is whole."""
    path = tmp_path / "m.db"
    told: list[str] = []

    async with Sandbox(records=300) as sandbox, sandbox.gateway() as gw:

        def between(_: object) -> None:
            if not told and log_of(path).exists() and log_of(path).stat().st_size:
                again(path)
                looked_at(path)
                told.append(read_elsewhere(path, "SELECT count(*) >= 0 FROM documents"))
                assert log_of(path).exists()

        (report,) = await sync(gw.customers.list(), to=path, progress=between)
        assert told == ["1"]
        assert report.rows == sandbox.count("customer")
    assert read_elsewhere(path, "PRAGMA integrity_check") == "ok"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["m.db"]


# -- the claim itself


def test_a_claim_is_a_file_beside_the_path(tmp_path: Path) -> None:
    """The path itself is neither made nor opened; only its owner may read the file, which goes with the claim; a second
    claim by any name of it is refused, with the name that was given."""
    path, link = tmp_path / "m.db", tmp_path / "link.db"
    link.symlink_to(path)
    lock = FileLock(path)
    assert {one.name for one in tmp_path.iterdir()} == {"m.db-lock", "link.db"}
    assert (tmp_path / "m.db-lock").stat().st_mode & 0o777 == 0o600
    for name in (path, link):
        with pytest.raises(BlockingIOError) as caught:
            FileLock(name)
        assert caught.value.filename == str(name)
    lock.release()
    lock.release()
    assert [one.name for one in tmp_path.iterdir()] == ["link.db"]
    with pytest.raises(FileNotFoundError) as missing:
        FileLock(tmp_path / "no" / "m.db")
    assert missing.value.filename == str(tmp_path / "no" / "m.db")


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    """However it ends; the file that it leaves is taken over."""
    path = tmp_path / "m.db"
    script = "import sys, os; from pathlib import Path; from aiochargebee_gw._files import FileLock\n"
    script += "lock = FileLock(Path(sys.argv[1])); print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script, path], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"1\n"
        with pytest.raises(BlockingIOError):
            FileLock(path)
        child.send_signal(signal.SIGKILL)
        child.wait(60)
        assert (tmp_path / "m.db-lock").exists()
        FileLock(path).release()
    assert list(tmp_path.iterdir()) == []


FORKED = """
    import fcntl, os, sys
    from pathlib import Path
    from aiochargebee_gw._files import FileLock

    path = Path(sys.argv[1])
    lock = FileLock(path)
    bare = os.open(f"{path}.bare", os.O_RDWR | os.O_CREAT)
    fcntl.flock(bare, fcntl.LOCK_EX | fcntl.LOCK_NB)
    begun, begin = os.pipe()
    ended, end = os.pipe()
    if not os.fork():
        os.close(end)
        lock.release()
        os.write(begin, b"x")
        os.read(ended, 1)
        os._exit(0)
    os.read(begun, 1)
    try:
        FileLock(path)
    except BlockingIOError:
        print("held")
    lock.release()
    FileLock(path).release()
    os.close(bare)
    bare = os.open(f"{path}.bare", os.O_RDWR)
    try:
        fcntl.flock(bare, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("the baseline is not free")
    os.close(end)
    os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_claim_stays_behind_at_a_fork(tmp_path: Path) -> None:
    """A process that is forked off can neither give it back nor keep it: it is free when the one that made it says so.
    A bare `flock` (the baseline) is held for as long as the other one lives."""
    found = subprocess.run(
        [sys.executable, "-c", dedent(FORKED), tmp_path / "m.db"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert found.stdout.split("\n")[:2] == ["held", "the baseline is not free"]
    assert not (tmp_path / "m.db-lock").exists()


# -- what is looked at, opened, made


def test_looking_makes_nothing(tmp_path: Path) -> None:
    """A journal in use is looked at without a file more, and a missing one is not made."""
    assert not is_journal(tmp_path / "j")
    assert list(tmp_path.iterdir()) == []
    journal = Journal(tmp_path / "j")
    before = sorted(tmp_path.iterdir())
    assert is_journal(tmp_path / "j")
    assert sorted(tmp_path.iterdir()) == before
    journal.close()
    assert is_journal(tmp_path / "j")
    assert [one.name for one in tmp_path.iterdir()] == ["j"]


@pytest.mark.parametrize("name", ["j", "a b?c#d%20&e", "ü😀"])
def test_a_journal_that_a_killed_checkpoint_left_short_is_one(tmp_path: Path, name: str) -> None:
    """Its head tells of pages that are still in the log alone; whatever the file is called."""
    path = tmp_path / name
    journal = Journal(path)
    commit(journal, *map(str, range(2000)))
    journal.close()
    assert is_journal(path)
    data = path.read_bytes()
    assert len(data) > 5 * 16384
    path.write_bytes(data[: 3 * 16384])
    assert is_journal(path)


def test_a_new_journal_may_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    """With what SQLite keeps beside it, and also where a link points at a file that is not there."""
    (tmp_path / "link").symlink_to(tmp_path / "far")
    for name in ("j", "link"):
        journal = Journal(tmp_path / name)
        assert journal.is_new is True
        commit(journal, "a")
        for one in tmp_path.iterdir():
            assert one.is_symlink() or one.stat().st_mode & 0o077 == 0, one.name
        journal.close()
        journal = Journal(tmp_path / name)
        assert journal.is_new is False
        journal.close()


def test_a_journal_that_may_only_be_read_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by its first commit, when the rows have travelled; and nobody has a claim on it then."""
    Journal(tmp_path / "j").close()
    with monkeypatch.context() as patched, pytest.raises(PermissionError) as caught:
        patched.setattr(os, "access", lambda *_: False)
        Journal(tmp_path / "j")
    assert caught.value.filename == str(tmp_path / "j")
    Journal(tmp_path / "j").close()


# -- its end

KILLED = """
    import os, signal, sys
    from pathlib import Path
    from aiochargebee_gw.export._journal import Journal
    from aiochargebee_gw.export._keys import Key
    from aiochargebee_gw.export._state import ListState, PassState

    path, at = Path(sys.argv[1]), int(sys.argv[2])
    journal = Journal(path)
    state = ListState(query="q", fingerprint="f", passes=[PassState(kind="full")])
    journal.commit("customers", [(Key("a", 1, None, False), b'{"id":"secret"}')], state)
    events = 0

    def noted(event, args):
        global events
        if event == "os.remove":
            events += 1
            if events == at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(noted)
    if sys.argv[3] == "names first":  # the baseline
        for tail in ("", "-wal", "-shm"):
            os.unlink(f"{path}{tail}")
    journal.close(drop=True)
"""


def killed(path: Path, at: int, how: str) -> set[str]:
    """What a process leaves that is killed when it removes its n-th file."""
    found = subprocess.run([sys.executable, "-c", dedent(KILLED), path, str(at), how], timeout=60, check=False)
    assert found.returncode in (0, -signal.SIGKILL)
    return {one.name for one in path.parent.iterdir()}


def test_a_kill_while_a_journal_is_removed_leaves_all_of_it_or_nothing(tmp_path: Path) -> None:
    """Whichever file it comes before: either a journal that can be gone on with, or no record at all. In the order of
    names (the baseline) the log stays without its database, with the records in it."""
    left = set[str]()
    for at in range(1, 7):
        left = killed(tmp_path / "j", at, "")
        assert left in ({"j", "j-lock"}, {"j-lock"}, set())
        if "j" in left:
            journal = Journal(tmp_path / "j")
            assert [one for some in journal.documents("customers", deleted=False, sorted=False) for one in some] == [
                b'{"id":"secret"}'
            ]
            journal.close(drop=True)
    assert left == set()
    left = killed(tmp_path / "k", 2, "names first")
    assert "k" not in left
    assert b"secret" in (tmp_path / "k-wal").read_bytes()
