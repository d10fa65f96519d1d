"""Finance: conventions of money over time, break-even, and the check that nothing earns money by itself."""

from groundplan.finance._break_even import (
    CONVENTIONS,
    Convention,
    break_even_hours,
    break_even_months,
    convention,
    discounted_break_even_months,
)
from groundplan.finance._pump import MoneyPump, OfferTerms, money_pump
from groundplan.finance._time import (
    annuity_share_left,
    capital_recovery_factor,
    discount_factor,
    levelised_cost,
    npv,
)

__all__ = [
    "CONVENTIONS",
    "Convention",
    "MoneyPump",
    "OfferTerms",
    "annuity_share_left",
    "break_even_hours",
    "break_even_months",
    "capital_recovery_factor",
    "convention",
    "discount_factor",
    "discounted_break_even_months",
    "levelised_cost",
    "money_pump",
    "npv",
]
