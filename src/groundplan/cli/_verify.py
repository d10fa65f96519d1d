"""``verify``: a plan judged again."""

from __future__ import annotations

from pathlib import Path

from groundplan.catalog import Catalog
from groundplan.cli._errors import print_json
from groundplan.cli._tables import console, cost_table, usd
from groundplan.errors import Issue, PlanFileError, RuleBroken
from groundplan.plan import read_plan
from groundplan.spec import LoadedSpec, load
from groundplan.verify import FAMILIES, verify


def verify_file(path: Path, spec: Path | None, *, as_json: bool) -> None:
    """Say that the plan keeps every rule; RuleBroken (exit 3) names those that it breaks."""
    plan_path = path / "plan.json" if path.is_dir() else path
    plan, loaded, catalog = read_plan(plan_path), factory_beside(plan_path, spec), Catalog.default()
    report = verify(plan, loaded, catalog)
    if report.findings:
        raise RuleBroken(report.findings)
    if as_json:
        print_json(
            {
                "status": "verified",
                "objective_usd": plan.result.objective_usd,
                "evaluated_usd": report.evaluated_usd,
                "max_residual": report.max_residual,
                "families": list(FAMILIES),
                "lines_usd": dict(report.lines),
            }
        )
        return
    screen = console(to_stdout=True)
    screen.print(f"verified: {len(FAMILIES)} families of rules kept, cost {usd(report.evaluated_usd)} as stated")
    screen.print(cost_table(report.lines))


def factory_beside(plan_path: Path, spec: Path | None) -> LoadedSpec:
    """The factory file that was named, or the one beside the plan; PlanFileError where there is neither."""
    beside = plan_path.parent / "factory.json"
    if spec is None and not beside.is_file():
        hint = "give the file that was planned with --spec"
        raise PlanFileError(Issue("missing-spec", str(plan_path), "no factory.json stands beside the plan", hint))
    return load(spec or beside)
