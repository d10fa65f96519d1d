"""How fast, in how much memory, with how much power: operating points of every workload kind, and their staffing."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from groundplan.perf._control import chunk_delay_steps, latency_limit_ms
from groundplan.perf._estimate import Estimate, EstimateRow, estimate
from groundplan.perf._joint import (
    DEPTHS,
    Burden,
    allotted_deviations,
    deviation,
    joint_probability,
    shared_deviations,
    slowed,
)
from groundplan.perf._joint import Pool as SpeedPool
from groundplan.perf._measured import ANCHORED_FACTOR
from groundplan.perf._points import operating_points
from groundplan.perf._questions import (
    camera_workload,
    chat_workload,
    reachable_hz,
    robot_workload,
    robots_carried,
    scene_workload,
    sensor_workload,
    tuning_workload,
)
from groundplan.perf._staffing import StaffingCache, staffing
from groundplan.perf._types import EngineService, OperatingPoint, PerfError, Points, QueueService, Refusal

if TYPE_CHECKING:
    from groundplan.perf._train_search import BestMapping, TrainCluster, TrainJob, best_mapping, train_cluster

__all__ = [
    "ANCHORED_FACTOR",
    "DEPTHS",
    "BestMapping",
    "Burden",
    "EngineService",
    "Estimate",
    "EstimateRow",
    "OperatingPoint",
    "PerfError",
    "Points",
    "QueueService",
    "Refusal",
    "SpeedPool",
    "StaffingCache",
    "TrainCluster",
    "TrainJob",
    "allotted_deviations",
    "best_mapping",
    "camera_workload",
    "chat_workload",
    "chunk_delay_steps",
    "deviation",
    "estimate",
    "joint_probability",
    "latency_limit_ms",
    "operating_points",
    "reachable_hz",
    "robot_workload",
    "robots_carried",
    "scene_workload",
    "sensor_workload",
    "shared_deviations",
    "slowed",
    "staffing",
    "train_cluster",
    "tuning_workload",
]


def __getattr__(name: str) -> Any:
    """Names of training, which loads when somebody asks for it: most commands never do."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("groundplan.perf._train_search"), name)
