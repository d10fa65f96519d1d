"""Compiled batching engines behind one router; imported on first use only, because it loads numba.

The state of a replica is a row of integers (columns below), a heap of running sequences by (finish step, request), and
a histogram of context lengths modulo the block size, shifted by the step number so that it stands still while all grow.
A segment is one step with prefill, or k decode steps in which nothing but the context grows. It is planned at its start
and committed at its end; an arrival cuts a running decode segment at the next step boundary.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ._check import HORIZON_PS, IntArray

# STEP steps ended so far; END, K end and steps of the segment; GROW its decodes; DEC decoding sequences, CTX their
# cached tokens; FREE blocks; HEAP its size; PARTIAL the request being prefilled, PARTIAL_DONE its tokens so far; HEAD
# and TAIL of the queue; LOAD requests outstanding; then totals: the integral of the batch is BATCH_S s + BATCH_PS ps.
STEP, END, K, GROW, DEC, CTX, FREE, HEAP, PARTIAL, PARTIAL_DONE, HEAD, TAIL, LOAD, ACTIVE = range(14)
BUSY, STEPS, DTOK, PTOK, BATCH_S, BATCH_PS, ERROR, WIDTH = range(14, 22)
PS_PER_S = 1_000_000_000_000
SAFE_PS = 5e17  # a segment times its batch; HORIZON_PS plus this is still below 2^63
NEVER = np.iinfo(np.int64).max
NONE = -1


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


class Jobs(NamedTuple):
    """Per request: sizes, tokens done, tokens of its prefill, the next in its queue, and what is recorded."""

    prompt: IntArray
    output: IntArray
    done: IntArray
    target: IntArray
    following: IntArray
    first: IntArray
    finish: IntArray
    preempted: IntArray


class Replica(NamedTuple):
    """Views of one replica's state."""

    row: IntArray
    keys: IntArray
    ids: IntArray
    hist: IntArray


@njit(cache=True)
def _push(keys: IntArray, ids: IntArray, size: int, key: int, who: int) -> None:
    """Add (key, who) to the binary heap of ``size`` entries."""
    at = size
    while at > 0 and keys[(at - 1) >> 1] > key:
        up = (at - 1) >> 1
        keys[at] = keys[up]
        ids[at] = ids[up]
        at = up
    keys[at] = key
    ids[at] = who


@njit(cache=True)
def _remove(keys: IntArray, ids: IntArray, size: int, at: int) -> None:
    """Remove entry ``at`` from the heap of ``size`` entries: the last one takes its place, then moves up or down."""
    last = size - 1
    key = keys[last]
    who = ids[last]
    if at == last:
        return
    if at > 0 and keys[(at - 1) >> 1] > key:
        _push(keys, ids, at, key, who)
        return
    down = 2 * at + 1
    while down < last:
        if down + 1 < last and keys[down + 1] < keys[down]:
            down += 1
        if keys[down] >= key:
            break
        keys[at] = keys[down]
        ids[at] = ids[down]
        at = down
        down = 2 * at + 1
    keys[at] = key
    ids[at] = who


@njit(cache=True)
def _blocks_of(tokens: int, block: int) -> int:
    return (tokens + block - 1) // block


@njit(cache=True)
def _series(base: int, slope: int, context: int, batch: int, k: int) -> int:
    """Time of k decode steps: base + slope * context, the context growing by ``batch`` a step."""
    return k * (base + slope * context) + slope * batch * (k * (k - 1) // 2)


@njit(cache=True)
def _decode_ps(tables: Tables, row: IntArray, k: int) -> int:
    """Time of the first k steps of the replica's decode segment."""
    batch = row[GROW]
    return _series(tables.base[batch], tables.slope[batch], row[CTX], batch, k)


@njit(cache=True)
def _blocks_grown(hist: IntArray, step: int, k: int, batch: int, block: int) -> int:
    """Blocks that decode steps 1..k-1 after ``step`` open (step 0 was paid when the segment was planned)."""
    count = k - 1
    total = (count // block) * batch
    for j in range(1, 1 + count % block):
        total += hist[-(step + j) % block]
    return total


@njit(cache=True)
def _steps_in_free(hist: IntArray, step: int, free: int, batch: int, most: int, block: int) -> int:
    """Largest k <= most such that decode steps 1..k-1 after ``step`` fit in the free blocks."""
    cycles = min(free // batch, (most - 1) // block)
    k = 1 + cycles * block
    free -= cycles * batch
    while k < most:
        free -= hist[-(step + k) % block]
        if free < 0:
            break
        k += 1
    return k


@njit(cache=True)
def _enter(rep: Replica, caps: Caps, cached: int, step: int) -> None:
    """A sequence with ``cached`` tokens decodes from ``step`` on."""
    rep.row[DEC] += 1
    rep.row[CTX] += cached
    rep.hist[(cached - step) % caps.block] += 1


@njit(cache=True)
def _leave(rep: Replica, caps: Caps, cached: int) -> None:
    """A decoding sequence with ``cached`` tokens leaves: its blocks go free."""
    rep.row[DEC] -= 1
    rep.row[CTX] -= cached
    rep.row[FREE] += _blocks_of(cached, caps.block)
    rep.hist[(cached - rep.row[STEP]) % caps.block] -= 1


@njit(cache=True)
def _drop_youngest(rep: Replica, caps: Caps, jobs: Jobs) -> None:
    """Preempt the youngest sequence: it returns to the head of the queue, to be recomputed with its tokens so far."""
    row = rep.row
    who = row[PARTIAL]
    if who != NONE:
        row[FREE] += _blocks_of(jobs.target[who], caps.block)
        row[PARTIAL] = NONE
    else:
        at = int(np.argmax(rep.ids[: row[HEAP]]))
        who = rep.ids[at]
        jobs.done[who] = jobs.output[who] - (rep.keys[at] - row[STEP])
        _remove(rep.keys, rep.ids, row[HEAP], at)
        row[HEAP] -= 1
        _leave(rep, caps, jobs.prompt[who] + jobs.done[who] - 1)
    jobs.preempted[who] += 1
    jobs.following[who] = row[HEAD]
    if row[HEAD] == NONE:
        row[TAIL] = who
    row[HEAD] = who


@njit(cache=True)
def _admit(rep: Replica, caps: Caps, jobs: Jobs) -> bool:
    """Start to prefill the head of the queue if a slot and the blocks of its whole prompt are there."""
    row = rep.row
    who = row[HEAD]
    if who == NONE or row[HEAP] >= caps.batch:
        return False
    target = jobs.prompt[who] + jobs.done[who]
    blocks = _blocks_of(target, caps.block)
    if blocks > row[FREE]:
        return False
    row[FREE] -= blocks
    row[HEAD] = jobs.following[who]
    if row[HEAD] == NONE:
        row[TAIL] = NONE
    jobs.target[who] = target
    row[PARTIAL] = who
    row[PARTIAL_DONE] = 0
    return True


@njit(cache=True)
def _prefill(rep: Replica, caps: Caps, jobs: Jobs, fresh: IntArray) -> tuple[int, int, int]:
    """Spend the step's spare token budget on prefill: tokens, query-key pairs, and how many prompts it completes."""
    row = rep.row
    budget = caps.budget - row[DEC]
    tokens, pairs, completed = 0, 0, 0
    while budget > 0 and (row[PARTIAL] != NONE or _admit(rep, caps, jobs)):
        who = row[PARTIAL]
        chunk = min(budget, jobs.target[who] - row[PARTIAL_DONE])
        pairs += chunk * row[PARTIAL_DONE] + chunk * (chunk + 1) // 2
        row[PARTIAL_DONE] += chunk
        tokens += chunk
        budget -= chunk
        if row[PARTIAL_DONE] == jobs.target[who]:
            jobs.done[who] += 1
            _push(rep.keys, rep.ids, row[HEAP], row[STEP] + 1 + jobs.output[who] - jobs.done[who], who)
            row[HEAP] += 1
            row[PARTIAL] = NONE
            fresh[completed] = who
            completed += 1
    return tokens, pairs, completed


@njit(cache=True)
def _plan_decode(rep: Replica, caps: Caps, tables: Tables) -> None:
    """A segment of decode steps until the next finish, or until the blocks run out."""
    row = rep.row
    batch = row[GROW]
    k = _steps_in_free(rep.hist, row[STEP], row[FREE], batch, rep.keys[0] - row[STEP], caps.block)
    slope = float(tables.slope[batch])
    while k > 1 and (tables.base[batch] + slope * (row[CTX] + float(batch) * k)) * k * caps.batch > SAFE_PS:
        k = k // 2
    row[K] = k
    row[END] += _decode_ps(tables, row, k)


@njit(cache=True)
def _plan_mixed(
    rep: Replica, caps: Caps, tables: Tables, jobs: Jobs, work: tuple[int, int, int], fresh: IntArray
) -> None:
    """A segment of one step with prefill; prompts that complete in it yield a token at its end."""
    row = rep.row
    tokens, pairs, completed = work
    batch = row[GROW]
    piece = np.searchsorted(tables.breaks, tokens + batch, side="right") - 1
    dense = tables.prefill_base[piece] + tables.prefill_slope[piece] * (tokens + batch - tables.breaks[piece])
    row[K] = 1
    row[END] += max(tables.base[batch], dense) + tables.slope[batch] * row[CTX] + pairs * tables.pair_fs // 1000
    row[PTOK] += tokens
    for i in range(completed):
        who = fresh[i]
        if jobs.first[who] == NONE:
            jobs.first[who] = row[END]
        _enter(rep, caps, jobs.target[who], row[STEP] + 1)


@njit(cache=True)
def _plan(rep: Replica, caps: Caps, tables: Tables, jobs: Jobs, fresh: IntArray) -> None:
    """Start the next segment at time row[END]; the replica goes idle when there is nothing to do."""
    row = rep.row
    while rep.hist[-row[STEP] % caps.block] > row[FREE]:
        _drop_youngest(rep, caps, jobs)  # what it frees goes to the others: it cannot be admitted again in this step
    row[FREE] -= rep.hist[-row[STEP] % caps.block]
    row[GROW] = row[DEC]
    work = _prefill(rep, caps, jobs, fresh)
    if work[0] > 0:
        _plan_mixed(rep, caps, tables, jobs, work, fresh)
    elif row[GROW] > 0:
        _plan_decode(rep, caps, tables)
    else:
        row[K] = 0
        row[ACTIVE] = 0
    if row[END] > HORIZON_PS:
        row[ERROR] = 1


@njit(cache=True)
def _commit(rep: Replica, start: int, caps: Caps, jobs: Jobs) -> None:
    """End the segment: grow the contexts, release what finished, add up the totals."""
    row = rep.row
    k = row[K]
    if k == 0:
        return
    batch = row[GROW]
    spent = row[END] - start
    running = row[HEAP] + (1 if row[PARTIAL] != NONE else 0)
    area = row[BATCH_PS] + running * spent
    row[BATCH_S] += area // PS_PER_S
    row[BATCH_PS] = area % PS_PER_S
    row[BUSY] += spent
    row[STEPS] += k
    row[DTOK] += batch * k
    row[FREE] -= _blocks_grown(rep.hist, row[STEP], k, batch, caps.block)
    row[STEP] += k
    row[CTX] += batch * k
    while row[HEAP] > 0 and rep.keys[0] == row[STEP]:
        who = rep.ids[0]
        _remove(rep.keys, rep.ids, row[HEAP], 0)
        row[HEAP] -= 1
        row[LOAD] -= 1
        jobs.finish[who] = row[END]
        _leave(rep, caps, jobs.prompt[who] + jobs.output[who] - 1)


@njit(cache=True)
def _queue(row: IntArray, jobs: Jobs, who: int) -> None:
    """Append a request to the replica's queue."""
    if row[HEAD] != NONE:
        jobs.following[row[TAIL]] = who
    else:
        row[HEAD] = who
    row[TAIL] = who
    row[LOAD] += 1


@njit(cache=True)
def _offer(rep: Replica, start: int, now: int, who: int, caps: Caps, tables: Tables, jobs: Jobs) -> None:
    """Queue an arrival; wake an idle replica, or cut its decode segment at the first boundary not before ``now``."""
    row = rep.row
    waiting = row[HEAD] != NONE
    _queue(row, jobs, who)
    if row[ACTIVE] == 0:
        row[ACTIVE] = 1
        row[END] = now
    elif not waiting and row[K] > 1 and row[HEAP] < caps.batch:
        low, high = 1, row[K]
        while low < high:
            mid = (low + high) >> 1
            if start + _decode_ps(tables, row, mid) >= now:
                high = mid
            else:
                low = mid + 1
        row[K] = low
        row[END] = start + _decode_ps(tables, row, low)


@njit(cache=True)
def _least_loaded(rows: IntArray) -> int:
    best = 0
    for r in range(1, len(rows)):
        if rows[r, LOAD] < rows[best, LOAD]:
            best = r
    return best


@njit(cache=True)
def run_pool(
    arrivals: IntArray, jobs: Jobs, tables: Tables, caps: Caps, replicas: int, least_loaded: bool
) -> tuple[IntArray, IntArray]:
    """Send every request through ``replicas`` engines; fills ``jobs``, returns the replica of each and the rows."""
    n = len(arrivals)
    rows = np.zeros((replicas, WIDTH), np.int64)
    rows[:, FREE] = caps.blocks
    for column in (PARTIAL, HEAD, TAIL):
        rows[:, column] = NONE
    ends = np.full(replicas, NEVER)
    starts = np.zeros(replicas, np.int64)
    keys = np.empty((replicas, caps.batch), np.int64)
    ids = np.empty((replicas, caps.batch), np.int64)
    hist = np.zeros((replicas, caps.block), np.int64)
    fresh = np.empty(caps.batch, np.int64)
    chosen = np.zeros(n, np.int64)
    for who in range(n + 1):
        now = arrivals[who] if who < n else NEVER
        for r in range(replicas):
            while ends[r] < now:
                rep = Replica(rows[r], keys[r], ids[r], hist[r])
                _commit(rep, starts[r], caps, jobs)
                starts[r] = ends[r]
                _plan(rep, caps, tables, jobs, fresh)
                if rows[r, ERROR]:
                    return chosen, rows
                ends[r] = rows[r, END] if rows[r, ACTIVE] else NEVER
        if who < n:
            r = _least_loaded(rows) if least_loaded else who % replicas
            chosen[who] = r
            _offer(Replica(rows[r], keys[r], ids[r], hist[r]), starts[r], now, who, caps, tables, jobs)
            ends[r] = rows[r, END]
    return chosen, rows


@njit(cache=True)
def run_closed(arrivals: IntArray, jobs: Jobs, tables: Tables, caps: Caps, concurrency: int) -> IntArray:
    """One engine with ``concurrency`` requests outstanding until all are sent; fills ``arrivals`` and ``jobs``."""
    n = len(arrivals)
    row = np.zeros(WIDTH, np.int64)
    row[FREE] = caps.blocks
    for column in (PARTIAL, HEAD, TAIL):
        row[column] = NONE
    fresh = np.empty(caps.batch, np.int64)
    keys, ids = np.empty(caps.batch, np.int64), np.empty(caps.batch, np.int64)
    rep = Replica(row, keys, ids, np.zeros(caps.block, np.int64))
    sent, start = 0, 0
    row[ACTIVE] = 1
    while row[ACTIVE] and not row[ERROR]:
        _commit(rep, start, caps, jobs)
        start = row[END]
        while sent < n and row[LOAD] < concurrency:
            arrivals[sent] = start
            _queue(row, jobs, sent)
            sent += 1
        _plan(rep, caps, tables, jobs, fresh)
    return row
