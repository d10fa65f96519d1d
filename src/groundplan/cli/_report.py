"""``report``: the page of a plan drawn anew from its files, and the typeset paper."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from groundplan.catalog import Catalog
from groundplan.cli._errors import print_json
from groundplan.cli._folder import check_folder, write_files, wrote
from groundplan.cli._plan import DECISION, PAPER, PLAN, REPORT
from groundplan.cli._progress import progress
from groundplan.cli._verify import factory_beside
from groundplan.errors import Issue, PlanFileError, RuleBroken
from groundplan.plan import Plan, read_plan
from groundplan.verify import verify

if TYPE_CHECKING:
    from groundplan.study import Comparison


def report_file(path: Path, spec: Path | None, *, pdf: bool, as_json: bool) -> None:
    """Draw the report of a plan that keeps every rule, beside it; RuleBroken (exit 3) for any other.

    Raises PlanFileError where the comparison beside it cannot be read or is that of another plan, and PaperError where
    the paper is asked for without its package.
    """
    from groundplan.report import need_typst, paper, render

    if pdf:
        need_typst()
    plan_path = path / PLAN if path.is_dir() else path
    folder = plan_path.parent
    plan, loaded = read_plan(plan_path), factory_beside(plan_path, spec)
    compared = _comparison(folder / DECISION, plan)
    check_folder(folder)
    catalog = Catalog.default().for_file(loaded)
    judged = verify(plan, loaded, catalog)
    if judged.findings:
        raise RuleBroken(judged.findings)
    with progress("drawing the report"):
        made: dict[str, str | bytes] = {REPORT: render(plan, loaded, catalog, judged, compared)}
        if pdf:
            made[PAPER] = paper(plan, loaded, catalog, judged, compared)
    write_files(folder, made)
    print(wrote(folder, list(made)), file=sys.stderr)
    if as_json:
        files = [str(folder / name) for name in made]
        print_json({"status": "written", "files": files, "compared": compared is not None})


def _comparison(path: Path, plan: Plan) -> Comparison | None:
    """The comparison beside a plan; None where there is none."""
    from groundplan.study import Comparison

    if not path.is_file():
        return None
    try:
        found = Comparison.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        what = " ".join(str(error).split())[:300]
        raise PlanFileError(Issue("decision-file", str(path), f"cannot be read: {what}", "compare again")) from error
    theirs = found.spec_hash, found.catalog_hash, found.recommended.objective_usd
    if theirs != (plan.spec_hash, plan.catalog_hash, plan.result.objective_usd):
        hint = "delete it, or plan again with --compare"
        raise PlanFileError(Issue("decision-file", str(path), "is the comparison of another plan", hint))
    return found
