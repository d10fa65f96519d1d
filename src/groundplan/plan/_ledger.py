"""The ledger: what a plan pays, by period, line, place, item and workload."""

from __future__ import annotations

from typing import NamedTuple


class LedgerRow(NamedTuple):
    """Undiscounted US dollars of one line in one period, and where they fall (docs/conventions.md, Ledger).

    Rows of a period and line sum to the cost row of the plan. Residuals stand in the last period and fall at its end.
    """

    period: str
    line: str
    place: str
    """Site; for load that is shed, where the demand arises."""
    item: str
    """Offer, ``existing:id``, ``block:id``, server, or ``origin>site`` of a link; empty where one payment serves all
    that stands at the site (energy, people, opening) and where the workload says it all (shedding, value)."""
    workload: str
    """Of tokens, egress, shedding and value; else empty."""
    usd: float
