"""The formats of files, by their endings."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal, get_args

from ..errors import RequestError

__all__ = ["ENDINGS", "Format", "check_format", "format_of"]

Format = Literal["jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet", "db"]
ENDINGS: tuple[Format, ...] = get_args(Format)
LEGAL = (*(f".{ending}" for ending in ENDINGS), "-")
# What a format needs: any of the modules, and the extra that has one of them.
_NEEDS = {"parquet": (("pyarrow",), "parquet"), "jsonl.zst": (("compression.zstd", "zstandard"), "zstd")}
_LINES_ONLY = ("parquet", "db")


def format_of(path: Path) -> Format:
    """The format that *path* ends in. Raises `RequestError` for none."""
    name = path.name.lower()
    for ending in ENDINGS:
        if name.endswith(f".{ending}") and len(name) > len(ending) + 1:
            return ending
    raise RequestError(
        f"{path}: the ending names the format; it can be {', '.join(LEGAL[:-1])} (or - for JSONL on stdout)",
        field="to",
        legal=LEGAL,
    )


def check_format(format: str, rows: str) -> Format:
    """*format*, when it can be written here and can hold *rows*. Raises `RequestError`."""
    if format not in ENDINGS:
        raise RequestError(f"no format {format!r}", field="format", given=format, legal=ENDINGS)
    if rows not in ("record", "envelope"):
        raise RequestError("rows must be record or envelope", field="rows", legal=("record", "envelope"))
    if rows == "envelope" and format in _LINES_ONLY:
        raise RequestError(f"whole rows have no columns of their own: .{format} takes records", field="rows")
    modules, extra = _NEEDS.get(format, ((), ""))
    if modules and not any(map(_is_here, modules)):
        raise RequestError(f".{format} needs an extra: pip install 'aiochargebee-gw[{extra}]'", field="to")
    return format


def _is_here(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
