"""The compiled engine equals a naive stepper bit for bit, closed forms by hand, and refuses what it cannot simulate."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

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
    pslope = rng.integers(0, 5, 3)
    start = int(rng.integers(1, 60))
    second = start + 2 * pslope[0] + int(rng.integers(0, 9))
    pbase = [start, second, second + 6 * pslope[1] + int(rng.integers(0, 9))]
    return StepTime(base, slope, [1, 3, 9], pbase, pslope, int(rng.integers(0, 3000)))


def random_case(seed: int) -> tuple[list[int], list[int], list[int], StepTime, EngineLimits]:
    """A small random workload with limits that bind: tiny KV, short budgets, simultaneous arrivals."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    max_batch = int(rng.integers(1, 9))
    block = int(rng.integers(1, 6))
    prompts = rng.integers(1, int(rng.integers(2, 30)), n)
    outputs = rng.integers(1, int(rng.integers(2, 60)), n)
    least = -(-int((prompts + outputs - 1).max()) // block)
    blocks = least + int(rng.integers(0, 2 * least))
    limits = EngineLimits(max_batch, max_batch + int(rng.integers(0, 20)), blocks, block)
    spread = int(rng.choice([1, 50, 1000, 20000]))
    arrivals = np.sort(rng.integers(0, spread, n))
    return arrivals.tolist(), prompts.tolist(), outputs.tolist(), make_step(rng, max_batch), limits


def assert_same_as_naive(seed: int, replicas: int, router: str) -> int:
    """Compare every recorded figure with the naive pool; the number of preemptions."""
    arrivals, prompts, outputs, step, limits = random_case(seed)
    run = simulate_pool(arrivals, prompts, outputs, step, limits, replicas=replicas, router=router)
    seqs, pool, chosen = naive_pool(arrivals, prompts, outputs, step, limits, replicas, router)
    assert run.replica.tolist() == chosen
    assert run.first_token_ps.tolist() == [s.first for s in seqs]
    assert run.finish_ps.tolist() == [s.finish for s in seqs]
    assert run.preemptions.tolist() == [s.preemptions for s in seqs]
    assert run.busy_ps.tolist() == [e.busy for e in pool]
    for name in ("steps", "decode_tokens", "prefill_tokens", "batch_ps"):
        assert getattr(run, name) == sum(getattr(e, name) for e in pool), name
    return int(run.preemptions.sum())


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.integers(1, 4), st.sampled_from(["least_loaded", "round_robin"]))
def test_macro_steps_equal_naive_steps(seed: int, replicas: int, router: str) -> None:
    assert_same_as_naive(seed, replicas, router)


def test_the_random_workloads_do_preempt() -> None:
    assert sum(assert_same_as_naive(seed, 1, "least_loaded") > 0 for seed in range(150)) >= 30


STEP = StepTime([0, 100, 110, 120], [0, 2, 2, 3], [1, 65], [50, 200], [1, 2], 500)
LIMITS = EngineLimits(max_batch=3, token_budget=64, kv_blocks=100, block_tokens=16)


def test_one_request_by_hand() -> None:
    """Prompt 100 in chunks of 64 and 36, then 4 decode steps with contexts 100..103."""
    run = simulate_engine([1000], [100], [5], STEP, LIMITS)
    first_chunk = 50 + 63 + (64 * 65 // 2) * 500 // 1000
    second_chunk = 50 + 35 + (36 * 64 + 36 * 37 // 2) * 500 // 1000
    decode = sum(100 + 2 * context for context in range(100, 104))
    assert run.first_token_ps[0] == 1000 + first_chunk + second_chunk
    assert run.finish_ps[0] == run.first_token_ps[0] + decode
    assert run.tpot_ps[0] == decode / 4
    assert (run.steps, run.decode_tokens, run.prefill_tokens) == (6, 4, 100)
    assert run.batch_ps == run.busy_ps[0] == run.finish_ps[0] - 1000


def test_a_mixed_step_reads_the_weights_once() -> None:
    """Prefill beside decode enters the dense table with all tokens; attention adds up."""
    assert STEP.step_ps(10, 55, 2, 300) == max(110, 50 + 11) + 2 * 300 + 55 * 500 // 1000
    assert STEP.step_ps(63, 63 * 64 // 2, 2, 7) == 200 + 14 + (63 * 64 // 2) * 500 // 1000
    assert STEP.step_ps(0, 0, 3, 7) == 120 + 21


def test_preemption_recomputes_the_youngest() -> None:
    """Two sequences outgrow four blocks of four tokens: the younger returns and prefills what it had."""
    limits = EngineLimits(max_batch=2, token_budget=16, kv_blocks=4, block_tokens=4)
    run = simulate_engine([0, 0], [8, 7], [7, 7], STEP, limits)
    assert run.preemptions.tolist() == [0, 1]
    assert run.prefill_tokens > 15
    assert run.finish_ps[1] > run.finish_ps[0]


def test_nothing_to_do() -> None:
    run = simulate_engine([], [], [], STEP, LIMITS)
    assert (run.steps, run.batch_ps, len(run.finish_ps)) == (0, 0, 0)


def test_least_loaded_takes_the_lowest_of_equals_and_round_robin_turns() -> None:
    """A request that ends at the instant of an arrival still counts as outstanding."""
    end = int(simulate_engine([0], [10], [1], STEP, LIMITS).finish_ps[0])
    calls = {"prompt_tokens": [10] * 4, "output_tokens": [1] * 4, "step": STEP, "limits": LIMITS}
    at_end = simulate_pool([0, end, end + 1, 10**6], **calls, replicas=3)
    assert at_end.replica.tolist() == [0, 1, 0, 0]
    turned = simulate_pool([0, end, end + 1, 10**6], **calls, replicas=3, router="round_robin")
    assert turned.replica.tolist() == [0, 1, 2, 0]


def test_long_decodes_stay_exact() -> None:
    """Sums near 2^62: a million tokens at 20 s a step, against Python integers."""
    step = StepTime([0, 2 * 10**12], [0, 10**4], [1], [1], [1])
    run = simulate_engine([0], [1], [10**6], step, EngineLimits(1, 1, 10**6, 1))
    assert run.finish_ps[0] == 1 + sum(2 * 10**12 + 10**4 * context for context in range(1, 10**6))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"arrivals_ps": [5, 4]}, r"arrivals_ps\[1\]"),
        ({"arrivals_ps": [-1, 4]}, r"arrivals_ps\[0\]"),
        ({"arrivals_ps": [float("nan"), 4]}, "arrivals_ps"),
        ({"arrivals_ps": [0.5, 4]}, "arrivals_ps"),
        ({"arrivals_ps": ["0", "4"]}, "arrivals_ps"),
        ({"arrivals_ps": [[0, 4]]}, "arrivals_ps"),
        ({"prompt_tokens": [0, 1]}, r"prompt_tokens\[0\]"),
        ({"output_tokens": [1, 0]}, r"output_tokens\[1\]"),
        ({"output_tokens": [1]}, "differ in length"),
        ({"output_tokens": [1, 1600]}, "request 1.*never fit"),
        ({"limits": replace(LIMITS, max_batch=4)}, "below max_batch"),
        ({"replicas": 0}, "replicas"),
        ({"replicas": True}, "replicas"),
        ({"router": "random"}, "unknown router"),
        ({"arrivals_ps": [0, 9 * 10**18]}, r"arrivals_ps\[1\]"),
    ],
)
def test_bad_input_is_refused(change: dict[str, object], where: str) -> None:
    good = {"arrivals_ps": [0, 4], "prompt_tokens": [3, 3], "output_tokens": [2, 2], "step": STEP, "limits": LIMITS}
    with pytest.raises(KernelError, match=where):
        simulate_pool(**{"replicas": 2, **good, **change})


def test_overflow_is_an_error_not_a_number() -> None:
    wide = StepTime([0, 10**15], [0, 10**13], [1], [10**15], [0])
    with pytest.raises(KernelError, match="overflows int64"):
        simulate_engine([0], [1], [10], wide, EngineLimits(1, 1, 10**6, 16))
    slow = StepTime([0, 10**15], [0, 0], [1], [10**15], [0])
    with pytest.raises(KernelError, match="100 days"):
        simulate_engine([0], [1], [10**4], slow, EngineLimits(1, 1, 10**6, 16))


@pytest.mark.parametrize(
    ("tables", "what"),
    [
        (([0, 5, 4], [0, 1, 1], [1], [5], [1]), "falls with the batch"),
        (([0, 5, 5], [0, 2, 1], [1], [5], [1]), "falls with the batch"),
        (([1, 5, 5], [0, 1, 1], [1], [5], [1]), "entry 0"),
        (([0, 0, 5], [0, 1, 1], [1], [5], [1]), "must take time"),
        (([0, 5], [0, 1, 1], [1], [5], [1]), "equal length"),
        (([0, 5], [0, 1], [2], [5], [1]), "start at 1"),
        (([0, 5], [0, 1], [1, 1], [5, 6], [1, 1]), "start at 1"),
        (([0, 5], [0, 1], [1, 10], [5, 12], [1, 1]), "falls below"),
        (([0, 5], [0, 1], [1], [0], [1]), "must take time"),
        (([0, -5], [0, 1], [1], [5], [1]), "outside"),
        (([0, float("nan")], [0, 1], [1], [5], [1]), "whole finite"),
        (([0, 10**16], [0, 1], [1], [5], [1]), "outside"),
        (([0, 5], [0, 1], [1], [5], [1], -1), "pair_fs"),
        (([0, 5], [0, 1], [1], [5], [1], 10**13), "pair_fs"),
    ],
)
def test_bad_step_times_are_refused(tables: tuple[list[int], ...], what: str) -> None:
    with pytest.raises(KernelError, match=what):
        StepTime(*tables)


def test_step_time_is_frozen() -> None:
    with pytest.raises(ValueError, match="read-only"):
        STEP.decode_base_ps[1] = 0


@pytest.mark.parametrize("change", [{"max_batch": 0}, {"token_budget": 2}, {"kv_blocks": -1}, {"block_tokens": 1.5}])
def test_bad_limits_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(KernelError, match=next(iter(change))):
        replace(LIMITS, **change)


def test_import_loads_no_numba() -> None:
    code = "import sys, groundplan.kernel; sys.exit('numba' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
