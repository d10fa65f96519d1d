"""Queues equal the textbook recursions exactly on the same sample path, and known means within their error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.kernel import KernelError, poisson_arrivals_ps, simulate_batch_queue, simulate_queue, stream

SETTINGS = settings(max_examples=200, deadline=None, derandomize=True)
times = st.lists(st.integers(0, 60), min_size=1, max_size=60)


def lindley(gaps: list[int], service: list[int]) -> list[int]:
    """Waiting times of G/G/1: W(i+1) = max(0, W(i) + S(i) - A(i+1)) (Lindley 1952)."""
    waits = [0]
    for gap, work in zip(gaps[1:], service, strict=False):
        waits.append(max(0, waits[-1] + work - gap))
    return waits


def kiefer_wolfowitz(gaps: list[int], service: list[int], servers: int) -> list[int]:
    """Waiting times of G/G/c from the sorted vector of workloads (Kiefer and Wolfowitz 1955)."""
    work = [0] * servers
    waits = []
    for i, (gap, job) in enumerate(zip(gaps, service, strict=True)):
        if i:
            work = sorted(max(0, w - gap) for w in work)
        waits.append(work[0])
        work[0] += job
    return waits


@SETTINGS
@given(times, st.integers(0, 2**32))
def test_single_server_equals_lindley(gaps: list[int], seed: int) -> None:
    service = np.random.default_rng(seed).integers(0, 80, len(gaps)).tolist()
    arrivals = np.cumsum(gaps)
    assert (simulate_queue(arrivals, service, 1) - arrivals).tolist() == lindley(gaps, service)


@SETTINGS
@given(times, st.integers(2, 6), st.integers(0, 2**32))
def test_many_servers_equal_kiefer_wolfowitz(gaps: list[int], servers: int, seed: int) -> None:
    service = np.random.default_rng(seed).integers(0, 60 * servers, len(gaps)).tolist()
    arrivals = np.cumsum(gaps)
    assert (simulate_queue(arrivals, service, servers) - arrivals).tolist() == kiefer_wolfowitz(gaps, service, servers)


def test_long_paths_in_picoseconds_equal_the_recursions() -> None:
    random = stream(7)
    gaps = random.integers(0, 2 * 10**9, 20_000).tolist()
    service = random.integers(0, 11 * 10**9, 20_000).tolist()
    arrivals = np.cumsum(gaps)
    assert (simulate_queue(arrivals, service, 6) - arrivals).tolist() == kiefer_wolfowitz(gaps, service, 6)
    short = [work // 6 for work in service]
    assert (simulate_queue(arrivals, short, 1) - arrivals).tolist() == lindley(gaps, short)


def naive_batches(arrivals: list[int], table: list[int], most: int, servers: int) -> tuple[list[int], list[int]]:
    """Time passes one picosecond at a time; whoever is free takes what waits."""
    free = [0] * servers
    waiting: list[int] = []
    start, batch = [-1] * len(arrivals), [0] * len(arrivals)
    left = list(range(len(arrivals)))
    now = 0
    while left or waiting:
        while left and arrivals[left[0]] == now:
            waiting.append(left.pop(0))
        for s in range(servers):
            if waiting and free[s] <= now:
                taken, waiting = waiting[:most], waiting[most:]
                free[s] = now + table[len(taken)]
                for who in taken:
                    start[who], batch[who] = now, len(taken)
        now += 1
    return start, batch


@SETTINGS
@given(times, st.integers(1, 3), st.integers(1, 6), st.integers(0, 2**32))
def test_batches_equal_a_clock_that_ticks(gaps: list[int], servers: int, most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = [0, *(1 + np.sort(rng.integers(0, 150, most))).tolist()]
    arrivals = (np.cumsum(gaps) // int(rng.integers(1, 5))).tolist()
    run = simulate_batch_queue(arrivals, table, most, servers)
    start, batch = naive_batches(arrivals, table, most, servers)
    assert run.start_ps.tolist() == start
    assert run.batch.tolist() == batch
    assert run.latency_ps.tolist() == [s + table[b] - a for s, b, a in zip(start, batch, arrivals, strict=True)]


def test_batches_of_one_are_the_plain_queue() -> None:
    arrivals = poisson_arrivals_ps(5000, 300.0, seed=3)
    run = simulate_batch_queue(arrivals, [0, 9 * 10**9], 1, 3)
    assert run.start_ps.tolist() == simulate_queue(arrivals, [9 * 10**9] * 5000, 3).tolist()


def test_mean_wait_of_m_m_1() -> None:
    """Pollaczek-Khinchine at load 0.7: mean wait = 0.7 / 0.3 services; 4 % is about four standard errors."""
    count = 400_000
    arrivals = poisson_arrivals_ps(count, 700.0, seed=11)
    service = np.rint(stream(11, 1).standard_exponential(count) * 1e9).astype(np.int64)
    wait = simulate_queue(arrivals, service, 1) - arrivals
    assert wait.mean() == pytest.approx(0.7 / 0.3 * 1e9, rel=0.04)


@pytest.mark.parametrize(
    ("arrivals", "service", "servers", "what"),
    [
        ([1, 0], [1, 1], 1, "comes before"),
        ([0, 1], [1, -1], 1, r"service_ps\[1\]"),
        ([0, 1], [1], 1, "1 services for 2"),
        ([0, 1], [1, float("inf")], 1, "whole finite"),
        ([0, 1], [1, 1], 0, "servers"),
        ([0, 1], [8 * 10**18, 8 * 10**18], 1, "100 days"),
    ],
)
def test_bad_queues_are_refused(arrivals: list[int], service: list[int], servers: int, what: str) -> None:
    with pytest.raises(KernelError, match=what):
        simulate_queue(arrivals, service, servers)


@pytest.mark.parametrize(
    ("table", "most", "what"),
    [
        ([0, 5], 2, "ends at batch 1"),
        ([0, 5, 4], 2, "falls"),
        ([1, 5], 1, "entry 0"),
        ([0, 0], 1, "take time"),
        ([0, 5], 0, "max_batch"),
    ],
)
def test_bad_batch_tables_are_refused(table: list[int], most: int, what: str) -> None:
    with pytest.raises(KernelError, match=what):
        simulate_batch_queue([0, 1], table, most, 1)
