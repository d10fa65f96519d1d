"""Ground: zones where demand arises, sites that can host, links between them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from groundplan.spec._base import Count, CountryCode, Id, NonNegative, Positive, PositiveCount, Share, Strict

Tier = Literal["device", "robot", "line-edge", "site-dc", "colocation", "sovereign-cloud", "public-cloud", "token-api"]
ON_PREMISE_TIERS: frozenset[str] = frozenset({"device", "robot", "line-edge", "site-dc"})


class Zone(Strict):
    """A place where demand arises and nothing can be hosted (homes, roads, a plant without a server room)."""

    id: Id
    title: str
    country: CountryCode


class PowerBlock(Strict):
    """A build phase: power with its cooling and rack slots, bought as a whole."""

    id: Id
    usable_kw: Positive
    air_heat_kw: NonNegative
    liquid_heat_kw: NonNegative
    rack_slots_count: Count
    price_usd: NonNegative
    lead_months: Count
    max_count: PositiveCount = 1


class Staff(Strict):
    """People at a site: a step function of the nodes they look after."""

    existing_fte: Count
    """People already there, trained and paid only while the plan needs them."""
    min_fte: Count
    """Least number while the site is open."""
    nodes_per_fte: Positive
    salary_usd_per_year: NonNegative
    training_usd_per_fte: NonNegative
    """Once per person beyond those already there."""


class Hosting(Strict):
    """What a site offers to hardware that you own."""

    usable_kw: NonNegative
    """Facility kW behind the site's UPS tier, before any power block."""
    ups_tier: Literal["none", "n", "n+1", "2n"]
    pue_peak: float = Field(ge=1, le=3)
    """PUE on the hottest design hour: it binds the power limit."""
    air_heat_kw: NonNegative
    liquid_heat_kw: NonNegative
    rack_slots_count: Count
    rack_limit_kw: Positive
    """Most kW that one rack may draw and shed; a node denser than this has no place here."""
    blocks: tuple[PowerBlock, ...] = ()
    tariff: str
    """Catalogue tariff id."""
    contract_minimum_kw: NonNegative
    """Billed peak never falls below this while the site is open."""
    intra_bucket_peak_factor: float = Field(ge=1, le=3)
    """Quarter-hour peak over the mean of a bucket."""
    opening_usd: NonNegative = 0.0
    """Paid once, when your first nodes come. Needed, but for a site with existing hardware, which is open already."""
    space_usd_per_kw_month: NonNegative
    """Colocation or rent of room, per nameplate kW of installed nodes; energy is billed apart."""
    import_duty_share: Share
    staff: Staff


class Site(Strict):
    """A place that can run workloads. Five jurisdiction facts, because laws ask for different ones."""

    id: Id
    title: str
    tier: Tier
    country: CountryCode
    owner_country: CountryCode
    operator_country: CountryCode
    parent_country: CountryCode
    """Seat of the operator's ultimate parent."""
    key_holder_country: CountryCode
    utc_offset_h: float = Field(ge=-12, le=14)
    lan_rtt_p50_ms: NonNegative
    """Round trip inside the site, for demand that arises here."""
    lan_rtt_p99_ms: NonNegative
    pue: float = Field(ge=1, le=3)
    """Annual mean, for energy."""
    grid_carbon_kg_per_kwh: NonNegative
    hosting: Hosting | None = None
    """Blank: nothing of your own can stand here (clouds, token APIs)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.lan_rtt_p99_ms < self.lan_rtt_p50_ms:
            raise ValueError("lan_rtt_p99_ms is below lan_rtt_p50_ms")
        if self.hosting and self.hosting.pue_peak < self.pue:
            raise ValueError("hosting.pue_peak is below the mean pue")
        return self


class Link(Strict):
    """The way from where demand arises to where it is served, both directions."""

    origin: Id
    """Zone or site."""
    site: Id
    rtt_p50_ms: Positive
    rtt_p99_ms: Positive
    bandwidth_mbit_per_s: Positive
    """Each direction."""
    max_load_share: Share = 0.7
    price_usd_per_month: NonNegative
    """Paid from the first month in which the link carries anything to the last of the plan."""
    egress_usd_per_gb: NonNegative
    """Per GB from the site back to the origin."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.rtt_p99_ms < self.rtt_p50_ms:
            raise ValueError("rtt_p99_ms is below rtt_p50_ms")
        if self.origin == self.site:
            raise ValueError("a link from a site to itself: state lan_rtt on the site instead")
        return self
