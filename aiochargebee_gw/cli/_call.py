"""`call`: any operation by its path, as Chargebee's documentation spells it."""

from __future__ import annotations

from typing import Annotated, Any, cast

from cyclopts import Parameter

from ..errors import RequestError
from ._options import Common
from ._output import dump, emit_document
from ._session import open_gateway

__all__ = ["command"]


async def command(
    method: Annotated[str, Parameter(help="GET or POST.")],
    path: Annotated[str, Parameter(help="From /api/v2/ on, such as /api/v2/portal_sessions.")],
    /,
    *,
    data: Annotated[
        list[str] | None, Parameter(name=["--data", "-d"], help="name=value of the body, such as 'customer[id]=c1'.")
    ] = None,
    query: Annotated[list[str] | None, Parameter(help="name=value of the query, such as limit=5.")] = None,
    idempotency_key: Annotated[
        str | None, Parameter(help="For repeating a POST: the key that it was sent with before.")
    ] = None,
    common: Common = Common(),  # noqa: B008 - frozen
) -> int:
    """Make one call and print what comes back."""
    verb = cast("Any", method.upper())
    given: dict[str, Any] = {"query": _pairs(query, "--query")}
    if data is not None:
        given["form"] = _pairs(data, "--data")
    if idempotency_key is not None:
        given["idempotency_key"] = idempotency_key
    async with open_gateway(common) as gw:
        answer = await gw.call(verb, path, **given)
    emit_document(dump(answer), as_json=common.json)
    return 0


def _pairs(texts: list[str] | None, option: str) -> list[tuple[str, str]]:
    pairs = [text.partition("=") for text in texts or ()]
    if any(not name or not sign for name, sign, _ in pairs):
        # The text may hold personal data, or worse.
        raise RequestError(f"{option} takes name=value", field=option)
    return [(name, value) for name, _, value in pairs]
