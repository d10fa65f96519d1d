"""Staffing curves against closed forms; tangents are safe; planned pools hold on fresh seeds, bursts are reported."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import ceil

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from groundplan.kernel import (
    EngineLimits,
    KernelError,
    LlmPool,
    QueuePool,
    StaffingCurve,
    StepTime,
    Tangent,
    curve_from_loads,
    renewal_arrivals_ps,
    sample_percentile,
    simulate_queue,
    staffing_curve,
    stream,
)

FRESH = range(1000, 1008)
MS = 10**9


def erlang_c(servers: int, load: float) -> float:
    """Probability of waiting in M/M/c at ``load`` erlangs (Erlang 1917), by the recursion of the loss formula."""
    if load >= servers:
        return 1.0
    loss = 1.0
    for n in range(1, servers + 1):
        loss = load * loss / (n + load * loss)
    return loss / (1 - load / servers * (1 - loss))


def erlang_load(servers: int, most: float) -> float:
    """Largest load whose waiting probability is at most ``most``, by a fine scan."""
    grid = np.linspace(0, servers, 4001)
    return max(load for load in grid if erlang_c(servers, load) <= most)


def test_the_search_finds_the_erlang_c_loads() -> None:
    """No simulation: the level is a closed form, so the curve must meet it to the tolerance, from below."""
    curve = staffing_curve(
        lambda n, load, _: erlang_c(n, load) / 0.05, replicas=(1, 2, 4, 8, 16), margin=0.0, tolerance=0.002
    )
    for count in (1, 2, 4, 8, 16):
        exact = erlang_load(count, 0.05)
        found = curve.max_load[curve.replicas.index(count)]
        assert exact - 0.005 * count <= found <= exact + 0.001 * count
    for load in np.linspace(0.01, 16, 333):
        needed = next((n for n in range(1, 17) if erlang_c(n, load) <= 0.05), 99)
        if needed < 99:
            assert curve.replicas_needed(load) >= needed


def test_a_bool_is_a_verdict_too() -> None:
    curve = staffing_curve(lambda n, load, _: bool(load <= 0.5 * n), replicas=(1, 4), margin=0.25)
    assert curve.replicas == (1, 2, 3, 4)
    assert curve.max_load == pytest.approx([0.4, 0.8, 1.2, 1.6], rel=0.02)


def test_every_seed_must_meet() -> None:
    curve = staffing_curve(lambda n, load, seed: load / n / (0.3 * seed), seeds=(3, 1, 2), replicas=(1, 2), margin=0.0)
    assert curve.max_load == pytest.approx([0.3, 0.6], abs=0.02)


def test_a_pool_that_never_meets_carries_nothing_and_is_not_asked_at_no_load() -> None:
    def strain(n: int, load: float, _: int) -> float:
        assert load > 0
        return 2.0 if n == 1 else load / n / 0.6

    assert staffing_curve(strain, replicas=(1, 2), margin=0.0).max_load == pytest.approx([0.0, 1.2], abs=0.03)


def test_utilisation_is_made_to_rise_with_the_pool() -> None:
    """A larger pool that measures worse lowers the smaller ones, never the other way round."""
    share = {1: 0.5, 2: 0.4, 4: 0.6}
    curve = staffing_curve(lambda n, load, _: load / n / share[n], replicas=(1, 2, 4), margin=0.0)
    assert curve.usable_utilisation() == pytest.approx((0.4, 0.4, 0.4, 0.6), abs=0.01)


curves = st.lists(st.tuples(st.integers(1, 4), st.floats(0, 3)), min_size=1, max_size=30)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(curves, st.integers(1, 4), st.floats(1e-3, 200))
def test_tangents_never_ask_for_fewer_than_the_curve(steps: list[tuple[int, float]], most: int, load: float) -> None:
    replicas = np.cumsum([count for count, _ in steps]).tolist()
    loads = np.cumsum([more for _, more in steps]).tolist()
    assume(loads[-1] > 0.01)
    curve = curve_from_loads(replicas, loads, most)
    assert 1 <= len(curve.tangents) <= most
    for at in (load, *(edge * (1 + eps) for edge in loads for eps in (-1e-6, 0, 1e-6) if edge > 1e-3)):
        needed = curve.replicas_on_curve(at)
        assert curve.replicas_needed(at) >= needed
        for tangent in curve.tangents:
            assert at > tangent.load_max or ceil(tangent.at(at) - 1e-9) >= needed


def test_tangents_touch_a_concave_curve_and_say_what_they_cost() -> None:
    """N = R + sqrt(R): a few tangents ask for little more than the curve; one alone for much more."""
    replicas = tuple(range(1, 33))
    loads = tuple((-0.5 + (0.25 + n) ** 0.5) ** 2 for n in replicas)
    four, one = curve_from_loads(replicas, loads, 4), curve_from_loads(replicas, loads, 1)
    assert four.over_provision()[0] < 0.04
    assert one.over_provision()[0] > 0.3
    assert 32 <= four.replicas_needed(loads[-1]) <= 33
    assert "over-provision: mean" in four.describe()
    assert four.replicas_needed(1000) == ceil(four.tangents[-1].at(1000))
    assert four.replicas_needed(0) == four.replicas_on_curve(0) == 0


def test_usable_utilisation_of_m_g_n() -> None:
    """Lognormal service cv 1.2, p99 of waiting within one mean service: .18 .41 .61 .77 at 2, 4, 8, 16 servers.

    The figures of the formulation, measured there by other code; 0.04 covers the error of both.
    """

    def strain(servers: int, load: float, seed: int) -> float:
        arrivals = renewal_arrivals_ps(60_000, load * 100, 1.0, seed)
        sigma = np.log1p(1.44) ** 0.5
        service = np.rint(np.exp(sigma * stream(seed, 0, 3).standard_normal(60_000) - sigma**2 / 2) * 10 * MS)
        return sample_percentile(simulate_queue(arrivals, service, servers) - arrivals, 99) / (10 * MS)

    curve = staffing_curve(strain, replicas=(2, 4, 8, 16), margin=0.0)
    found = [curve.max_load[curve.replicas.index(n)] / n for n in (2, 4, 8, 16)]
    assert found == pytest.approx([0.18, 0.41, 0.61, 0.77], abs=0.04)


STEP = StepTime(
    np.r_[0, 12 * MS + np.arange(64) * 20_000_000], np.r_[0, [12_000] * 64], [1], [12 * MS], [40_000_000], 800_000
)
LLM = LlmPool(
    step=STEP,
    limits=EngineLimits(max_batch=64, token_budget=2048, kv_blocks=8000),
    prompt_mean_tokens=1500,
    prompt_cv=0.8,
    output_mean_tokens=60,
    output_cv=0.7,
    ttft_ms=450,
    tpot_ms=60,
    network_ms=20,
    longest_tokens=16_000,
)
VISION = QueuePool(service_ps_by_batch=[0, 10 * MS], latency_ms=80, service_cv=1.2)
ROBOTS = QueuePool(
    service_ps_by_batch=np.r_[0, 8 + 2 * np.arange(1, 17)] * MS, latency_ms=60, max_batch=16, period_ms=500, jitter_ms=5
)
POOLS = {"llm": LLM, "vision": VISION}


@cache
def planned(name: str) -> StaffingCurve:
    return staffing_curve(POOLS[name])


def fresh_strains(pool: LlmPool | QueuePool, replicas: int, load: float) -> list[float]:
    """Achieved over limit on seeds that the plan has not seen, each run four times as long as those it has."""
    if isinstance(pool, LlmPool):
        pool = replace(pool, least_requests=4 * pool.least_requests)
    else:
        pool = replace(pool, requests=4 * pool.requests)
    return [pool.report(replicas, load, seed).strain for seed in FRESH]


@pytest.mark.parametrize("name", ["llm", "vision"])
@pytest.mark.parametrize("replicas", [2, 4, 8])
def test_planned_pools_meet_their_level_on_fresh_seeds(name: str, replicas: int) -> None:
    curve, pool = planned(name), POOLS[name]
    load = curve.max_load[curve.replicas.index(replicas)]
    assert curve.replicas_needed(load) >= replicas
    assert max(fresh_strains(pool, replicas, load)) <= 1.0
    assert min(fresh_strains(pool, replicas, 1.5 * load)) > 1.0  # the pool is not far too large


@pytest.mark.parametrize("name", ["llm", "vision"])
@pytest.mark.parametrize("replicas", [2, 4, 8])
def test_arrivals_twice_as_bursty_are_reported_as_a_miss(name: str, replicas: int) -> None:
    curve, pool = planned(name), POOLS[name]
    load = curve.max_load[curve.replicas.index(replicas)]
    bursty = replace(pool, arrival_cv=2.0)
    assert min(fresh_strains(bursty, replicas, load)) > 1.0
    misses = bursty.report(replicas, load, FRESH[0]).misses
    assert misses
    assert all(" ms > " in line for line in misses)


@pytest.mark.parametrize("name", ["llm", "vision"])
def test_one_utilisation_number_would_not_have_met_it(name: str) -> None:
    """The utilisation that 32 replicas carry, applied to two, misses the level that the curve meets."""
    curve, pool = planned(name), POOLS[name]
    assert min(fresh_strains(pool, 2, 2 * curve.usable_utilisation()[-1])) > 1.0


def test_robots_share_a_batching_server() -> None:
    curve = staffing_curve(ROBOTS, replicas=(1, 2, 4))
    assert ROBOTS.saturation_per_s == pytest.approx(16 / 0.040)
    assert 0 < curve.max_load[0] < curve.max_load[1] / 2 < curve.max_load[3] / 4 < 1
    smooth = ROBOTS.report(1, 0.5, 5).strain
    assert smooth < replace(ROBOTS, period_ms=None, arrival_cv=3.0).report(1, 0.5, 5).strain


def test_load_one_is_saturation() -> None:
    """An overloaded engine finishes requests at its saturation rate: the unit of load is right."""
    ends = np.sort(LLM.run(1, 1.6, 77).finish_ps)
    low, high = len(ends) // 4, len(ends) // 2
    rate = (high - low) / (ends[high] - ends[low]) * 1e12
    assert rate == pytest.approx(LLM.saturation_per_s, rel=0.05)


def test_the_network_counts_in_ttft() -> None:
    near, far = (replace(LLM, network_ms=ms).report(2, 0.5, 1).levels[0][1] for ms in (0.0, 35.0))
    assert far - near == pytest.approx(35.0)


def test_equal_seeds_give_equal_curves() -> None:
    small = {"replicas": (1, 2, 4), "seeds": (1,)}
    assert staffing_curve(VISION, **small) == staffing_curve(replace(VISION), **small)


def test_percentiles_are_order_statistics() -> None:
    values = np.arange(1, 1001)
    assert [sample_percentile(values, p) for p in (50, 99, 99.9)] == [500, 990, 999]
    shuffled = stream(1).permutation(values)
    assert sample_percentile(shuffled, 90, errors=1.0) >= 900 + 1000 * (0.09 / 1000) ** 0.5 - 1
    with pytest.raises(KernelError, match="too few"):
        sample_percentile(values[:100], 99.9, errors=1.0)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: staffing_curve(lambda n, load, seed: 2.0), "miss the service level even at"),
        (lambda: staffing_curve(lambda n, load, seed: float("nan")), "gave no number"),
        (lambda: staffing_curve(LLM, replicas=()), "at least one"),
        (lambda: staffing_curve(LLM, replicas=(0, 1)), "replicas"),
        (lambda: staffing_curve(LLM, seeds=()), "at least one"),
        (lambda: staffing_curve(LLM, margin=-0.1), "margin"),
        (lambda: curve_from_loads((1, 2), (0.0, 0.0)), "no pool meets"),
        (lambda: curve_from_loads((1, 2), (0.5, 0.4)), "falls"),
        (lambda: curve_from_loads((2, 2), (0.5, 0.6)), "increase"),
        (lambda: curve_from_loads((1, 2), (0.5, float("nan"))), "finite"),
        (lambda: curve_from_loads((1,), (0.5, 1.0)), "equal length"),
        (lambda: StaffingCurve((1,), (0.5,), (Tangent(2, 0, 0.5),)).replicas_needed(0.6), "beyond the range"),
        (lambda: curve_from_loads((1,), (0.5,)).replicas_needed(-1), "load"),
        (lambda: curve_from_loads((1,), (0.5,)).replicas_on_curve(float("nan")), "load"),
        (lambda: replace(LLM, ttft_ms=0), "ttft_ms"),
        (lambda: replace(LLM, tpot_percentile=100), "tpot_percentile"),
        (lambda: replace(LLM, longest_tokens=10**6), "never fits"),
        (lambda: replace(LLM, network_ms=float("nan")), "network_ms"),
        (lambda: LLM.run(1, 0.0, 1), "load"),
        (lambda: replace(VISION, max_batch=2), "service_cv"),
        (lambda: replace(VISION, latency_percentile=float("nan")), "latency_percentile"),
        (lambda: replace(ROBOTS, period_ms=-1.0), "period_ms"),
        (lambda: replace(ROBOTS, max_batch=17).report(1, 0.5, 1), "below max_batch"),
    ],
)
def test_bad_curves_and_pools_are_refused(call: object, what: str) -> None:
    with pytest.raises(KernelError, match=what):
        call()
