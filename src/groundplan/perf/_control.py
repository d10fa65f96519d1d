"""Robot policies: phases of one call on a roofline, chunk and deadline arithmetic, operating points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from groundplan.catalog import Accelerator, Catalog, Server, TowerArch, VlaArch
from groundplan.perf._call_anchor import Timed, call_anchor
from groundplan.perf._chip import Chip, chip_of
from groundplan.perf._llm import precisions
from groundplan.perf._power import replica_draw
from groundplan.perf._queue import best_queue_batch, saturated_per_s
from groundplan.perf._shape import BYTES
from groundplan.perf._stack import Calls, call_s, slow_cores, stack_file, unified_memory
from groundplan.perf._types import PS_PER_MS, PS_PER_S, OperatingPoint, QueueService, Refusal, Refused, short_of, wrong
from groundplan.spec import ControlWorkload, MeasuredCall

ENGINE = "policy server, CUDA graphs, 2026"
STACK = "graph"
"""What a careful deployment runs: the framework's kernels without launches. Hand-tuned engines are faster."""
MAX_BATCH = 4


@dataclass(frozen=True)
class Roofline:
    """Peaks of one accelerator: FLOP/s of the compute format, bytes/s of memory, bytes per weight."""

    flop_per_s: float
    read_bytes_per_s: float
    weight_bytes: float = 2.0

    def gemm_s(self, rows: float, inner: float, columns: float) -> float:
        """One matrix product: the longer of computing it and moving operands and result once."""
        moved = 2.0 * rows * (inner + columns) + self.weight_bytes * inner * columns
        return max(2.0 * rows * inner * columns / self.flop_per_s, moved / self.read_bytes_per_s)

    def attention_s(self, tower: TowerArch, batch: int, queries: float, keys: float) -> float:
        """Scores and values, fused: queries, keys, values and result cross memory once."""
        flop = 4.0 * batch * queries * keys * tower.heads * tower.head_dim
        moved = 4.0 * batch * (queries * tower.heads + keys * tower.kv_heads) * tower.head_dim
        return max(flop / self.flop_per_s, moved / self.read_bytes_per_s)

    def tower_s(self, tower: TowerArch, batch: int, tokens: float, cached: float = 0.0) -> float:
        """All layers over `tokens` new tokens a sample that also see `cached` ones."""
        rows, width = batch * tokens, tower.head_dim
        layer = self.gemm_s(rows, tower.hidden, width * (tower.heads + 2 * tower.kv_heads))
        layer += self.attention_s(tower, batch, tokens, tokens + cached)
        layer += self.gemm_s(rows, width * tower.heads, tower.hidden)
        layer += (2 if tower.gated else 1) * self.gemm_s(rows, tower.hidden, tower.ffn)
        return tower.layers * (layer + self.gemm_s(rows, tower.ffn, tower.hidden))


LOW_FORMAT_GAIN = 2.0
"""At batch 1, products in 8- and 4-bit formats run at most this much faster than in bf16, whatever the data sheet says:
int8 on RTX 4090 (four times bf16 on paper) takes as long as bf16 would at twice its rate."""


def roofline_of(row: Accelerator, precision: str, *, weight_only: bool = False) -> Roofline:
    """Peaks of one accelerator. `weight_only`: a format without a unit is unpacked to bf16; else it is refused."""
    chip = Chip(row, 1)
    compute = "bf16" if weight_only and not chip.computes(precision) else chip.compute_format(precision)
    rate = chip.flop_per_s(compute)
    if compute not in ("bf16", "fp32"):
        rate = min(rate, LOW_FORMAT_GAIN * chip.flop_per_s("bf16"))
    return Roofline(rate, chip.read_bytes_per_s, BYTES[precision])


def layer_passes(arch: VlaArch, denoise_steps: int, chunk_steps: int) -> int:
    """Layers that one call runs, one after the other: all cameras go through a tower together."""
    prefix = sum(tower.layers for tower in arch.vision) + arch.vlm.layers
    prefix += arch.fusion.layers if arch.fusion is not None else 0
    if arch.action is None:
        return prefix + arch.decoded_tokens(chunk_steps) * arch.vlm.layers
    return prefix + denoise_steps * arch.action.layers


@dataclass(frozen=True)
class Phases:
    """Seconds of one call of a batch of robots."""

    vision_s: float
    vlm_s: float
    action_s: float

    @property
    def total_s(self) -> float:
        """All phases, one after the other."""
        return self.vision_s + self.vlm_s + self.action_s


def policy_phases(
    arch: VlaArch, roof: Roofline, *, cameras: int, denoise_steps: int, chunk_steps: int, batch: int = 1
) -> Phases:
    """Roofline of one call: towers per camera, trunk prefill, action head x denoise steps or decoded tokens.

    No efficiency enters. It reproduces the totals of VLA-Perf (arXiv 2602.18397, table 3) within 5 %: a roofline
    against a roofline, so it says that the shapes are right, not that a machine is this fast.
    """
    patches = arch.vision_tokens_per_camera or arch.tokens_per_camera
    vision = sum(roof.tower_s(tower, batch * cameras, patches) for tower in arch.vision)
    prefix = float(cameras * arch.tokens_per_camera + arch.text_tokens)
    trunk = roof.tower_s(arch.vlm, batch, prefix)
    if arch.fusion is not None:
        trunk += roof.tower_s(arch.fusion, batch, prefix)
    if arch.action is None:
        return Phases(vision, trunk, _decode_s(arch, roof, batch, prefix, chunk_steps))
    tokens = float(chunk_steps + arch.state_tokens)
    return Phases(vision, trunk, denoise_steps * roof.tower_s(arch.action, batch, tokens, prefix))


def _decode_s(arch: VlaArch, roof: Roofline, batch: int, prefix: float, chunk_steps: int) -> float:
    """Tokens decoded one by one by the trunk, head included; the chunk is decoded action by action."""
    count = arch.decoded_tokens(chunk_steps)
    one = roof.tower_s(arch.vlm, batch, 1.0, prefix + count / 2.0)
    return count * (one + roof.gemm_s(batch, arch.vlm.hidden, arch.vocab))


@dataclass(frozen=True, slots=True)
class Asked:
    """What one call is asked for."""

    cameras: int
    denoise_steps: int
    chunk_steps: int
    batch: int = 1


def policy_call(arch: VlaArch, row: Accelerator, precision: str, asked: Asked, *, weight_only: bool = False) -> Calls:
    """The work of one call as stacks see it; refuses a part without bandwidth or a rate of the format."""
    roof = roofline_of(row, precision, weight_only=weight_only)
    ways = (roof, replace(roof, read_bytes_per_s=math.inf), replace(roof, flop_per_s=math.inf))
    both, compute, moving = (_phases(arch, way, asked).total_s for way in ways)
    passes = layer_passes(arch, asked.denoise_steps, asked.chunk_steps)
    return Calls(both, compute, moving, passes, slow_cores(row), unified_memory(row))


def _phases(arch: VlaArch, roof: Roofline, asked: Asked) -> Phases:
    counts = {"cameras": asked.cameras, "denoise_steps": asked.denoise_steps, "chunk_steps": asked.chunk_steps}
    return policy_phases(arch, roof, **counts, batch=asked.batch)


def chunk_delay_steps(latency_ms: float, control_hz: float) -> int:
    """Control steps that pass while a call is under way: d = ceil(L f). PerfError unless L >= 0 and f > 0, finite."""
    if not (math.isfinite(latency_ms) and latency_ms >= 0 and math.isfinite(control_hz) and control_hz > 0):
        what = f"latency {latency_ms} ms and {control_hz} Hz do not make a delay"
        raise wrong("chunk_delay_steps", what, "give a latency of at least 0 and a positive rate")
    return math.ceil(latency_ms * control_hz / 1e3 - 1e-9)


def delay_limit_steps(workload: ControlWorkload) -> int | None:
    """Most steps a call may take: rtc min(s, H - s), async s, sync None (the robot waits).

    rtc: d <= s <= H - d (real-time chunking). Refuses replanning beyond the chunk, or a chunk with no room.
    """
    steps, chunk = workload.replan_every_steps, workload.chunk_steps
    if steps > chunk:
        raise Refused("chunk", f"replanning every {steps} steps needs a chunk of at least that, it has {chunk}")
    if workload.mode == "sync":
        return None
    limit = min(steps, chunk - steps) if workload.mode == "rtc" else steps
    if limit < 1:
        raise Refused("chunk", f"{workload.mode}: no delay d >= 1 meets d <= s <= H - d with s {steps}, H {chunk}")
    return limit


def latency_limit_ms(workload: ControlWorkload) -> float:
    """The service level, or what the chunk leaves, whichever is tighter [ms]."""
    steps = delay_limit_steps(workload)
    level = workload.service_level.latency_ms
    return level if steps is None else min(level, steps / workload.control_hz * 1e3)


def control_points(workload: ControlWorkload, server: Server, catalog: Catalog) -> Iterator[OperatingPoint | Refusal]:
    """One accelerator per replica, a point per precision."""
    card = catalog.model(workload.model)
    if not isinstance(card.arch, VlaArch):
        raise Refused("kind", f"{card.id} is a {card.arch.type} model, not a robot policy")
    if workload.chunk_steps > card.arch.chunk_steps:
        most = card.arch.chunk_steps
        raise Refused("chunk", f"{card.id} returns chunks of {most} steps, {workload.chunk_steps} are asked for")
    delay_limit_steps(workload)
    timed = _timed(workload, card.arch, catalog)
    for precision in precisions(workload.allowed_precisions, card):
        try:
            yield _point(workload, server, catalog, card.arch, precision, timed)
        except Refused as refused:
            yield refused.refusal


def _asked(workload: ControlWorkload, arch: VlaArch, batch: int) -> Asked:
    steps = arch.denoise_steps if workload.denoise_steps is None or arch.action is None else workload.denoise_steps
    return Asked(workload.cameras_per_robot, steps, workload.chunk_steps, batch)


def _timed(workload: ControlWorkload, arch: VlaArch, catalog: Catalog) -> list[Timed]:
    """The timed calls of a workload beside what is predicted of them.

    PerfError: an unknown accelerator, a format that it lacks, a call given twice, a time that its data sheet rules out.
    """
    found: list[Timed] = []
    for index, call in enumerate(workload.measured_calls):
        where = f"workloads.{workload.id}.measured_calls[{index}]"
        one = _timed_call(where, call, arch, _asked(workload, arch, 1), catalog)
        if any((one.part.id, one.precision) == (other.part.id, other.precision) for other in found):
            raise wrong(where, f"{one.part.id} in {one.precision} is given twice", "give one median")
        found.append(one)
    return found


def _timed_call(where: str, call: MeasuredCall, arch: VlaArch, asked: Asked, catalog: Catalog) -> Timed:
    if (part := catalog.find_accelerator(call.accelerator)) is None:
        raise wrong(f"{where}.accelerator", f"no accelerator {call.accelerator!r}", "a catalogue id or alias")
    row = catalog.accelerator(part)
    try:
        least_ms = float(policy_call(arch, row, call.precision, asked).roofline_s) * 1e3
    except Refused as refused:
        raise wrong(f"{where}.precision", refused.refusal.why, "the format that the call ran in") from refused
    if call.latency_ms < least_ms:
        what = f"{call.latency_ms:g} ms is less than the {least_ms:.1f} ms that the data sheet of {part} allows"
        raise wrong(f"{where}.latency_ms", what, "time the whole call, with this workload's cameras and steps")
    return Timed(row, call.precision, math.log(call.latency_ms / 1e3 / _call_s(arch, row, call.precision, asked)))


def _call_s(arch: VlaArch, row: Accelerator, precision: str, asked: Asked) -> float:
    """Seconds of a call on the stack that plans assume."""
    constants, calls = stack_file(), policy_call(arch, row, precision, asked)
    return float(call_s(STACK, constants.stacks[STACK], constants.host, calls))


def _memory_gb(workload: ControlWorkload, arch: VlaArch, chip: Chip, precision: str, batch: int) -> dict[str, float]:
    """Weights, the prefix KV cache, activations of the widest layer; a tenth is kept in reserve."""
    prefix = workload.cameras_per_robot * arch.tokens_per_camera + arch.text_tokens
    weights = arch.weights_params() * BYTES[precision]
    kv = 4.0 * batch * prefix * arch.vlm.layers * arch.vlm.kv_heads * arch.vlm.head_dim
    activations = 2.0 * batch * prefix * (8 * arch.vlm.hidden + 3 * arch.vlm.ffn)
    parts = {"weights": weights, "kv": kv, "activations": activations, "reserve": 0.1 * chip.memory_bytes}
    gb = {name: round(value / 1e9, 4) for name, value in parts.items()}
    gb |= {"total": round(sum(gb.values()), 4), "available": round(chip.memory_bytes / 1e9, 4)}
    if gb["total"] > gb["available"]:
        short = short_of(gb["total"], gb["available"])
        need = f"{workload.model} needs {gb['total']:.1f} GB, {chip.id} has {gb['available']:.1f} GB"
        raise Refused("memory", f"{need}: {short}")
    return gb


def _point(
    workload: ControlWorkload, server: Server, catalog: Catalog, arch: VlaArch, precision: str, timed: Sequence[Timed]
) -> OperatingPoint:
    card, chip = catalog.model(workload.model), chip_of(server, catalog)
    constants = stack_file()
    anchor = call_anchor(timed, chip.row, precision, constants.spreads, constants.factors[STACK])
    asked = [_asked(workload, arch, batch) for batch in range(1, MAX_BATCH + 1)]
    times = tuple(round(anchor.level * _call_s(arch, chip.row, precision, one) * PS_PER_S) for one in asked)
    alone_ms = times[0] / PS_PER_MS
    _check_alone(workload, alone_ms, f"{card.id} {precision} on {server.id}")
    table = best_queue_batch(times, latency_limit_ms(workload))
    batch, busy_s = len(table), table[-1] / PS_PER_S
    gb = _memory_gb(workload, arch, chip, precision, batch)
    flop_use = min(1.0, _flop(arch, workload, batch) / busy_s / chip.flop_per_s("bf16"))
    read_use = min(1.0, gb["weights"] * 1e9 / busy_s / chip.read_bytes_per_s)
    draw = replica_draw(server, catalog, 1, read_use, flop_use)
    return OperatingPoint(
        id=f"{workload.id}@{server.id}/{precision}-b{batch}",
        workload=workload.id,
        server=server.id,
        model=card.id,
        engine=ENGINE,
        precision=precision,
        slots_per_replica=1,
        nodes_per_replica=1,
        capacity_per_s=saturated_per_s(table),
        dynamic_kw=draw.mean_kw,
        latency_ms={"latency": alone_ms},
        memory_gb=gb,
        error_low_factor=1.0 / anchor.interval_factor,
        error_high_factor=anchor.interval_factor,
        why=f"roofline {_split(arch, chip.row, precision, asked[0])}, {alone_ms:.1f} ms on this stack; batch {batch}",
        peak_kw=draw.peak_kw,
        service=QueueService(table),
        measured=anchor.said,
    )


def _split(arch: VlaArch, row: Accelerator, precision: str, asked: Asked) -> str:
    roof = roofline_of(row, precision)
    phases = _phases(arch, roof, asked)
    parts = (("vision", phases.vision_s), ("trunk", phases.vlm_s), ("action", phases.action_s))
    return " + ".join(f"{name} {seconds * 1e3:.1f}" for name, seconds in parts) + " ms"


def _check_alone(workload: ControlWorkload, alone_ms: float, where: str) -> None:
    """Refuse what misses the level, or the chunk, with one robot and no network."""
    level, limit = workload.service_level.latency_ms, delay_limit_steps(workload)
    if alone_ms > level:
        raise Refused("latency", f"{where}: {alone_ms:.1f} ms alone exceeds {level:g} ms")
    delay = chunk_delay_steps(alone_ms, workload.control_hz)
    if limit is not None and delay > limit:
        raise Refused("chunk", f"{where}: {alone_ms:.1f} ms are {delay} steps, {workload.mode} allows {limit}")


def _flop(arch: VlaArch, workload: ControlWorkload, batch: int) -> float:
    """Model FLOP of a call, for the power model: two per parameter and token."""
    patches = arch.vision_tokens_per_camera or arch.tokens_per_camera
    images = workload.cameras_per_robot * patches * sum(tower.weights_params() for tower in arch.vision)
    prefix = workload.cameras_per_robot * arch.tokens_per_camera + arch.text_tokens
    head = arch.decoded_tokens(workload.chunk_steps) * arch.vlm.weights_params()
    if arch.action is not None:
        steps = workload.denoise_steps or arch.denoise_steps
        head = steps * (workload.chunk_steps + arch.state_tokens) * arch.action.weights_params()
    return 2.0 * batch * (images + prefix * arch.vlm.weights_params() + head)
