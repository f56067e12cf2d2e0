"""Sick cursors: a list is followed to its end, or ends in an error; never for ever, and never short in silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import attrs
import pytest

from aiochargebee_gw import CursorExpired, Gateway, PaginationError, RepeatedOffset, Retry, Timeouts, errors
from tests.baselines import containment_pages as naive

from .clients import client
from .scripted import Scripted, answer, scripted

pytestmark = pytest.mark.anyio

# Three attempts and a page that is unreadable each time make two requests more than there are pages.
RETRY = Retry(attempts=3, base_seconds=0)


def _page(name: str, offset: Any = None) -> bytes:
    page: dict[str, Any] = {"list": [{"customer": {"id": name}}]}
    return json.dumps(page if offset is None else page | {"next_offset": offset}).encode()


def _empty(offset: str | None = None) -> bytes:
    return json.dumps({"list": []} if offset is None else {"list": [], "next_offset": offset}).encode()


EXPIRED = answer(
    b'{"message":"offset","api_error_code":"param_wrong_value","type":"invalid_request","param":"offset"}',
    status="400 Bad Request",
)


@attrs.frozen(kw_only=True)
class Disease:
    """`page` makes a body of an offset. `finds` are the ids that a healthy reader gets, None where it must fail with
    `error`; `pages` is how many different pages there are to ask for."""

    name: str
    page: Callable[[str | None], bytes]
    pages: int
    finds: list[str] | None = None
    error: type[Exception] = PaginationError
    follow: type[Exception] | list[str] | None = None
    """What the naive loop does: an error, or the ids that it takes for all; None where it happens to be right."""


def _script(*bodies: bytes) -> Callable[[str | None], bytes]:
    """Page 0 is the first, and page n has the offset n."""
    return lambda offset: bodies[int(offset or 0)]


def _cycle(length: int) -> Callable[[str | None], bytes]:
    return lambda offset: _page(f"c{offset or 0}", str(int(offset or 0) % length + 1))


A, B, C = _page("a", "1"), _page("b", "2"), _page("c")

DISEASES = [
    Disease(name="healthy", page=_script(A, B, C), pages=3, finds=["a", "b", "c"]),
    Disease(name="A, A", page=_cycle(1), pages=2, error=RepeatedOffset, follow=naive.Endless),
    Disease(name="A, B, A, B", page=_cycle(2), pages=3, error=RepeatedOffset, follow=naive.Endless),
    Disease(name="cycle of 50", page=_cycle(50), pages=51, error=RepeatedOffset, follow=naive.Endless),
    Disease(name="an empty page in between", page=_script(A, _empty("2"), C), pages=3, finds=["a", "c"]),
    Disease(
        name="empty pages for ever",
        page=lambda offset: _empty(str(int(offset or 0) + 1)),
        pages=101,
        follow=naive.Endless,
    ),
    Disease(
        name="a cursor that is null",
        page=_script(A, b'{"list":[{"customer":{"id":"b"}}],"next_offset":null}'),
        pages=2,
        finds=["a", "b"],
    ),
    Disease(name="a number", page=_script(A, _page("b", 2), C), pages=2),
    Disease(name="zero", page=_script(A, _page("b", 0), C), pages=2, follow=["a", "b"]),
    Disease(name="a list", page=_script(A, _page("b", ["2"]), C), pages=2, follow=KeyError),
    Disease(name="an empty text", page=_script(A, _page("b", ""), C), pages=2, follow=["a", "b"]),
    Disease(name="a megabyte", page=_script(A, _page("b", "2" * 1_000_000)), pages=2, follow=KeyError),
    Disease(
        name="half a surrogate pair",
        page=_script(A, b'{"list":[{"customer":{"id":"b"}}],"next_offset":"\\ud800"}'),
        pages=2,
        follow=UnicodeEncodeError,
    ),
    Disease(name="expired", page=_script(A, EXPIRED), pages=2, error=CursorExpired, follow=KeyError),
    Disease(name="no list", page=_script(A, b'{"next_offset":"2"}', C), pages=2, follow=KeyError),
    Disease(name="a list that is null", page=_script(A, b'{"list":null}'), pages=2, follow=TypeError),
    Disease(name="a list that is an object", page=_script(A, b'{"list":{}}'), pages=2, follow=["a"]),
    Disease(name="another shape", page=_script(A, b'{"customer":{"id":"b"}}'), pages=2, follow=KeyError),
    Disease(
        name="two cursors",
        page=_script(A, b'{"list":[{"customer":{"id":"b"}}],"next_offset":"2","next_offset":null}', C),
        pages=2,
        follow=["a", "b"],
    ),
    Disease(
        name="two lists",
        page=_script(A, b'{"list":[{"customer":{"id":"b"}}],"\\u006cist":[]}', C),
        pages=2,
        follow=["a"],
    ),
    Disease(name="a page for people", page=_script(A, b"<html>Back soon</html>"), pages=2, follow=ValueError),
]


def _serve(disease: Disease) -> Callable[[bytes], bytes]:
    def script(request: bytes) -> bytes:
        query = parse_qs(urlsplit(request.split(b" ")[1].decode()).query)
        try:
            body = disease.page(query["offset"][0] if "offset" in query else None)
        except (ValueError, IndexError):
            return answer(status="400 Bad Request")
        return body if body.startswith(b"HTTP/") else answer(body)

    return script


async def _read(gw: Gateway, *, ahead: bool) -> tuple[list[str], Exception | None]:
    seen: list[str] = []
    try:
        if ahead:
            async with gw.customers.list().prefetch(2) as stream:
                async for record in stream:
                    seen.append(record.id)
        else:
            async for record in gw.customers.list():
                seen.append(record.id)
    except errors.GatewayClientError as error:
        return seen, error
    return seen, None


@pytest.mark.parametrize("ahead", [False, True], ids=["in order", "ahead"])
@pytest.mark.parametrize("disease", DISEASES, ids=lambda disease: str(disease.name))
async def test_a_sick_cursor_ends_in_the_right_rows_or_in_an_error(disease: Disease, ahead: bool) -> None:
    """All rows once each, or an error of ours that names the cursor, within two requests beyond the pages there are."""
    async with scripted(_serve(disease)) as server, client(server.url, retry=RETRY, timeouts=Timeouts()) as gw:
        seen, error = await _read(gw, ahead=ahead)
        if disease.finds is not None:
            assert (seen, error) == (disease.finds, None)
        else:
            assert isinstance(error, disease.error), error
            assert isinstance(error, PaginationError)
            assert len(seen) == len(set(seen)) < disease.pages
            assert error.offset is not None
        assert len(server.requests) <= disease.pages + 2


def test_the_diseases_are_as_many_as_promised() -> None:
    """Fourteen and more ways in which a cursor can be sick, beside the healthy one."""
    assert len(DISEASES) > 14


async def test_a_cursor_that_comes_back_to_where_we_began() -> None:
    """A list that is resumed at an offset counts that offset as seen."""
    disease = Disease(name="back", page=_script(b"", B, _page("c", "1")), pages=2)
    async with scripted(_serve(disease)) as server, client(server.url) as gw:
        with pytest.raises(RepeatedOffset):
            await gw.customers.list(offset="1").collect()
        assert len(server.requests) == 2


async def _naive(server: Scripted, reader: Callable[..., Any]) -> Any:
    async with aiohttp.ClientSession() as session:
        return [row["customer"]["id"] for row in await reader(session, server.url)]


@pytest.mark.parametrize(
    "disease", [each for each in DISEASES if each.follow is not None], ids=lambda disease: str(disease.name)
)
async def test_the_common_loop_does_not_end_or_misses_rows(disease: Disease) -> None:
    """The baseline: a plain loop along `next_offset` goes on for ever, ends short in silence or with a stray error."""
    async with scripted(_serve(disease)) as server:
        if isinstance(disease.follow, list):
            assert await _naive(server, naive.follow) == disease.follow
        else:
            assert disease.follow is not None
            with pytest.raises(disease.follow):
                await _naive(server, naive.follow)


async def test_a_loop_that_ends_at_an_empty_page_misses_rows() -> None:
    """The other baseline: taking an empty page for the end loses what follows it."""
    disease = next(each for each in DISEASES if each.name.startswith("an empty page"))
    async with scripted(_serve(disease)) as server:
        assert await _naive(server, naive.until_empty) == ["a"]
