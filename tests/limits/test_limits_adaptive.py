"""The limit of a site whose plan is not known."""

from __future__ import annotations

import math

import pytest

from aiochargebee_gw._policy.adaptive import Adaptive, learned
from aiochargebee_gw._policy.limits import Window

from .drive import Drive


def _send(window: Adaptive, count: int, now: float, seconds: float = 0.0) -> None:
    for number in range(count):
        window.take()
        window.give_back(now + seconds * number / count, sent=True)


def _refuse(window: Adaptive, now: float) -> None:
    window.take()
    window.refused(now)
    window.give_back(now, sent=True)


@pytest.mark.parametrize(
    ("sent", "before", "limit"),
    [
        (150, math.inf, 150),
        (141, math.inf, 150),
        (163, math.inf, 150),
        (1000, math.inf, 1000),
        (940, math.inf, 1000),
        (3500, math.inf, 3500),
        (100, math.inf, 90),
        (400, math.inf, 360),
        (150, 150, 135),
        (165, 165, 150),
        (6000, math.inf, 5400),
        (3, math.inf, 75),
        (3, 75, 37),
        (3, 29, 15),
        (3, 1000, 500),
        (0, 20, 15),
    ],
)
def test_what_a_refusal_teaches(sent: int, before: float, limit: int) -> None:
    """Near a plan's number it is the plan's; else, or where the plan was kept to, others share the site."""
    assert learned(sent, before) == limit


def test_nothing_is_held_back_before_the_first_refusal() -> None:
    """Without a refusal there is no limit, whatever is sent."""
    window = Adaptive()
    _send(window, 20_000, 0.0)
    assert window.wait(0.0) == 0.0
    assert window.wait(1e6) == 0.0
    assert window.idle(1e6)


def test_the_plan_is_found_by_its_refusal() -> None:
    """150 in a minute and a refusal: from then on the window is the plan's, and waits until the minute has passed."""
    window = Adaptive()
    _send(window, 150, 0.0, 15.0)
    _refuse(window, 15.0)
    assert window.limit == 150
    assert window.wait(15.0) == pytest.approx(45.1, abs=0.11)


def test_one_minutes_refusals_teach_once() -> None:
    """Calls that were under way together are refused together: they are one lesson."""
    window = Adaptive()
    _send(window, 150, 0.0)
    for _ in range(20):
        _refuse(window, 1.0)
    assert window.limit == 150
    _refuse(window, 60.9)
    assert window.limit == 150
    _refuse(window, 61.0)
    assert window.limit == 75


@pytest.mark.parametrize("asked", [False, True])
def test_a_refusal_while_the_site_is_closed_teaches_the_same(asked: bool) -> None:
    """A 429 of another kind has closed the site for two minutes, and calls wait, when the minute's own refusal comes:
    what was sent in the minute before it still counts."""
    window = Adaptive()
    _send(window, 150, 0.0, 15.0)
    window.close(135.0)
    assert not asked or window.least(15.0) == 120.0
    _refuse(window, 15.0)
    assert window.limit == 150


def test_it_widens_slowly() -> None:
    """A tenth more each five minutes; a plan's number is kept for an hour; steps that nobody saw are not made up."""
    window = Adaptive()
    _send(window, 100, 0.0)
    _refuse(window, 0.0)
    assert window.limit == 90
    window.wait(299.0)
    assert window.limit == 90
    window.wait(300.0)
    assert window.limit == 99
    now = 300.0
    while window.limit < 150:
        now += 300.0
        window.wait(now)
    assert window.limit == 150
    window.wait(now + 3599)
    assert window.limit == 150
    window.wait(now + 36_000)
    assert window.limit == 165


def test_beyond_all_plans_there_is_no_limit_again() -> None:
    """A site that takes thousands more than any plan has one of its own, which need not be kept to."""
    window, now = Adaptive(), 0.0
    _send(window, 9000, 0.0)
    _refuse(window, 0.0)
    assert window.limit == 8100
    for _ in range(10):
        now += 300.0
        window.wait(now)
    assert window.limit == math.inf
    assert window.wait(now) == 0.0


class Told(Adaptive):
    """As the gates do: a refusal closes the window, and is learned from."""

    def close(self, until: float) -> None:
        super().close(until)
        self.refused(until - 1.0)


@pytest.mark.parametrize("plan", [150, 1000])
def test_against_a_strict_site_one_refusal_is_enough(plan: int) -> None:
    """A client that always has work, on a site of a plan it does not know, for twenty minutes: it is refused for the
    requests that were under way when the plan was full, and never again. Unlimited, it is refused all the time."""
    drive = Drive(Told(), plan, period=60.0, tasks=10).run([(0.05, 0.2)] * (plan * 20))
    assert 1 <= len(drive.refused) <= 10
    assert drive.refused[-1] - drive.refused[0] < 1.0
    assert len(Drive(Window(math.inf, 60.0), plan, period=60.0, tasks=10).run([(0.05, 0.2)] * plan * 5).refused) > 100


def test_an_idle_site_may_be_forgotten_when_its_lesson_is_old() -> None:
    """What was learned is kept for an hour after the refusal, else a site that is seldom used learns it every time."""
    window = Adaptive()
    _send(window, 150, 0.0)
    _refuse(window, 0.0)
    assert not window.idle(100.0)
    assert window.idle(3600.0)
    window.take()
    assert not window.idle(3600.0)
