"""What ``estimate`` asks and shows for each kind of workload: one row of a table each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from groundplan.catalog import ModelCard, VlaArch
from groundplan.perf import (
    EstimateRow,
    camera_workload,
    chat_workload,
    reachable_hz,
    robot_workload,
    robots_carried,
    scene_workload,
    sensor_workload,
    tuning_workload,
)
from groundplan.spec import AnyWorkload, Speculation

Options = dict[str, Any]
Value = Callable[[Any, EstimateRow], float | str]


@dataclass(frozen=True, slots=True)
class Figure:
    """One column: its head in the table, its key in JSON, its value, how it is written."""

    head: str
    key: str
    value: Value
    form: str = ",.3g"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of question: its options with their defaults, the workload that they make, what is answered."""

    name: str
    defaults: Mapping[str, Any]
    workload: Callable[[str, Options], AnyWorkload]
    level: Callable[[Any], str]
    rate: str
    """Unit of the rates, as in ``requests/s``."""
    figures: tuple[Figure, ...]
    note: str
    served: bool = True
    """Answers at a level, with a percentile; else batch work, without one."""


def _calls_per_s(row: EstimateRow) -> float:
    return row.level_rate or 0.0


def _reachable_hz(workload: Any, row: EstimateRow) -> float:
    return reachable_hz(workload, row.point.latency_ms["latency"] + row.network_ms)


def _slots(row: EstimateRow) -> int:
    return row.accelerators_count


def memory_text(row: EstimateRow) -> str:
    return f"{row.point.memory_gb['total']:,.3g} of {row.point.memory_gb['available']:,.3g}"


ALONE = Figure("ms alone", "latency_alone_ms", lambda _, row: row.point.latency_ms["latency"], ",.1f")
CHAT = (
    Figure("TTFT ms", "ttft_alone_ms", lambda _, row: row.point.latency_ms["ttft"], ",.0f"),
    Figure("TPOT ms", "tpot_alone_ms", lambda _, row: row.point.latency_ms["tpot"], ",.0f"),
)
ROBOT = (
    ALONE,
    Figure("reachable Hz", "reachable_hz", _reachable_hz, ",.1f"),
    Figure("robots", "robots_count", lambda w, row: robots_carried(w, _calls_per_s(row)), ",d"),
)
CAMERA = (
    ALONE,
    Figure("cameras", "cameras_count", lambda w, row: int(_calls_per_s(row) / w.demand[0].fps_per_s + 1e-9), ",d"),
)
SENSOR = (ALONE, Figure("channels", "channels_count", lambda w, row: int(_calls_per_s(row) * w.window_s + 1e-9), ",d"))
TUNING = (
    Figure("tokens/s", "tokens_per_s", lambda w, row: row.saturated_rate * w.tokens_per_run / 3600.0, ",.0f"),
    Figure("hours a run", "hours_per_run", lambda _, row: 1.0 / row.saturated_rate),
)
SCENES = (
    Figure("device-s a video-s", "device_s_per_video_s", lambda _, row: 3600.0 * _slots(row) / row.saturated_rate),
)


def _chat(model: str, o: Options) -> AnyWorkload:
    named = {"prompt": "prompt_tokens", "output": "output_tokens"}
    draft, tokens, share = (o.pop(key) for key in ("draft", "draft_tokens", "acceptance"))
    speculation = Speculation(draft=draft, draft_tokens=tokens, acceptance_share=share) if draft else None
    return chat_workload(model, speculation=speculation, **{named.get(key, key): value for key, value in o.items()})


def _chat_level(w: Any) -> str:
    level = w.service_level
    said = f"TTFT {level.ttft_ms:g} ms and TPOT {level.tpot_ms:g} ms for {level.percentile:.1%} of requests"
    draft = w.speculation
    if draft is None:
        return said
    return f"{said}; {draft.draft} drafts {draft.draft_tokens} tokens, {draft.acceptance_share:.0%} each accepted"


def _robot_level(w: Any) -> str:
    level = w.service_level
    chunk = f"{w.mode}, {w.control_hz:g} Hz, a call every {w.replan_every_steps} of {w.chunk_steps} steps"
    return f"{chunk}; {level.latency_ms:g} ms for {level.percentile:.1%} of calls"


def _unit_level(what: str) -> Callable[[Any], str]:
    return lambda w: f"{w.service_level.latency_ms:g} ms for {w.service_level.percentile:.1%} of {what}"


def _camera(model: str, o: Options) -> AnyWorkload:
    return camera_workload(model, **o)


def _sensor(model: str, o: Options) -> AnyWorkload:
    return sensor_workload(model, **o)


def _tuning(model: str, o: Options) -> AnyWorkload:
    return tuning_workload(model, method=o["finetune"], tokens_per_run=o["tokens"], sequence_tokens=o["sequence"])


def robot_defaults(card: ModelCard, options: Options) -> Options:
    """What the card and the chunk say of a policy: the whole chunk, replanned at its half, answered within that.

    A robot that waits (sync) is bridged by nothing: half a second is what it may take.
    """
    assert isinstance(card.arch, VlaArch)
    chunk = options.get("chunk_steps") or card.arch.chunk_steps
    replan = options.get("replan_every_steps") or max(1, chunk // 2)
    mode = options.get("mode") or ("async" if chunk > 1 else "sync")
    free = min(replan, chunk - replan) if mode == "rtc" else replan
    lasts_ms = 1e3 * max(free, 1) / options.get("control_hz", ROBOT_DEFAULTS["control_hz"])
    latency_ms = SYNC_MS if mode == "sync" else lasts_ms
    return {"chunk_steps": chunk, "replan_every_steps": replan, "mode": mode, "latency_ms": latency_ms}


SYNC_MS = 500.0
ROBOT_DEFAULTS: Mapping[str, Any] = {
    "control_hz": 20.0, "chunk_steps": None, "replan_every_steps": None, "mode": None, "cameras": 2,
    "denoise_steps": None, "latency_ms": None, "percentile": 0.99, "allowed_precisions": (), "network_ms": 0.0,
}  # fmt: skip
KINDS: Mapping[str, Kind] = {
    "transformer": Kind(
        "language model",
        {"prompt": 1000.0, "output": 250.0, "ttft_ms": 2000.0, "tpot_ms": 60.0, "percentile": 0.95,
         "allowed_precisions": (), "network_ms": 0.0, "engine": "vllm", "tuning": "default", "prefill": "mixed",
         "draft": None, "draft_tokens": 3, "acceptance": 0.7},
        _chat, _chat_level, "requests/s", CHAT, "TTFT and TPOT without queueing.",
    ),
    "vla": Kind(
        "robot policy", ROBOT_DEFAULTS, lambda model, o: robot_workload(model, **o), _robot_level, "calls/s", ROBOT,
        "Reachable Hz: the highest control rate whose delay the chunk bridges, at most 200 "
        "(sync: the mean rate with the waits). A robot counts with control_hz / replan_every calls/s, as in a plan. "
        "Motion loops and safety stops stay on the robot.",
    ),
    "vision": Kind(
        "vision model", {"fps": 10.0, "latency_ms": 100.0, "percentile": 0.99, "allowed_precisions": (),
                         "network_ms": 0.0},
        _camera, _unit_level("frames"), "frames/s", CAMERA, "Frames as large as the model card says.",
    ),
    "stream": Kind(
        "sensor-stream model",
        {"sample_rate_hz": 10_000.0, "window_s": 1.0, "latency_ms": 1000.0, "percentile": 0.99, "network_ms": 0.0},
        _sensor, _unit_level("windows"), "windows/s", SENSOR, "One slot is one CPU core.",
    ),
    "world": Kind(
        "video generator", {}, lambda model, _: scene_workload(model), lambda _: "as its maker measured",
        "video-seconds/h", SCENES, "Batch work: no level applies.", served=False,
    ),
    "finetune": Kind(
        "fine-tuning", {"finetune": None, "tokens": 1e8, "sequence": 4096}, _tuning,
        lambda w: f"{w.method}, {w.tokens_per_run:.3g} tokens a run in sequences of {w.sequence_tokens}",
        "runs/h", TUNING, "Memory is that of each accelerator; batch work has no level.", served=False,
    ),
}  # fmt: skip
"""By the architecture of the model card; ``finetune`` where a method is asked for."""
