"""The planning problem: sets and parameter tables, eligibility mask applied, every refusal kept with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from groundplan.plan import MoveRefusalRow, PointRow, RefusalRow, StaffingRow
from groundplan.problem._calendar import Calendar
from groundplan.problem._demand import Commodity, Job
from groundplan.problem._pools import Pool
from groundplan.spec import Factory, Link, PowerBlock, Site, TokenOffer


@dataclass(frozen=True)
class Cell:
    """One eligible way to serve one commodity: pool x operating point, with its staffing."""

    commodity: int
    pool: int
    point: PointRow
    staffing: StaffingRow
    allowed: NDArray[np.bool_]
    """[period]"""
    least_replicas: int
    key: str

    @property
    def load_max(self) -> float:
        """Largest staffed load, in replicas' worth."""
        return max(tangent.load_max for tangent in self.staffing.tangents)


@dataclass(frozen=True)
class BatchCell:
    """One eligible way to run one job."""

    job: int
    pool: int
    point: PointRow
    allowed: NDArray[np.bool_]
    gang_nodes: float
    key: str


@dataclass(frozen=True)
class TokenCell:
    """One commodity at one token API."""

    offer: TokenOffer
    commodity: int
    usd_per_unit: float
    allowed: NDArray[np.bool_]
    key: str


@dataclass(frozen=True)
class PowerSite:
    """A site of your own with its prices resolved."""

    site: Site
    energy_usd_per_kwh: NDArray[np.float64]
    """[period, bucket]"""
    demand_usd_per_kw_month: float
    ratchet: tuple[tuple[int, int], ...]
    """(period, earlier period) whose measured peak still binds."""
    pools: tuple[int, ...]
    starts_open: bool


@dataclass(frozen=True)
class Problem:
    """Everything the program needs; built once, never changed."""

    factory: Factory
    spec_hash: str
    catalog_hash: str
    calendar: Calendar
    commodities: tuple[Commodity, ...]
    jobs: tuple[Job, ...]
    pools: tuple[Pool, ...]
    cells: tuple[Cell, ...]
    batch_cells: tuple[BatchCell, ...]
    token_cells: tuple[TokenCell, ...]
    sites: tuple[PowerSite, ...]
    links: tuple[Link, ...]
    """Links that some cell or token API may use."""
    points: tuple[PointRow, ...]
    staffing: tuple[StaffingRow, ...]
    refusals: tuple[RefusalRow, ...]
    refused_moves: tuple[MoveRefusalRow, ...] = ()
    grant_usd: float | None = None
    """What may be spent beyond the caps of `budgets`, in whichever plan years; None: nobody asks."""
    speed_deviations: Mapping[str, float] = field(default_factory=dict)
    """Standard deviations below expected speed at which a workload is planned; 0 where it is not named."""

    @property
    def periods(self) -> int:
        return len(self.calendar.periods)

    @cached_property
    def blocks(self) -> tuple[tuple[int, PowerBlock], ...]:
        """(power site, block) in the order of the file."""
        return tuple((k, block) for k, power in enumerate(self.sites) for block in power.site.hosting.blocks)  # type: ignore[union-attr]
