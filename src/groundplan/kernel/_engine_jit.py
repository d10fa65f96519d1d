"""Compiled batching engines behind one router; imported on first use only, because it loads numba.

State of replica r is a row of `reps` (columns below). A segment is one step with prefill, or k decode steps in which
nothing but the context grows. A segment is planned at its start and committed at its end; an arrival cuts a running
decode segment at the next step boundary. Running sequences sit in a heap of (finish step, request).
"""

# ruff: noqa: N803 (numba functions take short array names)
from __future__ import annotations

import numpy as np
from numba import njit

(
    STEP, END, K, DEC, CTX, GROW, FREE, HEAP, PARTIAL, PARTIAL_DONE, HEAD, TAIL, LOAD, BUSY, STEPS, DTOK, PTOK, BATCH_S,
    BATCH_PS, ERROR, ACTIVE, WIDTH,
) = range(22)  # fmt: skip
LIMIT_PS = 8_640_000_000_000_000_000
PS_PER_S = 1_000_000_000_000
NONE = -1


@njit(cache=True)
def _push(keys, ids, size, key, who):
    """Add (key, who) to the binary heap of ``size`` entries."""
    at = size
    while at > 0:
        up = (at - 1) >> 1
        if keys[up] <= key:
            break
        keys[at] = keys[up]
        ids[at] = ids[up]
        at = up
    keys[at] = key
    ids[at] = who


@njit(cache=True)
def _remove(keys, ids, size, at):
    """Remove entry ``at`` from the heap of ``size`` entries."""
    last = size - 1
    key = keys[last]
    who = ids[last]
    if at == last:
        return
    while at > 0 and keys[(at - 1) >> 1] > key:
        up = (at - 1) >> 1
        keys[at] = keys[up]
        ids[at] = ids[up]
        at = up
    while True:
        down = 2 * at + 1
        if down >= last:
            break
        if down + 1 < last and keys[down + 1] < keys[down]:
            down += 1
        if keys[down] >= key:
            break
        keys[at] = keys[down]
        ids[at] = ids[down]
        at = down
    keys[at] = key
    ids[at] = who


@njit(cache=True)
def _series(base, slope, context, batch, k):
    """Time of k decode steps: base + slope * context, context growing by batch a step."""
    return k * (base + slope * context) + slope * batch * (k * (k - 1) // 2)


@njit(cache=True)
def _blocks_grown(hist, step, first, last, batch, block):
    """Blocks that decode steps first..last-1 after ``step`` open."""
    count = last - first
    if count <= 0:
        return 0
    total = (count // block) * batch
    for j in range(first, first + count % block):
        total += hist[(-(step + j)) % block]
    return total


@njit(cache=True)
def _steps_in_free(hist, step, free, batch, most, block):
    """Largest k <= most such that steps 1..k-1 after ``step`` fit in the free blocks."""
    cycles = min(free // batch, (most - 1) // block)
    k = 1 + cycles * block
    free -= cycles * batch
    while k < most:
        free -= hist[(-(step + k)) % block]
        if free < 0:
            break
        k += 1
    return k


@njit(cache=True)
def _drop_youngest(rep, keys, ids, hist, prompt, output, done, target, preempted, following, block):
    """Preempt the youngest sequence: its blocks go free, it returns to the head of the queue to be recomputed."""
    who = rep[PARTIAL]
    if who != NONE:
        rep[FREE] += (target[who] + block - 1) // block
        rep[PARTIAL] = NONE
    else:
        at = 0
        for i in range(1, rep[HEAP]):
            if ids[i] > ids[at]:
                at = i
        who = ids[at]
        done[who] = output[who] - (keys[at] - rep[STEP])
        _remove(keys, ids, rep[HEAP], at)
        rep[HEAP] -= 1
        cached = prompt[who] + done[who] - 1
        hist[(cached - rep[STEP]) % block] -= 1
        rep[DEC] -= 1
        rep[CTX] -= cached
        rep[FREE] += (cached + block - 1) // block
    preempted[who] += 1
    following[who] = rep[HEAD]
    if rep[HEAD] == NONE:
        rep[TAIL] = who
    rep[HEAD] = who


@njit(cache=True)
def _prefill_ps(breaks, base, slope, tokens):
    i = np.searchsorted(breaks, tokens, side="right") - 1
    return base[i] + slope[i] * (tokens - breaks[i])


@njit(cache=True)
def _start_prefill(rep, budget, max_batch, prompt, done, target, following, block):
    """Admit the head of the queue if a slot, budget and blocks are there: the request, or NONE."""
    who = rep[HEAD]
    if who == NONE or budget <= 0 or rep[HEAP] >= max_batch:
        return NONE
    need = prompt[who] + done[who]
    blocks = (need + block - 1) // block
    if blocks > rep[FREE]:
        return NONE
    rep[FREE] -= blocks
    rep[HEAD] = following[who]
    if rep[HEAD] == NONE:
        rep[TAIL] = NONE
    target[who] = need
    rep[PARTIAL] = who
    rep[PARTIAL_DONE] = 0
    return who


@njit(cache=True)
def _fill(rep, keys, ids, hist, limits, prompt, output, done, target, following, fresh):
    """Give the step's spare token budget to prefill, first come first served: tokens, pairs, prompts completed."""
    max_batch, budget, block = limits[0], limits[1], limits[3]
    budget -= rep[DEC]
    tokens = 0
    pairs = 0
    completed = 0
    after = rep[STEP] + 1
    while budget > 0:
        if rep[PARTIAL] == NONE:
            if _start_prefill(rep, budget, max_batch, prompt, done, target, following, block) == NONE:
                break
        who = rep[PARTIAL]
        chunk = min(budget, target[who] - rep[PARTIAL_DONE])
        pairs += chunk * rep[PARTIAL_DONE] + chunk * (chunk + 1) // 2
        rep[PARTIAL_DONE] += chunk
        tokens += chunk
        budget -= chunk
        if rep[PARTIAL_DONE] == target[who]:
            done[who] += 1
            _push(keys, ids, rep[HEAP], after + output[who] - done[who], who)
            rep[HEAP] += 1
            rep[PARTIAL] = NONE
            fresh[completed] = who
            completed += 1
    return tokens, pairs, completed


@njit(cache=True)
def _plan(rep, keys, ids, hist, limits, tables, prompt, output, done, target, preempted, following, first, fresh):
    """Start the next segment of a replica at time rep[END]; the replica goes idle when there is nothing to do."""
    base, slope, breaks, pbase, pslope, pair_fs = tables
    block = limits[3]
    now = rep[END]
    forced = False
    while rep[DEC] > 0 and hist[(-rep[STEP]) % block] > rep[FREE]:
        _drop_youngest(rep, keys, ids, hist, prompt, output, done, target, preempted, following, block)
        forced = True
    batch = rep[DEC]
    context = rep[CTX]
    rep[FREE] -= hist[(-rep[STEP]) % block]
    tokens, pairs, completed = 0, 0, 0
    if not forced:
        tokens, pairs, completed = _fill(rep, keys, ids, hist, limits, prompt, output, done, target, following, fresh)
    rep[K] = 1
    rep[GROW] = batch
    if batch == 0 and tokens == 0:
        rep[ACTIVE] = 0
        rep[K] = 0
        return
    if tokens == 0:
        most = keys[0] - rep[STEP]
        k = _steps_in_free(hist, rep[STEP], rep[FREE], batch, most, block)
        if float(k) * (float(base[batch]) + float(slope[batch]) * (context + float(batch) * k)) * limits[0] > 8.6e18:
            rep[ERROR] = 1
            return
        rep[K] = k
        rep[END] = now + _series(base[batch], slope[batch], context, batch, k)
    else:
        dense = max(base[batch], _prefill_ps(breaks, pbase, pslope, tokens + batch))
        rep[END] = now + dense + slope[batch] * context + pairs * pair_fs // 1000
        rep[PTOK] += tokens
    for i in range(completed):
        who = fresh[i]
        if first[who] == NONE:
            first[who] = rep[END]
        cached = target[who]
        rep[DEC] += 1
        rep[CTX] += cached
        hist[(cached - rep[STEP] - 1) % block] += 1
    _account_start(rep, now)


@njit(cache=True)
def _account_start(rep, now):
    if rep[END] > LIMIT_PS or rep[END] < now:
        rep[ERROR] = 1


@njit(cache=True)
def _commit(rep, start, keys, ids, hist, limits, prompt, output, finish):
    """End the segment: grow the contexts, release what finished, add up the totals."""
    k = rep[K]
    if k == 0:
        return
    block = limits[3]
    batch = rep[GROW]
    rep[FREE] -= _blocks_grown(hist, rep[STEP], 1, k, batch, block)
    running = rep[HEAP] + (1 if rep[PARTIAL] != NONE else 0)
    rep[STEP] += k
    rep[CTX] += batch * k
    spent = rep[END] - start
    rep[BUSY] += spent
    rep[STEPS] += k
    rep[DTOK] += batch * k
    area = rep[BATCH_PS] + running * spent
    rep[BATCH_S] += area // PS_PER_S
    rep[BATCH_PS] = area % PS_PER_S
    while rep[HEAP] > 0 and keys[0] == rep[STEP]:
        who = ids[0]
        _remove(keys, ids, rep[HEAP], 0)
        rep[HEAP] -= 1
        finish[who] = rep[END]
        cached = prompt[who] + output[who] - 1
        hist[(cached - rep[STEP]) % block] -= 1
        rep[DEC] -= 1
        rep[CTX] -= cached
        rep[FREE] += (cached + block - 1) // block
        rep[LOAD] -= 1


@njit(cache=True)
def _offer(rep, start, now, who, limits, tables, following):
    """Queue an arrival; wake an idle replica, or cut its decode segment at the first boundary not before ``now``."""
    base, slope = tables[0], tables[1]
    waiting = rep[HEAD] != NONE
    if waiting:
        following[rep[TAIL]] = who
    else:
        rep[HEAD] = who
    rep[TAIL] = who
    following[who] = NONE
    rep[LOAD] += 1
    if rep[ACTIVE] == 0:
        rep[ACTIVE] = 1
        rep[K] = 0
        rep[END] = now
        return
    if waiting or rep[K] <= 1 or rep[HEAP] >= limits[0]:
        return
    batch = rep[GROW]
    context = rep[CTX]
    low, high = 1, rep[K]
    while low < high:
        mid = (low + high) >> 1
        if start + _series(base[batch], slope[batch], context, batch, mid) >= now:
            high = mid
        else:
            low = mid + 1
    rep[K] = low
    rep[END] = start + _series(base[batch], slope[batch], context, batch, low)


@njit(cache=True)
def run_pool(arrivals, prompt, output, tables, limits, replicas, least_loaded):
    """All requests through ``replicas`` engines: per-request times and the replica rows (see the module text)."""
    n = len(arrivals)
    block = limits[3]
    reps = np.zeros((replicas, WIDTH), np.int64)
    reps[:, FREE] = limits[2]
    reps[:, PARTIAL] = NONE
    reps[:, HEAD] = NONE
    reps[:, TAIL] = NONE
    ends = np.full(replicas, np.iinfo(np.int64).max, np.int64)
    starts = np.zeros(replicas, np.int64)
    keys = np.empty((replicas, limits[0] + 1), np.int64)
    ids = np.empty((replicas, limits[0] + 1), np.int64)
    hist = np.zeros((replicas, block), np.int64)
    fresh = np.empty(limits[0] + 1, np.int64)
    done = np.zeros(n, np.int64)
    target = np.zeros(n, np.int64)
    following = np.full(n, NONE, np.int64)
    first = np.full(n, NONE, np.int64)
    finish = np.full(n, NONE, np.int64)
    preempted = np.zeros(n, np.int64)
    chosen = np.zeros(n, np.int64)
    never = np.iinfo(np.int64).max
    for who in range(n + 1):
        now = arrivals[who] if who < n else never
        for r in range(replicas):
            while ends[r] < now:
                rep = reps[r]
                _commit(rep, starts[r], keys[r], ids[r], hist[r], limits, prompt, output, finish)
                starts[r] = rep[END]
                _plan(
                    rep, keys[r], ids[r], hist[r], limits, tables, prompt, output, done, target, preempted, following,
                    first, fresh,
                )  # fmt: skip
                ends[r] = rep[END] if rep[ACTIVE] else never
                if rep[ERROR]:
                    return first, finish, preempted, chosen, reps
        if who == n:
            break
        r = who % replicas
        if least_loaded:
            r = 0
            for other in range(1, replicas):
                if reps[other, LOAD] < reps[r, LOAD]:
                    r = other
        chosen[who] = r
        _offer(reps[r], starts[r], now, who, limits, tables, following)
        ends[r] = reps[r, END]
        if reps[r, K] == 0:
            starts[r] = now
    return first, finish, preempted, chosen, reps
