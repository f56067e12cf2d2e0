"""Where several resources go: into a folder, and never into one that somebody took for a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiochargebee_gw.export._formats import ENDINGS

from ..cli.conftest import Command, bare

__all__ = ["bare"]  # fixture

TWO = ("export", "customers", "subscriptions", "--sandbox", "--sandbox-records", "1", "--to")


@pytest.mark.parametrize("ending", [*ENDINGS, "JSONL"])
def test_several_do_not_go_into_what_is_named_like_a_file(bare: Command, tmp_path: Path, ending: str) -> None:
    """Exit code 2 and no folder: the message tells the folder's rule and, for .db, of sync."""
    found = bare(*TWO, f"{tmp_path}/x.{ending}")
    assert (found.code, found.out, list(tmp_path.iterdir())) == (2, b"", [])
    assert "names one file" in found.err
    assert ("sync" in found.err) == (ending == "db")


def test_a_folder_may_be_named_like_a_file(bare: Command, tmp_path: Path) -> None:
    """Whoever ends it with a /, or has made it, means a folder."""
    (tmp_path / "made.db").mkdir()
    for folder in ("made.db", "new.jsonl/", "x.d"):
        assert bare(*TWO, f"{tmp_path}/{folder}").code == 0
        assert (tmp_path / folder / "manifest.json").is_file()
