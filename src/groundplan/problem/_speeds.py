"""Speeds that a plan counts on: expected ones, or slower, so that all service levels hold together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.perf import (
    DEPTHS,
    Burden,
    OperatingPoint,
    Points,
    SpeedPool,
    allotted_deviations,
    deviation,
    latency_limit_ms,
    shared_deviations,
    slowed,
)
from groundplan.problem._demand import Commodity
from groundplan.problem._pools import Pool
from groundplan.spec import ControlWorkload, LlmWorkload, Served

UNKNOWN = 1.0
"""Standard deviation in its own units: which part will serve a load is not known before the plan."""
Deviations = Mapping[str, float]
"""Standard deviations below expected speed at which the points of a workload are planned; 0 where it is not named."""


@dataclass(frozen=True, slots=True)
class Way:
    """One point of one pool that could carry a load."""

    kw: float
    """Power of the nodes that the peak keeps busy at expected speed: what both money and rooms are short of."""
    room: float
    """How many times slower it may be and still answer one request in time, network included."""
    deviation: float


def way_of(commodity: Commodity, pool: Pool, point: OperatingPoint, network_ms: float) -> Way:
    """The way as it matters to how slow it may be planned."""
    nodes = commodity.peak_load / point.capacity_per_s * point.total_slots / pool.slots
    return Way(
        nodes * pool.max_power_kw,
        latency_room(commodity.workload, point, network_ms),
        deviation(point.error_low_factor, point.error_high_factor),
    )


def latency_room(workload: Served, point: OperatingPoint, network_ms: float) -> float:
    """How many times slower a point may be and still answer one request in time."""
    if isinstance(workload, LlmWorkload):
        level = workload.service_level
        limits = {"ttft": level.ttft_ms - network_ms, "tpot": level.tpot_ms}
    elif isinstance(workload, ControlWorkload):
        limits = {"latency": latency_limit_ms(workload) - network_ms}
    else:
        limits = {"latency": workload.service_level.latency_ms - network_ms}
    return min(limits[name] / point.latency_ms[name] for name in limits)


def speed_deviations(share: float, loads: Iterable[tuple[Served, Sequence[Way]]]) -> Deviations:
    """How much slower each workload is planned, so that all levels hold with probability `share`, at little cost.

    loads: workload and ways of each commodity. Workloads of one kind share an engine; that two loads share an
    accelerator is not assumed, which is the safe side. Where no allotment will do, all are planned equally slow, so
    that what cannot be served is refused by its level.
    """
    ways: dict[str, list[Sequence[Way]]] = {}
    kinds: dict[str, str] = {}
    for workload, mine in loads:
        if mine:
            ways.setdefault(workload.id, []).append(mine)
            kinds[workload.id] = workload.kind
    groups = [Burden(_pools(name, kinds[name], len(mine)), _cost(mine)) for name, mine in ways.items()]
    allotted = allotted_deviations(groups, share)
    if allotted is None:
        every = [pool for group in groups for pool in group.pools]
        allotted = (shared_deviations(every, share),) * len(groups)
    return dict(zip(ways, allotted, strict=True))


def _pools(workload: str, kind: str, count: int) -> tuple[SpeedPool, ...]:
    names = [f"{workload} {k}" for k in range(count)]
    return tuple(SpeedPool(name, kind, name, UNKNOWN) for name in names)


def _cost(loads: Iterable[Sequence[Way]]) -> NDArray[np.float64]:
    """[DEPTHS] least power for the loads, each by its cheapest way."""
    return np.sum([np.min([_power_kw(way) for way in ways], axis=0) for ways in loads], axis=0)


def _power_kw(way: Way) -> NDArray[np.float64]:
    """[DEPTHS] A replica slower by f, of which f / room are service alone, is left 1 - f / room of its time to queue.

    Simulated staffing of the example agrees: 2.3 for 2.2 where room is 3.1 and f 1.6, 4.0 for 3.8 where room is 2.
    """
    slower = np.exp(DEPTHS * way.deviation)
    left = 1.0 - slower / way.room
    return np.where(left > 0.0, way.kw * slower / np.maximum(left, 1e-9), np.inf)


def planned(found: Points, deviations: float) -> Points:
    """Expected operating points at the speed that the plan counts on."""
    if deviations == 0.0:
        return found
    return Points(tuple(slowed(point, deviations) for point in found.points), found.refusals)
