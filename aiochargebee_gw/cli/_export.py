"""`export`: every row of a resource into a file, or down a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..settings import Retry
from ._names import check_selection, listing
from ._options import Common, Selection
from ._output import STDOUT, dump, emit, say
from ._progress import counting
from ._session import open_gateway

if TYPE_CHECKING:
    from ..export import ExportReport

__all__ = ["command"]


async def command(
    resource: Annotated[str, Parameter(help="The plural: customers, subscriptions, item_prices, ...")],
    /,
    *,
    to: Annotated[
        str, Parameter(allow_leading_hyphen=True, help="A file ending in .jsonl or .csv, or - for JSONL on stdout.")
    ],
    force: Annotated[bool, Parameter(help="Replace the file if it is there.")] = False,
    envelope: Annotated[bool, Parameter(help="Whole rows, {'customer': ..., 'card': ...}.")] = False,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Write every row of a resource to a file or to stdout."""
    from ..export import check, export

    check_selection(resource, selection)
    check(to, force=force)
    streams = to == "-"
    async with open_gateway(common, retry=Retry.batch()) as gw:
        pages = listing(gw.with_options(priority="export"), resource, selection)
        # On one terminal, the line would be drawn into the rows.
        with counting(not (streams and sys.stdout.isatty())) as progress:
            report = await export(
                pages,
                to=STDOUT if streams else to,
                force=force,
                rows="envelope" if envelope else "record",
                progress=progress,
            )
    _tell(report, as_json=common.json, streams=streams)
    return 0


def _tell(report: ExportReport, *, as_json: bool, streams: bool) -> None:
    if as_json:
        summary = dump(
            {
                "rows": report.rows,
                "requests": report.requests,
                "seconds": round(report.seconds, 3),
                "path": None if report.path is None else str(report.path),
                "bytes": report.bytes,
                "sha256": report.sha256,
                "pages": report.pages,
                "repeated": report.repeated,
            }
        )
        say(summary.decode()) if streams else emit([summary])
        return
    repeated = f", {report.repeated:,} repeated ones left out" if report.repeated else ""
    say(f"{report.rows:,} rows in {report.seconds:.1f} s to {report.path or 'stdout'}{repeated}")
