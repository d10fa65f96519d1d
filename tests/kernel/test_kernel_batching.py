"""The compiled engine equals a naive stepper bit for bit, and refuses what it cannot simulate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_engine import naive_pool

from groundplan.kernel import EngineLimits, KernelError, StepTime, simulate_engine, simulate_pool


def make_step(rng: np.random.Generator, max_batch: int) -> StepTime:
    """A random valid step time."""
    base = np.concatenate([[0], np.sort(rng.integers(1, 50, max_batch))])
    slope = np.concatenate([[0], np.sort(rng.integers(0, 4, max_batch))])
    breaks = np.array([1, 3, 9])
    pslope = rng.integers(0, 5, 3)
    start = int(rng.integers(1, 60))
    pbase = [start, start + 2 * pslope[0], start + 2 * pslope[0] + 6 * pslope[1] + int(rng.integers(0, 9))]
    return StepTime(base, slope, breaks, pbase, pslope, int(rng.integers(0, 3000)))


def random_case(seed: int) -> tuple[list[int], list[int], list[int], StepTime, EngineLimits]:
    """A small random workload with limits that bind: tiny KV, short budgets, simultaneous arrivals."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    max_batch = int(rng.integers(1, 9))
    block = int(rng.integers(1, 6))
    prompts = rng.integers(1, int(rng.integers(2, 30)), n)
    outputs = rng.integers(1, int(rng.integers(2, 60)), n)
    least = -(-int((prompts + outputs - 1).max()) // block)
    limits = EngineLimits(max_batch, max_batch + int(rng.integers(0, 20)), least + int(rng.integers(0, 2 * least)), block)
    spread = int(rng.choice([1, 50, 1000, 20000]))
    arrivals = np.sort(rng.integers(0, spread, n))
    return arrivals.tolist(), prompts.tolist(), outputs.tolist(), make_step(rng, max_batch), limits


def check_equal(seed: int, replicas: int, router: str) -> int:
    arrivals, prompts, outputs, step, limits = random_case(seed)
    run = simulate_pool(arrivals, prompts, outputs, step, limits, replicas=replicas, router=router)  # type: ignore[arg-type]
    seqs, pool, chosen = naive_pool(arrivals, prompts, outputs, step, limits, replicas, router)
    assert run.replica.tolist() == chosen
    assert run.first_token_ps.tolist() == [s.first for s in seqs]
    assert run.finish_ps.tolist() == [s.finish for s in seqs]
    assert run.preemptions.tolist() == [s.preemptions for s in seqs]
    assert run.busy_ps.tolist() == [e.busy for e in pool]
    for name in ("steps", "decode_tokens", "prefill_tokens", "batch_ps"):
        assert getattr(run, name) == sum(getattr(e, name) for e in pool), name
    return int(run.preemptions.sum())


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.integers(1, 4), st.sampled_from(["least_loaded", "round_robin"]))
def test_macro_steps_equal_naive_steps(seed: int, replicas: int, router: str) -> None:
    check_equal(seed, replicas, router)


def test_random_cases_do_preempt() -> None:
    assert sum(check_equal(seed, 1, "least_loaded") > 0 for seed in range(150)) >= 30
