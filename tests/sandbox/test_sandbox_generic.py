"""Operations without a function of their own: checked, answered and kept by the catalogue's description."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aiochargebee_gw.sandbox import Sandbox
from aiochargebee_gw.sandbox._catalogue import describe
from aiochargebee_gw.sandbox._messages import Call

from .caller import Caller
from .schema import required

pytestmark = pytest.mark.anyio
COMMENT = {"entity_type": "customer", "entity_id": "cust_1", "notes": "Called back."}
MADE: list[tuple[str, str, dict[str, str]]] = [
    ("/comments", "comment", COMMENT),
    ("/features", "feature", {"name": "Seats", "type": "quantity"}),
    ("/price_variants", "price_variant", {"id": "pv_1", "name": "Export"}),
    ("/business_rulesets", "business_ruleset", {"name": "All"}),
    ("/alerts", "alert", {"name": "High"}),
    ("/payment_schedule_schemes", "payment_schedule_scheme", {}),
]


async def test_what_a_create_made_is_found(call: Caller) -> None:
    """A retrieve answers the object that a create answered: parameters taken over, ids, times and version made."""
    for path, name, given in MADE:
        made = await call.post(path, required(path, given))
        assert made.status == 200, made.body
        value = made.json[name]
        assert value["object"] == name
        assert {key: value[key] for key in given if key in value} == {key: given[key] for key in given if key in value}
        found = await call.get(f"{path}/{value['id']}")
        assert found.json == {name: value}, path


async def test_times_and_versions(call: Caller) -> None:
    """``created_at`` is in seconds, ``resource_version`` in milliseconds, and every change moves the version."""
    made = (await call.post("/features", required("/features", {"name": "A"}))).json["feature"]
    assert made["resource_version"] // 1000 == made["created_at"]
    changed = (await call.post(f"/features/{made['id']}", {"name": "B"})).json["feature"]
    assert (changed["name"], changed["created_at"]) == ("B", made["created_at"])
    assert changed["resource_version"] > made["resource_version"]
    assert changed["updated_at"] >= made["created_at"]


async def test_a_blank_clears_and_what_is_left_out_stays(call: Caller) -> None:
    """On update ``description=`` takes the attribute away, a required one cannot be taken away, the rest stays."""
    given = required("/features", {"name": "A", "description": "First", "unit": "seat"})
    id = (await call.post("/features", given)).json["feature"]["id"]
    changed = (await call.post(f"/features/{id}", {"description": "", "name": ""})).json["feature"]
    assert "description" not in changed
    assert (changed["name"], changed["unit"]) == ("A", "seat")


async def test_a_deleted_object_is_gone(call: Caller) -> None:
    """After its delete an object is 404 and on no list, whether its record can say ``deleted`` or not."""
    for path, name, given in MADE[:3]:
        id = (await call.post(path, required(path, given))).json[name]["id"]
        deleted = await call.post(f"{path}/{id}/delete")
        assert deleted.json[name]["id"] == id
        assert (await call.get(f"{path}/{id}")).code[:2] == (404, "resource_not_found")
        assert id not in await call.ids(path)


async def test_actions_change_the_status_that_they_name(call: Caller) -> None:
    """``POST /features/{id}/archive_command`` answers the feature, archived; its reactivation makes it active again."""
    id = (await call.post("/features", required("/features", {}))).json["feature"]["id"]
    for verb, status in (("activate", "active"), ("archive", "archived"), ("reactivate", "active")):
        assert (await call.post(f"/features/{id}/{verb}_command")).json["feature"]["status"] == status
        assert (await call.get(f"/features/{id}")).json["feature"]["status"] == status


async def test_lists_are_paged_filtered_and_sorted(call: Caller) -> None:
    """Cursors give each row once in the order asked for, and a filter gives what a naive evaluation gives."""
    made: list[Any] = []
    for number in range(23):
        given = {**COMMENT, "entity_id": f"cust_{number % 3 + 1}", "notes": str(number)}
        made.append((await call.post("/comments", given)).json["comment"])
    for limit in ("1", "7", "100"):
        for order in ("asc", "desc"):
            found = [
                row["comment"]
                async for rows in call.pages("/comments", {"limit": limit, f"sort_by[{order}]": "created_at"})
                for row in rows
            ]
            assert found == (made if order == "asc" else made[::-1])
    wanted = {"entity_type": "customer", "entity_id": "cust_2"}
    assert await call.ids("/comments", wanted) == [one["id"] for one in made if one["entity_id"] == "cust_2"]
    assert await call.ids("/comments", {"created_at[after]": str(made[-1]["created_at"])}) == []


@pytest.mark.parametrize("axis", ["name", "id", "status", "created_at", "updated_at"])
async def test_every_sort_attribute_can_be_paged(call: Caller, axis: str) -> None:
    """Whatever a list sorts by, one row a page meets all rows, also those with equal values."""
    ids = {f"pv_{number}" for number in range(6)}
    for id in sorted(ids):
        await call.post("/price_variants", {"id": id, "name": f"Variant {id}"})
    found = [
        row["price_variant"]["id"]
        async for rows in call.pages("/price_variants", {"limit": "1", "sort_by[desc]": axis})
        for row in rows
    ]
    assert sorted(found) == sorted(ids)


async def test_rows_without_the_sort_attribute_are_paged_too(call: Caller) -> None:
    """A sort attribute that a row lacks does not cut the list short behind that row."""
    subscription = call.sandbox.get("subscription", "sub_1") or {"id": (await call.ids("/subscriptions"))[0]}
    for number in range(3):
        await call.post(f"/subscriptions/{subscription['id']}/create_ramp", {"effective_from": f"180000000{number}"})
    query = {"limit": "1", "sort_by[asc]": "effective_from", "subscription_id[is]": subscription["id"]}
    found = [row["ramp"]["effective_from"] async for rows in call.pages("/ramps", query) for row in rows]
    assert found == [1800000000, 1800000001, 1800000002]


async def test_parents_must_be_there(call: Caller) -> None:
    """What hangs on an unknown object is 404, and a nested list shows the rows of its own parent alone."""
    assert (await call.get("/items/nothing/attached_items")).code[:2] == (404, "resource_not_found")
    assert (await call.post("/comments/nothing/delete")).code[:2] == (404, "resource_not_found")
    items = await call.ids("/items")
    body = required("/items/{id}/attached_items", {"item_id": items[1]})
    made = (await call.post(f"/items/{items[0]}/attached_items", body)).json["attached_item"]
    assert (made["parent_item_id"], made["item_id"]) == (items[0], items[1])
    assert await call.ids(f"/items/{items[0]}/attached_items") == [made["id"]]
    assert await call.ids(f"/items/{items[1]}/attached_items") == []


async def test_addresses_are_found_by_what_they_are(call: Caller) -> None:
    """An address has no id: subscription and label find it, and a second POST changes it."""
    id = (await call.ids("/subscriptions"))[0]
    query = {"subscription_id": id, "label": "home"}
    assert (await call.get("/addresses", query)).status == 404
    await call.post("/addresses", {**query, "city": "Oslo"})
    await call.post("/addresses", {**query, "zip": "0150"})
    found = (await call.get("/addresses", query)).json["address"]
    assert (found["city"], found["zip"], found["label"]) == ("Oslo", "0150", "home")
    assert (await call.get("/addresses", {"subscription_id": id})).code == (400, "param_wrong_value", "label")


async def test_entitlements_come_in_batches(call: Caller) -> None:
    """A batch puts rows and answers them as a list; the same ids again change the row, ``remove`` takes it away."""
    body = {
        "action": "upsert",
        "entitlements[entity_id][0]": "basic",
        "entitlements[feature_id][0]": "seats",
        "entitlements[value][0]": "5",
        "entitlements[entity_id][1]": "pro",
        "entitlements[feature_id][1]": "seats",
    }
    made = (await call.post("/entitlements", body)).json["list"]
    assert [row["entitlement"]["entity_id"] for row in made] == ["basic", "pro"]
    again = (await call.post("/entitlements", {**body, "entitlements[value][0]": "9"})).json["list"]
    assert [row["entitlement"]["id"] for row in again] == [row["entitlement"]["id"] for row in made]
    assert again[0]["entitlement"]["value"] == "9"
    await call.post("/entitlements", {**body, "action": "remove"})
    assert await call.ids("/entitlements") == []


async def test_described_lists_lag_like_all_others(call: Caller) -> None:
    """A list that is behind does not show what was made a moment ago."""
    await call.post("/comments", COMMENT)
    site = call.sandbox._site()
    now, behind = (site.answer(Call("GET", "/comments", ("comments",), "", {}, b"", lag=lag)) for lag in (0.0, 60.0))
    assert (len(json.loads(now.body)["list"]), json.loads(behind.body)["list"]) == (1, [])


async def test_what_a_read_does_not_find_is_404(call: Caller) -> None:
    """A usage is asked for by the id of its subscription and its own: an unknown one is 404, a deleted one too."""
    path = f"/subscriptions/{(await call.ids('/subscriptions'))[0]}"
    body = required("/subscriptions/{id}/usages", {"quantity": "3"})
    made = (await call.post(f"{path}/usages", body)).json["usage"]
    assert (await call.get(f"{path}/usages", {"id": made["id"]})).json == {"usage": made}
    assert (await call.get(f"{path}/usages", {"id": "nothing"})).code[:2] == (404, "resource_not_found")
    assert (await call.post(f"{path}/delete_usage", {"id": made["id"]})).json == {"usage": made}
    assert (await call.get(f"{path}/usages", {"id": made["id"]})).status == 404


async def test_a_gift_comes_with_its_subscription(call: Caller) -> None:
    """A gift is answered, retrieved and listed with the subscription that its receiver gets."""
    gifter = {"gifter[customer_id]": "cust_1", "gifter[signature]": "From all of us"}
    names = {"gift_receiver[first_name]": "A", "gift_receiver[last_name]": "B"}
    body = {**gifter, **names, "gift_receiver[customer_id]": "cust_2", "gift_receiver[email]": "b@example.com"}
    reply = await call.post("/gifts/create_for_items", body)
    assert reply.status == 200, reply.body
    made = reply.json
    assert made["subscription"]["customer_id"] == "cust_2"
    assert made["gift"]["gift_receiver"]["subscription_id"] == made["subscription"]["id"]
    assert (await call.get(f"/gifts/{made['gift']['id']}")).json["subscription"] == made["subscription"]
    assert (await call.rows("/gifts"))[0]["subscription"]["id"] == made["subscription"]["id"]


async def test_contacts_are_kept_in_their_customer(call: Caller) -> None:
    """A contact is added, changed and taken away; the customer shows it each time, and an unknown one is 404."""
    sent = {"contact[email]": "cfo@example.com", "contact[first_name]": "Mia"}
    added = (await call.post("/customers/cust_1/add_contact", sent)).json["customer"]["contacts"][-1]
    assert (added["email"], added["object"]) == ("cfo@example.com", "contact")
    assert added["id"] in await call.ids("/customers/cust_1/contacts")
    body = {"contact[id]": added["id"], "contact[first_name]": "Pia"}
    changed = (await call.post("/customers/cust_1/update_contact", body)).json["customer"]["contacts"][-1]
    assert (changed["first_name"], changed["email"]) == ("Pia", "cfo@example.com")
    await call.post("/customers/cust_1/delete_contact", {"contact[id]": added["id"]})
    assert added["id"] not in await call.ids("/customers/cust_1/contacts")
    gone = await call.post("/customers/cust_1/delete_contact", {"contact[id]": added["id"]})
    assert gone.code == (404, "resource_not_found", "contact[id]")


async def test_changes_have_events(call: Caller) -> None:
    """Where Chargebee has an event for a change, it is written, with the object in its content."""
    made = (await call.post("/price_variants", {"id": "pv_9", "name": "A"})).json["price_variant"]
    await call.post("/price_variants/pv_9", {"name": "B"})
    await call.post("/price_variants/pv_9/delete")
    events = [row["event"] for row in await call.rows("/events") if "price_variant" in row["event"]["content"]]
    assert [one["event_type"] for one in events[-3:]] == [
        "price_variant_created",
        "price_variant_updated",
        "price_variant_deleted",
    ]
    assert events[-3]["content"]["price_variant"] == made


@pytest.mark.parametrize("options", [{"catalog": "pc2"}])
async def test_the_other_product_catalog_is_refused(call: Caller) -> None:
    """A site with Product Catalog 2.0 refuses addons as Chargebee does."""
    reply = await call.get("/addons")
    assert (reply.code[:2], reply.json["error_code"]) == ((400, "configuration_incompatible"), "pc2_to_pc1_error")


async def test_operations_of_other_hosts_are_not_here(call: Caller) -> None:
    """Usage events go to another host: this one does not know them."""
    assert (await call.post("/usage_events", {})).status == 404
    assert (await call.post("/batch/usage_events", {})).status == 404


async def test_the_other_verb_is_405(call: Caller) -> None:
    """Chargebee knows GET and POST, and each path has its own."""
    assert (await call.get("/coupons/copy/archive")).status in (404, 405)
    assert (await call.post("/events")).code[:2] == (405, "http_method_not_supported")


async def test_a_key_makes_one_object(call: Caller) -> None:
    """The idempotency key covers these operations, too: the second answer is the first one's."""
    headers = {"chargebee-idempotency-key": "once"}
    first = await call.post("/comments", COMMENT, **headers)
    again = await call.post("/comments", COMMENT, **headers)
    assert first.json == again.json
    assert again.headers["chargebee-idempotency-replayed"] == "true"
    assert len(await call.ids("/comments")) == 1


async def test_estimates_know_no_keys(call: Caller) -> None:
    """Estimates do not support idempotency: another one with the same key is answered, without the replay header."""
    headers = {"chargebee-idempotency-key": "once"}
    for amount in ("100", "200"):
        reply = await call.post("/purchases/estimate", {"customer_id": "cust_1", "amount": amount}, **headers)
        assert reply.status == 200
        assert "chargebee-idempotency-replayed" not in reply.headers


@pytest.mark.parametrize(
    ("options", "version", "schema"),
    [
        ({"catalog": "pc1"}, "v1", "plans_addons"),
        ({"catalog": "pc2"}, "v2", "items"),
        ({"catalog": "both"}, "v1", "compat"),
    ],
)
async def test_the_configuration_tells_the_product_catalog(call: Caller, version: str, schema: str) -> None:
    """``GET /configurations`` is how clients find out which Product Catalog a site has, and its name."""
    assert (await call.get("/configurations")).json["configurations"] == [
        {
            "domain": "sandbox",
            "product_catalog_version": version,
            "chargebee_response_schema_type": schema,
            "object": "configuration",
        }
    ]


async def test_deleted_rows_are_listed_on_demand(call: Caller) -> None:
    """Where a list has ``include_deleted``, a deleted row comes back with ``deleted: true``; ``True`` works, too."""
    invoice = (await call.ids("/invoices"))[0]
    id = (await call.post("/orders", {"invoice_id": invoice})).json["order"]["id"]
    await call.post(f"/orders/{id}/delete")
    assert await call.rows("/orders") == []
    for spelling in ("true", "True"):
        rows = await call.rows("/orders", {"include_deleted": spelling})
        assert [(row["order"]["id"], row["order"]["deleted"]) for row in rows] == [(id, True)]


async def test_the_typed_client_reads_what_is_made(sandbox: Sandbox) -> None:
    """The package's own client creates, lists and retrieves objects of the long tail."""
    async with sandbox.gateway() as gw:
        made = await gw.comments.create(entity_type="customer", entity_id="cust_1", notes="Hello")
        assert (await gw.comments.retrieve(made.comment.id)).comment.notes == "Hello"
        assert [one.id async for one in gw.comments.list()] == [made.comment.id]
        feature = (await gw.features.create(name="Seats")).feature
        assert [one.name async for one in gw.features.list()] == [feature.name]
        await gw.comments.delete(made.comment.id)
        assert [one async for one in gw.comments.list()] == []


async def test_what_no_call_makes_can_be_put_there(call: Caller) -> None:
    """A test inserts, changes and deletes what Chargebee alone creates: disputes, charges for usage."""
    sandbox = call.sandbox
    made = sandbox.insert("dispute", {"customer_id": "cust_1", "amount": 4200, "status": "open"})
    assert (await call.get(f"/disputes/{made['id']}")).json == {"dispute": made}
    assert await call.ids("/disputes", {"amount[gt]": "4000", "customer_id[is]": "cust_1"}) == [made["id"]]
    changed = sandbox.update("dispute", made["id"], {"amount": 1})
    assert changed["resource_version"] > made["resource_version"]
    assert await call.ids("/disputes", {"amount[gt]": "4000"}) == []
    sandbox.delete("dispute", made["id"])
    assert (sandbox.count("dispute"), sandbox.get("dispute", made["id"])) == (0, None)
    charge = {"subscription_id": (await call.ids("/subscriptions"))[0], "feature_id": "seats"}
    sandbox.insert("usage_charge", charge)
    found = await call.rows(f"/subscriptions/{charge['subscription_id']}/usage_charges")
    assert [row["usage_charge"]["feature_id"] for row in found] == ["seats"]


async def test_described_rows_outlive_a_restart(tmp_path: Path) -> None:
    """What a described operation made is in the file of a sandbox that was stopped, and can be changed there."""
    path = tmp_path / "site.db"
    for name in ("First", "Second"):
        async with Sandbox(records=2, file=path) as sandbox, sandbox.gateway() as gw:
            if name == "First":
                await gw.price_variants.create(id="pv_1", name=name)
            else:
                await gw.price_variants.update("pv_1", name=name)
            assert [one.name async for one in gw.price_variants.list()] == [name]


def test_the_description_is_of_the_same_catalogue_as_the_records() -> None:
    """The file that ships names the catalogue that it was made from, the one of the client's own classes."""
    import aiochargebee_gw.records.customer as generated

    digest = describe().generated.partition("catalogue ")[2][:12]
    assert f"catalogue {digest}." in Path(str(generated.__file__)).read_text().splitlines()[0]


def test_the_description_is_read_when_it_is_needed() -> None:
    """Calls with functions of their own do not read it; the first call of the long tail does."""
    code = """
from aiochargebee_gw.sandbox import _catalogue
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._seed.world import seeded_store
from aiochargebee_gw.sandbox._site import Site
site = Site(seeded_store(5, 7, "both"), now=lambda: 1767225600.0, origin=lambda: "", seed="", catalog="both")
def get(path):
    return site.answer(Call("GET", path, tuple(path.strip("/").split("/")), "", {}, b"")).status
print(get("/customers"), get("/customers/cust_1"), _catalogue.describe.cache_info().misses)
print(get("/comments"), _catalogue.describe.cache_info().misses)
site.desk.store.close()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == ["200", "200", "0", "200", "1"]
