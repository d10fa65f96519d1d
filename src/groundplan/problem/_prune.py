"""Which operating points of one commodity on one pool are worth offering to the program."""

from __future__ import annotations

from itertools import combinations
from math import ceil

import numpy as np

from groundplan.plan import PointRow, StaffingRow, TangentRow

GRID = 60


def worth_offering(
    rows: list[tuple[PointRow, StaffingRow]], peak_units_per_s: float, least_replicas: int
) -> list[tuple[PointRow, StaffingRow]]:
    """Drop a point when another needs no more slots at any load up to the peak (ties: less energy per unit).

    A dropped point is no part of the plan's tables, so the bound speaks of the points that were offered.
    """
    loads = np.linspace(peak_units_per_s / GRID, peak_units_per_s, GRID)
    needs = [
        np.array([slots_needed(point, staffing, load, least_replicas) for load in loads]) for point, staffing in rows
    ]
    energy = [point.dynamic_kw / point.capacity_per_s for point, _ in rows]

    def beats(a: int, b: int) -> bool:
        if not (needs[a] <= needs[b]).all():
            return False
        return bool((needs[a] < needs[b]).any()) or (energy[a], a) < (energy[b], b)

    return [row for b, row in enumerate(rows) if not any(beats(a, b) for a in range(len(rows)) if a != b)]


def slots_needed(point: PointRow, staffing: StaffingRow, units_per_s: float, least_replicas: int) -> float:
    """Slots that a load takes; infinite where the staffing does not reach it."""
    replicas = replicas_needed(staffing, units_per_s / point.capacity_per_s)
    if replicas is None:
        return float("inf")
    return max(least_replicas, replicas) * point.slots_per_replica * point.nodes_per_replica


def replicas_needed(staffing: StaffingRow, load: float) -> int | None:
    """Whole replicas for a load in replicas' worth, by the best tangent that covers it."""
    fitting = [t.alpha * load + t.beta for t in staffing.tangents if t.load_max >= load * (1 - 1e-12)]
    return ceil(min(fitting) - 1e-9) if fitting else None


def worth_running(points: list[PointRow]) -> list[PointRow]:
    """Batch points of independent units: drop a gang when a gang no larger does more per slot."""

    def slots(point: PointRow) -> int:
        return point.slots_per_replica * point.nodes_per_replica

    def beats(a: PointRow, b: PointRow) -> bool:
        return slots(a) <= slots(b) and a.capacity_per_s / slots(a) >= b.capacity_per_s / slots(b) and a.id != b.id

    kept: list[PointRow] = []
    for point in sorted(points, key=lambda row: (slots(row), -row.capacity_per_s, row.id)):
        if not any(beats(other, point) for other in kept):
            kept.append(point)
    return kept


def fewest_tangents(
    point: PointRow, staffing: StaffingRow, peak_units_per_s: float, least_replicas: int, slack: float = 0.03
) -> StaffingRow:
    """One tangent, or two, where they ask for (nearly) the same whole replicas as all of them; each is safe alone.

    Every tangent above one costs a binary in each period. `slack` is the mean over-provision that is accepted,
    over loads up to the peak; the tables of the plan hold what was kept, and the bound speaks of them.
    """
    top = peak_units_per_s / point.capacity_per_s
    loads = np.linspace(top / GRID, top, GRID)
    best = _replicas(staffing.tangents, loads, least_replicas)
    reachable = np.isfinite(best)
    if not reachable.any():
        return staffing
    for count in (1, 2):
        options = [_replicas(kept, loads, least_replicas) for kept in combinations(staffing.tangents, count)]
        excess = [
            float((need[reachable] / best[reachable]).mean()) if np.isfinite(need[reachable]).all() else np.inf
            for need in options
        ]
        if excess and min(excess) <= 1 + slack:
            chosen = list(combinations(staffing.tangents, count))[int(np.argmin(excess))]
            return staffing.model_copy(update={"tangents": chosen})
    return staffing


def _replicas(tangents: tuple[TangentRow, ...], loads: np.ndarray, least_replicas: int) -> np.ndarray:
    needs = [
        np.where(loads <= t.load_max * (1 + 1e-12), np.ceil(t.alpha * loads + t.beta - 1e-9), np.inf) for t in tangents
    ]
    return np.maximum(np.min(needs, axis=0), least_replicas)
