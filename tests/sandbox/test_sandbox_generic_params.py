"""Parameters of operations without a function of their own: presence, types, values, limits, JSON bodies."""

from __future__ import annotations

import json

import pytest

from .caller import Caller
from .schema import required

pytestmark = pytest.mark.anyio
COMMENT = {"entity_type": "customer", "entity_id": "cust_1", "notes": "Called back."}


async def test_a_list_that_needs_a_filter_says_so(call: Caller) -> None:
    """``GET /ramps`` without ``subscription_id`` is 400 with its name, not the full list."""
    reply = await call.get("/ramps")
    assert (reply.code, reply.json["error_code"]) == (
        (400, "param_wrong_value", "subscription_id[is]"),
        "param_should_be_present",
    )


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"entity_type": "nothing"}, "entity_type"),
        ({"notes": ""}, "notes"),
        ({"notes": "x" * 1001}, "notes"),
        ({"entity_id": "x" * 101}, "entity_id"),
    ],
)
async def test_bad_parameters_of_a_comment(call: Caller, change: dict[str, str], param: str) -> None:
    """A value outside the enum, a blank required one, a text that is too long: 400 that names the parameter."""
    assert (await call.post("/comments", {**COMMENT, **change})).code == (400, "param_wrong_value", param)
    assert await call.ids("/comments") == []


async def test_missing_parameters_in_objects_and_lists_are_named(call: Caller) -> None:
    """``param`` is spelt as the request would spell it, field first in lists of objects."""
    reply = await call.post("/entitlements", {"action": "upsert", "entitlements[feature_id][0]": "seats"})
    assert reply.code == (400, "param_wrong_value", "entitlements[entity_id][0]")
    reply = await call.post("/business_entities/transfers")
    assert reply.code == (400, "param_wrong_value", "active_resource_ids[0]")
    reply = await call.post("/gifts/create_for_items", {"gifter[customer_id]": "cust_1"})
    assert reply.code == (400, "param_wrong_value", "gifter[signature]")


async def test_numbers_have_limits(call: Caller) -> None:
    """A number below the lowest one is 400, a text where a number belongs is 400 ``wrong_format``."""
    body = required("/addons", {"id": "a", "name": "A", "charge_type": "non_recurring"})
    assert (await call.post("/addons", {**body, "price": "-1"})).code == (400, "param_wrong_value", "price")
    reply = await call.post("/addons", {**body, "price": "many"})
    assert (reply.code, reply.json["error_code"]) == ((400, "param_wrong_value", "price"), "wrong_format")


async def test_an_id_is_given_once(call: Caller) -> None:
    """A second object with an id is 400 ``duplicate_entry``."""
    body = {"id": "pv_1", "name": "Export"}
    assert (await call.post("/price_variants", body)).status == 200
    assert (await call.post("/price_variants", body)).code == (400, "duplicate_entry", "id")


async def test_unknown_parameters_are_ignored(call: Caller) -> None:
    """As at the live API, an unknown parameter changes nothing."""
    made = (await call.post("/comments", {**COMMENT, "colour": "red"})).json["comment"]
    assert "colour" not in made
    assert await call.ids("/comments", {"colour[is]": "red"}) == [made["id"]]


@pytest.mark.parametrize("options", [{"strict": True}])
async def test_strict_refuses_unknown_parameters(call: Caller) -> None:
    """The strict mode names the parameter, in bodies and queries alike, and lets the known ones through."""
    assert (await call.post("/comments", {**COMMENT, "colour": "red"})).code == (400, "invalid_request", "colour")
    assert (await call.get("/comments", {"colour[is]": "red"})).code == (400, "invalid_request", "colour[is]")
    assert (await call.post("/comments", COMMENT)).status == 200
    assert (await call.get("/comments", {"entity_type": "customer", "entity_id": "cust_1", "limit": "1"})).status == 200


async def test_ids_in_parameters_must_be_there(call: Caller) -> None:
    """A ``customer_id`` that nobody has is 404 with its name."""
    reply = await call.post("/virtual_bank_accounts", {"customer_id": "nobody"})
    assert reply.code == (404, "resource_not_found", "customer_id")


async def test_a_json_body_means_what_a_form_means(call: Caller) -> None:
    """The official SDKs send JSON to the ledger; both ways answer the same and check the same."""
    id = (await call.ids("/subscriptions"))[0]
    sent = required("/ledger_operations/allocate", {"subscription_id": id})
    form = await call.post("/ledger_operations/allocate", sent)
    body = await call.post(
        "/ledger_operations/allocate", json.dumps(sent).encode(), **{"Content-Type": "application/json"}
    )
    assert form.status == body.status == 200, body.body
    assert form.json.keys() == body.json.keys()
    del sent["subscription_id"]
    refused = await call.post(
        "/ledger_operations/allocate", json.dumps(sent).encode(), **{"Content-Type": "application/json"}
    )
    assert refused.code == (400, "param_wrong_value", "subscription_id")
    broken = await call.post("/ledger_operations/allocate", b"[", **{"Content-Type": "application/json"})
    assert broken.code[:2] == (400, "invalid_request")


async def test_a_json_body_may_nest(call: Caller) -> None:
    """Objects, lists of objects, lists of texts and free JSON arrive from a JSON body as from a form."""
    headers = {"Content-Type": "application/json"}
    rows = [{"entity_id": "basic", "feature_id": "seats", "value": 5}, {"entity_id": "pro", "feature_id": "seats"}]
    batch = json.dumps({"action": "upsert", "entitlements": rows, "change_reason": None}).encode()
    made = (await call.post("/entitlements", batch, **headers)).json["list"]
    assert [row["entitlement"].get("value") for row in made] == ["5", None]
    gifter = {"customer_id": "cust_1", "signature": "Us"}
    receiver = {"customer_id": "cust_2", "first_name": "A", "last_name": "B", "email": "b@example.com"}
    gift = json.dumps({"gifter": gifter, "gift_receiver": receiver, "coupon_ids": ["A", "B"], "no_expiry": True})
    answer = (await call.post("/gifts/create_for_items", gift.encode(), **headers)).json["gift"]
    assert answer["gifter"] == {**gifter, "object": "gifter"}
    assert answer["no_expiry"] is True


async def test_a_nul_character_is_refused(call: Caller) -> None:
    """A text that SQLite could not find again is 400 with its name."""
    assert (await call.post("/comments", {**COMMENT, "notes": "a\0b"})).code == (400, "param_wrong_value", "notes")
