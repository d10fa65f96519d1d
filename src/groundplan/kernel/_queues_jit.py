"""Queues, to be compiled; imported for that only, because it loads numba."""

from __future__ import annotations

from typing import Any

from numba import carray, njit

from ._check import IntArray

Pointer = Any
"""To int64s."""


@njit(error_model="numpy")
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


def run_queue(arrivals: Pointer, service: Pointer, start: Pointer, free: Pointer, sizes: Pointer) -> None:
    """Start times of a first-come-first-served queue; sizes = requests, servers; free[servers] starts at 0."""
    n, servers = carray(sizes, (2,))
    came, took, begun = carray(arrivals, (n,)), carray(service, (n,)), carray(start, (n,))
    least = carray(free, (servers,))
    for i in range(n):
        begun[i] = max(came[i], least[0])
        _replace_least(least, begun[i] + took[i])


def run_batch_queue(
    arrivals: Pointer, service_by_batch: Pointer, start: Pointer, batch: Pointer, free: Pointer, sizes: Pointer
) -> None:
    """Start times and batch sizes of a queue whose servers take up to the largest batch of what waits when free.

    sizes = requests, servers, largest batch; service_by_batch has one entry more; free[servers] starts at 0.
    """
    n, servers, most = carray(sizes, (3,))
    came, took = carray(arrivals, (n,)), carray(service_by_batch, (most + 1,))
    begun, together, least = carray(start, (n,)), carray(batch, (n,)), carray(free, (servers,))
    i = 0
    while i < n:
        now = max(came[i], least[0])
        j = i + 1
        while j < n and j - i < most and came[j] <= now:
            j += 1
        begun[i:j] = now
        together[i:j] = j - i
        _replace_least(least, now + took[j - i])
        i = j
