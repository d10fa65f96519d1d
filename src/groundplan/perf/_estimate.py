"""A small front for one question: what does this model do on this server?"""

from __future__ import annotations

from dataclasses import dataclass

from groundplan.catalog import Catalog, Server
from groundplan.perf._points import operating_points
from groundplan.perf._staffing import StaffingCache, load_alone
from groundplan.perf._types import OperatingPoint, Refusal
from groundplan.spec import AnyWorkload, Served


@dataclass(frozen=True, slots=True)
class EstimateRow:
    """One operating point for people: rates in units per second (per hour for batch kinds)."""

    point: OperatingPoint
    saturated_rate: float
    level_rate: float | None
    """Rate of ONE replica that meets the service level; None for batch kinds, 0 when one alone never does."""
    low_rate: float
    high_rate: float
    """90 % interval of level_rate (of saturated_rate for batch kinds)."""
    network_ms: float = 0.0
    """Round trip that level_rate includes; the latencies of the point do not."""

    @property
    def accelerators_count(self) -> int:
        """Slots over all nodes of the replica."""
        return self.point.total_slots


@dataclass(frozen=True, slots=True)
class Estimate:
    """Rows, best capacity per slot first, and what was refused."""

    rows: tuple[EstimateRow, ...]
    refusals: tuple[Refusal, ...]


def estimate(workload: AnyWorkload, server: Server, catalog: Catalog, network_ms: float = 0.0) -> Estimate:
    """Operating points with the rate that one replica carries under the service level, network included."""
    cache = StaffingCache()
    found = operating_points(workload, server, catalog)
    return Estimate(tuple(_row(workload, point, network_ms, cache) for point in found.points), found.refusals)


def _row(workload: AnyWorkload, point: OperatingPoint, network_ms: float, cache: StaffingCache) -> EstimateRow:
    rate: float | None = None
    if point.service is not None and isinstance(workload, Served):
        rate = load_alone(workload, point, network_ms, cache) * point.capacity_per_s
    shown = point.capacity_per_s if rate is None else rate
    low, high = shown * point.error_low_factor, shown * point.error_high_factor
    return EstimateRow(point, point.capacity_per_s, rate, low, high, network_ms)
