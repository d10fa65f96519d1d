"""What must be served, and what must be done: commodities and jobs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.problem._calendar import Calendar
from groundplan.spec import (
    AnyWorkload,
    Batch,
    BatchDemand,
    ControlDemand,
    ControlWorkload,
    Demand,
    Factory,
    LlmDemand,
    PretrainWorkload,
    Served,
    StreamDemand,
    StreamWorkload,
    VisionDemand,
)

BATCH_KINDS = ("finetune", "pretrain", "simulation", "analytics")


@dataclass(frozen=True)
class Commodity:
    """A served workload at one origin; latency, law and bandwidth are properties of origin -> site."""

    workload: Served
    origin: str
    load: NDArray[np.float64]
    """[period, bucket incl. peak] units per second."""

    @property
    def key(self) -> str:
        return f"{self.workload.id}@{self.origin}"

    @property
    def peak_load(self) -> float:
        return float(self.load[:, -1].max())


@dataclass(frozen=True)
class Window:
    """Work that must be finished inside these periods."""

    periods: tuple[int, ...]
    work_units: float


@dataclass(frozen=True)
class Job:
    """A batch workload at one origin."""

    workload: Batch
    origin: str
    windows: tuple[Window, ...]

    @property
    def key(self) -> str:
        return f"{self.workload.id}@{self.origin}"


def commodities(factory: Factory, calendar: Calendar) -> tuple[Commodity, ...]:
    """Every served workload x origin with its load table."""
    shares = {profile.id: profile.share_by_bucket for profile in factory.profiles}
    found: list[Commodity] = []
    for workload in factory.workloads:
        if isinstance(workload, Served):
            loads = [(demand.origin, _load(workload, demand, shares, calendar)) for demand in workload.demand]
            found += [Commodity(workload, origin, load) for origin, load in loads]
    return tuple(found)


def _load(
    workload: AnyWorkload, demand: Demand, shares: dict[str, dict[str, float]], calendar: Calendar
) -> NDArray[np.float64]:
    profile = shares.get(demand.profile)
    factors = np.array([profile[b.id] if profile else 1.0 for b in calendar.buckets] + [1.0])
    growth = np.array(
        [(1 + demand.growth_per_year_rate) ** calendar.year_fraction(t) for t in range(len(calendar.periods))]
    )
    active = calendar.overlaps(demand.from_month, demand.until_month)
    return units_per_s(workload, demand) * np.outer(growth * active, factors)


def units_per_s(workload: AnyWorkload, demand: Demand) -> float:
    """Units per second at the design peak of the first month."""
    match demand:
        case LlmDemand():
            return demand.requests_per_s
        case ControlDemand():
            assert isinstance(workload, ControlWorkload)
            return demand.robots_count * workload.control_hz / workload.replan_every_steps
        case VisionDemand():
            return demand.cameras_count * demand.fps_per_s
        case StreamDemand():
            assert isinstance(workload, StreamWorkload)
            return demand.channels_count / workload.window_s
        case _:
            raise TypeError(f"{type(demand).__name__} is not served at a rate")


def jobs(factory: Factory, calendar: Calendar) -> tuple[Job, ...]:
    """Every batch workload x origin with its windows."""
    found: list[Job] = []
    for workload in factory.workloads:
        if isinstance(workload, PretrainWorkload):
            found += [
                Job(workload, d.origin, _once(workload, d.start_month, d.due_month, calendar)) for d in workload.demand
            ]
        elif workload.kind in BATCH_KINDS:
            found += [Job(workload, d.origin, _recurring(d, calendar)) for d in workload.demand]  # type: ignore[arg-type]
    return tuple(found)


def _once(workload: PretrainWorkload, start: str, due: str, calendar: Calendar) -> tuple[Window, ...]:
    first, end = calendar.offset(start), calendar.offset(due)
    stops = calendar.start_month + calendar.months
    inside = np.flatnonzero((calendar.start_month >= first) & (stops <= end))
    return (Window(tuple(int(t) for t in inside), workload.train_tokens),)


def _recurring(demand: BatchDemand, calendar: Calendar) -> tuple[Window, ...]:
    active = calendar.overlaps(demand.from_month, demand.until_month)
    per_month = demand.work_units_per_month
    return tuple(
        Window(
            (t,), per_month * float(calendar.months[t]) * (1 + demand.growth_per_year_rate) ** calendar.year_fraction(t)
        )
        for t in np.flatnonzero(active).tolist()
    )
