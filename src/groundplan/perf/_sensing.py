"""Cameras and sensor streams: work per frame or window, on accelerators or CPU cores."""

from __future__ import annotations

from collections.abc import Iterator

from groundplan.catalog import Catalog, ModelCard, Server, StreamArch, VisionArch
from groundplan.perf._chip import Chip, chip_of
from groundplan.perf._frames import frame_file, frame_work, frames_s
from groundplan.perf._llm import precisions
from groundplan.perf._power import cores_draw, replica_draw
from groundplan.perf._queue import best_queue_batch, saturated_per_s
from groundplan.perf._shape import BYTES
from groundplan.perf._types import PS_PER_MS, PS_PER_S, OperatingPoint, QueueService, Refusal, Refused, short_of
from groundplan.spec import StreamWorkload, VisionWorkload

VISION_ENGINE = "tensorrt default 2026"
FRAME_ENGINE = "tensorrt"
"""A checkpoint exported and built, not tuned by hand."""
FRAME_S = {"edge": 5.0e-3, "consumer": 1.0e-3, "workstation": 1.0e-3, "datacenter": 1.0e-3}
"""Decoding, resizing and copying one frame (assumed): YOLOv8n on Orin Nano takes 7.3 ms, its camera pipeline 16.6 ms
(60 frames/s), so about 9 ms on six small cores are not inference."""
VISION_BATCH = 16

STREAM_ENGINE = "cpu default 2026"
STREAM_ERROR = (0.6, 1.5)
"""Assumed: the catalogue's time is from one core type, and no core ratings are in it."""
WORKING_SET_FACTOR = 10.0


def vision_points(workload: VisionWorkload, server: Server, catalog: Catalog) -> Iterator[OperatingPoint | Refusal]:
    """One accelerator per replica, a point per precision."""
    card = catalog.model(workload.model)
    if not isinstance(card.arch, VisionArch):
        raise Refused("kind", f"{card.id} is a {card.arch.type} model, not a vision model")
    chip = chip_of(server, catalog)
    for precision in precisions(workload.allowed_precisions, card):
        try:
            yield _vision_point(workload, server, catalog, card, card.arch, chip, precision)
        except Refused as refused:
            yield refused.refusal


def frame_s(card: ModelCard, arch: VisionArch, chip: Chip, precision: str, batch: int) -> float:
    """Seconds of a batch of frames: the call on the accelerator, and host work per frame."""
    file = frame_file()
    constants = file.constants(FRAME_ENGINE, chip.compute_format(precision))
    work = frame_work(card, arch, chip.row, precision)
    return float(frames_s(constants, work, batch, file.effect(chip.id))) + batch * FRAME_S[chip.row.market]


def _vision_memory_gb(card: ModelCard, arch: VisionArch, chip: Chip, precision: str, batch: int) -> dict[str, float]:
    activations = batch * (arch.activation_mb or 0.0) * 1e6 * BYTES[precision] / BYTES["bf16"]
    weights = card.weights_params() * BYTES[precision]
    parts = {"weights": weights, "kv": 0.0, "activations": activations, "reserve": 0.1 * chip.memory_bytes}
    gb = {name: round(value / 1e9, 4) for name, value in parts.items()}
    gb |= {"total": round(sum(gb.values()), 4), "available": round(chip.memory_bytes / 1e9, 4)}
    if gb["total"] > gb["available"]:
        short = short_of(gb["total"], gb["available"])
        need = f"{card.id} needs {gb['total']:.1f} GB, {chip.id} has {gb['available']:.1f} GB"
        raise Refused("memory", f"{need}: {short}")
    return gb


def _vision_point(
    workload: VisionWorkload,
    server: Server,
    catalog: Catalog,
    card: ModelCard,
    arch: VisionArch,
    chip: Chip,
    precision: str,
) -> OperatingPoint:
    seconds = [frame_s(card, arch, chip, precision, batch) for batch in range(1, VISION_BATCH + 1)]
    times = tuple(round(value * PS_PER_S) for value in seconds)
    alone_ms, level = times[0] / PS_PER_MS, workload.service_level.latency_ms
    if alone_ms > level:
        where = f"{card.id} {precision} on {server.id}"
        raise Refused("latency", f"{where}: {alone_ms:.1f} ms alone exceeds {level:g} ms")
    table = best_queue_batch(times, level)
    rate, factor = saturated_per_s(table), frame_file().factors["call"]
    flop_use = min(1.0, rate * arch.gflops_per_frame * 1e9 / chip.flop_per_s("bf16"))
    read_use = min(1.0, rate * 2e6 * (arch.activation_mb or 0.0) / chip.read_bytes_per_s)
    draw = replica_draw(server, catalog, 1, read_use, flop_use)
    return OperatingPoint(
        id=f"{workload.id}@{server.id}/{precision}-b{len(table)}",
        workload=workload.id,
        server=server.id,
        model=card.id,
        engine=VISION_ENGINE,
        precision=precision,
        slots_per_replica=1,
        nodes_per_replica=1,
        capacity_per_s=rate,
        dynamic_kw=draw.mean_kw,
        latency_ms={"latency": alone_ms},
        memory_gb=_vision_memory_gb(card, arch, chip, precision, len(table)),
        error_low_factor=1.0 / factor,
        error_high_factor=factor,
        why=f"batch {len(table)}; FLOP use {flop_use:.0%}, host {FRAME_S[chip.row.market] * 1e3:g} ms a frame",
        peak_kw=draw.peak_kw,
        service=QueueService(table),
    )


def stream_points(workload: StreamWorkload, server: Server, catalog: Catalog) -> Iterator[OperatingPoint | Refusal]:
    """One CPU core per replica; the work of a window grows with its samples. CPU servers only."""
    card = catalog.model(workload.model)
    if not isinstance(card.arch, StreamArch):
        raise Refused("kind", f"{card.id} is a {card.arch.type} model, not a stream model")
    if server.accelerator is not None:
        raise Refused("kind", f"streams run on CPU cores; {server.id} is planned by its accelerators")
    faster = workload.sample_rate_hz / card.arch.sample_rate_hz
    window_s = card.arch.cpu_ms_per_channel_second / 1e3 * faster * workload.window_s
    alone_ms, level = window_s * 1e3, workload.service_level.latency_ms
    if alone_ms > level:
        raise Refused("latency", f"{card.id} on {server.id}: {alone_ms:.1f} ms a window exceeds {level:g} ms")
    draw = cores_draw(server, 1)
    yield OperatingPoint(
        id=f"{workload.id}@{server.id}/core",
        workload=workload.id,
        server=server.id,
        model=card.id,
        engine=STREAM_ENGINE,
        precision=card.native_precision,
        slots_per_replica=1,
        nodes_per_replica=1,
        capacity_per_s=1.0 / window_s,
        dynamic_kw=draw.mean_kw,
        latency_ms={"latency": alone_ms},
        memory_gb=_stream_memory_gb(workload, card.arch, server),
        error_low_factor=STREAM_ERROR[0],
        error_high_factor=STREAM_ERROR[1],
        why=f"{alone_ms:.3g} ms of one core a window, measured on {card.arch.reference_core}",
        peak_kw=draw.peak_kw,
        service=QueueService((round(window_s * PS_PER_S),)),
    )


def _stream_memory_gb(workload: StreamWorkload, arch: StreamArch, server: Server) -> dict[str, float]:
    """Per core: the model, and the window's samples in double precision with room for spectra."""
    if server.host_memory_gb is None or server.cpu_cores is None:
        raise Refused("missing-figure", f"{server.id} needs cpu_cores and host_memory_gb: add the figures")
    window = 8.0 * workload.sample_rate_hz * workload.window_s * WORKING_SET_FACTOR / 1e9
    available = server.host_memory_gb / server.cpu_cores
    gb = {"weights": (arch.model_mb or 0.0) / 1e3, "kv": 0.0, "activations": window, "reserve": 0.1 * available}
    gb |= {"total": sum(gb.values()), "available": available}
    if gb["total"] > available:
        need = f"a window needs {gb['total']:.2f} GB, a core of {server.id} has {available:.2f} GB"
        raise Refused("memory", f"{need}: {short_of(gb['total'], available)}")
    return {name: round(value, 4) for name, value in gb.items()}
