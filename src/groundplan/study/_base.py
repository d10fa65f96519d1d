"""What every study starts from: a file, the catalogue, and the speed tables that no price changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from groundplan.catalog import Catalog
from groundplan.errors import RuleBroken
from groundplan.optimize import solve
from groundplan.plan import Plan, PointRow, RefusalRow, StaffingRow
from groundplan.problem import Floor, Problem, build, build_from_tables
from groundplan.spec import LoadedSpec
from groundplan.verify import Report, verify

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that `verify` found no fault in."""

    plan: Plan
    report: Report

    @property
    def usd(self) -> float:
        return self.plan.result.objective_usd

    @property
    def bound_usd(self) -> float:
        return self.plan.result.bound_usd


@dataclass(frozen=True)
class Base:
    """A file with its tables: other prices give another problem in a second, since speeds stay."""

    loaded: LoadedSpec
    catalog: Catalog
    points: tuple[PointRow, ...]
    staffing: tuple[StaffingRow, ...]
    refusals: tuple[RefusalRow, ...]
    speed_deviations: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def of(loaded: LoadedSpec, catalog: Catalog, progress: Progress) -> tuple[Base, Problem]:
        """Work out speeds once. Raises Infeasible where a load has no way at all."""
        problem = build(loaded, catalog, progress)
        tables = problem.points, problem.staffing, problem.refusals, problem.speed_deviations
        return Base(loaded, catalog, *tables), problem

    def problem(self, loaded: LoadedSpec) -> Problem:
        """The problem of the same file at other prices."""
        tables = self.points, self.staffing, self.refusals, self.speed_deviations
        return build_from_tables(loaded, self.catalog, *tables)

    def planned(self, problem: Problem, loaded: LoadedSpec, floor: Floor | None = None) -> Planned:
        """Solve, and judge. Raises Infeasible, NoPlanFound, and RuleBroken for a plan that `verify` rejects."""
        plan = solve(problem, floor=floor)
        report = verify(plan, loaded, self.catalog)
        if report.findings:
            raise RuleBroken(report.findings)
        return Planned(plan, report)
