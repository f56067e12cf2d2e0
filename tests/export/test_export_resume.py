"""The same call again when all is done: a process may end when its journal is gone, and have told nobody yet."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import attrs
import pytest

from aiochargebee_gw import ApiError, Gateway, Limits, Pages, RequestError, Settings
from aiochargebee_gw.export import ExportReport, export, export_all
from aiochargebee_gw.export._journal import Journal
from aiochargebee_gw.fields import customer as fields
from aiochargebee_gw.sandbox import Sandbox, ThreadedSandbox

from ..cli.conftest import Command, bare, cli

__all__ = ["bare", "cli", "sandbox"]  # fixtures

FREE = Settings(limits=Limits(account_per_second=float("inf")))
LISTS = ("customers", "subscriptions", "invoices")


@pytest.fixture
def sandbox() -> Iterator[ThreadedSandbox]:
    """A hundred customers, and what belongs to them."""
    with ThreadedSandbox(records=100) as running:
        yield running


def contents(folder: Path) -> dict[str, bytes]:
    """What is in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def lists(gw: Gateway) -> dict[str, Pages[Any, Any]]:
    """Three of them."""
    return {name: getattr(gw, name).list() for name in LISTS}


def client(url: str, key: str) -> Gateway:
    """Of any process: a sandbox that is in this one is another site."""
    return Gateway(key, settings=attrs.evolve(FREE, gateway_url=url, control_url=url))


def end_behind(folder: str, closed: int, url: str, key: str) -> None:
    """In a child: exports into a folder, and into a file in it, that end as `kill -9` does when so many journals are
    gone."""
    close, left = Journal.close, [closed]

    def closing(self: Journal, *, drop: bool = False) -> None:
        close(self, drop=drop)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    async def run() -> None:
        async with client(url, key) as gw:
            if closed == 1:
                await export(gw.customers.list(), to=Path(folder) / "customers.jsonl")
            await export_all(lists(gw), to=folder)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Journal, "close", closing)
        anyio.run(run)


@pytest.mark.anyio
@pytest.mark.parametrize("closed", [1, 2])
async def test_killed_when_a_journal_was_gone(tmp_path: Path, closed: int) -> None:
    """One file whose journal is gone, or a folder of which one still has its journal: the same call finds all of it
    complete, asks for nothing, and leaves nothing beside it."""
    async with Sandbox(records=100) as sandbox, client(sandbox.url, sandbox.api_key) as gw:
        where = (str(tmp_path), closed, sandbox.url, sandbox.api_key)
        child = multiprocessing.get_context("spawn").Process(target=end_behind, args=where)
        await anyio.to_thread.run_sync(start_and_join, child)
        assert child.exitcode == -signal.SIGKILL
        before, sent = contents(tmp_path), len(sandbox.requests)
        assert len([name for name in before if name.endswith(".journal")]) == (0, 1)[closed - 1]
        if closed == 1:
            reports = [await export(gw.customers.list(), to=tmp_path / "customers.jsonl")]
        else:
            reports = await export_all(lists(gw), to=tmp_path)
        assert len(sandbox.requests) == sent
        assert [(one.resumed, one.rows) for one in reports] == [
            (True, sandbox.count(one.resource.removesuffix("s"))) for one in reports
        ]
        left = contents(tmp_path)
        assert {name: left[name] for name in left if name.endswith(".jsonl")} == {
            name: data for name, data in before.items() if name.endswith(".jsonl")
        }
        assert not [name for name in left if ".journal" in name]


def start_and_join(child: Any) -> None:
    """In a thread."""
    child.start()
    child.join()


@pytest.mark.anyio
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("ending", ["jsonl", "csv", "db"])
async def test_what_is_complete_is_reported_again(tmp_path: Path, ending: str, named: bool) -> None:
    """The same figures, from the manifest, with the moment as of which they are; nothing is asked, and no file is
    touched. With force it is made anew, without resume it is refused like any other."""
    path = tmp_path / f"x.{ending}"
    how: dict[str, Any] = {"to": path, "journal": tmp_path / "j" if named else None}
    async with Sandbox(records=30) as sandbox, sandbox.gateway(settings=FREE) as gw:
        made = await export(gw.customers.list(), **how)
        before, sent = contents(tmp_path), len(sandbox.requests)
        found = await export(gw.customers.list(), **how)
        assert attrs.evolve(found, resumed=False) == attrs.evolve(made, seconds=round(made.seconds, 3))
        assert (found.resumed, made.resumed, len(sandbox.requests), contents(tmp_path)) == (True, False, sent, before)
        with pytest.raises(RequestError, match="exists already"):
            await export(gw.customers.list(), resume=False, **how)
        assert len(sandbox.requests) == sent
        sandbox.insert("customer", {"id": "late"})
        assert (await export(gw.customers.list(), force=True, **how)).rows == made.rows + 1


def change_the_file(path: Path) -> None:
    """One byte, and the size is what it was."""
    path.write_bytes(b"[" + path.read_bytes()[1:])


def shorten_the_file(path: Path) -> None:
    """A line less."""
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))


def change_the_manifest(edit: Callable[[Any], object]) -> Callable[[Path], None]:
    """The manifest of another release, or one that somebody has been at."""

    def change(path: Path) -> None:
        manifest = path.with_name(f"{path.name}.manifest.json")
        found = json.loads(manifest.read_bytes())
        edit(found)
        manifest.write_text(json.dumps(found))

    return change


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (change_the_file, "exists already, and was changed since it was made; force"),
        (shorten_the_file, "exists already, and was changed since it was made; force"),
        (change_the_manifest(lambda found: found["parts"][0].pop("fingerprint")), "exists already; force"),
        (change_the_manifest(lambda found: found["parts"][0].update(rows="3")), "exists already; force"),
        (change_the_manifest(lambda found: found["parts"][0]["passes"][0].pop("pages")), "exists already; force"),
        (change_the_manifest(lambda found: found["parts"][0].update(t0="soon")), "exists already; force"),
        (change_the_manifest(lambda found: found["parts"][0].update(file="y.jsonl")), "exists already; force"),
        (change_the_manifest(lambda found: found.update(parts=7)), "exists already; force"),
        (change_the_manifest(lambda found: found["parts"].insert(0, None)), None),
    ],
)
async def test_what_is_not_told_of_is_refused(tmp_path: Path, change: Callable[[Path], None], text: str | None) -> None:
    """A file that is not what its manifest says, or a manifest that does not say all: refused before any request, the
    file as it was, and nothing left beside it."""
    path = tmp_path / "x.jsonl"
    async with Sandbox(records=3) as sandbox, sandbox.gateway(settings=FREE) as gw:
        await export(gw.customers.list(), to=path)
        change(path)
        before, sent = contents(tmp_path), len(sandbox.requests)
        if text is None:
            assert (await export(gw.customers.list(), to=path)).resumed
        else:
            with pytest.raises(RequestError, match=text):
                await export(gw.customers.list(), to=path)
        assert (len(sandbox.requests), contents(tmp_path)) == (sent, before)


@pytest.mark.anyio
async def test_the_output_of_another_query_is_told(tmp_path: Path) -> None:
    """Other filters, another list, other rows, deleted ones too, another connection: what is there is not that."""
    path = tmp_path / "x.jsonl"
    async with Sandbox(records=3) as sandbox, sandbox.gateway(settings=FREE) as gw:
        await export(gw.customers.list(), to=path)
        sent = len(sandbox.requests)
        others: list[tuple[Pages[Any, Any], dict[str, Any]]] = [
            (gw.customers.list(fields.first_name.is_("x")), {}),
            (gw.invoices.list(), {}),
            (gw.customers.list(), {"rows": "envelope"}),
            (gw.customers.list(include_deleted=True), {}),
            (gw.using("another").customers.list(), {}),
        ]
        for pages, how in others:
            with pytest.raises(RequestError, match="exists already, as the output of another query; force replaces it"):
                await export(pages, to=path, **how)
        assert len(sandbox.requests) == sent
        assert sorted(contents(tmp_path)) == ["x.jsonl", "x.jsonl.manifest.json"]


@pytest.mark.anyio
@pytest.mark.parametrize("named", [True, False])
async def test_what_was_to_be_replaced_is_not_called_done(tmp_path: Path, named: bool) -> None:
    """Made anew with force, and ended in the middle: without force the old file is refused, and the journal named that
    holds a part of the newer one; with it, that is gone on with."""
    path = tmp_path / "x.jsonl"
    how: dict[str, Any] = {"to": path, "journal": tmp_path / "j" if named else None}
    async with Sandbox(records=350) as sandbox, sandbox.gateway(settings=FREE) as gw:
        await export(gw.customers.list(), workers=1, **how)
        for number in range(250):
            sandbox.insert("customer", {"id": f"late_{number}"})
        sandbox.faults.add("status", status=403, path="/customers", nth=2)
        with pytest.raises(ApiError, match="403"):
            await export(gw.customers.list(), force=True, workers=1, **how)
        sandbox.faults.clear()
        journal = how["journal"] or tmp_path / "x.jsonl.journal"
        sent = len(sandbox.requests)
        with pytest.raises(RequestError, match=f"exists already, and {journal} holds a part of a newer one; force"):
            await export(gw.customers.list(), **how)
        assert len(sandbox.requests) == sent
        report = await export(gw.customers.list(), force=True, workers=1, **how)
        assert (report.resumed, report.rows) == (True, sandbox.count("customer"))


@pytest.mark.anyio
async def test_a_list_that_joins_a_folder(tmp_path: Path) -> None:
    """What is complete in it stays as it is, what is missing is made, and one manifest tells of both."""
    async with Sandbox(records=30) as sandbox, sandbox.gateway(settings=FREE) as gw:
        (made,) = await export_all({"customers": gw.customers.list()}, to=tmp_path)
        sent = len(sandbox.requests)
        found = await export_all({"customers": gw.customers.list(), "invoices": gw.invoices.list()}, to=tmp_path)
        assert {request.path.rsplit("/", 1)[-1] for request in sandbox.requests[sent:]} == {"invoices"}
        assert [(one.resumed, one.as_of == made.as_of or one.resource == "invoices") for one in found] == [
            (True, True), (False, True),
        ]  # fmt: skip
        parts = json.loads((tmp_path / "manifest.json").read_bytes())["parts"]
        assert [(part["file"], part["sha256"]) for part in parts] == [
            ("customers.jsonl", made.sha256), ("invoices.jsonl", found[1].sha256),
        ]  # fmt: skip


@pytest.mark.anyio
async def test_requests_are_those_of_each_list(tmp_path: Path) -> None:
    """Lists that are read at once through one client: the parts' requests add up to what the server saw."""
    async with Sandbox(records=300) as sandbox, sandbox.gateway(settings=FREE) as gw:
        reports: list[ExportReport] = await export_all(lists(gw), to=tmp_path)
        assert {one.resource: one.requests for one in reports} == {
            name: len([request for request in sandbox.requests if request.path.endswith(f"/{name}")]) for name in LISTS
        }
        parts = json.loads((tmp_path / "manifest.json").read_bytes())["parts"]
        assert sum(part["requests"] for part in parts) == len(sandbox.requests)


def test_the_command_again(cli: Command, sandbox: ThreadedSandbox, tmp_path: Path) -> None:
    """With --resume it ends well, says as of when the file is complete, and how to make it anew; without, code 2."""
    for argv in (("customers", "--to", f"{tmp_path}/x.csv"), (*LISTS, "--to", f"{tmp_path}/out/")):
        assert cli("export", *argv).code == 0
        sent = len(sandbox.requests)
        assert cli("export", *argv).code == 2
        again = cli("export", *argv, "--resume")
        assert (again.code, len(sandbox.requests)) == (0, sent)
        lines = again.err.splitlines()
        assert len(lines) == len(argv) - 2
        assert all("complete already, as of 20" in line and "; --force makes it anew" in line for line in lines)
