"""`python -m aiochargebee_gw._codegen.refresh [--check] [--write]`: the catalogue against the installed SDK."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .changes import Change
from .merge import merge
from .names import CatalogueError
from .sdk import extract, installed

__all__ = ["main", "read", "write"]

HERE = Path(__file__).parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what changed. Returns 0, 1 with `--check` when something did, 2 without an SDK that can be read."""
    parser = argparse.ArgumentParser(prog="python -m aiochargebee_gw._codegen.refresh", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 if there are changes")
    parser.add_argument("--write", action="store_true", help="write them to the catalogue")
    parser.add_argument("--catalogue", type=Path, default=HERE / "catalogue", metavar="DIR", help="its folder")
    told = parser.parse_args(arguments)
    try:
        extraction = extract(*installed())
    except CatalogueError as error:
        print(error, file=sys.stderr)
        return 2
    committed = read(told.catalogue)
    merged = merge(committed, extraction)
    for change in merged.changes:
        print(change)
    operations = sum(len(document["operations"]) for document in extraction.resources.values())
    scope = f"{extraction.version}: {len(extraction.resources)} resources, {operations} operations"
    print(f"official SDK {scope}; {summary(merged.changes)}", file=sys.stderr)
    if told.write:
        print(f"{write(told.catalogue, committed, merged.documents)} files written or deleted", file=sys.stderr)
    return 1 if told.check and merged.changes else 0


def summary(changes: Sequence[Change]) -> str:
    """`3 changes (2 added, 1 guessed)`."""
    if not changes:
        return "no change"
    counts = Counter(change.deed for change in changes)
    return f"{len(changes)} changes ({', '.join(f'{count} {deed}' for deed, count in counts.items())})"


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The catalogue's files by name."""
    return {file.stem: json.loads(file.read_bytes()) for file in sorted(folder.glob("*.json"))}


def write(folder: Path, before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    """Write the documents that differ, and delete those of resources that are gone. Returns how many that were."""
    gone = before.keys() - after.keys()
    for name in gone:
        (folder / f"{name}.json").unlink()
    stale = {name: document for name, document in after.items() if document != before.get(name)}
    for name, document in stale.items():
        (folder / f"{name}.json").write_bytes(json.dumps(document, indent=1).encode())
    return len(gone) + len(stale)


if __name__ == "__main__":
    sys.exit(main())
