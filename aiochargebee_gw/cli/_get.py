"""`get`: records by their ids, several at once, shown in the order given."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Annotated, Any

import attrs
from cyclopts import Parameter

from .. import Record
from ..errors import DecodeError, NotFound, RequestError
from ._failures import report
from ._names import resource as resource_of
from ._names import unsent
from ._options import Common
from ._output import emit_document
from ._session import open_gateway

__all__ = ["command", "main_record", "retriever"]

_SHOWN = 60


def command(
    resource: Annotated[str, Parameter(help="The plural: customers, subscriptions, item_prices, ...")],
    /,
    *ids: Annotated[str, Parameter(allow_leading_hyphen=True, help="Ids; - reads more from stdin, one a line.")],
    common: Common = Common(),  # noqa: B008 - frozen
) -> Coroutine[Any, Any, int]:
    """Show records by their ids."""
    retriever(resource_of(unsent(), resource), resource)
    # Before there is a loop: Ctrl-C must end a read that waits for a person.
    return _get(resource, _ids(ids, common), common)


async def _get(resource: str, wanted: list[str], common: Common) -> int:
    async with open_gateway(common) as gw:
        retrieve = retriever(resource_of(gw, resource), resource)
        width = gw.settings.limits.concurrency
        return await _in_order(wanted, retrieve, width, as_json=common.json)


def retriever(found: Any, name: str) -> Callable[[str], Awaitable[Any]]:
    """The method that gets one record. Raises `RequestError` where there is none."""
    method: Callable[[str], Awaitable[Any]] | None = getattr(found, "retrieve", None)
    if method is None:
        raise RequestError(f"{name} cannot be had one by one; see `list {name}` or `call`", field="resource")
    return method


def _ids(given: Iterable[str], common: Common) -> list[str]:
    ids: list[str] = []
    for id in given:
        if id == "-":
            if common.api_key_file == "-":
                raise RequestError("the key and the ids cannot both come from stdin", field="id")
            ids += _from_stdin()
        elif id.startswith("-"):
            raise RequestError(f"unknown option {id.partition('=')[0]}; such an id can come from stdin", field="id")
        else:
            ids.append(id)
    if not ids and "-" not in given:
        raise RequestError("give an id, or - to read ids from stdin", field="id")
    return ids


def _from_stdin() -> list[str]:
    try:
        lines = [line.strip().removeprefix("\ufeff") for line in sys.stdin]
    except UnicodeDecodeError as error:
        raise RequestError("the ids on stdin are not text", field="id") from error
    return [line for line in lines if line]


async def _in_order(ids: list[str], retrieve: Callable[[str], Awaitable[Any]], width: int, *, as_json: bool) -> int:
    """The exit code is that of the worst: 2 when every id is one that cannot be, else 1 when a record is not shown."""
    waiting = iter(enumerate(ids, 1))
    under_way: deque[tuple[int, str, asyncio.Future[Any]]] = deque()
    codes: list[int] = []
    try:
        while True:
            while len(under_way) < width and (one := next(waiting, None)) is not None:
                under_way.append((*one, asyncio.ensure_future(retrieve(one[1]))))
            if not under_way:
                break
            codes.append(await _show(*under_way[0], as_json=as_json))
            under_way.popleft()
    finally:
        for *_, future in under_way:
            future.cancel()
        await asyncio.gather(*(future for *_, future in under_way), return_exceptions=True)
    return 2 if codes and min(codes) == 2 else min(1, max(codes, default=0))


async def _show(position: int, id: str, answer: Awaitable[Any], *, as_json: bool) -> int:
    try:
        emit_document(main_record(await answer).raw, as_json=as_json)
    except NotFound as error:
        return report(error, as_json=as_json, id=id)
    except RequestError as error:
        # It may be anything, a whole file without line breaks too.
        short = id if len(id) <= _SHOWN else f"{id[:_SHOWN]}..."
        return report(error, as_json=as_json, id=f"id {position}, {short!r}")
    return 0


def main_record(answer: Any) -> Record:
    """The record that was asked for: the first one of the answer."""
    values = (getattr(answer, field.name) for field in attrs.fields(type(answer)))
    found = next((value for value in values if isinstance(value, Record)), None)
    if found is None:
        raise DecodeError("the answer holds no record")
    return found
