"""Periods, buckets and discounting as tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from groundplan.finance import discount_factor
from groundplan.plan import PEAK, PeriodRow
from groundplan.spec import Bucket, Factory, month_number

WEEKDAYS, WEEKEND_DAYS, WEEK_HOURS = 5, 2, 168


@dataclass(frozen=True)
class Calendar:
    """Planning periods x time buckets; the last bucket is the design peak, which has no hours."""

    periods: tuple[PeriodRow, ...]
    buckets: tuple[Bucket, ...]
    start: str
    hours_per_year: float
    discount_rate: float

    @cached_property
    def bucket_ids(self) -> tuple[str, ...]:
        return (*(bucket.id for bucket in self.buckets), PEAK)

    @cached_property
    def start_month(self) -> NDArray[np.int64]:
        """[period] months from the start of the plan."""
        return np.array([period.start_month_count for period in self.periods])

    @cached_property
    def months(self) -> NDArray[np.int64]:
        """[period] length."""
        return np.array([period.months_count for period in self.periods])

    @property
    def horizon_months(self) -> int:
        return int(self.start_month[-1] + self.months[-1])

    @cached_property
    def hours(self) -> NDArray[np.float64]:
        """[period, bucket] hours; 0 in the peak bucket."""
        share = [bucket_share(bucket) for bucket in self.buckets] + [0.0]
        return np.outer(self.months / 12.0 * self.hours_per_year, share)

    @cached_property
    def discount(self) -> NDArray[np.float64]:
        """[period] factor at mid-period."""
        middles = self.start_month + self.months / 2
        return np.array([discount_factor(self.discount_rate, float(month)) for month in middles])

    @property
    def discount_at_end(self) -> float:
        return discount_factor(self.discount_rate, float(self.horizon_months))

    def arrival(self, period: int, lead_months: int) -> int | None:
        """Period in which an order of `period` arrives; None beyond the horizon."""
        ready = self.start_month[period] + lead_months
        late = np.flatnonzero(self.start_month >= ready)
        return int(late[0]) if late.size else None

    def offset(self, month: str) -> int:
        """Months from the start of the plan to a calendar month (negative before it)."""
        return month_number(month) - month_number(self.start)

    def overlaps(self, first: str | None, until: str | None) -> NDArray[np.bool_]:
        """[period] whether the period overlaps [first, until)."""
        begin = self.offset(first) if first else 0
        end = self.offset(until) if until else self.horizon_months
        return (self.start_month < end) & (self.start_month + self.months > begin)

    def calendar_months(self, period: int) -> list[int]:
        """1..12 of each month in a period."""
        first = month_number(self.start) + int(self.start_month[period])
        return [(first + k) % 12 + 1 for k in range(int(self.months[period]))]

    def year_fraction(self, period: int) -> float:
        """Years from the start of the plan to the end of the period: where growth is read."""
        return float(self.start_month[period] + self.months[period]) / 12.0


def bucket_share(bucket: Bucket) -> float:
    """Part of the 168 hours of a week."""
    days = {"weekday": WEEKDAYS, "weekend": WEEKEND_DAYS, "all": WEEKDAYS + WEEKEND_DAYS}[bucket.days]
    return days * sum(stop - start for start, stop in bucket.hours) / WEEK_HOURS


def calendar_of(factory: Factory) -> Calendar:
    """Months, then quarters, then years."""
    return Calendar(
        periods=_period_rows(factory),
        buckets=factory.buckets,
        start=factory.start,
        hours_per_year=factory.money.hours_per_year,
        discount_rate=factory.money.discount_rate,
    )


def _period_rows(factory: Factory) -> tuple[PeriodRow, ...]:
    spans = [1] * factory.periods.months + [3] * factory.periods.quarters + [12] * factory.periods.years
    rows: list[PeriodRow] = []
    start = 0
    for span in spans:
        row = PeriodRow(
            id=_period_id(factory.start, start, span),
            start_month_count=start,
            months_count=span,
            plan_year=start // 12 + 1,
        )
        rows.append(row)
        start += span
    return tuple(rows)


def _period_id(start: str, offset: int, span: int) -> str:
    """2027-03 (month), 2028-01..03 (quarter), 2029-01..12 (year): named by calendar months, whatever the start."""
    first = month_number(start) + offset
    last = first + span - 1
    name = f"{first // 12}-{first % 12 + 1:02d}"
    if span == 1:
        return name
    tail = f"{last % 12 + 1:02d}" if last // 12 == first // 12 else f"{last // 12}-{last % 12 + 1:02d}"
    return f"{name}..{tail}"
