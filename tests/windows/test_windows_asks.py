"""What a plan asks for next: how much is left where, who takes which part of it, and which request goes ahead."""

from __future__ import annotations

import attrs
import pytest

from aiochargebee_gw._axis import EARLIEST, Mark
from aiochargebee_gw._window import ParallelState, Window
from aiochargebee_gw.windows import Ask, AskEnd, Plan

from .lists import BEGIN, FRESH
from .script import asked, give, led, opened, page, rows, seconds

WHOLE = attrs.evolve(FRESH, split=False)


def _bounds(plan: Plan) -> list[tuple[int, list[int | None]]]:
    return [(window.number, seconds((window.low, window.high))) for window in plan.state().windows]


# -- the beginning


def test_the_first_page_then_the_end_and_then_all_at_once() -> None:
    """One request at a time until the list shows that it has more than one page; then one for its last row, and the
    next page meanwhile; when that has come, whoever is idle takes a part."""
    plan = led()
    assert (plan.finished, plan.lowest, plan.rows_left) == (False, 0, None)
    first = asked(plan)
    assert first == Ask(window=0, ahead=True)
    assert plan.ask() is None
    give(plan, first, page(0, 20))
    assert plan.ask() == AskEnd()
    assert plan.ask() == Ask(window=0, cursor="cr20-9", ahead=True)
    assert plan.ask() is None
    assert plan.rows_left is None
    plan.found_end(rows(2020))
    assert plan.rows_left == 1000
    assert plan.ask() == Ask(window=1, after=BEGIN + 1020, before=BEGIN + 2021)
    assert _bounds(plan) == [(0, [None, 1020]), (1, [1021, 2020])]


def test_a_list_of_one_page_is_one_request() -> None:
    """Nobody looks for its end, and when its rows were handed out it is finished."""
    plan = led()
    part = plan.take(asked(plan), rows(1, 2), None)
    assert (plan.ask(), plan.finished, plan.rows_left) == (None, False, 0)
    plan.deliver(part)
    assert (plan.ask(), plan.finished, plan.lowest, plan.rows_left) == (None, True, None, 0)
    assert plan.state().rows == 2


@pytest.mark.parametrize(
    "state",
    [
        attrs.evolve(FRESH, windows=(Window(cursor="c", high=BEGIN + 99, position=BEGIN),)),
        attrs.evolve(FRESH, windows=(Window(number=1, cursor="c", low=BEGIN, high=BEGIN + 9), Window(number=2))),
        attrs.evolve(WHOLE, windows=(Window(cursor="c"),)),
    ],
)
def test_the_end_is_looked_for_only_where_it_is_needed(state: ParallelState) -> None:
    """Not where it is known, where there are several windows already, or where the list cannot be divided."""
    assert isinstance(led(state).ask(), Ask)


def test_who_goes_on_looks_for_the_end_that_was_not_found() -> None:
    """A list that was left behind its first page has a cursor and no end: that is asked for first."""
    plan = led(attrs.evolve(FRESH, windows=(Window(cursor="c", position=BEGIN),)))
    assert plan.ask() == AskEnd()
    assert plan.ask() == Ask(window=0, cursor="c", ahead=True)


def test_new_windows_have_new_numbers() -> None:
    """Also behind those of a state from which a plan goes on."""
    windows = (Window(number=4, low=BEGIN, high=BEGIN + 9999, position=BEGIN, rows=10, origin=BEGIN),)
    plan = led(attrs.evolve(FRESH, windows=windows), workers=3)
    give(plan, asked(plan), page(0, 20))
    assert [asked(plan).window for _ in range(3)] == [4, 5, 6]


def test_the_servers_time_is_that_of_the_first_answer() -> None:
    """Of the first one that tells one; what a state already has stays."""
    plan = led()
    for told in (None, 5.0, 7.0, None):
        plan.began(told)
    assert plan.state().began == 5.0
    plan = led(plan.state())
    plan.began(9.0)
    assert plan.state().began == 5.0


# -- how much is left


def test_what_is_near_is_expected_to_be_as_dense_as_the_last_page() -> None:
    """For four times as long as it has been so; what lies further ahead is as dense as what was read so far."""
    plan = opened(2026)
    assert plan.rows_left == pytest.approx(2006 * 0.5)
    give(plan, Ask(window=0, cursor="c"), page(21, 26))
    # Ten rows in five seconds, expected for twenty more; and twenty rows in the 26 seconds so far.
    assert plan.rows_left == pytest.approx(20 * 2 + 1980 * 20 / 26)
    give(plan, asked(plan), page(27, 36))
    # Ten rows in nine seconds are much the same as before: that is expected until second 36 + 4 * 15.
    assert plan.rows_left == pytest.approx(60 * 10 / 9 + 1930 * 30 / 36)
    near = opened(36)
    assert near.rows_left == 8


def test_a_window_that_was_little_read_is_like_the_whole_list() -> None:
    """What is known of the whole list counts as much as four pages of a window's own, and does so when other windows
    have ended."""
    plan = opened(2020)
    upper = asked(plan)
    assert plan.rows_left == pytest.approx(500 + 499.5)
    give(plan, upper, page(1021, 1026))
    whole = (10 + 10) / (20 + 5)
    lower = 80 * 0.5 + 920 * (10 + 40) / (20 + 40 / whole)
    assert plan.rows_left == pytest.approx(lower + 20 * 2 + 974 * (10 + 40) / (5 + 40 / whole))
    give(plan, asked(plan), page(1027, 1032), None)
    # The upper window is read to its end, second 2020.
    whole = (10 + 20) / (20 + 999)
    assert plan.rows_left == pytest.approx(80 * 0.5 + 920 * (10 + 40) / (20 + 40 / whole))


def test_seconds_without_rows_and_pages_of_one_second() -> None:
    """Rows of one second say nothing of how many the next one has, nor does a window that has read none."""
    unread = Window(number=1, low=BEGIN, high=BEGIN + 99, origin=BEGIN)
    undated = Window(rows=10, high=BEGIN - 1)
    assert led(attrs.evolve(FRESH, windows=(undated, unread))).rows_left is None
    plan = led(attrs.evolve(FRESH, windows=(unread,)))
    assert plan.rows_left == 0
    give(plan, asked(plan), rows(5, 5, 5))
    assert plan.rows_left == pytest.approx(3 * 4 + 90 * 3 / 5)


# -- who takes what


def test_the_half_of_what_is_left_is_taken() -> None:
    """By rows, not by seconds: what comes next is denser than the rest, so the lower half is shorter."""
    plan = opened(2026)
    give(plan, Ask(window=0, cursor="c"), page(21, 26))
    asked(plan)
    left = 20 * 2 + 1980 * 20 / 26
    cut = int(26 + 20 + (left / 2 - 40) * 26 / 20)
    assert asked(plan) == Ask(window=1, after=BEGIN + cut, before=BEGIN + 2027)
    assert _bounds(plan) == [(0, [None, cut]), (1, [cut + 1, 2026])]
    # All of the half is near.
    plan = opened(60)
    assert plan.rows_left == 20
    assert asked(plan).after == BEGIN + 20 + 20


def test_who_keeps_the_order_takes_what_lies_eight_pages_ahead() -> None:
    """More would only wait in memory; where less is left, it is the half."""
    plan = opened(2020, ordered=True, workers=9)
    assert [asked(plan).after for _ in range(3)] == [BEGIN + at for at in (180, 341, 502)]
    assert opened(300, ordered=True).ask() == Ask(window=1, after=BEGIN + 160, before=BEGIN + 301)


def _half_read(*left: int) -> ParallelState:
    """Windows behind one another, of each of which ten rows in twenty seconds were read and so many are left."""
    windows, low = [], BEGIN
    for number, many in enumerate(left):
        high = low + 20 + 2 * many
        windows.append(Window(number=number, low=low, high=high, position=low + 20, rows=10, origin=low))
        low = high + 1
    return attrs.evolve(FRESH, windows=tuple(windows))


def _stolen(plan: Plan) -> Ask:
    for _ in plan.state().windows:
        asked(plan)
    return asked(plan)


def test_windows_that_have_ended_still_tell_how_dense_a_list_is() -> None:
    """Their rows and their seconds, to the last one of each, count for those that are left."""
    plan = led(_half_read(40, 60, 50), workers=3)
    asks = {ask.window: ask for ask in (asked(plan) for _ in range(3))}
    give(plan, asks[0], rows(30, 40), None)
    give(plan, asks[1], rows(130, 140), None)
    read, seconds_read = 12 + 12 + 10, 100 + 140 + 20
    assert plan.rows_left == pytest.approx(100 * (10 + 40) / (20 + 40 * seconds_read / read))


@pytest.mark.parametrize(
    ("left", "ordered", "victim", "kept"),
    [
        ((300, 400, 350), False, 1, 200),
        ((300, 400, 350), True, 0, 80),
        ((160, 400, 161), True, 1, 80),
        ((161, 400, 350), True, 0, 80),
        ((100, 120, 90), True, 1, 60),
        ((15, 16, 12), True, 1, 8),
    ],
)
def test_who_gives(left: tuple[int, ...], ordered: bool, victim: int, kept: int) -> None:
    """The window with the most rows left; where the order is kept, the first one with more than sixteen pages, for
    what it gives is read soonest. Its owner keeps half of them, or eight pages."""
    plan = led(_half_read(*left), ordered=ordered)
    assert plan.rows_left == sum(left)
    window = plan.state().windows[victim]
    stolen = _stolen(plan)
    assert window.position is not None
    assert window.high is not None
    assert stolen == Ask(window=3, after=window.position + 2 * kept, before=window.high + 1)


@pytest.mark.parametrize(("end", "taken"), [(20 + 30, False), (20 + 32, True)])
def test_a_page_and_a_half_is_left_to_its_owner(end: int, taken: bool) -> None:
    """Less than that, or just as much, is read sooner by one."""
    assert (opened(end).ask() is not None) is taken


def test_a_second_is_never_divided() -> None:
    """Rows of one second, however many they are expected to be, have one owner; the next second may have another."""
    plan = opened(20, first=rows(*[20] * 10))
    assert plan.ask() is None
    plan = opened(21, first=rows(*[20] * 10))
    assert plan.ask() is None
    # The next one has another owner where this one alone has more than the half.
    hot = Window(low=BEGIN, high=BEGIN + 1, position=BEGIN, rows=100, origin=BEGIN)
    assert _stolen(led(attrs.evolve(FRESH, windows=(hot,)))) == Ask(window=1, after=BEGIN, before=BEGIN + 2)
    plan = opened(22, first=rows(*[20] * 10))
    assert plan.ask() == Ask(window=1, after=BEGIN + 21, before=BEGIN + 23)


def test_no_window_begins_before_what_a_filter_can_say() -> None:
    """Ten digits: the lower part reaches at least so far."""
    early: list[Mark] = [(EARLIEST - 1000 + 2 * n, f"e{n}") for n in range(10)]
    plan = led()
    give(plan, asked(plan), early)
    plan.ask()
    plan.found_end([(EARLIEST + 400, "z")])
    asked(plan)
    assert asked(plan).after == EARLIEST


def test_the_longest_window_is_read_first() -> None:
    """Where the order is kept, the first one."""
    plan = led(_half_read(20, 40, 30))
    assert [asked(plan).window for _ in range(3)] == [1, 2, 0]
    plan = led(_half_read(20, 40, 30), ordered=True)
    assert [asked(plan).window for _ in range(3)] == [0, 1, 2]


def test_a_second_that_fills_a_page_is_read_first() -> None:
    """Nobody knows how many rows it has: it may be the longest of all."""
    plan = opened(4000)
    upper = asked(plan)
    give(plan, Ask(window=0, cursor="c"), rows(*[30] * 10))
    give(plan, upper, page(2011, 2400))
    assert asked(plan) == Ask(window=0, cursor="cr30-9", ahead=True, before=None)


def test_a_list_that_cannot_be_divided_is_not() -> None:
    """However many workers are idle, it is one cursor's, also where its window has an end."""
    windows = (Window(low=BEGIN, high=BEGIN + 9999, position=BEGIN + 10, rows=20, origin=BEGIN),)
    plan = led(attrs.evolve(WHOLE, windows=windows))
    asked(plan)
    assert plan.ask() is None


def test_a_window_that_has_ended_is_not_asked_for_again() -> None:
    """Its rows wait to be handed out, and who is idle takes from another one; it counts for nothing that is left."""
    plan = opened(2020)
    upper = asked(plan)
    plan.take(upper, page(1021, 1041), None)
    assert plan.rows_left == pytest.approx(80 * 0.5 + 920 * (10 + 40) / (20 + 40 * (20 + 999) / 20))
    third = asked(plan)
    assert (third.window, third.before) == (2, BEGIN + 1021)
    assert third.ahead is False


# -- room, and who goes ahead


def test_without_room_only_the_first_window_goes_on() -> None:
    """And only where the order is kept and its rows are what is waited for: not while its page is under way, or waits
    to be handed out, or when it has ended."""
    assert led().ask(room=False) is None
    plan = led(ordered=True)
    first = asked(plan, room=False)
    assert first == Ask(window=0, ahead=True)
    assert plan.ask(room=False) is None
    part = plan.take(first, page(0, 20), "c")
    assert plan.ask(room=False) is None
    plan.deliver(part)
    assert plan.ask(room=False) == Ask(window=0, cursor="c", ahead=True)
    plan.found_end(rows(2020))
    upper = asked(plan)
    assert upper.window == 1
    part = plan.take(Ask(window=0, cursor="c"), page(21, 41), None)
    give(plan, upper, page(181, 201))
    assert plan.ask(room=False) is None
    plan.deliver(part)
    assert plan.lowest == 1
    assert asked(plan, room=False).window == 1


def test_two_pages_that_wait_are_waited_for() -> None:
    """One handed out of two: the window's next page would only wait behind the other one."""
    plan = led(ordered=True)
    parts = [plan.take(asked(plan), page(0, 20), "a")]
    assert plan.ask() == AskEnd()
    parts.append(plan.take(asked(plan), page(21, 41), "b"))
    plan.deliver(parts[0])
    assert plan.ask(room=False) is None
    plan.deliver(parts[1])
    assert asked(plan, room=False).cursor == "b"


def test_the_longest_goes_ahead_until_another_has_waited_for_four_rounds() -> None:
    """Four pages for each worker came while that one waited; when it has come, the longest goes ahead again."""
    windows = (
        Window(number=1, low=BEGIN, high=BEGIN + 99_999, position=BEGIN + 20, rows=10, origin=BEGIN),
        Window(number=2, low=BEGIN + 100_000, high=BEGIN + 100_099, origin=BEGIN + 100_000),
    )
    plan = led(attrs.evolve(FRESH, windows=windows))
    longest, waits = asked(plan), asked(plan)
    assert [(ask.window, ask.ahead) for ask in (longest, waits)] == [(1, True), (2, False)]
    ahead = []
    for at in range(21, 210, 21):
        give(plan, longest, page(at, at + 20))
        longest = asked(plan)
        ahead.append(longest.ahead)
    assert ahead == [True] * 7 + [False] * 2
    give(plan, waits, page(100_000, 100_020))
    give(plan, longest, page(300, 320))
    assert [(ask.window, ask.ahead) for ask in (asked(plan), asked(plan))] == [(1, True), (2, False)]


def test_where_the_order_is_kept_the_first_window_goes_ahead() -> None:
    """Its rows are handed out next, however long another one is."""
    plan = opened(2020, ordered=True)
    upper = asked(plan)
    assert upper.ahead is False
    give(plan, Ask(window=0, cursor="c"), page(21, 41))
    give(plan, upper, page(181, 201))
    assert [(ask.window, ask.ahead) for ask in (asked(plan), asked(plan))] == [(0, True), (1, False)]
    assert plan.take(Ask(window=0, cursor="cr41-9"), page(42, 62), None).window == 0
    give(plan, Ask(window=1, cursor="cr201-9"), page(202, 222))
    # The first one has ended, though its rows are not handed out.
    assert (asked(plan).window, plan.lowest) == (1, 0)


def test_a_window_whose_turn_comes_after_the_end_of_the_first_goes_ahead() -> None:
    """What has ended is waited for by nobody."""
    plan = opened(2020, ordered=True)
    upper = asked(plan)
    plan.take(Ask(window=0, cursor="c"), page(21, 41), None)
    give(plan, upper, page(181, 201))
    assert asked(plan).ahead is True
