"""Cash of a plan: by plan year, cumulated, and in the currency of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from groundplan.catalog import Catalog
from groundplan.plan import Plan
from groundplan.spec import ExchangeRate, Factory

NOT_CASH = ("value_served", "shed_penalty", "resale", "residual")
"""Lines outside cash budgets (docs/conventions.md)."""


@dataclass(frozen=True, slots=True)
class CashPoint:
    """Cash up to the end of a period, undiscounted, in the currency that was asked for."""

    period: str
    end_month: int
    cash: float
    cumulative: float


@dataclass(frozen=True, slots=True)
class Cash:
    """Cash by plan year (from 1), undiscounted."""

    currency: str
    local_per_usd: float
    by_year: Mapping[int, float]

    @property
    def year1(self) -> float:
        return self.by_year[min(self.by_year)]

    @property
    def peak_year(self) -> int:
        """The year that takes most; the first of equals."""
        return max(self.by_year, key=lambda year: (self.by_year[year], -year))

    @property
    def peak(self) -> float:
        return self.by_year[self.peak_year]


def report_rate(factory: Factory, catalog: Catalog) -> ExchangeRate | None:
    """The dated exchange rate of the report currency: the file's, else the catalogue's; None for US dollars.

    Raises CatalogError where neither has one.
    """
    currency = factory.money.report_currency
    if currency == "USD":
        return None
    stated = next((rate for rate in factory.money.exchange_rates if rate.currency == currency), None)
    if stated is not None:
        return stated
    row = catalog.fx_rate(currency)
    return ExchangeRate(currency=currency, local_per_usd=row.fx_local_per_usd, dated=row.dated, source=row.source)


def cash_by_year(plan: Plan, rate: ExchangeRate | None = None) -> Cash:
    """What a plan pays in each plan year, as cash budgets count it; in US dollars without a rate."""
    year = {row.id: row.plan_year for row in plan.periods}
    found = dict.fromkeys(sorted(set(year.values())), 0.0)
    for period, cash in _by_period(plan, rate).items():
        found[year[period]] += cash
    return Cash(*_unit(rate), found)


def cumulative_cash(plan: Plan, rate: ExchangeRate | None = None) -> tuple[CashPoint, ...]:
    """The same, period by period and summed up."""
    total = 0.0
    points: list[CashPoint] = []
    for row, cash in zip(plan.periods, _by_period(plan, rate).values(), strict=True):
        total += cash
        points.append(CashPoint(row.id, row.start_month_count + row.months_count, cash, total))
    return tuple(points)


def _by_period(plan: Plan, rate: ExchangeRate | None = None) -> dict[str, float]:
    per_usd = _unit(rate)[1]
    found = dict.fromkeys((row.id for row in plan.periods), 0.0)
    for row in plan.costs:
        if row.line not in NOT_CASH:
            found[row.period] += row.usd * per_usd
    return found


def _unit(rate: ExchangeRate | None) -> tuple[str, float]:
    return (rate.currency, rate.local_per_usd) if rate else ("USD", 1.0)
