"""Periods, buckets and discounting."""

from __future__ import annotations

import numpy as np
import pytest
from problem_cases import calendar, factory

from groundplan.problem import calendar_of

WEEK = [
    {"id": "shift", "days": "weekday", "hours": [[8, 12], [13, 18]]},
    {"id": "rest", "days": "weekday", "hours": [[0, 8], [12, 13], [18, 24]]},
    {"id": "weekend", "days": "weekend", "hours": [[0, 24]]},
]


def test_periods_are_named_by_their_calendar_months():
    made = calendar(months=3, quarters=3, years=1)
    assert [p.id for p in made.periods] == [
        "2027-01", "2027-02", "2027-03", "2027-04..06", "2027-07..09", "2027-10..12", "2028-01..12",
    ]  # fmt: skip
    assert made.months.tolist() == [1, 1, 1, 3, 3, 3, 12]
    assert made.start_month.tolist() == [0, 1, 2, 3, 6, 9, 12]
    assert [p.plan_year for p in made.periods] == [1] * 6 + [2]
    assert made.horizon_months == 24


def test_a_plan_year_begins_with_the_plan_and_a_name_says_both_calendar_years():
    made = calendar("2027-11", quarters=4, years=2)
    assert [p.id for p in made.periods] == [
        "2027-11..2028-01", "2028-02..04", "2028-05..07", "2028-08..10", "2028-11..2029-10", "2029-11..2030-10",
    ]  # fmt: skip
    assert [p.plan_year for p in made.periods] == [1, 1, 1, 1, 2, 3]
    assert made.calendar_months(0) == [11, 12, 1]
    assert made.calendar_months(4) == [11, 12, *range(1, 11)]


@pytest.mark.parametrize("hours_per_year", [8760.0, 8766.0])
def test_the_buckets_of_twelve_months_hold_the_hours_of_a_year(hours_per_year):
    money = factory().money.model_copy(update={"hours_per_year": hours_per_year})
    values = factory(periods={"months": 3, "quarters": 3, "years": 2}).model_copy(update={"money": money})
    hours = calendar_of(values).hours
    assert hours[:6].sum() == pytest.approx(hours_per_year)
    assert hours[6:].sum(axis=1) == pytest.approx([hours_per_year] * 2)
    assert hours[0].sum() == pytest.approx(hours_per_year / 12)


def test_hours_of_a_bucket_are_its_part_of_the_week_and_the_peak_has_none():
    profiles = [{"id": "p", "share_by_bucket": dict.fromkeys(("shift", "rest", "weekend"), 1.0)}]
    made = calendar_of(factory(buckets=WEEK, profiles=profiles))
    assert made.bucket_ids == ("shift", "rest", "weekend", "peak")
    assert made.hours[0] / made.hours_per_year * 168 == pytest.approx([45, 75, 48, 0])
    assert (made.hours[:, -1] == 0).all()


def test_an_order_arrives_in_the_first_period_that_begins_after_its_lead():
    made = calendar(months=3, quarters=3, years=1)
    assert made.arrival(2, 0) == 2
    assert made.arrival(0, 2) == 2
    assert made.arrival(0, 4) == 4  # April to June has begun when it comes in May
    assert made.arrival(5, 3) == 6
    assert made.arrival(5, 4) is None
    assert [made.arrival(t, 12) for t in range(7)] == [6, *[None] * 6]


def test_overlaps_is_month_by_month_overlap():
    made = calendar("2027-04", months=12, years=2)
    spans = [(None, None), ("2027-07", None), (None, "2028-03"), ("2028-06", "2028-07"), ("2026-01", "2027-04")]
    for first, until in spans:
        begin = made.offset(first) if first else 0
        end = made.offset(until) if until else made.horizon_months
        months = set(range(begin, end))
        expected = [bool(months & set(range(s, s + n))) for s, n in zip(made.start_month, made.months, strict=True)]
        assert made.overlaps(first, until).tolist() == expected
    assert made.overlaps("2028-06", "2028-07").tolist() == [False] * 12 + [True, False]
    assert not made.overlaps("2026-01", "2027-04").any()


def test_offsets_count_months_and_may_lie_before_the_start():
    assert [calendar(years=1).offset(m) for m in ("2026-12", "2027-01", "2029-03")] == [-1, 0, 26]


def test_discount_is_that_of_the_middle_of_a_period():
    made = calendar(months=12, years=1)
    middles = np.array([*(np.arange(12) + 0.5), 18.0])
    assert made.discount == pytest.approx(1.1 ** -(middles / 12))
    assert made.discount_at_end == pytest.approx(1.1**-2)
