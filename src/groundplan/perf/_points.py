"""The front door: operating points of any workload on any server model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from groundplan.catalog import Catalog, Server
from groundplan.errors import CatalogError
from groundplan.perf._control import control_points
from groundplan.perf._disaggregated import unit_points
from groundplan.perf._llm import llm_points
from groundplan.perf._measured import check_measured
from groundplan.perf._offline import analytics_points, simulation_points
from groundplan.perf._types import OperatingPoint, Points, Refusal, Refused
from groundplan.spec import (
    AnalyticsWorkload,
    AnyWorkload,
    ControlWorkload,
    FinetuneWorkload,
    LlmWorkload,
    PretrainWorkload,
    SimulationWorkload,
    StreamWorkload,
    VisionWorkload,
)

MOST_POINTS = 3
LEAST_SHARE = 0.25
"""A served point below this share of the best capacity per slot is not offered: it barely meets the level alone."""


def operating_points(workload: AnyWorkload, server: Server, catalog: Catalog) -> Points:
    """The Pareto set of ways to run a workload on a server model, at most three, and why others were refused.

    Better is: more capacity per slot, fewer slots per replica, less unloaded latency; training gives a list of gangs
    instead, each faster and less efficient. Unknown model names raise CatalogError; a missing figure is a refusal
    that names it. Measured speeds of the catalogue take the place of predicted ones; PerfError for those of another
    release.
    """
    check_measured(catalog.measured)
    found: list[OperatingPoint] = []
    refusals: list[Refusal] = []
    if not isinstance(workload, AnalyticsWorkload):
        catalog.model(workload.model)  # an unknown name is the user's error, not a refusal
    try:
        for outcome in _all(workload, server, catalog):
            if isinstance(outcome, OperatingPoint):
                found.append(outcome)
            else:
                refusals.append(outcome)
    except Refused as refused:
        refusals.append(refused.refusal)
    except CatalogError as error:
        refusals.append(Refusal("missing-figure", str(error)))
    kept = tuple(found) if isinstance(workload, FinetuneWorkload | PretrainWorkload) else pareto(found)
    return Points(kept, tuple(dict.fromkeys(refusals)))


def _all(workload: AnyWorkload, server: Server, catalog: Catalog) -> Iterator[OperatingPoint | Refusal]:
    match workload:
        case LlmWorkload():
            return _llm(workload, server, catalog)
        case ControlWorkload():
            return control_points(workload, server, catalog)
        case VisionWorkload():
            from groundplan.perf._sensing import vision_points

            return vision_points(workload, server, catalog)
        case StreamWorkload():
            from groundplan.perf._sensing import stream_points

            return stream_points(workload, server, catalog)
        case FinetuneWorkload() | PretrainWorkload():
            from groundplan.perf._training import training_points  # most commands never train

            return training_points(workload, server, catalog)
        case SimulationWorkload():
            return simulation_points(workload, server, catalog)
        case AnalyticsWorkload():
            return analytics_points(workload, server, catalog)


def _llm(workload: LlmWorkload, server: Server, catalog: Catalog) -> Iterator[OperatingPoint | Refusal]:
    if workload.prefill != "apart":
        yield from llm_points(workload, server, catalog)
    if workload.prefill != "mixed":
        yield from llm_points(workload, server, catalog, unit_points)


def pareto(points: Iterable[OperatingPoint]) -> tuple[OperatingPoint, ...]:
    """Points that no other beats in capacity per slot, slots and latency at once; at most three of them.

    Kept beyond the best capacity per slot: the fewest slots, then the least latency. None far below the best.
    """
    given = list(points)
    least = LEAST_SHARE * max((point.capacity_per_slot for point in given), default=0.0)
    candidates = [point for point in given if point.capacity_per_slot >= least]
    front = [p for p in candidates if not any(_beats(q, p) for q in candidates)]
    front.sort(key=lambda p: (-p.capacity_per_slot, p.id))
    wanted = [
        *front[:1],
        *sorted(front, key=lambda p: (p.total_slots, -p.capacity_per_s, p.id))[:1],
        *sorted(front, key=lambda p: (_latency(p), p.id))[:1],
        *front,
    ]
    kept = list(dict.fromkeys(p.id for p in wanted))[:MOST_POINTS]
    return tuple(p for p in front if p.id in kept)


def _latency(point: OperatingPoint) -> float:
    return sum(point.latency_ms.values())


def _beats(one: OperatingPoint, other: OperatingPoint) -> bool:
    mine = (-one.capacity_per_slot, one.total_slots, _latency(one))
    theirs = (-other.capacity_per_slot, other.total_slots, _latency(other))
    no_worse = all(a <= b for a, b in zip(mine, theirs, strict=True))
    return no_worse and (mine != theirs or one.id < other.id)
