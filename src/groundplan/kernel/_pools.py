"""Pools under a service level, ready for `staffing_curve`: a language-model pool and a queue pool."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._check import HORIZON_PS, IntArray, KernelError, fault, finite, whole
from ._engine import EngineRun, Router, simulate_pool
from ._queues import batch_table, simulate_batch_queue, simulate_queue
from ._random import arrivals_from_gaps, lognormal_lengths, stream, unit_gaps
from ._step import EngineLimits, StepTime

PS_PER_MS = 10**9
WARM_SHARE = 0.2
BATCHES = 16
EPOCHS = 8
PLANNING_ERRORS = 0.34
"""Standard errors added to a percentile when planning: three seeds must all pass, and the chance that three estimates
all lie this far below the truth is 5 % (0.367 cubed)."""


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """What a pool achieved against what it promised: (name, achieved, limit) in ms, each at its percentile."""

    levels: tuple[tuple[str, float, float], ...]

    @property
    def strain(self) -> float:
        """Worst achieved / limit; the service level is met when it is at most 1."""
        return max(achieved / limit for _, achieved, limit in self.levels)

    @property
    def misses(self) -> tuple[str, ...]:
        """One line for each promise that was not kept."""
        late = ((name, value, limit) for name, value, limit in self.levels if value > limit)
        return tuple(f"{name} {value:.4g} ms > {limit:.4g} ms" for name, value, limit in late)


def sample_percentile(values: NDArray, percentile: float, errors: float = 0.0) -> float:
    """A percentile as an order statistic (the smallest value that covers it), raised by ``errors`` standard errors.

    The standard error of the coverage comes from 16 consecutive batches, because waiting times are correlated; it is
    never taken below that of independent values. Raises KernelError when the sample is too small to bound it.
    """
    share = percentile / 100
    plain = _order_statistic(values, share)
    if errors == 0:
        return plain
    independent = sqrt(share * (1 - share) / len(values))
    if share + errors * independent > 1 or len(values) < BATCHES:
        raise KernelError(fault("percentile", f"{len(values)} requests are too few for {percentile} %", "simulate more"))
    parts = (values <= plain)[: len(values) // BATCHES * BATCHES].reshape(BATCHES, -1).mean(axis=1)
    error = max(independent, float(parts.std(ddof=1)) / sqrt(BATCHES))
    return _order_statistic(values, min(1.0, share + errors * error))


def _order_statistic(values: NDArray, share: float) -> float:
    rank = max(0, ceil(share * len(values) - 1e-9) - 1)
    return float(np.partition(values, rank)[rank])


def _check_percentile(where: str, value: float) -> None:
    if not 0 < value < 100:
        raise KernelError(fault(where, f"must lie between 0 and 100, is {value!r}"))


def _warm(values: NDArray) -> NDArray:
    return values[int(len(values) * WARM_SHARE) :]


@lru_cache(maxsize=64)
def _llm_draws(count: int, seed: int, shape: tuple[float, float, float, float, float, int]):
    """Unit gaps, prompts and outputs of a seed; load only stretches the gaps (common random numbers)."""
    prompt_mean, prompt_cv, output_mean, output_cv, arrival_cv, longest = shape
    prompts = lognormal_lengths(count, prompt_mean, prompt_cv, seed, part=0, longest=longest)
    outputs = lognormal_lengths(count, output_mean, output_cv, seed, part=1, longest=longest)
    outputs = np.minimum(outputs, np.maximum(1, longest - prompts))
    draws = (unit_gaps(count, arrival_cv, stream(seed)), prompts, outputs)
    for array in draws:
        array.flags.writeable = False
    return draws


@dataclass(frozen=True, kw_only=True)
class LlmPool:
    """A pool of batching engines with its traffic and its service level; calling it gives the strain.

    Traffic: gamma renewal arrivals (arrival_cv 1 = Poisson), lognormal prompt and output lengths in tokens.
    Level: TTFT including ``network_ms`` at ttft_percentile, mean time per output token at tpot_percentile, in ms.
    longest_tokens: prompt + output of the longest request (the context window); it must fit in the KV blocks.
    requests_per_replica: requests simulated per replica, at least 8,000 in all; the first fifth warms up. The standard
    error of a p99's coverage is then 0.12 points or more (correlation); plans add a third of it, on each of three seeds.
    """

    step: StepTime
    limits: EngineLimits
    prompt_mean_tokens: float
    prompt_cv: float
    output_mean_tokens: float
    output_cv: float
    ttft_ms: float
    tpot_ms: float
    ttft_percentile: float = 99.0
    tpot_percentile: float = 99.0
    network_ms: float = 0.0
    arrival_cv: float = 1.0
    longest_tokens: int = 10**9
    router: Router = "least_loaded"
    requests_per_replica: int = 600
    least_requests: int = 8000

    def __post_init__(self) -> None:
        for name in ("ttft_ms", "tpot_ms"):
            finite(f"LlmPool.{name}", getattr(self, name), low=0.0)
        for name in ("ttft_percentile", "tpot_percentile"):
            _check_percentile(f"LlmPool.{name}", getattr(self, name))
        finite("LlmPool.network_ms", self.network_ms, low=0.0, open_low=False)

    @property
    def _longest(self) -> int:
        return min(self.longest_tokens, self.limits.kv_blocks * self.limits.block_tokens)

    def _draws(self, count: int, seed: int) -> tuple[NDArray[np.float64], IntArray, IntArray]:
        lengths = (self.prompt_mean_tokens, self.prompt_cv, self.output_mean_tokens, self.output_cv)
        return _llm_draws(count, seed, (*lengths, self.arrival_cv, self._longest))

    @cached_property
    def saturation_per_s(self) -> float:
        """Requests/s of one replica that never runs dry: the unit of load (middle of a backlog's finishes)."""
        count = max(2000, 12 * self.limits.max_batch)
        _, prompts, outputs = self._draws(count, 0)
        run = simulate_pool(np.zeros(count, np.int64), prompts, outputs, self.step, self.limits, replicas=1)
        ends = np.sort(run.finish_ps)
        low, high = count // 5, count * 4 // 5
        return (high - low) / float(ends[high] - ends[low]) * 1e12

    def run(self, replicas: int, load: float, seed: int) -> EngineRun:
        """Simulate the pool at a load (in saturation rates of one replica)."""
        finite("load", load, low=0.0)
        count = max(self.least_requests, self.requests_per_replica * whole("replicas", replicas))
        gaps, prompts, outputs = self._draws(count, seed)
        arrivals = arrivals_from_gaps(gaps, load * self.saturation_per_s)
        return simulate_pool(
            arrivals, prompts, outputs, self.step, self.limits, replicas=replicas, router=self.router
        )

    def report(self, replicas: int, load: float, seed: int, errors: float = 0.0) -> ServiceReport:
        """TTFT and TPOT achieved against the level; percentiles raised by ``errors`` standard errors."""
        run = self.run(replicas, load, seed)
        ttft = sample_percentile(_warm(run.ttft_ps), self.ttft_percentile, errors) / PS_PER_MS + self.network_ms
        tpot = sample_percentile(_warm(run.tpot_ps), self.tpot_percentile, errors) / PS_PER_MS
        return ServiceReport((("TTFT", ttft, self.ttft_ms), ("TPOT", tpot, self.tpot_ms)))

    def __call__(self, replicas: int, load: float, seed: int) -> float:
        """The strain to plan with (percentiles raised by a third of a standard error): at most 1 meets the service level."""
        return self.report(replicas, load, seed, errors=PLANNING_ERRORS).strain


@lru_cache(maxsize=64)
def _queue_draws(count: int, seed: int, arrival_cv: float, service_cv: float):
    """Unit gaps and unit services of a seed."""
    variance = np.log1p(service_cv**2)
    normal = stream(seed, 0, 3).standard_normal(count)
    draws = (unit_gaps(count, arrival_cv, stream(seed)), np.exp(np.sqrt(variance) * normal - variance / 2))
    for array in draws:
        array.flags.writeable = False
    return draws


@dataclass(frozen=True, kw_only=True)
class QueuePool:
    """Servers behind one queue (cameras, robots, streams) with a latency level; calling it gives the strain.

    service_ps_by_batch[b] for b = 1..max_batch (entry 0 is 0); service_cv > 0 (lognormal) only with max_batch 1.
    Arrivals are gamma renewal with arrival_cv, or, where period_ms is given, free-running periodic sources with
    uniform phases (drawn anew eight times a run) and jitter; their number is rounded up.
    Level: latency (waiting + service + network_ms) at latency_percentile. 40,000 requests a run by default: the
    standard error of a p99's coverage is 0.06 points or more (correlation); plans add a third of it, on each of three seeds.
    """

    service_ps_by_batch: ArrayLike
    latency_ms: float
    latency_percentile: float = 99.0
    max_batch: int = 1
    network_ms: float = 0.0
    arrival_cv: float = 1.0
    service_cv: float = 0.0
    period_ms: float | None = None
    jitter_ms: float = 0.0
    requests: int = 40_000

    def __post_init__(self) -> None:
        finite("QueuePool.latency_ms", self.latency_ms, low=0.0)
        _check_percentile("QueuePool.latency_percentile", self.latency_percentile)
        for name in ("network_ms", "arrival_cv", "service_cv", "jitter_ms"):
            finite(f"QueuePool.{name}", getattr(self, name), low=0.0, open_low=False)
        if self.service_cv and self.max_batch > 1:
            raise KernelError(fault("QueuePool.service_cv", "varying service needs max_batch 1"))
        if self.period_ms is not None:
            finite("QueuePool.period_ms", self.period_ms, low=0.0)

    @cached_property
    def _table(self) -> IntArray:
        return batch_table("QueuePool.service_ps_by_batch", self.service_ps_by_batch, whole("max_batch", self.max_batch))

    @cached_property
    def saturation_per_s(self) -> float:
        """Requests/s of one server that never runs dry: the unit of load (it always finds a full batch)."""
        return self.max_batch / float(self._table[self.max_batch]) * 1e12

    def _arrivals(self, rate_per_s: float, seed: int) -> IntArray:
        if self.period_ms is None:
            return arrivals_from_gaps(_queue_draws(self.requests, seed, self.arrival_cv, self.service_cv)[0], rate_per_s)
        sources = max(1, ceil(rate_per_s * self.period_ms / 1e3 - 1e-9))
        return _phased(sources, self.requests, round(self.period_ms * PS_PER_MS), round(self.jitter_ms * PS_PER_MS), seed)

    def latency_ps(self, replicas: int, load: float, seed: int) -> IntArray:
        """Waiting plus service [ps] of each request at a load (in saturation rates of one server)."""
        arrivals = self._arrivals(finite("load", load, low=0.0) * self.saturation_per_s, seed)
        if self.service_cv == 0:
            return simulate_batch_queue(arrivals, self._table, self.max_batch, replicas).latency_ps
        units = _queue_draws(len(arrivals), seed, self.arrival_cv, self.service_cv)[1]
        service = np.rint(units * float(self._table[1])).astype(np.int64)
        return simulate_queue(arrivals, service, replicas) + service - arrivals

    def report(self, replicas: int, load: float, seed: int, errors: float = 0.0) -> ServiceReport:
        """Latency achieved against the level; the percentile raised by ``errors`` standard errors."""
        late = _warm(self.latency_ps(replicas, load, seed))
        achieved = sample_percentile(late, self.latency_percentile, errors) / PS_PER_MS + self.network_ms
        return ServiceReport((("latency", achieved, self.latency_ms),))

    def __call__(self, replicas: int, load: float, seed: int) -> float:
        """The strain to plan with (percentile raised by a third of a standard error): at most 1 meets the service level."""
        return self.report(replicas, load, seed, errors=PLANNING_ERRORS).strain


def _phased(sources: int, requests: int, period_ps: int, jitter_ps: int, seed: int) -> IntArray:
    """Periodic arrivals of free-running sources whose phases are drawn anew in each of eight epochs."""
    events = max(2, ceil(requests / (EPOCHS * sources)))
    span = period_ps * (events + 1) + jitter_ps
    if span * EPOCHS > HORIZON_PS:
        raise KernelError(fault("QueuePool.period_ms", "the run takes more than 100 days", "simulate fewer requests"))
    phase = stream(seed, 0, 1).integers(0, period_ps, (EPOCHS, sources, 1))
    late = stream(seed, 0, 2).integers(0, jitter_ps + 1, (EPOCHS, sources, events)) if jitter_ps else 0
    times = (phase + period_ps * np.arange(events, dtype=np.int64) + late).reshape(EPOCHS, -1)
    return (np.sort(times, axis=1) + span * np.arange(EPOCHS, dtype=np.int64)[:, None]).ravel()
