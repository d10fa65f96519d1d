"""Workloads from a few figures, for questions about one model on one server; and what a chunk allows at a latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from groundplan.perf._control import delay_limit_steps
from groundplan.spec import (
    BatchDemand,
    ControlDemand,
    ControlWorkload,
    FinetuneWorkload,
    LatencyServiceLevel,
    Lengths,
    LlmDemand,
    LlmServiceLevel,
    LlmWorkload,
    Precision,
    SimulationWorkload,
    StreamDemand,
    StreamWorkload,
    VisionDemand,
    VisionWorkload,
)

LENGTH_CV = 1.0
"""Spread of prompt and output lengths where the asker states none."""
ASKED = "estimate"
MOST_HZ = 200.0
Precisions = Sequence[Precision]
NO_NETWORK: dict[str, Any] = {"upload_kb_per_unit": 0.0, "download_kb_per_unit": 0.0}


def _about(model: str, allowed_precisions: Precisions = ()) -> dict[str, Any]:
    """What every workload states of itself, for one that stands in no file."""
    return {
        "id": ASKED,
        "title": ASKED,
        "model": model,
        "data_classes": (ASKED,),
        "allowed_precisions": tuple(allowed_precisions),
    }


def chat_workload(
    model: str,
    *,
    prompt_tokens: float,
    output_tokens: float,
    ttft_ms: float,
    tpot_ms: float,
    percentile: float = 0.95,
    allowed_precisions: Precisions = (),
    **served: Any,
) -> LlmWorkload:
    """A language-model workload from a few figures; lengths are lognormal with cv 1, arrivals Poisson.

    `served`: `engine`, `tuning`, `speculation` and `prefill`, as a file states them.
    """
    return LlmWorkload(
        kind="llm",
        **_about(model, allowed_precisions),
        **NO_NETWORK,
        prompt=Lengths(mean_tokens=prompt_tokens, cv=LENGTH_CV),
        output=Lengths(mean_tokens=output_tokens, cv=LENGTH_CV),
        service_level=LlmServiceLevel(ttft_ms=ttft_ms, tpot_ms=tpot_ms, percentile=percentile),
        **served,
        demand=(LlmDemand(origin=ASKED, requests_per_s=1.0),),
    )


def robot_workload(
    model: str,
    *,
    control_hz: float,
    chunk_steps: int,
    replan_every_steps: int,
    mode: Literal["sync", "async", "rtc"],
    cameras: int,
    denoise_steps: int | None = None,
    latency_ms: float,
    percentile: float = 0.99,
    allowed_precisions: Precisions = (),
) -> ControlWorkload:
    """One robot that calls a policy every `replan_every_steps` of its control steps."""
    return ControlWorkload(
        kind="control",
        **_about(model, allowed_precisions),
        **NO_NETWORK,
        control_hz=control_hz,
        chunk_steps=chunk_steps,
        replan_every_steps=replan_every_steps,
        mode=mode,
        cameras_per_robot=cameras,
        denoise_steps=denoise_steps,
        service_level=LatencyServiceLevel(latency_ms=latency_ms, percentile=percentile),
        demand=(ControlDemand(origin=ASKED, robots_count=1),),
    )


def camera_workload(
    model: str, *, fps: float, latency_ms: float, percentile: float = 0.99, allowed_precisions: Precisions = ()
) -> VisionWorkload:
    """One camera."""
    return VisionWorkload(
        kind="vision",
        **_about(model, allowed_precisions),
        **NO_NETWORK,
        service_level=LatencyServiceLevel(latency_ms=latency_ms, percentile=percentile),
        demand=(VisionDemand(origin=ASKED, cameras_count=1, fps_per_s=fps),),
    )


def sensor_workload(
    model: str, *, sample_rate_hz: float, window_s: float, latency_ms: float, percentile: float = 0.99
) -> StreamWorkload:
    """One channel."""
    return StreamWorkload(
        kind="stream",
        **_about(model),
        **NO_NETWORK,
        sample_rate_hz=sample_rate_hz,
        window_s=window_s,
        service_level=LatencyServiceLevel(latency_ms=latency_ms, percentile=percentile),
        demand=(StreamDemand(origin=ASKED, channels_count=1),),
    )


def tuning_workload(
    model: str, *, method: Literal["lora", "sft"], tokens_per_run: float, sequence_tokens: int
) -> FinetuneWorkload:
    """One run of fine-tuning a month."""
    return FinetuneWorkload(
        kind="finetune",
        **_about(model),
        method=method,
        tokens_per_run=tokens_per_run,
        sequence_tokens=sequence_tokens,
        demand=(BatchDemand(origin=ASKED, work_units_per_month=1.0),),
    )


def scene_workload(model: str) -> SimulationWorkload:
    """One second of video a month."""
    return SimulationWorkload(
        kind="simulation",
        **_about(model),
        demand=(BatchDemand(origin=ASKED, work_units_per_month=1.0),),
    )


def reachable_hz(workload: ControlWorkload, latency_ms: float) -> float:
    """Control rate that a call of this latency [ms] allows with this chunk.

    async and rtc: the highest rate whose delay ceil(L f) stays within s, or min(s, H - s). sync: the mean rate of a
    robot that runs s steps and then waits. At most 200 Hz: a motion loop stays on the robot. Raises the room's
    refusal where the chunk leaves no step.
    """
    limit, latency_s = delay_limit_steps(workload), latency_ms / 1e3
    steps = workload.replan_every_steps
    hz = steps / (steps / workload.control_hz + latency_s) if limit is None else limit / latency_s
    return min(hz, MOST_HZ)


def robots_carried(workload: ControlWorkload, calls_per_s: float) -> int:
    """Whole robots whose calls, one every `replan_every_steps` steps, this rate serves."""
    return int(calls_per_s * workload.replan_every_steps / workload.control_hz + 1e-9)
