"""Goal after goal, then least cost: what a budget serves that does not reach for everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from groundplan.errors import Infeasible, Issue, NoPlanFound
from groundplan.optimize._algebra import Expression, table
from groundplan.optimize._frame import Frame
from groundplan.optimize._highs import Answer, Arrays, Floats, Stop, run
from groundplan.optimize._highs import solve as solve_here
from groundplan.optimize._model import Program, program
from groundplan.optimize._solve import held, nothing, settled, to_arrays
from groundplan.optimize._variables import Variables, demand_share
from groundplan.plan import Plan
from groundplan.problem import Goal, Goals, Problem

Progress = Callable[[str], None]
HELD = 1e-6
"""What a later stage may give back of a score: room for rounding, no more."""
GAP = 1e-3
"""Scores are found to within this share of the best."""


@dataclass(frozen=True)
class Funded:
    """A plan, the score of each goal (1: all of it), and the solution, from which one with more money may start."""

    plan: Plan
    scores: tuple[float, ...]
    x: Floats


def fund(problem: Problem, goals: Goals, known: Sequence[Floats], progress: Progress) -> Funded:
    """The plan that meets the goals one after another as far as it can, and then costs least.

    `known`: solutions of the same problem with other money, to start from. Raises Infeasible where not even a plan
    that serves nothing exists, and NoPlanFound.
    """
    made = program(problem)
    stages = [_flat(score(made.frame, made.variables, goal)) for goal in goals.goals]
    most = list(_most(made, goals))
    arrays = _with_rows(to_arrays(made), [*stages, *(row for row, _ in most)])
    first = len(arrays.row_lower) - len(stages) - len(most)
    arrays.row_upper[first:] = [1.0] * len(stages) + [limit + HELD for _, limit in most]
    scores: list[float] = []
    best: Floats | None = None
    for k, row in enumerate(stages):
        progress(f"priority {goals.goals[k].priority}")
        best = _stage(replace(arrays, cost=-row, offset=0.0), [*known, *([] if best is None else [best])], problem)
        scores.append(float(row @ best))
        arrays.row_lower[first + k] = scores[-1] - HELD
    progress("least cost")
    return _cheapest(made, arrays, best, tuple(scores))


def _stage(arrays: Arrays, known: Sequence[Floats], problem: Problem) -> Floats:
    """The best solution of one goal, its integers held and the rest solved exactly."""
    starts = [x for x in (_repaired(arrays, x) for x in known) if x is not None]
    start = min(starts, key=lambda x: float(arrays.cost @ x), default=None)
    if start is not None and arrays.cost @ start <= _relaxed(arrays, _stop(problem, GAP)).objective + GAP:
        return start
    answer = run(arrays, _stop(problem, GAP))
    if answer.status == "infeasible" and start is None:
        what = "no plan keeps the budgets, not even one that serves nothing"
        raise Infeasible(Issue("infeasible", "budgets", what, "what stands today already costs more than they hold"))
    found = None if answer.x is None else _repaired(arrays, answer.x)
    best = min((x for x in (found, start) if x is not None), key=lambda x: float(arrays.cost @ x), default=None)
    if best is None:
        raise NoPlanFound(Issue("no-plan", "solve", f"no plan was found ({answer.status})", "raise solve.max_solve_s"))
    return best


def _repaired(arrays: Arrays, x: Floats) -> Floats | None:
    """The best continuous values beside the integers of a solution; None where there are none."""
    try:
        return held(arrays, x)
    except NoPlanFound:
        return None


def _cheapest(made: Program, arrays: Arrays, start: Floats | None, scores: tuple[float, ...]) -> Funded:
    """Where the search finds nothing cheaper than what it could start from, that is the plan.

    It is not handed to the solver: HiGHS 1.16 may answer with a start beside the objective of another solution.
    """
    stop = _stop(made.frame.problem, made.frame.problem.factory.solve.gap_share)
    answer = run(arrays, stop)
    if answer.x is None and (answer.status == "infeasible" or start is None):
        raise nothing(answer, stop)
    if start is not None and (answer.x is None or arrays.cost @ start + arrays.offset < answer.objective):
        bound = answer.bound if np.isfinite(answer.bound) else _relaxed(arrays, stop).objective
        answer = Answer(answer.status, start, float(arrays.cost @ start + arrays.offset), bound)
    plan, x = settled(made, arrays, answer)
    return Funded(plan, scores, x)


def _relaxed(arrays: Arrays, stop: Stop) -> Answer:
    return solve_here(replace(arrays, integer=np.zeros_like(arrays.integer)), stop)


def _stop(problem: Problem, gap: float) -> Stop:
    settings = problem.factory.solve
    return Stop(gap, settings.max_search_nodes, float(settings.max_solve_s))


def score(f: Frame, v: Variables, goal: Goal) -> Expression:
    """Weighted share of the volume (load x hours) that is served, and of the work that is done."""
    problem = f.problem
    volume = (demand_share(f) * problem.calendar.hours).sum(axis=(1, 2)).reshape(-1)
    part = np.divide(goal.commodities, volume, out=np.zeros(len(volume)), where=volume > 0)
    by_cell = f.per_cell([part[c.commodity] for c in problem.cells])
    by_token = table([part[c.commodity] for c in problem.token_cells], f.token)
    served = (v.load * (f.hours * by_cell)).sum() + (v.token * (f.hours * by_token)).sum()
    work = [sum(window.work_units for window in job.windows) for job in problem.jobs]
    speed = [goal.jobs[c.job] * c.point.capacity_per_s / max(work[c.job], 1e-12) for c in problem.batch_cells]
    return served + (v.run * f.per_run(speed)).sum()


def _most(made: Program, goals: Goals) -> Iterator[tuple[Floats, float]]:
    """What is worth no money beyond a share: (its share as a row, that share)."""
    f = made.frame
    counts = len(f.commodity), len(f.job)
    for k, limit in enumerate((*goals.most_commodities, *goals.most_jobs)):
        if limit < 1.0:
            only = np.arange(sum(counts)) == k
            goal = Goal(0, tuple(only[: counts[0]].astype(float)), tuple(only[counts[0] :].astype(float)))
            yield _flat(score(f, made.variables, goal)), limit


def _flat(expression: Expression) -> Floats:
    return expression.rows.toarray().ravel()


def _with_rows(arrays: Arrays, added: Sequence[Floats]) -> Arrays:
    """More rows below the others, open until limits are set."""
    width, height = len(arrays.cost), len(arrays.row_lower)
    own = sparse.csr_array((arrays.values, arrays.columns, arrays.starts), shape=(height, width))
    matrix = sparse.vstack([own, sparse.csr_array(np.array(added).reshape(-1, width))]).tocsr()
    return replace(
        arrays,
        row_lower=np.concatenate([arrays.row_lower, np.full(len(added), -np.inf)]),
        row_upper=np.concatenate([arrays.row_upper, np.full(len(added), np.inf)]),
        starts=matrix.indptr.astype(np.int32),
        columns=matrix.indices.astype(np.int32),
        values=matrix.data.astype(float),
    )
