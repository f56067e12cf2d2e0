"""The refresh as a command, and on the official SDK where that is installed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from aiochargebee_gw._codegen import refresh
from aiochargebee_gw._codegen.build import build
from aiochargebee_gw._codegen.catalogue import load
from aiochargebee_gw._codegen.guesses import is_milliseconds, is_timestamp
from aiochargebee_gw._codegen.merge import merge
from aiochargebee_gw._codegen.sdk import Extraction, SdkError, extract, installed

from .catalogue import FOLDER, OVERRIDES
from .made_sdk import CATALOGUE, MadeSdk

official = pytest.mark.skipif(
    importlib.util.find_spec("chargebee") is None,
    reason="the official SDK (dependency group bench) is not installed",
)

Types = Iterator[tuple[str, dict[str, Any]]]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeSdk:
    """A made-up SDK that is installed, as far as the command can tell."""
    made = MadeSdk(tmp_path / "sdk")
    monkeypatch.setattr(refresh, "installed", lambda: (made.folder, "1"))
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The made-up catalogue's folder."""
    folder = tmp_path / "catalogue"
    folder.mkdir()
    for name, document in CATALOGUE.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=1))
    return folder


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_refresh_command_without_changes(made: MadeSdk, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without news every form of the command returns 0, prints nothing on stdout and leaves the files alone."""
    before = bytes_of(folder)
    for options in ([], ["--check"], ["--write"], ["--check", "--write"]):
        assert refresh.main([*options, "--catalogue", str(folder)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "official SDK 1: 2 resources, 3 operations; no change" in said.err
    assert bytes_of(folder) == before


def test_refresh_command_writes_only_when_told(made: MadeSdk, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """News are printed, fail `--check` and are written with `--write` alone; after that there are none."""
    made.operations('GREEN = "green"', 'GREEN = "green"\n        BLUE = "blue"')
    (folder / "crate.json").write_text(json.dumps(CATALOGUE["label"] | {"class": "Crate"}))
    before = bytes_of(folder)
    assert refresh.main(["--catalogue", str(folder)]) == 0
    assert refresh.main(["--check", "--catalogue", str(folder)]) == 1
    assert bytes_of(folder) == before
    assert refresh.main(["--write", "--catalogue", str(folder)]) == 0
    said = capsys.readouterr()
    assert said.out == 3 * "removed resource crate\nadded value of enum box.Colour: 'blue'\n"
    assert "2 changes (1 removed, 1 added)\n2 files written or deleted" in said.err
    after = bytes_of(folder)
    assert after.keys() == before.keys() - {"crate.json"}
    assert [name for name, data in after.items() if data != before[name]] == ["box.json"]
    assert refresh.main(["--check", "--catalogue", str(folder)]) == 0


def test_refresh_command_names_a_new_version(
    made: MadeSdk, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The catalogue says of which SDK it is, so another version is a change of its own."""
    monkeypatch.setattr(refresh, "installed", lambda: (made.folder, "2"))
    assert refresh.main(["--check", "--write", "--catalogue", str(folder)]) == 1
    assert capsys.readouterr().out == "changed version of the SDK: 1 -> 2\n"
    assert json.loads((folder / "_shared.json").read_text()) == CATALOGUE["_shared"] | {"version": "2"}


def test_refresh_command_without_the_sdk(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    """An SDK that is not installed is said to be missing, with what to install, and nothing is written."""

    def version(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr("importlib.metadata.version", version)
    before = bytes_of(folder)
    assert refresh.main(["--write", "--catalogue", str(folder)]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "",
        "the official SDK is not installed; install chargebee (dependency group bench)\n",
    )
    assert bytes_of(folder) == before


def test_refresh_finds_no_sdk_in_leftovers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata without a package, as a broken removal leaves it, counts as not installed."""
    monkeypatch.setattr("importlib.metadata.version", lambda _: "1")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SdkError, match="is not installed"):
        installed()


@cache
def extraction() -> Extraction:
    return extract(*installed())


def types(document: dict[str, Any]) -> Types:
    """Every type of a resource with its name: of fields, of parts' fields and of parameters at any depth."""
    yield from inner(document["fields"])
    for fields in document["sub_resources"].values():
        yield from inner(fields)
    for operation in document["operations"].values():
        yield from inner(operation["params"])


def inner(fields: dict[str, Any]) -> Types:
    for name, told in fields.items():
        yield name, told
        yield from inner(told.get("fields", {}) | told.get("items", {}).get("fields", {}))


@official
def test_refresh_from_the_official_sdk_changes_nothing() -> None:
    """The committed catalogue is what the SDK says and more: all 129 resources and 501 operations, byte for byte."""
    committed = refresh.read(FOLDER)
    if extraction().version != committed["_shared"]["version"]:
        pytest.skip(f"the catalogue is not of the installed version {extraction().version}")
    assert len(extraction().resources) == 129
    assert sum(len(document["operations"]) for document in extraction().resources.values()) == 501
    merged = merge(committed, extraction())
    assert [str(change) for change in merged.changes] == []
    for name, document in merged.documents.items():
        assert json.dumps(document, indent=1).encode() == (FOLDER / f"{name}.json").read_bytes(), name


@official
def test_refresh_does_not_import_the_official_sdk() -> None:
    """The SDK is read as data: the whole run, in a process of its own, imports none of its modules."""
    code = (
        "import sys; from aiochargebee_gw._codegen.refresh import main; main([]);"
        "sys.exit(any(name.partition('.')[0] == 'chargebee' for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "resources" in done.stderr


def test_refresh_guesses_agree_with_what_is_known() -> None:
    """The rule for names finds every timestamp and every count of milliseconds of the catalogue, and no other."""
    wrong = {
        name
        for resource, document in refresh.read(FOLDER).items()
        if resource != "_shared"
        for name, told in types(document)
        if told["type"] in ("int", "timestamp")
        if is_timestamp(name) != (told["type"] == "timestamp") or is_milliseconds(name) != ("unit" in told)
    }
    assert wrong == set()


@official
def test_refresh_from_nothing_finds_the_types_again() -> None:
    """Guesses included, a catalogue that had to be made anew has the same types everywhere."""
    committed = refresh.read(FOLDER)
    if extraction().version != committed["_shared"]["version"]:
        pytest.skip(f"the catalogue is not of the installed version {extraction().version}")
    shared = committed.pop("_shared")
    merged = merge({"_shared": shared}, extraction())
    for name, document in committed.items():
        before = [(field, told["type"], told.get("unit")) for field, told in types(document)]
        after = [(field, told["type"], told.get("unit")) for field, told in types(merged.documents[name])]
        assert after == before, name


@official
@pytest.mark.parametrize("name", ["alert", "customer", "payment_intent", "subscription"])
def test_refresh_makes_what_the_generator_takes(tmp_path: Path, name: str) -> None:
    """A resource that the catalogue did not have comes in a form that the generator accepts."""
    committed = refresh.read(FOLDER)
    del committed[name]
    merged = merge(committed, extraction())
    refresh.write(tmp_path, {}, merged.documents)
    assert name in build(load(tmp_path, OVERRIDES)).resources
