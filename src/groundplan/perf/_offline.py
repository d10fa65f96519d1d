"""Batch kinds known by measurement or by definition: generators of video, and CPU core-hours."""

from __future__ import annotations

from collections.abc import Iterator

from groundplan.catalog import Catalog, Server, WorldArch
from groundplan.perf._chip import chip_of
from groundplan.perf._power import busy_draw, cores_draw
from groundplan.perf._types import OperatingPoint, Refused, short_of
from groundplan.perf._watts import ImageUse
from groundplan.spec import AnalyticsWorkload, SimulationWorkload

SIMULATION_ENGINE = "vendor pipeline, as measured"
SIMULATION_ERROR = (0.75, 1.2)
"""Assumed: one vendor's own measurement."""
VIDEO_USE = ImageUse(forward_s=1.0, flop_use=0.25)
"""Long passes that leave no gap, at the use of the bf16 peak that Wan 2.1 14B shows (0.18-0.38, ML.ENERGY v3); for
power only."""
RESERVE_SHARE = 0.05
ANALYTICS_ENGINE = "core-hours as stated"


def simulation_points(workload: SimulationWorkload, server: Server, catalog: Catalog) -> Iterator[OperatingPoint]:
    """One accelerator per gang, where somebody measured this generator on it; nothing is scaled between chips."""
    card, chip = catalog.model(workload.model), chip_of(server, catalog)
    if not isinstance(card.arch, WorldArch):
        raise Refused("kind", f"{card.id} is a {card.arch.type} model, not a video generator")
    rate = 3600.0 / card.arch.gpu_seconds_per_video_second(chip.id)
    draw = busy_draw(server, catalog, 1, VIDEO_USE)
    yield OperatingPoint(
        id=f"{workload.id}@{server.id}/{card.native_precision}-x1",
        workload=workload.id,
        server=server.id,
        model=card.id,
        engine=SIMULATION_ENGINE,
        precision=card.native_precision,
        slots_per_replica=1,
        nodes_per_replica=1,
        capacity_per_s=rate,
        dynamic_kw=draw.mean_kw,
        latency_ms={},
        memory_gb=_memory_gb(card.id, card.arch, chip.id, chip.memory_bytes),
        error_low_factor=SIMULATION_ERROR[0],
        error_high_factor=SIMULATION_ERROR[1],
        why=f"{rate:.4g} video-seconds an hour, measured on {chip.id}",
        peak_kw=draw.peak_kw,
    )


def _memory_gb(model: str, arch: WorldArch, chip: str, memory_bytes: float) -> dict[str, float]:
    """The measured footprint as one figure under `weights`; a blank footprint is refused."""
    if arch.memory_gb is None:
        raise Refused("missing-figure", f"{model} has no memory_gb: add the figure")
    available = memory_bytes / 1e9
    gb = {"weights": arch.memory_gb, "kv": 0.0, "activations": 0.0, "reserve": RESERVE_SHARE * available}
    gb |= {"total": sum(gb.values()), "available": available}
    if gb["total"] > available:
        need = f"{model} needs {gb['total']:.1f} GB, {chip} has {available:.1f} GB"
        raise Refused("memory", f"{need}: {short_of(gb['total'], available)}")
    return {name: round(value, 4) for name, value in gb.items()}


def analytics_points(workload: AnalyticsWorkload, server: Server, catalog: Catalog) -> Iterator[OperatingPoint]:
    """All cores of one CPU node; it does as many core-hours an hour as it has cores."""
    if server.accelerator is not None:
        raise Refused("kind", f"core-hours run on CPU servers; {server.id} is planned by its accelerators")
    if server.cpu_cores is None:
        raise Refused("missing-figure", f"{server.id} has no cpu_cores: add the figure")
    draw = cores_draw(server, server.cpu_cores)
    yield OperatingPoint(
        id=f"{workload.id}@{server.id}/cores-{server.cpu_cores}",
        workload=workload.id,
        server=server.id,
        model="none",
        engine=ANALYTICS_ENGINE,
        precision="fp32",
        slots_per_replica=server.cpu_cores,
        nodes_per_replica=1,
        capacity_per_s=float(server.cpu_cores),
        dynamic_kw=draw.mean_kw,
        latency_ms={},
        memory_gb={},
        error_low_factor=1.0,
        error_high_factor=1.0,
        why="core-hours as stated; cores are taken as equal",
        peak_kw=draw.peak_kw,
    )
