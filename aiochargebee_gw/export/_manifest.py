"""The manifest: what was written, from what, as of when. Pure, but for the file itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import msgspec

from .._files import Replacement
from .._version import __version__
from ._lists import Listed
from ._report import ExportReport
from ._state import ListState, PassState

__all__ = ["Entry", "Part", "entry_of", "is_manifest", "recall", "write_manifest"]

_FORMAT = "aiochargebee-gw export 1"


@attrs.frozen(kw_only=True)
class Entry:
    """What a manifest says of one list. `fingerprint` and `deleted` tell its query from others; `t0` and `t1` are ISO
    8601 in UTC."""

    file: str | None
    resource: str
    operation: str
    filters: list[str]
    fingerprint: str
    deleted: bool
    rows: int
    bytes: int
    sha256: str
    repeated: int
    t0: str | None
    t1: str | None
    requests: int
    seconds: float
    resumed: bool
    passes: list[dict[str, Any]]


@attrs.frozen
class Part:
    """One list that was exported: the report, and what the manifest says. *recalled* from it: by an earlier call."""

    report: ExportReport
    entry: Entry
    recalled: bool = False


def entry_of(listed: Listed, state: ListState, report: ExportReport) -> Entry:
    """What the manifest will say of *listed*."""
    return Entry(
        file=None if report.path is None else report.path.name,
        resource=report.resource,
        operation=listed.label,
        # Their values may be names and addresses.
        filters=listed.filters,
        fingerprint=state.fingerprint,
        deleted=listed.wants_deleted,
        rows=report.rows,
        bytes=report.bytes,
        sha256=report.sha256,
        repeated=report.repeated,
        t0=_moment(report.began),
        t1=_moment(report.as_of),
        requests=report.requests,
        seconds=round(report.seconds, 3),
        resumed=report.resumed,
        passes=[_pass(one) for one in state.passes],
    )


def write_manifest(path: Path, parts: Sequence[Part], tag: str = "") -> None:
    """Write the manifest of *parts*, whole or not at all; one that is there gives way. Waits for the disk."""
    text = json.dumps(
        {
            "format": _FORMAT,
            "library": f"aiochargebee-gw {__version__}",
            "complete": True,
            "rows": sum(part.report.rows for part in parts),
            "parts": [attrs.asdict(part.entry) for part in parts],
        },
        indent=1,
    )
    with Replacement(path, tag=tag) as file:
        file.write(text.encode() + b"\n")
        file.commit()


def is_manifest(path: Path) -> bool:
    """Whether *path* is a manifest of ours."""
    return _read(path) is not None


def recall(path: Path, manifest: Path) -> Part | None:
    """What *manifest* says of the file at *path*; None where it says nothing, or too little."""
    for told in _read(manifest) or ():
        try:
            entry = msgspec.convert(told, Entry)
            if entry.file == path.name:
                return Part(_report(entry, path, manifest), entry, recalled=True)
        except (ValueError, LookupError, TypeError):  # of another release, or somebody has been at it
            continue
    return None


def _read(path: Path) -> list[Any] | None:
    """The parts of the manifest at *path*; None for a file that is none."""
    try:
        found = json.loads(path.read_bytes())
        if found["format"] != _FORMAT:
            return None
        parts = found.get("parts")
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return parts if isinstance(parts, list) else []


def _report(entry: Entry, path: Path, manifest: Path) -> ExportReport:
    return ExportReport(
        rows=entry.rows,
        repeated=entry.repeated,
        pages=sum(one["pages"] for one in entry.passes),
        requests=entry.requests,
        seconds=entry.seconds,
        path=path,
        bytes=entry.bytes,
        sha256=entry.sha256,
        resource=entry.resource,
        resumed=True,
        began=_seconds(entry.t0),
        as_of=_seconds(entry.t1),
        manifest=manifest,
    )


def _pass(one: PassState) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "changed_since": _moment(one.low),
        "began": _moment(one.began),
        "ended": _moment(one.ended),
        "pages": one.pages,
        "rows": one.rows,
        "added": one.added,
        "newer": one.changed,
    }


def _moment(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def _seconds(moment: str | None) -> int | None:
    return None if moment is None else round(datetime.fromisoformat(moment).timestamp())
