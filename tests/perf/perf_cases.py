"""Workloads and engines that the perf tests share."""

from __future__ import annotations

from groundplan.catalog import Catalog
from groundplan.perf import chat_workload
from groundplan.perf._llm import Layout, _engine
from groundplan.spec import (
    AnalyticsWorkload,
    ControlWorkload,
    FinetuneWorkload,
    LlmWorkload,
    PretrainWorkload,
    SimulationWorkload,
    StreamWorkload,
    VisionWorkload,
)

CATALOG = Catalog.default()
BASE = {"title": "test", "data_classes": ("open",)}
SENT = {**BASE, "upload_kb_per_unit": 1.0, "download_kb_per_unit": 1.0}


def llm(model, prompt=1000, output=250, *, ttft_ms=2000, tpot_ms=60, cv=1.0, allowed=(), percentile=0.95):
    workload = chat_workload(
        model,
        prompt_tokens=prompt,
        output_tokens=output,
        ttft_ms=ttft_ms,
        tpot_ms=tpot_ms,
        percentile=percentile,
        allowed_precisions=allowed,
    )
    lengths = {"prompt": {"mean_tokens": prompt, "cv": cv}, "output": {"mean_tokens": output, "cv": cv}}
    return LlmWorkload.model_validate({**workload.model_dump(), **lengths, "id": "copilot"})


def control(model="pi0", *, hz=50, chunk=50, replan=25, mode="rtc", latency_ms=200, cameras=3, **more):
    return ControlWorkload.model_validate(
        {
            **SENT,
            "id": "robots",
            "kind": "control",
            "model": model,
            "control_hz": hz,
            "chunk_steps": chunk,
            "replan_every_steps": replan,
            "mode": mode,
            "cameras_per_robot": cameras,
            "service_level": {"latency_ms": latency_ms},
            "demand": [{"origin": "hall", "robots_count": 400}],
            **more,
        }
    )


def vision(model="efficientad-s", *, latency_ms=80, **more):
    demand = [{"origin": "hall", "cameras_count": 40, "fps_per_s": 30}]
    kind = {"id": "weld", "kind": "vision", "model": model, "service_level": {"latency_ms": latency_ms}}
    return VisionWorkload.model_validate({**SENT, **kind, "demand": demand, **more})


def stream(*, sample_rate_hz=25600, window_s=1.0, latency_ms=500):
    return StreamWorkload.model_validate(
        {
            **SENT,
            "id": "vibration",
            "kind": "stream",
            "model": "vibration-envelope",
            "sample_rate_hz": sample_rate_hz,
            "window_s": window_s,
            "service_level": {"latency_ms": latency_ms},
            "demand": [{"origin": "hall", "channels_count": 2000}],
        }
    )


def finetune(model, method="lora", *, tokens=2e8):
    demand = [{"origin": "hall", "work_units_per_month": 4}]
    kind = {"id": "tune", "kind": "finetune", "model": model, "method": method, "tokens_per_run": tokens}
    return FinetuneWorkload.model_validate({**BASE, **kind, "demand": demand})


def pretrain(model, tokens, *, start="2027-01", due="2027-07"):
    demand = [{"origin": "hall", "start_month": start, "due_month": due}]
    kind = {"id": "pre", "kind": "pretrain", "model": model, "train_tokens": tokens}
    return PretrainWorkload.model_validate({**BASE, **kind, "demand": demand})


def simulation(model="cosmos-predict2-2b"):
    demand = [{"origin": "hall", "work_units_per_month": 1e5}]
    return SimulationWorkload.model_validate(
        {**BASE, "id": "video", "kind": "simulation", "model": model, "demand": demand}
    )


def analytics():
    demand = [{"origin": "hall", "work_units_per_month": 1e4}]
    return AnalyticsWorkload.model_validate({**BASE, "id": "chain", "kind": "analytics", "demand": demand})


def engine(workload, server, precision, ranks, *, stages=1, nodes=1):
    row = CATALOG.server(server)
    cut = Layout(ranks, stages, nodes, row.accelerators_count if nodes > 1 else ranks)
    return _engine(workload, row, CATALOG, CATALOG.model(workload.model), precision, cut)
