"""Pools under a service level, ready for `staffing_curve`: a language-model pool and a queue pool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil, sqrt
from typing import Any

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
Sample = NDArray[np.int64] | NDArray[np.float64]
Draws = tuple[NDArray[Any], ...]
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


def sample_percentile(values: Sample, percentile: float, errors: float = 0.0) -> float:
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
        what = f"{len(values)} requests are too few for {percentile} %"
        raise KernelError(fault("percentile", what, "simulate more"))
    parts = (values <= plain)[: len(values) // BATCHES * BATCHES].reshape(BATCHES, -1).mean(axis=1)
    error = max(independent, float(parts.std(ddof=1)) / sqrt(BATCHES))
    return _order_statistic(values, min(1.0, share + errors * error))


def _order_statistic(values: Sample, share: float) -> float:
    rank = max(0, ceil(share * len(values) - 1e-9) - 1)
    return float(np.partition(values, rank)[rank])


def _check_percentile(where: str, value: float) -> None:
    if not 0 < value < 100:
        raise KernelError(fault(where, f"must lie between 0 and 100, is {value!r}"))


def warm(values: Sample) -> Sample:
    """Without the first fifth, in which a run fills."""
    return values[int(len(values) * WARM_SHARE) :]


def _kept(draw: Callable[[int, int], Draws]) -> Callable[[int, int], Draws]:
    """Keep the last few draws by (count, seed): a search on the load asks for the same ones again and again."""

    def frozen(count: int, seed: int) -> Draws:
        arrays = draw(count, seed)
        for array in arrays:
            array.flags.writeable = False
        return arrays

    return lru_cache(maxsize=4)(frozen)


def _count_within_horizon(count: int, rate_per_s: float) -> int:
    """Requests to simulate: ``count``, or as many as come within half of the simulated time that there is."""
    return min(count, int(rate_per_s * HORIZON_PS / 2e12))


def middle_rate_per_s(finish_ps: IntArray) -> float:
    """Requests/s of a backlog, from the middle three fifths of its finishes."""
    ends = np.sort(finish_ps)
    low, high = len(ends) // 5, len(ends) * 4 // 5
    return (high - low) / float(ends[high] - ends[low]) * 1e12


@dataclass(frozen=True, kw_only=True)
class LlmPool:
    """A pool of batching engines with its traffic and its service level; calling it gives the strain.

    Traffic: gamma renewal arrivals (arrival_cv 1 = Poisson), lognormal prompt and output lengths in tokens.
    Level: TTFT including ``network_ms`` at ttft_percentile, mean time per output token at tpot_percentile, in ms.
    longest_tokens: prompt + output of the longest request (the context window), where the lengths are cut; it must fit
    in the KV blocks. None: what fits in them.
    requests_per_replica: requests simulated per replica, at least 8,000 in all; the first fifth warms up. The standard
    error of a p99's coverage is then 0.12 points or more (correlation); plans add a third of it.
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
    longest_tokens: int | None = None
    router: Router = "least_loaded"
    requests_per_replica: int = 400
    least_requests: int = 8000
    groups: int = 1
    """Engines of a replica, each with a queue of its own."""

    def __post_init__(self) -> None:
        for name in ("ttft_ms", "tpot_ms"):
            finite(f"LlmPool.{name}", getattr(self, name), low=0.0)
        for name in ("ttft_percentile", "tpot_percentile"):
            _check_percentile(f"LlmPool.{name}", getattr(self, name))
        finite("LlmPool.network_ms", self.network_ms, low=0.0, open_low=False)
        for name in ("requests_per_replica", "least_requests", "groups"):
            whole(f"LlmPool.{name}", getattr(self, name))
        room = self.limits.kv_blocks * self.limits.block_tokens
        if self.longest_tokens is not None and whole("LlmPool.longest_tokens", self.longest_tokens, 2) > room:
            what = f"a request of {self.longest_tokens} tokens never fits in the {room} tokens of KV memory"
            raise KernelError(fault("LlmPool.longest_tokens", what, "more KV memory, or a shorter context window"))

    @property
    def _longest(self) -> int:
        return self.longest_tokens or self.limits.kv_blocks * self.limits.block_tokens

    @cached_property
    def draws(self) -> Callable[[int, int], Draws]:
        """Unit gaps, prompts and outputs of (count, seed); load only stretches the gaps (common random numbers)."""
        longest = self._longest

        def draw(count: int, seed: int) -> Draws:
            prompts = lognormal_lengths(count, self.prompt_mean_tokens, self.prompt_cv, seed, longest=longest)
            outputs = lognormal_lengths(count, self.output_mean_tokens, self.output_cv, seed, part=1, longest=longest)
            gaps = unit_gaps(count, self.arrival_cv, stream(seed))
            return gaps, prompts, np.minimum(outputs, np.maximum(1, longest - prompts))

        return _kept(draw)

    @cached_property
    def saturation_per_s(self) -> float:
        """Requests/s of one replica that never runs dry: the unit of load (middle of a backlog's finishes)."""
        count = max(2000, 12 * self.limits.max_batch)
        _, prompts, outputs = self.draws(count, 0)
        run = simulate_pool(np.zeros(count, np.int64), prompts, outputs, self.step, self.limits, replicas=1)
        return middle_rate_per_s(run.finish_ps) * self.groups

    def count(self, replicas: int, rate_per_s: float) -> int:
        """Requests of a run."""
        count = max(self.least_requests, self.requests_per_replica * whole("replicas", replicas))
        return _count_within_horizon(count, rate_per_s)

    def run(self, replicas: int, load: float, seed: int) -> EngineRun:
        """Simulate the pool at a load (in saturation rates of one replica)."""
        finite("load", load, low=0.0)
        rate_per_s = load * self.saturation_per_s
        gaps, prompts, outputs = self.draws(self.count(replicas, rate_per_s), seed)
        arrivals = arrivals_from_gaps(gaps, rate_per_s)
        engines = replicas * self.groups
        return simulate_pool(arrivals, prompts, outputs, self.step, self.limits, replicas=engines, router=self.router)

    def report(self, replicas: int, load: float, seed: int, errors: float = 0.0) -> ServiceReport:
        """TTFT and TPOT achieved against the level; percentiles raised by ``errors`` standard errors."""
        run = self.run(replicas, load, seed)
        ttft = sample_percentile(warm(run.ttft_ps), self.ttft_percentile, errors) / PS_PER_MS + self.network_ms
        tpot = sample_percentile(warm(run.tpot_ps), self.tpot_percentile, errors) / PS_PER_MS
        return ServiceReport((("TTFT", ttft, self.ttft_ms), ("TPOT", tpot, self.tpot_ms)))

    def __call__(self, replicas: int, load: float, seed: int) -> float:
        """The strain to plan with (percentiles raised by a third of a standard error): at most 1 meets the level."""
        return self.report(replicas, load, seed, errors=PLANNING_ERRORS).strain


@dataclass(frozen=True, kw_only=True)
class QueuePool:
    """Servers behind one queue (cameras, robots, streams) with a latency level; calling it gives the strain.

    service_ps_by_batch[b] for b = 1..max_batch (entry 0 is 0); service_cv > 0 (lognormal) only with max_batch 1.
    Arrivals are gamma renewal with arrival_cv, or, where period_ms is given, free-running periodic sources with
    uniform phases (drawn anew eight times a run) and jitter; their number is rounded up.
    Level: latency (waiting + service + network_ms) at latency_percentile. 30,000 requests a run by default: the
    standard error of a p99's coverage is 0.06 points or more (correlation); plans add a third of it.
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
    requests: int = 30_000

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
        whole("QueuePool.max_batch", self.max_batch)
        return batch_table("QueuePool.service_ps_by_batch", self.service_ps_by_batch, self.max_batch)

    @cached_property
    def saturation_per_s(self) -> float:
        """Requests/s of one server that never runs dry: the unit of load (it always finds a full batch)."""
        return self.max_batch / float(self._table[self.max_batch]) * 1e12

    @cached_property
    def _draws(self) -> Callable[[int, int], Draws]:
        """Unit gaps and unit services of (count, seed)."""
        variance = float(np.log1p(self.service_cv**2))

        def draw(count: int, seed: int) -> Draws:
            normal = stream(seed, 0, 3).standard_normal(count) if variance else np.zeros(count)
            return unit_gaps(count, self.arrival_cv, stream(seed)), np.exp(sqrt(variance) * normal - variance / 2)

        return _kept(draw)

    def _arrivals(self, rate_per_s: float, seed: int) -> IntArray:
        count = _count_within_horizon(self.requests, rate_per_s)
        if self.period_ms is None:
            return arrivals_from_gaps(self._draws(count, seed)[0], rate_per_s)
        sources = max(1, ceil(rate_per_s * self.period_ms / 1e3 - 1e-9))
        period_ps, jitter_ps = round(self.period_ms * PS_PER_MS), round(self.jitter_ms * PS_PER_MS)
        return _phased(sources, count, period_ps, jitter_ps, seed)

    def latency_ps(self, replicas: int, load: float, seed: int) -> IntArray:
        """Waiting plus service [ps] of each request at a load (in saturation rates of one server)."""
        arrivals = self._arrivals(finite("load", load, low=0.0) * self.saturation_per_s, seed)
        if self.service_cv == 0:
            return simulate_batch_queue(arrivals, self._table, self.max_batch, replicas).latency_ps
        units = self._draws(len(arrivals), seed)[1]
        service = np.rint(units * float(self._table[1])).astype(np.int64)
        return simulate_queue(arrivals, service, replicas) + service - arrivals

    def report(self, replicas: int, load: float, seed: int, errors: float = 0.0) -> ServiceReport:
        """Latency achieved against the level; the percentile raised by ``errors`` standard errors."""
        late = warm(self.latency_ps(replicas, load, seed))
        achieved = sample_percentile(late, self.latency_percentile, errors) / PS_PER_MS + self.network_ms
        return ServiceReport((("latency", achieved, self.latency_ms),))

    def __call__(self, replicas: int, load: float, seed: int) -> float:
        """The strain to plan with (percentile raised by a third of a standard error): at most 1 meets the level."""
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
