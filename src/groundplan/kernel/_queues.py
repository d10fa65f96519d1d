"""First-come-first-served queues, one request or one batch at a time, exact in integer picoseconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ._check import HORIZON_PS, IntArray, KernelError, arrivals_array, fault, int_array, whole


@dataclass(frozen=True, eq=False)
class BatchQueueRun:
    """Per request, in order of arrival: start and end of its service [ps] and the size of the batch it rode in."""

    arrivals_ps: IntArray
    start_ps: IntArray
    finish_ps: IntArray
    batch: IntArray

    @property
    def latency_ps(self) -> IntArray:
        """Time from arrival to end of service [ps]."""
        return self.finish_ps - self.arrivals_ps


def simulate_queue(arrivals_ps: ArrayLike, service_ps: ArrayLike, servers: int) -> IntArray:
    """Start times [ps] of a G/G/c queue, first come first served: request i takes the server that is free first.

    arrivals_ps[n] not decreasing, service_ps[n] >= 0, servers >= 1; anything else raises KernelError. Waiting times
    equal the recursions of Lindley (c = 1) and of Kiefer and Wolfowitz (c > 1) exactly.
    """
    from ._machine import run_queue

    whole("servers", servers)
    arrivals = arrivals_array("arrivals_ps", arrivals_ps)
    service = int_array("service_ps", service_ps)
    if len(arrivals) != len(service):
        raise KernelError(fault("service_ps", f"{len(service)} services for {len(arrivals)} arrivals"))
    _check_span(arrivals, sum(service.tolist()) if service.size and _may_overflow(service) else int(service.sum()))
    start, sizes = np.empty_like(arrivals), np.array([len(arrivals), servers], np.int64)
    run_queue(arrivals, service, start, np.zeros(servers, np.int64), sizes)
    return start


def simulate_batch_queue(
    arrivals_ps: ArrayLike, service_ps_by_batch: ArrayLike, max_batch: int, servers: int
) -> BatchQueueRun:
    """A queue with batch service (cameras, robots): a free server takes all that wait, at most ``max_batch``, at once.

    service_ps_by_batch[b]: time of a batch of b, b = 1..max_batch, not decreasing; entry 0 is unused and must be 0.
    It never waits for a batch to fill. Raises KernelError for tables that are too short or fall, and bad arrivals.
    """
    from ._machine import run_batch_queue

    whole("servers", servers)
    whole("max_batch", max_batch)
    arrivals = arrivals_array("arrivals_ps", arrivals_ps)
    table = batch_table("service_ps_by_batch", service_ps_by_batch, max_batch)
    _check_span(arrivals, int(table[max_batch]) * len(arrivals))
    start, batch = np.empty_like(arrivals), np.empty_like(arrivals)
    sizes = np.array([len(arrivals), servers, max_batch], np.int64)
    run_batch_queue(arrivals, table, start, batch, np.zeros(servers, np.int64), sizes)
    return BatchQueueRun(arrivals, start, start + table[batch], batch)


def batch_table(where: str, values: ArrayLike, max_batch: int) -> IntArray:
    """Service time by batch size, checked: entry 0 is 0, positive from 1 on, not decreasing, long enough."""
    table = int_array(where, values)
    if len(table) <= max_batch:
        raise KernelError(fault(where, f"ends at batch {len(table) - 1}, below max_batch {max_batch}"))
    if table[0] != 0 or table[1] <= 0:
        raise KernelError(fault(where, "entry 0 must be 0 and a batch of one must take time"))
    if (table[1:] < table[:-1]).any():
        raise KernelError(fault(where, "falls with the batch", "take the running maximum"))
    return table


def _may_overflow(service: IntArray) -> bool:
    return int(service.max()) > HORIZON_PS // len(service)


def _check_span(arrivals: IntArray, work: int) -> None:
    last = int(arrivals[-1]) if arrivals.size else 0
    if last + work > HORIZON_PS:
        raise KernelError(fault("service_ps", "simulated time may pass 100 days", "split the run, or check units"))
