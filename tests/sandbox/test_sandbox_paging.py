"""Keyset paging: cursors, limits, order, deleted rows, and rows that change while a client pages."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiochargebee_gw.sandbox import ManualClock, Sandbox
from aiochargebee_gw.sandbox._lists import LISTS
from aiochargebee_gw.sandbox._paging import page, read_query
from aiochargebee_gw.sandbox._store import Store

from .caller import Caller

pytestmark = pytest.mark.anyio
TOP_LISTS = sorted(path for path in LISTS if "*" not in path)


async def test_cursor_is_sort_value_and_row_id(call: Caller) -> None:
    """``next_offset`` is a JSON array of two strings: the last row's created_at in milliseconds, its row id."""
    reply = await call.get("/customers", {"limit": "3"})
    sort, row = json.loads(reply.json["next_offset"])
    assert int(sort) == reply.json["list"][-1]["customer"]["created_at"] * 1000
    assert int(row) > 0


async def test_default_limit_is_ten(call: Caller) -> None:
    """Without ``limit`` a page has ten rows."""
    assert len((await call.get("/customers")).json["list"]) == 10


@pytest.mark.parametrize("limit", ["0", "101", "-1", "ten", "", "1.0"])
async def test_bad_limit(call: Caller, limit: str) -> None:
    """``limit`` is 1 to 100."""
    assert (await call.get("/customers", {"limit": limit})).code == (400, "param_wrong_value", "limit")


@pytest.mark.parametrize(
    "offset",
    [
        "",
        "x",
        "5",
        "[]",
        '["1"]',
        "[1,2]",
        '["a","1"]',
        '["1","b"]',
        '["1","2","3"]',
        "{}",
        "[" * 2000,
        '["\\ud800","1"]',
        "null",
    ],
)
async def test_bad_offset(call: Caller, offset: str) -> None:
    """A cursor that this list never gave out is 400 for ``offset``."""
    assert (await call.get("/customers", {"offset": offset})).code == (400, "param_wrong_value", "offset")


async def test_offset_beyond_any_integer(call: Caller) -> None:
    """A cursor with huge numbers is a page after the last one, not a failure."""
    assert (await call.get("/customers", {"offset": '["9999999999999999999","9999999999999999999"]'})).json == {
        "list": []
    }


@pytest.mark.parametrize("path", TOP_LISTS)
@pytest.mark.parametrize("limit", ["1", "7", "100"])
async def test_every_row_once(call: Caller, path: str, limit: str) -> None:
    """Whatever the page size, following the cursor gives each row once, and the last page has no cursor."""
    found = [row async for rows in call.pages(f"/{path}", {"limit": limit}) for row in rows]
    kind = LISTS[path].kind
    ids = [row[kind]["id"] for row in found]
    assert len(ids) == len(set(ids)) == call.sandbox.count(kind)


@pytest.mark.parametrize("path", [path for path in TOP_LISTS if LISTS[path].sort])
async def test_sorting(call: Caller, path: str) -> None:
    """``sort_by`` orders by each legal attribute; descending is exactly the reverse, also where it is absent."""
    spec = LISTS[path]
    for attribute in spec.sort:
        up = [row[spec.kind] for row in await call.rows(f"/{path}", {"sort_by[asc]": attribute})]
        down = [row[spec.kind] for row in await call.rows(f"/{path}", {"sort_by[desc]": attribute})]
        assert [row["id"] for row in up] == [row["id"] for row in reversed(down)]
        known = [row[attribute] for row in up if attribute in row]
        assert known == sorted(known)
        assert all(attribute in row for row in up[: len(known)])


@pytest.mark.parametrize("path", ["items", "item_prices"])
@pytest.mark.parametrize("attribute", ["name", "id"])
async def test_cursors_of_text(call: Caller, path: str, attribute: str) -> None:
    """Sorted by a name, the cursor holds the name itself; each row comes once, in either direction."""
    kind = LISTS[path].kind
    for direction in ("asc", "desc"):
        query = {f"sort_by[{direction}]": attribute, "limit": "7"}
        rows = [row[kind] async for page in call.pages(f"/{path}", query) for row in page]
        values = [row[attribute] for row in rows]
        assert values == sorted(values, reverse=direction == "desc")
        assert len({row["id"] for row in rows}) == len(rows) == call.sandbox.count(kind)
    bad = {"sort_by[asc]": "name", "offset": '["\\ud800","1"]'}
    assert (await call.get(f"/{path}", bad)).code == (400, "param_wrong_value", "offset")


async def test_rows_without_updated_at_come_last(call: Caller) -> None:
    """Some rows have no ``updated_at``: they are in the sorted list, at its end, and the cursor passes them."""
    rows = [
        row["customer"]
        async for rows in call.pages("/customers", {"sort_by[asc]": "updated_at", "limit": "1"})
        for row in rows
    ]
    absent = [row for row in rows if "updated_at" not in row]
    assert absent
    assert rows[-len(absent) :] == absent
    assert len(rows) == call.sandbox.count("customer")


async def test_bad_sort(call: Caller) -> None:
    """Sorting by another attribute is 400; where a list cannot be sorted the parameter is ignored."""
    assert (await call.get("/customers", {"sort_by[asc]": "email"})).code == (400, "param_wrong_value", "sort_by[asc]")
    assert (await call.get("/plans", {"sort_by[asc]": "name"})).status == 200


async def test_include_deleted(call: Caller) -> None:
    """Deleted rows show only with ``include_deleted``, which ignores case (a Singer tap sends ``True``)."""
    shown = await call.rows("/customers", {"include_deleted": "True"})
    hidden = await call.rows("/customers")
    deleted = [row["customer"]["id"] for row in shown if row["customer"]["deleted"]]
    assert deleted
    assert len(shown) - len(deleted) == len(hidden) == 60
    assert (await call.get("/customers", {"include_deleted": "yes"})).code == (
        400,
        "param_wrong_value",
        "include_deleted",
    )


async def test_rows_beside(call: Caller) -> None:
    """A customer row carries its card, a subscription row its customer and card, when there are any."""
    customers = await call.rows("/customers")
    assert {tuple(row) for row in customers} == {("customer",), ("customer", "card")}
    assert all(row["card"]["customer_id"] == row["customer"]["id"] for row in customers if "card" in row)
    subscriptions = await call.rows("/subscriptions")
    assert {tuple(row) for row in subscriptions} == {("subscription", "customer"), ("subscription", "customer", "card")}
    assert all(row["subscription"]["customer_id"] == row["customer"]["id"] for row in subscriptions)


async def test_nested_lists(call: Caller) -> None:
    """Lists under a customer, a subscription or an invoice show exactly what belongs to it."""
    for kind in ("subscription", "invoice", "transaction"):
        everything = [row[kind] for row in await call.rows(f"/{kind}s")]
        mine = [row["id"] for row in everything if row["customer_id"] == "cust_2"]
        assert await call.ids(f"/customers/cust_2/{kind}s") == mine
        if kind != "subscription":
            mine = [row["id"] for row in everything if row["subscription_id"] == "sub_2"]
            assert await call.ids(f"/subscriptions/sub_2/{kind}s") == mine
    paid = next(row["invoice"] for row in await call.rows("/invoices", {"status[is]": "paid"}))
    linked = [row["txn_id"] for row in paid["linked_payments"]]
    assert await call.ids(f"/invoices/{paid['id']}/payments") == linked
    for path in ("/customers/nope/invoices", "/subscriptions/nope/invoices", "/invoices/nope/payments"):
        assert (await call.get(path)).code == (404, "resource_not_found", None)


async def test_contacts(call: Caller) -> None:
    """A customer's contacts are paged too; a cursor of no contact is 400."""
    contacts = [{"id": f"c{n}", "email": f"c{n}@example.com", "object": "contact"} for n in range(5)]
    call.sandbox.update("customer", "cust_1", {"contacts": contacts})
    pages = [rows async for rows in call.pages("/customers/cust_1/contacts", {"limit": "2"})]
    assert [[row["contact"]["id"] for row in rows] for rows in pages] == [["c0", "c1"], ["c2", "c3"], ["c4"]]
    assert (await call.get("/customers/cust_1/contacts", {"offset": "[1]"})).code == (
        400,
        "param_wrong_value",
        "offset",
    )
    assert (await call.get("/customers/nope/contacts")).status == 404


async def test_deleting_while_paging_loses_nothing(call: Caller) -> None:
    """The cursor is a key, not a row number: rows deleted behind it shift nothing."""
    seen: list[str] = []
    async for rows in call.pages("/customers", {"limit": "10"}):
        seen += [row["customer"]["id"] for row in rows]
        call.sandbox.delete("customer", seen[-1])
        call.sandbox.delete("customer", seen[-10])
    assert len(seen) == len(set(seen)) == 60


async def test_touched_rows_come_again_when_sorted_by_change(call: Caller) -> None:
    """Ascending by ``updated_at``, a row touched while paging moves to the end and is seen again."""
    seen: list[str] = []
    async for rows in call.pages("/customers", {"limit": "30", "sort_by[asc]": "updated_at", "updated_at[after]": "0"}):
        if not seen:
            call.sandbox.update("customer", rows[0]["customer"]["id"], {"company": "Touched"})
        seen += [row["customer"]["id"] for row in rows]
    assert seen.count(seen[0]) == 2
    assert seen[-1] == seen[0]


def listed(store: Store, query: str) -> dict[str, Any]:
    """One page of customers."""
    spec = LISTS["customers"]
    decoded: dict[str, Any] = json.loads(page(store, spec, read_query(spec, query, strict=True)))
    return decoded


@settings(deadline=None, max_examples=60)
@given(
    times=st.lists(st.one_of(st.none(), st.integers(1_500_000_000, 1_500_000_004)), min_size=1, max_size=30),
    limit=st.integers(1, 5),
    descending=st.booleans(),
    attribute=st.sampled_from(["created_at", "updated_at"]),
    added=st.integers(0, 3),
)
def test_each_row_once_under_ties(
    times: list[int | None], limit: int, descending: bool, attribute: str, added: int
) -> None:
    """With many rows in one second, absent times and inserts between pages, old rows come exactly once."""
    sandbox = Sandbox(records=0, clock=ManualClock())
    for number, at in enumerate(times):
        values = {"id": f"c{number}", attribute: at}
        sandbox.insert("customer", values if at is not None or attribute == "updated_at" else {"id": f"c{number}"})
    store = sandbox._site().desk.store
    direction = "desc" if descending else "asc"
    query = f"limit={limit}&sort_by[{direction}]={attribute}"
    seen: list[str] = []
    offset = ""
    while True:
        body = listed(store, query + offset)
        seen += [row["customer"]["id"] for row in body["list"]]
        if added > 0:
            added -= 1
            sandbox.insert("customer", {"id": f"new{added}", attribute: 1_500_000_002})
        if "next_offset" not in body:
            break
        offset = "&offset=" + body["next_offset"].replace(",", "%2C")
    old = [id for id in seen if not id.startswith("new")]
    assert sorted(old) == sorted(f"c{number}" for number in range(len(times)))
    assert len(seen) == len(set(seen))


@settings(deadline=None, max_examples=60)
@given(
    # A name with a NUL is refused; test_sandbox_customers shows it.
    names=st.lists(
        st.one_of(st.none(), st.just(""), st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=3)),
        min_size=1,
        max_size=20,
    ),
    limit=st.integers(1, 5),
    descending=st.booleans(),
)
def test_each_row_once_by_name(names: list[str | None], limit: int, descending: bool) -> None:
    """Rows without a name, with an empty one or the same come exactly once, those without one as the lowest."""
    sandbox = Sandbox(records=0, clock=ManualClock())
    for number, name in enumerate(names):
        sandbox.insert("item", {"id": f"made{number}", "name": name, "item_family_id": "f"})
    spec = LISTS["items"]
    seen: list[dict[str, Any]] = []
    query = urlencode({"limit": limit, f"sort_by[{'desc' if descending else 'asc'}]": "name"})
    offset: str | None = ""
    while offset is not None:
        answer = json.loads(page(sandbox._site().desk.store, spec, read_query(spec, query + offset, strict=True)))
        seen += [row["item"] for row in answer["list"] if row["item"]["id"].startswith("made")]
        offset = "&" + urlencode({"offset": answer["next_offset"]}) if "next_offset" in answer else None
    assert sorted(item["id"] for item in seen) == sorted(f"made{number}" for number in range(len(names)))
    order = [item.get("name", "").encode() for item in seen]
    assert order == sorted(order, reverse=descending)
