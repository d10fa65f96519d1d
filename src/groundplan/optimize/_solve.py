"""Solve, round, fix, solve again: the plan that is delivered is the fixed one, never the solver's word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from groundplan.errors import Infeasible, Issue, LimitReached
from groundplan.optimize._extract import Reached, extract
from groundplan.optimize._highs import Answer, Arrays, Floats, Stop, run
from groundplan.optimize._model import FAMILIES, SCALE, Family, Program, program
from groundplan.plan import Plan
from groundplan.problem import Problem

Progress = Callable[[str], None]
LP_TOLERANCE = 1e-9
FIXED_SECONDS = 60.0


def solve(
    problem: Problem,
    *,
    relax: bool = False,
    families: dict[str, Family] | None = None,
    progress: Progress = lambda _: None,
) -> Plan:
    """The least-cost plan of a problem.

    `relax` solves the linear relaxation and rounds integers up: what a planner without integers would do; it is
    there to be compared with. Raises Infeasible (no plan under the rules) and LimitReached (no plan found in time).
    """
    progress("writing the program")
    made = program(problem, families or FAMILIES)
    arrays = to_arrays(made)
    settings = problem.factory.solve
    stop = Stop(settings.gap_share, settings.max_search_nodes, float(settings.max_solve_s))
    progress(f"solving {len(arrays.cost):,} columns, {int(arrays.integer.sum()):,} integer, {len(arrays.row_lower):,} rows")
    answer = run(replace(arrays, integer=np.zeros_like(arrays.integer)) if relax else arrays, stop)
    if answer.x is None:
        raise _nothing(answer, stop)
    progress("fixing integers and solving again")
    fixed = _fix(arrays, answer.x, up=relax)
    assert fixed.x is not None
    reached = Reached(answer.status, answer.bound / SCALE, answer.objective / SCALE, max_residual(arrays, fixed.x))
    return extract(made, fixed.x, reached)


def _nothing(answer: Answer, stop: Stop) -> Infeasible | LimitReached:
    if answer.status == "infeasible":
        what = "no plan meets every rule of the file"
        return Infeasible(Issue("infeasible", "plan", what, "relax a limit; `check` lists what each cell was refused for"))
    what = f"no plan found within {stop.seconds:.0f} s or {stop.nodes} nodes ({answer.status})"
    return LimitReached(Issue("limit", "solve", what, "raise solve.max_solve_s"))


def _fix(arrays: Arrays, x: Floats, *, up: bool) -> Answer:
    """Round the integers, hold them, and solve the rest to 1e-9."""
    rounded = np.ceil(x - 1e-6) if up else np.round(x)
    lower = np.where(arrays.integer, rounded, arrays.lower)
    upper = np.where(arrays.integer, rounded, arrays.upper)
    fixed = replace(arrays, lower=lower, upper=upper, integer=np.zeros_like(arrays.integer))
    answer = run(fixed, Stop(0.0, 1, FIXED_SECONDS, LP_TOLERANCE))
    if answer.x is None:
        what = "the rounded plan breaks a limit that the unrounded one meets"
        raise LimitReached(Issue("rounding", "solve", what, "lower solve.gap_share, or loosen the limit that binds"))
    return replace(answer, x=_clean(answer.x, fixed))


def _clean(x: Floats, arrays: Arrays) -> Floats:
    """Solver dust below its own tolerance is zero; bounds are exact."""
    dusted = np.where(np.abs(x) < LP_TOLERANCE, 0.0, x)
    return np.clip(dusted, arrays.lower, arrays.upper)


def to_arrays(made: Program) -> Arrays:
    """The program as plain arrays."""
    matrices = made.model.matrices
    rows = matrices.A.tocsr()
    equal, least = matrices.sense == "=", matrices.sense == ">"
    return Arrays(
        cost=np.asarray(matrices.c, dtype=float),
        offset=made.constant_usd * SCALE,
        lower=np.asarray(matrices.lb, dtype=float),
        upper=np.asarray(matrices.ub, dtype=float),
        integer=np.isin(matrices.vtypes, ["B", "I"]),
        row_lower=np.where(equal | least, matrices.b, -np.inf),
        row_upper=np.where(equal | ~least, matrices.b, np.inf),
        starts=rows.indptr.astype(np.int32),
        columns=rows.indices.astype(np.int32),
        values=rows.data.astype(float),
    )


def max_residual(arrays: Arrays, x: Floats) -> float:
    """Largest breach of any row or bound, relative to its limit (or 1)."""
    from scipy.sparse import csr_array

    matrix = csr_array((arrays.values, arrays.columns, arrays.starts), shape=(len(arrays.row_lower), len(x)))
    activity = matrix @ x
    over = np.maximum(activity - arrays.row_upper, arrays.row_lower - activity)
    scale = np.maximum(1.0, np.where(np.isfinite(arrays.row_upper), np.abs(arrays.row_upper), np.abs(arrays.row_lower)))
    bounds = np.maximum(x - arrays.upper, arrays.lower - x)
    return float(max(0.0, (over / scale).max(initial=0.0), bounds.max(initial=0.0)))
