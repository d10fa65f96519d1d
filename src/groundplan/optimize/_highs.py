"""HiGHS in a child process: arrays in, arrays out, and a hard kill when it does not come back.

The child stops on gap or node limit, which are reproducible; the clock is a safety net and is reported as such.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import Issue, NoPlanFound

Floats = NDArray[np.float64]
KILL_AFTER_S = 20
"""Grace beyond the solver's own clock."""
SMALLER = "make the plan smaller: fewer periods, offers, buckets"


@dataclass(frozen=True)
class Arrays:
    """min c x, lower <= x <= upper, row_lower <= A x <= row_upper (A by rows), some x integer."""

    cost: Floats
    offset: float
    lower: Floats
    upper: Floats
    integer: NDArray[np.bool_]
    row_lower: Floats
    row_upper: Floats
    starts: NDArray[np.int32]
    columns: NDArray[np.int32]
    values: Floats


@dataclass(frozen=True)
class Stop:
    """When the solver may stop."""

    gap: float
    nodes: int
    seconds: float
    tolerance: float = 1e-7


@dataclass(frozen=True)
class Answer:
    """What came back. `x` is None when no solution was found."""

    status: str
    """optimal, infeasible (proved), limit-gap (stopped by nodes), limit-time, or what else the solver says."""
    x: Floats | None
    objective: float
    bound: float


def run(arrays: Arrays, stop: Stop, start: Floats | None = None) -> Answer:
    """Solve in a child process. Raises NoPlanFound when the child is killed or dies."""
    command = [sys.executable, "-m", "groundplan.optimize._highs"]
    payload = pickle.dumps((arrays, stop, start))
    try:
        done = subprocess.run(
            command, input=payload, capture_output=True, timeout=stop.seconds + KILL_AFTER_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        what = f"the solver did not answer within {stop.seconds + KILL_AFTER_S:.0f} s and was stopped"
        raise NoPlanFound(Issue("solver-killed", "solve", f"{what} without a plan", SMALLER)) from error
    if done.returncode != 0:
        tail = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        what = f"the solver ended with code {done.returncode} and without a plan: {tail[0]}"
        raise NoPlanFound(Issue("solver-died", "solve", what, f"free memory, or {SMALLER}"))
    return pickle.loads(done.stdout)


@contextmanager
def _silence() -> Iterator[None]:
    """The solver prints a banner when it starts, whatever its options say; standard output belongs to the caller."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def solve(arrays: Arrays, stop: Stop, start: Floats | None = None) -> Answer:
    """Solve in this process."""
    import highspy

    with _silence():
        return _solve(highspy, arrays, stop, start)


def _solve(highspy: Any, arrays: Arrays, stop: Stop, start: Floats | None) -> Answer:
    highs = _loaded(highspy, arrays, _options(stop))
    if start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = start.tolist()
        highs.setSolution(solution)
    highs.run()
    if highs.getModelStatus() == highspy.HighsModelStatus.kUnboundedOrInfeasible:
        return Answer(_which(highspy, arrays, stop), None, np.inf, -np.inf)
    return _answer(highspy, highs, bool(arrays.integer.any()))


def _loaded(highspy: Any, arrays: Arrays, options: dict[str, Any]) -> Any:
    highs = highspy.Highs()
    for option, value in options.items():
        highs.setOptionValue(option, value)
    highs.passModel(_model(highspy, arrays))
    return highs


def _which(highspy: Any, arrays: Arrays, stop: Stop) -> str:
    """Unbounded or infeasible: without cost nothing is unbounded, so what is infeasible then is proved to be."""
    free = replace(arrays, cost=np.zeros_like(arrays.cost))
    highs = _loaded(highspy, free, {**_options(stop), "presolve": "off"})
    highs.run()
    return "infeasible" if highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible else "unbounded"


def _options(stop: Stop) -> dict[str, Any]:
    return {
        "output_flag": False,
        "threads": 1,
        "random_seed": 0,
        "time_limit": float(stop.seconds),
        "mip_rel_gap": stop.gap,
        # Four times the usual: integer plans are found late here, bounds early (the example: 44 s instead of 139).
        "mip_heuristic_effort": 0.2,
        "mip_max_nodes": stop.nodes,
        "primal_feasibility_tolerance": stop.tolerance,
        "dual_feasibility_tolerance": stop.tolerance,
        "mip_feasibility_tolerance": min(stop.tolerance * 10, 1e-6),
    }


def _model(highspy: Any, arrays: Arrays) -> Any:
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(arrays.cost), len(arrays.row_lower)
    lp.col_cost_, lp.offset_ = arrays.cost, arrays.offset
    lp.col_lower_, lp.col_upper_ = arrays.lower, arrays.upper
    lp.row_lower_, lp.row_upper_ = arrays.row_lower, arrays.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = arrays.starts, arrays.columns, arrays.values
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    lp.integrality_ = [kinds[int(flag)] for flag in arrays.integer] if arrays.integer.any() else []
    return lp


def _answer(highspy: Any, highs: Any, integer: bool) -> Answer:
    state, info = highs.getModelStatus(), highs.getInfo()
    names = {
        highspy.HighsModelStatus.kOptimal: "optimal",
        highspy.HighsModelStatus.kInfeasible: "infeasible",
        highspy.HighsModelStatus.kTimeLimit: "limit-time",
        highspy.HighsModelStatus.kSolutionLimit: "limit-gap",
    }
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    x = np.array(highs.getSolution().col_value) if found else None
    value = info.objective_function_value
    return Answer(names.get(state, str(state)), x, value, info.mip_dual_bound if integer else value)


def _serve() -> None:
    """Answer one question on standard input."""
    arrays, stop, start = pickle.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(pickle.dumps(solve(arrays, stop, start)))


if __name__ == "__main__":
    # Under -m this file is __main__; answer with the importable classes so that the parent can unpickle.
    from groundplan.optimize import _highs

    _highs._serve()
