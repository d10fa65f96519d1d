"""Whether a file without a plan has one at expected speeds: what measuring first would be worth."""

from __future__ import annotations

from collections.abc import Callable, Collection

from groundplan.catalog import Catalog
from groundplan.errors import GroundplanError
from groundplan.optimize import has_plan
from groundplan.problem import Change, Problem, Relaxation, applied, rebuilt
from groundplan.spec import LoadedSpec

Progress = Callable[[str], None]
PLAN_S = 25.0
NOT_ENOUGH = {True: "", False: " (but then other limits are in the way)", None: " (if that is enough is not known)"}
"""What follows the words of a relaxation, by whether a plan exists then."""


def slowed(problem: Problem) -> list[str]:
    """Workloads that are planned below expected speed."""
    return [name for name, deviations in problem.speed_deviations.items() if deviations]


def at_expected_speeds(
    loaded: LoadedSpec, catalog: Catalog, problem: Problem, named: Collection[str], progress: Progress
) -> Relaxation:
    """The relaxation that plans at expected speeds: tried for the workloads in conflict alone, then for all.

    If some workloads at expected speed and the others as planned have a plan, so has the file at expected speeds.
    """
    name = "speed_confidence_share"
    change = Change(path=(name,), field=name, old=loaded.factory.speed_confidence_share, new="expected")
    factory, known, verdict = applied(loaded.factory, (change,)), problem, False
    first = [workload for workload in slowed(problem) if workload in named]
    rest = [workload for workload in slowed(problem) if workload not in named]
    about: list[str] = []
    for names in filter(None, (first, rest)):
        progress(f"expected speed of {', '.join(names)}")
        about += names
        try:
            known = rebuilt(
                loaded, catalog, known, factory, lambda workload, _origin, _pool, names=names: workload in names
            )
        except GroundplanError:
            break
        verdict = has_plan(known, PLAN_S)
        if verdict is not False:
            break
    text = f"measure {', '.join(about)} first and plan at expected speeds: {change}{NOT_ENOUGH[verdict]}"
    return Relaxation(
        kind="speed", id=f"expected speeds ({name})", text=text, enough=bool(verdict), amount=None, unit="",
        least=verdict is not None, changes=(change,),
    )  # fmt: skip
