"""What the alternatives make of moves: none in the status quo, and no other ground lost for a few early nodes."""

from __future__ import annotations

import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "optimize"))

from optimize_cases import VALUES, WORKLOADS, catalog, problem_of, rich

from groundplan.optimize import solve
from groundplan.study._ways import WAYS, narrowed, status_quo
from groundplan.verify import verify

COLOCATION = next(way for way in WAYS if way.id == "colocation")
OLD, BUY8 = VALUES["existing"][0], VALUES["purchases"][0]
FREE: dict[str, Any] = {"budgets": {}, "on_premise_floors": []}


def _chat(requests_per_s: float) -> dict[str, Any]:
    plain = {key: value for key, value in WORKLOADS[0].items() if key != "failover_share"}
    return {**plain, "survives": "none", "demand": [{**plain["demand"][0], "requests_per_s": requests_per_s}]}


def _case(**changes: Any):
    """The tiny factory with its annex in colocation; the old nodes could be there at once."""
    sites = deepcopy(VALUES["sites"])
    next(site for site in sites if site["id"] == "annex")["tier"] = "colocation"
    moves = [{**OLD["moves"][0], "lead_months": 0, "usd_per_node": 10}]
    owned = {**OLD, "moves": moves, "bought_month": "2026-06"}
    return rich(**{"sites": sites, "workloads": [_chat(2)], "existing": [owned], **FREE, **changes})


def test_the_status_quo_stays_where_it_is():
    """The way to the plant costs more than the move to the annex: whoever may move does, the status quo may not."""
    fees = {"plant": 30000, "annex": 0, "cloud": 30000, "api": 0}
    links = [{**link, "price_usd_per_month": fees[link["site"]]} for link in VALUES["links"]]
    case = _case(links=links, purchases=[], token_offers=[])
    problem = problem_of(case)
    free, stays = solve(problem), solve(status_quo(problem).problem)
    assert [(row.existing, row.to) for row in free.moves] == [("old", "annex")]
    assert stays.moves == ()
    assert verify(free, case.loaded, catalog()).findings == ()
    assert verify(stays, case.loaded, catalog()).findings == ()
    assert free.result.objective_usd < stays.result.objective_usd


@pytest.mark.parametrize(
    ("purchases", "left"),
    [
        ([{**BUY8, "sites": ["annex"], "lead_months": 12, "deliveries": []}], [True, False]),
        ([], [False, False]),
    ],
    ids=["until what is bought can come", "moved nodes alone"],
)
def test_a_way_begins_when_more_than_a_few_moved_nodes_can_be_there(purchases, left):
    problem = narrowed(problem_of(_case(purchases=purchases, rentals=[])), COLOCATION).problem
    elsewhere = [cell for cell in problem.cells if problem.pools[cell.pool].site.id == "plant"]
    assert all(cell.allowed.tolist() == left for cell in elsewhere)
    assert bool(elsewhere) == any(left)
    assert any(problem.pools[cell.pool].site.id == "annex" and cell.allowed.all() for cell in problem.cells)
