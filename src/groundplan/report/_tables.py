"""The files that go beside a plan for those who sign and buy."""

from __future__ import annotations

from groundplan.catalog import Catalog
from groundplan.plan import Plan
from groundplan.report._action_files import actions_csv, actions_ics
from groundplan.report._actions import actions
from groundplan.report._bill import bill, bom_csv
from groundplan.report._facts import Facts
from groundplan.spec import LoadedSpec
from groundplan.verify import Report

FILES = ("actions.csv", "actions.ics", "bom.csv")


def files(plan: Plan, loaded: LoadedSpec, catalog: Catalog, verify_report: Report) -> dict[str, str]:
    """Texts by file name (`FILES`). Equal inputs give equal bytes.

    Raises CatalogError where a figure or a name that a table needs is missing in the catalogue.
    """
    facts = Facts(plan, loaded, catalog, verify_report)
    todo = actions(facts)
    return dict(zip(FILES, (actions_csv(todo), actions_ics(facts, todo), bom_csv(bill(facts))), strict=True))
