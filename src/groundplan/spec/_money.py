"""Money: conventions, offers, what is already owned, budgets."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from groundplan.spec._base import Count, Id, Month, NonNegative, Positive, PositiveCount, Share, Strict
from groundplan.spec._source import Source

Scope = Literal["node", "rack", "rack+network", "all-in site"]


class ExchangeRate(Strict):
    """Units of a currency for one US dollar, on a day."""

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    local_per_usd: Positive
    dated: date
    source: Source


class Overheads(Strict):
    """What comes on top of a node's price; shares are of the node price."""

    network_share: Share
    """Fabric and optics; only on offers whose scope is node or rack."""
    storage_usd_per_node: NonNegative
    spares_share: Share
    maintenance_per_year_rate: Share
    """Of the node price, for each installed node."""
    software_usd_per_gpu_year: NonNegative
    facility_life_years: Positive
    source: Source


class Money(Strict):
    """Conventions. All prices of the file are in US dollars."""

    report_currency: str = Field(pattern=r"^[A-Z]{3}$")
    discount_rate: float = Field(ge=0, le=0.5)
    """Nominal WACC per year; flows are discounted at mid-period."""
    hours_per_year: float = Field(default=8760, ge=8000, le=8784)
    energy_price_change_per_year_rate: float = Field(default=0.0, ge=-0.2, le=0.3)
    exchange_rates: tuple[ExchangeRate, ...] = ()
    overheads: Overheads


class Delivery(Strict):
    """No more than so many nodes of the offer, in all, can have been ordered by the end of the period of this month."""

    month: Month
    cumulative_nodes: Count


class PurchaseOffer(Strict):
    """A quote to buy nodes. One offer per server and site."""

    id: Id
    server: str
    sites: tuple[Id, ...] = Field(min_length=1)
    price_usd: Positive
    """Per node, on the plan's first day."""
    price_change_per_year_rate: float = Field(default=0.0, ge=-0.5, le=0.5)
    price_scope: Scope
    source: Source
    lead_months: Count
    lot_nodes: PositiveCount = 1
    deposit_share: Share = 0.3
    """Paid at order; the rest on delivery."""
    available_from: Month | None = None
    deliveries: tuple[Delivery, ...] = ()
    """Tranches; blank: no limit."""


class RentalOffer(Strict):
    """Nodes by the hour at a site that is not yours. Billed for every hour of the period, or term, they are held."""

    id: Id
    site: Id
    server: str
    term: Literal["on-demand", "1y", "3y"]
    price_usd_per_node_hour: Positive | None = None
    cloud_offer: str | None = None
    """Catalogue offer id, instead of a price."""
    quota_nodes: Count
    source: Source | None = None
    """Needed with a price; a catalogue offer has its own."""

    @model_validator(mode="after")
    def _one_price(self) -> Self:
        if (self.price_usd_per_node_hour is None) == (self.cloud_offer is None):
            raise ValueError("give either price_usd_per_node_hour or cloud_offer")
        if self.price_usd_per_node_hour is not None and self.source is None:
            raise ValueError("a price needs its source")
        return self


class TokenOffer(Strict):
    """A token API endpoint for named workloads, with the provider's latencies as quoted."""

    id: Id
    site: Id
    workloads: tuple[Id, ...] = Field(min_length=1)
    provider: str | None = None
    """With `provider_model`: price from the token price table of the catalogue."""
    provider_model: str | None = None
    input_usd_per_mtok: NonNegative | None = None
    output_usd_per_mtok: NonNegative | None = None
    ttft_ms: Positive
    tpot_ms: Positive
    quota_requests_per_s: Positive
    source: Source
    """Of the latencies, and of the price where it is typed in."""

    @model_validator(mode="after")
    def _one_price(self) -> Self:
        typed = (self.input_usd_per_mtok is not None, self.output_usd_per_mtok is not None)
        named = (self.provider is not None, self.provider_model is not None)
        if (all(typed), any(named)) != (True, False) and (any(typed), all(named)) != (False, True):
            raise ValueError("give either both token prices, or provider and provider_model")
        return self


class Move(Strict):
    """Another site that existing nodes may go to. On the way they serve nowhere and draw no power."""

    to: Id
    usd_per_node: Positive
    """Taking down, transport, insurance, duty at a border, setting up: paid when the nodes leave."""
    lead_months: Count
    """From the day the nodes leave to the day they run at `to`."""


class Existing(Strict):
    """Nodes that are already owned: kept, moved to another site (once at most), or retired and resold."""

    id: Id
    site: Id
    server: str
    nodes_count: PositiveCount
    bought_month: Month
    maintenance_usd_per_year: NonNegative
    """Per node."""
    resale_usd: NonNegative
    """Per node, on the plan's first day."""
    resale_decline_per_year_rate: Annotated[float, Field(ge=0, lt=1)]
    moves: tuple[Move, ...] = ()
    """Sites that they may go to; none: they stay where they are."""


class Budgets(Strict):
    """Hard caps by plan year (year 1 first); blank means no cap."""

    capex_usd_by_year: tuple[NonNegative, ...] = ()
    """Hardware, network, storage, spares, duty, power blocks, openings."""
    cash_usd_by_year: tuple[NonNegative, ...] = ()
    """Everything paid, capex included; value of service not netted."""
    carbon_tonnes_by_year: tuple[NonNegative, ...] = ()
