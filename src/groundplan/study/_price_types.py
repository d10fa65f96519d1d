"""Types of a price: the question, one row a way, the verdict, the whole answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from groundplan.catalog import Country, Tariff
from groundplan.spec import Precision, Source
from groundplan.study._price_break import BreakEven
from groundplan.study._price_ways import Terms, WayKind


@dataclass(frozen=True, slots=True)
class PriceQuestion:
    """What is asked. Lengths are lognormal with a coefficient of variation of 1, arrivals Poisson."""

    model: str
    load_per_s: float
    prompt_tokens: float = 1000.0
    output_tokens: float = 250.0
    ttft_ms: float = 2000.0
    tpot_ms: float = 60.0
    percentile: float = 0.95
    network_ms: float = 0.0
    load_factor: float = 0.5
    """Mean load over peak load, while the service runs."""
    region: str = "KR"
    """Country of the ground that is wanted: ISO code or name."""
    tariff: str | None = None
    """Electricity tariff of own servers; blank: the usual connection of the region."""
    hours_per_year: float | None = None
    """Hours in which the service runs; blank: those of the convention."""
    rate: float = 0.09
    life_years: float = 5.0
    convention: str = "groundplan"
    staff_usd_per_month: float = 0.0
    allowed_precisions: tuple[Precision, ...] = ()


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One way. Dollars a month at the middle of price and capacity, and at the ends of their 90 % band."""

    way: WayKind
    name: str
    """Server, or provider."""
    region: str
    country: str
    """ISO code; blank where the ground is not stated."""
    what: str
    term: str
    usd_per_month: float
    low_usd_per_month: float
    high_usd_per_month: float
    usd_per_mtok: float
    """Prompt and output tokens together."""
    usd_per_output_mtok: float
    """The whole cost laid on output tokens alone."""
    exact: bool
    """False: never among the cheapest, so its staffing was not simulated; it costs at least this."""
    nodes: int | None
    replicas: int | None
    peak_use: float | None
    """Peak load over what all replicas that fit on the nodes could do in saturation; None for tokens."""
    lines_usd: Mapping[str, float]
    price: str
    price_dated: date | None
    price_assumed: bool
    sources: tuple[Source, ...]
    offers_count: int = 1
    """Offers of this provider and region that serve the model; the row is the cheapest."""


@dataclass(frozen=True, slots=True)
class PriceVerdict:
    """The cheapest way of a scope against the best other way."""

    scope: str
    winner: PriceRow
    other: PriceRow | None
    clear: bool
    """Whether the winner's band lies below those of all other ways."""
    own_wins_below_usd: tuple[float, float, float] | None
    """Price of one server below which owning is cheapest in the scope: middle, and the ends by model error."""
    rival_wins_below_usd: float | None = None
    """Price of a rented hour below which the winner stays cheapest; only where the stated one is assumed."""


@dataclass(frozen=True, slots=True)
class PriceAnswer:
    """Everything that `groundplan price` says."""

    question: PriceQuestion
    terms: Terms
    region: Country
    on: date
    tariff: Tariff | None
    energy_usd_per_kwh: float | None
    mtok_per_month: float
    rows: tuple[PriceRow, ...]
    """Cheapest first; own by server, rent by provider and region, tokens by provider."""
    verdicts: tuple[PriceVerdict, ...]
    break_even: tuple[BreakEven, ...]
    refusals: tuple[tuple[str, str], ...]
    conventions: tuple[str, ...]

    def of(self, way: WayKind) -> tuple[PriceRow, ...]:
        """The rows of one way."""
        return tuple(row for row in self.rows if row.way == way)
