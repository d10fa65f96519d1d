"""Arrivals and lengths are pure functions of their key and have the moments that they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from groundplan.kernel import (
    KernelError,
    lognormal_lengths,
    periodic_arrivals_ps,
    poisson_arrivals_ps,
    renewal_arrivals_ps,
    stream,
)

COUNT = 200_000


def test_equal_keys_give_equal_numbers_and_others_do_not() -> None:
    keys = [(1, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0), (0, 1, 0)]
    draws = [stream(*key).standard_normal(5).tolist() for key in keys]
    assert draws == [stream(*key).standard_normal(5).tolist() for key in keys]
    assert len({tuple(draw) for draw in draws}) == len(keys)


def test_the_numbers_do_not_change() -> None:
    """A plan made today must be made again tomorrow: pinned values of the Philox stream."""
    assert poisson_arrivals_ps(3, 1.0, seed=1).tolist() == [376559709664, 2753321349704, 3097843512827]


@pytest.mark.parametrize("cv", [0.0, 0.5, 1.0, 2.0, 4.0])
def test_gaps_have_the_rate_and_the_burstiness(cv: float) -> None:
    gaps = np.diff(renewal_arrivals_ps(COUNT, 50.0, cv, seed=5), prepend=0) / 1e12
    assert gaps.mean() == pytest.approx(1 / 50, rel=4 * max(cv, 1e-9) / COUNT**0.5 + 1e-9)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.05, abs=1e-6)


def test_another_rate_stretches_the_same_pattern() -> None:
    slow, fast = (renewal_arrivals_ps(1000, rate, 1.5, seed=9) for rate in (10.0, 40.0))
    assert np.abs(slow - 4 * fast).max() <= 4 * 1000


def test_poisson_counts_are_poisson() -> None:
    """Counts per window have variance = mean (index of dispersion 1; four standard errors of 20,000 windows)."""
    arrivals = poisson_arrivals_ps(COUNT, 10.0, seed=2)
    counts = np.bincount(arrivals // 10**12)[:-1]
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=4 * (2 / len(counts)) ** 0.5)


def test_periodic_sources_keep_their_period_within_the_jitter() -> None:
    arrivals, source = periodic_arrivals_ps(20, 50, 10**9, 10**6, seed=4)
    assert len(arrivals) == 1000
    assert (np.diff(arrivals) >= 0).all()
    for j in range(20):
        mine = arrivals[source == j]
        assert len(mine) == 50
        assert np.abs(np.diff(mine) - 10**9).max() <= 10**6
        assert mine[0] <= 10**9 + 10**6
    steady, whose = periodic_arrivals_ps(3, 50, 10**9, 0, seed=4)
    assert set(np.diff(steady[whose == 1])) == {10**9}


@pytest.mark.parametrize(("mean", "cv"), [(1000.0, 0.0), (1000.0, 0.5), (300.0, 1.2), (4000.0, 2.0)])
def test_lengths_have_mean_and_cv(mean: float, cv: float) -> None:
    lengths = lognormal_lengths(COUNT, mean, cv, seed=6)
    assert lengths.dtype == np.int64
    assert lengths.min() >= 1
    assert lengths.mean() == pytest.approx(mean, rel=0.02)
    assert lengths.std() / lengths.mean() == pytest.approx(cv, rel=0.1, abs=1e-9)


def test_lengths_are_cut_and_parts_are_independent() -> None:
    prompts, outputs = (lognormal_lengths(5000, 500, 1.5, seed=6, part=part, longest=900) for part in (0, 1))
    assert prompts.max() == outputs.max() == 900
    assert abs(np.corrcoef(prompts, outputs)[0, 1]) < 0.06


@pytest.mark.parametrize(
    "call",
    [
        lambda: poisson_arrivals_ps(10, 0.0, 1),
        lambda: poisson_arrivals_ps(10, float("nan"), 1),
        lambda: poisson_arrivals_ps(10, 1e-9, 1),
        lambda: poisson_arrivals_ps(-1, 1.0, 1),
        lambda: poisson_arrivals_ps(10, 1.0, -1),
        lambda: poisson_arrivals_ps(10, 1.0, 2**64),
        lambda: renewal_arrivals_ps(10, 1.0, -0.5, 1),
        lambda: renewal_arrivals_ps(10, 1.0, float("inf"), 1),
        lambda: periodic_arrivals_ps(0, 1, 10, 0, 1),
        lambda: periodic_arrivals_ps(1, 1, 10, -1, 1),
        lambda: periodic_arrivals_ps(1, 100, 10**18, 0, 1),
        lambda: lognormal_lengths(10, 0.0, 1.0, 1),
        lambda: lognormal_lengths(10, 5.0, -1.0, 1),
        lambda: lognormal_lengths(10, 5.0, 1.0, 1, longest=0),
    ],
)
def test_bad_generators_are_refused(call: object) -> None:
    with pytest.raises(KernelError):
        call()
