"""Answers that no closed form gives: the load is replayed request by request on the kernel with the model's step times.

Time to first token depends on the protocol first: how many requests, of how equal lengths, mean or percentile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from groundplan.kernel import (
    EngineLimits,
    EngineRun,
    KernelError,
    lognormal_lengths,
    poisson_arrivals_ps,
    simulate_closed,
    simulate_engine,
)
from groundplan.perf import serving as perf
from groundplan.validation._serving_rows import Case, Variant

Floats = NDArray[np.float64]
REPLAYED = frozenset({
    "closed ttft", "closed e2e", "batch ttft", "open tpot", "open ttft", "open output_rate", "open e2e",
    "single ttft",
})  # fmt: skip
SEED = 7
TOKEN_BUDGET = 8192
BLOCK_TOKENS = 16
ENGINE_BATCH = 1024
RACE_BATCH = 2048
"""Sequences at once in MLPerf's closed division, where the cap is one of the settings that were searched."""
LATE_STEPS = 1.0
"""Decode steps that a first token is late: half of the one that runs when its prompt comes (the replay lets it in at
once), and half of the next, during which an asynchronous engine hands its output over."""
MOST_REQUESTS = 6000
OPEN_REQUESTS = 1500
OPEN_CV = 0.6
"""Coefficient of variation of the lengths in chat traffic of which only means are known (assumed)."""
PS_PER_S = 1e12


def replayed(cases: Sequence[Case], constants: perf.Constants) -> Floats:
    """Predictions [len(cases)] in the unit of each row; NaN where the load cannot be run at all."""
    return np.array([_answer(case, constants) for case in cases], dtype=float)


def _answer(case: Case, c: perf.Constants) -> float:
    answer = _variant(case, best_variant(case, c), c)
    return float("nan") if answer is None else answer


def best_variant(case: Case, c: perf.Constants) -> Variant:
    """Where the row does not say how the model was cut: the cut that carries most load, as a tuned one does."""
    if len(case.variants) == 1:
        return case.variants[0]
    asked = perf.Asked(np.array([case.prompt]), np.array([case.output]))

    def rate(variant: Variant) -> float:
        terms = perf.Terms.stack([variant.terms])
        batch = np.minimum(perf.batch_in_memory(terms, asked, np.array([1.0])), float(ENGINE_BATCH))
        return float(perf.output_rate(terms, c, asked, batch)[0]) * variant.replicas

    return max(case.variants, key=rate)


def _variant(case: Case, variant: Variant, c: perf.Constants) -> float | None:
    try:
        run = _run(case, variant, c)
    except KernelError:
        return None
    if case.quantity == "output_rate":
        return _output_rate(run, whole=case.requests < MOST_REQUESTS) * variant.replicas * case.factor
    if case.quantity == "ttft" and _closed(case):
        return _first(case, variant, c, run).seconds(c) * case.factor
    front = float(c.front_s[int(variant.terms.engine)]) if case.quantity in ("ttft", "e2e") else 0.0
    return (front + _seconds(case, run)) * case.factor


@dataclass(frozen=True, slots=True)
class FirstToken:
    """Time to the first token in a closed loop, by parts that constants outside the step model scale."""

    engine: int
    moe: bool
    replayed_s: float
    """Of the replay, with steady-state step times."""
    added_s: float
    """Launches of the prompt's own prefill, steps that it waited, and the step by which the token is late."""

    def seconds(self, c: perf.Constants) -> float:
        """The first steps of a mixture of experts are slower than its steady ones."""
        factor = c.moe_prefill_factor if self.moe else 1.0
        return float(c.front_s[self.engine]) + self.added_s + factor * self.replayed_s


def first_token(case: Case, c: perf.Constants) -> FirstToken | None:
    """Parts of a case of TTFT in a closed loop; None where the load cannot be run."""
    variant = best_variant(case, c)
    try:
        run = _run(case, variant, c)
    except KernelError:
        return None
    return _first(case, variant, c, run)


def _output_rate(run: EngineRun, *, whole: bool) -> float:
    """Output tokens per second: of a run of stated length with its drain, else of its middle four fifths."""
    if whole:
        return float(run.output_tokens.sum()) / (float(run.finish_ps.max()) / PS_PER_S)
    order = np.argsort(run.finish_ps)
    middle = order[len(order) // 10 : -(len(order) // 10)]
    span = float(run.finish_ps[middle[-1]] - run.finish_ps[middle[0]]) / PS_PER_S
    return float(run.output_tokens[middle[1:]].sum()) / span


def _seconds(case: Case, run: EngineRun) -> float:
    """Mean or quantile over the requests of a run."""
    times = {"ttft": run.ttft_ps, "e2e": run.finish_ps - run.arrivals_ps}.get(case.quantity, run.tpot_ps) / PS_PER_S
    return float(np.mean(times) if case.percentile is None else np.quantile(times, case.percentile))


def _first(case: Case, variant: Variant, c: perf.Constants, run: EngineRun) -> FirstToken:
    """Where steps that prefill are captured too, launching the first ones still delays the prompt's own token."""
    launches = float(perf.launches_s(variant.terms, c)) * (1.0 - max(case.untuned, 0.0))
    step_s = float(np.mean(run.tpot_ps)) / PS_PER_S
    added = launches + (LATE_STEPS + case.wait_steps) * step_s
    return FirstToken(int(variant.terms.engine), case.moe, _seconds(case, run), added)


def _run(case: Case, variant: Variant, c: perf.Constants) -> EngineRun:
    concurrency = max(1, round(case.concurrency / variant.replicas)) if np.isfinite(case.concurrency) else 1
    budget = case.step_tokens or TOKEN_BUDGET
    usual = RACE_BATCH if case.untuned < 0.0 else ENGINE_BATCH
    cap = min((case.sequences or usual) * int(variant.terms.data), budget)
    cap = min(cap, _reserved(case, variant)) if _closed(case) else cap
    batch = min(cap, concurrency) if _closed(case) else cap
    step = perf.step_time(variant.terms, c, case.prompt + case.output / 2.0, batch, budget, variant.drafts)
    if _closed(case):
        count = max(concurrency, min(round(case.waves * concurrency), MOST_REQUESTS))
        prompt, output = uniform_lengths(case.prompt, case.output, case.spread, count)
        limits = _limits(variant, prompt, output, batch, budget)
        return simulate_closed(prompt, output, step, limits, concurrency=concurrency)
    count = round(case.requests) if case.requests < MOST_REQUESTS else OPEN_REQUESTS

    def at(rate_per_s: float) -> EngineRun:
        prompt, output, arrivals = _chat(case.prompt, case.output, rate_per_s, count, OPEN_CV * case.varied)
        return simulate_engine(arrivals, prompt, output, step, _limits(variant, prompt, output, batch, budget))

    stated = (case.rate_per_s or 1.0) / variant.replicas
    if case.limits_s is None or case.quantity == "output_rate":
        return at(stated)
    return _at_limits(case.limits_s, at, stated)


def _at_limits(limits_s: tuple[float, float], at: Callable[[float], EngineRun], stated: float) -> EngineRun:
    """The run at the largest rate whose 99th percentiles meet the limits, found within 3 % around the stated one."""
    low, high = stated / 8.0, stated * 4.0
    while high / low > 1.03:
        middle = float(np.sqrt(low * high))
        met = _p99_s(at(middle))
        low, high = (middle, high) if met[0] <= limits_s[0] and met[1] <= limits_s[1] else (low, middle)
    return at(low)


def _p99_s(run: EngineRun) -> tuple[float, float]:
    return float(np.quantile(run.ttft_ps, 0.99)) / PS_PER_S, float(np.quantile(run.tpot_ps, 0.99)) / PS_PER_S


def _reserved(case: Case, variant: Variant) -> int:
    """Requests at once where the engine sets the whole output's cache aside on admission (TensorRT-LLM)."""
    if case.engine != "trtllm":
        return TOKEN_BUDGET
    return max(1, int(float(variant.terms.kv_tokens) / (case.prompt + case.output)))


def _closed(case: Case) -> bool:
    return case.protocol != "open"


def _limits(
    variant: Variant, prompt: NDArray[np.int64], output: NDArray[np.int64], batch: int, budget: int
) -> EngineLimits:
    longest = int((prompt + output).max())
    blocks = max(int(variant.terms.kv_tokens), longest) // BLOCK_TOKENS + 1
    return EngineLimits(batch, budget, blocks, BLOCK_TOKENS)


@lru_cache(maxsize=256)
def uniform_lengths(
    prompt: float, output: float, spread: float, count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lengths between (1 - spread) and 1 of the longest, of these means."""
    rng = np.random.default_rng(SEED)
    low = 1.0 - spread
    draws = rng.uniform(low, 1.0, (2, count)) * 2.0 / (1.0 + low)
    lengths = np.maximum(np.rint(draws * np.array([[prompt], [output]])), 1).astype(np.int64)
    return lengths[0], lengths[1]


@lru_cache(maxsize=64)
def _chat(
    prompt: float, output: float, rate_per_s: float, count: int, cv: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Lengths and Poisson arrivals of an open loop."""
    prompts = lognormal_lengths(count, prompt, cv, SEED, part=0)
    outputs = lognormal_lengths(count, output, cv, SEED, part=1)
    return prompts, outputs, poisson_arrivals_ps(count, rate_per_s, SEED)
