"""Compiled queues; imported on first use only, because it loads numba."""

from __future__ import annotations

import numpy as np
from numba import njit

from ._check import IntArray


@njit(cache=True)
def _replace_least(heap: IntArray, value: int) -> None:
    """Replace the least entry of a binary heap by ``value``."""
    size = len(heap)
    at, down = 0, 1
    while down < size:
        if down + 1 < size and heap[down + 1] < heap[down]:
            down += 1
        if heap[down] >= value:
            break
        heap[at] = heap[down]
        at, down = down, 2 * down + 1
    heap[at] = value


@njit(cache=True)
def run_queue(arrivals: IntArray, service: IntArray, servers: int) -> IntArray:
    """Start times of a first-come-first-served queue."""
    free = np.zeros(servers, np.int64)
    start = np.empty(len(arrivals), np.int64)
    for i in range(len(arrivals)):
        start[i] = max(arrivals[i], free[0])
        _replace_least(free, start[i] + service[i])
    return start


@njit(cache=True)
def run_batch_queue(
    arrivals: IntArray, service_by_batch: IntArray, max_batch: int, servers: int
) -> tuple[IntArray, IntArray]:
    """Start times and batch sizes of a queue whose servers take up to ``max_batch`` waiting requests when free."""
    n = len(arrivals)
    free = np.zeros(servers, np.int64)
    start = np.empty(n, np.int64)
    batch = np.empty(n, np.int64)
    i = 0
    while i < n:
        now = max(arrivals[i], free[0])
        j = i + 1
        while j < n and j - i < max_batch and arrivals[j] <= now:
            j += 1
        start[i:j] = now
        batch[i:j] = j - i
        _replace_least(free, now + service_by_batch[j - i])
        i = j
    return start, batch
