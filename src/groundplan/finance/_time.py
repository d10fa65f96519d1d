"""Value of money over time: discounting, annuities, what is left at the end of a horizon.

Rates are effective per year unless a name says otherwise. Formulas are those of docs/conventions.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from groundplan.errors import Issue, SpecError
from groundplan.finance._check import need

MONTHS_PER_YEAR = 12.0


def discount_factor(rate: float, months: float) -> float:
    """Worth today of one dollar paid after `months`: ``(1 + rate)^-(months / 12)``. Needs rate > -1."""
    need("discount_factor.rate", rate, above=-1)
    return math.exp(-need("discount_factor.months", months) / MONTHS_PER_YEAR * math.log1p(rate))


def capital_recovery_factor(rate_per_period: float, periods: float) -> float:
    """Payment per period that repays one dollar: ``r / (1 - (1 + r)^-n)``; r = 0: ``1 / n``.

    The rate is that of the period: 5 % a year paid monthly, as Hamilton (2010) reckons, is 0.05 / 12.
    """
    need("capital_recovery_factor.rate_per_period", rate_per_period, low=0)
    need("capital_recovery_factor.periods", periods, above=0)
    repaid = -math.expm1(-periods * math.log1p(rate_per_period))
    return rate_per_period / repaid if repaid > 0 else 1 / periods


def annuity_share_left(rate: float, life_months: float, age_months: float) -> float:
    """Unpaid part of the annuity of an asset: its residual value as a share of what was paid.

    ``(1 - (1 + r)^-(rest / 12)) / (1 - (1 + r)^-(life / 12))`` with rest = life - age; r = 0: rest / life;
    0 from the end of life on. Charging annuities inside a horizon, or paying in full and crediting this at
    its end, come to the same.
    """
    need("annuity_share_left.rate", rate, low=0)
    need("annuity_share_left.life_months", life_months, above=0)
    rest = max(life_months - need("annuity_share_left.age_months", age_months, low=0), 0.0)
    year_log = math.log1p(rate) / MONTHS_PER_YEAR
    whole = math.expm1(-life_months * year_log)
    return math.expm1(-rest * year_log) / whole if whole < 0 else rest / life_months


def npv(rate: float, months: Sequence[float], flows_usd: Sequence[float]) -> float:
    """Net present value: ``sum of (1 + rate)^-(months / 12) x flow``; as many months as flows."""
    _same_length("npv", months, flows_usd)
    return math.fsum(
        discount_factor(rate, when) * need("npv.flows_usd", flow) for when, flow in zip(months, flows_usd, strict=True)
    )


def levelised_cost(
    rate: float, months: Sequence[float], costs_usd: Sequence[float], quantities: Sequence[float]
) -> float:
    """Cost per unit, both discounted: ``NPV(costs) / NPV(quantities)``, in USD per unit of `quantities`.

    Quantities (GPU-hours, million tokens, parts ...) are discounted too, else a ramp looks dear or cheap by
    accident. The discounted quantity must be above 0.
    """
    _same_length("levelised_cost", months, quantities)
    for quantity in quantities:
        need("levelised_cost.quantities", quantity, low=0)
    amount = need("levelised_cost.quantities", npv(rate, months, quantities), above=0)
    return npv(rate, months, costs_usd) / amount


def _same_length(where: str, months: Sequence[float], others: Sequence[float]) -> None:
    if len(months) != len(others):
        what = f"{len(months)} months for {len(others)} values"
        raise SpecError(Issue("finance-length", where, what, "state one month for each value"))
