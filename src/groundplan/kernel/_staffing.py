"""Staffing curves: how many replicas a load needs at a service level, as safe tangents for a linear program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, pairwise
from math import ceil, isfinite

import numpy as np

from groundplan.errors import Issue

from ._check import KernelError, fault, finite, raise_if, whole

REPLICAS = (1, 2, 3, 4, 6, 8, 12, 16, 32)
OPEN_LOAD = 1e6
"""Range of the tangent that goes on beyond the last measured pool, in replicas' worth of load."""
SLACK = 1e-9
STEEPEST = 1e-3
Simulate = Callable[[int, float, int], "float | bool"]


@dataclass(frozen=True, slots=True)
class Tangent:
    """N >= alpha * R + beta, valid for 0 < R <= load_max; N in replicas, R in saturation rates of one replica."""

    alpha: float
    beta: float
    load_max: float

    def at(self, load: float) -> float:
        """Replicas this tangent asks for (not rounded)."""
        return self.alpha * load + self.beta


@dataclass(frozen=True, slots=True)
class StaffingCurve:
    """Replicas needed at a service level as a function of load R (unit: the saturation rate of one replica).

    max_load[i] is the most load that replicas[i] carry (0: that few never meet the level); between listed pools the
    next larger one is needed, beyond the last the utilisation of the last one holds (it grows with the pool). Every
    tangent is safe on its range: rounded up to whole replicas it never asks for fewer than the curve. The last tangent
    is open: it goes on to `OPEN_LOAD`. Raises KernelError for points that do not rise.
    """

    replicas: tuple[int, ...]
    max_load: tuple[float, ...]
    tangents: tuple[Tangent, ...]

    def __post_init__(self) -> None:
        raise_if(_curve_faults(self.replicas, self.max_load))

    def replicas_needed(self, load: float) -> int:
        """Whole replicas that the best tangent asks for; 0 for no load."""
        if load == 0:
            return 0
        usable = [t.at(load) for t in self.tangents if finite("load", load, low=0.0) <= t.load_max]
        if not usable:
            raise KernelError(fault("load", f"{load} is beyond the range of every tangent"))
        return max(1, ceil(min(usable) - SLACK))

    def replicas_on_curve(self, load: float) -> int:
        """Whole replicas that the measured curve asks for: the next listed pool that carries the load."""
        if load == 0:
            return 0
        finite("load", load, low=0.0)
        for count, most in zip(self.replicas, self.max_load, strict=True):
            if load <= most * (1 + SLACK):
                return count
        return ceil(load * self.replicas[-1] / self.max_load[-1] - SLACK)

    def usable_utilisation(self) -> tuple[float, ...]:
        """Load per replica that each listed pool carries, 0..1."""
        return tuple(most / count for count, most in zip(self.replicas, self.max_load, strict=True))

    def over_provision(self, points: int = 400) -> tuple[float, float]:
        """Mean and worst extra share of replicas that the tangents ask for, over loads up to the largest pool."""
        return _over_provision(self, self.tangents, points)

    def describe(self) -> str:
        """One line a tangent, and the measured over-provision."""
        lines = [f"N >= {t.alpha:.4f} R + {t.beta:.3f}   for R <= {t.load_max:.4g}" for t in self.tangents]
        mean, worst = self.over_provision()
        return "\n".join([*lines, f"over-provision: mean {mean:.1%}, worst {worst:.1%}"])


def _curve_faults(replicas: Sequence[int], max_load: Sequence[float]) -> Iterator[Issue]:
    if not replicas or len(replicas) != len(max_load):
        yield fault("StaffingCurve", "replicas and max_load must have one equal length >= 1")
        return
    if replicas[0] < 1 or any(b <= a for a, b in pairwise(replicas)):
        yield fault("StaffingCurve.replicas", "must be positive and increase")
    if not all(isfinite(most) and most >= 0 for most in max_load):
        yield fault("StaffingCurve.max_load", "must be finite and not negative")
    elif any(b < a for a, b in pairwise(max_load)):
        yield fault("StaffingCurve.max_load", "falls with the number of replicas")
    elif max_load[-1] <= 0:
        yield fault("StaffingCurve.max_load", "no pool meets the service level at any load", "relax the level")


def staffing_curve(
    simulate: Simulate,
    *,
    replicas: Sequence[int] = REPLICAS,
    seeds: Sequence[int] = (1, 2, 3),
    margin: float = 0.05,
    tolerance: float = 0.01,
    top: float = 1.0,
    tangents: int = 4,
) -> StaffingCurve:
    """Measure a staffing curve: for each number of replicas the most load that meets the service level.

    simulate(replicas, load, seed) returns the strain (achieved over limit, <= 1 meets the level) or a bool; load is
    in units of one replica's saturation rate. The search on the load per replica over 0..top uses the same random
    numbers throughout; every seed must meet the level. The load found is lowered by ``margin`` (one-sided, so that
    fresh seeds pass), then utilisation is made to rise with the pool by lowering the smaller pools. Pools between the
    measured ones enter the curve with the utilisation of the next smaller measured one, which is safe.
    Raises KernelError when no pool meets the level at any load.
    """
    finite("tolerance", tolerance, low=0.0)
    finite("margin", margin, low=0.0, open_low=False)
    _check_reachable(simulate, replicas, seeds, tolerance)
    usable: list[float] = []
    for count in replicas:
        guess = usable[-1] if usable and usable[-1] > 0 else top / 2
        usable.append(_usable(simulate, count, seeds, guess, top, tolerance))
    safe = np.minimum.accumulate(np.array(usable)[::-1])[::-1] / (1 + margin)
    dense = _dense(replicas, safe)
    return curve_from_loads(tuple(dense), tuple(dense.values()), tangents)


def _check_reachable(simulate: Simulate, replicas: Sequence[int], seeds: Sequence[int], share: float) -> None:
    """Raise at once when even the largest pool, all but idle, misses the level: no number of replicas would help."""
    if not replicas or not seeds:
        raise KernelError(fault("staffing_curve", "needs at least one pool size and one seed"))
    for count in replicas:
        whole("replicas", count)
    if not _meets(simulate, replicas[-1], seeds[0], share):
        what = f"{replicas[-1]} replicas miss the service level even at {share:.1%} load"
        raise KernelError(fault("staffing_curve", what, "relax the level, or take a faster operating point"))


def _usable(
    simulate: Simulate, replicas: int, seeds: Iterable[int], guess: float, top: float, tolerance: float
) -> float:
    """Load per replica that meets the level on every seed: each seed may only lower what the one before allowed."""
    share = top
    for seed in seeds:
        if share == 0:
            break
        share = _search(partial(_meets, simulate, replicas, seed), guess, share, tolerance)
        guess = share
    return share


def _dense(replicas: Sequence[int], usable: np.ndarray) -> dict[int, float]:
    """Load by number of replicas, every number between the measured ones at the utilisation of the next smaller one."""
    every = np.arange(replicas[0], replicas[-1] + 1)
    share = usable[np.searchsorted(replicas, every, side="right") - 1]
    return {int(n): float(u * n) for n, u in zip(every, share, strict=True)}


def curve_from_loads(replicas: Sequence[int], max_load: Sequence[float], tangents: int = 4) -> StaffingCurve:
    """The curve and its tangents from measured points (max_load not decreasing)."""
    bare = StaffingCurve(tuple(replicas), tuple(max_load), ())
    chosen = _choose(bare, whole("tangents", tangents))
    return StaffingCurve(bare.replicas, bare.max_load, chosen)


def _meets(simulate: Simulate, replicas: int, seed: int, share: float) -> bool:
    strain = simulate(replicas, share * replicas, seed)
    if isinstance(strain, bool | np.bool_):
        return bool(strain)
    if np.isnan(strain):
        raise KernelError(fault("simulate", f"gave no number at {replicas} replicas, load {share * replicas}"))
    return strain <= 1


def _search(meets: Callable[[float], bool], guess: float, top: float, tolerance: float) -> float:
    """Largest share of 0..top that meets, to ``tolerance`` (finer where the share is small), galloping from a guess."""
    stride = 4 * tolerance
    low, high, rising = 0.0, min(guess, top), meets(min(guess, top))
    if rising:
        low, high = high, top
    while stride < high - low:
        probe = low + stride if rising else high - stride
        kept = meets(probe)
        low, high = (probe, high) if kept else (low, probe)
        if kept != rising:
            break
        stride *= 2
    if rising and high == top and low < top and meets(top):
        return top
    while high - low > tolerance * min(1.0, 2 * high) and high > tolerance / 10:
        mid = (low + high) / 2
        low, high = (mid, high) if meets(mid) else (low, mid)
    return low


def _corners(curve: StaffingCurve) -> list[tuple[float, float]]:
    """Points a real-valued line must pass or top so that its ceiling is at least the step function.

    Just above max_load[i-1] the curve needs replicas[i]; a rising line that has replicas[i] - 1 there rounds up to it.
    Corners next to zero move onto it (safe, since lines rise), so that no tangent is steep.
    """
    last = curve.max_load[-1]
    starts = (0.0, *curve.max_load[:-1])
    best: dict[float, float] = {}
    for load, count in zip(starts, curve.replicas, strict=True):
        at = load if load > STEEPEST * last else 0.0
        best[at] = max(best.get(at, 0.0), count - 1.0)
    best[last] = max(best.get(last, 0.0), float(curve.replicas[-1]))
    return sorted(best.items())


def _hull(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Vertices of the smallest concave majorant."""
    kept: list[tuple[float, float]] = []
    for x, y in points:
        while len(kept) > 1:
            (ax, ay), (bx, by) = kept[-2:]
            if (by - ay) * (x - ax) > (y - ay) * (bx - ax):
                break
            kept.pop()
        kept.append((x, y))
    return kept


def _edges(curve: StaffingCurve) -> list[Tangent]:
    corners = _corners(curve)
    last = curve.max_load[-1]
    slopes = [(by - ay) / (bx - ax) for (ax, ay), (bx, by) in pairwise(_hull(corners))]
    return [_lifted(slope, corners, last) for slope in slopes]


def _lifted(slope: float, corners: list[tuple[float, float]], load_max: float) -> Tangent:
    """The lowest line of this slope that tops every corner."""
    return Tangent(slope, max(y - slope * x for x, y in corners), load_max)


def _choose(curve: StaffingCurve, most: int) -> tuple[Tangent, ...]:
    """The open tangent and those edges of the majorant, at most ``most`` in all, that over-provision least."""
    open_slope = curve.replicas[-1] / curve.max_load[-1]
    end = _lifted(open_slope, _corners(curve), OPEN_LOAD)
    edges = [edge for edge in _edges(curve) if edge.alpha > 0]
    count = min(most - 1, len(edges))
    options = [(*chosen, end) for chosen in combinations(edges, count)]
    return min(options, key=lambda option: _over_provision(curve, option, 120))


def _over_provision(curve: StaffingCurve, tangents: Sequence[Tangent], points: int) -> tuple[float, float]:
    loads = np.geomspace(min(0.1, curve.max_load[-1] / 10), curve.max_load[-1], points)
    asked = np.min([t.alpha * loads + t.beta for t in tangents], axis=0)
    needed = _on_curve(curve, loads)
    extra = np.maximum(1, np.ceil(asked - SLACK)) / needed - 1
    return float(extra.mean()), float(extra.max())


def _on_curve(curve: StaffingCurve, loads: np.ndarray) -> np.ndarray:
    edges = np.array(curve.max_load) * (1 + SLACK)
    at = np.minimum(np.searchsorted(edges, loads, side="left"), len(edges) - 1)
    return np.array(curve.replicas)[at]
