"""What an export says about itself: frozen values."""

from __future__ import annotations

from pathlib import Path

import attrs

from ._progress import Progress

__all__ = ["ExportReport", "Progress"]


@attrs.frozen(kw_only=True)
class ExportReport:
    """What an export has done.

    `rows` were written, `repeated` left out because their id came again in the same pass; `pages` were read in
    `requests`, repeats included. These are all of the list's operation that the client sent meanwhile; for a stream,
    all that it sent. `bytes` and `sha256` (hexadecimal) are those of what was written, `path` is its file, None for a
    stream. `seconds` is the whole time.

    `resource` is the list's name. `resumed` says that an earlier run had begun it, or made all of it. `began` and
    `as_of` are Unix seconds of the server's clock, T0 and T1: each record that matched all the time between them is
    there, and what changed until `as_of` minus the five minutes for which lists may lag is in it (`as_of` equals
    `began` where the list cannot be asked for changes; both are None for a stream). `manifest` is the file that says
    all this.
    """

    rows: int
    repeated: int
    pages: int
    requests: int
    seconds: float
    path: Path | None
    bytes: int
    sha256: str
    resource: str = ""
    resumed: bool = False
    began: int | None = None
    as_of: int | None = None
    manifest: Path | None = None
