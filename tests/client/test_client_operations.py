"""Every operation of the catalogue, through the client to a real server and back.

What must be sent and what must come back is read from the catalogue's files by `expected`; the methods are reached by
name, as a user reaches them.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote

import attrs
import pytest

from aiochargebee_gw import Gateway, Limits, Page, Pages, RequestError, Retry, Settings, records
from aiochargebee_gw._record import Record
from aiochargebee_gw.filters import Filter

from ..codegen.catalogue import operations
from ..codegen.samples import MOMENT
from .expected import (
    answer_name,
    cleared,
    condition,
    document,
    filters,
    given,
    is_filter,
    keywords,
    pairs,
    plain,
    plural,
)
from .expected import record_name as class_of
from .raw import RawServer, answer, raw_server

pytestmark = pytest.mark.anyio

ALL = list(operations())
REACHED = [case for case in ALL if case[2]["sub_domain"] is None]
REFUSED = [case for case in ALL if case[2]["sub_domain"] is not None]
ID = "a b/ü+1%"
CURSOR = '["1506418802000","122"]'
FORM = "application/x-www-form-urlencoded; charset=utf-8"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for all of this module."""
    return "asyncio"


@pytest.fixture(scope="module")
async def server(anyio_backend: str) -> AsyncIterator[RawServer]:
    """Records what it is asked, and says what a test wants."""
    async with raw_server(answer(b"{}")) as running:
        yield running


@pytest.fixture(scope="module")
async def gw(server: RawServer) -> AsyncIterator[Gateway]:
    """A client of that server, without limits and without a second attempt."""
    settings = Settings(
        gateway_url=server.url,
        control_url=server.url,
        limits=Limits(account_per_second=math.inf, site_per_minute=math.inf),
        retry=Retry.none(),
    )
    async with Gateway("sandbox_k", connection="c-1", settings=settings) as client:
        yield client


@attrs.frozen
class Seen:
    """A request as it came over the wire; *path* is raw, *sent* are the pairs of its query or form."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def sent(self) -> list[tuple[str, str]]:
        text = self.query if self.method == "GET" else self.body.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))


def seen(request: bytes) -> Seen:
    """A request taken apart."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    method, target, _ = first.split(" ")
    path, _, query = target.partition("?")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return Seen(method, path, query, headers, body)


def method_of(gw: Gateway, resource: str, name: str, row: Mapping[str, Any]) -> Any:
    """The method that a user calls, with the id where it takes one."""
    method = getattr(getattr(gw, plural(resource)), name)
    return (lambda *args, **kwargs: method(ID, *args, **kwargs)) if "{id}" in row["path"] else method


def needed(row: Mapping[str, Any]) -> dict[str, Any]:
    """The required keywords."""
    return {name: given(told, name) for name, told in keywords(row).items() if told.get("required")}


def conditions(row: Mapping[str, Any]) -> tuple[list[Filter], list[tuple[str, str]]]:
    """Every operator of every filter of a list, by the fields of its rows' resource, and what must be sent."""
    made: list[Filter] = []
    wanted: list[tuple[str, str]] = []
    for wire, (kind, operators) in filters(row).items() if is_list(row) else ():
        for operator in operators:
            value, text = condition(kind, operator)
            method = getattr(field(row, wire), {"is": "is_", "in": "in_"}.get(operator, operator))
            made.append(method(*value) if operator == "between" else method(value))
            wanted.append((f"{wire}[{operator}]", text))
    if row.get("custom_field_filters"):
        made.append(fields_of(row).custom("cf_region").string.is_("EU"))
        wanted.append(("cf_region[is]", "EU"))
    return made, wanted


def fields_of(row: Mapping[str, Any]) -> Any:
    """The module of fields of what a list's rows hold."""
    resource = next(iter(row["rows"].values()))["ref"].partition(".")[0]
    return importlib.import_module(f"aiochargebee_gw.fields.{resource}")


def field(row: Mapping[str, Any], wire: str) -> Any:
    """A field by its wire name."""
    outer, _, inner = wire.removesuffix("]").partition("[")
    found = getattr(fields_of(row), outer)
    return getattr(found, inner) if inner else found


def is_list(row: Mapping[str, Any]) -> bool:
    """Whether the method gives `Pages`; the lists that POSTs answer give one `Page`."""
    return bool(row["list"] and row["http"] == "GET")


@pytest.mark.parametrize(("resource", "name", "row"), REACHED)
async def test_an_operation_goes_out_and_comes_back(
    gw: Gateway, server: RawServer, resource: str, name: str, row: dict[str, Any]
) -> None:
    """Method, path, every parameter in its form, a key on writes alone; the answer holds its records by name."""
    server.requests.clear()
    method = method_of(gw, resource, name, row)
    params = {key: given(told, key) for key, told in keywords(row).items()}
    empty = {key: cleared(told) for key, told in keywords(row).items() if not is_filter(told)} | needed(row)
    if is_list(row):
        await check_list(server, method, resource, name, row, params, empty)
        return
    custom = {"cf_region": "EU", "cf_none": None} if row["http"] == "POST" and row.get("custom_fields") else {}
    keys = row["rows"] if row["list"] else row["response"] or {}
    body: Any = {"list": [document(keys)] * 2} if row["list"] else document(keys)
    server.script[:] = [answer(json.dumps(body).encode())]
    key = {"idempotency_key": "k-1"} if row["http"] == "POST" else {}
    found = await method(**params, **custom, **key)
    await method(**empty)
    first, second = map(seen, server.requests)
    check_call(first, row, params, custom)
    check_call(second, row, empty, {})
    if row["http"] == "POST":
        assert first.headers["chargebee-idempotency-key"] == "k-1"
        assert second.headers["chargebee-idempotency-key"] not in ("", "k-1")
    if row["list"]:
        assert isinstance(found, Page)
        assert found.next_offset is None
        check_page(found, resource, name, row, body["list"])
    else:
        check_envelope(found, answer_name(resource, name, row), keys, body)


def check_call(request: Seen, row: Mapping[str, Any], params: Mapping[str, Any], custom: Mapping[str, Any]) -> None:
    """What every request of an operation has."""
    assert (request.method, request.path) == (
        row["http"],
        "/chargebee/api/v2" + row["path"].replace("{id}", quote(ID, safe="")),
    )
    assert request.headers["authorization"] == "Bearer sandbox_k"
    assert request.headers["maton-connection"] == "c-1"
    if row["http"] == "GET":
        assert request.body == b""
        assert not {"content-type", "chargebee-idempotency-key"} & set(request.headers)
    else:
        assert request.query == ""
        assert request.headers["content-type"] == ("application/json" if row["json_body"] else FORM)
    if row["json_body"]:
        assert json.loads(request.body) == plain(params)
        return
    assert request.sent == pairs(row, params) + [(key, value or "") for key, value in custom.items()]


async def check_list(
    server: RawServer,
    method: Any,
    resource: str,
    name: str,
    row: dict[str, Any],
    params: dict[str, Any],
    empty: dict[str, Any],
) -> None:
    """A list: its first page when awaited, all rows when iterated; a page's query again with the cursor behind it."""
    rows = [document(row["rows"])] * 2
    pages = [{"list": rows, "next_offset": CURSOR}, {"list": rows[:1]}]
    first_page, last_page = (answer(json.dumps(page).encode()) for page in pages)
    server.script[:] = [first_page, first_page, last_page]
    conditions_made, wanted = conditions(row)
    sorts = (row.get("sort_by") or {}).get("asc", [])
    listed = method(*conditions_made, **params)
    assert isinstance(listed, Pages)
    assert not server.requests
    page = await listed
    assert page.next_offset == CURSOR
    check_page(page, resource, name, row, rows)
    order = {"order_by": field(row, sorts[-1]).desc()} if sorts else {}
    found = [record async for record in method(*conditions_made, **empty, **order, limit=2)]
    main = getattr(records, class_of(next(iter(row["rows"].values()))["ref"]))
    assert [type(record) for record in found] == [main] * 3
    one, two, three = map(seen, server.requests)
    for request in (one, two, three):
        check_call(attrs.evolve(request, query=""), row, {}, {})
    by_default = [pair for pair in one.sent if pair[0].startswith("sort_by")]
    assert [key for key, _ in by_default] == ["sort_by[asc]"] * bool(sorts)
    assert all(value in sorts for _, value in by_default)
    assert sorted(one.sent) == sorted([("limit", "100"), *pairs(row, params), *wanted, *by_default])
    ordered = [("sort_by[desc]", sorts[-1])] if sorts else []
    assert sorted(two.sent) == sorted([("limit", "2"), *pairs(row, empty), *wanted, *ordered])
    assert sorted(three.sent) == sorted([*two.sent, ("offset", CURSOR)])


def check_page(page: Any, resource: str, name: str, row: Mapping[str, Any], rows: list[dict[str, Any]]) -> None:
    """The main record of each row, each row by name, and each row's bytes."""
    assert len(page) == len(page.records) == len(page.rows) == len(rows)
    for record, envelope, raw, sent in zip(page.records, page.rows, page.raw, rows, strict=True):
        key, told = next(iter(row["rows"].items()))
        check_value(record, told, sent[key])
        check_envelope(envelope, answer_name(resource, name, row), row["rows"], sent)
        assert json.loads(raw) == sent


def check_envelope(found: Any, cls: str, keys: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
    """An envelope of its own class, with what came back under its names."""
    assert isinstance(found, getattr(records, cls))
    assert [each.name for each in attrs.fields(type(found))] == list(keys)
    for key, told in keys.items():
        if key.endswith("_at"):
            assert getattr(found, key) == datetime.fromtimestamp(MOMENT, UTC)
        else:
            check_value(getattr(found, key), told, sent[key])


def check_value(value: Any, told: Mapping[str, Any], sent: Any) -> None:
    """A record of the class that the catalogue names, made of the bytes that were sent for it."""
    if told["type"] == "list":
        assert len(value) == len(sent) == 2
        for each, part in zip(value, sent, strict=True):
            check_value(each, told["items"], part)
    elif told["type"] == "object":
        assert type(value) is getattr(records, class_of(told["ref"]))
        if isinstance(value, Record):
            assert json.loads(value.raw) == sent
            assert value.extra == value.custom_fields == {}
    else:
        assert value == sent


@pytest.mark.parametrize(("resource", "name", "row"), REFUSED)
async def test_an_operation_on_another_host_is_refused(
    gw: Gateway, server: RawServer, resource: str, name: str, row: dict[str, Any]
) -> None:
    """The gateway does not reach that host: an error names it, and nothing is sent."""
    server.requests.clear()
    with pytest.raises(RequestError, match=rf"\{{site\}}\.{row['sub_domain']}\.chargebee\.com") as caught:
        await method_of(gw, resource, name, row)(**needed(row))
    assert caught.value.operation == f"{row['http']} /api/v2{row['path']}"
    assert not server.requests


REQUIRING = [case for case in REACHED if needed(case[2])]


@pytest.mark.parametrize(("resource", "name", "row"), REQUIRING)
async def test_a_required_parameter_is_asked_for(
    gw: Gateway, server: RawServer, resource: str, name: str, row: dict[str, Any]
) -> None:
    """Each required parameter, left out or None, is an error that names it; nothing is sent."""
    server.requests.clear()
    method = method_of(gw, resource, name, row)
    for missing in needed(row):
        left = {key: value for key, value in needed(row).items() if key != missing}
        for kwargs in (left, left | {missing: None}):
            with pytest.raises(RequestError, match=missing) as caught:
                await method(**kwargs)
            assert caught.value.field == missing
            assert caught.value.operation == f"{row['http']} /api/v2{row['path']}"
    assert not server.requests


@pytest.mark.parametrize(("resource", "name", "row"), REACHED)
async def test_an_unknown_keyword_is_refused(
    gw: Gateway, server: RawServer, resource: str, name: str, row: dict[str, Any]
) -> None:
    """The server would ignore a misspelt parameter; here it is an error that names it, and nothing is sent."""
    server.requests.clear()
    method = method_of(gw, resource, name, row)
    unknown: list[dict[str, Any]] = [{"nonsense": 1}]
    if not row.get("custom_fields"):
        unknown.append({"cf_region": "EU"})
    for key, told in keywords(row).items():
        inner = told["items"] if told["type"] == "list" else told
        if inner["type"] == "object" and inner["fields"]:
            unknown.append({key: [{"nonsense": 1}] if told["type"] == "list" else {"nonsense": 1}})
    for kwargs in unknown:
        with pytest.raises(RequestError, match=r"unknown parameter '.*(nonsense\]?|cf_region)'"):
            await method(*conditions(row)[0], **(needed(row) | kwargs))
    if row["http"] == "GET":
        with pytest.raises(RequestError, match="idempotency"):
            await method(*conditions(row)[0], **needed(row), idempotency_key="k")
    assert not server.requests


LISTS = [case for case in ALL if is_list(case[2])]
DEMANDING = [case for case in LISTS if any(told["type"] == "filter" and told.get("required")
                                           for told in case[2]["params"].values())]  # fmt: skip


@pytest.mark.parametrize(("resource", "name", "row"), DEMANDING)
async def test_a_required_filter_is_asked_for(
    gw: Gateway, server: RawServer, resource: str, name: str, row: dict[str, Any]
) -> None:
    """The lists that the API refuses without `subscription_id` do not go out without it."""
    server.requests.clear()
    method = method_of(gw, resource, name, row)
    others = [made for made in conditions(row)[0] if made.field != "subscription_id"]
    with pytest.raises(RequestError, match="subscription_id") as caught:
        await method(*others)
    assert caught.value.field == "subscription_id"
    with pytest.raises(TypeError, match="required"):
        method()
    assert not server.requests


@pytest.mark.parametrize(("resource", "name", "row"), LISTS)
async def test_a_list_takes_its_own_filters_and_orders(
    gw: Gateway, server: RawServer, resource: str, name: str, row: dict[str, Any]
) -> None:
    """A filter or an order that a list does not have would be ignored by the server: it never gets there."""
    server.requests.clear()
    method = method_of(gw, resource, name, row)
    made = conditions(row)[0]
    with pytest.raises(RequestError, match="no_such_field"):
        await method(*made, Filter("no_such_field", "is", "x"), **needed(row))
    with pytest.raises(RequestError, match="order_by"):
        await method(*made, **needed(row), order_by="created_at")
    with pytest.raises(RequestError, match="order_by"):
        await method(*made, **needed(row), order_by=Filter("created_at", "is", "x"))
    for limit in (0, 101, True, "10"):
        with pytest.raises(RequestError, match="limit"):
            await method(*made, **needed(row), limit=limit)
    assert not server.requests


def test_the_catalogue_has_what_is_counted() -> None:
    """501 operations, 81 lists read by GET, nine operations on other hosts, four lists that demand a filter."""
    assert len(ALL) == 501
    assert len(LISTS) == 81
    assert len(REFUSED) == 9
    assert len(DEMANDING) == 4
    assert sum(row["json_body"] for _, _, row in ALL) == 12
    assert sum(row["list"] and row["http"] == "POST" for _, _, row in ALL) == 5
