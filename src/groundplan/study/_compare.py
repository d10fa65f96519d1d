"""The comparison: the recommended plan beside every other way, each solved, judged, and with its flip price."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from groundplan.errors import GroundplanError, Infeasible, LimitReached, NoPlanFound
from groundplan.finance import break_even, cash_by_year
from groundplan.optimize import diagnose
from groundplan.plan import Plan
from groundplan.problem import Problem, Uncovered
from groundplan.study._base import Base, Planned, Progress
from groundplan.study._figures import exposed, months_to_full_service, most_fte, uplinks
from groundplan.study._flip import Line, flip
from groundplan.study._levers import Lever, lever_of
from groundplan.study._types import Alternative, Comparison, Flip, Stay, Verdict
from groundplan.study._ways import STATUS_QUO, WAYS, Way, narrowed, status_quo
from groundplan.verify import evaluated_usd

RECOMMENDED = "recommended"
CONFLICT_S = 30.0
In = TypeVar("In")
Out = TypeVar("Out")
ORDER: Mapping[str, int] = {RECOMMENDED: 0, "infeasible": 2, "no-plan": 3}


@dataclass(frozen=True, slots=True)
class Compared:
    """The comparison with the plans it speaks of, by id of the alternative."""

    comparison: Comparison
    plans: Mapping[str, Planned]


@dataclass(frozen=True, slots=True)
class _Tried:
    """One way after its solve; `planned` is None where there is no plan."""

    way: Way
    stays: tuple[Stay, ...] = ()
    planned: Planned | None = None
    same: bool = False
    error: GroundplanError | None = None
    reasons: tuple[str, ...] = ()


def compare(base: Base, problem: Problem, first: Planned, progress: Progress = lambda _: None) -> Compared:
    """Solve every way beside `first`, the plan of the whole problem; the cheapest of all is recommended.

    The same file and tables give the same comparison, unless a solve was stopped by its clock.
    """
    ways = (*WAYS, STATUS_QUO)
    progress(f"planning {len(ways)} alternatives")
    tried = _at_once(lambda way: _try(base, problem, first, way, progress), ways)
    best = _best(first, tried)
    progress("working out flip prices")
    flips = _at_once(lambda one: _flip(base, problem, best, one, progress), tried)
    rows = [_recommended(base, best), *(_row(base, best, one, f) for one, f in zip(tried, flips, strict=True))]
    rows.sort(key=lambda row: (ORDER.get(row.verdict, 1), row.objective_usd or 0.0))
    plans = {RECOMMENDED: best} | {one.way.id: one.planned for one in tried if one.planned and not one.same}
    plan = best.plan
    found = Comparison(
        name=plan.name, spec_hash=plan.spec_hash, catalog_hash=plan.catalog_hash, alternatives=tuple(rows)
    )
    return Compared(found, plans)


def _at_once(work: Callable[[In], Out], items: Sequence[In]) -> list[Out]:
    """In order. Solves run in processes of their own, so two threads keep two cores busy."""
    with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, items))


def _try(base: Base, problem: Problem, first: Planned, way: Way, progress: Progress) -> _Tried:
    stays: tuple[Stay, ...] = ()
    try:
        narrow = status_quo(problem) if way is STATUS_QUO else narrowed(problem, way)
        stays = narrow.stays
        if narrow.moved == 0:
            return _Tried(way, stays)
        if _is_of_kind(first.plan, narrow.problem):
            return _Tried(way, stays, first, same=True)
        return _Tried(way, stays, base.planned(narrow.problem, base.loaded))
    except Infeasible as error:
        return _Tried(way, stays, error=error, reasons=_conflict(error))
    except (LimitReached, NoPlanFound) as error:
        return _Tried(way, stays, error=error)
    finally:
        progress(f"{way.title}: done")


def _conflict(error: Infeasible) -> tuple[str, ...]:
    """Which limits cannot all hold, where the program found that they do not."""
    if error.problem is None or isinstance(error, Uncovered):
        return ()
    found = diagnose(error.problem, seconds=CONFLICT_S)
    return tuple(conflict.text for conflict in found.conflicts) if found else ()


def _is_of_kind(plan: Plan, narrow: Problem) -> bool:
    """Whether a plan of the whole problem keeps to the ways that a narrowed one leaves open."""
    if plan.orders or plan.rents or plan.bursts:
        acquires = any(pool.orderable.any() or pool.rentable.any() for pool in narrow.pools)
        if not acquires:
            return False
    period = [row.id for row in narrow.calendar.periods]
    rows, jobs, pools = narrow.commodities, narrow.jobs, narrow.pools
    ways = [(rows[c.commodity].workload.id, rows[c.commodity].origin, pools[c.pool].site.id, c) for c in narrow.cells]
    ways += [(jobs[c.job].workload.id, jobs[c.job].origin, pools[c.pool].site.id, c) for c in narrow.batch_cells]
    ways += [(rows[c.commodity].workload.id, rows[c.commodity].origin, c.offer.id, c) for c in narrow.token_cells]
    left = {(*key, period[t]) for *key, cell in ways for t in np.flatnonzero(cell.allowed)}
    used = {(row.workload, row.origin, row.site, row.period) for row in (*plan.loads, *plan.batch, *plan.failovers)}
    used |= {(row.workload, row.origin, row.offer, row.period) for row in plan.tokens}
    return used <= left


def _best(first: Planned, tried: Iterable[_Tried]) -> Planned:
    """The cheapest plan of all is the one to recommend; what no plan can undercut stays the bound of the whole."""
    best = min([first, *(one.planned for one in tried if one.planned)], key=lambda planned: planned.usd)
    if best is first:
        return first
    old, new = first.plan.result, best.plan.result
    gap = max(0.0, (new.objective_usd - old.bound_usd) / max(abs(new.objective_usd), 1e-9))
    result = new.model_copy(update={"bound_usd": old.bound_usd, "gap": gap, "status": old.status})
    return replace(best, plan=best.plan.model_copy(update={"result": result}))


def _flip(base: Base, problem: Problem, best: Planned, one: _Tried, progress: Progress) -> Flip | None:
    lever = lever_of(problem, base.catalog, one.way)
    if lever is None or one.planned is None or one.same or one.planned is best or one.way is STATUS_QUO:
        return None

    def probe(factor: float) -> tuple[Line, float]:
        loaded = lever.at(base.loaded, factor)
        planned = base.planned(narrowed(base.problem(loaded), one.way).problem, loaded)
        progress(f"{one.way.title}: planned at {factor:.0%} of {lever.words}")
        return _line(base, lever, planned.plan), planned.bound_usd

    recommended, first = (_line(base, lever, planned.plan) for planned in (best, one.planned))
    try:
        return flip(lever, recommended, first, one.planned.bound_usd, probe)
    except (Infeasible, LimitReached, NoPlanFound):
        return None


def _line(base: Base, lever: Lever, plan: Plan) -> Line:
    """Cost of a plan over the factor of the lever: straight, so two evaluations give it."""
    half, now = (evaluated_usd(plan, lever.at(base.loaded, factor), base.catalog) for factor in (0.5, 1.0))
    return Line.through(half, now)


def _recommended(base: Base, best: Planned) -> Alternative:
    return Alternative(id=RECOMMENDED, title="Recommended plan", verdict="recommended", **_figures(base, best))


def _row(base: Base, best: Planned, one: _Tried, its_flip: Flip | None) -> Alternative:
    verdict, reasons = _verdict(best, one)
    row = Alternative(id=one.way.id, title=one.way.title, verdict=verdict, reasons=reasons, stays=one.stays)
    if one.planned is None:
        return row
    planned = best if one.same else one.planned
    bound_usd = max(one.planned.bound_usd, best.bound_usd)
    dearer = (bound_usd - best.usd, planned.usd - best.bound_usd)
    ahead = break_even(best.plan, planned.plan, base.loaded.factory.money.discount_rate).month
    beside: dict[str, Any] = {"dearer_usd": dearer, "flip": its_flip, "ahead_from_month": ahead}
    figures = _figures(base, planned)
    if not (one.same or one.planned is best):
        figures |= beside
    return row.model_copy(update=figures)


def _verdict(best: Planned, one: _Tried) -> tuple[Verdict, tuple[str, ...]]:
    if isinstance(one.error, (LimitReached, NoPlanFound)):
        return "no-plan", tuple(issue.what for issue in one.error.issues)
    if one.error is not None:
        return "infeasible", one.reasons or tuple(dict.fromkeys(issue.what for issue in one.error.issues))
    if one.planned is None:
        return "infeasible", (f"nothing may go into {one.way.place}",)
    if one.same or one.planned is best:
        return "same", ()
    return ("dearer" if one.planned.bound_usd > best.usd else "undecided"), ()


def _figures(base: Base, planned: Planned) -> dict[str, Any]:
    plan, result = planned.plan, planned.plan.result
    cash = cash_by_year(plan)
    return {
        "objective_usd": result.objective_usd,
        "bound_usd": result.bound_usd,
        "gap": result.gap,
        "evaluated_usd": planned.report.evaluated_usd,
        "year1_cash_usd": cash.year1,
        "peak_cash_usd": cash.peak,
        "peak_cash_year": cash.peak_year,
        "fte": most_fte(plan),
        "months_to_full_service": months_to_full_service(plan),
        "uplink": uplinks(plan, base.loaded.factory),
        "exposed": exposed(plan, base.loaded.factory),
    }
