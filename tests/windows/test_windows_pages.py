"""What a plan makes of the pages that come back: which rows are a window's, when it has ended, what is refused."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from aiochargebee_gw._axis import EARLIEST, Mark
from aiochargebee_gw._window import ParallelState, Window
from aiochargebee_gw.errors import PaginationError, RepeatedOffset
from aiochargebee_gw.windows import Ask, AskEnd, Part, Plan

from .lists import BEGIN, FRESH
from .script import asked, give, led, opened, page, rows, seconds

WHOLE = attrs.evolve(FRESH, split=False)
MIDDLE = Window(number=3, low=BEGIN + 10, high=BEGIN + 20, after=BEGIN + 9, before=BEGIN + 21, origin=BEGIN + 10)


def _middle(**changes: Any) -> ParallelState:
    return attrs.evolve(FRESH, windows=(attrs.evolve(MIDDLE, **changes),))


# -- rows


def test_a_windows_rows_are_those_of_its_seconds() -> None:
    """From its first second to its last; those beside it are of other windows, and those behind it end it."""
    plan = led(_middle())
    part = plan.take(asked(plan), rows(9, 10, 11, 20, None, 21, 22), "c")
    assert (part.window, part.rows) == (3, (1, 2, 3, 4))
    assert part.ids == ("r10-1", "r11-2", "r20-3", "rNone-4")
    assert (part.after.rows, part.after.position, part.after.high) == (4, BEGIN + 20, BEGIN + 20)
    assert plan.ask() is None
    assert not plan.finished
    plan.deliver(part)
    assert plan.finished


def test_a_window_ends_with_its_cursor_or_behind_its_last_second() -> None:
    """A page within it that has a cursor is not its last one."""
    for marks, cursor, more in (
        (rows(10, 20), "c", True), (rows(10, 20), None, False), (rows(10, 21), "c", False), ([], "c", True),
        ([], None, False), (rows(21), "c", False),
    ):  # fmt: skip
        plan = led(_middle())
        plan.deliver(plan.take(asked(plan), marks, cursor))
        assert (not plan.finished) is more
        assert plan.ask() == (
            Ask(window=3, after=BEGIN + 9, before=BEGIN + 21, cursor="c", ahead=True) if more else None
        )


def test_rows_of_a_second_that_was_read_again_come_once() -> None:
    """Their ids are kept with the second, and those of rows handed out of a page in hand with the state."""
    plan = led(_middle(position=BEGIN + 15, ids=("a", "b")))
    marks: list[Mark] = [(BEGIN + 14, "z"), (BEGIN + 15, "a"), (BEGIN + 15, "c"), (BEGIN + 16, "b"), (BEGIN + 16, "d")]
    part = give(plan, asked(plan), marks)
    assert part.ids == ("c", "d")
    assert (part.after.ids, part.after.position) == (("b", "d"), BEGIN + 16)
    again: list[Mark] = [(BEGIN + 16, "d"), (BEGIN + 16, "e"), (BEGIN + 17, None)]
    assert give(plan, asked(plan), again).ids == ("e", None)
    # One of those that were handed out may be on a later page than the others.
    plan = led(_middle(position=BEGIN + 15, ids=("a", "b")))
    assert give(plan, asked(plan), [(BEGIN + 15, "a"), (BEGIN + 16, "c")]).after.ids == ("b", "c")
    assert give(plan, asked(plan), [(BEGIN + 17, "b"), (BEGIN + 17, "d")]).ids == ("d",)


def test_what_is_printed_of_a_part_shows_no_ids() -> None:
    """They are the customers'."""
    part = Part(window=0, rows=(0,), ids=("secret",), after=Window(ids=("secret",), cursor="secret"))
    assert "secret" not in repr(part)


def test_rows_are_counted_as_they_are_handed_out() -> None:
    """What was read and not handed out is left in the state."""
    plan = opened(2020)
    first = plan.take(Ask(window=0, cursor="c"), page(21, 41), "d")
    second = plan.take(asked(plan), page(42, 62), "e")
    assert [(window.rows, window.cursor) for window in plan.state().windows] == [(10, "cr20-9")]
    assert plan.state().rows == 10
    before = plan.deliver(first)
    assert (before.cursor, before.rows, before.position) == ("cr20-9", 10, BEGIN + 20)
    assert [(window.rows, window.cursor) for window in plan.state().windows] == [(20, "d")]
    plan.deliver(second)
    assert (plan.state().rows, plan.state().windows[0].cursor) == (30, "e")


def test_a_list_is_finished_when_all_its_pages_were_handed_out() -> None:
    """Not when the last one has come: those before it may still wait."""
    plan = led()
    parts = [plan.take(asked(plan), page(0, 20), "c")]
    assert plan.ask() == AskEnd()
    parts.append(plan.take(asked(plan), page(21, 41), None))
    plan.deliver(parts[0])
    assert (plan.finished, plan.lowest) == (False, 0)
    plan.deliver(parts[1])
    assert (plan.finished, plan.state().rows) == (True, 20)


def test_a_state_can_be_told_with_a_window_as_it_was() -> None:
    """In the place of the one that it has now, with what others have taken from it since; also when it has ended."""
    plan = opened(2020)
    part = plan.take(Ask(window=0, cursor="c"), page(21, 41), "d")
    asked(plan)
    asked(plan)
    before = plan.deliver(part)
    told = plan.state(before)
    assert told.windows[0].high == plan.state().windows[0].high != BEGIN + 2020
    assert told.windows[0].cursor == "cr20-9"
    assert told.windows[1:] == plan.state().windows[1:] != ()
    ended = give(plan, Ask(window=0, cursor="d"), page(42, 62), None).after
    assert [window.number for window in plan.state().windows] == [1]
    undone = plan.state(attrs.evolve(ended, cursor="d", high=BEGIN + 7))
    assert sorted(window.number for window in undone.windows) == [0, 1]
    assert next(window for window in undone.windows if window.number == 0).high == BEGIN + 7


# -- one cursor


def test_one_cursor_reads_what_cannot_be_divided() -> None:
    """In whatever order, with every row; those that were handed out before are left out on the first pages."""
    plan = led(attrs.evolve(WHOLE, windows=(Window(ids=("b", "d", "e"), rows=3, cursor="x"),)))
    assert plan.ask() == Ask(window=0, cursor="x", ahead=True)
    part = give(plan, Ask(window=0, cursor="x"), [(BEGIN + 9, "a"), (BEGIN, "b"), (None, "c")], "c")
    assert (part.rows, part.ids, part.after.ids, part.after.rows) == ((0, 2), ("a", "c"), ("d", "e"), 5)
    part = give(plan, asked(plan), [(BEGIN + 5, "d"), (None, None)], "d")
    assert (part.ids, part.after.ids, part.after.rows) == ((None,), ("e",), 6)
    # A page without any of them: they do not come again, and what has their name is another row.
    assert give(plan, asked(plan), [(BEGIN + 5, "f")], "e").after.ids == ()
    assert give(plan, asked(plan), [(BEGIN + 5, "e")], None).ids == ("e",)
    assert plan.finished
    assert plan.whole is None


@pytest.mark.parametrize("marks", [rows(5, 4), rows(9, 9, None, 8)])
def test_a_first_page_out_of_order_makes_one_cursor_of_a_list(marks: list[Mark]) -> None:
    """All its rows are handed out, and nobody looks for the end. A page that begins before the last one shows it,
    too."""
    for late in (False, True):
        plan = led(workers=3)
        if late:
            give(plan, asked(plan), rows(5, 5, None, 7))
            assert plan.ask() == AskEnd()
            marks = rows(6, 8)
        assert len(give(plan, asked(plan), marks).rows) == len(marks)
        assert plan.whole
        assert plan.state().split is False
        plan.found_end(rows(99))
        asked(plan)
        assert plan.ask() is None
        assert plan.state().windows[0].high is None


def test_rows_of_one_second_and_rows_without_one_are_in_order() -> None:
    """Wherever they are, and also where a page begins in the second in which the last one ended."""
    plan = led()
    give(plan, asked(plan), rows(None, 5, 5, None, 7))
    assert plan.ask() == AskEnd()
    give(plan, asked(plan), rows(7, 7, 8))
    give(plan, asked(plan), rows(None, None))
    give(plan, asked(plan), rows(8, None, 9))
    assert plan.whole is None
    assert plan.state().rows == 13


def test_in_a_window_rows_out_of_order_end_the_listing() -> None:
    """Within a page, or behind the last one: where a window ends is known by the order alone."""
    for known, marks in ((None, rows(11, 10)), (None, rows(12, None, 11)), (BEGIN + 15, rows(14, 16))):
        plan = led(_middle(position=known, cursor="x"))
        with pytest.raises(PaginationError, match="order"):
            plan.take(asked(plan), marks, None)
    # Without a cursor the second is read again, from its beginning.
    plan = led(_middle(position=BEGIN + 15))
    assert plan.take(asked(plan), rows(14, 16), None).ids == ("r16-1",)


def test_a_filter_that_the_server_does_not_keep_to_ends_the_listing() -> None:
    """A row before the moment that was named; one at the moment itself may be, and one without any."""
    for marks, kept in ((rows(8), False), (rows(9), True), (rows(None, 8), False), (rows(None), True), ([], True)):
        plan = led(_middle())
        if kept:
            plan.take(asked(plan), marks, None)
        else:
            with pytest.raises(PaginationError, match="filter"):
                plan.take(asked(plan), marks, None)


def test_a_cursor_that_comes_again_and_empty_pages_for_ever_end_the_listing() -> None:
    """Full pages may come as many as there are, empty ones not; what comes behind a window's end is not looked at."""
    plan = led(attrs.evolve(FRESH, windows=(attrs.evolve(MIDDLE, high=BEGIN + 10_000),)))
    for at in range(150):
        give(plan, Ask(window=3, cursor=f"{at}"), rows(10 + at))
    with pytest.raises(PaginationError):
        for at in range(150):
            give(plan, Ask(window=3, cursor=f"empty {at}"), [])
    plan = led(_middle(cursor="x"))
    with pytest.raises(RepeatedOffset):
        plan.take(asked(plan), rows(11), "x")
    plan = led(_middle(cursor="x"))
    assert plan.take(asked(plan), rows(11, 21), "x").rows == (0,)


# -- the end


def test_a_last_row_without_the_field_means_one_cursor() -> None:
    """Such rows sort last, where no condition on the field would show them; a list that is empty now has none."""
    for marks in (rows(None), []):
        plan = led(workers=3)
        give(plan, asked(plan), page(0, 20))
        assert plan.ask() == AskEnd()
        plan.found_end(marks)
        assert plan.whole is not None
        asked(plan)
        assert (plan.ask(), plan.state().split) == (None, False)


def _ended(*marks: int) -> Plan:
    plan = led()
    give(plan, asked(plan), page(0, 20))
    assert plan.ask() == AskEnd()
    plan.found_end(rows(*marks))
    return plan


def test_the_end_is_that_of_the_list() -> None:
    """Only the first answer counts, and what comes below its first row says nothing against it. Where the list has
    been read to its last second there is nothing to divide, and it may go on behind it."""
    for marks, high in (((2020,), 2020), ((2020, 2020, 7), 2020), ((20,), None), ((20, 20, 7), None)):
        plan = _ended(*marks)
        plan.found_end(rows(9999) if high else rows(20))
        assert seconds((plan.state().windows[0].high,)) == [high]
        assert (plan.whole, plan.state().split) == (None, True)


@pytest.mark.parametrize("marks", [(7,), (0,), (2020, 5000), (20, 30)])
def test_an_end_that_is_none_means_one_cursor(marks: tuple[int, ...]) -> None:
    """A last row before one that was read, or before another of the same answer: the server does not sort the list
    downwards, and windows up to there would lose what is behind. The naive plan takes the first row's word for it."""
    plan = _ended(*marks)
    assert plan.whole == "the server does not sort it downwards"
    assert (plan.state().split, plan.state().windows[0].high) == (False, None)
    assert asked(plan) == Ask(window=0, cursor="cr20-9", ahead=True)
    assert plan.ask() is None
    assert len(give(plan, Ask(window=0, cursor="cr20-9"), page(21, 9999)).rows) == 10


def test_an_end_may_be_found_before_any_row_has_a_moment() -> None:
    """Rows without the field come first: the end is that of the others, of which nobody knows how many there are."""
    plan = led()
    give(plan, asked(plan), rows(None, None))
    assert plan.ask() == AskEnd()
    plan.found_end(rows(99))
    assert (plan.state().windows[0].high, plan.rows_left) == (BEGIN + 99, None)
    assert (asked(plan).window, plan.ask()) == (0, None)


def test_an_end_that_is_found_too_late_changes_nothing() -> None:
    """The window has ended meanwhile; or it is another one's, whose end is its own."""
    plan = led()
    give(plan, asked(plan), page(0, 20))
    assert plan.ask() == AskEnd()
    give(plan, asked(plan), page(21, 41), None)
    plan.found_end([])
    assert (plan.finished, plan.whole, plan.state().split) == (True, None, True)
    plan = led(_middle(high=None))
    plan.found_end(rows(99))
    assert plan.state().windows[0].high is None


# -- a cursor that is refused


def _refused(**changes: Any) -> Ask:
    plan = led(_middle(cursor="x", **changes))
    assert plan.expired(asked(plan))
    return asked(plan)


def test_a_refused_cursor_is_replaced_by_the_last_second() -> None:
    """The window is read again from there; from its own beginning where no row has told one, or one before what a
    filter can say."""
    assert _refused(position=BEGIN + 15) == Ask(window=3, after=BEGIN + 14, before=BEGIN + 21, ahead=True)
    assert _refused(position=None).after == BEGIN + 9
    assert _refused(position=EARLIEST, low=None, after=None, before=None).after is None
    assert _refused(position=EARLIEST + 1, low=None, after=None, before=None).after == EARLIEST
    assert _refused(position=EARLIEST, low=None, after=7, before=None).after == 7


def test_a_window_may_start_anew_after_each_page_that_brings_rows() -> None:
    """Twice without any new row, and it cannot go on. Its old cursors may come again after that. A page without rows
    alone is no such thing."""
    plan = led(_middle(position=BEGIN + 15, ids=("a",), cursor="x"))
    assert give(plan, asked(plan), [], "y").rows == ()
    assert plan.expired(asked(plan))
    give(plan, asked(plan), [(BEGIN + 15, "a"), (BEGIN + 16, "b")], "c")
    assert plan.expired(asked(plan))
    part = plan.take(asked(plan), [(BEGIN + 16, "b")], "x")
    assert part.rows == ()
    plan.deliver(part)
    ask = asked(plan)
    assert ask.cursor == "x"
    assert not plan.expired(ask)


def test_nothing_replaces_a_cursor_where_there_is_no_place() -> None:
    """An undivided list has none, nor is there anything to replace where no cursor was sent."""
    plan = led(attrs.evolve(WHOLE, windows=(Window(cursor="x", position=BEGIN),)))
    assert not plan.expired(asked(plan))
    plan = led(_middle(position=BEGIN + 15))
    assert not plan.expired(asked(plan))
