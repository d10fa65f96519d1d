"""A small front for one question: what does this model do on this server?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from groundplan.catalog import Catalog, Server
from groundplan.kernel import StaffingCurve
from groundplan.perf._points import operating_points
from groundplan.perf._staffing import StaffingCache, staffing
from groundplan.perf._types import OperatingPoint, Refusal
from groundplan.spec import AnyWorkload, Lengths, LlmDemand, LlmServiceLevel, LlmWorkload, Precision

LENGTH_CV = 1.0
"""Spread of prompt and output lengths where the asker states none."""


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

    @property
    def accelerators_count(self) -> int:
        """Slots over all nodes of the replica."""
        return self.point.total_slots


@dataclass(frozen=True, slots=True)
class Estimate:
    """Rows, best capacity per slot first, and what was refused."""

    rows: tuple[EstimateRow, ...]
    refusals: tuple[Refusal, ...]


def chat_workload(
    model: str,
    *,
    prompt_tokens: float,
    output_tokens: float,
    ttft_ms: float,
    tpot_ms: float,
    percentile: float = 0.95,
    allowed_precisions: Sequence[Precision] = (),
) -> LlmWorkload:
    """A language-model workload from a few figures; lengths are lognormal with cv 1, arrivals Poisson."""
    return LlmWorkload(
        id="estimate",
        title=f"{model} estimate",
        kind="llm",
        model=model,
        data_classes=("estimate",),
        allowed_precisions=tuple(allowed_precisions),
        upload_kb_per_unit=0.0,
        download_kb_per_unit=0.0,
        prompt=Lengths(mean_tokens=prompt_tokens, cv=LENGTH_CV),
        output=Lengths(mean_tokens=output_tokens, cv=LENGTH_CV),
        service_level=LlmServiceLevel(ttft_ms=ttft_ms, tpot_ms=tpot_ms, percentile=percentile),
        demand=(LlmDemand(origin="estimate", requests_per_s=1.0),),
    )


def estimate(workload: AnyWorkload, server: Server, catalog: Catalog, network_ms: float = 0.0) -> Estimate:
    """Operating points with the rate that one replica carries under the service level, network included."""
    cache = StaffingCache()
    found = operating_points(workload, server, catalog)
    return Estimate(tuple(_row(workload, point, network_ms, cache) for point in found.points), found.refusals)


def _row(workload: AnyWorkload, point: OperatingPoint, network_ms: float, cache: StaffingCache) -> EstimateRow:
    rate: float | None = None
    if point.service is not None:
        curve = staffing(workload, point, network_ms, 0.5, cache)
        rate = curve.max_load[0] * point.capacity_per_s if isinstance(curve, StaffingCurve) else 0.0
    shown = point.capacity_per_s if rate is None else rate
    low, high = shown * point.error_low_factor, shown * point.error_high_factor
    return EstimateRow(point, point.capacity_per_s, rate, low, high)
