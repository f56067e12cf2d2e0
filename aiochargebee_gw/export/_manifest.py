"""The manifest: what was written, from what, as of when. Pure, but for the writing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from .._files import Replacement
from .._version import __version__
from ._lists import Listed
from ._report import ExportReport
from ._state import ListState, PassState

__all__ = ["Part", "is_manifest", "write_manifest"]

_FORMAT = "aiochargebee-gw export 1"


@attrs.frozen
class Part:
    """One list that was exported: how, and with what result."""

    listed: Listed
    state: ListState
    report: ExportReport


def write_manifest(path: Path, parts: Sequence[Part], tag: str = "") -> None:
    """Write the manifest of *parts*, whole or not at all; one that is there gives way. Waits for the disk."""
    text = json.dumps(
        {
            "format": _FORMAT,
            "library": f"aiochargebee-gw {__version__}",
            "complete": True,
            "rows": sum(part.report.rows for part in parts),
            "parts": [_part(part) for part in parts],
        },
        indent=1,
    )
    with Replacement(path, tag=tag) as file:
        file.write(text.encode() + b"\n")
        file.commit()


def is_manifest(path: Path) -> bool:
    """Whether *path* is a manifest of ours."""
    try:
        return bool(json.loads(path.read_bytes()).get("format") == _FORMAT)
    except (OSError, ValueError, AttributeError):
        return False


def _part(part: Part) -> dict[str, Any]:
    report = part.report
    return {
        "file": None if report.path is None else report.path.name,
        "resource": report.resource,
        "operation": part.listed.label,
        # Their values may be names and addresses.
        "filters": part.listed.filters,
        "rows": report.rows,
        "bytes": report.bytes,
        "sha256": report.sha256,
        "repeated": report.repeated,
        "t0": _moment(report.began),
        "t1": _moment(report.as_of),
        "requests": report.requests,
        "resumed": report.resumed,
        "passes": [_pass(one) for one in part.state.passes],
    }


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
