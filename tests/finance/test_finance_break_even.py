"""Break-even against published studies, each under its own convention."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import SpecError
from groundplan.finance import (
    CONVENTIONS,
    Convention,
    break_even_hours,
    break_even_months,
    convention,
    discount_factor,
    discounted_break_even_months,
)

# Lenovo Press LP2225 (2025), 8 x H100 against AWS p5.48xlarge: cloud USD/h -> published hours.
LENOVO_2025 = {98.32: 8556, 77.43: 10890, 53.95: 15710}


@pytest.mark.parametrize(("cloud", "hours"), LENOVO_2025.items())
def test_lenovo_2025_hours(cloud: float, hours: float) -> None:
    assert break_even_hours(833_806, cloud, 0.87) == pytest.approx(hours, rel=2e-4)


def test_lenovo_2025_months_are_of_720_hours() -> None:
    hours = break_even_hours(833_806, 98.32, 0.87)
    assert round(break_even_months(hours, convention("lenovo-2025")), 1) == 11.9
    assert round(break_even_months(hours, convention("groundplan")), 1) == 11.7


def test_lenovo_rows_of_the_truth_table(shared: Path) -> None:
    rows = [(name, given, said) for name, given, said in _cases(shared, "lenovo2025_") if "capex_usd" in given]
    assert len(rows) == 4
    for name, given_row, said in rows:
        hours = break_even_hours(
            given_row["capex_usd"], given_row["cloud_usd_per_h"], given_row["onprem_opex_usd_per_h"]
        )
        assert hours == pytest.approx(said["breakeven_hours"], rel=4e-4), name
        months = break_even_months(hours, convention("lenovo-2025"))
        assert months == pytest.approx(said.get("breakeven_months", months), rel=0.03), name


def test_pan_cells_of_the_truth_table(shared: Path) -> None:
    """Every cell but the Gemini column, which does not follow from the price that the paper prints for it."""
    agrees = {
        (name, api): abs(_pan_months(given_row, api) - published) <= 0.06
        for name, given_row, said in _cases(shared, "pan2025_")
        for api, published in said["breakeven_months"].items()
    }
    assert len(agrees) >= 35
    assert {api for (_, api), same in agrees.items() if not same} == {"Gemini-2.5-Pro"}
    assert not any(same for (_, api), same in agrees.items() if api == "Gemini-2.5-Pro")


def _pan_months(row: dict, api: str) -> float:
    """Own and API both cost per busy hour; a month has 22 days of 8 hours."""
    price_in, price_out = row["api_usd_per_Mtok"][api]
    blended = row["input_share"] * price_in + (1 - row["input_share"]) * price_out
    hours_per_month = convention("pan-2025").hours_per_month
    assert hours_per_month == row["days_per_month"] * row["hours_per_day"]
    api_usd_per_hour = blended * row["tokens_per_s"] * 3600 / 1e6
    own_usd_per_hour = row["electricity_usd_per_month"] / hours_per_month
    hours = break_even_hours(row["capex_usd"], api_usd_per_hour, own_usd_per_hour)
    return break_even_months(hours, convention("pan-2025"))


def _cases(shared: Path, prefix: str) -> Iterator[tuple[str, dict, dict]]:
    with (shared / "truth" / "tco.csv").open(encoding="utf-8") as table:
        for row in csv.DictReader(table):
            if row["case_id"].startswith(prefix):
                yield row["case_id"], json.loads(row["inputs"]), json.loads(row["outputs"])


def test_a_published_claim_that_is_wrong_by_its_own_formula() -> None:
    """randomcalculators.com says that owning never breaks even in 4 years; its inputs say 35.6 months."""
    capex = 8 * 35_000 * 1.4
    month = Convention("its own", 400, 4800, "randomcalculators.com")
    own_usd_per_hour = (3000 + 8 * 0.7 * 1.4 * 400 * 0.12) / 400
    hours = break_even_hours(capex, 8 * 4.5, own_usd_per_hour)
    assert break_even_months(hours, month) == pytest.approx(35.6, abs=0.3)


def test_never_is_infinite() -> None:
    assert break_even_hours(1000, 2, 2) == math.inf
    assert break_even_months(math.inf, convention("groundplan")) == math.inf
    assert break_even_hours(0, 3, 2) == 0


def test_half_used_takes_twice_as_long() -> None:
    how = convention("groundplan")
    assert break_even_months(7300, how, 0.5) == 2 * break_even_months(7300, how) == 20
    for share in (0, 1.01, math.nan):
        with pytest.raises(SpecError, match="utilisation"):
            break_even_months(7300, how, share)


def test_conventions_are_named_and_sourced() -> None:
    assert all(name == one.name and one.source for name, one in CONVENTIONS.items())
    assert {one.hours_per_month for one in CONVENTIONS.values()} == {730, 720, 176, 730.5}
    assert all(one.hours_per_month * 12 == pytest.approx(one.hours_per_year, rel=0.015) for one in CONVENTIONS.values())
    with pytest.raises(SpecError, match="lenovo-2025"):
        convention("lenovo25")


@given(st.floats(1, 1e7), st.floats(1, 1e6), st.floats(0, 0.5))
def test_discounted_break_even_balances(capex: float, saving: float, rate: float) -> None:
    """The savings up to the answer, discounted month by month, repay the capex; never is really never."""
    months = discounted_break_even_months(capex, saving, rate)
    assert months >= capex / saving * (1 - 1e-9)
    if months == math.inf:
        assert saving * sum(discount_factor(rate, k) for k in range(1, 3000)) < capex
    elif months < 2000:
        whole = math.floor(months)
        repaid = saving * sum(discount_factor(rate, k) for k in range(1, whole + 1))
        assert repaid <= capex * (1 + 1e-9)
        assert repaid + saving * discount_factor(rate, whole + 1) >= capex * (1 - 1e-9)


def test_discounted_break_even_without_interest() -> None:
    assert discounted_break_even_months(1200, 100, 0) == 12
    assert discounted_break_even_months(1200, 100, 1e-12) == pytest.approx(12, rel=1e-9)
    assert discounted_break_even_months(1200, 0, 0.1) == math.inf
    assert discounted_break_even_months(0, 0, 0.1) == 0


@pytest.mark.parametrize("bad", [math.nan, -1.0, math.inf])
def test_impossible_prices_are_refused(bad: float) -> None:
    for prices in ((bad, 2, 1), (1, bad, 1), (1, 2, bad)):
        with pytest.raises(SpecError, match="break_even_hours"):
            break_even_hours(*prices)
