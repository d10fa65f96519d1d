"""Speeds that are wrong together: closed forms of the draws, and what planning slower buys."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perf_cases import CATALOG, control, llm

from groundplan.perf import (
    DEPTHS,
    Burden,
    SpeedPool,
    allotted_deviations,
    deviation,
    joint_probability,
    operating_points,
    shared_deviations,
    slowed,
)
from groundplan.perf._joint import draws

NORMAL = NormalDist()


def pools(count, *, part="same", engine="same"):
    return [
        SpeedPool(part if part == "same" else f"part {i}", engine if engine == "same" else f"engine {i}", f"p{i}", 0.2)
        for i in range(count)
    ]


def test_one_pool_is_as_sure_as_its_interval_says():
    spread = deviation(1 / 1.3, 1.3)
    pool = SpeedPool("part", "engine", "pool", spread)
    assert joint_probability([pool], [1 / 1.3]) == pytest.approx(0.95, abs=0.01)
    assert joint_probability([pool], [1.0]) == pytest.approx(0.5, abs=0.02)
    assert shared_deviations([pool], 0.9) == pytest.approx(NORMAL.inv_cdf(0.9), abs=0.05)


def test_draws_of_pools_correlate_by_what_they_share():
    alike, engine, apart = (
        np.corrcoef(*(draws(pool) for pool in found))[0, 1]
        for found in (pools(2), pools(2, part="own"), pools(2, part="own", engine="own"))
    )
    assert alike == pytest.approx(0.45, abs=0.03)
    assert engine == pytest.approx(0.30, abs=0.03)
    assert apart == pytest.approx(0.0, abs=0.03)


def test_independent_pools_multiply_and_shared_errors_do_better():
    apart = [SpeedPool(f"part {i}", f"engine {i}", f"p{i}", 0.2) for i in range(6)]
    least = [np.exp(-0.2)] * 6
    alone = NORMAL.cdf(1.0)
    assert joint_probability(apart, least) == pytest.approx(alone**6, abs=0.02)
    assert alone**6 < joint_probability(pools(6), least) < alone


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 12), probability=st.floats(0.5, 0.98))
def test_planning_so_much_slower_holds_with_that_probability(count, probability):
    found = pools(count, part="own")
    back = shared_deviations(found, probability)
    held = joint_probability(found, [np.exp(-back * 0.2)] * count)
    assert held >= probability - 0.001
    assert held == pytest.approx(probability, abs=0.005) or back == 0.0
    assert shared_deviations(found[:1], probability) <= back + 1e-9


SPREADS = st.lists(st.tuples(st.floats(0.1, 100), st.floats(0.05, 0.6), st.integers(1, 3)), min_size=1, max_size=5)


def burdens(rows, *, last=np.inf):
    """Groups of (cost, standard deviation of log speed, pools); none may be planned beyond `last` deviations."""
    return [
        Burden(
            tuple(SpeedPool(f"{i} {k}", f"engine {i % 2}", f"{i} {k}", 1.0) for k in range(count)),
            np.where(last >= DEPTHS, cost * np.exp(DEPTHS * spread), np.inf),
        )
        for i, (cost, spread, count) in enumerate(rows)
    ]


def held_by(groups, depths):
    pools = [(pool, np.exp(-depth)) for group, depth in zip(groups, depths, strict=True) for pool in group.pools]
    return joint_probability([pool for pool, _ in pools], [least for _, least in pools])


@settings(max_examples=25, deadline=None)
@given(rows=SPREADS, probability=st.floats(0.5, 0.98))
def test_an_allotment_holds_with_its_probability_and_costs_no_more_than_equal_safety(rows, probability):
    groups = burdens(rows)
    depths = allotted_deviations(groups, probability)
    assert held_by(groups, depths) >= probability
    equal = shared_deviations([pool for group in groups for pool in group.pools], probability)
    step = DEPTHS[1]
    costs = [cost * np.exp(spread * depth) for (cost, spread, _), depth in zip(rows, depths, strict=True)]
    assert sum(costs) <= sum(cost * np.exp(spread * (equal + 2 * step)) for cost, spread, _ in rows)


def test_safety_goes_where_it_is_cheap():
    dear, cheap = allotted_deviations(burdens([(100.0, 0.3, 1), (1.0, 0.3, 1)]), 0.9)
    alone = NORMAL.inv_cdf(0.9)
    assert alone - 0.05 <= dear < alone + 0.1 < shared_deviations(pools(2, part="own", engine="own"), 0.9) < cheap


def test_no_allotment_where_a_level_could_not_be_met():
    assert allotted_deviations(burdens([(1.0, 0.3, 1), (1.0, 0.3, 1)], last=0.5), 0.9) is None
    assert allotted_deviations([], 0.9) == ()


@pytest.mark.parametrize(("workload", "server"), [(llm("llama-3.1-8b"), "hgx-h100-8"), (control(), "l40s-8")])
def test_a_slowed_point_is_slower_in_all_that_it_says(workload, server):
    point = operating_points(workload, CATALOG.server(server), CATALOG).points[0]
    slow = slowed(point, 1.5)
    factor = np.exp(1.5 * deviation(point.error_low_factor, point.error_high_factor))
    assert point.capacity_per_s / slow.capacity_per_s == pytest.approx(factor)
    assert all(slow.latency_ms[name] == pytest.approx(value * factor) for name, value in point.latency_ms.items())
    low, high = slow.capacity_per_s * slow.error_low_factor, slow.capacity_per_s * slow.error_high_factor
    assert low == pytest.approx(point.capacity_per_s * point.error_low_factor)
    assert high == pytest.approx(point.capacity_per_s * point.error_high_factor)
    assert slowed(point, 0.0) is point
