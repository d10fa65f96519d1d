"""Moves of existing nodes by hand: stock on both ends and on the way, money at its place, law at the border."""

from __future__ import annotations

import pytest
from sample import (
    ANNEX_NODES,
    BOXES,
    PERIODS,
    SHED_NODES,
    Spec,
    catalog,
    moving_decisions,
    moving_sample,
    moving_values,
    plan_of,
)

from groundplan.spec import Factory
from groundplan.verify import ledger, verify
from groundplan.verify._world import World


@pytest.fixture(scope="module")
def made():
    return moving_sample()


@pytest.fixture(scope="module")
def rows(made):
    return ledger(*made)


def _of(rows, line, place, item="existing:boxes"):
    return {r.period: r.usd for r in rows if (r.line, r.place, r.item) == (line, place, item)}


def _case(change_values=None, change_plan=None):
    values, plan = moving_values(), moving_decisions()
    if change_values:
        change_values(values)
    if change_plan:
        change_plan(plan)
    tables = catalog()
    plan["catalog_hash"] = tables.content_hash
    spec = Spec(Factory.model_validate(values))
    return verify(plan_of(plan, spec, tables), spec, tables)


def test_nodes_stand_at_one_end_or_the_other_and_nowhere_on_the_way(made):
    world = World(*made)
    assert {s.id: world.installed(("shed", "mini"), s) for s in world.spans} == SHED_NODES
    assert {s.id: world.installed(("annex", "mini"), s) for s in world.spans} == ANNEX_NODES
    assert SHED_NODES["q2"] + ANNEX_NODES["q2"] == sum((SHED_NODES["q1"], ANNEX_NODES["q1"])) - 2


def test_the_way_is_paid_when_the_nodes_leave_and_stands_at_its_end(rows):
    assert _of(rows, "moving", "annex") == {"q2": 2 * 700}
    assert _of(rows, "moving", "shed") == {}


def test_maintenance_follows_the_nodes_and_rests_on_the_way(rows):
    a_quarter = 1000 / 4
    assert _of(rows, "maintenance", "shed") == {
        "q1": 3 * a_quarter, "q2": a_quarter, "q3": a_quarter, "q4": a_quarter, "y2": 1000,
    }  # fmt: skip
    assert _of(rows, "maintenance", "annex") == {"q3": 2 * a_quarter, "q4": a_quarter, "y2": 1000}


def test_room_and_software_follow_the_nodes(rows):
    # 2 kW at USD 12 a kW and month; 2 GPUs at USD 1000 a year.
    for site, nodes in (("annex", ANNEX_NODES), ("shed", SHED_NODES)):
        months = {p: m for p, (_, m) in PERIODS.items()}
        assert _of(rows, "colocation", site, "mini") == {p: nodes[p] * 2 * 12 * m for p, m in months.items()}
        assert _of(rows, "software", site, "mini") == {p: nodes[p] * 2 * 1000 * m / 12 for p, m in months.items()}


def test_resale_and_what_is_left_stand_where_the_nodes_do(rows):
    assert _of(rows, "resale", "annex") == pytest.approx({"q4": -8000 * 0.75**0.75})
    assert _of(rows, "residual", "annex") == pytest.approx({"y2": -8000 * 0.75**2})
    assert _of(rows, "residual", "shed") == pytest.approx({"y2": -8000 * 0.75**2})


def test_moving_is_cash_and_no_capex(made):
    plan = made[0]
    moved = sum(row.usd for row in plan.costs if row.line == "moving")
    spent = _year1(plan, ("hardware", "network", "storage", "spares", "duty", "facility", "opening"))
    caps = {"capex_usd_by_year": [spent], "cash_usd_by_year": [_cash(plan)], "carbon_tonnes_by_year": []}

    def capped(values):
        values["budgets"] = caps

    assert moved == 1400
    assert _case(capped).families == frozenset()
    caps["cash_usd_by_year"] = [_cash(plan) - moved / 2]
    assert _case(capped).families == {"budget"}


def _year1(plan, lines):
    return sum(row.usd for row in plan.costs if row.line in lines and row.period != "y2")


def _cash(plan):
    return _year1(plan, {row.line for row in plan.costs} - {"value_served", "shed_penalty", "resale", "residual"})


def test_moved_nodes_end_with_their_life():
    """Bought in January 2025 the boxes are three years old at the start of y2: gone from both ends."""

    def older(values):
        values["existing"][-1] = {**BOXES, "bought_month": "2025-01"}

    def gone(plan):
        plan["peaks"] = [r for r in plan["peaks"] if r["site"] != "shed" or r["period"] != "y2"]
        plan["peaks"] += [{"site": "shed", "period": "y2", "billed_peak_kw": 1.1 * 1.2 * 0.5}]

    assert _case(older, gone).families == frozenset()
    values = moving_values()
    older(values)
    world = World(*moving_sample(existing=values["existing"]))
    assert world.installed(("annex", "mini"), world.spans[-1]) == 1  # the one that was bought
    assert world.installed(("shed", "mini"), world.spans[-1]) == 0


def test_nodes_do_not_arrive_past_their_life():
    """Three years old in April 2027 they can still leave, yet not arrive in July."""

    def older(values):
        values["existing"][-1] = {**BOXES, "bought_month": "2024-05"}

    assert "stock" in _case(older).families


@pytest.mark.parametrize("seat", ["country", "owner_country", "operator_country", "parent_country"])
def test_a_move_to_another_seat_is_an_export(seat):
    """To a site in China, or one that is held from there, the chips need a licence; between Korean sites nothing."""

    def abroad(values):
        site = next(site for site in values["sites"] if site["id"] == "annex")
        site[seat] = "CN"
        values["purchases"] = [row for row in values["purchases"] if row["id"] != "buy-mini"]

    def none_bought(plan):
        plan["orders"] = [row for row in plan["orders"] if row["site"] != "annex"]
        plan["opened"]["annex"] = "q3"

    found = _case(abroad, none_bought)
    assert {issue.where for issue in found.findings if issue.code == "law"} == {"moves[0]"}


def test_a_move_between_sites_of_the_same_seats_is_none():
    def both_abroad(values):
        for site in values["sites"]:
            if site["id"] in ("annex", "shed"):
                site["country"] = "CN"
        values["purchases"] = [row for row in values["purchases"] if row["id"] != "buy-mini"]

    def none_bought(plan):
        plan["orders"] = [row for row in plan["orders"] if row["site"] != "annex"]
        plan["opened"]["annex"] = "q3"

    assert "law" not in _case(both_abroad, none_bought).families


def test_a_rack_that_is_too_hot_takes_no_moved_node():
    def cool(values):
        next(site for site in values["sites"] if site["id"] == "annex")["hosting"] = {
            **next(site for site in values["sites"] if site["id"] == "annex")["hosting"], "rack_limit_kw": 1.9,
            "rack_slots_count": 9,
        }  # fmt: skip
        values["purchases"] = [row for row in values["purchases"] if row["id"] != "buy-mini"]

    def none_bought(plan):
        plan["orders"] = [row for row in plan["orders"] if row["site"] != "annex"]
        plan["opened"]["annex"] = "q3"

    assert [issue.where for issue in _case(cool, none_bought).findings if issue.code == "cooling"] == ["moves[0]"]
