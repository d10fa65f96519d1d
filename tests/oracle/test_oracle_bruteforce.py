"""The optimiser against brute force on tiny instances, and the brute force against itself."""

from __future__ import annotations

import importlib
import math
import sys
from collections import Counter
from itertools import product

import bruteforce
import pytest
from instances import KINDS, MOVING, MOVING_SEEDS, Instance, instance, tiny_catalog

from groundplan.errors import Infeasible, NoPlanFound

COUNT = 208
"""Instances: eight rounds of all draws."""
PLANNED = range(COUNT)
BLOCKED = ("groundplan.problem", "groundplan.optimize")
REL = 1e-6


def _blocked(patch: pytest.MonkeyPatch) -> None:
    """Make any import of the rooms that plan fail."""
    for name in [name for name in sys.modules if name.startswith(BLOCKED)]:
        patch.delitem(sys.modules, name)
    for name in BLOCKED:
        patch.setitem(sys.modules, name, None)


@pytest.fixture(scope="module")
def catalog():
    return tiny_catalog()


@pytest.fixture(scope="module")
def answers(catalog) -> dict[int, float | None]:
    """Least cost by seed, None where infeasible, found while `problem` and `optimize` cannot be imported."""
    with pytest.MonkeyPatch.context() as patch:
        _blocked(patch)
        oracle = importlib.reload(bruteforce)
        found = {seed: instance(seed) for seed in (*range(COUNT), *MOVING_SEEDS)}
        return {seed: oracle.least_cost(case.factory, catalog, case.tables) for seed, case in found.items()}


def test_the_oracle_runs_with_the_planning_rooms_blocked(answers):
    with pytest.MonkeyPatch.context() as patch:
        _blocked(patch)
        with pytest.raises(ImportError):
            importlib.import_module("groundplan.problem")
    assert len(answers) == COUNT + len(MOVING_SEEDS) >= 200


def test_instances_are_of_every_kind_and_some_are_infeasible(answers):
    infeasible = Counter(instance(seed).kind for seed, usd in answers.items() if usd is None)
    assert {"no-power", "no-lead", "no-quota", "no-money"} <= set(infeasible)
    assert COUNT * 0.1 <= sum(infeasible.values()) <= COUNT * 0.5
    assert all(infeasible[kind] < COUNT / len(KINDS) for kind in KINDS if not kind.startswith("no-"))


# --- the oracle itself ---


def test_a_case_by_hand(catalog):
    """One commodity on own nodes of one size, no money but hardware and energy: the least node count decides."""
    seed = next(s for s in range(10 * COUNT) if _plain(instance(s)))
    case = instance(seed)
    oracle = bruteforce.Oracle(case.factory, catalog, case.tables)
    point, row = case.tables.points[0], case.tables.staffing[-1]
    load = oracle.load(0, 0, "peak") / point.capacity_per_s
    needed = min(math.ceil(t.alpha * load + t.beta - 1e-9) for t in row.tangents if load <= t.load_max)
    nodes = math.ceil(needed / (8 // point.slots_per_replica))
    best = min((s for s in oracle.stocks(0) if s.own[0] >= nodes), key=lambda s: s.usd)
    assert best.own[0] == nodes
    site = case.factory.sites[0]
    people, _ = oracle.site_usd(site, [best])
    state = ((nodes, 0, nodes),)
    running = oracle.serve(0, state, frozenset(), (True,))
    kwh = _kwh(case, oracle, nodes)
    peak = max(site.hosting.contract_minimum_kw, 1.2 * 1.25 * (2.0 * nodes + point.dynamic_kw * load))
    energy = sum(kwh[b] * oracle.kwh_usd("plant", 0, b) for b in ("day", "night"))
    charge = 9000 * 1.1 / 1300 * peak * 12
    assert running == pytest.approx((energy + charge) / (1 + case.factory.money.discount_rate) ** 0.5, rel=1e-9)
    found = bruteforce.least_cost(case.factory, catalog, case.tables)
    assert found == pytest.approx(best.usd + people + running, rel=1e-9)


def _plain(case: Instance) -> bool:
    """One required workload on one point at one site, one period, room for all, single nodes for sale."""
    f, one = case.factory, len(case.factory.workloads) == len(case.tables.points) == len(case.tables.staffing) == 1
    simple = f.periods.years == 1 and not f.existing and not f.rentals and not f.budgets.capex_usd_by_year
    roomy = f.sites[0].hosting.usable_kw >= 100 and not f.token_offers
    usual = (
        f.workloads[0].required and f.workloads[0].survives == "none" and case.tables.points[0].nodes_per_replica == 1
    )
    return one and simple and roomy and usual and all((o.lot_nodes, o.lead_months) == (1, 0) for o in f.purchases)


def _kwh(case: Instance, oracle, nodes: int) -> dict[str, float]:
    point = case.tables.points[0]
    return {
        b: 1.25 * oracle.hours(0, b) * (2.0 * nodes + point.dynamic_kw * oracle.load(0, 0, b) / point.capacity_per_s)
        for b in ("day", "night")
    }


def test_more_of_anything_never_costs_more(catalog, answers):
    """A higher quota, a wider door, a larger budget: the best plan cannot get dearer."""
    seeds = [s for s in range(60) if instance(s).kind in ("rented", "no-power", "no-money", "no-quota")]
    for seed in seeds:
        case = instance(seed)
        values = case.factory.model_dump(mode="json")
        for rental in values["rentals"]:
            rental["quota_nodes"] += 1
        values["sites"][0]["hosting"]["usable_kw"] += 100
        values["budgets"]["capex_usd_by_year"] = []
        wider = type(case.factory).model_validate(values)
        usd = bruteforce.least_cost(wider, catalog, case.tables)
        assert (usd if usd is not None else math.inf) <= (answers[seed] or math.inf) * (1 + 1e-12)


def test_placement_is_exhaustive():
    """Fragmentation: 5 + 5 + 3 + 3 fills two nodes of 8, and 5 + 5 + 5 needs three though 15 < 16."""

    def place(sizes, nodes):
        return bruteforce._place(tuple(("", s) for s in sorted(sizes, reverse=True)), ((None, 8),) * nodes)

    assert place((5, 5, 3, 3), 2)
    assert not place((5, 5, 5), 2)
    assert place((4, 4, 3, 3, 2), 2)
    assert not place((4, 4, 4, 3), 1)
    for sizes in product((3, 4, 5), repeat=3):
        assert place(sizes, 3)


# --- the optimiser ---


@pytest.fixture(scope="module")
def plan_of():
    """Build and solve; Infeasible gives None."""
    build = getattr(pytest.importorskip("groundplan.problem"), "build_from_tables", None)
    solve = getattr(pytest.importorskip("groundplan.optimize"), "solve", None)
    if build is None or solve is None:
        pytest.skip("needs problem.build_from_tables and optimize.solve")

    def planned(case: Instance, catalog, **how):
        try:
            return solve(build(case.loaded, catalog, case.tables.points, case.tables.staffing, ()), **how)
        except Infeasible:
            return None

    return planned


@pytest.mark.parametrize("kind", [*KINDS, MOVING])
def test_the_optimiser_agrees(kind, answers, catalog, plan_of):
    """Cost to one part in a million, or both say infeasible; and `verify` finds nothing."""
    verify = pytest.importorskip("groundplan.verify").verify
    plans = []
    for seed in [seed for seed in (*PLANNED, *MOVING_SEEDS) if instance(seed).kind == kind]:
        case = instance(seed)
        plan, least = plan_of(case, catalog), answers[seed]
        assert (plan is None) == (least is None), f"seed {seed}: oracle {least}, optimiser {plan and plan.result}"
        if plan is not None:
            assert plan.result.objective_usd == pytest.approx(least, rel=REL), f"seed {seed}"
            assert verify(plan, case.loaded, catalog).findings == (), f"seed {seed}"
            plans.append(plan)
    if kind == MOVING:
        assert sum(bool(plan.moves) for plan in plans) >= 6
        gone = [{(row.existing, row.site) for row in plan.retirements} for plan in plans]
        came = [{(row.existing, row.to) for row in plan.moves} for plan in plans]
        assert any(a & b for a, b in zip(gone, came, strict=True)), "none is sold where it had moved to"


def test_a_rounded_linear_program_would_be_wrong(answers, catalog, plan_of):
    """Where integers matter: the relaxation rounded up misses the least cost, or the fact that there is no plan."""
    wrong = 0
    for seed in PLANNED:
        least = answers[seed]
        try:
            plan = plan_of(instance(seed), catalog, relax=True)
        except NoPlanFound:  # the rounded values meet no rule
            plan = None
        usd = None if plan is None else plan.result.objective_usd
        wrong += usd is None if least is not None else usd is not None
        wrong += least is not None and usd is not None and abs(usd - least) > REL * abs(least)
    assert wrong >= 0.3 * len(PLANNED)
