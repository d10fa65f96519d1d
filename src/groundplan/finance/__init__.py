"""Finance: conventions of money over time, break-even, unit costs, and the check that nothing earns money by itself."""

from groundplan.finance._allocate import AllocatedRow
from groundplan.finance._break_even import (
    CONVENTIONS,
    Convention,
    break_even_hours,
    break_even_months,
    break_even_utilisation,
    convention,
    discounted_break_even_months,
)
from groundplan.finance._cash import NOT_CASH, Cash, CashPoint, cash_by_year, cumulative_cash, report_rate
from groundplan.finance._crossing import BreakEven, break_even
from groundplan.finance._focus import FOCUS_COLUMNS, focus_rows
from groundplan.finance._pump import MoneyPump, OfferTerms, money_pump
from groundplan.finance._stock import Stock
from groundplan.finance._time import (
    annuity_share_left,
    capital_recovery_factor,
    discount_factor,
    levelised_cost,
    npv,
)
from groundplan.finance._unit_costs import HourCost, IdleCost, UnitCost, UnitCosts, WorkloadCost, unit_costs

__all__ = [
    "CONVENTIONS",
    "FOCUS_COLUMNS",
    "NOT_CASH",
    "AllocatedRow",
    "BreakEven",
    "Cash",
    "CashPoint",
    "Convention",
    "HourCost",
    "IdleCost",
    "MoneyPump",
    "OfferTerms",
    "Stock",
    "UnitCost",
    "UnitCosts",
    "WorkloadCost",
    "annuity_share_left",
    "break_even",
    "break_even_hours",
    "break_even_months",
    "break_even_utilisation",
    "capital_recovery_factor",
    "cash_by_year",
    "convention",
    "cumulative_cash",
    "discount_factor",
    "discounted_break_even_months",
    "focus_rows",
    "levelised_cost",
    "money_pump",
    "npv",
    "report_rate",
    "unit_costs",
]
