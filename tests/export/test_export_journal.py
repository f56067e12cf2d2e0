"""The journal: gone on with by its own query only, one writer, its owner's eyes only."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aiochargebee_gw import CursorExpired, Limits, RequestError, Settings
from aiochargebee_gw._files import FileLock
from aiochargebee_gw.export import Progress, check, export, journal_of
from aiochargebee_gw.export._journal import Journal
from aiochargebee_gw.export._keys import Key, reader
from aiochargebee_gw.export._state import ListState, PassState
from aiochargebee_gw.fields import customer as fields
from aiochargebee_gw.sandbox import Sandbox

from .conftest import Serve, body, customer

pytestmark = pytest.mark.anyio

FREE = Settings(limits=Limits(account_per_second=float("inf")))
FIRST, SECOND = body(customer(b'{"id":"a"}'), offset="1"), body(customer(b'{"id":"b"}'))


async def half_done(serve: Serve, to: Path) -> None:
    """An export that ends behind its first page."""
    with pytest.raises(Exception, match="500"):
        await export(serve(FIRST, 500), to=to)


async def test_the_rest_is_all_that_is_read(serve: Serve, tmp_path: Path) -> None:
    """Gone on with, an export asks for what it lacks, and tells the whole."""
    await half_done(serve, tmp_path / "x.jsonl")
    pages = serve(500, SECOND)
    seen: list[Progress] = []
    report = await export(pages, to=tmp_path / "x.jsonl", progress=seen.append)
    assert (tmp_path / "x.jsonl").read_bytes() == b'{"id":"a"}\n{"id":"b"}\n'
    assert (report.rows, report.pages, report.resumed, pages.stats.attempts) == (2, 3, True, 2)
    assert (seen[0].rows, seen[0].pages) == (2, 2)
    assert not journal_of(tmp_path / "x.jsonl").exists()


async def test_a_journal_of_another_query_is_refused(serve: Serve, tmp_path: Path) -> None:
    """Other filters, other rows, or no wish to go on: refused before any request, and nothing of it is lost."""
    path = tmp_path / "x.jsonl"
    await half_done(serve, path)
    before = journal_of(path).read_bytes()
    async with Sandbox(records=3) as sandbox, sandbox.gateway() as gw:
        with pytest.raises(RequestError, match="another query"):
            await export(gw.customers.list(fields.first_name.is_("x")), to=path)
        assert sandbox.requests == []
    other_ways: list[Any] = [{"rows": "envelope"}, {"resume": False}]
    for how in other_ways:
        pages = serve(FIRST, SECOND)
        with pytest.raises(RequestError, match="journal"):
            await export(pages, to=path, **how)
        assert pages.stats.attempts == 0
    assert journal_of(path).read_bytes() == before
    report = await export(serve(FIRST, SECOND), to=path, resume=False, force=True)
    assert (report.rows, report.resumed) == (2, False)


async def test_a_journal_that_was_asked_for_stays(serve: Serve, tmp_path: Path) -> None:
    """`journal=` names it; from one journal several formats can be made, with the changes since as the only request."""
    journal = tmp_path / "j.journal"
    await export(serve(FIRST, SECOND), to=tmp_path / "x.jsonl", journal=journal)
    assert journal.stat().st_mode & 0o077 == 0
    pages = serve(FIRST, SECOND)
    report = await export(pages, to=tmp_path / "x.csv", journal=journal)
    assert (report.rows, pages.stats.attempts) == (2, 1)


async def test_damaged_and_foreign_files_are_refused(serve: Serve, tmp_path: Path) -> None:
    """A text, another database, a journal with a hole, one of another release: an error that names it, untouched."""
    path = tmp_path / "x.jsonl"
    journal = journal_of(path)
    journal.write_text("a text that is longer than the head of any database could ever be, and precious")
    await refused(serve, path, "damaged, or is not a journal")
    journal.unlink()
    with closing(sqlite3.connect(journal)) as db:
        db.execute("CREATE TABLE precious (x)")
        db.commit()
    await refused(serve, path, "is not a journal")
    journal.unlink()
    await half_done(serve, path)
    with closing(sqlite3.connect(journal)) as db:
        db.execute("UPDATE lists SET state = '{}'")
        db.commit()
    await refused(serve, path, "damaged, or of another version")
    with closing(sqlite3.connect(journal)) as db:
        db.execute("PRAGMA user_version = 99")
        db.commit()
    await refused(serve, path, "another version")
    journal.unlink()
    await half_done(serve, path)
    data = bytearray(journal.read_bytes())
    data[len(data) // 2 :] = os.urandom(len(data) - len(data) // 2)
    journal.write_bytes(data)
    await refused(serve, path, "damaged")


async def refused(serve: Serve, path: Path, text: str) -> None:
    """The export is refused, and the journal is what it was."""
    before = journal_of(path).read_bytes()
    pages = serve(FIRST, SECOND)
    with pytest.raises(RequestError, match=text):
        await export(pages, to=path)
    assert (pages.stats.attempts, journal_of(path).read_bytes()) == (0, before)


async def test_one_writer_at_a_time(serve: Serve, tmp_path: Path) -> None:
    """Another process that has the journal keeps it; when it is gone, however, the way is free."""
    path = tmp_path / "x.jsonl"
    with multiprocessing.get_context("spawn").Pool(1) as other:
        other.apply(hold, (str(journal_of(path)),))
        with pytest.raises(RequestError, match="in use by another process"):
            await export(serve(FIRST, SECOND), to=path)
    assert (await export(serve(FIRST, SECOND), to=path)).rows == 2


def hold(path: str) -> None:
    """In the child: claim a file until the process ends."""
    sys.modules[__name__].__dict__["held"] = FileLock(Path(path))


async def test_a_file_that_is_there_already_is_not_made_again(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended between giving the file its name and the rest, the next run finds it done; another file there is kept."""
    path = tmp_path / "x.jsonl"
    journal = tmp_path / "j"
    with monkeypatch.context() as patched, pytest.raises(OSError, match="the end"):
        patched.setattr("aiochargebee_gw.export._export.write_manifest", fail)
        await export(serve(FIRST, SECOND), to=path, journal=journal)
    assert not (tmp_path / "x.jsonl.manifest.json").exists()
    pages = serve(500)
    report = await export(pages, to=path, journal=journal)
    assert (report.rows, report.resumed, pages.stats.attempts) == (2, True, 0)
    assert (tmp_path / "x.jsonl.manifest.json").exists()
    path.write_bytes(b"precious")
    with pytest.raises(RequestError, match="exists already"):
        await export(serve(FIRST, SECOND), to=path, journal=journal)
    assert path.read_bytes() == b"precious"


def fail(*_: Any) -> None:
    """In the place of the manifest."""
    raise OSError("the end")


async def test_a_refused_cursor_is_replaced_by_its_place(tmp_path: Path) -> None:
    """A cursor that the server no longer takes: the pass goes on behind the last row's second, once; then it fails."""
    async with Sandbox(records=450) as sandbox, sandbox.gateway(settings=FREE) as gw:
        refuse: dict[str, Any] = {
            "status": 400,
            "body": {"message": "no", "api_error_code": "param_wrong_value", "param": "offset"},
        }
        sandbox.faults.add("status", path="/customers", nth=3, **refuse)
        report = await export(gw.customers.list(), to=tmp_path / "x.jsonl", workers=1)
        assert report.rows == sandbox.count("customer")
        for nth in (3, 5):
            sandbox.faults.add("status", path="/customers", nth=nth, **refuse)
        with pytest.raises(CursorExpired):
            await export(gw.customers.list(), to=tmp_path / "y.jsonl", workers=1)


def test_many_rows_are_kept_as_one_by_one(tmp_path: Path) -> None:
    """However many go in together, and whichever come twice among them: each once, in its newest version."""
    journal = Journal(tmp_path / "j")
    state = ListState(query="q", fingerprint="f", passes=[PassState(kind="full")])
    kept: dict[int, tuple[int, bytes]] = {}
    for count in (0, 1, 99, 100, 101, 250):
        rows = [(number * 7 % 120, number % 5) for number in range(count)]
        new = {number for number, _ in rows} - set(kept)
        documents = [(Key(str(id), version, None, False), b'{"at":%d}' % at) for at, (id, version) in enumerate(rows)]
        assert journal.commit("customers", documents, state) == (len(new), 0)
        for at, (id, version) in enumerate(rows):
            if version >= kept.get(id, (0, b""))[0]:
                kept[id] = (version, b'{"at":%d}' % at)
    found = [one for some in journal.documents("customers", deleted=True, sorted=False) for one in some]
    assert sorted(found) == sorted(document for _, document in kept.values())
    journal.close(drop=True)
    journal.close(drop=True)
    assert list(tmp_path.iterdir()) == []


def test_a_dropped_journal_takes_no_other_with_it(tmp_path: Path) -> None:
    """Closed once more, it leaves alone what has its name meanwhile."""
    first = Journal(tmp_path / "j")
    first.close(drop=True)
    second = Journal(tmp_path / "j")
    second.commit(
        "customers",
        [(Key("a", 1, None, False), b"{}")],
        ListState(query="q", fingerprint="f", passes=[PassState(kind="full")]),
    )
    first.close(drop=True)
    assert second.count("customers", deleted=True) == 1
    second.close()
    reopened = Journal(tmp_path / "j")
    assert reopened.lists() == ["customers"]
    reopened.close()


def test_the_newest_version_is_kept(tmp_path: Path) -> None:
    """By `resource_version`, whatever comes last; without one, what comes last."""
    journal = Journal(tmp_path / "j")
    state = ListState(query="q", fingerprint="f", passes=[PassState(kind="full")])
    nameless = (Key(None, 0, None, False), b"1")
    assert journal.commit("customers", [(Key("a", 2, 5, False), b'{"v":2}'), nameless, nameless], state) == (3, 0)
    state.passes.append(PassState(kind="changes"))
    for version, deleted, document, expected in (
        (1, True, b'{"v":1}', (0, 0)),
        (2, False, b'{"v":22}', (0, 1)),
        (3, True, b'{"v":3}', (0, 1)),
    ):
        row = (Key("a", version, 5, deleted), document)
        assert journal.commit("customers", [row], state.snapshot()) == expected
    assert list(journal.documents("customers", deleted=True, sorted=False)) == [[b'{"v":3}', b"1", b"1"]]
    assert list(journal.documents("customers", deleted=False, sorted=True)) == [[b"1", b"1"]]
    assert (journal.count("customers", deleted=True), journal.count("other", deleted=True)) == (3, 0)
    journal.forget("customers")
    assert journal.lists() == []
    journal.close()
    journal.close()


@pytest.mark.parametrize(
    ("document", "key"),
    [
        (b'{"id":"a","resource_version":7,"created_at":5,"deleted":true}', Key("a", 7, 5, True)),
        (b'{"id":"\xc3\xa9","updated_at":7}', Key("é", 7000, None, False)),
        (b'{"code":"X","id":null}', Key("X", 0, None, False)),
        (b'{"id":""}', Key(None, 0, None, False)),
        (b'{"id":"","x":"\\ud800"}', Key(None, 0, None, False)),
        (b'{"id":12,"resource_version":123456789012345678901234567890}', Key("12", 2**63 - 1, None, False)),
        (b'{"id":"\\ud800","resource_version":3,"created_at":4}', Key("\\ud800", 3, 4, False)),
        (b'{"id":{"x":1},"created_at":"soon","resource_version":"9","deleted":1}', Key(None, 0, None, False)),
        (b"[1]", Key(None, 0, None, False)),
        (b'"\\ud800"', Key(None, 0, None, False)),
    ],
)
def test_keys_of_any_record(document: bytes, key: Key) -> None:
    """Id, version, position and deletion, also of records that are not as documented."""
    assert reader("created_at")(document) == key


def test_places_can_be_checked_with_their_journals(tmp_path: Path) -> None:
    """`check` refuses a journal's place, too; the manifest's name may be taken by a manifest only."""
    with pytest.raises(RequestError, match="folder"):
        check(tmp_path / "x.jsonl", journal=tmp_path / "missing" / "j")
    (tmp_path / "x.jsonl.manifest.json").write_text("{}")
    with pytest.raises(RequestError, match="no manifest"):
        check(tmp_path / "x.jsonl")
    check(tmp_path / "x.jsonl", force=True)
