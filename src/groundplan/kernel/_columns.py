"""What the compiled engine keeps where: rows of the table of requests, columns of a replica's state, its numbers."""

from __future__ import annotations

from typing import NamedTuple

from ._check import IntArray

NONE = -1
"""No request."""
NEVER = 2**63 - 1
"""No event, ever."""

# Sizes, tokens done, tokens of its prefill, the next in its queue, then what is recorded.
ARRIVAL, PROMPT, OUTPUT, DONE, TARGET, FOLLOWING, FIRST, FINISH, PREEMPTED, CHOSEN, JOB_ROWS = range(11)

# STEP steps ended so far; END, K end and steps of the segment; GROW its decodes; DEC decoding sequences, CTX their
# cached tokens; FREE blocks; HEAP its size; PARTIAL the request being prefilled, PARTIAL_DONE its tokens so far; HEAD
# and TAIL of the queue; LOAD requests outstanding; START of the segment, NEXT event; then totals: the integral of the
# batch is BATCH_S s + BATCH_PS ps.
STEP, END, K, GROW, DEC, CTX, FREE, HEAP, PARTIAL, PARTIAL_DONE, HEAD, TAIL, LOAD, ACTIVE, START, NEXT = range(16)
BUSY, STEPS, DTOK, PTOK, BATCH_S, BATCH_PS, ERROR, WIDTH = range(16, 24)

# Lengths of the tables and limits of the engine, then what is asked of a pool or of a closed loop.
REQUESTS, ENTRIES, PIECES, PAIR_FS, BATCH, BUDGET, BLOCKS, BLOCK, REPLICAS, LEAST_LOADED, CONCURRENCY, SIZES = range(12)


class Tables(NamedTuple):
    """`StepTime` as arrays."""

    base: IntArray
    slope: IntArray
    breaks: IntArray
    prefill_base: IntArray
    prefill_slope: IntArray
    pair_fs: int


class Caps(NamedTuple):
    """`EngineLimits` as integers."""

    batch: int
    budget: int
    blocks: int
    block: int
