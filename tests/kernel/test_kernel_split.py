"""Disaggregated pools against stepping by hand, and against what must hold of any of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.kernel import EngineLimits, KernelError, LlmPool, SplitPool, StepTime

MS = 10**9
BATCH = 64


def step(decode_ms=10, prefill_ms_per_token=0.01, growth=0.0):
    base = [0, *(round((decode_ms + growth * d) * MS) for d in range(1, BATCH + 1))]
    start, slope = MS, round(prefill_ms_per_token * MS)
    return StepTime(base, [0] * (BATCH + 1), [1], [start], [slope])


def pool(*, prompts=100.0, outputs=50.0, cv=0.0, engines=(1, 1), transfer_ps=0, kv_blocks=2000, **level):
    limits = EngineLimits(BATCH, 512, kv_blocks)
    traffic = {"prompt_mean_tokens": prompts, "prompt_cv": cv, "output_mean_tokens": outputs, "output_cv": cv}
    level = {"ttft_ms": 100.0, "tpot_ms": 20.0, **level}
    decode = LlmPool(step=step(growth=0.1), limits=limits, **traffic, **level)
    first, second = engines
    return SplitPool(
        decode=decode, prefill_step=step(), prefill_limits=limits, prefill_engines=first, decode_engines=second,
        transfer_ps_per_token=transfer_ps,
    )  # fmt: skip


def test_a_request_alone_takes_its_prompt_its_transfer_and_its_steps():
    run = pool(transfer_ps=2 * MS).run(1, 0.001, 1)
    assert np.median(run.ttft_ps) == pytest.approx(1 * MS + 99 * 0.01 * MS + 200 * MS, rel=1e-9)
    assert np.median(run.tpot_ps) == pytest.approx(10.1 * MS, rel=1e-9)


def test_single_tokens_need_no_decode_engine():
    run = pool(outputs=1.0).run(1, 0.5, 1)
    assert not run.tpot_ps.any()
    assert (run.ttft_ps >= MS).all()


def naive(arrivals, service_ps):
    """First come, first served, one prompt at a time."""
    free, ends = 0, []
    for arrival in arrivals:
        free = max(free, int(arrival)) + service_ps
        ends.append(free)
    return np.array(ends)


def test_prompts_one_at_a_time_wait_in_turn():
    made = pool(prompts=512.0)  # a prompt fills the budget of a step
    arrivals = np.sort(np.random.default_rng(3).integers(0, 10**12, 200))
    prompts = np.full(200, 512)
    ends = naive(arrivals, round(MS + 511 * 0.01 * MS))
    assert np.array_equal(made._prefilled(arrivals, prompts, 1), ends)


def test_the_narrower_stage_sets_the_pace():
    one, wide = pool(engines=(1, 1)), pool(engines=(1, 4))
    prefill_bound = pool(prompts=512.0, outputs=2.0, engines=(1, 4))
    assert wide.saturation_per_s == pytest.approx(4 * one.saturation_per_s, rel=0.02)
    assert prefill_bound.saturation_per_s == pytest.approx(1e12 / (MS + 511 * 0.01 * MS), rel=0.02)


def test_caches_queue_for_the_link():
    """A link of one unit sends one cache at a time: 100 tokens at 1 ms each, ten a second."""
    made = pool(transfer_ps=MS, outputs=2.0)
    assert made.saturation_per_s == pytest.approx(10.0, rel=0.01)
    ready = np.sort(made._prefilled(np.zeros(5, np.int64), np.full(5, 100), 1))
    assert np.diff(ready) == pytest.approx(100 * MS)


def test_prompts_never_stall_tokens():
    """The point of it: time per token is that of decoding alone, whatever the prompts."""
    short, long = pool(prompts=16.0, engines=(8, 1)), pool(prompts=512.0, engines=(8, 1))
    rate = 0.5 * short.saturation_per_s
    slow = [np.quantile(one.run(1, rate / one.saturation_per_s, 1).tpot_ps, 0.99) for one in (short, long)]
    assert slow[0] == pytest.approx(slow[1], rel=0.05)


@settings(max_examples=15, deadline=None)
@given(first=st.integers(1, 3), second=st.integers(1, 3), load=st.floats(0.2, 0.8), seed=st.integers(1, 5))
def test_more_engines_are_never_worse(first, second, load, seed):
    small, large = pool(engines=(first, second), cv=0.8), pool(engines=(first + 1, second + 1), cv=0.8)
    rate = load * small.saturation_per_s
    runs = [one.run(1, rate / one.saturation_per_s, seed) for one in (small, large)]
    assert np.mean(runs[1].ttft_ps) <= np.mean(runs[0].ttft_ps) * (1 + 1e-9)
    assert np.mean(runs[1].tpot_ps) <= np.mean(runs[0].tpot_ps) * (1 + 1e-9)


def test_strain_grows_with_load_and_passes_one_beyond_saturation():
    made = pool(cv=0.5, engines=(1, 1))
    strains = [made(1, load, 1) for load in (0.3, 0.7, 1.3)]
    assert strains[0] <= strains[1] < strains[2]
    assert strains[2] > 1.0


@pytest.mark.parametrize("engines", [(0, 1), (1, 0)])
def test_each_stage_needs_an_engine(engines):
    with pytest.raises(KernelError, match="must be"):
        pool(engines=engines)
