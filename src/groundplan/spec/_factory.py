"""The whole file."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from groundplan.spec._base import Count, Id, Month, PositiveCount, Share, Strict
from groundplan.spec._law import DataClass, HeldPermit, Rule
from groundplan.spec._measured import MeasuredSpeed
from groundplan.spec._models import OwnModel
from groundplan.spec._money import Budgets, Existing, Money, PurchaseOffer, RentalOffer, TokenOffer
from groundplan.spec._place import Link, Site, Zone
from groundplan.spec._work import AnyWorkload, OnPremiseFloor


def or_paths(entry: dict[str, Any]) -> None:
    """Items may be paths too; they are replaced by what the file holds before types are checked."""
    entry["items"] = {"anyOf": [entry["items"], {"type": "string"}]}


class Periods(Strict):
    """Months first, then quarters, then years; no period may straddle a plan year."""

    months: Count
    quarters: Count = 0
    years: Count = 0

    @model_validator(mode="after")
    def _aligned(self) -> Self:
        if self.months + self.quarters + self.years == 0:
            raise ValueError("the plan has no period")
        if self.quarters and self.months % 3:
            raise ValueError("months must be a multiple of 3 where quarters follow")
        if self.years and (self.months + 3 * self.quarters) % 12:
            raise ValueError("months and quarters must fill whole years where years follow")
        return self


class Bucket(Strict):
    """Hours of the week with one level of load and price. Buckets cover each hour of the week exactly once."""

    id: Id
    days: Literal["weekday", "weekend", "all"]
    hours: tuple[tuple[int, int], ...] = Field(min_length=1)
    """[from, to) in the plan's clock, such as [8, 18]."""


class Profile(Strict):
    """Share of the peak in each bucket."""

    id: Id
    share_by_bucket: dict[Id, Share]


DEFAULT_CONFIDENCE_SHARE = 0.9
LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.5, 0.99


def _number_or_expected(value: object) -> object:
    """One fault instead of one for each branch of the union."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value == "expected" or (number and LEAST_CONFIDENCE <= float(value) <= MOST_CONFIDENCE):
        return value
    raise ValueError(f"give a number from {LEAST_CONFIDENCE} to {MOST_CONFIDENCE}, or the word expected")


SpeedConfidence = Annotated[
    Annotated[float, Field(ge=LEAST_CONFIDENCE, le=MOST_CONFIDENCE)] | Literal["expected"],
    BeforeValidator(_number_or_expected),
]


class SolveSettings(Strict):
    """When the solver may stop."""

    gap_share: float = Field(default=0.005, ge=0, le=0.2)
    max_search_nodes: PositiveCount = 100_000
    max_solve_s: PositiveCount = 45
    """A plan stopped by this clock says ``reproducible: false``."""


class Factory(Strict):
    """One company on one page: ground, work, law, money, dates."""

    groundplan: Literal[1]
    """Version of this file format."""
    name: Id
    title: str
    synthetic: bool
    """True where sizes or quotes are invented; every report says so."""
    start: Month
    periods: Periods
    utc_offset_h: float = Field(ge=-12, le=14)
    """Clock of buckets and profiles."""
    buckets: tuple[Bucket, ...] = Field(min_length=1, max_length=8)
    profiles: tuple[Profile, ...] = ()
    money: Money
    data_classes: tuple[DataClass, ...] = Field(min_length=1)
    rules: tuple[Rule, ...] = ()
    """House and contract rules, beside those of the catalogue."""
    law: tuple[Id, ...] | None = None
    """Ids of the catalogue rules to apply; blank: all of them."""
    held_permits: tuple[HeldPermit, ...] = ()
    zones: tuple[Zone, ...] = ()
    sites: tuple[Site, ...] = Field(min_length=1)
    links: tuple[Link, ...] = ()
    models: tuple[OwnModel, ...] = ()
    """Models that the catalogue does not have."""
    measured: tuple[MeasuredSpeed, ...] = Field(default=(), json_schema_extra=or_paths)
    """Speeds that you measured: paths of anchors files (of `groundplan anchor`), or their rows."""
    workloads: tuple[AnyWorkload, ...] = Field(min_length=1)
    speed_confidence_share: SpeedConfidence = DEFAULT_CONFIDENCE_SHARE
    """Probability with which all service levels are to hold together, given how far speeds may be off; pools are
    planned as much slower as that asks for. `expected`: at the middle of the intervals, for who measures first."""
    purchases: tuple[PurchaseOffer, ...] = ()
    rentals: tuple[RentalOffer, ...] = ()
    token_offers: tuple[TokenOffer, ...] = ()
    existing: tuple[Existing, ...] = ()
    budgets: Budgets = Budgets()
    on_premise_floors: tuple[OnPremiseFloor, ...] = ()
    solve: SolveSettings = SolveSettings()
