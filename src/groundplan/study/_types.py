"""What a comparison of alternatives found: a file of its own (``decision.json``), from which the report is drawn."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from groundplan.spec import Strict

Verdict = Literal["recommended", "same", "dearer", "undecided", "infeasible", "no-plan"]
"""same: the recommended plan is of this kind already. dearer: proved. undecided: inside the gaps of the two solves.
infeasible: no plan of this kind exists. no-plan: none was found in time."""


class Stay(Strict):
    """A workload that an alternative cannot take along, with the first rule that holds it back."""

    workload: str
    origin: str
    rule: str
    why: str


class Uplink(Strict):
    """What becomes of a workload at the places where it arises when those places lose their way out."""

    workload: str
    state: Literal["runs", "degrades", "stops"]
    local_share: float
    """Of the load of the last period, served where it arises."""


class Priced(Strict):
    """A price that a flip moves."""

    offer: str
    what: str
    """In words, such as ``HGX H200 8, on demand``."""
    price_usd: float
    unit: str
    """node, node-hour, or million input tokens."""
    kind: Literal["measured", "vendor", "assumed"]
    who: str


class Flip(Strict):
    """At which price an alternative would cost no more than the recommended plan, all else as it is.

    Prices move together, by one factor of today's. At and below `wins_below` the alternative costs less than the
    recommended plan at the same prices, and above `loses_above` more: both are proved, the first by a plan, the
    second by a bound. Between the two nothing is proved.
    """

    lever: str
    """In words, such as ``prices of public cloud nodes``."""
    prices: tuple[Priced, ...]
    wins_below: float | None
    """None: not even for nothing."""
    loses_above: float | None
    """None: nothing proves that it ever loses (its bound is below the recommended cost today)."""
    solves: int

    @property
    def rests_on_assumed(self) -> bool:
        """Then it is a threshold to check quotes against, never a verdict."""
        return any(price.kind == "assumed" for price in self.prices)


class Alternative(Strict):
    """One way to do it all, planned under the same rules."""

    id: str
    title: str
    verdict: Verdict
    stays: tuple[Stay, ...] = ()
    """Alternatives move what may move. Whatever stands here keeps the free choice that the recommended plan has."""
    reasons: tuple[str, ...] = ()
    """Of an infeasible one: what is in conflict, in words."""
    objective_usd: float | None = None
    bound_usd: float | None = None
    gap: float | None = None
    evaluated_usd: float | None = None
    """By `verify`, which found no fault where it stands here."""
    dearer_usd: tuple[float, float] | None = None
    """Interval of how much more it costs than the recommended plan."""
    year1_cash_usd: float | None = None
    peak_cash_usd: float | None = None
    peak_cash_year: int | None = None
    fte: int | None = None
    """Most people at any time."""
    months_to_full_service: int | None = None
    """Until nothing is shed any more; None: never."""
    ahead_from_month: float | None = None
    """From this month on the recommended plan has cost less cash (discounted) for good; None: not inside the plan."""
    uplink: tuple[Uplink, ...] = ()
    exposed: tuple[str, ...] = ()
    """Workloads that run where somebody outside the law of their data owns, operates or holds the keys."""
    flip: Flip | None = None


class Comparison(Strict):
    """The recommended plan beside every other way."""

    format: Literal["groundplan-decision-1"] = "groundplan-decision-1"
    name: str
    spec_hash: str
    catalog_hash: str
    alternatives: tuple[Alternative, ...] = Field(min_length=1)
    """The recommended one first, then by cost, then those without a plan."""

    @property
    def recommended(self) -> Alternative:
        return self.alternatives[0]
