"""How fast, in how much memory, with how much power: operating points of every workload kind, and their staffing."""

from groundplan.perf._control import chunk_delay_steps
from groundplan.perf._estimate import Estimate, EstimateRow, chat_workload, estimate
from groundplan.perf._points import operating_points
from groundplan.perf._staffing import StaffingCache, staffing
from groundplan.perf._types import EngineService, OperatingPoint, PerfError, Points, QueueService, Refusal

__all__ = [
    "EngineService",
    "Estimate",
    "EstimateRow",
    "OperatingPoint",
    "PerfError",
    "Points",
    "QueueService",
    "Refusal",
    "StaffingCache",
    "chat_workload",
    "chunk_delay_steps",
    "estimate",
    "operating_points",
    "staffing",
]
