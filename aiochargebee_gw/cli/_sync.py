"""`sync`: resources in one SQLite file, brought up to date again and again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ..errors import RequestError
from ..settings import Retry
from ._export import Partial, kept_on_failure
from ._names import check_selection, listing
from ._options import Common, Selection
from ._output import dump, emit, say
from ._progress import counting
from ._session import open_gateway

if TYPE_CHECKING:
    from ..export import SyncReport

__all__ = ["command"]


async def command(
    *resources: Annotated[str, Parameter(help="Plurals: customers, subscriptions, invoices, ...")],
    to: Annotated[str, Parameter(help="The mirror, a SQLite file ending in .db; it is made where it is missing.")],
    verify: Annotated[bool, Parameter(help="Read everything again, and flag what is no longer there.")] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Bring a mirror of whole resources up to date."""
    from ..export import check_sync, sync

    if not resources or len(set(resources)) < len(resources):
        raise RequestError("name one or more resources, each once", field="resource")
    for name in resources:
        check_selection(name, Selection())
    path = check_sync(to)
    async with open_gateway(common, retry=Retry.batch()) as gw:
        lists = [listing(gw.with_options(priority="export"), name, Selection()) for name in resources]
        try:
            async with kept_on_failure([path], "the same command goes on"):
                with counting(gw.settings.limits.account_per_second) as progress:
                    reports = await sync(*lists, to=path, verify=verify, progress=progress)
        except Partial as partial:
            return partial.told(as_json=common.json)
        requests = gw.stats.attempts
    _tell(reports, path, requests, as_json=common.json)
    return 0


def _tell(reports: list[SyncReport], path: Path, requests: int, *, as_json: bool) -> None:
    if as_json:
        emit([dump(_summary(reports, path, requests))])
        return
    for report in reports:
        what = "the whole list" if report.full else "what has changed"
        counts = f"{report.read:,} read ({what}), {report.added:,} new, {report.changed:,} newer"
        say(f"{report.resource}: {report.rows:,} records, {report.deleted:,} deleted; {counts}")


def _summary(reports: list[SyncReport], path: Path, requests: int) -> dict[str, Any]:
    import attrs

    return {
        "rows": sum(report.rows for report in reports),
        "requests": requests,
        "seconds": round(max(report.seconds for report in reports), 3),
        "path": str(path),
        "lists": [attrs.asdict(report) for report in reports],
    }
