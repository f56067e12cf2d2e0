"""The plan of a parallel listing: every row once, whatever the list looks like and in whatever order answers come."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiochargebee_gw._track import Track
from aiochargebee_gw._window import ParallelState, Window
from aiochargebee_gw.errors import PaginationError, RequestError
from aiochargebee_gw.windows import Ask, AskEnd, Plan
from tests.windows import naive
from tests.windows.lists import BEGIN, FRESH, SHAPES, Run, Server, ids, moments, plan_of

# From all in one second to some in each year, in lumps and with gaps.
SECONDS = st.builds(
    lambda scale, offsets: [BEGIN + offset * scale for offset in offsets],
    st.sampled_from([0, 1, 7, 3600, 10**6]),
    st.lists(st.one_of(st.integers(0, 3), st.integers(0, 100), st.sampled_from([5, 90])), max_size=120),
)
PAGES = st.integers(1, 9)
WORKERS = st.integers(1, 9)
Choose = Callable[[int], int]


@st.composite
def choices(draw: st.DrawFn) -> Choose:
    """Which of the answers under way comes next, each time."""
    random = draw(st.randoms(use_true_random=False))
    return lambda under_way: random.randrange(under_way)


@given(seconds=SECONDS, page_rows=PAGES, workers=WORKERS, choose=choices(), ordered=st.booleans())
def test_each_row_comes_once(seconds: list[int], page_rows: int, workers: int, choose: Choose, ordered: bool) -> None:
    """Each row belongs to one window; requests are at most the full pages, one for each window and one for the end."""
    server = Server.of(seconds, page_rows)
    run = Run(plan_of(server, workers, ordered=ordered), server, workers, choose)
    left = run.go()
    assert sorted(run.seen, key=str) == ids(server.rows)
    assert left.finished
    assert left.rows == len(seconds)
    assert run.peak <= workers
    assert server.requests <= len(seconds) // page_rows + len(run.windows) + 1


@given(seconds=SECONDS, page_rows=PAGES, workers=WORKERS, choose=choices())
def test_it_does_not_matter_whether_after_and_before_are_strict(
    seconds: list[int], page_rows: int, workers: int, choose: Choose
) -> None:
    """Where the server counts the moment that a condition names, its rows are dropped by the window beside."""
    server = Server.of(seconds, page_rows, strict=False)
    run = Run(plan_of(server, workers), server, workers, choose)
    run.go()
    assert sorted(run.seen, key=str) == ids(server.rows)


@given(
    seconds=SECONDS, page_rows=PAGES, workers=WORKERS, again=WORKERS, choose=choices(),
    until=st.integers(0, 60), ordered=st.booleans(), lose=st.booleans(),
)  # fmt: skip
def test_it_goes_on_from_any_point(
    seconds: list[int], page_rows: int, workers: int, again: int, choose: Choose, until: int, ordered: bool, lose: bool
) -> None:
    """A state kept as JSON after any page gives the rest to any number of workers, even if no cursor is accepted any
    more."""
    server = Server.of(seconds, page_rows)
    first = Run(plan_of(server, workers, ordered=ordered), server, workers, choose)
    state = ParallelState.from_dict(json.loads(json.dumps(first.go(until).as_dict())))
    assert state == pickle.loads(pickle.dumps(state))
    if lose:
        server.refused = {window.cursor for window in state.windows if window.cursor is not None}
    second = Run(plan_of(server, again, state, ordered=not ordered), server, again, choose)
    second.go()
    assert sorted([*first.seen, *second.seen], key=str) == ids(server.rows)


@given(seconds=SECONDS, page_rows=PAGES, workers=WORKERS, choose=choices(), changes=st.randoms(use_true_random=False))
def test_rows_that_come_and_go_meanwhile_cost_no_other(
    seconds: list[int], page_rows: int, workers: int, choose: Choose, changes: object
) -> None:
    """While rows are made, at the end and before it, and others deleted, each row that stays comes once, none twice."""
    server = Server.of(seconds, page_rows)
    stays = {f"r{number}" for number in range(len(seconds))}
    numbers = iter(range(10_000, 10_100))

    def meanwhile() -> None:
        draw = changes.random  # type: ignore[attr-defined]
        number = next(numbers, None)
        if server.rows and number is not None:
            anywhere = BEGIN + int(draw() * 200) * 3600
            server.rows = sorted([*server.rows, (server.rows[-1][0] + 1 if draw() < 0.5 else anywhere, number)])
            gone = server.rows.pop(int(draw() * len(server.rows)))
            stays.discard(f"r{gone[1]}")

    run = Run(plan_of(server, workers), server, workers, choose, meanwhile)
    run.go()
    assert len(run.seen) == len(set(run.seen))
    assert stays <= set(run.seen)


@given(seconds=SECONDS, page_rows=PAGES, workers=WORKERS, choose=choices(), refuse=st.randoms(use_true_random=False))
def test_a_refused_cursor_costs_nothing_but_requests(
    seconds: list[int], page_rows: int, workers: int, choose: Choose, refuse: object
) -> None:
    """A window whose cursor has expired is read again from its last second, without the rows that had come."""
    server = Server.of(seconds, page_rows)
    run = Run(plan_of(server, workers), server, workers, choose)

    places: set[tuple[int, int | None]] = set()

    def meanwhile() -> None:
        for window in run.plan.state().windows:
            place = window.number, window.position
            if window.cursor is not None and place not in places and refuse.random() < 0.3:  # type: ignore[attr-defined]
                places.add(place)
                server.refused.add(window.cursor)

    run.meanwhile = meanwhile
    run.go()
    assert sorted(run.seen, key=str) == ids(server.rows)


def test_a_cursor_that_is_refused_again_ends_it() -> None:
    """A second refusal before any new row says that the window cannot go on."""
    server = Server.of([BEGIN] * 5, page_rows=2)
    plan = plan_of(server, 1)
    ask = plan.ask()
    assert isinstance(ask, Ask)
    plan.take(ask, *server.page(ask))
    assert isinstance(plan.ask(), AskEnd)
    plan.found_end(server.end())
    second = plan.ask()
    assert isinstance(second, Ask)
    assert plan.expired(second)
    restart = plan.ask()
    assert isinstance(restart, Ask)
    assert restart.cursor is None
    assert plan.take(restart, *server.page(restart)).rows == ()
    third = plan.ask()
    assert isinstance(third, Ask)
    assert not plan.expired(third)


@pytest.mark.parametrize("shape", SHAPES)
def test_little_more_is_asked_for_than_there_are_pages(shape: str) -> None:
    """1,000 pages read by eight workers: at most 4 % more requests than pages, in every shape."""
    server = Server.of(moments(shape, 20_000), page_rows=20)
    run = Run(plan_of(server, 8), server, 8)
    run.go()
    assert len(run.seen) == 20_000
    assert server.requests <= 1040


@pytest.mark.parametrize("shape", set(SHAPES) - {"one-hot-second", "one-second"})
def test_the_work_is_shared(shape: str) -> None:
    """No worker reads much more than its part: 1,000 pages take at most 132 rounds of eight requests."""
    server = Server.of(moments(shape, 20_000), page_rows=20)
    plan = plan_of(server, 8)
    run, rounds = Run(plan, server, 8), 0
    while not plan.finished:
        asks = [ask for _ in range(8) if (ask := plan.ask()) is not None]
        for ask in asks:
            run.answer(ask)
        rounds += 1
    assert rounds <= 132


def test_fixed_windows_are_not_shared() -> None:
    """Baseline: of eight equal spans of a list with an import, one holds more than half of all rows."""
    found = naive.fixed_windows(Server.of(moments("import-spike", 20_000)), 8)
    assert max(map(len, found)) > 10_000


def test_naive_splits_lose_and_repeat() -> None:
    """Baselines: open ends lose the rows on an edge, closed ones repeat them, and a query that changes under its
    cursor loses most of a list."""
    server = Server.of([BEGIN + number // 3 for number in range(2400)], page_rows=20)
    assert sum(map(len, naive.fixed_windows(server, 8))) < 2400
    assert sum(map(len, naive.closed_windows(server, 8))) > 2400
    assert len(naive.moving_start(server)) < 1600


@given(without=st.integers(0, 40), seconds=SECONDS, page_rows=PAGES, workers=WORKERS, choose=choices())
def test_rows_without_the_field_come_too(
    without: int, seconds: list[int], page_rows: int, workers: int, choose: Choose
) -> None:
    """Rows that lack the field and sort first belong to the first window; where they sort last, which the descending
    look at the end shows, the list is read by one cursor."""
    for last in (False, True):
        server = Server.of([-1] * without + seconds, page_rows)
        server.last = last
        run = Run(plan_of(server, workers), server, workers, choose)
        run.go()
        assert sorted(run.seen, key=str) == ids(server.rows)


def test_a_list_that_is_not_sorted_is_not_split() -> None:
    """The first page shows that the server does not sort: one cursor reads the rest, and the plan says why."""
    plan = plan_of(Server([], page_rows=2), 4)
    ask = plan.ask()
    assert isinstance(ask, Ask)
    assert len(plan.take(ask, [(BEGIN + 9, "a"), (BEGIN, "b")], "next").rows) == 2
    assert plan.whole == "the server does not sort it"
    second = plan.ask()
    assert isinstance(second, Ask)
    assert second.cursor == "next"
    assert plan.ask() is None


@pytest.mark.parametrize("rows", [[(BEGIN + 90, "a"), (BEGIN + 80, "b")], [(BEGIN, "a"), (BEGIN + 99, "b")]])
def test_a_server_that_ignores_a_window_is_found_out(rows: list[tuple[int, str]]) -> None:
    """Rows out of order, or of another time than asked for, end the listing: some would be lost."""
    server = Server.of(list(range(BEGIN, BEGIN + 100)), page_rows=2)
    plan = plan_of(server, 2)
    run = Run(plan, server, 2)
    run.go(until=4)
    stolen = next(ask for _ in range(3) if isinstance(ask := plan.ask(), Ask) and ask.after is not None)
    with pytest.raises(PaginationError, match=r"order|filter"):
        plan.take(stolen, rows, None)


def test_windows_do_not_begin_before_what_a_filter_can_say() -> None:
    """Timestamps in a filter have ten digits: no window begins before September 2001."""
    seconds = [number * 9_000_000 for number in range(150)]
    server = Server.of(seconds, page_rows=2)
    run = Run(plan_of(server, 6), server, 6)
    run.go()
    assert sorted(run.seen, key=str) == ids(server.rows)
    assert len(run.windows) > 1
    assert all(part.after.low is None or part.after.low > 10**9 for part in run.parts)


def test_the_longest_window_goes_ahead_but_not_for_ever() -> None:
    """Of several requests the one of the longest window goes before the others where they wait for a limit; not while
    one of those has waited for four rounds."""
    sparse, dense = range(BEGIN, BEGIN + 30_000, 10), range(BEGIN + 30_000, BEGIN + 60_000, 2)
    server = Server.of([*sparse, *dense], page_rows=20)
    plan = plan_of(server, 2)
    run = Run(plan, server, 2)
    run.go(until=1)
    asks = [plan.ask() for _ in range(3)]
    plan.found_end(server.end())
    asks.append(plan.ask())
    longest, turns = asks[-1], []
    for _ in range(30):
        assert isinstance(longest, Ask)
        run.answer(longest)
        longest = plan.ask()
        assert isinstance(longest, Ask)
        assert longest.after is not None
        turns.append(longest.ahead)
    assert turns[:6] == [True] * 6
    assert not any(turns[8:])


def test_a_malformed_state_is_refused() -> None:
    """What is no state of a listing is refused before anything is sent."""
    for given_ in ({}, {"windows": [{"nothing": 1}]}, {**FRESH.as_dict(), "more": 1}):
        with pytest.raises(RequestError, match="no state"):
            ParallelState.from_dict(given_)


def test_idle_workers_do_not_add_up_the_windows_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 of them ask whenever a page comes: what all windows hold together is added up once until the next one."""
    windows = tuple(Window(number=n, low=BEGIN + n, high=BEGIN + n, origin=BEGIN + n) for n in range(64))
    plan = Plan(attrs.evolve(FRESH, windows=windows), label="list", page_rows=1, workers=64, ordered=False)
    read: list[Track] = []
    seconds: Callable[[Track], int] = vars(Track)["seconds"].fget

    def counted(track: Track) -> int:
        read.append(track)
        return seconds(track)

    monkeypatch.setattr(Track, "seconds", property(counted))
    asks = [plan.ask() for _ in range(128)]
    assert [ask is None for ask in asks] == [False] * 64 + [True] * 64
    assert len(read) == 64
    assert isinstance(asks[0], Ask)
    plan.take(asks[0], [(BEGIN, "a")], None)
    plan.ask()
    # Once more, and each window looks at itself.
    assert len(read) <= 3 * 64
