"""Discounting and annuities against sums written out, limits at r = 0, and published cost models."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import SpecError
from groundplan.finance import (
    annuity_share_left,
    capital_recovery_factor,
    discount_factor,
    levelised_cost,
    npv,
)

rates = st.one_of(st.just(0.0), st.floats(0, 0.5))
lives = st.floats(1, 240)


def test_discount_factor_of_whole_years() -> None:
    assert discount_factor(0.1, 24) == pytest.approx(1 / 1.21, rel=1e-14)
    assert discount_factor(0.1, 0) == 1
    assert discount_factor(0, 100) == 1


@given(rates, st.floats(0, 240), st.floats(0, 240))
def test_discounting_in_two_steps_is_discounting_once(rate: float, first: float, second: float) -> None:
    once = discount_factor(rate, first + second)
    assert discount_factor(rate, first) * discount_factor(rate, second) == pytest.approx(once, rel=1e-12)


@given(rates, st.integers(1, 120))
def test_recovery_repays_the_loan(rate: float, periods: int) -> None:
    """Debt written forward, period by period, ends at nothing."""
    debt = 1.0
    payment = capital_recovery_factor(rate, periods)
    for _ in range(periods):
        debt = debt * (1 + rate) - payment
    assert debt == pytest.approx(0, abs=1e-9 * (1 + rate) ** periods)


def test_recovery_without_interest_is_a_straight_line() -> None:
    assert capital_recovery_factor(0, 36) == pytest.approx(1 / 36, rel=1e-15)
    assert capital_recovery_factor(1e-12, 36) == pytest.approx(1 / 36, rel=1e-9)
    assert capital_recovery_factor(5e-324, 36) == pytest.approx(1 / 36)


@given(rates, st.integers(1, 20), st.data())
def test_share_left_is_the_worth_of_the_payments_to_come(rate: float, years: int, draw: st.DataObject) -> None:
    """With yearly annuities: what is left at a whole age is the present value of the rest."""
    age = draw.draw(st.integers(0, years))
    payment = capital_recovery_factor(rate, years)
    to_come = sum(payment / (1 + rate) ** k for k in range(1, years - age + 1))
    assert annuity_share_left(rate, 12 * years, 12 * age) == pytest.approx(to_come, rel=1e-9, abs=1e-12)


@given(rates, lives, st.floats(0, 300), st.floats(0, 300))
def test_share_left_falls_from_one_to_nothing(rate: float, life: float, one: float, other: float) -> None:
    young, old = sorted((one, other))
    early, late = annuity_share_left(rate, life, young), annuity_share_left(rate, life, old)
    assert 0 <= late <= early <= 1
    assert annuity_share_left(rate, life, 0) == 1
    assert annuity_share_left(rate, life, life) == 0


@given(rates, lives, st.floats(0, 1))
def test_share_left_is_no_less_than_the_straight_line(rate: float, life: float, part: float) -> None:
    assert annuity_share_left(rate, life, part * life) >= (1 - part) - 1e-9


def test_share_left_without_interest() -> None:
    assert annuity_share_left(0, 60, 15) == 0.75
    assert annuity_share_left(1e-13, 60, 15) == pytest.approx(0.75, rel=1e-9)
    assert annuity_share_left(5e-324, 60, 15) == 0.75
    assert annuity_share_left(0.08, 60, 24) == pytest.approx((1 - 1.08**-3) / (1 - 1.08**-5), rel=1e-14)


@given(rates, lives, st.floats(0, 1))
def test_paying_and_crediting_is_paying_annuities(rate: float, life: float, part: float) -> None:
    """Price minus discounted residual = the annuity stream of the horizon, written as an integral."""
    age = part * life
    paid = 1 - discount_factor(rate, age) * annuity_share_left(rate, life, age)
    whole = 1 - discount_factor(rate, life)
    stream = (1 - discount_factor(rate, age)) / whole if whole > 1e-6 else part
    assert paid == pytest.approx(stream, abs=1e-5)


def test_npv_of_an_annuity() -> None:
    months = [12 * k for k in range(1, 6)]
    payment = 100_000 * capital_recovery_factor(0.08, 5)
    assert npv(0.08, [0, *months], [-100_000, *[payment] * 5]) == pytest.approx(0, abs=1e-8)
    assert npv(0, months, [1, 2, 3, 4, 5]) == 15


@given(
    rates, st.lists(st.tuples(st.floats(0, 120), st.floats(0.1, 1e6)), min_size=1, max_size=12), st.floats(0.01, 1e3)
)
def test_constant_unit_cost_is_its_own_levelised_cost(rate: float, rows: list, unit: float) -> None:
    months, amounts = zip(*rows, strict=True)
    found = levelised_cost(rate, months, [unit * amount for amount in amounts], amounts)
    assert found == pytest.approx(unit, rel=1e-9)


def test_levelised_cost_discounts_the_hours_too() -> None:
    found = levelised_cost(0.1, [0, 12], [100, 0], [0, 50])
    assert found == pytest.approx(100 / (50 / 1.1), rel=1e-12)


def test_hamilton_2010_shares() -> None:
    """Overall data centre costs, J. Hamilton (2010): 57/8/18/13/4 % of 3.53 MUSD a month.

    Loans at 5 % a year, paid monthly: servers over 3 years, network over 4, facility over 10 (82 % of it power
    and cooling). Shares and total are published; the inputs are from memory, the facility solved back.
    """
    monthly = {
        "servers": 45_978 * 1450 * capital_recovery_factor(0.05 / 12, 36),
        "network": 12.81e6 * capital_recovery_factor(0.05 / 12, 48),
        "power and cooling": 0.82 * 72e6 * capital_recovery_factor(0.05 / 12, 120),
        "power": 8000 * 0.8 * 1.45 * 0.07 * 730,
        "other": 0.18 * 72e6 * capital_recovery_factor(0.05 / 12, 120),
    }
    total = sum(monthly.values())
    assert total == pytest.approx(3.53e6, rel=2e-3)
    shares = [round(100 * value / total) for value in monthly.values()]
    assert shares == [57, 8, 18, 13, 4]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, -2.0])
def test_impossible_rates_are_refused(bad: float) -> None:
    with pytest.raises(SpecError, match=r"discount_factor\.rate"):
        discount_factor(bad, 12)
    with pytest.raises(SpecError, match=r"annuity_share_left\.rate"):
        annuity_share_left(bad, 60, 12)
    with pytest.raises(SpecError, match="rate_per_period"):
        capital_recovery_factor(bad, 12)


@pytest.mark.parametrize(("life", "age"), [(0, 0), (-1, 0), (60, -1), (math.nan, 0), (60, math.nan)])
def test_impossible_ages_are_refused(life: float, age: float) -> None:
    with pytest.raises(SpecError, match="annuity_share_left"):
        annuity_share_left(0.08, life, age)


def test_flows_without_their_months_are_refused() -> None:
    with pytest.raises(SpecError, match="2 months for 1 values"):
        npv(0.08, [0, 12], [1])
    with pytest.raises(SpecError, match="at least 0"):
        levelised_cost(0.08, [0], [1], [-1])
    with pytest.raises(SpecError, match="above 0"):
        levelised_cost(0.08, [0], [1], [0])
    with pytest.raises(SpecError, match="nan"):
        npv(0.08, [0], [math.nan])
