"""`get`: records by their ids, several at once, shown in the order given."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
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


async def command(
    resource: Annotated[str, Parameter(help="The plural: customers, subscriptions, item_prices, ...")],
    /,
    *ids: Annotated[str, Parameter(allow_leading_hyphen=True, help="Ids; - reads more from stdin, one a line.")],
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Show records by their ids."""
    retriever(resource_of(unsent(), resource), resource)
    wanted = _ids(ids, common)
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
            # Before anything is opened: Ctrl-C must end a read that waits for a person.
            ids += [line.strip() for line in sys.stdin if line.strip()]
        elif id.startswith("-"):
            raise RequestError(f"unknown option {id.partition('=')[0]}; such an id can come from stdin", field="id")
        else:
            ids.append(id)
    if not ids and "-" not in given:
        raise RequestError("give an id, or - to read ids from stdin", field="id")
    return ids


async def _in_order(ids: list[str], retrieve: Callable[[str], Awaitable[Any]], width: int, *, as_json: bool) -> int:
    waiting = iter(ids)
    under_way: deque[tuple[str, asyncio.Future[Any]]] = deque()
    code = 0
    try:
        while True:
            while len(under_way) < width and (id := next(waiting, None)) is not None:
                under_way.append((id, asyncio.ensure_future(retrieve(id))))
            if not under_way:
                return code
            code = await _show(*under_way[0], as_json=as_json) or code
            under_way.popleft()
    finally:
        for _, future in under_way:
            future.cancel()
        await asyncio.gather(*(future for _, future in under_way), return_exceptions=True)


async def _show(id: str, answer: Awaitable[Any], *, as_json: bool) -> int:
    try:
        emit_document(main_record(await answer).raw, as_json=as_json)
    except NotFound as error:
        return report(error, as_json=as_json, id=id)
    return 0


def main_record(answer: Any) -> Record:
    """The record that was asked for: the first one of the answer."""
    values = (getattr(answer, field.name) for field in attrs.fields(type(answer)))
    found = next((value for value in values if isinstance(value, Record)), None)
    if found is None:
        raise DecodeError("the answer holds no record")
    return found
