"""Pure event kernels: batching engines, pools and queues in int64 picoseconds. They know no hardware.

Nothing here loads numba before the first simulation.
"""

from __future__ import annotations

from ._check import KernelError
from ._engine import EngineRun, Router, simulate_engine, simulate_pool
from ._step import EngineLimits, StepTime

__all__ = ["EngineLimits", "EngineRun", "KernelError", "Router", "StepTime", "simulate_engine", "simulate_pool"]
