"""The sending side: endpoints, what an event says of its webhooks, repetitions on the sandbox's clock."""

from __future__ import annotations

import math
from datetime import date
from itertools import pairwise
from typing import Any

import anyio
import pytest
from aiohttp import web

from aiochargebee_gw import Limits, Settings
from aiochargebee_gw.fields import event
from aiochargebee_gw.records.enums import EventType
from aiochargebee_gw.sandbox import ManualClock, Sandbox
from aiochargebee_gw.webhooks import Delivery

from .parts import GOOD, USER, Recorder, Site, basic, receiver, serving

pytestmark = pytest.mark.anyio


async def events(site: Site, **query: str) -> list[Any]:
    """The events that a list answers, the oldest first."""
    found = await site.get("/events", **{"limit": "100", "sort_by[asc]": "occurred_at", **query})
    return [row["event"] for row in found["list"]]


async def test_endpoints_are_kept(site: Site) -> None:
    """Created, listed, retrieved, changed and deleted; no answer shows the credentials."""
    id = await site.endpoint("http://127.0.0.1:9/x", **{"enabled_events[0]": "customer_created"})
    made = (await site.get(f"/webhook_endpoints/{id}"))["webhook_endpoint"]
    assert made == {
        "id": id,
        "object": "webhook_endpoint",
        "name": "w",
        "url": "http://127.0.0.1:9/x",
        "api_version": "v2",
        "disabled": False,
        "primary_url": False,
        "send_card_resource": False,
        "enabled_events": ["customer_created"],
    }
    changed = (await site.post(f"/webhook_endpoints/{id}", name="v", disabled="true"))["webhook_endpoint"]
    assert changed == {**made, "name": "v", "disabled": True}
    assert (await site.get("/webhook_endpoints"))["list"] == [{"webhook_endpoint": changed}]
    assert (await site.post(f"/webhook_endpoints/{id}/delete"))["webhook_endpoint"] == changed
    assert (await site.get("/webhook_endpoints"))["list"] == []
    assert (await site.call("GET", f"/webhook_endpoints/{id}"))[0] == 404


ELSEWHERE = (
    "http://example.com/",
    "http://127.0.0.1.example.com/",
    "http://10.0.0.1/",
    "http://0.0.0.0/",
    "http://user:secret@127.0.0.1/",
    "ftp://127.0.0.1/",
    "http://[::2]/",
    "http://[",
    "http://127.0.0.1:99999/",
    "//127.0.0.1/",
    "x",
)


async def test_nothing_is_posted_to_other_machines(site: Site) -> None:
    """An endpoint is loopback or refused, when it is made and when it is changed."""
    id = await site.endpoint("http://[::1]:9/")
    for url in ELSEWHERE:
        for path in ("/webhook_endpoints", f"/webhook_endpoints/{id}"):
            status, body = await site.call("POST", path, name="w", url=url)
            assert (status, body["param"]) == (400, "url"), url


async def test_five_endpoints_at_most(site: Site) -> None:
    """The sixth is refused, and so are texts that are too long, a user with a colon and a missing name."""
    for path, form in (
        ("name", {"name": "n" * 51, "url": "http://127.0.0.1/"}),
        ("name", {"url": "http://127.0.0.1/"}),
        ("basic_auth_username", {"name": "w", "url": "http://127.0.0.1/", "basic_auth_username": "a:b"}),
    ):
        status, body = await site.call("POST", "/webhook_endpoints", **form)
        assert (status, body["param"]) == (400, path)
    for _ in range(5):
        await site.endpoint("http://127.0.0.1:9/")
    status, body = await site.call("POST", "/webhook_endpoints", name="w", url="http://127.0.0.1:9/")
    assert (status, body["api_error_code"]) == (400, "resource_limit_exhausted")


async def test_changes_are_posted_in_their_order(site: Site) -> None:
    """What the API changed arrives as typed events with Basic credentials, each once, and says so afterwards."""
    handle = Recorder()
    async with serving(receiver(handle).handler) as url:
        endpoint = await site.endpoint(url, primary_url="true")
        await site.post("/customers", **{"id": "ada", "card[number]": "4111111111111111"})
        form = {"id": "s", "subscription_items[item_price_id][0]": "scale-USD-Monthly"}
        await site.post("/customers/ada/subscription_for_items", **form)
        await site.post("/subscriptions/s/cancel_for_items")
        await site.post("/customers/ada/delete")
        (scheduled, *_) = await events(
            site, **{"event_type[is]": "customer_created", "webhook_status[is]": "scheduled"}
        )
        assert scheduled["webhooks"] == [{"id": endpoint, "webhook_status": "scheduled", "object": "webhook"}]
        sent = await site.sandbox.webhooks.deliver()
    assert {post.status for post in sent} == {200}
    assert [str(delivery.event.event_type) for delivery in handle.deliveries] == [
        "customer_created",
        "card_added",
        "subscription_created",
        "invoice_generated",
        "payment_succeeded",
        "subscription_cancelled",
        "subscription_deleted",
        "invoice_deleted",
        "transaction_deleted",
        "card_deleted",
        "customer_deleted",
    ]
    content = handle.deliveries[4].event.content
    assert content.invoice is not None
    assert content.transaction is not None
    assert content.invoice.total == content.transaction.amount
    for post in sent:
        one = (await site.get(f"/events/{post.event_id}"))["event"]
        assert (one["webhook_status"], one["webhooks"][0]["webhook_status"]) == ("succeeded", "succeeded")
    assert site.sandbox.webhooks.waiting == []


async def test_an_endpoint_gets_what_it_asked_for(site: Site) -> None:
    """`enabled_events` chooses, a disabled or deleted endpoint gets nothing, cards only where they are wanted."""
    plain, cards = Recorder(), Recorder()
    async with serving(receiver(plain).handler) as first, serving(receiver(cards).handler) as second:
        one = await site.endpoint(first)
        await site.endpoint(second, **{"enabled_events[0]": "card_added", "send_card_resource": "true"})
        await site.post("/customers", **{"card[number]": "4111111111111111"})
        assert len(await site.sandbox.webhooks.deliver()) == 3
        await site.post("/customers")
        await site.post(f"/webhook_endpoints/{one}", disabled="true")
        await site.post("/customers")
        assert await site.sandbox.webhooks.deliver() == []
        assert ["webhooks" in one for one in await events(site)][-2:] == [True, False]
    assert [str(delivery.event.event_type) for delivery in plain.deliveries] == ["customer_created", "card_added"]
    assert [delivery.event.content.card for delivery in plain.deliveries] == [None, None]
    (delivery,) = cards.deliveries
    assert delivery.event.content.card is not None


async def test_the_typed_client_sees_it_too(site: Site) -> None:
    """Endpoints are registered and events read with the package's own client."""
    async with site.sandbox.gateway(settings=Settings(limits=Limits(account_per_second=math.inf))) as gw:
        answer = await gw.webhook_endpoints.create(
            name="w", url="http://127.0.0.1:9/", enabled_events=["customer_changed"], primary_url=True
        )
        endpoint = answer.webhook_endpoint
        assert endpoint.enabled_events == [EventType.CUSTOMER_CHANGED]
        await gw.customers.create(id="ada")
        site.clock.advance(5)
        await gw.customers.update("ada", first_name="Ada")
        filters = (event.webhook_status.is_("scheduled"), event.occurred_at.on(date(2026, 1, 1)))
        (found,) = await gw.events.list(*filters, order_by=event.occurred_at.desc()).collect()
        assert found.webhooks is not None
        assert (found.event_type, found.webhooks[0].id) == (EventType.CUSTOMER_CHANGED, endpoint.id)
        assert (await gw.events.retrieve(found.id)).event == found
        assert [one.id async for one in gw.webhook_endpoints.list()] == [endpoint.id]
        await gw.webhook_endpoints.delete(endpoint.id)
        assert await gw.webhook_endpoints.list().collect() == []


async def test_events_are_filtered_and_sorted(site: Site) -> None:
    """By id, type, source, status and time; no webhook is `not_configured`; a secondary endpoint leaves it so."""
    await site.post("/customers", id="a")
    await site.endpoint("http://127.0.0.1:9/")
    site.clock.advance(10)
    await site.post("/customers", id="b")
    now = str(int(site.clock.now()))
    later = await events(site, **{"occurred_at[on]": now, "source[is]": "api", "event_type[is]": "customer_created"})
    assert [one["content"]["customer"]["id"] for one in later] == ["a", "b"]
    assert [one["content"]["customer"]["id"] for one in await events(site, **{"id[is]": later[1]["id"]})] == ["b"]
    newest = await site.get("/events", **{"limit": "1", "sort_by[desc]": "occurred_at"})
    assert newest["list"][0]["event"] == later[1]
    assert [one["webhook_status"] for one in later] == ["not_configured", "not_configured"]
    assert ("webhooks" in later[0], later[1]["webhooks"][0]["webhook_status"]) == (False, "scheduled")


async def test_what_fails_is_repeated_seven_times(site: Site) -> None:
    """After 2 and 6 minutes, half an hour, 1 and 5 hours, 1 and 2 days, then it has failed."""
    seen: list[float] = []
    elsewhere: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == GOOD
        seen.append(site.clock.now())
        return web.Response(status=500 if len(seen) % 2 else 302, headers={"Location": other})

    async def follow(request: web.Request) -> web.Response:
        elsewhere.append(request.method)
        return web.Response()

    async with serving(follow) as other, serving(refuse) as url:
        await site.endpoint(url, primary_url="true")
        await site.post("/customers")
        assert (await site.sandbox.webhooks.deliver())[0].status == 500
        assert await site.sandbox.webhooks.deliver() == []
        (failed,) = await events(site, **{"webhook_status[is]": "re_scheduled"})
        assert failed["webhook_failure_reason"] == "HTTP 500"
        while site.sandbox.webhooks.waiting:
            site.clock.advance(site.sandbox.webhooks.waiting[0][2] - site.clock.now())
            await site.sandbox.webhooks.deliver()
    gaps = [(after - before) / 60 for before, after in pairwise(seen)]
    assert elsewhere == [], "a redirect is not followed"
    assert gaps == [2, 6, 30, 60, 300, 1440, 2880]
    (failed,) = await events(site, **{"webhook_status[is]": "failed"})
    assert failed["webhooks"][0]["webhook_status"] == "failed"


async def test_no_answer_is_a_failure(site: Site) -> None:
    """A port where nobody listens: nothing raises, the event waits."""
    await site.endpoint("http://127.0.0.1:9/")
    await site.post("/customers")
    (sent,) = await site.sandbox.webhooks.deliver()
    assert sent.status is None
    assert len(site.sandbox.webhooks.waiting) == 1


async def test_the_same_seed_gives_the_same_disorder(site: Site) -> None:
    """Duplicates and their order are the test's."""
    orders = []
    for _ in range(2):
        site.sandbox.reset()
        handle = Recorder()
        async with serving(receiver(handle).handler) as url:
            await site.endpoint(url)
            for number in range(5):
                await site.post("/customers", id=f"c{number}")
            sent = await site.sandbox.webhooks.deliver(duplicates=2, shuffle=3)
        ids = list(dict.fromkeys(sorted(post.event_id for post in sent)))
        orders.append([ids.index(post.event_id) for post in sent])
        assert len(sent) == 15
    assert orders[0] == orders[1] != sorted(orders[0])


async def test_a_running_sandbox_posts_by_itself() -> None:
    """Without a word from the test: at once, and again when its clock has come to the repetition."""
    clock, done, again = ManualClock(), anyio.Event(), anyio.Event()
    calls = 0

    async def handle(_: Delivery) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            done.set()
            raise OSError
        again.set()

    async with (
        Sandbox(records=1, clock=clock) as sandbox,
        Site.of(sandbox) as site,
        serving(receiver(handle).handler) as url,
    ):
        await site.endpoint(url)
        await site.post("/customers")
        with anyio.fail_after(20):
            await done.wait()
            while not again.is_set():
                clock.advance(60)
                await anyio.lowlevel.checkpoint()
    assert calls == 2


async def test_credentials_change_and_go(site: Site) -> None:
    """A new password is sent, the user stays; without a user nothing is sent."""
    seen: list[str | None] = []

    async def look(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response()

    async with serving(look) as url:
        id = await site.endpoint(url)
        for change in ({"name": "v"}, {"basic_auth_password": "new"}, {"basic_auth_username": ""}):
            await site.post(f"/webhook_endpoints/{id}", **change)
            await site.post("/customers")
            await site.sandbox.webhooks.deliver()
    assert seen == [GOOD, basic(USER, "new"), None]


async def test_a_sandbox_that_stops_forgets_no_webhook() -> None:
    """What was under way when it stopped is posted after the next start; after a reset there is nothing left."""
    started, finish, again = anyio.Event(), anyio.Event(), anyio.Event()

    async def hang_once(request: web.Request) -> web.Response:
        if started.is_set():
            again.set()
            return web.Response()
        started.set()
        await finish.wait()
        return web.Response()

    sandbox = Sandbox(records=1, clock=ManualClock())
    async with serving(hang_once) as url:
        async with sandbox, Site.of(sandbox) as site:
            id = await site.endpoint(url)
            await site.post("/customers")
            await started.wait()
        assert [endpoint for _, endpoint, _ in sandbox.webhooks.waiting] == [id]
        async with sandbox:
            with anyio.fail_after(20):
                await again.wait()
        finish.set()
    sandbox.reset()
    assert sandbox.webhooks.waiting == []


async def test_a_reset_ends_what_is_under_way() -> None:
    """The answer to a webhook of the state that was changes nothing, and the new state posts its own."""
    started, finish, again = anyio.Event(), anyio.Event(), anyio.Event()

    async def slow(request: web.Request) -> web.Response:
        if started.is_set():
            again.set()
        started.set()
        await finish.wait()
        return web.Response(status=500)

    async with Sandbox(records=1, clock=ManualClock()) as sandbox, Site.of(sandbox) as site, serving(slow) as url:
        await site.endpoint(url)
        await site.post("/customers")
        await started.wait()
        sandbox.reset()
        await site.endpoint(url)
        await site.post("/customers")
        finish.set()
        with anyio.fail_after(20):
            await again.wait()
