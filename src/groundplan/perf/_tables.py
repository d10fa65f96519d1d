"""The kernel's integer step-time tables of one deployment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from groundplan.kernel import StepTime
from groundplan.perf._constants import Constants
from groundplan.perf._shape import Floats
from groundplan.perf._speculation import Drafts, advance_s, token_context_s
from groundplan.perf._steps import Work, prefill_attention_s, step_s
from groundplan.perf._terms import Terms
from groundplan.perf._types import PS_PER_S

ONE = np.ones(1)


def pair_s(t: Terms, c: Constants) -> float:
    """Seconds per query-key pair of prefill in layers that see the whole context."""
    return (
        float(prefill_attention_s(t, c, ONE * 0.0, ONE)[0]) / float(t.stages) * float(t.stages) ** c.pipeline_exponent
    )


def prefill_s(t: Terms, c: Constants, mean_context: float, tokens: Floats, max_batch: Floats | float) -> Floats:
    """Seconds of steps of this many tokens, what grows with pairs left out; as many of them decode as may."""
    near = tokens * np.minimum(float(t.window), mean_context)
    decode = np.minimum(tokens, max_batch)
    return step_s(t, c, Work(tokens, np.minimum(decode, tokens - 1.0), 0.0, near)) - pair_s(t, c) * near


def step_time(
    t: Terms,
    c: Constants,
    mean_context: float,
    max_batch: int,
    token_budget: int,
    drafts: Drafts | None = None,
    groups: int = 1,
) -> StepTime:
    """Decode for 0..max_batch sequences, prefill at powers of two up to the budget.

    The reads of layers with a window are not linear in the context: they stand in the tables at `mean_context`.
    With drafts a decode step is the time in which each sequence gains one token; a step that also prefills is whole,
    though its sequences gain as many, which is the safe side. With `groups` the tables are those of one of so many data
    groups: the others decode as many sequences with it, and prefill nothing.
    """
    own = t if groups == 1 else replace(t, data=np.ones(()))
    slope = token_context_s(own, c, drafts)
    batch = np.arange(1, max_batch + 1, dtype=float)
    base = advance_s(t, c, batch * groups, batch * groups * mean_context, drafts) - slope * batch * mean_context
    base_ps = np.maximum.accumulate(np.ceil(np.concatenate([[0.0], base]) * PS_PER_S)).astype(np.int64)
    slopes = np.full(max_batch + 1, int(np.ceil(slope * PS_PER_S)), np.int64)
    slopes[0] = 0
    breaks = np.array([2**i for i in range(token_budget.bit_length())], np.int64)
    reach = np.append(breaks, 2 * breaks[-1])
    seconds = prefill_s(own, c, mean_context, reach.astype(float), max_batch)
    prefill_ps = np.maximum.accumulate(np.ceil(seconds * PS_PER_S)).astype(np.int64)
    rise = np.diff(prefill_ps) // np.diff(reach)
    pair_fs = int(np.ceil(pair_s(own, c) * PS_PER_S * 1000))
    return StepTime(base_ps, slopes, breaks, prefill_ps[:-1], rise, pair_fs)
