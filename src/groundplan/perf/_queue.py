"""Batches of a queue server: which size, and how much it carries."""

from __future__ import annotations

from collections.abc import Sequence

from groundplan.perf._types import PS_PER_MS, PS_PER_S


def best_queue_batch(times_ps: Sequence[int], limit_ms: float) -> tuple[int, ...]:
    """The batch table cut where throughput is highest, among batches that fit twice into the latency limit.

    Twice, because a unit may wait for the batch before its own. Batch 1 is always allowed.
    """
    fitting = [b for b, ps in enumerate(times_ps, 1) if b == 1 or 2 * ps <= limit_ms * PS_PER_MS]
    best = max(fitting, key=lambda b: (b / times_ps[b - 1], -b))
    return tuple(times_ps[:best])


def saturated_per_s(batch_ps: Sequence[int]) -> float:
    """Units per second of a server that always finds a full batch."""
    return len(batch_ps) / batch_ps[-1] * PS_PER_S
