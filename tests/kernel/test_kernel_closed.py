"""Closed-loop clients: the arrivals they cause, replayed as given ones, give the same run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kernel_batching import random_case

from groundplan.kernel import EngineLimits, KernelError, StepTime, simulate_closed, simulate_engine


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_a_closed_loop_is_the_open_loop_of_its_own_arrivals(seed, concurrency):
    _, prompts, outputs, step, limits = random_case(seed)
    closed = simulate_closed(prompts, outputs, step, limits, concurrency=concurrency)
    replay = simulate_engine(closed.arrivals_ps, prompts, outputs, step, limits)
    for name in ("first_token_ps", "finish_ps", "preemptions", "busy_ps"):
        assert getattr(closed, name).tolist() == getattr(replay, name).tolist(), name
    assert (closed.steps, closed.batch_ps) == (replay.steps, replay.batch_ps)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_a_request_is_sent_at_the_moment_another_ends(seed, concurrency):
    _, prompts, outputs, step, limits = random_case(seed)
    run = simulate_closed(prompts, outputs, step, limits, concurrency=concurrency)
    assert (run.arrivals_ps[:concurrency] == 0).all()
    ends = np.sort(run.finish_ps)[: max(len(prompts) - concurrency, 0)]
    assert run.arrivals_ps[concurrency:].tolist() == ends.tolist()


def test_equal_requests_move_in_waves():
    step = StepTime([0, 10, 10], [0, 0, 0], [1], [10], [1])
    run = simulate_closed([5] * 4, [3] * 4, step, EngineLimits(2, 100, 100), concurrency=2)
    assert run.ttft_ps.tolist() == [19, 19, 19, 19]
    assert run.arrivals_ps.tolist() == [0, 0, 39, 39]


def test_no_client_is_refused():
    step = StepTime([0, 10], [0, 0], [1], [10], [1])
    with pytest.raises(KernelError):
        simulate_closed([1], [1], step, EngineLimits(1, 8, 8), concurrency=0)
