"""Checkpoints: what a commit keeps, what a journal's file says of itself, and what a disk's errors become."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from aiochargebee_gw import RequestError
from aiochargebee_gw.export._journal import Journal, guarded, is_journal, making_way, remove
from aiochargebee_gw.export._keys import Key, Row
from aiochargebee_gw.export._state import ListState, PassKind, PassState, decode_state, encode_state


def _row(id: str | None, version: int = 1, document: bytes = b"{}", **more: bool | int) -> Row:
    return Key(id, version, more.get("position"), bool(more.get("deleted", False))), document


def _state(*passes: PassState, generation: int = 1) -> ListState:
    return ListState(query="q", fingerprint="f", generation=generation, passes=list(passes))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A new one."""
    made = Journal(tmp_path / "j")
    yield made
    made.close()


def _documents(journal: Journal, *, deleted: bool = True, sorted: bool = False) -> list[bytes]:
    return [one for some in journal.documents("c", deleted=deleted, sorted=sorted) for one in some]


def test_a_journal_knows_whether_it_is_new(tmp_path: Path) -> None:
    """Where nothing was, it is new and nothing is known; the next time it is not, and all is there."""
    first = Journal(tmp_path / "j")
    assert (first.is_new, first.lists(), first.state("c")) == (True, [], None)
    state = _state(PassState(kind="full", cursor={"x": [1]}))
    first.commit("c", [_row("a")], state)
    first.close()
    second = Journal(tmp_path / "j")
    assert (second.is_new, second.lists(), second.state("c")) == (False, ["c"], state)
    second.close()


def test_rows_are_counted_in_the_last_pass(journal: Journal) -> None:
    """What is new and what is newer is added to the pass under way alone, and is in what is kept. A row that is known
    in the same or a newer version counts as neither; an empty page changes nothing."""
    state = _state(PassState(kind="full"))
    assert journal.commit("c", [_row("a"), _row("b")], state) == (2, 0)
    assert journal.commit("c", [_row("a"), _row("d")], state) == (1, 0)
    state.passes.append(PassState(kind="changes"))
    assert journal.commit("c", [_row("a"), _row("b", 2), _row("e"), _row(None)], state) == (2, 1)
    assert journal.commit("c", [_row("a", 0), _row("b", 2, b"[]"), _row("d", 1, deleted=True)], state) == (0, 2)
    assert journal.commit("c", [], state) == (0, 0)
    assert [(one.added, one.changed) for one in state.passes] == [(3, 0), (2, 3)]
    assert journal.state("c") == state


def test_a_second_full_pass_counts_what_changed(journal: Journal) -> None:
    """Also a pass that reads all again, for there is something that it can be compared with."""
    journal.commit("c", [_row("a")], _state(PassState(kind="full")))
    again = _state(PassState(kind="full"), generation=2)
    assert journal.commit("c", [_row("a", 2), _row("b")], again) == (1, 1)


def test_a_state_before_the_first_pass_can_be_kept(journal: Journal) -> None:
    """A list of which nothing was asked yet has no pass, and no rows to count in one."""
    assert journal.commit("c", [], _state()) == (0, 0)
    assert journal.state("c") == _state()


def test_a_commit_that_fails_keeps_nothing_and_the_next_one_all(journal: Journal) -> None:
    """Neither rows nor cursor of it, and the journal goes on as if it had not been tried."""
    state = _state(PassState(kind="full"))
    journal.commit("c", [_row("a")], state)
    broken = _state(PassState(kind="full", cursor=object()))
    with pytest.raises(TypeError):
        journal.commit("c", [_row("b"), _row("d")], broken)
    assert (journal.count("c", deleted=True), journal.state("c")) == (1, state)
    assert journal.commit("c", [_row("b")], state) == (1, 0)
    journal.bury("c", 1)
    assert journal.commit("c", [_row("d")], state) == (1, 0)


def test_records_come_in_order_and_with_or_without_the_deleted_ones(journal: Journal) -> None:
    """As they came, which writes nothing, or by position and then as they came; more than are handed out at a time,
    too."""
    rows = [_row(str(n), document=b"%d" % n, position=n % 7, deleted=n % 2) for n in range(1200)]
    journal.commit("c", rows, _state(PassState(kind="full")))
    journal.commit("other", rows[:3], _state(PassState(kind="full")))
    with closing(sqlite3.connect(journal.path)) as other:
        before = other.execute("PRAGMA data_version").fetchone()
        assert _documents(journal) == [b"%d" % n for n in range(1200)]
        assert other.execute("PRAGMA data_version").fetchone() == before
    assert _documents(journal, deleted=False) == [b"%d" % n for n in range(0, 1200, 2)]
    assert _documents(journal, sorted=True) == [b"%d" % n for n in sorted(range(1200), key=lambda n: n % 7)]
    assert (journal.count("c", deleted=True), journal.count("c", deleted=False)) == (1200, 600)


def test_what_a_full_pass_has_not_shown_is_gone(journal: Journal) -> None:
    """Named records are flagged, once; nameless ones were read anew. Other lists are not touched."""
    journal.commit("c", [_row("a"), _row("b"), _row(None)], _state(PassState(kind="full")))
    journal.commit("other", [_row("a"), _row(None)], _state(PassState(kind="full")))
    journal.commit("c", [_row("a"), _row(None)], _state(PassState(kind="full"), generation=2))
    assert [journal.bury("c", 2), journal.bury("c", 2)] == [1, 0]
    assert (journal.count("c", deleted=True), journal.count("c", deleted=False)) == (3, 2)
    assert journal.count("other", deleted=False) == 2
    journal.forget("c")
    assert (journal.lists(), journal.count("c", deleted=True)) == (["other"], 0)


def test_a_view_is_made_anew_only_where_it_is_another(journal: Journal) -> None:
    """Those who have the file open need not read its schema again; a view that another release made is replaced."""
    with closing(sqlite3.connect(journal.path)) as other:
        versions = []
        for what in ("1 AS x", "1 AS x", "2 AS x", "2 AS x"):
            journal.define("v", f"CREATE VIEW v AS SELECT {what}")
            versions.append(other.execute("PRAGMA schema_version").fetchone())
        assert other.execute("SELECT x FROM v").fetchall() == [(2,)]
    assert versions[0] == versions[1] != versions[2] == versions[3]


def test_it_is_usable_from_any_thread(journal: Journal) -> None:
    """A commit in one thread, a count in another."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(journal.commit, "c", [_row("a")], _state(PassState(kind="full"))).result()
    assert journal.count("c", deleted=True) == 1


def test_a_broken_page_is_told_when_everything_is_read(tmp_path: Path) -> None:
    """A journal is opened in no time, whatever its size; `check` reads it through."""
    made = Journal(tmp_path / "j")
    made.commit("c", [_row(str(n), document=b"x" * 900) for n in range(200)], _state(PassState(kind="full")))
    made.check()
    made.close()
    data = (tmp_path / "j").read_bytes()
    (tmp_path / "j").write_bytes(data[: len(data) // 2] + b"\xff" * 16384 + data[len(data) // 2 + 16384 :])
    broken = Journal(tmp_path / "j")
    with pytest.raises(RequestError, match="damaged") as caught:
        broken.check()
    assert caught.value.field == "journal"
    broken.close()


# -- the file


def test_what_the_file_says_of_itself(tmp_path: Path) -> None:
    """The head that the last release wrote is known to the next one: "acgw", format 1. Another format is refused."""
    Journal(tmp_path / "j").close()
    head = (tmp_path / "j").read_bytes()[:72]
    assert (head[68:72], head[60:64]) == (b"acgw", b"\0\0\0\1")
    assert is_journal(tmp_path / "j")
    with closing(sqlite3.connect(tmp_path / "j")) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(RequestError, match="another version"):
        Journal(tmp_path / "j")


def test_what_is_no_journal_does_not_look_like_one(tmp_path: Path) -> None:
    """Nothing, an empty file, another database, and a text that has the same four letters in the same place."""
    path = tmp_path / "j"
    assert not is_journal(path)
    for content in (b"", b"acgw" * 30, b"SQLite format 3\0" + b"\0" * 100):
        path.write_bytes(content)
        assert not is_journal(path)


def test_a_new_journal_that_cannot_be_made_is_gone(tmp_path: Path) -> None:
    """A disk that takes no more leaves no file behind that the next run would stumble over; the error names it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(OSError, match="j'") as caught:
            Journal(tmp_path / "j")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno is not None
    assert list(tmp_path.iterdir()) == []
    Journal(tmp_path / "j").close()


def test_a_new_journal_is_on_the_disk_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder is written through, once: the file is not lost when the power fails."""
    folders: list[int] = []
    real = os.fsync

    def noted(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            folders.append(os.fstat(handle).st_ino)
        real(handle)

    monkeypatch.setattr(os, "fsync", noted)
    Journal(tmp_path / "j").close()
    assert folders == [tmp_path.stat().st_ino]
    Journal(tmp_path / "j").close()
    assert len(folders) == 1


def test_a_journal_that_is_dropped_is_closed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows removes no file that is open; and when its name goes, nothing of it is beside it that would be left by a
    kill. What is only closed stays."""
    made = Journal(tmp_path / "j")
    made.close()
    assert is_journal(tmp_path / "j")
    made = Journal(tmp_path / "j")
    made.commit("c", [_row("a")], _state(PassState(kind="full")))
    assert (tmp_path / "j-wal").stat().st_size
    beside: list[set[str]] = []
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        beside.append({one.name for one in tmp_path.iterdir()})
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    made.close(drop=True)
    assert beside[0] == {"j", "j-lock"}
    assert list(tmp_path.iterdir()) == []


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    """Neither the file nor what SQLite keeps beside one need be there; what is beside it goes, too."""
    remove(tmp_path / "j")
    for tail in ("-wal", "-shm", "-journal"):
        (tmp_path / f"j{tail}").touch()
    remove(tmp_path / "j")
    assert list(tmp_path.iterdir()) == []


# -- whose file it is


def test_a_journal_that_is_open_is_not_opened_again(journal: Journal) -> None:
    """The second one is refused, the error names the argument, and the first one has lost nothing."""
    with pytest.raises(RequestError, match="in use") as caught:
        Journal(journal.path)
    assert caught.value.field == "journal"
    journal.commit("c", [_row("a")], _state(PassState(kind="full")))
    assert journal.path.exists()


def test_a_database_that_is_in_use_makes_no_way(journal: Journal) -> None:
    """Nothing takes the name of a journal that is open."""
    with pytest.raises(RequestError, match="in use"), making_way(journal.path):
        raise AssertionError("it has made way")


def test_what_makes_way_stays_whole_until_it_is_replaced(tmp_path: Path) -> None:
    """A database of a run that was killed has its last commits in a file beside it: they are brought into it, nothing
    is left beside it, and while another one takes its name nobody else has it."""
    path = tmp_path / "killed"
    made = Journal(tmp_path / "j")
    made.commit("c", [_row("a")], _state(PassState(kind="full")))
    for tail in ("", "-wal"):
        (tmp_path / f"killed{tail}").write_bytes((tmp_path / f"j{tail}").read_bytes())
    made.close()
    with making_way(path):
        assert {one.name for one in tmp_path.glob("killed*")} == {"killed", "killed-lock"}
        with pytest.raises(RequestError, match="in use"):
            Journal(path)
    again = Journal(path)
    assert again.count("c", deleted=True) == 1
    again.close()


def test_a_name_that_is_free_makes_way_at_once(tmp_path: Path) -> None:
    """No file is made there; what another one has left beside the name is gone."""
    (tmp_path / "j-wal").write_bytes(b"left")
    with making_way(tmp_path / "j"):
        assert list(tmp_path.iterdir()) == []


# -- SQLite's errors


def test_a_full_disk_and_one_that_is_read_only_are_told_as_such(tmp_path: Path) -> None:
    """The errno is that of the disk, and the error names the file; an error of another kind is one of input/output."""
    path = tmp_path / "j"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE t (x UNIQUE)")
        db.execute("INSERT INTO t VALUES (1)")
        db.execute("PRAGMA max_page_count = 3")
        with pytest.raises(OSError, match="j'") as caught, guarded(path):
            db.execute("INSERT INTO t VALUES (zeroblob(100000))")
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
        with pytest.raises(OSError, match="j'") as caught, guarded(path):
            db.execute("INSERT INTO t VALUES (1)")
        assert caught.value.errno == errno.EIO
        db.execute("PRAGMA query_only = 1")
        with pytest.raises(OSError, match="j'") as caught, guarded(path):
            db.execute("DELETE FROM t")
        assert caught.value.errno == errno.EROFS


def test_a_database_in_use_and_one_that_is_none_are_refused(tmp_path: Path) -> None:
    """Those are not the disk's errors: `RequestError`, which says which of both it is."""
    path = tmp_path / "j"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as one,
        closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as two,
    ):
        one.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RequestError, match="in use"), guarded(path):
            two.execute("BEGIN EXCLUSIVE")
    (tmp_path / "text").write_bytes(b"text" * 1000)
    with (
        closing(sqlite3.connect(tmp_path / "text")) as none,
        pytest.raises(RequestError, match="not a journal"),
        guarded(path),
    ):
        none.execute("SELECT * FROM sqlite_schema")


# -- the state


def test_what_a_state_does_not_say_is_nothing() -> None:
    """A fresh state is that of a first full run of which nothing is done, and one kept by an older release that knew
    fewer words is read as such."""
    old = decode_state('{"query":"q","fingerprint":"f","passes":[{"kind":"full"}]}')
    assert old == _state(PassState(kind="full"))
    assert (old.mode, old.finished, old.generation, old.unnamed, old.split) == ("full", False, 1, False, False)
    assert (old.requests, old.seconds, old.watermark, old.part, old.published) == (0, 0.0, None, None, None)
    (one,) = old.passes
    assert (one.done, one.pages, one.rows, one.added, one.changed, one.restarts) == (False, 0, 0, 0, 0, 0)
    published = '{"query":"q","fingerprint":"f","published":{"rows":1,"bytes":2,"sha256":"x"}}'
    assert (kept := decode_state(published).published) is not None
    assert (kept.rows, kept.bytes, kept.sha256, kept.deleted) == (1, 2, "x", False)
    for text in ("", "{}", '{"query":"q","fingerprint":"f","mode":"other"}', "[1]"):
        with pytest.raises(msgspec.DecodeError):
            decode_state(text)
    assert decode_state(encode_state(old)) == old


def test_the_first_pass_is_the_full_one_of_the_first_run() -> None:
    """Rows of a pass for changes, or of a later generation, may be known already."""
    assert _state(PassState(kind="full")).is_first_pass
    assert not _state(PassState(kind="full"), generation=2).is_first_pass
    assert not _state(PassState(kind="full"), PassState(kind="changes")).is_first_pass
    assert _state(PassState(kind="changes"), PassState(kind="full")).is_first_pass


def test_a_kind_of_pass_is_done_when_one_of_it_is() -> None:
    """One under way is not, nor one of another kind."""
    state = _state(PassState(kind="full", done=True, added=2), PassState(kind="changes", added=3))
    assert (state.has("full"), state.has("changes"), state.has("created"), state.known) == (True, False, False, 5)


def _began(*passes: tuple[PassKind, int | None]) -> ListState:
    return decode_state(encode_state(_state(*(PassState(kind=kind, began=began) for kind, began in passes))))


def test_the_next_run_begins_where_the_full_pass_began() -> None:
    """Ten minutes before, for lists may lag; where there was none, where the last pass for changes began; never before
    1970, and where the server told no time, then."""
    expected: list[tuple[tuple[tuple[PassKind, int | None], ...], int | None, int | None]] = [
        ((("full", 5000), ("changes", 7000)), 7000, 4400),
        ((("full", 5000), ("changes", 7000), ("created", 9000)), 7000, 4400),
        ((("changes", 7000), ("changes", 8000)), 8000, 7400),
        ((("changes", 7000), ("created", 9000)), 7000, 6400),
        ((("full", 0), ("changes", 7000)), 7000, 0),
        ((("full", 601),), 601, 1),
        ((("full", 500),), 500, 0),
        ((("full", None),), None, 0),
        ((), None, 0),
    ]
    for passes, as_of, watermark in expected:
        state = _began(*passes)
        assert (state.as_of, state.finished) == (as_of, False)
        state.finish()
        assert (state.watermark, state.finished) == (watermark, True)


def test_a_snapshot_stays_when_the_pass_goes_on() -> None:
    """For another thread: what is counted, or begun, meanwhile is not in it."""
    state = _state(PassState(kind="full", rows=1), PassState(kind="changes", rows=2))
    taken = state.snapshot()
    assert taken == state
    state.passes[-1].rows = 9
    state.passes.append(PassState(kind="changes"))
    assert [one.rows for one in taken.passes] == [1, 2]
    assert _state().snapshot() == _state()
