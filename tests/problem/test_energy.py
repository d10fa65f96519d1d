"""What a kWh costs in a bucket, by brute force over the hours of a week; what a peak binds."""

from __future__ import annotations

from itertools import product
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from problem_cases import VALUES, calendar, catalog, factory

from groundplan.catalog import Tariff
from groundplan.problem import Calendar, calendar_of
from groundplan.problem._energy import (
    demand_charge_usd_per_kw_month,
    energy_price_usd_per_kwh,
    exchange_factor,
    ratchet_pairs,
)
from groundplan.spec import Factory

PRICES = {
    "weekday": ((9, 21, 200.0), (21, 9, 80.5)),
    "saturday": ((0, 24, 70.0),),
    "sunday": ((7, 19, 55.0), (19, 7, 40.0)),
}
DAYS = ["weekday"] * 5 + ["saturday", "sunday"]
WEEK = [
    {"id": "shift", "days": "weekday", "hours": [[8, 18]]},
    {"id": "rest", "days": "weekday", "hours": [[0, 8], [18, 24]]},
    {"id": "weekend", "days": "weekend", "hours": [[0, 24]]},
]
DAILY = [{"id": "late", "days": "all", "hours": [[20, 24]]}, {"id": "early", "days": "all", "hours": [[0, 20]]}]


def _tariff(**changes: Any) -> Tariff:
    """By season and day type; winter is dearer by a half."""
    energy = [
        {"season": months, "day_type": day, "hours": [[start, end]], "price_local_per_kwh": price * factor}
        for months, factor in (([12, 1, 2], 1.5), (list(range(3, 12)), 1.0))
        for day, rows in PRICES.items()
        for start, end, price in rows
    ]
    stated = catalog().tariff("grid").model_dump(exclude={"energy"})
    return Tariff.model_validate(stated | {"energy": energy, "levies_local_per_kwh": 5.0} | changes)


def _local_price(month: int, hour_of_week: int) -> float:
    """Local currency, levies included, by hand."""
    day, hour = DAYS[hour_of_week // 24], hour_of_week % 24
    rows = PRICES[day]
    base = next(p for start, end, p in rows if (start <= hour < end if start < end else not end <= hour < start))
    return (base * (1.5 if month in (12, 1, 2) else 1.0) + 5.0) * 1.1


def _in_bucket(bucket: dict[str, Any], hour_of_week: int) -> bool:
    weekend = hour_of_week // 24 >= 5
    return bucket["days"] in ("all", "weekend" if weekend else "weekday") and any(
        start <= hour_of_week % 24 < stop for start, stop in bucket["hours"]
    )


def _brute(made: Calendar, buckets: list[dict[str, Any]], shift_h: int, rate: float) -> np.ndarray:
    """[period, bucket] US dollars per kWh, hour after hour of each calendar month."""
    rows = []
    for period in made.periods:
        months = [(period.start_month_count + k) % 12 + 1 for k in range(period.months_count)]
        change = 1.02 ** ((period.start_month_count + period.months_count / 2) / 12)
        means = [
            fmean(_local_price(m, (h + shift_h) % 168) for m, h in product(months, range(168)) if _in_bucket(b, h))
            for b in buckets
        ]
        rows.append([mean * change / rate for mean in means] + [0.0])
    return np.array(rows)


def _prices(buckets: list[dict[str, Any]], offset_h: float) -> tuple[Factory, np.ndarray]:
    profiles = [{"id": "p", "share_by_bucket": {bucket["id"]: 1.0 for bucket in buckets}}]
    values = factory(buckets=buckets, profiles=profiles, periods={"months": 3, "quarters": 3, "years": 1})
    site = values.sites[0].model_copy(update={"utc_offset_h": offset_h})
    return values, energy_price_usd_per_kwh(values, site, _tariff(), calendar_of(values))


@pytest.mark.parametrize("buckets", [WEEK, DAILY])
def test_a_bucket_costs_the_mean_of_its_hours(buckets):
    values, prices = _prices(buckets, 9)
    assert prices == pytest.approx(_brute(calendar_of(values), buckets, 0, 1250))


@pytest.mark.parametrize("shift_h", [-4, 3, 8])
def test_hours_are_read_on_the_clock_of_the_site(shift_h):
    """Buckets of all days: what leaves one day at its end enters at the beginning of the week."""
    whole = [{"id": f"h{k}", "days": "all", "hours": [[k, k + 3]]} for k in range(0, 24, 3)]
    values, prices = _prices(whole, 9 + shift_h)
    assert prices == pytest.approx(_brute(calendar_of(values), whole, shift_h, 1250))


def test_prices_move_to_the_exchange_rate_of_the_file_where_it_states_one():
    values, tariff = factory(), _tariff()
    assert exchange_factor(values, tariff) == 1000 / 1250
    assert demand_charge_usd_per_kw_month(values, tariff) == pytest.approx(9000 * 1.1 / 1250)
    silent = factory(money={**VALUES["money"], "exchange_rates": []})
    assert exchange_factor(silent, tariff) == 1
    assert demand_charge_usd_per_kw_month(silent, tariff) == pytest.approx(9000 * 1.1 / 1000)


def test_a_peak_without_ratchet_binds_its_own_period_only():
    assert ratchet_pairs(_tariff(ratchet_months=0), calendar(months=12)) == ()


def test_a_peak_binds_while_it_is_younger_than_the_ratchet():
    pairs = ratchet_pairs(_tariff(ratchet_months=3), calendar(months=6))
    assert pairs == tuple((t, u) for t in range(6) for u in range(t) if t - u <= 3)


def test_a_long_period_binds_while_a_month_of_it_is_young_enough():
    years = calendar(years=3)
    assert ratchet_pairs(_tariff(ratchet_months=1), years) == ((1, 0), (2, 1))
    assert ratchet_pairs(_tariff(ratchet_months=12), years) == ((1, 0), (2, 1))
    assert ratchet_pairs(_tariff(ratchet_months=13), years) == ((1, 0), (2, 0), (2, 1))
    # Six months before January reach back to July: the peak of June is forgotten by then.
    assert ratchet_pairs(_tariff(ratchet_months=6, ratchet_season=[6]), years) == ()
    assert ratchet_pairs(_tariff(ratchet_months=6, ratchet_season=[7]), years) == ((1, 0), (2, 1))


def test_only_peaks_of_the_season_bind():
    pairs = ratchet_pairs(_tariff(ratchet_months=12, ratchet_season=[2, 7]), calendar(months=3, quarters=3, years=1))
    # July to September starts in month 6 of the plan and is 6 months old when the second year begins.
    assert pairs == ((2, 1), (3, 1), (4, 1), (5, 1), (5, 4), (6, 1), (6, 4))
    assert [u for t, u in pairs if t == 6] == [1, 4]
