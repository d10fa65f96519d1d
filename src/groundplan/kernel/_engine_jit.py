"""Batching engines behind one router, to be compiled; imported for that only, because it loads numba.

The state of a replica is a row of integers (columns below), a heap of running sequences by (finish step, request), and
a histogram of context lengths modulo the block size, shifted by the step number so that it stands still while all grow.
A segment is one step with prefill, or k decode steps in which nothing but the context grows. It is planned at its start
and committed at its end; an arrival cuts a running decode segment at the next step boundary.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import carray, njit

from ._check import HORIZON_PS, IntArray

# isort: off
from ._columns import (
    ACTIVE, ARRIVAL, BATCH, BATCH_PS, BATCH_S, BLOCK, BLOCKS, BUDGET, BUSY, CHOSEN, CONCURRENCY, CTX, DEC, DONE,
    DTOK, END, ENTRIES, ERROR, FINISH, FIRST, FOLLOWING, FREE, GROW, HEAD, HEAP, JOB_ROWS, K, LEAST_LOADED, LOAD,
    NEVER, NEXT, NONE, OUTPUT, PAIR_FS, PARTIAL, PARTIAL_DONE, PIECES, PREEMPTED, PROMPT, PTOK, REPLICAS, REQUESTS,
    SIZES, START, STEP, STEPS, TAIL, TARGET, WIDTH, Caps, Tables,
)  # fmt: skip
# isort: on

PS_PER_S = 1_000_000_000_000
SAFE_PS = 5e17  # a segment times its batch; HORIZON_PS plus this is still below 2^63
Pointer = Any
"""To int64s."""

inner = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
"""Part of a loop: no Python calls it, and without a way in for Python it compiles in less time."""


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


@inner
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


@inner
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


@inner
def _blocks_of(tokens: int, block: int) -> int:
    return (tokens + block - 1) // block


@inner
def _series(base: int, slope: int, context: int, batch: int, k: int) -> int:
    """Time of k decode steps: base + slope * context, the context growing by ``batch`` a step."""
    return k * (base + slope * context) + slope * batch * (k * (k - 1) // 2)


@inner
def _decode_ps(tables: Tables, row: IntArray, k: int) -> int:
    """Time of the first k steps of the replica's decode segment."""
    batch = row[GROW]
    return _series(tables.base[batch], tables.slope[batch], row[CTX], batch, k)


@inner
def _before(at: int, block: int) -> int:
    """The context length modulo the block size that opens a block one step later: no division, which costs most."""
    return at - 1 if at > 0 else block - 1


@inner
def _blocks_grown(hist: IntArray, step: int, k: int, batch: int, block: int) -> int:
    """Blocks that decode steps 1..k-1 after ``step`` open (step 0 was paid when the segment was planned)."""
    count = k - 1
    total = (count // block) * batch
    at = -step % block
    for _ in range(count % block):
        at = _before(at, block)
        total += hist[at]
    return total


@inner
def _steps_in_free(hist: IntArray, step: int, free: int, batch: int, most: int, block: int) -> int:
    """Largest k <= most such that decode steps 1..k-1 after ``step`` fit in the free blocks."""
    cycles = min(free // batch, (most - 1) // block)
    k = 1 + cycles * block
    free -= cycles * batch
    at = -step % block
    while k < most:
        at = _before(at, block)
        free -= hist[at]
        if free < 0:
            break
        k += 1
    return k


@inner
def _enter(rep: Replica, caps: Caps, cached: int, step: int) -> None:
    """A sequence with ``cached`` tokens decodes from ``step`` on."""
    rep.row[DEC] += 1
    rep.row[CTX] += cached
    rep.hist[(cached - step) % caps.block] += 1


@inner
def _leave(rep: Replica, caps: Caps, cached: int) -> None:
    """A decoding sequence with ``cached`` tokens leaves: its blocks go free."""
    rep.row[DEC] -= 1
    rep.row[CTX] -= cached
    rep.row[FREE] += _blocks_of(cached, caps.block)
    rep.hist[(cached - rep.row[STEP]) % caps.block] -= 1


@inner
def _latest(ids: IntArray, size: int) -> int:
    """Where the largest of the first ``size`` ids stands."""
    best = 0
    for at in range(1, size):
        if ids[at] > ids[best]:
            best = at
    return best


@inner
def _drop_youngest(rep: Replica, caps: Caps, jobs: Jobs) -> None:
    """Preempt the youngest sequence: it returns to the head of the queue, to be recomputed with its tokens so far."""
    row = rep.row
    who = row[PARTIAL]
    if who != NONE:
        row[FREE] += _blocks_of(jobs.target[who], caps.block)
        row[PARTIAL] = NONE
    else:
        at = _latest(rep.ids, row[HEAP])
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


@inner
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


@inner
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


@inner
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


@inner
def _piece(breaks: IntArray, tokens: int) -> int:
    """The last piece that starts at ``tokens`` or before."""
    low, high = 0, len(breaks) - 1
    while low < high:
        mid = (low + high + 1) >> 1
        if breaks[mid] <= tokens:
            low = mid
        else:
            high = mid - 1
    return low


@inner
def _plan_mixed(
    rep: Replica, caps: Caps, tables: Tables, jobs: Jobs, work: tuple[int, int, int], fresh: IntArray
) -> None:
    """A segment of one step with prefill; prompts that complete in it yield a token at its end."""
    row = rep.row
    tokens, pairs, completed = work
    batch = row[GROW]
    piece = _piece(tables.breaks, tokens + batch)
    dense = tables.prefill_base[piece] + tables.prefill_slope[piece] * (tokens + batch - tables.breaks[piece])
    row[K] = 1
    row[END] += max(tables.base[batch], dense) + tables.slope[batch] * row[CTX] + pairs * tables.pair_fs // 1000
    row[PTOK] += tokens
    for i in range(completed):
        who = fresh[i]
        if jobs.first[who] == NONE:
            jobs.first[who] = row[END]
        _enter(rep, caps, jobs.target[who], row[STEP] + 1)


@inner
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


@inner
def _commit(rep: Replica, caps: Caps, jobs: Jobs) -> None:
    """End the segment: grow the contexts, release what finished, add up the totals."""
    row = rep.row
    k = row[K]
    if k == 0:
        return
    batch = row[GROW]
    spent = row[END] - row[START]
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


@inner
def _queue(row: IntArray, jobs: Jobs, who: int) -> None:
    """Append a request to the replica's queue."""
    if row[HEAD] != NONE:
        jobs.following[row[TAIL]] = who
    else:
        row[HEAD] = who
    row[TAIL] = who
    row[LOAD] += 1


@inner
def _offer(rep: Replica, now: int, who: int, caps: Caps, tables: Tables, jobs: Jobs) -> None:
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
            if row[START] + _decode_ps(tables, row, mid) >= now:
                high = mid
            else:
                low = mid + 1
        row[K] = low
        row[END] = row[START] + _decode_ps(tables, row, low)


@inner
def _least_loaded(rows: IntArray) -> int:
    best = 0
    for r in range(1, len(rows)):
        if rows[r, LOAD] < rows[best, LOAD]:
            best = r
    return best


class Pool(NamedTuple):
    """Everything of a run: the table of requests and its rows, tables, limits, and the state of every replica."""

    requests: IntArray
    jobs: Jobs
    tables: Tables
    caps: Caps
    rows: IntArray
    heaps: IntArray
    hists: IntArray
    fresh: IntArray


@inner
def _pool(
    requests: Pointer,
    decode: Pointer,
    prefill: Pointer,
    rows: Pointer,
    heaps: Pointer,
    hists: Pointer,
    fresh: Pointer,
    sizes: IntArray,
) -> Pool:
    table = carray(requests, (JOB_ROWS, sizes[REQUESTS]))
    work = table[PROMPT], table[OUTPUT], table[DONE], table[TARGET]
    jobs = Jobs(*work, table[FOLLOWING], table[FIRST], table[FINISH], table[PREEMPTED])
    steps, pieces = carray(decode, (2, sizes[ENTRIES])), carray(prefill, (3, sizes[PIECES]))
    tables = Tables(steps[0], steps[1], pieces[0], pieces[1], pieces[2], sizes[PAIR_FS])
    caps = Caps(sizes[BATCH], sizes[BUDGET], sizes[BLOCKS], sizes[BLOCK])
    states = carray(rows, (sizes[REPLICAS], WIDTH))
    heap, hist = carray(heaps, (sizes[REPLICAS], 2, caps.batch)), carray(hists, (sizes[REPLICAS], caps.block))
    return Pool(table, jobs, tables, caps, states, heap, hist, carray(fresh, (caps.batch,)))


@inner
def _replica(pool: Pool, r: int) -> Replica:
    return Replica(pool.rows[r], pool.heaps[r, 0], pool.heaps[r, 1], pool.hists[r])


@inner
def _advance(pool: Pool, r: int, until: int) -> None:
    """Run a replica through every segment that ends before ``until``."""
    rep = _replica(pool, r)
    row = rep.row
    while row[NEXT] < until and not row[ERROR]:
        _commit(rep, pool.caps, pool.jobs)
        row[START] = row[END]
        _plan(rep, pool.caps, pool.tables, pool.jobs, pool.fresh)
        row[NEXT] = row[END] if row[ACTIVE] else NEVER


def run_pool(
    requests: Pointer,
    decode: Pointer,
    prefill: Pointer,
    rows: Pointer,
    heaps: Pointer,
    hists: Pointer,
    fresh: Pointer,
    numbers: Pointer,
) -> None:
    """Send every request through the replicas; fills the table of requests and the states of the replicas.

    Shapes: requests[JOB_ROWS, REQUESTS]; decode[2, ENTRIES] and prefill[3, PIECES], the tables of `StepTime`;
    rows[REPLICAS, WIDTH]; heaps[REPLICAS, 2, BATCH], hists[REPLICAS, BLOCK], fresh[BATCH]; numbers[SIZES].
    """
    sizes = carray(numbers, (SIZES,))
    pool = _pool(requests, decode, prefill, rows, heaps, hists, fresh, sizes)
    states, n, replicas = pool.rows, sizes[REQUESTS], sizes[REPLICAS]
    for who in range(n + 1):
        now = pool.requests[ARRIVAL, who] if who < n else NEVER
        for r in range(replicas):
            if states[r, NEXT] < now:
                _advance(pool, r, now)
                if states[r, ERROR]:
                    return
        if who < n:
            r = _least_loaded(states) if sizes[LEAST_LOADED] else who % replicas
            pool.requests[CHOSEN, who] = r
            _offer(_replica(pool, r), now, who, pool.caps, pool.tables, pool.jobs)
            states[r, NEXT] = states[r, END]


def run_closed(
    requests: Pointer,
    decode: Pointer,
    prefill: Pointer,
    rows: Pointer,
    heaps: Pointer,
    hists: Pointer,
    fresh: Pointer,
    numbers: Pointer,
) -> None:
    """One engine with CONCURRENCY requests outstanding until all are sent; shapes as in `run_pool`."""
    sizes = carray(numbers, (SIZES,))
    pool = _pool(requests, decode, prefill, rows, heaps, hists, fresh, sizes)
    rep, sent = _replica(pool, 0), 0
    row = rep.row
    row[ACTIVE] = 1
    while row[ACTIVE] and not row[ERROR]:
        _commit(rep, pool.caps, pool.jobs)
        row[START] = row[END]
        while sent < sizes[REQUESTS] and row[LOAD] < sizes[CONCURRENCY]:
            pool.requests[ARRIVAL, sent] = row[START]
            _queue(row, pool.jobs, sent)
            sent += 1
        _plan(rep, pool.caps, pool.tables, pool.jobs, pool.fresh)
