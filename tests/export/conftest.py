"""A server in memory that answers with the pages that a test gives, byte for byte.

Its list is in descending order: it is read with one cursor. Asked for what has changed, it says: nothing.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from aiochargebee_gw import Gateway, Limits, Pages, Retry, Settings
from aiochargebee_gw._wire.message import Request, Response
from aiochargebee_gw.fields import customer as customer_fields
from aiochargebee_gw.transport.memory import MemoryTransport

Serve = Callable[..., Pages[Any, Any]]


EXACT = b'{"id":"a","n":123456789012345678901234567890,"f":1.10,"t":"\\u00e9 \xc3\xa9","new":{"x":[1,2]},"cf_y":1e5}'
PRETTY = b'{\n  "id" : "b",\r\n  "text": "two\\nlines",\n  "f": 1.10\n}'


def body(*rows: bytes, offset: str | None = None) -> bytes:
    """A page of these rows."""
    tail = b"" if offset is None else b',"next_offset":"%b"' % offset.encode()
    return b'{"list":[' + b",".join(rows) + b"]" + tail + b"}"


def customer(document: bytes) -> bytes:
    """A row of a list of customers, with a card beside the customer."""
    return b'{"customer":' + document + b',"card":{"id":"card"}}'


@pytest.fixture
def serve() -> Serve:
    """A list of customers from the bodies given, in order; an exception is raised in its place, an int is a status, and
    what is called gives its body when it likes."""

    def make(*answers: bytes | int | BaseException | Callable[[], Awaitable[bytes]]) -> Pages[Any, Any]:
        async def handle(request: Request) -> Response:
            query = parse_qs(urlsplit(request.url).query)
            if "updated_at[after]" in query:
                return Response(status=200, headers={}, body=body())
            answer = answers[int(query.get("offset", ["0"])[0])]
            if isinstance(answer, BaseException):
                raise answer
            if isinstance(answer, int):
                return Response(status=answer, headers={}, body=b"")
            return Response(status=200, headers={}, body=await answer() if callable(answer) else answer)

        settings = Settings(
            gateway_url="http://127.0.0.1",
            control_url="http://127.0.0.1",
            limits=Limits(account_per_second=math.inf),
            retry=Retry(attempts=1),
        )
        gw = Gateway("sandbox_key", settings=settings, transport=MemoryTransport(handle))
        return gw.customers.list(order_by=customer_fields.created_at.desc())

    return make
