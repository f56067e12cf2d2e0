"""`python -m aiochargebee_gw._codegen [--check] [--all] [--out DIR]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from attrs import evolve

from .build import build
from .catalogue import load
from .names import CatalogueError
from .render import FOLDERS, render
from .sandbox import DESCRIPTION, description

__all__ = ["main"]

HERE = Path(__file__).parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the output, or compare it. Returns 0, 1 when something differs, 2 when the catalogue cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m aiochargebee_gw._codegen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare byte for byte, write nothing")
    parser.add_argument("--all", action="store_true", help="carry every resource, whatever the overrides say")
    parser.add_argument("--out", type=Path, default=HERE.parent, metavar="DIR", help="the package's folder")
    told = parser.parse_args(arguments)
    try:
        catalogue = load(HERE / "catalogue", HERE / "overrides.toml")
        files = render(build(evolve(catalogue, carried=tuple(catalogue.resources)) if told.all else catalogue))
        files[DESCRIPTION] = description(catalogue)
    except CatalogueError as error:
        print(error, file=sys.stderr)
        return 2
    if told.check:
        findings = compare(files, told.out)
        print("\n".join(findings) or f"{len(files)} files are as the catalogue says", file=sys.stderr)
        return 1 if findings else 0
    write(files, told.out)
    print(f"{len(files)} files, {sum(text.count(chr(10)) for text in files.values())} lines", file=sys.stderr)
    return 0


def compare(files: dict[str, str], out: Path) -> list[str]:
    """What differs from *files* below *out*, is missing there, or is there but not among them."""
    findings = [
        f"{'differs' if (out / path).exists() else 'missing'}: {path}"
        for path, text in files.items()
        if not (out / path).exists() or (out / path).read_bytes() != text.encode()
    ]
    return findings + [f"stale: {path}" for path in _stale(files, out)]


def write(files: dict[str, str], out: Path) -> None:
    """Write *files* below *out* and delete what an earlier run left there."""
    for path in _stale(files, out):
        (out / path).unlink()
    for path, text in files.items():
        target = out / path
        if target.exists() and target.read_bytes() == text.encode():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())


def _stale(files: dict[str, str], out: Path) -> list[str]:
    found = (path.relative_to(out).as_posix() for folder in FOLDERS for path in sorted((out / folder).glob("*.py")))
    return [path for path in found if path not in files]


if __name__ == "__main__":
    sys.exit(main())
