"""What a receiver remembers, for how long, and across which ends."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from aiochargebee_gw import ConfigurationError
from aiochargebee_gw.webhooks import KEEP_SECONDS, Claim, MemoryStore, SqliteStore, Store

from ..unit.clock import FakeClock
from .parts import GOOD, Recorder, event_body, receiver

pytestmark = pytest.mark.anyio
LAST_RETRY = (3 * 24 + 7) * 3600


def store_of(kind: str, path: Path) -> MemoryStore | SqliteStore:
    """A store in memory or in a file."""
    return MemoryStore() if kind == "memory" else SqliteStore(path / "seen.db")


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_an_id_outlives_the_last_repetition(kind: str, tmp_path: Path) -> None:
    """Three days and seven hours later a duplicate is known, and an older version is old; in the end all is
    forgotten."""
    clock, handle = FakeClock(), Recorder()
    ours = receiver(handle, store=store_of(kind, tmp_path), clock=clock)
    await ours.receive(GOOD, event_body("ev_2", 2))
    clock.now += LAST_RETRY
    assert await ours.receive(GOOD, event_body("ev_2", 2)) == 200
    assert await ours.receive(GOOD, event_body("ev_1", 1)) == 200
    assert handle.ids == ["ev_2", "ev_1"]
    assert handle.deliveries[1].stale
    clock.now += KEEP_SECONDS + 1
    assert await ours.receive(GOOD, event_body("ev_3", 1)) == 200
    assert not handle.deliveries[2].stale


async def test_a_file_survives_a_restart(tmp_path: Path) -> None:
    """A second store on the same file knows what the first one handled; one in memory knows nothing."""
    handle = Recorder()
    first = SqliteStore(tmp_path / "seen.db")
    await receiver(handle, store=first).receive(GOOD, event_body("ev_2", 2))
    first.close()
    again = receiver(handle, store=SqliteStore(tmp_path / "seen.db"))
    assert await again.receive(GOOD, event_body("ev_2", 2)) == 200
    assert await again.receive(GOOD, event_body("ev_1", 1)) == 200
    assert handle.ids == ["ev_2", "ev_1"]
    assert handle.deliveries[1].stale == {("customer", "c")}


CHILD = """
import anyio, sys
from aiochargebee_gw.webhooks import SqliteStore
from tests.webhooks.parts import GOOD, event_body, receiver

async def handle(delivery):
    print("handling", flush=True)
    await anyio.sleep_forever()

anyio.run(receiver(handle, store=SqliteStore(sys.argv[1])).receive, GOOD, event_body("ev_1", 5))
"""


@pytest.fixture
def left_behind(tmp_path: Path) -> Path:
    """The file of a process that was killed while it handled an event."""
    path, root = tmp_path / "seen.db", Path(__file__).parent.parent.parent
    with subprocess.Popen([sys.executable, "-c", CHILD, str(path)], cwd=root, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"handling\n"
        child.kill()
    return path


async def test_an_event_is_not_lost_with_its_process(left_behind: Path) -> None:
    """kill -9 between the claim and the end of the handler: 503 while the claim lasts, then it is handled, then
    it is known; all before Chargebee's first repetition after two minutes."""
    handle, clock = Recorder(), FakeClock()
    clock.now = time.time() - 1_700_000_000.0
    ours = receiver(handle, store=SqliteStore(left_behind), clock=clock)
    assert await ours.receive(GOOD, event_body("ev_1", 5)) == 503
    clock.now += 120
    assert await ours.receive(GOOD, event_body("ev_1", 5)) == 200
    assert await ours.receive(GOOD, event_body("ev_1", 5)) == 200
    assert handle.ids == ["ev_1"]


async def test_a_lost_claim_commits_nothing() -> None:
    """A process that slept beyond its claim cannot commit: the event belongs to who took it then."""
    store: Store = MemoryStore()
    slow, quick = Claim(id="e", token="a", until=10), Claim(id="e", token="b", until=100)
    versions = {("customer", "c"): 7}
    await store.take(slow, 0)
    assert await store.hold(slow, versions, 0) == frozenset()
    await store.take(quick, 11)
    assert await store.hold(quick, versions, 11) == frozenset()
    assert not await store.commit(slow, {("customer", "c"): 9}, 12)
    await store.release(slow)
    assert await store.commit(quick, versions, 13)
    later = Claim(id="f", token="c", until=100)
    await store.take(later, 14)
    assert await store.hold(later, {("customer", "c"): 8}, 14) == frozenset()


async def test_a_store_in_memory_is_bounded() -> None:
    """Of 1,000 events at a capacity of 100 the last 90 are known and the first are forgotten, ids and versions."""
    handle = Recorder()
    clock = FakeClock()
    ours = receiver(handle, store=MemoryStore(capacity=100), clock=clock)

    def body(number: int, version: int, again: str = "") -> bytes:
        customer = {"id": f"c{number}", "object": "customer", "resource_version": version}
        return event_body(f"ev_{number}{again}", content={"customer": customer})

    for number in range(1000):
        clock.now += 1
        assert await ours.receive(GOOD, body(number, 2)) == 200
    assert len(handle.ids) == 1000
    for number in range(910, 1000):
        assert await ours.receive(GOOD, body(number, 2)) == 200
    assert len(handle.ids) == 1000
    assert await ours.receive(GOOD, body(0, 2)) == 200
    assert handle.ids[-1] == "ev_0"
    await ours.receive(GOOD, body(999, 1, "_older"))
    await ours.receive(GOOD, body(1, 1, "_older"))
    assert [bool(delivery.stale) for delivery in handle.deliveries[-2:]] == [True, False]


@pytest.mark.parametrize("capacity", [0, -1, 1.5])
def test_a_capacity_is_a_count(capacity: int) -> None:
    """A store that keeps nothing would handle everything twice."""
    with pytest.raises(ConfigurationError):
        MemoryStore(capacity=capacity)


def test_a_store_must_keep_long_enough(tmp_path: Path) -> None:
    """Less than three days and seven hours is refused, and so is a file that is no store; neither shows its folder."""
    with pytest.raises(ConfigurationError):
        SqliteStore(tmp_path / "seen.db", keep_seconds=LAST_RETRY - 1)
    (tmp_path / "text.db").write_text("no database" * 1000)
    for path in (tmp_path / "text.db", tmp_path / "none" / "x.db"):
        with pytest.raises(ConfigurationError) as caught:
            SqliteStore(path)
        assert str(tmp_path) not in str(caught.value)
