"""The ledger as charge rows with the column names of FOCUS 1.2 (focus.finops.org), and columns of our own (``x_``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from groundplan.finance._charges import CAPITAL, CAPITAL_LINES
from groundplan.finance._unit_costs import UnitCosts
from groundplan.plan import LedgerRow, Plan
from groundplan.spec import Factory, month_number

PAID_FOR = CAPITAL_LINES - {"residual"}
FOCUS_COLUMNS = (
    "BillingCurrency",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "ChargeDescription",
    "BilledCost",
    "EffectiveCost",
    "x_Period",
    "x_Line",
    "x_SiteId",
    "x_ServerId",
    "x_ItemId",
    "x_WorkloadId",
)


def focus_rows(
    plan: Plan, factory: Factory, ledger: Iterable[LedgerRow], costs: UnitCosts
) -> Iterator[Mapping[str, str | float]]:
    """Forecast charges in US dollars, undiscounted. BilledCost is what is paid, EffectiveCost what the period bears.

    What is bought is a Purchase (resale a Credit) with an EffectiveCost of 0, and comes back as Usage rows of the line
    ``capital`` with a BilledCost of 0. Running lines have both. Usage is split by workload; blank is idle. What is
    left at the end, the value of service and the penalty of what is shed are not charges and have no row.
    """
    dates = {row.id: _dates(factory, row.start_month_count, row.months_count) for row in plan.periods}
    for row in ledger:
        if row.line in PAID_FOR:
            category = "Credit" if row.line == "resale" else "Purchase"
            yield _row(dates, category, row.period, row.line, row.usd, 0.0, (row.place, "", row.item, ""))
    for made in costs.rows:
        billed = 0.0 if made.line == CAPITAL else made.usd
        names = (made.site, made.server, made.item, made.workload)
        yield _row(dates, "Usage", made.period, made.line, billed, made.usd, names)


def _row(
    dates: Mapping[str, tuple[str, str]],
    category: str,
    period: str,
    line: str,
    billed: float,
    effective: float,
    names: tuple[str, str, str, str],
) -> Mapping[str, str | float]:
    said = line.replace("_", " ")
    values = ("USD", *dates[period], category, said, billed, effective, period, line, *names)
    return dict(zip(FOCUS_COLUMNS, values, strict=True))


def _dates(factory: Factory, start: int, months: int) -> tuple[str, str]:
    """First moment of a period, and of the one after it."""
    first = month_number(factory.start) + start
    begin, end = (f"{number // 12:04d}-{number % 12 + 1:02d}-01T00:00:00Z" for number in (first, first + months))
    return begin, end
