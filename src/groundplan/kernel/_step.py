"""What an engine steps with: the time of one step, and the limits of its batch and its KV memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from groundplan.errors import Issue

from ._check import IntArray, fault, int_array, raise_if, whole

MAX_STEP_PS = 10**15
"""No single entry of a step-time table may exceed 1000 s: slower is a fault of units, and sums stay in int64."""


@dataclass(frozen=True, slots=True, eq=False)
class StepTime:
    """Time of one engine step in integer picoseconds, piecewise affine, so that k decode steps are an exact series.

    A step decodes D sequences whose KV caches hold C tokens in all before the step, and prefills P prompt tokens
    (chunks) with W query-key pairs (a chunk of n tokens after s cached ones has n*s + n*(n+1)/2 pairs)::

        decode only   decode_base_ps[D] + context_slope_ps[D] * C
        with prefill  max(decode_base_ps[D], prefill(P + D)) + context_slope_ps[D] * C + W * pair_fs // 1000
        prefill(n)    prefill_base_ps[i] + prefill_slope_ps[i] * (n - prefill_breaks[i]),  last i with break <= n

    One forward pass reads the weights once for all P + D tokens: hence the table of dense work is entered with P + D,
    while attention (C and W) adds up. ``prefill`` therefore holds the dense work and the host time of a step.

    decode_base_ps[D], context_slope_ps[D]: index 0 is unused work (D = 0) and must be 0; length = largest D + 1.
    prefill_breaks: increasing, the first is 1. pair_fs: femtoseconds per query-key pair.
    Raises KernelError unless everything is >= 0 and not decreasing in D, C, P, and small enough for int64.
    """

    decode_base_ps: IntArray
    context_slope_ps: IntArray
    prefill_breaks: IntArray
    prefill_base_ps: IntArray
    prefill_slope_ps: IntArray
    pair_fs: int = 0

    def __init__(
        self,
        decode_base_ps: ArrayLike,
        context_slope_ps: ArrayLike,
        prefill_breaks: ArrayLike,
        prefill_base_ps: ArrayLike,
        prefill_slope_ps: ArrayLike,
        pair_fs: int = 0,
    ) -> None:
        given = {
            "decode_base_ps": decode_base_ps,
            "context_slope_ps": context_slope_ps,
            "prefill_breaks": prefill_breaks,
            "prefill_base_ps": prefill_base_ps,
            "prefill_slope_ps": prefill_slope_ps,
        }
        for name, values in given.items():
            array = int_array(f"StepTime.{name}", values, high=MAX_STEP_PS)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "pair_fs", whole("StepTime.pair_fs", pair_fs, low=0))
        raise_if(self._faults())

    def _faults(self) -> Iterator[Issue]:
        yield from _decode_faults(self.decode_base_ps, self.context_slope_ps)
        yield from _prefill_faults(self.prefill_breaks, self.prefill_base_ps, self.prefill_slope_ps)
        if self.pair_fs > 10**12:
            yield fault("StepTime.pair_fs", f"{self.pair_fs} fs per pair is above 1 ms", "give femtoseconds")

    @property
    def max_decode(self) -> int:
        """Largest number of decoding sequences the table covers."""
        return len(self.decode_base_ps) - 1

    def step_ps(self, prefill_tokens: int, pairs: int, decode: int, context_tokens: int) -> int:
        """Time of one step [ps] for P, W, D, C as above (exact, unbounded Python integers)."""
        dense = int(self.decode_base_ps[decode])
        if prefill_tokens:
            tokens = prefill_tokens + decode
            i = int(np.searchsorted(self.prefill_breaks, tokens, side="right")) - 1
            span = tokens - int(self.prefill_breaks[i])
            dense = max(dense, int(self.prefill_base_ps[i]) + int(self.prefill_slope_ps[i]) * span)
        return dense + int(self.context_slope_ps[decode]) * context_tokens + pairs * self.pair_fs // 1000


def _decode_faults(base: IntArray, slope: IntArray) -> Iterator[Issue]:
    if len(base) < 2 or len(base) != len(slope):
        yield fault("StepTime", f"decode tables need equal length >= 2, have {len(base)} and {len(slope)}")
        return
    if base[0] or slope[0]:
        yield fault("StepTime.decode_base_ps[0]", "no decoding sequence takes no time", "set entry 0 to 0")
    if np.any(base[1:] <= 0):
        yield fault("StepTime.decode_base_ps", "a decode step must take time")
    for name, table in (("decode_base_ps", base), ("context_slope_ps", slope)):
        for at in np.flatnonzero(np.diff(table) < 0)[:1]:
            yield fault(f"StepTime.{name}[{at + 1}]", "falls with the batch", "take the running maximum over D")


def _prefill_faults(breaks: IntArray, base: IntArray, slope: IntArray) -> Iterator[Issue]:
    if not (len(breaks) == len(base) == len(slope) and len(breaks)):
        yield fault("StepTime", "prefill tables need equal length >= 1")
        return
    if breaks[0] != 1 or np.any(np.diff(breaks) <= 0):
        yield fault("StepTime.prefill_breaks", "must start at 1 and increase")
        return
    if base[0] <= 0:
        yield fault("StepTime.prefill_base_ps[0]", "a prefill step must take time")
    reach = base[:-1].astype(object) + slope[:-1].astype(object) * (np.diff(breaks) - 1).astype(object)
    for at in np.flatnonzero(np.asarray(base[1:].astype(object) < reach, dtype=bool))[:1]:
        yield fault(f"StepTime.prefill_base_ps[{at + 1}]", "falls below the piece before it")


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Limits of one engine replica.

    max_batch: sequences running at once (prefilling or decoding). token_budget: tokens of one step, decode first,
    the rest to prefill (chunked prefill); at least max_batch. kv_blocks blocks of block_tokens tokens each.
    """

    max_batch: int
    token_budget: int
    kv_blocks: int
    block_tokens: int = 16

    def __post_init__(self) -> None:
        for name in ("max_batch", "token_budget", "kv_blocks", "block_tokens"):
            whole(f"EngineLimits.{name}", getattr(self, name))
        if self.token_budget < self.max_batch:
            what = f"{self.token_budget} is below max_batch {self.max_batch}: a full batch could not decode"
            raise_if([fault("EngineLimits.token_budget", what, "raise it to max_batch or more")])
