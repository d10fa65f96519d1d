"""Cash by year, cumulated, in another currency; break-even between two plans and in utilisation."""

from __future__ import annotations

import csv
import json
import math
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import SpecError
from groundplan.finance import (
    NOT_CASH,
    break_even,
    break_even_hours,
    break_even_utilisation,
    cash_by_year,
    convention,
    cumulative_cash,
    discount_factor,
    report_rate,
)
from groundplan.plan import CostRow, Plan

sys.path.append(str(Path(__file__).resolve().parents[1] / "verify"))
from sample import PERIODS, sample


@pytest.fixture(scope="module")
def made():
    return sample()


@pytest.fixture(scope="module")
def plan(made) -> Plan:
    return made[0]


def paying(plan: Plan, *usd: float) -> Plan:
    """The plan with these cloud bills, period by period, and nothing else."""
    rows = tuple(CostRow(period=period, line="cloud", usd=one) for period, one in zip(PERIODS, usd, strict=True))
    return plan.model_copy(update={"costs": rows})


def test_cash_leaves_out_what_budgets_leave_out(plan):
    cash = cash_by_year(plan)
    assert set(cash.by_year) == {1, 2}
    for year, periods in ((1, ("q1", "q2", "q3", "q4")), (2, ("y2",))):
        paid = sum(row.usd for row in plan.costs if row.period in periods and row.line not in NOT_CASH)
        assert cash.by_year[year] == pytest.approx(paid, rel=1e-12)
    assert cash.year1 == cash.by_year[1]
    assert cash.peak == max(cash.by_year.values()) == cash.by_year[cash.peak_year]
    assert cash_by_year(paying(plan, 1, 0, 0, 0, 1)).peak_year == 1


def test_cumulative_cash_ends_at_the_sum(plan):
    points = cumulative_cash(plan)
    assert [point.end_month for point in points] == [3, 6, 9, 12, 24]
    assert points[-1].cumulative == pytest.approx(sum(cash_by_year(plan).by_year.values()), rel=1e-12)
    assert points[3].cumulative == pytest.approx(cash_by_year(plan).year1, rel=1e-12)


def test_the_report_currency_has_a_dated_rate(made, plan):
    rate = report_rate(made[1].factory, made[2])
    assert (rate.currency, rate.local_per_usd, str(rate.dated)) == ("KRW", 1250, "2026-06-01")
    assert cash_by_year(plan, rate).year1 == pytest.approx(1250 * cash_by_year(plan).year1, rel=1e-12)
    assert cash_by_year(plan, rate).currency == "KRW"
    money = made[1].factory.money.model_copy(update={"report_currency": "USD"})
    assert report_rate(made[1].factory.model_copy(update={"money": money}), made[2]) is None


# --- two plans ---


def test_break_even_by_hand(plan):
    rent = paying(plan, 300, 300, 300, 300, 1200)
    assert break_even(paying(plan, 1200, 0, 0, 0, 0), rent, 0).month == pytest.approx(12)
    assert break_even(paying(plan, 1050, 0, 0, 0, 0), rent, 0).month == pytest.approx(10.5)
    assert break_even(paying(plan, 1800, 0, 0, 0, 0), rent, 0).month == pytest.approx(18)
    assert break_even(paying(plan, 2401, 0, 0, 0, 0), rent, 0).month is None
    assert break_even(rent, rent, 0.08).month == 0
    early, late = paying(plan, 200, 500, 0, 0, 0), paying(plan, 300, 300, 300, 0, 0)
    # Ahead for a quarter, then behind by 100, even again after a third of the next: only the last time counts.
    assert break_even(early, late, 0).month == pytest.approx(7)


def test_interest_delays_the_break_even(plan):
    own, rent = paying(plan, 1200, 0, 0, 0, 0), paying(plan, 300, 300, 300, 300, 1200)
    found = break_even(own, rent, 0.1, convention("lenovo-2026"))
    worth = [discount_factor(0.1, month) for month in (1.5, 4.5, 7.5, 10.5, 18)]
    owed = 1200 * worth[0] - 300 * sum(worth[:4])
    assert found.month == pytest.approx(12 + 12 * owed / (1200 * worth[4]))
    assert found.ahead_usd == pytest.approx(1200 * worth[4] - owed)
    assert (found.discount_rate, found.convention.name) == (0.1, "lenovo-2026")


def test_plans_of_different_files_have_no_break_even(plan):
    with pytest.raises(SpecError, match="different files"):
        break_even(plan, plan.model_copy(update={"spec_hash": "another"}), 0.08)


flows = st.lists(st.integers(-5, 20), min_size=5, max_size=5)


@given(flows, flows, st.sampled_from([0.0, 0.08, 0.3]))
def test_after_the_break_even_the_one_is_never_dearer(mine, theirs, rate):
    plan = sample_plan()
    found = break_even(paying(plan, *mine), paying(plan, *theirs), rate)
    ends = [0, 3, 6, 9, 12, 24]
    worth = [discount_factor(rate, (a + b) / 2) for a, b in pairwise(ends)]
    gains = [w * (b - a) for w, a, b in zip(worth, mine, theirs, strict=True)]

    def lead(month: float) -> float:
        shares = [min(max((month - a) / (b - a), 0), 1) for a, b in pairwise(ends)]
        return sum(share * gain for share, gain in zip(shares, gains, strict=True))

    after = [month / 8 for month in range(193) if found.month is not None and month / 8 >= found.month]
    assert all(lead(month) >= -1e-9 for month in after)
    if found.month is None:
        assert lead(24) < 0
    elif found.month > 0:
        assert lead(found.month) == pytest.approx(0, abs=1e-9)
        assert lead(found.month - 1e-3) < 0


_KEPT: list[Plan] = []


def sample_plan() -> Plan:
    if not _KEPT:
        _KEPT.append(sample()[0])
    return _KEPT[0]


# --- utilisation ---


def test_break_even_utilisation_by_hand():
    assert break_even_utilisation(1.2, 3.0) == pytest.approx(0.4)
    assert break_even_utilisation(1.2, 3.0, 0.6) == pytest.approx(0.5)
    assert break_even_utilisation(4.0, 3.0) == pytest.approx(4 / 3), "not even when always busy"
    assert break_even_utilisation(1.0, 0.5, 0.5) == math.inf
    assert break_even_utilisation(0.0, 3.0) == 0


@given(st.floats(0.01, 50), st.floats(0.01, 50), st.floats(0, 5))
def test_at_the_break_even_both_cost_the_same(own, saving, busy):
    share = break_even_utilisation(own, busy + saving, busy)
    assert own / share + busy == pytest.approx(busy + saving, rel=1e-6)


def test_break_even_utilisation_agrees_with_published_hours(shared: Path):
    """Lenovo: after H hours of use owning is cheaper; over a life of L hours that is a utilisation of H / L."""
    life_h, checked = 5 * 8760, 0
    with (shared / "truth" / "tco.csv").open(encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["case_id"].startswith("lenovo2025_")]
    for row in rows:
        given_row, said = json.loads(row["inputs"]), json.loads(row["outputs"])
        if "capex_usd" not in given_row or "breakeven_hours" not in said:
            continue
        cloud, power = given_row["cloud_usd_per_h"], given_row["onprem_opex_usd_per_h"]
        share = break_even_utilisation(given_row["capex_usd"] / life_h, cloud, power)
        assert share * life_h == pytest.approx(said["breakeven_hours"], rel=4e-4)
        assert share * life_h == pytest.approx(break_even_hours(given_row["capex_usd"], cloud, power), rel=1e-12)
        checked += 1
    assert checked >= 3


@pytest.mark.parametrize("bad", [math.nan, -1.0, math.inf])
def test_impossible_prices_are_refused(bad):
    for prices in ((bad, 2, 1), (1, bad, 1), (1, 2, bad)):
        with pytest.raises(SpecError, match="break_even_utilisation"):
            break_even_utilisation(*prices)
