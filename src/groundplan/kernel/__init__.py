"""Pure event kernels: batching engines, pools, queues and staffing curves in int64 picoseconds. They know no hardware.

Nothing here loads a compiler before the first simulation.
"""

from __future__ import annotations

from ._check import KernelError
from ._engine import EngineRun, Router, simulate_closed, simulate_engine, simulate_pool
from ._pools import LlmPool, QueuePool, ServiceReport, sample_percentile
from ._queues import BatchQueueRun, simulate_batch_queue, simulate_queue
from ._random import lognormal_lengths, periodic_arrivals_ps, poisson_arrivals_ps, renewal_arrivals_ps, stream
from ._split import SplitPool, SplitRun
from ._staffing import StaffingCurve, Tangent, curve_from_loads, staffing_curve
from ._step import EngineLimits, StepTime

__all__ = [
    "BatchQueueRun",
    "EngineLimits",
    "EngineRun",
    "KernelError",
    "LlmPool",
    "QueuePool",
    "Router",
    "ServiceReport",
    "SplitPool",
    "SplitRun",
    "StaffingCurve",
    "StepTime",
    "Tangent",
    "curve_from_loads",
    "lognormal_lengths",
    "periodic_arrivals_ps",
    "poisson_arrivals_ps",
    "renewal_arrivals_ps",
    "sample_percentile",
    "simulate_batch_queue",
    "simulate_closed",
    "simulate_engine",
    "simulate_pool",
    "simulate_queue",
    "staffing_curve",
    "stream",
]
