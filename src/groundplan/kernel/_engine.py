"""One batching engine, or a pool of equal ones behind a router, simulated exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _columns as at
from ._check import IntArray, KernelError, arrivals_array, fault, int_array, whole
from ._step import EngineLimits, StepTime

if TYPE_CHECKING:
    from ._machine import Loop

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
    from ._machine import run_pool

    least_loaded = router == "least_loaded"
    return _simulated(run_pool, arrivals, prompt, output, step, limits, replicas=replicas, least_loaded=least_loaded)


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

    from ._machine import run_closed

    return _simulated(run_closed, arrivals, prompt, output, step, limits, concurrency=concurrency)


def _simulated(
    loop: Loop,
    arrivals: IntArray,
    prompt: IntArray,
    output: IntArray,
    step: StepTime,
    limits: EngineLimits,
    *,
    replicas: int = 1,
    least_loaded: bool = True,
    concurrency: int = 0,
) -> EngineRun:
    """Lay out tables and state (see `_columns`), run the compiled loop, read off what happened."""
    requests = _requests(arrivals, prompt, output)
    decode = np.stack([step.decode_base_ps, step.context_slope_ps])
    prefill = np.stack([step.prefill_breaks, step.prefill_base_ps, step.prefill_slope_ps])
    batch, block = limits.max_batch, limits.block_tokens
    heaps, hists, fresh = (np.zeros(shape, np.int64) for shape in ((replicas, 2, batch), (replicas, block), batch))
    sizes = (len(prompt), decode.shape[1], prefill.shape[1], step.pair_fs)
    engine = (batch, limits.token_budget, limits.kv_blocks, block)
    numbers = np.array([*sizes, *engine, replicas, least_loaded, concurrency], np.int64)
    states = _idle(replicas, limits.kv_blocks)
    loop(requests, decode, prefill, states, heaps, hists, fresh, numbers)
    return _result(requests, states)


def _requests(arrivals: IntArray, prompt: IntArray, output: IntArray) -> IntArray:
    table = np.zeros((at.JOB_ROWS, len(prompt)), np.int64)
    for row, values in ((at.ARRIVAL, arrivals), (at.PROMPT, prompt), (at.OUTPUT, output)):
        table[row] = values
    for row in (at.FOLLOWING, at.FIRST, at.FINISH):
        table[row] = at.NONE
    return table


def _idle(replicas: int, kv_blocks: int) -> IntArray:
    states = np.zeros((replicas, at.WIDTH), np.int64)
    states[:, at.FREE] = kv_blocks
    states[:, [at.PARTIAL, at.HEAD, at.TAIL]] = at.NONE
    states[:, at.NEXT] = at.NEVER
    return states


def _result(requests: IntArray, states: IntArray) -> EngineRun:
    if states[:, at.ERROR].any():
        hint = "rebase the arrivals, or check units"
        raise KernelError(fault("arrivals_ps", "simulated time passes 100 days", hint))
    total = {column: int(states[:, column].sum()) for column in (at.STEPS, at.DTOK, at.PTOK, at.BATCH_S, at.BATCH_PS)}
    return EngineRun(
        arrivals_ps=requests[at.ARRIVAL],
        output_tokens=requests[at.OUTPUT],
        first_token_ps=requests[at.FIRST],
        finish_ps=requests[at.FINISH],
        preemptions=requests[at.PREEMPTED],
        replica=requests[at.CHOSEN],
        busy_ps=states[:, at.BUSY].copy(),
        steps=total[at.STEPS],
        decode_tokens=total[at.DTOK],
        prefill_tokens=total[at.PTOK],
        batch_ps=total[at.BATCH_S] * 10**12 + total[at.BATCH_PS],
    )


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
