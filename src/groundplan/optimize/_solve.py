"""Solve, round, fix, solve again: the plan that is delivered is the fixed one, never the solver's word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import sparse

from groundplan.errors import Infeasible, Issue, NoPlanFound
from groundplan.optimize._extract import Reached, extract
from groundplan.optimize._highs import SMALLER, Answer, Arrays, Floats, Stop, run
from groundplan.optimize._highs import solve as solve_here
from groundplan.optimize._model import FAMILIES, SCALE, Family, Program, program
from groundplan.optimize._tidy import tidy
from groundplan.plan import Plan
from groundplan.problem import Problem

Progress = Callable[[str], None]
LP_TOLERANCE = 1e-9
FIXED_SECONDS = 60.0
TIDY_ROUNDS = 6
NOTHING = 1e-12
"""Coefficients below this are rounding of an exact zero."""
ROOM = f"raise solve.max_solve_s and solve.max_search_nodes, or {SMALLER}"


def solve(
    problem: Problem,
    *,
    relax: bool = False,
    families: dict[str, Family] | None = None,
    progress: Progress = lambda _: None,
) -> Plan:
    """The least-cost plan of a problem.

    `relax` solves the linear relaxation and rounds integers up: what a planner without integers would do; it is
    there to be compared with. Raises Infeasible (proved: no plan under the rules) and NoPlanFound (the
    search ended without a plan and without that proof).
    """
    progress("writing the program")
    made = program(problem, families or FAMILIES)
    arrays = to_arrays(made)
    settings = problem.factory.solve
    stop = Stop(settings.gap_share, settings.max_search_nodes, float(settings.max_solve_s))
    progress(
        f"solving {len(arrays.cost):,} columns, {int(arrays.integer.sum()):,} integer, {len(arrays.row_lower):,} rows"
    )
    answer = solve_here(replace(arrays, integer=np.zeros_like(arrays.integer)), stop) if relax else run(arrays, stop)
    if answer.x is None:
        raise nothing(answer, stop)
    progress("fixing integers and solving again")
    return settled(made, arrays, answer, up=relax)[0]


def settled(made: Program, arrays: Arrays, answer: Answer, *, up: bool = False) -> tuple[Plan, Floats]:
    """The plan of an answer, and the solution that it was read from: integers rounded (`up`), the rest solved again."""
    assert answer.x is not None
    x = _delivered(made, arrays, answer.x, up=up)
    reached = Reached(answer.status, answer.bound / SCALE, answer.objective / SCALE, max_residual(arrays, x))
    return extract(made, x, reached), x


def nothing(answer: Answer, stop: Stop) -> Infeasible | NoPlanFound:
    if answer.status == "infeasible":
        what = "no plan meets every rule of the file"
        return Infeasible(
            Issue("infeasible", "plan", what, "relax a limit; `check` lists what each cell was refused for")
        )
    what = (
        f"the search ended without a plan within {stop.seconds:.0f} s and {stop.nodes:,} nodes ({answer.status}); "
        "whether there is one is not known"
    )
    return NoPlanFound(Issue("no-plan", "solve", what, ROOM))


def _delivered(made: Program, arrays: Arrays, x: Floats, *, up: bool) -> Floats:
    """Round the integers, hold them, solve the rest to 1e-9; then let idle integers follow, and solve once more.

    A relaxation that is rounded `up` stays as it is: it stands for a planner that does no more than that.
    """
    integers = np.ceil(x - 1e-6) if up else np.round(x)
    fixed = held(arrays, integers)
    for _ in range(0 if up else TIDY_ROUNDS):
        tidied = tidy(made, fixed)
        if np.array_equal(tidied[arrays.integer], fixed[arrays.integer]):
            break
        fixed = held(arrays, tidied)
    return fixed


def held(arrays: Arrays, x: Floats) -> Floats:
    """The best continuous values beside given integers."""
    integers = np.clip(np.round(x), arrays.lower, arrays.upper)
    lower = np.where(arrays.integer, integers, arrays.lower)
    upper = np.where(arrays.integer, integers, arrays.upper)
    stiff = replace(arrays, lower=lower, upper=upper, integer=np.zeros_like(arrays.integer))
    answer = solve_here(stiff, Stop(0.0, 1, FIXED_SECONDS, LP_TOLERANCE))
    if answer.x is None:
        what = "the search ended without a plan: what it found meets every limit only before rounding"
        raise NoPlanFound(Issue("rounding", "solve", what, "loosen the limit that binds"))
    return _clean(answer.x, stiff)


def _clean(x: Floats, arrays: Arrays) -> Floats:
    """Solver dust below its own tolerance is zero; bounds are exact."""
    dusted = np.where(np.abs(x) < LP_TOLERANCE, 0.0, x)
    return np.clip(dusted, arrays.lower, arrays.upper)


def to_arrays(made: Program) -> Arrays:
    """The program as plain arrays; rows that hold nothing but a true constant are left out."""
    lefts = [constraint.left for _, constraint in made.rows]
    rows = sparse.vstack([left.rows for left in lefts]).tocsr()
    rows.sum_duplicates()
    rows.data[np.abs(rows.data) < NOTHING] = 0.0
    rows.eliminate_zeros()
    right = -np.concatenate([left.constants for left in lefts])
    sense = np.concatenate(
        [np.full(len(left.constants), c.sense) for left, (_, c) in zip(lefts, made.rows, strict=True)]
    )
    blocks = made.columns.blocks
    return Arrays(
        cost=made.cost.rows.toarray().ravel() * SCALE,
        offset=float(made.cost.constants[0]) * SCALE,
        lower=np.concatenate([block.lower for block in blocks]),
        upper=np.concatenate([block.upper for block in blocks]),
        integer=np.concatenate([np.full(len(block), block.integer) for block in blocks]),
        row_lower=np.where(sense == "<=", -np.inf, right),
        row_upper=np.where(sense == ">=", np.inf, right),
        starts=rows.indptr.astype(np.int32),
        columns=rows.indices.astype(np.int32),
        values=rows.data.astype(float),
    )


def max_residual(arrays: Arrays, x: Floats) -> float:
    """Largest breach of any row or bound, relative to its limit (or 1)."""
    matrix = sparse.csr_array((arrays.values, arrays.columns, arrays.starts), shape=(len(arrays.row_lower), len(x)))
    activity = matrix @ x
    over = np.maximum(activity - arrays.row_upper, arrays.row_lower - activity)
    scale = np.maximum(1.0, np.where(np.isfinite(arrays.row_upper), np.abs(arrays.row_upper), np.abs(arrays.row_lower)))
    bounds = np.maximum(x - arrays.upper, arrays.lower - x)
    return float(max(0.0, (over / scale).max(initial=0.0), bounds.max(initial=0.0)))
