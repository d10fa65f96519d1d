"""The alternatives of a board: the same work, wholly of one kind as far as the rules allow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from groundplan.problem import Choice, Problem, restricted, stocked
from groundplan.spec import ON_PREMISE_TIERS, AnyWorkload
from groundplan.study._types import Stay

Mask = NDArray[np.bool_]
TOKENS = "token-api"
SAYS_LITTLE = {"bandwidth": 1, "no-link": 2, "missing-figure": 3, "kind": 4}
"""Refusals are shown in this order: law, latency and memory first; the wrong kind of hardware last."""


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of ground on which everything that may stand there must stand."""

    id: str
    title: str
    tiers: frozenset[str]
    place: str
    """In words, as in ``no way into a public cloud``."""


WAYS = (
    Way("on-premise", "All on own ground", ON_PREMISE_TIERS, "own ground"),
    Way("colocation", "All in colocation", frozenset({"colocation"}), "colocation"),
    Way("sovereign-cloud", "All in sovereign cloud", frozenset({"sovereign-cloud"}), "a sovereign cloud"),
    Way("public-cloud", "All in public cloud", frozenset({"public-cloud"}), "a public cloud"),
    Way(TOKENS, "All from token APIs", frozenset({TOKENS}), "a token API"),
)
STATUS_QUO = Way("status-quo", "What is owned today, and nothing new", frozenset(), "what is owned")


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The problem of one way, and what could not move."""

    problem: Problem
    stays: tuple[Stay, ...]
    moved: int
    """Loads and jobs that the way takes."""


def status_quo(problem: Problem) -> Narrowed:
    """Existing nodes alone, where they stand: kept, or resold. Raises Infeasible where they cannot do what must be."""
    everything = Choice.all_of(problem)
    own = replace(everything, token_cells=np.zeros_like(everything.token_cells))
    return Narrowed(restricted(problem, own, acquire=False), (), len(problem.commodities) + len(problem.jobs))


def narrowed(problem: Problem, way: Way) -> Narrowed:
    """Close every other ground to whatever may go the way, from the first period in which it can be there.

    Raises Infeasible where a load that must be served is left with no way.
    """
    choice = Choice.all_of(problem)
    stays: list[Stay] = []
    for i, commodity in enumerate(problem.commodities):
        needed = commodity.load[:, -1] > 0
        mine = [c for c, cell in enumerate(problem.cells) if cell.commodity == i]
        tokens = [k for k, cell in enumerate(problem.token_cells) if cell.commodity == i]
        there = [c for c in mine if _tier(problem, problem.cells[c].pool) in way.tiers]
        bought = tokens if TOKENS in way.tiers else []
        ready = _ready(problem, ((problem.cells[c].pool, choice.cells[c]) for c in there), needed)
        ready = ready | _any(choice.token_cells[k] for k in bought)
        held = _held_back(problem, way, commodity.workload, commodity.origin, bool((ready & needed).any()), there)
        if held is not None:
            stays.append(held)
            continue
        choice.cells[[c for c in mine if c not in there]] &= ~ready
        choice.token_cells[[k for k in tokens if k not in bought]] &= ~ready
    stays += _move_jobs(problem, way, choice)
    total = len(problem.commodities) + len(problem.jobs)
    return Narrowed(restricted(problem, choice), tuple(stays), total - len(stays))


def _move_jobs(problem: Problem, way: Way, choice: Choice) -> list[Stay]:
    stays = []
    for j, job in enumerate(problem.jobs):
        mine = [r for r, cell in enumerate(problem.batch_cells) if cell.job == j]
        there = [r for r in mine if _tier(problem, problem.batch_cells[r].pool) in way.tiers]
        ways = ((problem.batch_cells[r].pool, choice.batch_cells[r]) for r in there)
        ready = _ready(problem, ways, np.ones(problem.periods, dtype=bool))
        held = _held_back(problem, way, job.workload, job.origin, bool(np.any(ready)), [])
        if held is not None:
            stays.append(held)
        else:
            choice.batch_cells[[r for r in mine if r not in there]] &= ~ready
    return stays


def _ready(problem: Problem, ways: Iterable[tuple[int, Mask]], needed: Mask) -> Mask:
    """[period] whether something can stand on the ground of a way.

    Moved nodes may come sooner than those that are bought or rented, but they are few: what they cannot carry must
    not lose every other ground before the rest can come. They count alone only where nothing else ever comes.
    """
    found = list(ways)
    none = np.zeros(problem.periods, dtype=bool)
    for moves in (False, True):
        ready = none | _any(allowed & stocked(problem, pool, moves=moves) for pool, allowed in found)
        if (ready & needed).any():
            return ready
    return none


def _any(masks: Iterable[Mask]) -> Mask:
    found = list(masks)
    return np.logical_or.reduce(found) if found else np.zeros((), dtype=bool)


def _tier(problem: Problem, pool: int) -> str:
    return problem.pools[pool].site.tier


def _held_back(
    problem: Problem, way: Way, workload: AnyWorkload, origin: str, able: bool, there: Sequence[int]
) -> Stay | None:
    """Why a load cannot go the way; None where it can."""
    if not able:
        return _refused(problem, way, workload.id, origin)
    floor = max((f.min_share for f in problem.factory.on_premise_floors if workload.id in f.workloads), default=0.0)
    if floor and not way.tiers & ON_PREMISE_TIERS:
        why = f"at least {floor:.0%} of it must run on own ground"
        return Stay(workload=workload.id, origin=origin, rule="on-premise-floor", why=why)
    sites = {problem.pools[cell.pool].site.id for cell in (problem.cells[c] for c in there)}
    if getattr(workload, "survives", "none") == "site" and len(sites) < 2:
        why = f"it must outlive the loss of a site, and {way.place} is on offer at one site only"
        return Stay(workload=workload.id, origin=origin, rule="survives", why=why)
    return None


def _refused(problem: Problem, way: Way, workload: str, origin: str) -> Stay:
    """The refusal at a site of this kind that says most: a missing link says least."""
    tiers = {site.id: site.tier for site in problem.factory.sites}
    rows = [
        row
        for row in problem.refusals
        if (row.workload, row.origin) == (workload, origin) and tiers[row.site] in way.tiers
    ]
    rows.sort(key=lambda row: (SAYS_LITTLE.get(row.rule, 0), row.rule))
    if rows:
        return Stay(workload=workload, origin=origin, rule=rows[0].rule, why=f"{rows[0].site}: {rows[0].why}")
    return Stay(workload=workload, origin=origin, rule="no-offer", why=f"nothing on offer leads into {way.place}")
