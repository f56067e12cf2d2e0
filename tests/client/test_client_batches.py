"""Many records by their ids, and custom fields that a class of yours declares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from aiochargebee_gw import Gateway, RequestError, errors
from aiochargebee_gw.fields import customer
from aiochargebee_gw.sandbox import Sandbox

from .conftest import FAST

pytestmark = pytest.mark.anyio


async def test_each_record_comes_once_and_the_missing_are_named(gw: Gateway, sandbox: Sandbox) -> None:
    """250 records and some unknown ids, given twice and out of order, take three requests; nothing is lost."""
    ids = [f"cust_{number}" for number in range(250, 0, -1)]
    many = gw.customers.get_many(["nobody", *ids, *ids, "no, body"])
    found = [record async for record in many]
    assert sorted(record.id for record in found) == sorted(ids)
    assert many.missing == ["nobody", "no, body"]
    assert len(sandbox.requests) == 3
    assert all("limit=" in request.query and "id%5Bin%5D=%5B" in request.query for request in sandbox.requests)
    assert [record async for record in many] == []
    assert "2 ids" in repr(many)


async def test_a_naive_filter_of_repeated_keys_means_everything(gw: Gateway, sandbox: Sandbox) -> None:
    """The baseline: `id[in][0]=a&id[in][1]=b` is ignored by the server, which answers with every customer."""
    query = [("limit", "100"), ("id[in][0]", "cust_1"), ("id[in][1]", "cust_2")]
    assert len((await gw.call("GET", "/api/v2/customers", query=query))["list"]) == 100
    assert len([record async for record in gw.customers.get_many(["cust_1", "cust_2"])]) == 2


async def test_batches_are_asked_for_concurrently() -> None:
    """Eight batches are under way at once, and none while the consumer works."""
    async with Sandbox(records=900, latency=0.05) as sandbox:
        settings = attrs.evolve(sandbox.gateway().settings, limits=FAST)
        gw = sandbox.gateway(settings=settings)
        async with gw:
            many = gw.customers.get_many(f"cust_{number}" for number in range(1, 901))
            first = await anext(many)
            assert first.id
            assert gw.stats.attempts == 8
            assert len([record async for record in many]) == 899
            assert gw.stats.attempts == 9
            assert many.missing == []


async def test_a_failed_batch_comes_again(gw: Gateway, sandbox: Sandbox) -> None:
    """The records of the other batches come first, then the error; iterating on asks for that batch alone."""
    sandbox.faults.add("status", status=403, body={"api_error_code": "x"}, nth=2)
    many = gw.customers.get_many(f"cust_{number}" for number in range(1, 251))
    seen = []
    with pytest.raises(errors.Forbidden):
        async for record in many:
            seen.append(record.id)
    assert 0 < len(seen) < 250
    assert many.missing == []
    seen += [record.id async for record in many]
    assert len(set(seen)) == len(seen) == 250
    assert len(sandbox.requests) == 4


@pytest.mark.parametrize("odd", ['"first_name":"\\ud83d"', '"net_term_days":"soon"'])
async def test_a_row_that_cannot_be_read_costs_no_other(gw: Gateway, sandbox: Sandbox, odd: str) -> None:
    """One row with half a surrogate pair, or of a wrong kind, raises in its place; no batch is lost with it."""
    rows = [f'{{"customer":{{"id":"cust_{number}"{"," + odd if number == 7 else ""}}}}}' for number in range(1, 101)]
    sandbox.faults.add("status", status=200, body=f'{{"list":[{",".join(rows)}]}}'.encode())
    many = gw.customers.get_many(f"cust_{number}" for number in range(1, 251))
    seen, failed = [], 0
    while True:
        try:
            seen.append((await anext(many)).id)
        except errors.DecodeError:
            failed += 1
        except StopAsyncIteration:
            break
    assert failed == 1
    assert len(set(seen)) == len(seen)
    assert len(seen) >= 149
    assert "cust_7" not in many.missing


async def test_long_ids_make_smaller_batches(gw: Gateway, sandbox: Sandbox) -> None:
    """A URL stays below what proxies carry, however long the ids are."""
    ids = [f"{'ø' * 90}{number:03}" for number in range(100)]
    many = gw.customers.get_many(ids)
    assert [record async for record in many] == []
    assert many.missing == ids
    assert len(sandbox.requests) > 5
    assert all(len(request.query) < 7000 for request in sandbox.requests)


async def test_deleted_ones_are_found_when_asked_for(gw: Gateway, sandbox: Sandbox) -> None:
    """include_deleted finds records that are deleted; without it they are missing."""
    sandbox.delete("customer", "cust_1")
    many = gw.customers.get_many(["cust_1"])
    assert [record async for record in many] == []
    assert many.missing == ["cust_1"]
    (found,) = [record async for record in gw.customers.get_many(["cust_1"], include_deleted=True)]
    assert found.deleted


async def test_bad_ids_are_refused_and_closing_ends(gw: Gateway, sandbox: Sandbox) -> None:
    """One text instead of a list, an empty id or another type never leaves; after aclose nothing comes."""
    loose: Any = gw.customers.get_many
    for bad in ("cust_1", [""], [5], b"x"):
        with pytest.raises(RequestError):
            loose(bad)
    with pytest.raises(RequestError):
        loose(["a"], emial=1)
    many = gw.customers.get_many(["cust_1"])
    await many.aclose()
    assert [record async for record in many] == []
    assert [record async for record in gw.customers.get_many([])] == []
    assert sandbox.requests == []


@attrs.frozen
class Mine:
    """What this site adds to a customer."""

    id: str = ""
    cf_region: str | None = None
    cf_score: int | None = None
    cf_newsletter: bool | None = None
    cf_contract_signed_at: datetime | None = None


async def test_a_class_of_yours_types_reading_filtering_and_writing(gw: Gateway, sandbox: Sandbox) -> None:
    """Given once, a class of cf_ attributes reads rows, makes filters of the right kind, and writes."""
    field = attrs.fields(Mine)
    custom = customer.custom
    moment = datetime(2000, 1, 1, tzinfo=UTC)
    filters = [
        custom(field.cf_region).is_("EU"),
        custom(field.cf_score).gte(0),
        custom(field.cf_contract_signed_at).after(moment),
        custom(field.cf_newsletter).is_(True),
    ]
    assert [one.pair[0] for one in filters] == [
        "cf_region[is]",
        "cf_score[gte]",
        "cf_contract_signed_at[after]",
        "cf_newsletter[is]",
    ]
    found = await gw.customers.list(*filters, into=Mine).collect()
    assert found
    assert all(record.cf_region == "EU" and record.cf_newsletter for record in found)
    made = await gw.customers.create(first_name="A", custom_fields=Mine(cf_region="MARS", cf_score=3))
    assert made.customer.custom_fields == {"cf_region": "MARS", "cf_score": 3} | {
        name: value for name, value in made.customer.custom_fields.items() if name not in ("cf_region", "cf_score")
    }
    assert b"cf_newsletter" not in sandbox.requests[-1].body
    await gw.customers.update(made.customer.id, custom_fields={"cf_region": None, "cf_score": 4})
    assert sandbox.requests[-1].body == b"cf_region=&cf_score=4"
    (mine,) = [record async for record in gw.customers.get_many([made.customer.id], into=Mine)]
    assert mine == Mine(id=made.customer.id, cf_score=4)


async def test_custom_fields_are_checked(gw: Gateway, sandbox: Sandbox) -> None:
    """A name without cf_, one given twice, another object, or an operation that takes none is refused."""
    loose: Any = gw.customers
    for bad in ({"region": 1}, {"cf_x": object()}, 5, "cf_x", datetime(2024, 1, 1, tzinfo=UTC)):
        with pytest.raises(RequestError):
            await loose.create(custom_fields=bad)
    with pytest.raises(RequestError):
        await loose.create(custom_fields={"cf_x": 1}, cf_x=2)
    with pytest.raises(RequestError):
        await loose.delete("cust_1", custom_fields={"cf_x": 1})

    @attrs.frozen
    class Odd:
        region: str = ""
        cf_list: list[str] = attrs.field(factory=list)
        cf_text: "str | None" = None  # noqa: UP037

    custom: Any = customer.custom
    for wrong in (attrs.fields(Odd).region, attrs.fields(Odd).cf_list):
        with pytest.raises(RequestError):
            custom(wrong)
    assert custom(attrs.fields(Odd).cf_text).is_("x").pair == ("cf_text[is]", "x")
    assert sandbox.requests == []


async def test_the_operation_of_the_other_catalogue_is_named() -> None:
    """WrongCatalog says what to use instead, for a call and for a list; an untyped call cannot know."""
    async with Sandbox(records=3) as sandbox, sandbox.gateway() as gw:
        with pytest.raises(errors.WrongCatalog, match=r"; use item_prices\.list$") as listed:
            await gw.plans.list()
        assert listed.value.instead == "item_prices.list"
        with pytest.raises(errors.WrongCatalog) as created:
            await gw.subscriptions.create(plan_id="p", customer={"email": "a@example.com"})
        assert created.value.instead == "subscriptions.create_with_items"
        with pytest.raises(errors.WrongCatalog) as untyped:
            await gw.call("GET", "/api/v2/plans")
        assert untyped.value.instead is None
