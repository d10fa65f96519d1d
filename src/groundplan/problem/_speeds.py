"""Speeds that a plan counts on: expected ones, or slower, so that all service levels hold together."""

from __future__ import annotations

from collections.abc import Sequence

from groundplan.catalog import Catalog, Server
from groundplan.perf import Points, SpeedPool, operating_points, shared_deviations, slowed
from groundplan.spec import AnyWorkload, Factory, ServedWorkload

UNKNOWN = 1.0
"""Standard deviation in its own units: which part will serve a workload is not known before the plan."""


def speed_deviations(factory: Factory) -> float:
    """Standard deviations below expected speed at which every point is planned; 0 where the file asks for none.

    Workloads of one kind share an engine; that they share an accelerator is not assumed, which is the safe side.
    """
    if factory.speed_confidence_share is None:
        return 0.0
    return shared_deviations(_pools(factory.workloads), factory.speed_confidence_share)


def _pools(workloads: Sequence[AnyWorkload]) -> list[SpeedPool]:
    served = [workload for workload in workloads if isinstance(workload, ServedWorkload)]
    return [SpeedPool(workload.id, workload.kind, workload.id, UNKNOWN) for workload in served]


def planned_points(workload: AnyWorkload, server: Server, catalog: Catalog, deviations: float) -> Points:
    """Operating points at the speed that the plan counts on; batch work has dates, not levels, and keeps its own."""
    found = operating_points(workload, server, catalog)
    if deviations == 0.0 or not isinstance(workload, ServedWorkload):
        return found
    return Points(tuple(slowed(point, deviations) for point in found.points), found.refusals)
