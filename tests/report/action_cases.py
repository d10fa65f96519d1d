"""Tiny solved plans with lead times inside quarters, so that orders have float."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "oracle"))

from instances import Instance, instance, tiny_catalog

from groundplan.catalog import Catalog
from groundplan.optimize import solve
from groundplan.plan import Plan
from groundplan.problem import build_from_tables
from groundplan.report._facts import Facts
from groundplan.spec import Factory, LoadedSpec
from groundplan.verify import verify


@dataclass(frozen=True)
class Solved:
    """A plan, what it answers, and its facts."""

    plan: Plan
    loaded: LoadedSpec
    catalog: Catalog
    facts: Facts


def _slower(seed: int) -> Instance:
    """The instance over five quarters and three years; nodes take four months, demand starts in July and grows."""
    case = instance(seed)
    values = case.factory.model_dump(exclude_unset=True)
    values["periods"] = {"months": 0, "quarters": 4, "years": 3}
    for offer in values["purchases"]:
        offer |= {"lead_months": 4, "deliveries": [], "lot_nodes": 1}
    for workload in values["workloads"]:
        for demand in workload["demand"]:
            demand |= {"from_month": "2027-07", "until_month": None, "growth_per_year_rate": 0.5}
    for site in values["sites"]:
        if hosting := site.get("hosting"):
            hosting |= {"usable_kw": 400, "air_heat_kw": 400, "liquid_heat_kw": 400, "rack_slots_count": 40}
            hosting["usable_kw"] = 30 if hosting["blocks"] else 400
    return Instance(seed, case.kind, Factory.model_validate(values), case.tables)


@cache
def solved(seed: int) -> Solved:
    """The plan of a seed, sound in the eyes of `verify`."""
    case, catalog = _slower(seed), tiny_catalog()
    plan = solve(build_from_tables(case.loaded, catalog, case.tables.points, case.tables.staffing))
    report = verify(plan, case.loaded, catalog)
    assert report.findings == ()
    return Solved(plan, case.loaded, catalog, Facts(plan, case.loaded, catalog, report))
