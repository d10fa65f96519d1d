"""One batching engine, or a pool of equal ones behind a router, simulated exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._check import IntArray, KernelError, arrivals_array, fault, int_array, whole
from ._step import EngineLimits, StepTime

if TYPE_CHECKING:
    from ._engine_jit import Caps, Jobs, Tables

Router = Literal["least_loaded", "round_robin"]
MAX_TOKENS = 10**9
MAX_AREA_PS = 5 * 10**17
MAX_PAIRS_FS = 9 * 10**18


@dataclass(frozen=True, eq=False)
class EngineRun:
    """What happened to each request (arrays of length n, in order of arrival) and to each replica.

    first_token_ps, finish_ps: absolute times. preemptions: how often a request was thrown out and recomputed.
    replica: which replica served it. busy_ps[r]: time spent stepping. steps, decode_tokens, prefill_tokens: totals,
    recomputed prompts included. batch_ps: integral over time of the running sequences (mean batch = batch_ps / time).
    """

    arrivals_ps: IntArray
    output_tokens: IntArray
    first_token_ps: IntArray
    finish_ps: IntArray
    preemptions: IntArray
    replica: IntArray
    busy_ps: IntArray
    steps: int
    decode_tokens: int
    prefill_tokens: int
    batch_ps: int

    @cached_property
    def ttft_ps(self) -> IntArray:
        """Time to first token of each request [ps]."""
        return self.first_token_ps - self.arrivals_ps

    @cached_property
    def tpot_ps(self) -> NDArray[np.float64]:
        """Mean time per output token after the first [ps]; 0 for a request of one token."""
        return (self.finish_ps - self.first_token_ps) / np.maximum(self.output_tokens - 1, 1)


def simulate_engine(
    arrivals_ps: ArrayLike, prompt_tokens: ArrayLike, output_tokens: ArrayLike, step: StepTime, limits: EngineLimits
) -> EngineRun:
    """Simulate one engine: continuous batching, chunked prefill, KV blocks, preemption by recompute. Times in ps.

    A step starts when the one before it ends, with every arrival up to that moment in the queue. All running decodes
    come first; each caches one token, and when blocks run out the youngest sequence is preempted until the rest fit
    (it goes to the head of the queue and recomputes prompt and tokens so far). The remaining token budget goes to
    prefill, first come first served; a request is admitted when a slot and the blocks of its whole prompt are free,
    and not in a step that preempted (the rule of vLLM V1 with its full-prompt reservation). The step that ends a
    prefill yields the next token. The answer equals stepping one step at a time; macro steps only make it fast.

    arrivals_ps[n] not decreasing; prompt_tokens[n], output_tokens[n] >= 1. Raises KernelError for anything else, for a
    request that can never fit in the KV blocks, and when simulated time passes 100 days.
    """
    return simulate_pool(arrivals_ps, prompt_tokens, output_tokens, step, limits, replicas=1)


def simulate_pool(
    arrivals_ps: ArrayLike,
    prompt_tokens: ArrayLike,
    output_tokens: ArrayLike,
    step: StepTime,
    limits: EngineLimits,
    *,
    replicas: int,
    router: Router = "least_loaded",
) -> EngineRun:
    """Simulate ``replicas`` equal engines behind a router (see `simulate_engine` for one of them).

    least_loaded: a request joins the replica with the fewest requests outstanding, the lowest index among equals; a
    request that ends at the very instant of the arrival still counts. round_robin: request i joins replica i mod n.
    """
    whole("replicas", replicas)
    if router not in ("least_loaded", "round_robin"):
        raise KernelError(fault("router", f"unknown router {router!r}", "least_loaded or round_robin"))
    arrivals = arrivals_array("arrivals_ps", arrivals_ps)
    prompt = int_array("prompt_tokens", prompt_tokens, low=1, high=MAX_TOKENS)
    output = int_array("output_tokens", output_tokens, low=1, high=MAX_TOKENS)
    _check_fit(arrivals, prompt, output, step, limits)
    return _run(arrivals, prompt, output, step, limits, replicas, router == "least_loaded")


def simulate_closed(
    prompt_tokens: ArrayLike, output_tokens: ArrayLike, step: StepTime, limits: EngineLimits, *, concurrency: int
) -> EngineRun:
    """Simulate one engine that ``concurrency`` clients keep busy: each sends its next request when one is answered.

    Requests go out in the order given, the first ``concurrency`` of them together at time 0, as load generators do.
    The rest is as in `simulate_engine`; ``arrivals_ps`` of the result says when each request was sent.
    """
    whole("concurrency", concurrency)
    prompt = int_array("prompt_tokens", prompt_tokens, low=1, high=MAX_TOKENS)
    output = int_array("output_tokens", output_tokens, low=1, high=MAX_TOKENS)
    arrivals = np.zeros(len(prompt), np.int64)
    _check_fit(arrivals, prompt, output, step, limits)

    from . import _engine_jit as jit

    jobs, tables, caps = _compiled(prompt, output, step, limits)
    row = jit.run_closed(arrivals, jobs, tables, caps, concurrency)
    return _result(arrivals, jobs, np.zeros(len(prompt), np.int64), row[None, :])


def _run(
    arrivals: IntArray,
    prompt: IntArray,
    output: IntArray,
    step: StepTime,
    limits: EngineLimits,
    replicas: int,
    least_loaded: bool,
) -> EngineRun:
    from . import _engine_jit as jit

    jobs, tables, caps = _compiled(prompt, output, step, limits)
    chosen, rows = jit.run_pool(arrivals, jobs, tables, caps, replicas, least_loaded)
    return _result(arrivals, jobs, chosen, rows)


def _compiled(prompt: IntArray, output: IntArray, step: StepTime, limits: EngineLimits) -> tuple[Jobs, Tables, Caps]:
    """Requests, step times and limits as the compiled loops take them."""
    from . import _engine_jit as jit

    done, target, preempted = (np.zeros(len(prompt), np.int64) for _ in range(3))
    following, first, finish = (np.full(len(prompt), jit.NONE, np.int64) for _ in range(3))
    jobs = jit.Jobs(prompt, output, done, target, following, first, finish, preempted)
    tables = jit.Tables(  # copies, because it is compiled for writable arrays only
        step.decode_base_ps.copy(),
        step.context_slope_ps.copy(),
        step.prefill_breaks.copy(),
        step.prefill_base_ps.copy(),
        step.prefill_slope_ps.copy(),
        step.pair_fs,
    )
    return jobs, tables, jit.Caps(limits.max_batch, limits.token_budget, limits.kv_blocks, limits.block_tokens)


def _result(arrivals: IntArray, jobs: Jobs, chosen: IntArray, rows: IntArray) -> EngineRun:
    from . import _engine_jit as jit

    if rows[:, jit.ERROR].any():
        hint = "rebase the arrivals, or check units"
        raise KernelError(fault("arrivals_ps", "simulated time passes 100 days", hint))
    total = [int(value) for value in rows.sum(axis=0)]
    batch_ps = total[jit.BATCH_S] * 10**12 + total[jit.BATCH_PS]
    sums = (total[jit.STEPS], total[jit.DTOK], total[jit.PTOK], batch_ps)
    busy = rows[:, jit.BUSY].copy()
    return EngineRun(arrivals, jobs.output, jobs.first, jobs.finish, jobs.preempted, chosen, busy, *sums)


def _check_fit(arrivals: IntArray, prompt: IntArray, output: IntArray, step: StepTime, limits: EngineLimits) -> None:
    if not len(arrivals) == len(prompt) == len(output):
        raise KernelError(fault("prompt_tokens", "arrivals, prompts and outputs differ in length"))
    if step.max_decode < limits.max_batch:
        what = f"decode tables end at {step.max_decode} sequences, below max_batch {limits.max_batch}"
        raise KernelError(fault("StepTime.decode_base_ps", what))
    room = limits.kv_blocks * limits.block_tokens
    too_big = np.flatnonzero(prompt + output - 1 > room)
    if too_big.size:
        at = int(too_big[0])
        what = f"{prompt[at]} + {output[at]} tokens never fit in {limits.kv_blocks} blocks of {limits.block_tokens}"
        raise KernelError(fault(f"request {at}", what, "more KV memory, or shorter requests"))
    longest = int((prompt + output).max(initial=1))
    pairs_fs = limits.token_budget * longest * step.pair_fs
    worst_ps = _dense_and_decode_ps(step, limits) + pairs_fs // 1000
    if pairs_fs > MAX_PAIRS_FS or worst_ps * limits.max_batch > MAX_AREA_PS:
        what = f"one step may take {worst_ps / 1e12:.3g} s, which overflows int64"
        raise KernelError(fault("StepTime", what, "check the units of the slopes"))


def _dense_and_decode_ps(step: StepTime, limits: EngineLimits) -> int:
    """Upper bound of a step without prefill attention [ps]: full batch, full KV memory, full budget."""
    room = limits.kv_blocks * limits.block_tokens
    budget = limits.token_budget
    dense = int(step.decode_base_ps.max()) + int(step.prefill_base_ps.max()) + budget * int(step.prefill_slope_ps.max())
    return dense + int(step.context_slope_ps.max()) * room
