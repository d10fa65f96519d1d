"""Arrivals and lengths as pure functions of a seed: Philox streams keyed by (seed, entity, stream), never by worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ._check import HORIZON_PS, IntArray, KernelError, fault, finite, whole

if TYPE_CHECKING:
    from numpy.random import Generator

PS_PER_S = 10**12


def stream(seed: int, entity: int = 0, stream: int = 0) -> Generator:
    """The random stream of (seed < 2^64, entity < 2^32, stream < 2^32): equal keys give equal numbers anywhere."""
    for name, value, bits in (("seed", seed, 64), ("entity", entity, 32), ("stream", stream, 32)):
        if whole(name, value, low=0) >= 2**bits:
            raise KernelError(fault(name, f"must be below 2^{bits}, is {value}"))
    key = np.array([seed, (entity << 32) | stream], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def unit_gaps(count: int, cv: float, random: Generator) -> NDArray[np.float64]:
    """``count`` gaps of mean 1 and coefficient of variation ``cv``: gamma, cv 1 is Poisson, 0 is regular."""
    finite("cv", cv, low=0.0, open_low=False)
    if cv == 0:
        return np.ones(count)
    if cv == 1:
        return random.standard_exponential(count)
    shape = cv**-2
    return random.standard_gamma(shape, count) / shape


def arrivals_from_gaps(gaps: NDArray[np.float64], rate_per_s: float) -> IntArray:
    """Arrival times [ps] of gaps of mean 1 at a rate; each gap is rounded, the sum is exact."""
    finite("rate_per_s", rate_per_s, low=0.0)
    steps = gaps * (PS_PER_S / rate_per_s)
    if float(steps.sum()) > HORIZON_PS:
        raise KernelError(fault("rate_per_s", f"{len(gaps)} arrivals at {rate_per_s}/s take more than 100 days"))
    return np.cumsum(np.rint(steps).astype(np.int64))


def poisson_arrivals_ps(count: int, rate_per_s: float, seed: int, entity: int = 0) -> IntArray:
    """``count`` arrival times [ps] of a Poisson process of ``rate_per_s``."""
    return renewal_arrivals_ps(count, rate_per_s, 1.0, seed, entity)


def renewal_arrivals_ps(count: int, rate_per_s: float, cv: float, seed: int, entity: int = 0) -> IntArray:
    """``count`` arrival times [ps] with gamma gaps of mean 1/rate and coefficient of variation ``cv`` (bursty above 1).

    With one seed, another rate stretches the same pattern: common random numbers.
    """
    return arrivals_from_gaps(unit_gaps(whole("count", count, low=0), cv, stream(seed, entity, 0)), rate_per_s)


def periodic_arrivals_ps(
    sources: int, events: int, period_ps: int, jitter_ps: int, seed: int, entity: int = 0
) -> tuple[IntArray, IntArray]:
    """Robots or cameras that free-run: merged arrival times [ps] and the source of each, in order of time.

    Source j sends ``events`` requests at phase_j + k * period + jitter; phases are uniform over the period, jitter is
    uniform over 0..jitter_ps for each request. Shapes: (sources * events,).
    """
    for name, value, low in (("sources", sources, 1), ("events", events, 1), ("period_ps", period_ps, 1)):
        whole(name, value, low)
    whole("jitter_ps", jitter_ps, low=0)
    if period_ps * (events + 1) + jitter_ps > HORIZON_PS:
        raise KernelError(fault("period_ps", "the last request comes after 100 days"))
    phase = stream(seed, entity, 1).integers(0, period_ps, (sources, 1))
    late = stream(seed, entity, 2).integers(0, jitter_ps + 1, (sources, events))
    times = (phase + period_ps * np.arange(events, dtype=np.int64) + late).ravel()
    order = np.argsort(times, kind="stable")
    return times[order], order // events


def lognormal_lengths(
    count: int, mean: float, cv: float, seed: int, entity: int = 0, *, part: int = 0, longest: int = 10**9
) -> IntArray:
    """``count`` whole lengths 1..longest, lognormal with this mean and coefficient of variation, rounded and cut.

    Raising to 1 and the cut move the mean of short or very wide distributions; ``part`` tells prompts from outputs.
    """
    finite("mean", mean, low=0.0)
    finite("cv", cv, low=0.0, open_low=False)
    variance = np.log1p(cv * cv)
    normal = stream(seed, entity, 16 + part).standard_normal(whole("count", count, low=0))
    lengths = np.exp(np.log(mean) - variance / 2 + np.sqrt(variance) * normal)
    return np.clip(np.rint(np.minimum(lengths, longest)), 1, whole("longest", longest)).astype(np.int64)
