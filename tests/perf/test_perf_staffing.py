"""Replicas under the service level: directions, determinism, fresh seeds, and the front for people."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perf_cases import CATALOG, control, finetune, llm, stream, vision

from groundplan.kernel import StaffingCurve
from groundplan.perf import PerfError, Refusal, StaffingCache, estimate, operating_points, staffing
from groundplan.perf._staffing import NETWORK_GRID_MS, llm_pool, rounded_network_ms

CHAT = llm("llama-3.1-8b", 2000, 200, ttft_ms=500, tpot_ms=40)


def _point(workload, server):
    return operating_points(workload, CATALOG.server(server), CATALOG).points[0]


@pytest.fixture(scope="module")
def cache():
    return StaffingCache()


@given(network=st.floats(0, 5000))
def test_network_is_rounded_up_to_a_small_grid(network):
    found = rounded_network_ms(network)
    assert found >= network
    assert found == 0 or found in NETWORK_GRID_MS or math.log2(found / 320).is_integer()
    assert rounded_network_ms(found) == found


def test_more_network_and_less_load_never_need_fewer_replicas(cache):
    point = _point(CHAT, "hgx-h100-8")
    curves = [staffing(CHAT, point, network, 4.0, cache) for network in (0.5, 20, 160)]
    for near, far in pairwise(curves):
        assert all(a >= b - 0.05 for a, b in zip(near.max_load, far.max_load, strict=True))
    needed = [curves[0].replicas_needed(load) for load in (0.1, 0.5, 1.0, 2.0, 4.0)]
    assert needed == sorted(needed)
    assert needed[0] >= 1
    assert all(count > load for count, load in zip(needed, (0.1, 0.5, 1.0, 2.0, 4.0), strict=True))


def test_pools_are_used_better_than_single_replicas(cache):
    use = staffing(CHAT, _point(CHAT, "hgx-h100-8"), 1.0, 4.0, cache).usable_utilisation()
    assert all(large >= small - 1e-9 for small, large in pairwise(use))
    assert use[0] + 0.05 < use[-1] < 1.0


def test_equal_input_gives_equal_curves_with_and_without_a_cache(cache):
    point = _point(CHAT, "hgx-h100-8")
    assert staffing(CHAT, point, 15.0, 2.0) == staffing(CHAT, point, 20.0, 2.0, cache)


def test_staffed_pools_hold_on_fresh_seeds(cache):
    point = _point(CHAT, "hgx-h100-8")
    curve, pool = staffing(CHAT, point, 20.0, 4.0, cache), llm_pool(CHAT, point.service)
    scale = point.capacity_per_s / pool.saturation_per_s
    for replicas in (2, 4):
        load = curve.max_load[curve.replicas.index(replicas)] * scale
        for seed in (101, 102):
            ttft, tpot = (achieved for _, achieved, _ in pool.report(replicas, load, seed).levels)
            assert ttft + 20.0 <= CHAT.service_level.ttft_ms
            assert tpot <= CHAT.service_level.tpot_ms


def test_one_utilisation_number_would_miss(cache):
    point = _point(CHAT, "hgx-h100-8")
    curve = staffing(CHAT, point, 20.0, 8.0, cache)
    level, pool = curve.usable_utilisation()[-1], llm_pool(CHAT, point.service)
    report = pool.report(1, level * point.capacity_per_s / pool.saturation_per_s, 101)
    assert report.strain > 1


def test_robots_cameras_and_sensors_have_curves(cache):
    for workload, server in ((control(), "l40s-8"), (vision(), "l4-4"), (stream(), "cpu-2s-64")):
        curve = staffing(workload, _point(workload, server), 5.0, 3.0, cache)
        assert isinstance(curve, StaffingCurve)
        assert 3.0 < curve.replicas_needed(3.0) < 12


def test_the_chunk_binds_where_the_level_does_not(cache):
    loose, tight = (control(chunk=50, replan=s, latency_ms=1000) for s in (25, 46))
    point = _point(loose, "l40s-8")
    roomy = staffing(loose, point, 10.0, 2.0, cache)
    squeezed = staffing(tight, point, 10.0, 2.0, StaffingCache())  # H - s = 4 steps of 20 ms
    assert squeezed.max_load[1] < roomy.max_load[1]


def test_a_network_longer_than_the_level_is_refused(cache):
    for workload, server in ((CHAT, "hgx-h100-8"), (vision(), "l4-4")):
        found = staffing(workload, _point(workload, server), 600.0, 2.0, cache)
        assert isinstance(found, Refusal)
        assert found.rule == "latency"
        assert "ms of network" in found.why


def test_batch_work_has_no_queue_and_wrong_input_is_an_error(cache):
    tune = finetune("llama-3.1-8b")
    assert staffing(tune, _point(tune, "hgx-h100-8"), 1.0, 1.0, cache).rule == "kind"
    point = _point(CHAT, "hgx-h100-8")
    for network, load in ((math.nan, 1.0), (-1.0, 1.0), (1.0, 0.0), (1.0, math.inf)):
        with pytest.raises(PerfError, match=r"must be"):
            staffing(CHAT, point, network, load, cache)


def test_a_point_of_another_workload_is_an_error(cache):
    with pytest.raises(PerfError, match="is not a point of"):
        staffing(vision(), _point(CHAT, "hgx-h100-8"), 1.0, 1.0, StaffingCache())


def test_estimate_shows_what_one_replica_carries():
    found = estimate(CHAT, CATALOG.server("hgx-h100-8"), CATALOG, network_ms=5.0)
    assert found.rows
    for row in found.rows:
        assert 0 < row.level_rate < row.saturated_rate
        assert row.low_rate < row.level_rate < row.high_rate
        in_a_pair = staffing(CHAT, row.point, 5.0, 0.5).max_load[0] * row.point.capacity_per_s
        assert in_a_pair <= row.level_rate <= in_a_pair * 1.1, "a curve lowers one replica at most to the share of two"
    gang = estimate(finetune("llama-3.1-8b"), CATALOG.server("hgx-h100-8"), CATALOG)
    assert all(row.level_rate is None and row.saturated_rate > 0 for row in gang.rows)
