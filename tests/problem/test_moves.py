"""Moves of existing nodes as the problem offers them: law, heat, lead and life; sizes of the pools they fill."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from problem_cases import VALUES, calendar, catalog, factory, problem_of, rich

from groundplan.problem import stocked
from groundplan.problem._moves import refused_moves
from groundplan.problem._pools import pools, sized, spare_nodes

OLD = VALUES["existing"][0]


def _estate(**move: Any) -> list[dict[str, Any]]:
    return [{**OLD, "moves": [{**OLD["moves"][0], "lead_months": 0, **move}]}]


def _annex(**figures: Any) -> list[dict[str, Any]]:
    rows = deepcopy(VALUES["sites"])
    site = next(row for row in rows if row["id"] == "annex")
    hosting = {name: figures.pop(name) for name in list(figures) if name in site["hosting"]}
    site.update(figures)
    site["hosting"] = {**site["hosting"], **hosting}
    return rows


def _pool(**changes: Any):
    found, _ = pools(factory(**changes), catalog(), calendar(years=2))
    return {pool.key: pool for pool in found}.get("annex/node8")


def _refused(**changes: Any):
    return [(row.to, row.rule) for row in refused_moves(factory(**changes), catalog(), calendar(years=2))]


def test_a_move_makes_a_pool_where_nothing_is_sold():
    pool = _pool(purchases=[], existing=_estate())
    assert pool is not None
    assert [t.may_leave.tolist() for t in pool.transfers] == [[True, True]]
    assert _pool(purchases=[], existing=[{**OLD, "moves": []}]) is None


def test_nodes_must_arrive_within_the_plan_and_within_their_life():
    """Bought in June 2024 for four years they end in June 2028; a year on the way leaves the second year too late."""
    assert _pool(existing=_estate(lead_months=12)).transfers[0].may_leave.tolist() == [True, False]
    assert _refused(existing=_estate(lead_months=13)) == [("annex", "lead")]
    assert _pool(purchases=[], existing=_estate(lead_months=13)) is None
    old = [{**_estate()[0], "bought_month": "2023-12"}]
    assert _pool(existing=old).transfers[0].may_leave.tolist() == [True, False]


@pytest.mark.parametrize(
    ("seat", "rule"),
    [
        ("country", "us-3a090a-cn-dram"),
        ("owner_country", "us-hq"),
        ("operator_country", "us-hq"),
        ("parent_country", "us-hq"),
    ],
)
def test_a_move_across_a_border_or_to_other_hands_is_an_export(seat, rule):
    assert _refused(existing=_estate()) == []
    assert _refused(existing=_estate(), sites=_annex(**{seat: "CN"})) == [("annex", rule)]
    permit = [{"permit": "bis-licence", "from_month": "2028-01", "until_month": "2029-01"}]
    pool = _pool(existing=_estate(), sites=_annex(**{seat: "CN"}), held_permits=permit)
    assert pool.transfers[0].may_leave.tolist() == [False, True]


def test_a_move_between_sites_of_the_same_seats_is_no_export():
    rows = _annex(country="CN")
    next(row for row in rows if row["id"] == "plant")["country"] = "CN"
    assert _refused(existing=_estate(), sites=rows) == []
    assert not _pool(existing=_estate(), sites=rows).orderable.any()


def test_a_rack_that_is_too_hot_takes_none():
    assert _refused(existing=_estate(), sites=_annex(rack_limit_kw=9)) == [("annex", "rack-heat")]


def test_a_pool_has_room_for_what_may_come():
    """Without a purchase the two nodes are all that ever stands there, whatever would be of use."""
    assert sized(_pool(purchases=[], existing=_estate()), 99, critical=False).max_nodes == 2
    assert sized(_pool(purchases=[], existing=_estate()), 1, critical=False).max_nodes == 1
    # Two are of use (30 kW); one may have moved there when a lot of two is bought.
    assert sized(_pool(existing=_estate()), 99, critical=False).max_nodes == 3
    assert sized(_pool(existing=_estate()), 0, critical=False).max_nodes == 0


def test_moved_nodes_need_spares_as_bought_ones_do():
    pool = _pool(purchases=[], existing=[{**_estate()[0], "nodes_count": 60}], sites=_annex(usable_kw=9e3))
    assert sized(pool, 50, critical=True).spare_nodes == spare_nodes(52, 0.5) == 3
    assert sized(replace(pool, transfers=()), 50, critical=True).spare_nodes == 1


def test_spares_are_those_of_the_nodes_that_could_ever_stand_there():
    """Two old nodes are all that moves could bring: one of them is kept free, whatever 50 nodes would ask for."""
    pool = _pool(purchases=[], existing=_estate(), sites=_annex(usable_kw=9e3))
    assert sized(pool, 50, critical=True).spare_nodes == spare_nodes(2, 0.5) == 1
    feed = _pool(purchases=[{**VALUES["purchases"][0], "deliveries": [], "lot_nodes": 1}], existing=_estate())
    assert sized(feed, 500, critical=True).spare_nodes == 1  # 30 kW at a PUE of 1.4 feed two


def test_a_pool_is_stocked_from_the_first_arrival_to_the_end_of_life():
    lasting = [{**_estate(lead_months=12)[0], "bought_month": "2026-01"}]
    problem = problem_of(rich(existing=lasting, purchases=[buy for buy in VALUES["purchases"] if buy["id"] != "buy8"]))
    g = next(g for g, pool in enumerate(problem.pools) if pool.key == "annex/node8")
    problem = replace(problem, pools=tuple(replace(pool, max_nodes=2) for pool in problem.pools))
    assert stocked(problem, g).tolist() == [False, True]
    assert stocked(problem, g, moves=False).tolist() == [False, False]
