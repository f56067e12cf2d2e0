"""`export`: every row of a resource into a file, or down a pipe; several at once into a folder."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import attrs
from cyclopts import Parameter, validators

from ..errors import ConfigurationError, GatewayClientError, RequestError
from ..settings import Retry
from ._failures import report as report_failure
from ._names import check_selection, listing
from ._options import Common, Selection, whole
from ._output import STDOUT, dump, emit, say
from ._progress import counting
from ._session import open_gateway

if TYPE_CHECKING:
    from ..export import ExportReport

__all__ = ["Partial", "command", "kept_on_failure"]

_REFUSED = 4
_Format = Literal["jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet", "db"]
_Workers = Annotated[
    int,
    Parameter(converter=whole, validator=validators.Number(gte=1, lte=64), help="Requests at once for a list: 8."),
]


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Where:
    """Where an export goes, and what of an earlier one may be there."""

    to: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help=(
                "A file ending in .jsonl, .jsonl.gz, .jsonl.zst, .csv, .parquet or .db; - for JSONL on stdout; "
                "a folder for several resources."
            ),
        ),
    ]
    format: Annotated[_Format | None, Parameter(help="In a folder, what the files are: jsonl.")] = None
    force: Annotated[bool, Parameter(help="Replace what is there.")] = False
    resume: Annotated[bool, Parameter(help="Go on with what an earlier run has left in its journal.")] = False
    journal: Annotated[
        str | None, Parameter(help="The journal's file, which stays. Else <to>.journal, which goes.")
    ] = None


async def command(
    *resources: Annotated[str, Parameter(help="Plurals: customers, subscriptions, item_prices, ...")],
    where_to: Where,
    workers: _Workers = 8,
    envelope: Annotated[bool, Parameter(help="Whole rows, {'customer': ..., 'card': ...}.")] = False,
    since: Annotated[
        str | None, Parameter(help="Only what has changed since then: 2024-01-31, or Unix seconds.")
    ] = None,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Write every row of a resource to a file or to stdout, or several resources to a folder."""
    from ..export import export, export_all

    selection = _since(selection, since)
    folder = _check(resources, where_to, selection, envelope=envelope)
    streams = where_to.to == "-"
    how: dict[str, Any] = {"force": where_to.force, "resume": where_to.resume, "workers": workers}
    how["rows"] = "envelope" if envelope else "record"
    journals = _journals(resources, where_to, folder)
    async with open_gateway(common, retry=Retry.batch()) as gw:
        pages = {name: listing(gw.with_options(priority="export"), name, selection) for name in resources}
        try:
            async with kept_on_failure(journals):
                # On one terminal, the bars would be drawn into the rows.
                with counting(gw.settings.limits.account_per_second, not (streams and sys.stdout.isatty())) as progress:
                    if folder is None:
                        to = STDOUT if streams else where_to.to
                        only = pages[resources[0]]
                        reports = [await export(only, to=to, journal=where_to.journal, progress=progress, **how)]
                    else:
                        form = where_to.format or "jsonl"
                        reports = await export_all(pages, to=folder, format=form, progress=progress, **how)
        except Partial as partial:
            return partial.told(as_json=common.json)
        requests = gw.stats.attempts
    _tell(reports, requests, folder, as_json=common.json, streams=streams)
    return 0


class Partial(Exception):
    """What failed has left something to go on with."""

    def __init__(self, error: Exception, hint: str) -> None:
        super().__init__(str(error))
        self._error = error
        self._hint = hint

    def told(self, *, as_json: bool) -> int:
        """Tell it on stderr. Returns the exit code: that of a key that is refused, which no repeating helps, or 3."""
        code = report_failure(self._error, as_json=as_json)
        say(self._hint)
        return code if code == _REFUSED else 3


@asynccontextmanager
async def kept_on_failure(journals: Sequence[Path], how: str = "--resume goes on") -> AsyncIterator[None]:
    """Raises `Partial` for an error that leaves one of *journals*; a mistake of the caller's comes out as it is."""
    try:
        yield
    except (GatewayClientError, OSError) as error:
        found = [path for path in journals if path.exists()]
        if not found or isinstance(error, BrokenPipeError | RequestError | ConfigurationError):
            raise
        raise Partial(error, f"what was read is in {', '.join(map(str, found))}: {how}") from error
    except asyncio.CancelledError:
        if found := [path for path in journals if path.exists()]:
            say(f"interrupted; what was read is in {', '.join(map(str, found))}: {how}")
        raise


def _since(selection: Selection, since: str | None) -> Selection:
    if since is None:
        return selection
    return attrs.evolve(selection, where=[*(selection.where or ()), f"updated_at[after]={since}"])


def _check(resources: Sequence[str], where: Where, selection: Selection, *, envelope: bool) -> Path | None:
    """Refuse what is wrong, with nothing touched. Returns the folder, where it is one."""
    from ..export import check, check_all

    if not resources or len(set(resources)) < len(resources):
        raise RequestError("name one or more resources, each once", field="resource")
    for name in resources:
        check_selection(name, selection)
    rows: Any = "envelope" if envelope else "record"
    if len(resources) > 1 or where.to.endswith(os.sep) or (where.to != "-" and Path(where.to).is_dir()):
        if where.journal is not None:
            raise RequestError("--journal is for one file; in a folder each has its own", field="journal")
        if where.to == "-":
            raise RequestError("several resources go to a folder, not to stdout", field="to")
        _check_folder(where.to)
        form = where.format or "jsonl"
        check_all(resources, to=where.to, format=form, force=where.force, rows=rows, resume=where.resume)
        return Path(where.to)
    if where.format is not None:
        raise RequestError("--format is for folders; a file's ending names its format", field="format")
    check(where.to, force=where.force, rows=rows, journal=where.journal, resume=where.resume)
    return None


def _check_folder(to: str) -> None:
    """Refuse a folder to be that is named like a file: a file was meant."""
    from ..export._formats import ENDINGS

    ending = next((one for one in ENDINGS if to.lower().endswith(f".{one}")), None)
    if ending is None or Path(to).is_dir():
        return
    cure = "; sync puts several into one .db" if ending == "db" else ""
    raise RequestError(
        f"{to} names one file, and several resources go to a folder{cure}; with a / at its end it names one", field="to"
    )


def _journals(resources: Sequence[str], where: Where, folder: Path | None) -> list[Path]:
    from ..export import journal_of

    if folder is not None:
        return [journal_of(folder / f"{name}.{where.format or 'jsonl'}") for name in resources]
    if where.to == "-":
        return []
    return [Path(where.journal) if where.journal is not None else journal_of(where.to)]


def _tell(reports: list[ExportReport], requests: int, folder: Path | None, *, as_json: bool, streams: bool) -> None:
    if not as_json:
        for report in reports:
            repeated = f", {report.repeated:,} repeated ones left out" if report.repeated else ""
            resumed = _resumed(report, requests)
            say(f"{report.rows:,} rows in {report.seconds:.1f} s to {report.path or 'stdout'}{repeated}{resumed}")
        return
    parts = [_summary(report) for report in reports]
    if folder is None:
        summary = parts[0]
    else:
        summary = {
            "rows": sum(report.rows for report in reports),
            "requests": requests,
            "seconds": max(part["seconds"] for part in parts),
            "path": str(folder),
            "parts": parts,
        }
    line = dump(summary)
    say(line.decode()) if streams else emit([line])


def _resumed(report: ExportReport, requests: int) -> str:
    if not report.resumed:
        return ""
    if requests or report.as_of is None:
        return ", resumed"
    moment = datetime.fromtimestamp(report.as_of, UTC).isoformat()
    return f": complete already, as of {moment}; --force makes it anew"


def _summary(report: ExportReport) -> dict[str, Any]:
    return {
        "rows": report.rows,
        "requests": report.requests,
        "seconds": round(report.seconds, 3),
        "path": None if report.path is None else str(report.path),
        "bytes": report.bytes,
        "sha256": report.sha256,
        "pages": report.pages,
        "repeated": report.repeated,
        "resource": report.resource,
        "resumed": report.resumed,
        "t0": report.began,
        "t1": report.as_of,
        "manifest": None if report.manifest is None else str(report.manifest),
    }
