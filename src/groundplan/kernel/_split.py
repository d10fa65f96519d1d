"""Disaggregated serving: some engines only prefill, others only decode, and a request's cache is sent between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ._check import IntArray, finite, whole
from ._engine import simulate_pool
from ._pools import PLANNING_ERRORS, PS_PER_MS, LlmPool, ServiceReport, middle_rate_per_s, sample_percentile, warm
from ._queues import simulate_queue
from ._random import arrivals_from_gaps
from ._step import EngineLimits, StepTime


@dataclass(frozen=True, eq=False)
class SplitRun:
    """Times to first token and per output token after it [ps], by request in order of arrival."""

    ttft_ps: IntArray
    tpot_ps: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SplitPool:
    """Units of `prefill_engines` and `decode_engines` with their traffic and level; calling it gives the strain.

    decode: traffic and level, and the step and limits of one decode engine. prefill_step, prefill_limits: of one
    prefill engine. transfer_ps_per_token: sending the cache of one prompt token; as many are sent at once as the fewer
    engines of the two stages. The first token reaches the user when the cache has arrived. Nothing holds a prefill
    engine back where decode engines are full: requests wait there with their cache, and the wait counts as time per
    token.
    """

    decode: LlmPool
    prefill_step: StepTime
    prefill_limits: EngineLimits
    prefill_engines: int
    decode_engines: int
    transfer_ps_per_token: int = 0

    def __post_init__(self) -> None:
        for name in ("prefill_engines", "decode_engines"):
            whole(f"SplitPool.{name}", getattr(self, name))
        whole("SplitPool.transfer_ps_per_token", self.transfer_ps_per_token, 0)

    @cached_property
    def saturation_per_s(self) -> float:
        """Requests/s of one unit that never runs dry: those of the stage that is the narrower."""
        count = max(2000, 12 * self.decode.limits.max_batch)
        _, prompts, outputs = self.decode.draws(count, 0)
        first = _backlog_per_s(prompts, np.ones_like(prompts), self.prefill_step, self.prefill_limits)
        later = outputs > 1
        per_prompt_s = float(prompts.mean()) * self.transfer_ps_per_token / 1e12
        first = min(first * self.prefill_engines, self._links / max(per_prompt_s, 1e-12))
        if not later.any():
            return first
        decoding = (prompts[later] + 1, outputs[later] - 1)
        second = _backlog_per_s(*decoding, joining(self.decode.step), _whole_prompts(self.decode.limits))
        return min(first, second * self.decode_engines / float(later.mean()))

    @property
    def _links(self) -> int:
        """Caches of a unit on their way at once: an engine sends or takes one at a time."""
        return min(self.prefill_engines, self.decode_engines)

    def run(self, units: int, load: float, seed: int) -> SplitRun:
        """Simulate so many units side by side at a load (in saturation rates of one unit)."""
        rate_per_s = finite("load", load, low=0.0) * self.saturation_per_s
        count = self.decode.count(whole("units", units), rate_per_s)
        gaps, prompts, outputs = self.decode.draws(count, seed)
        arrivals = arrivals_from_gaps(gaps, rate_per_s)
        ready = self._prefilled(arrivals, prompts, units)
        return SplitRun(ready - arrivals, self._decoded(ready, prompts, outputs, units))

    def _prefilled(self, arrivals: IntArray, prompts: IntArray, units: int) -> IntArray:
        """When the cache of each request has arrived [ps]: sent in the order of prefill, as soon as a link is free."""
        engines = units * self.prefill_engines
        once = np.ones_like(prompts)
        run = simulate_pool(arrivals, prompts, once, self.prefill_step, self.prefill_limits, replicas=engines)
        sending, ready = prompts * self.transfer_ps_per_token, run.finish_ps.copy()
        order = np.argsort(run.finish_ps, kind="stable")
        ready[order] = simulate_queue(ready[order], sending[order], units * self._links) + sending[order]
        return ready

    def _decoded(self, ready: IntArray, prompts: IntArray, outputs: IntArray, units: int) -> NDArray[np.float64]:
        """Time per token after the first, the wait for a place included."""
        tpot = np.zeros(len(ready))
        later = np.flatnonzero(outputs > 1)
        order = later[np.argsort(ready[later], kind="stable")]
        if order.size:
            step, limits = joining(self.decode.step), _whole_prompts(self.decode.limits)
            asked, engines = (prompts[order] + 1, outputs[order] - 1), units * self.decode_engines
            run = simulate_pool(ready[order], *asked, step, limits, replicas=engines)
            tpot[order] = (run.finish_ps - ready[order]) / (outputs[order] - 1)
        return tpot

    def report(self, units: int, load: float, seed: int, errors: float = 0.0) -> ServiceReport:
        """TTFT and TPOT achieved against the level; percentiles raised by ``errors`` standard errors."""
        run, level = self.run(units, load, seed), self.decode
        ttft = sample_percentile(warm(run.ttft_ps), level.ttft_percentile, errors) / PS_PER_MS + level.network_ms
        tpot = sample_percentile(warm(run.tpot_ps), level.tpot_percentile, errors) / PS_PER_MS
        return ServiceReport((("TTFT", ttft, level.ttft_ms), ("TPOT", tpot, level.tpot_ms)))

    def __call__(self, units: int, load: float, seed: int) -> float:
        """The strain to plan with (percentiles raised by a third of a standard error): at most 1 meets the level."""
        return self.report(units, load, seed, errors=PLANNING_ERRORS).strain


def joining(step: StepTime) -> StepTime:
    """A decode engine whose prompts come with their cache: a request joins the next decode step at no other cost."""
    return StepTime(step.decode_base_ps, step.context_slope_ps, [1], [int(step.decode_base_ps[1])], [0])


def _whole_prompts(limits: EngineLimits) -> EngineLimits:
    """No prompt is cut into chunks: nothing of it is computed."""
    room = limits.kv_blocks * limits.block_tokens
    return EngineLimits(limits.max_batch, room, limits.kv_blocks, limits.block_tokens)


def _backlog_per_s(prompts: IntArray, outputs: IntArray, step: StepTime, limits: EngineLimits) -> float:
    """Requests/s of one engine that never runs dry: middle of a backlog's finishes."""
    run = simulate_pool(np.zeros(len(prompts), np.int64), prompts, outputs, step, limits, replicas=1)
    return middle_rate_per_s(run.finish_ps)
