"""Unit costs: nothing is lost or counted twice, and the figures of the hand-made plan by hand."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.finance import (
    FOCUS_COLUMNS,
    UnitCosts,
    cash_by_year,
    convention,
    discount_factor,
    focus_rows,
    unit_costs,
)
from groundplan.finance._charges import level
from groundplan.finance._quantities import units
from groundplan.finance._stock import Stock
from groundplan.spec import ControlWorkload, FinetuneWorkload, LlmWorkload, StreamWorkload, VisionWorkload, load
from groundplan.verify import ledger

sys.path.append(str(Path(__file__).resolve().parents[1] / "verify"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "oracle"))
from instances import instance, tiny_catalog
from sample import BUCKETS, PERIODS, moving_sample, sample, tau

OUTSIDE = ("value_served", "shed_penalty")
HOURS = {period: 8760 * months / 12 for period, (_, months) in PERIODS.items()}
WORTH = {period: 1.08 ** -((start + months / 2) / 12) for period, (start, months) in PERIODS.items()}


def costs_of(plan, spec, catalog) -> UnitCosts:
    return unit_costs(plan, spec.factory, catalog, ledger(plan, spec, catalog))


def outside(plan, rate: float) -> float:
    """Present value of the lines that nobody pays."""
    middle = {row.id: row.start_month_count + row.months_count / 2 for row in plan.periods}
    return sum(row.usd * discount_factor(rate, middle[row.period]) for row in plan.costs if row.line in OUTSIDE)


@pytest.fixture(scope="module")
def made():
    return sample()


@pytest.fixture(scope="module")
def found(made) -> UnitCosts:
    return costs_of(*made)


# --- nothing is lost ---


def test_workloads_and_idle_sum_to_the_objective(made, found):
    shared = sum(one.npv_usd for one in found.workloads) + sum(one.npv_usd for one in found.idle)
    assert shared == pytest.approx(made[0].result.objective_usd - outside(made[0], 0.08), rel=1e-9)
    assert found.npv_usd == pytest.approx(shared, rel=1e-12)
    assert (found.convention.name, found.discount_rate) == ("groundplan", 0.08)


def test_nothing_is_lost_where_nodes_move():
    """Moving, resale and what is left of three boxes fall on both ends; the way is borne where they come to."""
    plan, spec, catalog = moving_sample()
    got = costs_of(plan, spec, catalog)
    shared = sum(one.npv_usd for one in got.workloads) + sum(one.npv_usd for one in got.idle)
    assert shared == pytest.approx(plan.result.objective_usd - outside(plan, 0.08), rel=1e-9)
    level = {
        site: sum(WORTH[row.period] * row.usd for row in got.rows
                  if (row.line, row.site, row.item) == ("capital", site, "existing:boxes"))
        for site in ("annex", "shed")
    }  # fmt: skip
    left = 8000 * 0.75**2 / 1.08**2
    assert level["shed"] == pytest.approx(-left)
    assert level["annex"] == pytest.approx(1400 * WORTH["q2"] - 8000 * 0.75**0.75 * WORTH["q4"] - left)
    months = {row.period for row in got.rows if (row.site, row.item) == ("annex", "existing:boxes")}
    assert months == {"q3", "q4", "y2"}


def solved(kinds: tuple[str, ...]):
    """The first instance of each kind that has a plan, planned."""
    from groundplan.errors import Infeasible
    from groundplan.optimize import solve
    from groundplan.problem import build_from_tables

    catalog, wanted = tiny_catalog(), list(kinds)
    for seed in range(120):
        case = instance(seed)
        if case.kind in wanted:
            try:
                made = solve(build_from_tables(case.loaded, catalog, case.tables.points, case.tables.staffing, ()))
            except Infeasible:
                continue
            wanted.remove(case.kind)
            yield case, made, catalog
    assert wanted == []


def test_the_identity_holds_on_optimal_plans_of_many_kinds():
    kinds = ("existing", "blocks", "committed", "tokens")
    for case, plan, catalog in solved(kinds):
        got = costs_of(plan, case.loaded, catalog)
        target = plan.result.objective_usd - outside(plan, case.factory.money.discount_rate)
        parts = sum(one.npv_usd for one in got.workloads) + sum(one.npv_usd for one in got.idle)
        assert parts == pytest.approx(target, rel=1e-9), case.kind
        assert all(one.npv_usd >= -1e-6 for one in got.workloads), case.kind


def test_own_and_rented_make_up_all(found):
    rows = {(row.site, row.tenure): row for row in found.hours}
    for name in ("npv_usd", "available_h", "allocated_h", "utilised_h"):
        assert getattr(rows["", "own"], name) + getattr(rows["", "rented"], name) == pytest.approx(
            getattr(rows["", "all"], name), rel=1e-12
        )
        sites = sum(getattr(rows[site, "all"], name) for site in ("plant", "annex", "cloud"))
        assert sites == pytest.approx(getattr(rows["", "all"], name), rel=1e-12)
    for row in found.hours:
        assert row.utilised_h <= row.allocated_h * (1 + 1e-12) <= row.available_h * (1 + 1e-12)
        assert 0 <= row.utilised_share <= 1
    assert {(row.unit, row.site, row.tenure) for row in found.hours if row.site == "cloud"} == {
        ("GPU-hour", "cloud", "all"),
        ("GPU-hour", "cloud", "rented"),
    }


def test_idle_borne_by_workloads_is_idle_that_exists(found):
    borne = sum(one.idle_usd for one in found.workloads)
    alone = next(one.npv_usd for one in found.idle if one.site == "annex")  # nothing ever runs there
    assert borne + alone == pytest.approx(sum(one.npv_usd for one in found.idle), rel=1e-9)


# --- by hand ---


def test_hours_in_place_and_held(found):
    rows = {(row.site, row.tenure): row for row in found.hours}
    gpus = {"q1": 40, "q2": 40, "q3": 40, "q4": 40, "y2": 48}
    assert rows["plant", "own"].available_h == pytest.approx(sum(WORTH[p] * gpus[p] * HOURS[p] for p in PERIODS))
    nodes = {"q1": 3, "q2": 3, "q3": 3, "q4": 3, "y2": 3}
    rented = sum(WORTH[p] * 8 * nodes[p] * HOURS[p] for p in PERIODS) + WORTH["y2"] * 8 * 100
    assert rows["cloud", "rented"].available_h == pytest.approx(rented)
    gangs = {"q1": 1000, "q2": 1150, "q3": 1250, "q4": 1000, "y2": 0}
    held = sum(WORTH[p] * ((3 * 4 + 4 * 2) * HOURS[p] + 8 * gangs[p]) for p in PERIODS)
    assert rows["plant", "all"].allocated_h == pytest.approx(held)


def test_a_box_that_runs_nothing_costs_what_was_paid_for_it(made, found):
    paid = sum(
        row.usd * (1.08**-2 if row.line == "residual" else WORTH[row.period])
        for row in ledger(*made)
        if row.place == "annex"
    )
    row = next(row for row in found.hours if (row.site, row.tenure) == ("annex", "all"))
    assert row.npv_usd == pytest.approx(paid, rel=1e-12)
    assert row.available_h == pytest.approx(2 * sum(WORTH[p] * HOURS[p] for p in PERIODS))
    assert row.usd_per_available == pytest.approx(paid / row.available_h)
    assert (row.usd_per_allocated, row.usd_per_utilised) == (None, None)


def test_capital_is_charged_evenly_over_node_months(found):
    charge = defaultdict(float)
    for row in found.rows:
        if (row.line, row.item) == ("capital", "buy8"):
            charge[row.period] += row.usd
    node_months = {"q2": 2 * 3, "q3": 2 * 3, "q4": 2 * 3, "y2": 3 * 12}
    rates = {period: charge[period] / months for period, months in node_months.items()}
    assert rates == pytest.approx(dict.fromkeys(node_months, rates["q2"]))
    assert set(charge) == set(node_months)


def test_a_gang_bears_its_share_of_the_pool(made, found):
    """Two periods of the pretraining: 150 and 250 gang-hours of 8 accelerators, of 40 in place."""
    pool = defaultdict(float)
    for row in found.rows:
        if (row.site, row.server) == ("plant", "node8"):
            pool[row.period] += row.usd
    expected = sum(WORTH[p] * pool[p] * 8 * gang / (40 * HOURS[p]) for p, gang in (("q2", 150), ("q3", 250)))
    grow = next(one for one in found.workloads if one.workload == "grow")
    assert grow.npv_usd == pytest.approx(expected)
    (unit,) = grow.units
    assert unit.quantity == pytest.approx(1e9 / 1e6 * (150 * WORTH["q2"] + 250 * WORTH["q3"]))
    assert unit.usd == pytest.approx(expected / unit.quantity)
    assert unit.usd_with_idle == pytest.approx((expected + grow.idle_usd) / unit.quantity)


def test_tokens_and_egress_go_to_their_workload(made, found):
    """assist runs on a token API alone: its cost is its bills and its link."""
    direct = [r for r in ledger(*made) if r.place == "api" and r.line in ("tokens", "egress", "links")]
    paid = sum(row.usd * WORTH[row.period] for row in direct)
    assist = next(one for one in found.workloads if one.workload == "assist")
    assert assist.npv_usd == pytest.approx(paid)
    assert assist.idle_usd == 0
    requests = sum(1.5 * 3600 * HOURS[p] * WORTH[p] for p in PERIODS if p != "q1")
    tokens, output, _ = assist.units
    assert (tokens.unit, output.unit) == ("million tokens", "million output tokens")
    assert tokens.usd == pytest.approx(paid / (requests * 1200 / 1e6))
    assert output.usd == pytest.approx(paid / (requests * 200 / 1e6))


def test_a_link_that_stands_by_is_borne_by_those_it_stands_by_for(made, found):
    assert {row.workload for row in found.rows if row.item == "plant>cloud"} == {"chat"}
    loads = tuple(row for row in made[0].loads if row.site != "cloud")
    waiting = costs_of(made[0].model_copy(update={"loads": loads}), *made[1:])
    links = [row for row in waiting.rows if (row.line, row.item) == ("links", "plant>cloud")]
    assert {row.workload for row in links} == {"chat"}
    assert {row.period for row in links} == set(PERIODS)


def test_a_gang_takes_the_room_of_idle_replicas(made):
    """A pool full of replicas: gangs run all the same, and what the replicas hold shrinks to make room."""
    plan, spec, catalog = made
    rows = tuple(row.model_copy(update={"replicas": 14}) if row.workload == "inspect" else row for row in plan.replicas)
    stock = Stock(plan.model_copy(update={"replicas": rows}), spec.factory, catalog)
    use = stock.use(("plant", "node8"), 1)
    assert sum(use.held.values()) == pytest.approx(use.available)
    assert use.held["tune"] == use.busy["tune"] == 8000
    assert use.busy["inspect"] < use.held["inspect"] < 28 * HOURS["q2"]
    night = {name: tau("q2", name) for name in BUCKETS}
    taken = 8 * (700 * night["night"] / night["night"] + 450)
    lost = 28 * HOURS["q2"] - use.held["inspect"] + 12 * HOURS["q2"] - use.held["chat"]
    assert lost == pytest.approx(taken)


def test_nodes_of_its_own_are_held_whole(made):
    plan, spec, catalog = made
    changed = [w.model_copy(update={"isolation": "node"}) if w.id == "chat" else w for w in spec.factory.workloads]
    stock = Stock(plan, spec.factory.model_copy(update={"workloads": tuple(changed)}), catalog)
    use = stock.use(("cloud", "node8"), 0)
    assert use.held["chat"] == pytest.approx(16 * HOURS["q1"])  # 3 replicas of 4 on two nodes of 8


# --- units ---


def test_units_are_what_buyers_count(root):
    factory = load(root / "examples" / "appliance-maker").factory
    how = convention("groundplan")
    for workload in factory.workloads:
        per = units(workload, how)
        if isinstance(workload, ControlWorkload):
            calls_per_hour = 3600 * workload.control_hz / workload.replan_every_steps
            assert calls_per_hour * per["robot-hour"] == pytest.approx(1)
        if isinstance(workload, StreamWorkload):
            assert 730 * 3600 / workload.window_s * per["channel-month"] == pytest.approx(1)
            shorter = units(workload, convention("lenovo-2025"))["channel-month"]
            assert shorter * 720 == pytest.approx(per["channel-month"] * 730)
        if isinstance(workload, LlmWorkload):
            mean = workload.prompt.mean_tokens + workload.output.mean_tokens
            assert per["million tokens"] * 1e6 == pytest.approx(mean)
        if isinstance(workload, FinetuneWorkload):
            assert per == {"run": 1, "million training tokens": workload.tokens_per_run / 1e6}
        if isinstance(workload, VisionWorkload):
            assert per["inspected part"] * 24 == pytest.approx(1)
            bare = workload.model_copy(update={"frames_per_part": None})
            assert units(bare, how) == {name: one for name, one in per.items() if name != "inspected part"}
    assert {workload.kind for workload in factory.workloads} >= {"llm", "control", "vision", "stream"}


@given(
    st.floats(-1e7, 1e7),
    st.lists(st.floats(0, 1e4), min_size=4, max_size=4),
    st.floats(0, 0.4),
)
def test_a_level_charge_has_the_same_present_value(worth, weights, rate):
    discount = [discount_factor(rate, month) for month in (1, 5, 12, 30)]
    weights = [weight if weight > 1e-3 else 0.0 for weight in weights]
    got = level(worth, weights, discount)
    assert sum(a * b for a, b in zip(got, discount, strict=True)) == pytest.approx(worth, rel=1e-9, abs=1e-9)
    used = [(charge, weight) for charge, weight in zip(got, weights, strict=True) if weight]
    assert all(a * w2 == pytest.approx(b * w1, rel=1e-9) for a, w1 in used for b, w2 in used)


# --- FOCUS ---


def test_focus_rows_bill_the_cash_and_bear_the_present_value(made, found):
    plan, spec, _ = made
    rows = list(focus_rows(plan, spec.factory, ledger(*made), found))
    assert all(tuple(row) == FOCUS_COLUMNS for row in rows)
    billed = sum(row["BilledCost"] for row in rows if row["ChargeCategory"] != "Credit")
    assert billed == pytest.approx(sum(cash_by_year(plan).by_year.values()), rel=1e-9)
    resale = sum(row.usd for row in plan.costs if row.line == "resale")
    assert sum(r["BilledCost"] for r in rows if r["ChargeCategory"] == "Credit") == pytest.approx(resale)
    borne = sum(row["EffectiveCost"] * WORTH[row["x_Period"]] for row in rows)
    assert borne == pytest.approx(found.npv_usd, rel=1e-9)
    assert {row["ChargeCategory"] for row in rows if row["EffectiveCost"]} == {"Usage"}
    assert {(r["ChargePeriodStart"], r["ChargePeriodEnd"]) for r in rows if r["x_Period"] == "q4"} == {
        ("2027-10-01T00:00:00Z", "2028-01-01T00:00:00Z")
    }
