"""``plan``: file in, checked plan and report out; nothing is written before everything has succeeded."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from groundplan.catalog import Catalog
from groundplan.cli._errors import print_json
from groundplan.cli._folder import check_folder, write_files
from groundplan.cli._progress import progress
from groundplan.cli._warnings import say_warnings, warnings
from groundplan.errors import LimitReached, RuleBroken
from groundplan.plan import Plan, plan_text
from groundplan.spec import LoadedSpec, load
from groundplan.verify import Report, verify

PLAN, FACTORY, REPORT, REJECTED = "plan.json", "factory.json", "report.html", "plan.rejected.json"


@dataclass(frozen=True, slots=True)
class Made:
    """A plan with its judgement and the wall times, which stand in no file."""

    plan: Plan
    report: Report
    build_s: float
    solve_s: float


def plan_file(file: Path, out: Path, *, as_json: bool, with_report: bool) -> int:
    """Plan a factory file into a folder; the exit code. Raises RuleBroken for a plan that `verify` rejects."""
    loaded, catalog = load(file), Catalog.default()
    check_folder(out)
    made = _made(loaded, catalog)
    if made.report.findings:
        write_files(out, {REJECTED: plan_text(made.plan)})
        raise RuleBroken(made.report.findings)
    files = {PLAN: plan_text(made.plan), FACTORY: factory_text(loaded)}
    if with_report:
        files[REPORT] = _page(made, loaded, catalog)
    write_files(out, files)
    _drop_stale(out, with_report=with_report)
    _say(made, loaded, out, as_json=as_json, with_report=with_report)
    return LimitReached.exit_code if made.plan.result.status == "limit" else 0


def _made(loaded: LoadedSpec, catalog: Catalog) -> Made:
    from groundplan.optimize import solve
    from groundplan.problem import build

    start = perf_counter()
    with progress("working out speeds") as step:
        problem = build(loaded, catalog, step)
    built = perf_counter()
    with progress("planning") as step:
        plan = solve(problem, progress=step)
        solved = perf_counter()
        step("checking the plan independently")
        report = verify(plan, loaded, catalog)
    return Made(plan, report, built - start, solved - built)


def _page(made: Made, loaded: LoadedSpec, catalog: Catalog) -> str:
    from groundplan.report import render

    with progress("drawing the report"):
        return render(made.plan, loaded, catalog, made.report)


def factory_text(loaded: LoadedSpec) -> str:
    """What the file states as one JSON document, which `load` reads back to the same hash."""
    content = loaded.factory.model_dump(mode="json", exclude_unset=True)
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _drop_stale(out: Path, *, with_report: bool) -> None:
    """What an earlier run left would speak of another plan."""
    for name in (REJECTED,) if with_report else (REJECTED, REPORT):
        (out / name).unlink(missing_ok=True)


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
    }


def _say(made: Made, loaded: LoadedSpec, out: Path, *, as_json: bool, with_report: bool) -> None:
    from groundplan.cli._tables import console, plan_tables

    screen = console()
    for table in plan_tables(made.plan, loaded.factory):
        screen.print(table)
    result = made.plan.result
    note = "" if result.status == "optimal" else "; the search was stopped before the gap asked for"
    print(f"verified; gap {result.gap:.2%}{note}", file=sys.stderr)
    print(f"wrote {out / PLAN}" + (f" and {out / REPORT}" if with_report else ""), file=sys.stderr)
    found = warnings()
    say_warnings(found)
    if as_json:
        print_json(summary(made) | {"warnings": found})
