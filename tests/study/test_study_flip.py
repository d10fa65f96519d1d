"""Flip intervals are true, whatever the plans: checked on alternatives that are sets of straight lines."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from groundplan.study._flip import LEAST, Line, flip, loses_above
from groundplan.study._levers import Lever

usd = st.floats(0, 100, allow_nan=False)
lines = st.builds(Line, usd, usd)
LEVER = Lever("prices", (), lambda factory, _: factory)


def _cost(plans: list[Line], factor: float) -> float:
    return min(plan.at(factor) for plan in plans)


@given(plans=st.lists(lines, min_size=1, max_size=6), rival=lines, slack=st.floats(0, 0.1))
def test_plans_prove_a_win_and_bounds_prove_a_loss(plans: list[Line], rival: Line, slack: float) -> None:
    assume(_cost(plans, 1.0) > rival.at(1.0))

    def probe(factor: float) -> tuple[Line, float]:
        best = min(plans, key=lambda plan: plan.at(factor))
        return best, best.at(factor) * (1 - slack)

    first, bound = probe(1.0)
    found = flip(LEVER, rival, first, bound, probe)
    tiny = 1e-7 * (1 + rival.at(1.0))
    for k in range(101):
        factor = LEAST + (1 - LEAST) * k / 100
        if found.wins_below is not None and factor <= found.wins_below:
            assert _cost(plans, factor) <= rival.at(factor) + tiny
        if found.loses_above is not None and factor > found.loses_above:
            assert _cost(plans, factor) >= rival.at(factor) - tiny
    if found.wins_below is not None and found.loses_above is not None:
        assert found.wins_below <= found.loses_above + 1e-9


@given(plans=st.lists(lines, min_size=1, max_size=6), at=st.floats(0.1, 0.9), slope=st.floats(0, 0.9))
def test_without_a_gap_both_ends_meet(plans: list[Line], at: float, slope: float) -> None:
    least = min(plan.slope for plan in plans)
    assume(least > 1)
    rival = Line(_cost(plans, at) - at * slope * least, slope * least)  # flatter than all, and even at `at`

    def probe(factor: float) -> tuple[Line, float]:
        best = min(plans, key=lambda plan: plan.at(factor))
        return best, best.at(factor)

    found = flip(LEVER, rival, *probe(1.0), probe)
    assert found.wins_below is not None
    assert found.loses_above is not None
    assert found.wins_below <= at * (1 + 1e-9) + 1e-9
    assert found.loses_above >= at * (1 - 1e-9) - 1e-9
    if found.solves < 4:  # stopped because another solve said nothing new
        assert found.loses_above - found.wins_below <= 0.02


def test_never_not_even_for_nothing() -> None:
    dear, rival = Line(50, 10), Line(40, 0)
    found = flip(LEVER, rival, dear, dear.at(1.0), lambda factor: (dear, dear.at(factor)))
    assert found.wins_below is None
    assert found.loses_above == LEAST


def test_a_bound_below_the_rival_proves_no_loss() -> None:
    assert loses_above({1.0: 39.0}, Line(40, 0)) is None


def test_closed_form_crossing() -> None:
    # 10 + 20 f against 20: at half the price it is even.
    assert Line(10, 20).cheaper_up_to(Line(20, 0)) == pytest.approx(0.5)
    assert Line.through(20, 30) == Line(10, 20)
