"""Webhooks on the wire: events are posted to registered endpoints, on this machine only."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import aiohttp
from attrs import frozen

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, encode
from aiochargebee_gw.sandbox._outbox import Outgoing
from aiochargebee_gw.sandbox.clock import Clock

_SECONDS = 60.0


@frozen
class Sent:
    """One POST that was made: which event to which endpoint, and the HTTP status, None where no answer came."""

    event_id: str
    endpoint_id: str
    status: int | None


@frozen
class _Post:
    desk: Desk
    outgoing: Outgoing
    url: str
    headers: dict[str, str]
    body: bytes


class Webhooks:
    """Posts the events of all sites to the endpoints that were registered with ``POST /webhook_endpoints``.

    While ``automatic`` is True a running sandbox posts each event at once, and repeats on its own clock what was
    not answered with a 2xx. Set it to False to post by :meth:`deliver` alone, with duplicates and disorder.
    """

    def __init__(self, desks: Callable[[], Iterable[Desk]], clock: Callable[[], Clock]) -> None:
        self.automatic = True
        self._desks = desks
        self._clock = clock
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> list[tuple[str, str, float]]:
        """Event id, endpoint id and the Unix second at which it is due, of all that is still to be posted."""
        return [(one.event_id, one.endpoint_id, one.due) for desk in self._desks() for one in desk.outbox.waiting]

    async def deliver(self, *, duplicates: int = 0, shuffle: int | None = None, at_once: int = 1) -> list[Sent]:
        """Post all that is due now, and return the posts in the order of their answers.

        Each is posted ``1 + duplicates`` times. ``shuffle`` is a seed: the same one, the same disorder; None keeps the
        order of the events. ``at_once`` posts are under way at the most. An event with one 2xx counts as received.
        """
        now = self._clock().now()
        taken = [(desk, one) for desk in self._desks() for one in desk.outbox.take(now)]
        posts = [post for desk, one in taken if (post := _post(desk, one)) is not None] * (1 + duplicates)
        if shuffle is not None:
            Random(shuffle).shuffle(posts)  # noqa: S311 - the same seed, the same disorder
        sent: list[Sent] = []
        try:
            await _send_all(posts, at_once, sent)
        except BaseException:
            for desk, one in reversed(taken):
                desk.outbox.put_back([one])
            raise
        statuses: dict[tuple[str, str], list[int | None]] = {}
        for each in sent:
            statuses.setdefault((each.event_id, each.endpoint_id), []).append(each.status)
        # A reset in the meantime has closed the stores of the desks that were.
        desks = {id(desk) for desk in self._desks()}
        for desk, one in taken:
            if id(desk) in desks and (answers := statuses.get((one.event_id, one.endpoint_id))):
                best = next((status for status in answers if status is not None and 200 <= status < 300), answers[-1])
                desk.outbox.settle(desk.store, one, best, self._clock().now())
        return sent

    def wake(self) -> None:
        """Something new is due."""
        self._woken.set()

    def start(self) -> None:
        """Post in the background of the running loop."""
        self._woken = asyncio.Event()
        self._woken.set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End that; what is not posted keeps waiting."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            await self._next()
            self._woken.clear()
            if self.automatic:
                await self.deliver()

    async def _next(self) -> None:
        """Return when something is due or was added."""
        dues = [due for _, _, due in self.waiting] if self.automatic else []
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._woken.wait())]
        if dues:
            waits.append(asyncio.create_task(self._slept(min(dues))))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _slept(self, until: float) -> None:
        clock = self._clock()
        await clock.sleep(until - clock.now())


def _post(desk: Desk, one: Outgoing) -> _Post | None:
    """What to send; None where the endpoint or the event is gone, or the endpoint disabled by now."""
    endpoint, event = desk.store.get("webhook_endpoint", one.endpoint_id), desk.store.get("event", one.event_id)
    if endpoint is None or event is None or endpoint["disabled"]:
        return None
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Chargebee sandbox"}
    secret = desk.outbox.secrets.get(one.endpoint_id)
    if secret is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(secret).encode()).decode()
    return _Post(desk, one, endpoint["url"], headers, encode(_shown(event, endpoint)))


def _shown(event: JsonObject, endpoint: JsonObject) -> JsonObject:
    if endpoint.get("send_card_resource"):
        return event
    return {**event, "content": {name: value for name, value in event["content"].items() if name != "card"}}


async def _send_all(posts: list[_Post], at_once: int, sent: list[Sent]) -> None:
    if not posts:
        return
    todo = iter(posts)

    async def work(session: aiohttp.ClientSession) -> None:
        for post in todo:
            status = await _send(session, post)
            sent.append(Sent(post.outgoing.event_id, post.outgoing.endpoint_id, status))

    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session, asyncio.TaskGroup() as group:
        for _ in range(max(1, at_once)):
            group.create_task(work(session))


async def _send(session: aiohttp.ClientSession, post: _Post) -> int | None:
    try:
        async with session.post(
            post.url, data=io.BytesIO(post.body), headers=post.headers, allow_redirects=False
        ) as response:
            return response.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None
