"""How fast, in how much memory, with how much power: operating points of every workload kind, and their staffing."""

from groundplan.perf._control import chunk_delay_steps
from groundplan.perf._points import operating_points
from groundplan.perf._staffing import StaffingCache, staffing
from groundplan.perf._types import EngineService, OperatingPoint, Points, QueueService, Refusal

__all__ = [
    "EngineService",
    "OperatingPoint",
    "Points",
    "QueueService",
    "Refusal",
    "StaffingCache",
    "chunk_delay_steps",
    "operating_points",
    "staffing",
]
