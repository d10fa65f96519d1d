"""Break-even between two plans of one file: from which month on the cash of the one stays below the other's."""

from __future__ import annotations

from dataclasses import dataclass

from groundplan.errors import Issue, SpecError
from groundplan.finance._break_even import CONVENTIONS, Convention
from groundplan.finance._cash import cumulative_cash
from groundplan.finance._check import need
from groundplan.finance._time import discount_factor
from groundplan.plan import Plan

TIE = 1e-12  # of the larger cash: rounding, not a crossing


@dataclass(frozen=True, slots=True)
class BreakEven:
    """When one plan has cost less cash than another, for good, inside the horizon."""

    month: float | None
    """Months after the start; 0: from the start; None: not inside the horizon."""
    ahead_usd: float
    """Discounted cash of the other less that of the one at the end of the horizon."""
    discount_rate: float
    convention: Convention


def break_even(one: Plan, other: Plan, discount_rate: float, how: Convention = CONVENTIONS["groundplan"]) -> BreakEven:
    """The month from which the cumulative discounted cash of `one` stays at or below that of `other`.

    Cash as cash budgets count it: what is left at the end, resale and the value of service stand outside. Flows of a
    period are discounted at its middle and fall evenly over its months. Raises SpecError for plans of different files.
    """
    if (one.spec_hash, one.periods) != (other.spec_hash, other.periods):
        what = f"{one.name} and {other.name} are plans of different files"
        raise SpecError(Issue("finance-plans", "break_even", what, "plan the same file in both ways"))
    need("break_even.discount_rate", discount_rate, low=0)
    lead, size = [0.0], 0.0
    for row, mine, theirs in zip(one.periods, cumulative_cash(one), cumulative_cash(other), strict=True):
        factor = discount_factor(discount_rate, row.start_month_count + row.months_count / 2)
        lead.append(lead[-1] + factor * (theirs.cash - mine.cash))
        size = max(size, abs(theirs.cumulative), abs(mine.cumulative))
    ends = [0.0, *(float(row.start_month_count + row.months_count) for row in one.periods)]
    return BreakEven(_stays_above(ends, lead, TIE * size), lead[-1], discount_rate, how)


def _stays_above(months: list[float], lead: list[float], tie: float) -> float | None:
    """Least month from which a broken line stays at or above zero; None when it ends below."""
    below = [index for index, value in enumerate(lead) if value < -tie]
    if not below:
        return months[0]
    last = below[-1]
    if last == len(lead) - 1:
        return None
    share = lead[last] / (lead[last] - lead[last + 1])
    return months[last] + min(share, 1.0) * (months[last + 1] - months[last])
