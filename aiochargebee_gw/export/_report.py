"""What an export says about itself: frozen values."""

from __future__ import annotations

from pathlib import Path

import attrs

__all__ = ["ExportReport", "Progress"]


@attrs.frozen(kw_only=True)
class Progress:
    """Where an export stands: `rows` taken from `pages`, `bytes` of JSON in them, `seconds` since it began."""

    rows: int
    pages: int
    bytes: int
    seconds: float


@attrs.frozen(kw_only=True)
class ExportReport:
    """What an export has done.

    `rows` were written, `repeated` left out because their id had been written; `pages` were read in `requests`, repeats
    included (the client's count: what else it sent meanwhile is in it). `bytes` and `sha256` (hexadecimal) are those of
    what was written, `path` is its file, None for a stream. `seconds` is the whole time.
    """

    rows: int
    repeated: int
    pages: int
    requests: int
    seconds: float
    path: Path | None
    bytes: int
    sha256: str
