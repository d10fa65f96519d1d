"""``plan``: file in, checked plan and report out; nothing is written before everything has succeeded."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from groundplan.catalog import Catalog
from groundplan.cli._errors import print_json
from groundplan.cli._explain import explained
from groundplan.cli._folder import check_folder, write_files, wrote
from groundplan.cli._progress import Progress, progress
from groundplan.cli._warnings import say_warnings, warnings
from groundplan.errors import LimitReached, RuleBroken
from groundplan.plan import Plan, plan_text
from groundplan.spec import LoadedSpec, load
from groundplan.verify import Report, verify

if TYPE_CHECKING:
    from groundplan.problem import Problem
    from groundplan.study import Base, Compared, Comparison, Planned

PLAN, FACTORY, REPORT, REJECTED = "plan.json", "factory.json", "report.html", "plan.rejected.json"
DECISION, OTHERS, PAPER = "decision.json", "plan.*.json", "report.pdf"


@dataclass(frozen=True, slots=True)
class Made:
    """A plan with its judgement and the wall times, which stand in no file."""

    plan: Plan
    report: Report
    build_s: float
    solve_s: float
    compared: Compared | None = None
    compare_s: float = 0.0

    @property
    def comparison(self) -> Comparison | None:
        return self.compared.comparison if self.compared else None


def plan_file(
    file: Path, out: Path, *, as_json: bool, with_report: bool, compare: bool = False, pdf: bool = False
) -> int:
    """Plan a factory file into a folder; the exit code.

    Raises RuleBroken for a plan that `verify` rejects, and, before anything is planned, PaperError where the paper is
    asked for without its package.
    """
    if pdf:
        _need_typst()
    loaded = load(file)
    catalog = Catalog.default().for_file(loaded)
    check_folder(out)
    with explained(loaded, catalog, as_json=as_json):
        made = _made(loaded, catalog, compare=compare)
    if made.report.findings:
        write_files(out, {REJECTED: plan_text(made.plan)})
        raise RuleBroken(made.report.findings)
    files: dict[str, str | bytes] = {PLAN: plan_text(made.plan), FACTORY: factory_text(loaded)}
    files |= _tables(made, loaded, catalog)
    if made.compared:
        files |= _decision(made.compared)
    if with_report:
        files[REPORT] = _page(made, loaded, catalog)
    if pdf:
        files[PAPER] = _paper(made, loaded, catalog)
    write_files(out, files)
    _drop_stale(out, set(files))
    _say(made, loaded, out, as_json=as_json, written=[name for name in (PLAN, REPORT, PAPER) if name in files])
    return LimitReached.exit_code if made.plan.result.status == "limit" else 0


def _made(loaded: LoadedSpec, catalog: Catalog, *, compare: bool) -> Made:
    from groundplan.study import Base

    start = perf_counter()
    with progress("working out speeds") as step:
        base, problem = Base.of(loaded, catalog, step)
    built = perf_counter()
    with progress("planning") as step:
        first = _first(base, problem, step)
    made = Made(first.plan, first.report, built - start, perf_counter() - built)
    return _compared(made, base, problem, first) if compare and not first.report.findings else made


def _first(base: Base, problem: Problem, step: Progress) -> Planned:
    """The plan with its judgement, whatever that is: a rejected plan is kept for a look at it."""
    from groundplan.optimize import solve
    from groundplan.study import Planned

    plan = solve(problem, progress=step)
    step("checking the plan independently")
    return Planned(plan, verify(plan, base.loaded, base.catalog))


def _compared(made: Made, base: Base, problem: Problem, first: Planned) -> Made:
    """The alternatives beside the plan; a better plan that they turn up takes its place."""
    from groundplan.study import compare

    start = perf_counter()
    with progress("comparing") as step:
        compared = compare(base, problem, first, step)
    best = compared.plans["recommended"]
    return Made(best.plan, best.report, made.build_s, made.solve_s, compared, perf_counter() - start)


def _decision(compared: Compared) -> dict[str, str]:
    """The comparison, and a plan of its own for each alternative that has one."""
    others = {f"plan.{name}.json": one.plan for name, one in compared.plans.items() if name != "recommended"}
    text = json.dumps(compared.comparison.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)
    return {DECISION: text + "\n", **{name: plan_text(plan) for name, plan in others.items()}}


def _page(made: Made, loaded: LoadedSpec, catalog: Catalog) -> str:
    from groundplan.report import render

    with progress("drawing the report"):
        return render(made.plan, loaded, catalog, made.report, made.comparison)


def _need_typst() -> None:
    from groundplan.report import need_typst

    need_typst()


def _paper(made: Made, loaded: LoadedSpec, catalog: Catalog) -> bytes:
    from groundplan.report import paper

    with progress("setting the paper"):
        return paper(made.plan, loaded, catalog, made.report, made.comparison)


def _tables(made: Made, loaded: LoadedSpec, catalog: Catalog) -> dict[str, str]:
    """What to sign by when, for a spreadsheet and for a diary, and the bill of materials."""
    from groundplan.report import files

    return files(made.plan, loaded, catalog, made.report)


def factory_text(loaded: LoadedSpec) -> str:
    """What the file states as one JSON document, which `load` reads back to the same hash."""
    content = loaded.factory.model_dump(mode="json", exclude_unset=True)
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _drop_stale(out: Path, written: set[str]) -> None:
    """What an earlier run left would speak of another plan."""
    for path in (out / REJECTED, out / REPORT, out / PAPER, out / DECISION, *out.glob(OTHERS)):
        if path.name not in written:
            path.unlink(missing_ok=True)


def summary(made: Made) -> dict[str, Any]:
    """The result for machines; keys are part of the interface."""
    result = made.plan.result
    return {
        "status": result.status,
        "objective_usd": result.objective_usd,
        "bound_usd": result.bound_usd,
        "gap": result.gap,
        "evaluated_usd": made.report.evaluated_usd,
        "max_residual": max(result.max_residual, made.report.max_residual),
        "rounding_cost_usd": result.rounding_cost_usd,
        "build_s": round(made.build_s, 3),
        "solve_s": round(made.solve_s, 3),
        "reproducible": result.reproducible,
        **_alternatives(made),
    }


def _alternatives(made: Made) -> dict[str, Any]:
    if made.comparison is None:
        return {}
    rows = [row.model_dump(mode="json", exclude={"stays", "uplink"}) for row in made.comparison.alternatives]
    return {"compare_s": round(made.compare_s, 3), "alternatives": rows}


def _say(made: Made, loaded: LoadedSpec, out: Path, *, as_json: bool, written: list[str]) -> None:
    from groundplan.cli._compare import comparison_tables
    from groundplan.cli._tables import console, plan_tables

    screen = console()
    for table in plan_tables(made.plan, loaded.factory):
        screen.print(table)
    if made.comparison:
        for table in comparison_tables(made.comparison):
            screen.print(table)
    result = made.plan.result
    note = "" if result.status == "optimal" else "; the search was stopped before the gap asked for"
    print(f"verified; gap {result.gap:.2%}{note}", file=sys.stderr)
    print(wrote(out, written), file=sys.stderr)
    print("beside it: actions.csv and actions.ics (what to sign by when), bom.csv (what to buy)", file=sys.stderr)
    found = warnings()
    say_warnings(found)
    if as_json:
        print_json(summary(made) | {"warnings": found})
