"""From a Problem to a Plan: the integer program, its solution, rounding. Heavy parts load when asked for."""

from __future__ import annotations

from collections.abc import Callable

from groundplan.plan import Plan
from groundplan.problem import Problem

__all__ = ["solve"]


def solve(problem: Problem, *, relax: bool = False, progress: Callable[[str], None] = lambda _: None) -> Plan:
    """The least-cost plan, rounded, fixed and solved again; see `docs/conventions.md` for what its figures mean.

    `relax`: the linear relaxation rounded up, for comparison. Raises Infeasible and LimitReached.
    """
    from groundplan.optimize._solve import solve as solve_program

    return solve_program(problem, relax=relax, progress=progress)
