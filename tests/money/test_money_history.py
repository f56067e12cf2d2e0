"""Thousands of writes through every fault, checked against the server's table: R1 and R2."""

from __future__ import annotations

from typing import Literal

import aiohttp
import pytest

from aiochargebee_gw import Gateway

from ..baselines.money_naive import Keys, create
from .books import AFTER, GIVEN_UP, KINDS, REFUSED, Books, at_random, books
from .conftest import client
from .history import History, Verdict, check

pytestmark = pytest.mark.anyio

AT_ONCE = 50
SHARE = 0.4
# A healthy answer takes a millisecond; what is late never comes.
PATIENCE = 0.5


async def _write(gw: Gateway, tag: str) -> None:
    """Every second write makes a record under an id that the client assigns, the others have none."""
    if int(tag) % 2:
        await gw.promotional_credits.add(customer_id="c", amount=100, description=tag)
    else:
        await gw.customers.create(first_name=tag)


async def _run(
    count: int, seed: int, *, keys: bool, idempotency: Literal["auto", "verified"], kinds: tuple[str, ...] = KINDS
) -> tuple[Verdict, History, Books]:
    history = History()
    async with (
        books(at_random(seed, SHARE, kinds), keys=keys) as server,
        client(server.url, idempotency=idempotency, seconds=PATIENCE) as gw,
    ):
        tags = [str(number) for number in range(count)]
        await history.run(tags, lambda tag: _write(gw, tag), at_once=AT_ONCE)
        found = check(history, server)
        assert {seen.fault for seen in server.seen} == {None, *kinds}
        # What timed out while it was being written may not have arrived.
        assert gw.stats.attempts >= len(server.seen)
    return found, history, server


async def _keyed(count: int, seed: int) -> None:
    found, _, _ = await _run(count, seed, keys=True, idempotency="verified")
    assert found.sound, found
    assert found.ends.total() == count
    assert found.unknown <= count * 0.01, found


async def _dropped(count: int, seed: int) -> None:
    found, history, server = await _run(count, seed, keys=False, idempotency="auto")
    assert found.sound, found
    assert found.ends.total() == count
    doubtful = {"drop_before", "500_before", "503_before", "late", *AFTER}
    posts: dict[str, list[str | None]] = {}
    for seen in server.posts:
        posts.setdefault(seen.tag, []).append(seen.fault)
    for tag, end in history.ended.items():
        sends = posts.get(tag, [])
        if int(tag) % 2:
            # Without an id of its own: nothing follows upon the first send in doubt. One that went out on a
            # connection that the server was about to close has not arrived, and is in doubt all the same.
            assert not doubtful & set(sends[:-1]), sends
            assert end == "unknown" or (sends and sends[-1] not in doubtful)
    named = [tag for tag, end in history.ended.items() if end == "unknown" and not int(tag) % 2]
    assert len(named) <= count * 0.01, named


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_write_is_doubled_lost_or_misreported(seed: int) -> None:
    """200 writes with faults in 40 % of the attempts: no duplicate; no ok that is missing, no fail that is present, at
    most 1 % unknown."""
    await _keyed(200, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
async def test_no_write_of_2000_is_doubled_lost_or_misreported(seed: int) -> None:
    """The same with 2,000 writes, 50 at once, five seeds."""
    await _keyed(2000, seed)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_gateway_that_drops_the_key_doubles_nothing(seed: int) -> None:
    """200 writes behind a gateway that drops the key: no duplicate; records with an id of their own are settled by it,
    the others are sent no more once they are in doubt."""
    await _dropped(200, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
async def test_a_gateway_that_drops_the_key_doubles_nothing_of_2000(seed: int) -> None:
    """The same with 2,000 writes, 50 at once, five seeds."""
    await _dropped(2000, seed)


async def _refused(count: int, seed: int) -> None:
    kinds = (*KINDS, REFUSED, GIVEN_UP)
    for keys in (True, False):
        found, _, _ = await _run(count, seed, keys=keys, idempotency="verified" if keys else "auto", kinds=kinds)
        assert found.sound, found
        assert found.ends["ok"]
        assert found.ends["fail"]


@pytest.mark.parametrize("seed", [1, 2])
async def test_what_is_called_failed_has_not_happened(seed: int) -> None:
    """200 writes where the gateway also refuses its key now and then, and gives up on what is carried out later: some
    writes fail, and none of them is in the table, whether the key arrives or not."""
    await _refused(200, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
async def test_what_is_called_failed_has_not_happened_in_2000(seed: int) -> None:
    """The same with 2,000 writes, five seeds."""
    await _refused(2000, seed)


async def _naive(count: int, mode: Keys, *, keys: bool) -> Verdict:
    history = History()
    async with (
        books(at_random(1, SHARE), keys=keys) as server,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session,
    ):
        tags = [str(number) for number in range(count)]
        await history.run(tags, lambda tag: create(session, server.url, tag, mode), at_once=AT_ONCE)
        return check(history, server)


@pytest.mark.parametrize(("mode", "keys"), [("none", True), ("new", True), ("same", False)])
async def test_naive_retries_charge_twice(mode: Keys, keys: bool) -> None:
    """The baselines on the same server: without a key, with a new key for each attempt, or with one that the gateway
    drops, more than one write in ten is doubled."""
    found = await _naive(200, mode, keys=keys)
    assert found.duplicates > 20, found


@pytest.mark.soak
async def test_naive_retries_charge_2000_more_than_200_times_too_often() -> None:
    """The same with 2,000 writes."""
    for mode in ("none", "new"):
        assert (await _naive(2000, mode, keys=True)).duplicates > 200
    assert (await _naive(2000, "same", keys=False)).duplicates > 200


async def test_the_check_finds_what_is_wrong() -> None:
    """A table that disagrees with the history is called so: the checker itself is no formality."""
    history = History(begun=["1", "2", "3", "4"], ended={"1": "ok", "2": "fail", "3": "ok"})
    server = Books()
    for tag in ("2", "3", "3"):
        server._add("customer", tag, {}, {})
    found = check(history, server)
    assert not found.sound
    assert (found.duplicates, found.ok_missing, found.fail_present, found.unended) == (1, ["1"], ["2"], ["4"])
