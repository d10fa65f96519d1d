"""From a Problem to a Plan: the integer program, its solution, rounding. Heavy parts load when asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundplan.plan import Plan
    from groundplan.problem import Problem

__all__ = ["solve"]


def _silent(_: str) -> None:
    return


def solve(problem: Problem, *, relax: bool = False, progress: Callable[[str], None] = _silent) -> Plan:
    """The least-cost plan, rounded, fixed and solved again; see `docs/conventions.md` for what its figures mean.

    `relax`: the linear relaxation rounded up, for comparison. Raises Infeasible and NoPlanFound.
    """
    from groundplan.optimize import _solve

    return _solve.solve(problem, relax=relax, progress=progress)
