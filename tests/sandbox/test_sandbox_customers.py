"""Customers: create, retrieve, update, delete."""

from __future__ import annotations

import pytest

from aiochargebee_gw.sandbox import ManualClock, Sandbox

from .caller import Caller

pytestmark = pytest.mark.anyio
NOW = 1_767_225_600


@pytest.fixture
def options() -> dict[str, object]:
    """Time stands still."""
    return {"clock": ManualClock()}


async def test_create(call: Caller) -> None:
    """The answer is the customer with what was sent, typed, stamped, and defaults for the rest."""
    reply = await call.post(
        "/customers",
        {
            "first_name": "Åse",
            "email": "ase@example.com",
            "net_term_days": "14",
            "allow_direct_debit": "true",
            "meta_data": '{"a":[1,2]}',
            "billing_address[city]": "Tromsø",
            "billing_address[country]": "NO",
            "entity_identifiers[id][0]": "e1",
            "entity_identifiers[scheme][0]": "s",
            "cf_score": "5",
            "company": "",
            "unknown": "ignored",
        },
    )
    assert reply.status == 200
    assert list(reply.json) == ["customer"]
    made = reply.json["customer"]
    assert made["object"] == "customer"
    assert (made["first_name"], made["net_term_days"], made["allow_direct_debit"]) == ("Åse", 14, True)
    assert made["meta_data"] == {"a": [1, 2]}
    assert made["cf_score"] == 5
    assert made["billing_address"] == {
        "validation_status": "not_validated",
        "city": "Tromsø",
        "country": "NO",
        "object": "billing_address",
    }
    assert made["entity_identifiers"] == [{"id": "e1", "scheme": "s", "object": "entity_identifier"}]
    assert (made["created_at"], made["updated_at"], made["resource_version"]) == (NOW, NOW, NOW * 1000)
    assert (made["deleted"], made["auto_collection"]) == (False, "on")
    assert not {"company", "unknown"} & set(made)
    assert (await call.get(f"/customers/{made['id']}")).json == reply.json


@pytest.mark.parametrize("given", [{"first_name": "a\0b"}, {"meta_data": '{"a":["\\u0000"]}'}, {"cf_x": "\0"}])
async def test_a_nul_is_refused(call: Caller, given: dict[str, str]) -> None:
    """A text with a NUL could neither be found nor sorted by: 400 by the parameter's name, ValueError in process."""
    reply = await call.post("/customers", given)
    assert (reply.status, reply.json["param"]) == (400, next(iter(given)))
    sandbox = Sandbox(records=0)
    for values in ({"name": "\0"}, {"metadata": {"a": ["\0"]}}):
        with pytest.raises(ValueError, match="NUL"):
            sandbox.insert("item", {"id": "i", "item_family_id": "f", **values})
    assert sandbox.insert("item", {"id": "i", "name": r"\u0000", "item_family_id": "f"})["name"] == r"\u0000"


async def test_create_without_parameters(call: Caller) -> None:
    """A POST without a body is a customer with nothing but defaults (the Python SDK sends an empty body)."""
    assert (await call.post("/customers")).json["customer"]["object"] == "customer"


async def test_create_with_card(call: Caller) -> None:
    """A card that was sent is the customer's card from then on; its number is not kept."""
    form = {
        "id": "carded",
        "card[number]": "5555555555554444",
        "card[expiry_month]": "2",
        "card[expiry_year]": "2031",
        "card[cvv]": "1",
    }
    reply = await call.post("/customers", form)
    card = reply.json["card"]
    assert (card["last4"], card["iin"], card["card_type"], card["expiry_month"]) == ("4444", "555555", "mastercard", 2)
    assert card["customer_id"] == "carded"
    assert b"5555555555554444" not in reply.body
    assert reply.json["customer"]["primary_payment_source_id"] == card["payment_source_id"]
    for id in ("carded", card["payment_source_id"]):
        assert (await call.get(f"/cards/{id}")).json == {"card": card}
    assert (await call.get("/cards/nobody")).code == (404, "resource_not_found", None)


async def test_duplicate_id(call: Caller) -> None:
    """An explicit id that is taken is 400 ``duplicate_entry`` for ``id``."""
    assert (await call.post("/customers", {"id": "cust_1"})).code == (400, "duplicate_entry", "id")


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"email": "nobody"}, "email"),
        ({"net_term_days": "soon"}, "net_term_days"),
        ({"auto_collection": "maybe"}, "auto_collection"),
        ({"allow_direct_debit": "1"}, "allow_direct_debit"),
        ({"id": "x" * 51}, "id"),
        ({"meta_data": "no"}, "meta_data"),
        ({"card[expiry_month]": "x"}, "card[expiry_month]"),
    ],
)
async def test_bad_parameters(call: Caller, form: dict[str, str], param: str) -> None:
    """A bad value is 400 ``param_wrong_value`` with the parameter as it was spelled, and nothing is made."""
    before = call.sandbox.count("customer")
    reply = await call.post("/customers", form)
    assert reply.code == (400, "param_wrong_value", param)
    assert reply.json["type"] == "invalid_request"
    assert reply.json["http_status_code"] == 400
    assert reply.json["error_msg"] in reply.json["message"]
    assert call.sandbox.count("customer") == before


async def test_update(call: Caller) -> None:
    """What is sent changes, a blank value clears, the rest stays; the version rises."""
    before = (await call.get("/customers/cust_1")).json["customer"]
    reply = await call.post(
        "/customers/cust_1", {"first_name": "Jon", "company": "", "net_term_days": "", "cf_region": ""}
    )
    after = reply.json["customer"]
    assert after["first_name"] == "Jon"
    assert after["net_term_days"] == 0
    assert not {"company", "cf_region"} & set(after)
    assert after["email"] == before["email"]
    assert after["updated_at"] == NOW
    assert after["resource_version"] > before["resource_version"]
    assert reply.json["card"]["customer_id"] == "cust_1"
    assert (await call.get("/customers/cust_1")).json == reply.json


async def test_update_ignores_what_another_call_sets(call: Caller) -> None:
    """``billing_address`` is no parameter of this call: it is ignored like any unknown one."""
    before = (await call.get("/customers/cust_1")).json["customer"]["billing_address"]
    after = (await call.post("/customers/cust_1", {"billing_address[city]": "X"})).json["customer"]
    assert after["billing_address"] == before


@pytest.mark.parametrize("options", [{"strict": True}])
async def test_strict_bodies(call: Caller) -> None:
    """In strict mode an unknown body parameter is 400."""
    assert (await call.post("/customers/cust_1", {"billing_address[city]": "X"})).code[0] == 400
    assert (await call.post("/customers", {"emial": "x"})).code == (400, "invalid_request", "emial")


async def test_delete(call: Caller) -> None:
    """A deleted customer is marked and gone from lists and retrieval, and so is what hangs on it."""
    subscriptions = await call.ids("/customers/cust_2/subscriptions")
    reply = await call.post("/customers/cust_2/delete")
    assert reply.json["customer"]["deleted"] is True
    assert (await call.get("/customers/cust_2")).code == (404, "resource_not_found", None)
    assert (await call.get(f"/subscriptions/{subscriptions[0]}")).status == 404
    assert "cust_2" not in await call.ids("/customers")
    assert "cust_2" in await call.ids("/customers", {"include_deleted": "true"})
    assert (await call.post("/customers/cust_2/delete")).status == 404
    assert (await call.post("/customers/cust_2", {})).status == 404


async def test_delete_and_the_card(call: Caller) -> None:
    """The card goes with its customer, unless ``delete_payment_method=false`` keeps it; none can be had any more."""
    card = {
        "card[number]": "4111111111111111",
        "card[expiry_month]": "1",
        "card[expiry_year]": "2031",
        "card[cvv]": "1",
    }
    for id, form, stays in (("a", {}, False), ("b", {"delete_payment_method": "false"}, True)):
        made = await call.post("/customers", {"id": id, **card})
        source = made.json["card"]["payment_source_id"]
        assert (await call.get(f"/cards/{id}")).status == 200
        reply = await call.post(f"/customers/{id}/delete", form)
        assert ("card" in reply.json) is stays
        assert reply.json["customer"]["card_status"] == ("valid" if stays else "no_card")
        assert ("primary_payment_source_id" in reply.json["customer"]) is stays
        assert (call.sandbox.get("card", source) is not None) is stays
        for path in (f"/cards/{id}", f"/cards/{source}"):
            assert (await call.get(path)).code == (404, "resource_not_found", None)


async def test_every_write_leaves_an_event(call: Caller) -> None:
    """Events follow the writes, newest last, with the object as it was and the time of the change."""
    made = (await call.post("/customers", {"id": "c"})).json["customer"]
    await call.post("/customers/c", {"company": "X"})
    await call.post("/customers/c/delete")
    events = [row["event"] for row in await call.rows("/events", {"occurred_at[on]": str(NOW)})]
    assert [event["event_type"] for event in events] == ["customer_created", "customer_changed", "customer_deleted"]
    assert events[0]["content"] == {"customer": made}
    assert (events[0]["occurred_at"], events[0]["source"], events[0]["api_version"]) == (NOW, "api", "v2")
    assert (await call.get(f"/events/{events[0]['id']}")).json["event"] == events[0]


@pytest.mark.parametrize(
    "path",
    [
        "customers",
        "subscriptions",
        "invoices",
        "transactions",
        "items",
        "item_prices",
        "item_families",
        "plans",
        "events",
        "hosted_pages",
        "portal_sessions",
    ],
)
async def test_unknown_ids(call: Caller, path: str) -> None:
    """An unknown id is 404 ``resource_not_found``."""
    assert (await call.get(f"/{path}/no%2Fpe")).code == (404, "resource_not_found", None)


async def test_ids_of_any_shape(call: Caller) -> None:
    """Ids with blanks, slashes and non-ASCII letters are found when percent-encoded."""
    for id, path in (("Set-up fee USD", "item_prices/Set-up%20fee%20USD"), ("å/b", "customers/%C3%A5%2Fb")):
        if path.startswith("customers"):
            call.sandbox.insert("customer", {"id": id})
        found = next(iter((await call.get(f"/{path}")).json.values()))
        assert found["id"] == id


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_verbs(call: Caller, method: str) -> None:
    """Chargebee knows GET and POST only."""
    reply = await call.send(method, "/chargebee/api/v2/customers/cust_1")
    assert reply.code == (405, "http_method_not_supported", None)


async def test_wrong_verb_and_unknown_path(call: Caller) -> None:
    """The other verb on a known path is 405, an unknown path 404."""
    assert (await call.get("/customers/cust_1/delete")).code == (405, "http_method_not_supported", None)
    assert (await call.post("/events")).code == (405, "http_method_not_supported", None)
    for path in ("/nothing", "/customers/cust_1/nothing", "/", "/customers/a/b/c"):
        assert (await call.get(path)).code == (404, "resource_not_found", None)
