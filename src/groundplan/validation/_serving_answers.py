"""What the serving model answers to each case, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from groundplan.perf import serving as perf
from groundplan.validation._serving_rows import Case

Floats = NDArray[np.float64]
OFFLINE_BATCH = 2048.0
"""Largest batch of offline runs per data group (`trtllm-bench`)."""
ENGINE_BATCH = 1024.0
HELD_OUTPUT = {"trtllm": 1.0}
"""Share of the output whose cache a request holds on average: TensorRT-LLM reserves it all, the others grow into it."""
GROWN_OUTPUT = 0.75


@dataclass(frozen=True, slots=True)
class Bench:
    """Cases as arrays, one row per variant."""

    case: NDArray[np.int64]
    terms: perf.Terms
    replicas: Floats
    asked: perf.Asked
    concurrency: Floats
    requests: Floats
    held: Floats
    factor: Floats
    percentile: Floats
    prompts: Floats
    """Prompts that share the step at the percentile of a gap between tokens."""
    kind: NDArray[np.str_]
    count: int
    drafts: perf.Drafts | None = None
    """Speculative decoding: of a bench of one row."""

    @classmethod
    def of(cls, cases: Sequence[Case]) -> Bench:
        """Lay out the cases."""
        rows = [(i, case, v) for i, case in enumerate(cases) for v in case.variants]
        own = [case for _, case, _ in rows]
        made = cls(
            case=np.array([i for i, _, _ in rows], dtype=np.int64),
            terms=perf.Terms.stack([v.terms for _, _, v in rows]),
            replicas=np.array([v.replicas for _, _, v in rows]),
            asked=perf.Asked(_column(c.prompt for c in own), _column(c.output for c in own)),
            concurrency=_column(c.concurrency for c in own),
            requests=_column(c.requests for c in own),
            held=_column(HELD_OUTPUT.get(c.engine, GROWN_OUTPUT) for c in own),
            factor=_column(c.factor for c in own),
            percentile=_column(c.percentile or 0.5 for c in own),
            prompts=np.zeros(len(rows)),
            kind=np.array([f"{c.protocol} {c.quantity}" for c in own]),
            count=len(cases),
        )
        drafts = rows[0][2].drafts if len(rows) == 1 else None
        return replace(made, prompts=_prompts_in_step(made), drafts=drafts)


def _column(values: Iterable[float]) -> Floats:
    return np.array(list(values), dtype=float)


def answers(bench: Bench, constants: perf.Constants) -> Floats:
    """Predictions [count] in the unit of each row; NaN where no closed form applies."""
    found = np.full(len(bench.case), np.nan)
    for kind, answer in ANSWERS.items():
        chosen = bench.kind == kind
        if chosen.any():
            found[chosen] = answer(_part(bench, chosen), constants)
    found = found * bench.factor
    best = np.full(bench.count, np.nan)
    rate = np.char.endswith(bench.kind, "_rate")
    np.fmax.at(best, bench.case[rate], found[rate])
    np.fmin.at(best, bench.case[~rate], found[~rate])
    return best


def _part(bench: Bench, chosen: NDArray[np.bool_]) -> Bench:
    index = np.flatnonzero(chosen)
    return Bench(
        bench.case[index], bench.terms.take(index), bench.replicas[index],
        perf.Asked(bench.asked.prompt[index], bench.asked.output[index]), bench.concurrency[index],
        bench.requests[index], bench.held[index], bench.factor[index], bench.percentile[index],
        bench.prompts[index], bench.kind[index], bench.count, bench.drafts,
    )  # fmt: skip


def _in_memory(bench: Bench) -> Floats:
    return perf.batch_in_memory(bench.terms, bench.asked, bench.held)


def _offline(bench: Bench, c: perf.Constants) -> Floats:
    requests = bench.requests / bench.replicas
    batch = np.minimum(np.minimum(_in_memory(bench), OFFLINE_BATCH * bench.terms.data), requests)
    rate = perf.output_rate(bench.terms, c, bench.asked, batch) * bench.replicas
    runs = requests / batch
    return rate * runs / (runs + c.drain)


def _batch(bench: Bench) -> Floats:
    per_replica = bench.concurrency / bench.replicas
    return np.maximum(np.minimum(np.minimum(per_replica, _in_memory(bench)), ENGINE_BATCH * bench.terms.data), 1.0)


def _prompts_in_step(bench: Bench) -> Floats:
    """Poisson, B / O prompts a step in the mean."""
    from scipy.stats import poisson

    return np.asarray(poisson.ppf(bench.percentile, _batch(bench) / bench.asked.output), dtype=float)


def _closed_tpot(bench: Bench, c: perf.Constants) -> Floats:
    return perf.tpot_s(bench.terms, c, bench.asked, _batch(bench), bench.drafts)


def _closed_rate(bench: Bench, c: perf.Constants) -> Floats:
    return perf.output_rate(bench.terms, c, bench.asked, _batch(bench), bench.drafts) * bench.replicas


def _closed_user_rate(bench: Bench, c: perf.Constants) -> Floats:
    return 1.0 / _closed_tpot(bench, c)


def _gap(bench: Bench, c: perf.Constants) -> Floats:
    """Quantile of the gap between tokens: a decode step, with the prompts that share it (Poisson, B / O a step)."""
    batch = _batch(bench)
    tokens = np.minimum(bench.prompts * bench.asked.prompt, perf.CHUNK_TOKENS)
    pairs = tokens * bench.asked.prompt / 2.0
    return perf.step_s(bench.terms, c, perf.Work(batch + tokens, batch, batch * perf.mean_context(bench.asked), pairs))


def _static_rate(bench: Bench, c: perf.Constants) -> Floats:
    return perf.static_rate(bench.terms, c, bench.asked, bench.concurrency)


def _static_first(bench: Bench, c: perf.Constants) -> Floats:
    return perf.alone_s(bench.terms, c, bench.concurrency, bench.asked.prompt)


def _static_tpot(bench: Bench, c: perf.Constants) -> Floats:
    return perf.decode_s(bench.terms, c, bench.concurrency, perf.mean_context(bench.asked))


def _single_rate(bench: Bench, c: perf.Constants) -> Floats:
    batch = np.where(np.isfinite(bench.concurrency), bench.concurrency, 1.0)
    return batch / perf.decode_s(bench.terms, c, batch, perf.mean_context(bench.asked))


def _single_tpot(bench: Bench, c: perf.Constants) -> Floats:
    return bench.concurrency / _single_rate(bench, c)


def _input_rate(bench: Bench, c: perf.Constants) -> Floats:
    return bench.asked.prompt / perf.alone_s(bench.terms, c, np.ones(len(bench.case)), bench.asked.prompt)


ANSWERS = {
    "offline output_rate": _offline,
    "closed output_rate": _closed_rate,
    "closed tpot": _closed_tpot,
    "closed user_rate": _closed_user_rate,
    "batch output_rate": _closed_rate,
    "batch itl": _gap,
    "static output_rate": _static_rate,
    "static ttft": _static_first,
    "static tpot": _static_tpot,
    "single output_rate": _single_rate,
    "single tpot": _single_tpot,
    "single input_rate": _input_rate,
}
