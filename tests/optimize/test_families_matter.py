"""No constraint family can be left out unnoticed: without it the plan of a fitting factory is refused."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from optimize_cases import VALUES, WORKLOADS, catalog, problem_of, rich

from groundplan.errors import Infeasible, NoPlanFound
from groundplan.optimize._model import FAMILIES
from groundplan.optimize._solve import solve
from groundplan.verify import verify

CHAT, ASSIST, TUNE, GROW = WORKLOADS
OLD, BUY8 = VALUES["existing"][0], VALUES["purchases"][0]
YEAR, NOW = VALUES["rentals"]
ROUNDING = "rounding"
"""The rest of the program cannot be met beside rounded integers: the solve ends with an error, not with a plan."""


def _chat(requests_per_s: float, **more: Any) -> dict[str, Any]:
    return {**CHAT, "demand": [{**CHAT["demand"][0], "requests_per_s": requests_per_s}], **more}


def _plain(requests_per_s: float) -> dict[str, Any]:
    values = {k: v for k, v in _chat(requests_per_s).items() if k != "failover_share"}
    return {**values, "survives": "none"}


def _hosting(site: str, **figures: Any) -> list[dict[str, Any]]:
    rows = deepcopy(VALUES["sites"])
    next(row for row in rows if row["id"] == site)["hosting"].update(figures)
    return rows


def _links(**by_site: float) -> list[dict[str, Any]]:
    return [{**row, "bandwidth_mbit_per_s": by_site.get(row["site"], 100)} for row in VALUES["links"]]


FREE: dict[str, Any] = {"budgets": {}, "on_premise_floors": []}
FEW = [{"month": "2028-12", "cumulative_nodes": 2}]
MUCH = {**TUNE, "demand": [{"origin": "plant", "work_units_per_month": 60}]}
SOLD: dict[str, Any] = {"workloads": [ASSIST], "purchases": [], "rentals": [], "existing": [], **FREE}
CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "demand": ({}, {"demand"}),
    "staffing": ({}, {ROUNDING, "capacity", "replicas"}),
    "least_replicas": ({"workloads": [_chat(0.5)], **FREE}, {"replicas"}),
    "node_filling": ({}, {ROUNDING, "packing"}),
    "pool_room": ({}, {ROUNDING, "packing", "spares"}),
    "site_loss": ({}, {"failover"}),
    "bandwidth": ({"links": _links(api=0.5), **SOLD}, {"bandwidth"}),
    "link_use": ({}, {"bound", "links"}),
    "token_quota": ({"token_offers": [{**VALUES["token_offers"][0], "quota_requests_per_s": 0.2}], **SOLD}, {"tokens"}),
    "batch_work": ({}, {"batch"}),
    "batch_room": ({}, {"batch"}),
    "batch_gang": (
        {"workloads": [TUNE], "purchases": [], "rentals": [], "token_offers": [],
         "existing": [{**OLD, "nodes_count": 1}], **FREE},
        {"batch"},
    ),
    "orders": (
        {"workloads": [_plain(8)], "existing": [], "rentals": [],
         "purchases": [{**BUY8, "deliveries": [{"month": "2027-12", "cumulative_nodes": 2},
                                               {"month": "2028-12", "cumulative_nodes": 20}]}], **FREE},
        {"deliveries", "stock", "packing", ROUNDING},
    ),
    "stock": ({}, {"packing"}),
    "retirement": (
        {"workloads": [{**_plain(2), "demand": [{**CHAT["demand"][0], "requests_per_s": 2, "from_month": "2028-01"}]}],
         "purchases": [], **FREE},
        {"stock", "cost", "packing"},
    ),
    "moves": (
        {"workloads": [_plain(2)], "purchases": [],
         "existing": [{**OLD, "bought_month": "2023-12", "moves": [{**OLD["moves"][0], "lead_months": 0}]}], **FREE},
        {"packing"},
    ),
    "deliveries": (
        {"workloads": [_plain(25)], "purchases": [{**BUY8, "deliveries": FEW}],
         "rentals": [{**NOW, "price_usd_per_node_hour": 200, "quota_nodes": 9}],
         "sites": _hosting("plant", usable_kw=400, air_heat_kw=400, liquid_heat_kw=400, rack_slots_count=40), **FREE},
        {"deliveries"},
    ),
    "power": ({}, {"power"}),
    "cooling": ({"sites": _hosting("plant", rack_slots_count=1, liquid_heat_kw=4, blocks=[]), **FREE}, {"cooling"}),
    "blocks": ({}, {"blocks", "cost"}),
    "opening": ({"workloads": [_plain(4)], "existing": [], "rentals": [], **FREE}, {"opening", "bound"}),
    "rental_quota": (
        {"workloads": [_plain(4), MUCH], "purchases": [], "existing": [], "token_offers": [],
         "rentals": [{**NOW, "quota_nodes": 3}], **FREE},
        {"rent"},
    ),
    "staff": ({}, {"staff"}),
    "billed_peak": ({}, {"peaks"}),
    "budgets": ({"budgets": {"capex_usd_by_year": [100000], "cash_usd_by_year": [200000]}}, {"budget"}),
    "carbon": ({"budgets": {"carbon_tonnes_by_year": [20]}}, {"carbon"}),
    "on_premise": ({"on_premise_floors": [{"workloads": ["chat", "assist"], "min_share": 0.6}]}, {"on_premise"}),
}  # fmt: skip
"""family -> (changes of the tiny factory in which it binds, what `verify` says without it)"""


def test_every_family_has_its_case():
    assert set(CASES) == set(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_plan_without_a_family_is_refused(name):
    changes, expected = CASES[name]
    case = rich(**changes)
    problem = problem_of(case)
    rest = {other: family for other, family in FAMILIES.items() if other != name}
    assert _found(problem, case, rest) & expected
    if changes:  # the unchanged factory has a sound plan: see the golden texts
        assert _found(problem, case, FAMILIES) in (set(), {"infeasible"})


def _found(problem, case, families) -> set[str]:
    """Families of findings; what the solve says where it ends without a plan."""
    try:
        plan = solve(problem, families=families)
    except (Infeasible, NoPlanFound) as error:
        return {issue.code for issue in error.issues}
    return set(verify(plan, case.loaded, catalog()).families)
