"""The window: what a server can see of it at the most, and how much of the rate it uses."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiochargebee_gw._policy.limits import Trips, Window

from .drive import Drive
from .strict import most

ways = st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 2.0)), min_size=1, max_size=80)


@given(st.integers(1, 12), st.integers(1, 20), ways)
def test_no_window_of_the_servers_holds_more_than_the_limit(
    limit: int, tasks: int, drawn: list[tuple[float, float]]
) -> None:
    """Whenever the server counts a request between its start and its end, no second ever holds more than allowed."""
    drive = Drive(Window(limit, 1.0), limit, tasks=tasks).run(drawn)
    assert len(drive.arrivals) == len(drawn)
    assert drive.refused == []
    assert most(drive.arrivals, 1.0 - 1e-6) <= limit


@given(
    st.integers(1, 12),
    st.floats(0, 0.2),
    st.floats(0.001, 0.4),
    st.lists(st.tuples(st.floats(0, 0.3), st.floats(0, 0.5)), min_size=1, max_size=300),
)
def test_dated_back_by_the_fastest_trip_it_still_holds(
    limit: int, up: float, back: float, extras: list[tuple[float, float]]
) -> None:
    """With completions dated back no second holds more than allowed, as long as the fastest way there and the fastest
    way back together take as long as that: here the first trip is the fastest that there can be."""
    drawn = [(up, back), *((up + more, back + again) for more, again in extras)]
    drive = Drive(Window(limit, 1.0, Trips()), limit).run(drawn)
    assert drive.refused == []


def test_a_way_that_gets_shorter_is_refused_at_the_most_once_a_place() -> None:
    """The bound of dating back: when all trips suddenly take half as long, one period's places may come too early,
    then the shorter way is known."""
    drawn = [(0.4, 0.4)] * 200 + [(0.2, 0.2)] * 400
    drive = Drive(Window(10, 1.0, Trips()), 10).run(drawn)
    assert 0 < len(drive.refused) <= 10
    assert Drive(Window(10, 1.0), 10).run(drawn).refused == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("service", "jitter"), [(0.05, 0.01), (0.15, 0.04), (0.4, 0.04)])
def test_dating_back_uses_the_rate(seed: int, service: float, jitter: float) -> None:
    """Without dating back 1 / (1 + round trip) of the rate is used; with it, the round trip counts only by what is
    above nine tenths of the fastest. Nothing is refused, from the first request on."""
    draw = random.Random(seed)
    drawn = [(0.005 + jitter * draw.random(), service + 0.005 + jitter * draw.random()) for _ in range(500)]
    # Ten connections are opened at first.
    drawn[:10] = [(up * 3, back) for up, back in drawn[:10]]
    late = [0.002 * draw.random() for _ in range(97)]
    plain = Drive(Window(10, 1.0), late=late).run(drawn)
    ours = Drive(Window(10, 1.0, Trips()), late=late).run(drawn)
    assert plain.refused == ours.refused == []
    assert plain.rate < ours.rate
    trips = [sum(way) for way in drawn[10:]]
    mean, fastest = sum(trips) / len(trips), min(trips)
    for drive, lost in ((plain, mean), (ours, mean - 0.9 * fastest)):
        steady = drive.arrivals[100:]
        rate = (len(steady) - 10) / (steady[-1] - steady[0]) / 10
        assert rate == pytest.approx(1 / (1 + lost), rel=0.02)


def test_nothing_is_dated_back_before_enough_is_known() -> None:
    """As many trips as ever ran at once may each have opened a connection: twenty more must follow. A 429 undoes it."""
    trips = Trips()
    for _ in range(5):
        trips.began()
    for _ in range(5):
        trips.ended(0.3)
    for _ in range(19):
        trips.began()
        trips.ended(0.1)
    assert (trips.back, trips.fastest) == (0.0, 0.1)
    trips.began()
    trips.ended(None)
    assert trips.back == 0.0
    trips.began()
    trips.ended(0.1)
    mean = (5 * 0.3 + 20 * 0.1) / 25
    assert trips.back == pytest.approx(0.09 - 2 * (mean - 0.1) / math.sqrt(20))
    for _ in range(100_000):
        trips.began()
        trips.ended(0.1)
    assert trips.back == pytest.approx(0.09, rel=1e-3)
    trips.forget()
    assert (trips.back, trips.fastest) == (0.0, math.inf)


def test_what_is_uncertain_is_not_dated_back() -> None:
    """Trips that differ widely say little about the fastest that there can be: nothing is made of them."""
    trips = Trips()
    for number in range(30):
        trips.began()
        trips.ended(0.01 if number == 0 else 5.0)
    assert trips.back == 0.0


def test_a_place_that_was_not_used_is_free_at_once() -> None:
    """A request that never left does not count."""
    window = Window(1, 1.0)
    assert window.wait(0.0) == 0
    window.take()
    assert window.wait(0.0) == math.inf
    assert window.least(0.0) == 0.0
    window.give_back(0.0, sent=False)
    assert window.wait(0.0) == 0
    window.take()
    window.give_back(0.5, sent=True)
    assert window.wait(0.5) == window.least(0.5) == 1.0
    assert window.wait(1.5) == 0


def test_a_closed_window_lets_nobody_through() -> None:
    """After a 429 everybody waits until the same moment; an earlier one does not shorten it. Trips are learned anew."""
    window = Window(math.inf, 1.0, Trips())
    window.take()
    window.give_back(0.0, sent=True, trip=0.1)
    window.close(5.0)
    window.close(3.0)
    assert window.wait(2.0) == 3.0
    assert not window.idle(2.0)
    assert window.wait(5.0) == 0
    assert window.trips is not None
    assert window.trips.fastest == math.inf


def test_a_window_that_opens_is_not_empty() -> None:
    """A 429 does not make places: when its time is over who finds the window full waits on. What is certain is counted
    for both, and those under way may end at any moment."""
    window = Window(2, 10.0)
    for moment in (0.0, 4.0):
        window.take()
        window.give_back(moment, sent=True)
    window.close(6.0)
    assert (window.closed(5.0), window.wait(5.0), window.least(5.0), window.used(5.0)) == (1.0, 1.0, 5.0, 2)
    assert (window.wait(6.0), window.closed(7.0)) == (4.0, 0.0)
    window = Window(2, 10.0)
    window.take()
    window.take()
    window.close(6.0)
    assert (window.wait(6.0), window.least(5.0)) == (math.inf, 1.0)


def test_a_closed_window_forgets_what_is_old() -> None:
    """What was sent a period ago is not counted any more, also while nobody is let through."""
    window = Window(2, 1.0)
    window.take()
    window.give_back(0.0, sent=True)
    window.close(100.0)
    assert window.used(50.0) == 0


def test_a_window_without_a_limit_remembers_nothing() -> None:
    """Where nothing is counted nothing is kept: millions of requests take no memory, and the window stays idle."""
    window = Window(math.inf, 1.0)
    for _ in range(3):
        window.take()
        window.give_back(0.0, sent=True)
    assert (window.used(0.0), window.left(0.0)) == (0, [])
    assert window.idle(0.0)
    window.take()
    assert not window.idle(0.0)


def test_only_a_good_answer_is_dated_back() -> None:
    """A refusal, or an answer that never came, may have been counted at its very end: its place is taken for the whole
    period, also when the way is well known."""
    window = Window(3, 1.0, Trips())
    for _ in range(40):
        window.take()
        window.give_back(0.0, sent=True, trip=0.5)
    for trip, sent, seconds in ((None, True, 1.0), (0.5, True, 0.55)):
        window.wait(100.0)
        for _ in range(3):
            window.take()
            window.give_back(100.0, sent=sent, trip=trip)
        assert window.wait(100.0) == pytest.approx(seconds)
        window.wait(101.0)


def test_trips_that_may_have_opened_connections_are_not_enough() -> None:
    """Forty requests that begin together may each open a connection: their trips alone date nothing back."""
    window = Window(50, 1.0, Trips())
    for _ in range(40):
        window.take()
    for _ in range(40):
        window.give_back(0.0, sent=True, trip=0.5)
    assert set(window.left(0.0)) == {1.0}


def test_a_request_that_never_left_has_no_trip() -> None:
    """What did not reach the server says nothing about the way to it."""
    trips = Trips()
    window = Window(3, 1.0, trips)
    window.take()
    window.give_back(0.0, sent=False, trip=0.001)
    assert trips.fastest == math.inf


def test_less_than_one_in_a_period_is_one_in_a_longer_one() -> None:
    """Half a request per second is one in two seconds. One and a half is one in a second: no more than a whole number
    can be counted."""
    for limit, seconds in ((0.5, 2.0), (1.0, 1.0), (1.5, 1.0)):
        window = Window(limit, 1.0)
        window.take()
        window.give_back(0.0, sent=True)
        assert window.wait(0.0) == seconds


def test_a_limit_that_is_lowered_waits_for_as_many_as_are_too_many() -> None:
    """With five places taken and three allowed, the third to come free is the first that is given again."""
    window = Window(5, 1.0)
    for number in range(5):
        window.take()
        window.give_back(number / 10, sent=True)
    window.limit = 3
    assert window.wait(0.5) == pytest.approx(0.7)
    assert window.used(0.5) == 5


def test_what_a_dead_loop_had_under_way_counts_as_sent() -> None:
    """Places that nobody can give back any more are free after a period."""
    window = Window(2, 1.0)
    window.take()
    window.take()
    assert window.left(3.0) == [1.0, 1.0]
    window.abandon(3.0)
    assert window.wait(3.0) == 1.0
    assert window.left(3.25) == [0.75, 0.75]
    assert window.left(4.0) == []
    assert window.wait(4.0) == 0
    assert window.idle(4.0)
