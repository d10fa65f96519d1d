"""What money that does not reach for everything is spent on first: shares of loads and of work, goal after goal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from groundplan.problem._demand import Commodity, Job
from groundplan.problem._problem import Problem
from groundplan.spec import Factory


@dataclass(frozen=True)
class Goal:
    """A weighted share of what is asked for; weights sum to 1 over commodities and jobs."""

    priority: int
    commodities: tuple[float, ...]
    """By position in the problem: weight of the share of the commodity's volume (load x hours)."""
    jobs: tuple[float, ...]
    """Likewise, of the job's work."""


@dataclass(frozen=True)
class Goals:
    """To be met one after another, and how far each load and job counts."""

    goals: tuple[Goal, ...]
    most_commodities: tuple[float, ...]
    most_jobs: tuple[float, ...]


def goals_of(problem: Problem) -> tuple[Goal, ...]:
    """By priority; within one, what states a value by value x volume, then the rest, each workload alike."""
    return tuple(
        goal
        for priority in sorted({workload.priority for workload in problem.factory.workloads})
        for valued in (True, False)
        if (goal := _goal(problem, priority, valued)) is not None
    )


def _goal(problem: Problem, priority: int, valued: bool) -> Goal | None:
    def weight(row: Commodity | Job) -> float:
        workload = row.workload
        if workload.priority != priority or (workload.value_usd_per_unit > 0) != valued:
            return 0.0
        volume = asked(problem, row)
        whole = sum(asked(problem, one) for one in _rows(problem) if one.workload.id == workload.id)
        return volume * workload.value_usd_per_unit if valued else volume / whole if whole else 0.0

    weights = np.array([weight(row) for row in _rows(problem)])
    if not weights.sum():
        return None
    shares = (weights / weights.sum()).tolist()
    split = len(problem.commodities)
    return Goal(priority, tuple(shares[:split]), tuple(shares[split:]))


def _rows(problem: Problem) -> Iterator[Commodity | Job]:
    yield from problem.commodities
    yield from problem.jobs


def asked(problem: Problem, row: Commodity | Job) -> float:
    """Units that are asked for over the whole plan: load x seconds, or work."""
    if isinstance(row, Commodity):
        return float((row.load * problem.calendar.hours).sum()) * 3600
    return sum(window.work_units for window in row.windows)


def all_optional(factory: Factory) -> Factory:
    """The factory in which every workload may be shed."""
    workloads = tuple(row.model_copy(update={"required": False}) for row in factory.workloads)
    return factory.model_copy(update={"workloads": workloads})


def granted(problem: Problem, grant_usd: float) -> Problem:
    """The problem with money beyond its caps, for whichever plan years."""
    return replace(problem, grant_usd=grant_usd)
