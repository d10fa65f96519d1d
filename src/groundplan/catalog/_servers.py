"""Servers: the smallest thing one buys (8-GPU server, NVL72 rack, edge box, CPU server)."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import model_validator

from groundplan.catalog._base import Count, NamedRow, NotNegative, Positive, Share


class Server(NamedRow):
    """One node. `host_power_kw` is everything but the accelerators at load; a blank price needs a quote."""

    accelerator: str | None = None
    """Accelerator id; None for a CPU server."""
    accelerators_count: int = 0
    cpu_cores: Count | None = None
    host_memory_gb: Positive | None = None
    max_power_kw: Positive | None = None
    idle_power_kw: Positive | None = None
    host_power_kw: Positive | None = None
    cooling: Literal["air", "liquid"] = "air"
    liquid_heat_share: Share | None = None
    rack_units_count: NotNegative | None = None
    racks_share: Positive | None = None
    """Share of one rack position that the node occupies, by height (its heat may ask for more)."""
    nic_gb_per_s: Positive | None = None
    """Scale-out network of the whole node, per direction."""
    scaleup_domain_nodes_count: Count = 1
    life_years: Positive | None = None
    annual_failure_rate: NotNegative | None = None
    """Events per node and year that take the node out of service."""
    price_usd_low: Positive | None = None
    price_usd_high: Positive | None = None
    price_scope: Literal["node", "rack", "rack+network"] | None = None
    price_dated: date | None = None
    lead_months_low: NotNegative | None = None
    lead_months_high: NotNegative | None = None

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if (self.accelerator is None) != (self.accelerators_count == 0):
            raise ValueError(f"{self.id}: accelerator and accelerators_count must come together")
        _ordered(self.id, "price_usd", self.price_usd_low, self.price_usd_high)
        _ordered(self.id, "lead_months", self.lead_months_low, self.lead_months_high)
        if self.price_usd_low is not None and (self.price_scope is None or self.price_dated is None):
            raise ValueError(f"{self.id}: a price needs price_scope and price_dated")
        if self.idle_power_kw and self.max_power_kw and self.idle_power_kw >= self.max_power_kw:
            raise ValueError(f"{self.id}: idle_power_kw is not below max_power_kw")
        return self


def _ordered(row_id: str, what: str, low: float | None, high: float | None) -> None:
    if (low is None) != (high is None):
        raise ValueError(f"{row_id}: {what}_low and {what}_high must come together")
    if low is not None and high is not None and low > high:
        raise ValueError(f"{row_id}: {what}_low {low:g} exceeds {what}_high {high:g}")
