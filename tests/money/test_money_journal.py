"""The journal of writes: what a restarted process makes of what a killed one left behind."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import stat
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aiochargebee_gw import ConfigurationError, Gateway, OutcomeUnknown, RequestError, errors
from aiochargebee_gw.journal import PendingWrite, WriteJournal
from aiochargebee_gw.observe import CallStarted, Event

from ..unit.clock import FakeClock
from .books import Books, Seen, books, script
from .clocks import server_clock
from .conftest import client

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


async def _child(server: Books, file: Path, kind: str, key: str, when: str) -> int | None:
    """Run a writing process to its end; killed from here once the server has its request where *when* is "sent"."""
    arguments = [server.url, str(file), kind, key, "never" if when == "sent" else when]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.money.child", *arguments, cwd=ROOT)

    def kill(seen: Seen) -> None:
        if when == "sent":
            process.send_signal(signal.SIGKILL)

    server.on_request = kill
    async with asyncio.timeout(30):
        code = await process.wait()
    server.on_request = None
    return code


async def _again(gw: Gateway, kind: str, key: str = "k") -> Any:
    if kind == "credit":
        return await gw.promotional_credits.add(customer_id="c", amount=1, description="w", idempotency_key=key)
    return await gw.customers.create(first_name="w", idempotency_key=key)


async def _pending(journal: WriteJournal) -> list[PendingWrite]:
    return [write async for write in journal.pending()]


@pytest.mark.parametrize("kind", ["credit", "customer"])
@pytest.mark.parametrize(("when", "fault"), [("stored", None), ("sent", "late"), ("sent", None), ("answered", None)])
async def test_a_killed_write_is_made_once(tmp_path: Path, kind: str, when: str, fault: str | None) -> None:
    """A process is killed after it has stored a write, after the server has it, or after its answer came. The same call
    in another process goes on with the same bytes under the same key: the server has one record."""
    file = tmp_path / "writes.db"
    async with books(script(fault)) as server:
        assert await _child(server, file, kind, "k", when) == -signal.SIGKILL
        before = len(server.posts)
        async with client(server.url, idempotency="verified", journal=WriteJournal(file)) as gw:
            made = await _again(gw, kind)
            assert made == await _again(gw, kind)
        assert len(server.posts) == before + 1
        assert len({seen.digest for seen in server.posts}) == 1
        server.flush()
        assert server.tags() == {"w": 1}


@pytest.mark.parametrize(("when", "charges"), [("stored", 1), ("sent", 2), ("answered", 2)])
async def test_a_key_that_is_made_anew_charges_twice(tmp_path: Path, when: str, charges: int) -> None:
    """The baseline: a restarted process that makes its call without the old key."""
    async with books() as server:
        await _child(server, tmp_path / "writes.db", "credit", "-", when)
        async with client(server.url, idempotency="verified") as gw:
            await gw.promotional_credits.add(customer_id="c", amount=1, description="w")
        assert server.tags() == {"w": charges}


@pytest.mark.parametrize("kind", ["credit", "customer"])
@pytest.mark.parametrize("when", ["stored", "sent", "answered"])
async def test_what_nobody_asks_for_again_is_listed_and_finished(tmp_path: Path, kind: str, when: str) -> None:
    """The journal lists the write of a killed process that had no key of its own; `resume` finishes it, once."""
    file = tmp_path / "writes.db"
    async with books() as server:
        await _child(server, file, kind, "-", when)
        async with (
            WriteJournal(file) as journal,
            client(server.url, idempotency="verified", journal=journal) as gw,
        ):
            (write,) = await _pending(journal)
            assert (write.state, write.connection) == ("open", "")
            assert (write.natural_id is not None) == (kind == "customer")
            answer = await gw.resume(write)
            assert "customer" in answer
            assert await gw.resume(write) == answer
            assert await _pending(journal) == []
        assert server.tags() == {"w": 1}
        assert len({seen.digest for seen in server.posts}) == 1


async def test_a_write_without_a_trusted_key_is_not_sent_again(tmp_path: Path) -> None:
    """Where the key is not known to arrive, a credit that may have been sent is not: OutcomeUnknown without a send. A
    record with an id of its own is settled by that."""
    for kind in ("credit", "customer"):
        file = tmp_path / kind
        async with books(keys=False) as server:
            await _child(server, file, kind, "k", "sent")
            async with client(server.url, journal=WriteJournal(file)) as gw:
                if kind == "customer":
                    assert (await _again(gw, kind)).customer.first_name == "w"
                else:
                    with pytest.raises(OutcomeUnknown) as caught:
                        await _again(gw, kind)
                    assert (caught.value.attempts, len(server.posts)) == (0, 1)
                    assert caught.value.first_sent_at is not None
            assert server.tags() == {"w": 1}


@pytest.mark.parametrize(("minutes", "sends"), [(24, 2), (26, 1), (60 * 24, 1), (-5, 1)])
@pytest.mark.parametrize("kind", ["credit", "customer"])
async def test_a_write_is_resumed_within_the_life_of_its_key(
    tmp_path: Path, minutes: float, sends: int, kind: str
) -> None:
    """Until 25 minutes after the first send the bytes go out again; later, or when the clock was set back, nothing is
    sent: a record with an id is looked up, the outcome of others is unknown."""
    clock = FakeClock()
    async with books(script("late"), clock=server_clock(clock)) as server:
        first = WriteJournal(tmp_path / "writes.db", clock=clock)
        async with client(server.url, idempotency="verified", clock=clock, journal=first) as gw:
            task = asyncio.create_task(_again(gw, kind))
            await server.arrival.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await server.abandoned.wait()
        server.flush()
        clock.now += minutes * 60
        second = WriteJournal(tmp_path / "writes.db", clock=clock)
        async with client(server.url, idempotency="verified", clock=clock, journal=second) as gw:
            if sends == 2 or kind == "customer":
                await _again(gw, kind)
                assert await _pending(second) == []
            else:
                with pytest.raises(OutcomeUnknown):
                    await _again(gw, kind)
                (write,) = await _pending(second)
                assert write.state == "unknown"
        assert len(server.posts) == sends
        assert server.tags() == {"w": 1}


async def test_a_key_that_is_done_gives_its_answer_without_sending(tmp_path: Path) -> None:
    """Also days later, when Chargebee has forgotten it, and through a new object."""
    clock = FakeClock()
    async with books(clock=server_clock(clock)) as server:
        for _ in range(2):
            journal = WriteJournal(tmp_path / "writes.db", clock=clock)
            async with client(server.url, clock=clock, journal=journal) as gw:
                made = await _again(gw, "credit")
                assert made.promotional_credit.id == "row1"
            clock.now += 3 * 86400
        assert len(server.posts) == 1


async def test_a_key_of_another_request_is_refused_before_sending(tmp_path: Path) -> None:
    """Other bytes, or other headers that change what the call does: RequestError, nothing sent. Another connection is
    another namespace."""
    async with books() as server, client(server.url, journal=WriteJournal(tmp_path / "w.db")) as gw:
        await _again(gw, "credit")
        with pytest.raises(RequestError):
            await gw.promotional_credits.add(customer_id="c", amount=2, description="w", idempotency_key="k")
        with pytest.raises(RequestError):
            await _again(gw.with_options(headers={"chargebee-business-entity-id": "x"}), "credit")
        assert len(server.posts) == 1
        with pytest.raises(errors.IdempotencyConflict):
            await gw.using("other").customers.create(first_name="w", idempotency_key="k")


async def test_a_key_of_another_gateway_is_refused(tmp_path: Path) -> None:
    """What was written at one gateway (a sandbox's, perhaps) is neither answered for another nor finished there."""
    async with books() as one, books() as two, WriteJournal(tmp_path / "w.db") as journal:
        async with client(one.url, journal=journal) as gw:
            await _again(gw, "credit")
            one.choose = script("500_after")
            with pytest.raises(OutcomeUnknown):
                await _again(gw, "credit", "open")
            (write,) = await _pending(journal)
        async with client(two.url, journal=journal, idempotency="verified") as gw:
            with pytest.raises(RequestError):
                await _again(gw, "credit")
            with pytest.raises(RequestError):
                await gw.resume(write)
        assert two.seen == []


async def test_a_refused_write_may_be_made_again(tmp_path: Path) -> None:
    """What did not happen is not kept as pending, and the same call is sent when it is made again."""
    declined = {"email": "declined@example.com", "idempotency_key": "k"}
    async with books() as server, WriteJournal(tmp_path / "w.db") as journal:
        async with client(server.url, journal=journal) as gw:
            for _ in range(2):
                with pytest.raises(errors.PaymentFailed):
                    await gw.customers.create(**declined)  # type: ignore[arg-type]
            assert await _pending(journal) == []
        assert len(server.posts) == 2
        with pytest.raises(ConfigurationError):
            await gw.customers.create(first_name="closed")
        assert await _pending(journal) == []


async def test_what_is_found_out_later_is_noted(tmp_path: Path) -> None:
    """`retry` and `reconcile` of an OutcomeUnknown end its entry."""
    async with (
        books(script("500_after")) as server,
        WriteJournal(tmp_path / "w.db") as journal,
        client(server.url, journal=journal) as gw,
    ):
        with pytest.raises(OutcomeUnknown) as caught:
            await _again(gw, "credit")
        assert [write.state for write in await _pending(journal)] == ["unknown"]
        made = await caught.value.retry()
        assert await _pending(journal) == []
        assert await _again(gw, "credit") == made
        assert len(server.posts) == 2
        server.choose = script(*["502_late"] * 6)
        with pytest.raises(OutcomeUnknown) as caught:
            await _again(gw, "customer", "k2")
        server.choose = lambda seen, attempt: None
        if not server.rows.keys() - {"row1"}:
            assert await caught.value.reconcile() is None
            assert len(await _pending(journal)) == 1
        server.flush()
        assert (await caught.value.reconcile()).customer.first_name == "w"
        assert await _pending(journal) == []


async def test_one_key_is_under_way_once(tmp_path: Path) -> None:
    """The same call made twice at the same time is refused the second time, and neither is listed as pending."""
    async with (
        books(script("late")) as server,
        WriteJournal(tmp_path / "w.db") as journal,
        client(server.url, journal=journal) as gw,
    ):
        task = asyncio.create_task(_again(gw, "credit"))
        await server.arrival.wait()
        with pytest.raises(RequestError):
            await _again(gw, "credit")
        assert await _pending(journal) == []
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [write.state for write in await _pending(journal)] == ["open"]
        assert len(server.posts) == 1


async def test_the_file_is_private_and_locked(tmp_path: Path) -> None:
    """Mode 0600, the API key not in it; a second object and a second process are refused while it is open, before they
    send anything."""
    file = tmp_path / "w.db"
    async with books() as server:
        async with client(server.url, journal=WriteJournal(file)) as gw:
            await _again(gw, "customer")
            for path in tmp_path.iterdir():
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
                assert b"sandbox_money" not in path.read_bytes()
            async with client(server.url, journal=WriteJournal(file)) as other:
                with pytest.raises(ConfigurationError):
                    await _again(other, "credit", "k2")
            assert await _child(server, file, "credit", "k3", "never") == 1
            await _again(gw, "credit", "k4")
        assert len(server.posts) == 2
        # Closing the client let go of it.
        assert await _child(server, file, "credit", "k3", "never") == 0


@pytest.mark.parametrize("damage", ["text", "middle", "other", "directory"])
async def test_a_damaged_file_is_told_before_anything_is_sent(tmp_path: Path, damage: str) -> None:
    """A file that is no database, one with a broken page, somebody else's database, a directory that is not there."""
    file = tmp_path / "w.db"
    async with books() as server:
        if damage == "middle":
            async with client(server.url, journal=WriteJournal(file)) as gw:
                for number in range(40):
                    await _again(gw, "credit", f"k{number}")
            data = bytearray(file.read_bytes())
            data[4096 * 2 : 4096 * 4] = b"\xff" * 8192
            file.write_bytes(data)
        elif damage == "other":
            with sqlite3.connect(file) as database:
                database.execute("CREATE TABLE t (a)")
            database.close()
        elif damage == "text":
            file.write_bytes(b"not a database" * 1000)
        else:
            file = tmp_path / "nowhere" / "w.db"
        sent = len(server.posts)
        async with client(server.url, journal=WriteJournal(file)) as gw:
            with pytest.raises(ConfigurationError, match="journal"):
                await _again(gw, "credit", "new")
        assert len(server.posts) == sent


async def test_a_journal_that_cannot_be_written_stops_a_write_before_and_not_after(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """When the file turns read-only before the write, nothing is sent; when it does so after, the call succeeds, the
    log says so, and the write stays pending."""
    journal = WriteJournal(tmp_path / "w.db")

    def turn(event: Event) -> None:
        if isinstance(event, CallStarted) and journal._file._opened is not None:
            journal._file._opened.database.execute("PRAGMA query_only = 1")

    async with books() as server, client(server.url, journal=journal, observers=[turn]) as gw:
        await _again(gw, "credit")
        assert "could not be noted" in caplog.text
        assert len(await _pending(journal)) == 1
        with pytest.raises(ConfigurationError):
            await _again(gw, "credit", "k2")
        assert len(server.posts) == 1


async def test_forgetting_keeps_what_is_pending(tmp_path: Path) -> None:
    """`forget` deletes what ended longer ago than said, and nothing of which the end is not known."""
    clock = FakeClock()
    journal = WriteJournal(tmp_path / "w.db", clock=clock)
    async with (
        books(script(None, "500_after", None), clock=server_clock(clock)) as server,
        client(server.url, clock=clock, journal=journal) as gw,
    ):
        await _again(gw, "credit", "old")
        with pytest.raises(OutcomeUnknown):
            await _again(gw, "credit", "open")
        clock.now += 7200
        await _again(gw, "credit", "new")
        assert await journal.forget(older_than=timedelta(hours=1)) == 1
        assert [write.idempotency_key for write in await _pending(journal)] == ["open"]
        await _again(gw, "credit", "new")
        assert len(server.posts) == 3
        with pytest.raises(RequestError):
            await gw.resume(
                PendingWrite(
                    operation="x", connection="", idempotency_key="old", natural_id=None,
                    first_sent_at=(await _pending(journal))[0].first_sent_at, state="open",
                )
            )  # fmt: skip


async def test_resume_wants_a_journal() -> None:
    """A client without one says so."""
    async with client("http://127.0.0.1:1") as gw:
        with pytest.raises(ConfigurationError):
            await gw.resume(None)  # type: ignore[arg-type]
