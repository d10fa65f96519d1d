"""From a Problem to a Plan: the integer program, its solution, rounding. Heavy parts load when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundplan.optimize._highs import Floats
    from groundplan.optimize._priority import Funded
    from groundplan.plan import Plan
    from groundplan.problem import Diagnosis, Floor, Goals, Problem

__all__ = ["diagnose", "fund", "has_plan", "solve"]


def _silent(_: str) -> None:
    return


def solve(
    problem: Problem,
    *,
    relax: bool = False,
    floor: Floor | None = None,
    progress: Callable[[str], None] = _silent,
) -> Plan:
    """The least-cost plan, rounded, fixed and solved again; see `docs/conventions.md` for what its figures mean.

    `relax`: the linear relaxation rounded up, for comparison. `floor`: what chosen ways must carry, whatever it
    costs. Raises Infeasible and NoPlanFound.
    """
    from groundplan.errors import Infeasible
    from groundplan.optimize import _model, _solve

    families = _model.FAMILIES if floor is None else _model.with_floor(floor)
    try:
        return _solve.solve(problem, relax=relax, families=families, progress=progress)
    except Infeasible as error:
        error.problem = problem
        raise


def diagnose(problem: Problem, *, seconds: float = 55.0, progress: Callable[[str], None] = _silent) -> Diagnosis | None:
    """Which limits of a problem without a plan are in conflict, and the least that each would have to give.

    About `seconds` of wall time at most; None where no conflict was found in it. Each relaxation was solved for.
    """
    from groundplan.optimize import _diagnose

    return _diagnose.diagnose(problem, seconds, progress)


def has_plan(problem: Problem, seconds: float) -> bool | None:
    """Whether any plan exists, whatever it costs; None where that is not known in time."""
    from groundplan.optimize import _elastic

    return _elastic.has_plan(problem, seconds)


def fund(
    problem: Problem,
    goals: Goals,
    *,
    known: Sequence[Floats] = (),
    progress: Callable[[str], None] = _silent,
) -> Funded:
    """The plan that meets the goals one after another as far as it can, and then costs least.

    `known`: solutions of the same problem with other money, to start from. Raises Infeasible where not even a plan
    that serves nothing exists, and NoPlanFound.
    """
    from groundplan.optimize import _priority

    return _priority.fund(problem, goals, known, progress)
