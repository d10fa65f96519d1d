"""What a workload delivers in a period, in the units that its buyers count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from groundplan.finance._break_even import Convention
from groundplan.finance._stock import Stock
from groundplan.spec import (
    AnyWorkload,
    ControlWorkload,
    FinetuneWorkload,
    LlmWorkload,
    PretrainWorkload,
    SimulationWorkload,
    StreamWorkload,
    VisionWorkload,
)

SECONDS, MILLION = 3600.0, 1e6


def delivered(stock: Stock) -> dict[str, list[float]]:
    """By workload and period: requests, calls, frames or windows served; work units done by batch kinds."""
    found: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(stock.months))
    for row in (*stock.plan.loads, *stock.plan.tokens):
        t = stock.index[row.period]
        found[row.workload][t] += row.units_per_s * SECONDS * stock.hours(t, row.bucket)
    for row in stock.plan.batch:
        done = row.gang_hours * stock.points[row.point].capacity_per_s
        found[row.workload][stock.index[row.period]] += done
    return found


def units(workload: AnyWorkload, how: Convention) -> Mapping[str, float]:
    """Names of the units in which a workload is priced, and how many of each one delivered unit is."""
    if isinstance(workload, LlmWorkload):
        tokens = workload.prompt.mean_tokens + workload.output.mean_tokens
        output = workload.output.mean_tokens
        return {"million tokens": tokens / MILLION, "million output tokens": output / MILLION, "1,000 requests": 1e-3}
    if isinstance(workload, ControlWorkload):
        return {"robot-hour": workload.replan_every_steps / workload.control_hz / SECONDS}
    if isinstance(workload, VisionWorkload):
        part = {"inspected part": 1 / workload.frames_per_part} if workload.frames_per_part else {}
        return {**part, "million frames": 1 / MILLION, "1,000 frames": 1e-3}
    if isinstance(workload, StreamWorkload):
        return {"channel-month": workload.window_s / SECONDS / how.hours_per_month}
    if isinstance(workload, FinetuneWorkload):
        return {"run": 1.0, "million training tokens": workload.tokens_per_run / MILLION}
    if isinstance(workload, PretrainWorkload):
        return {"million training tokens": 1 / MILLION}
    return {"video-second": 1.0} if isinstance(workload, SimulationWorkload) else {"core-hour": 1.0}
