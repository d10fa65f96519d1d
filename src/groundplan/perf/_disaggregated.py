"""Disaggregated serving: units of engines that only prefill and engines that only decode, on one node or on whole ones.

Prompts then never stall running sequences; in exchange engines stand in a fixed proportion, and the cache of each
prompt is sent between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from groundplan.catalog import Catalog, ModelCard, Server
from groundplan.kernel import EngineLimits
from groundplan.perf._chip import chip_of
from groundplan.perf._constants import serving_file
from groundplan.perf._engine import Engine
from groundplan.perf._llm import (
    BUDGETS,
    LOCAL,
    Layout,
    Memory,
    _engine,
    _room,
    batch_grid,
    layouts,
    mean_context_tokens,
    quantile_tokens,
    unloaded_ttft_ps,
)
from groundplan.perf._measured import Anchor, anchor_of, with_anchor
from groundplan.perf._power import Draw, replica_draw
from groundplan.perf._types import PS_PER_MS, PS_PER_S, EngineService, OperatingPoint, Refusal, Refused, SplitService
from groundplan.spec import LlmWorkload

MOST_ENGINES = 4
"""Of one stage in a unit: larger pools are several units."""
BUDGET = BUDGETS[0]
"""Tokens of a prefill step: nobody waits for it but prompts."""
MOST_PROMPTS = 64
"""Prompts that a prefill engine works on at once."""


@dataclass(frozen=True)
class Stage:
    """An engine of one stage: how it is cut, what it holds, how much one does that never runs dry."""

    engine: Engine
    cut: Layout
    room: Memory
    anchor: Anchor
    batch: int
    requests_per_s: float
    draw: Draw

    def service(self, context_tokens: int | None) -> EngineService:
        """What the kernel steps with, for a model of this context window."""
        block, budget = self.engine.settings.block_tokens, max(BUDGET, self.batch)
        limits = EngineLimits(self.batch, budget, self.room.kv_tokens // block, block)
        room = limits.kv_blocks * block
        longest = min(context_tokens or room, room)
        return EngineService(self.engine.step_time(self.batch, budget), limits, longest)


@dataclass(frozen=True)
class Unit:
    """Engines of both stages in proportion."""

    prefill: Stage
    decode: Stage
    prefill_engines: int
    decode_engines: int
    transfer_s: float
    """Sending the cache of a mean prompt; an engine sends or takes one at a time."""

    @property
    def requests_per_s(self) -> float:
        """Of the narrowest: prefill, sending, decode."""
        links = min(self.prefill_engines, self.decode_engines)
        return min(
            self.prefill_engines * self.prefill.requests_per_s,
            links / self.transfer_s,
            self.decode_engines * self.decode.requests_per_s,
        )

    @property
    def slots(self) -> int:
        """Accelerators in all."""
        return self.prefill_engines * self.prefill.cut.slots + self.decode_engines * self.decode.cut.slots

    @property
    def draw(self) -> Draw:
        """Each stage as busy as the narrower one lets it be; the peak is that of both at work."""
        parts = ((self.prefill_engines, self.prefill), (self.decode_engines, self.decode))
        mean = sum(stage.draw.mean_kw * self.requests_per_s / stage.requests_per_s for _, stage in parts)
        return Draw(mean, sum(count * stage.draw.peak_kw for count, stage in parts))


def unit_points(
    workload: LlmWorkload, server: Server, catalog: Catalog, card: ModelCard, precision: str
) -> Iterator[OperatingPoint | Refusal]:
    """The best unit of each pair of cuts, or why a cut serves neither stage."""
    if workload.engine == LOCAL:
        raise Refused("kind", f"{workload.id}: llama.cpp and its kind send no caches: prefill mixed")
    if workload.output.mean_tokens <= 1.0:
        raise Refused("kind", f"{workload.id} asks for single tokens: nothing is left for engines that decode")
    asked = Asked(workload, server, catalog, card, precision)
    stages: tuple[list[Stage], list[Stage]] = ([], [])
    for cut in layouts(card, chip_of(server, catalog), nodes=1):
        for made, stage in zip(stages, (prefill_stage, decode_stage), strict=True):
            try:
                made.append(stage(asked, cut))
            except Refused as refused:
                yield refused.refusal
    for prefill, decode in product(*stages):
        unit = best_unit(asked, prefill, decode)
        yield unit_point(asked, unit) if unit else Refusal("memory", f"no two engines share a {server.id}")


@dataclass(frozen=True)
class Asked:
    """One question: a workload in one format on one server."""

    workload: LlmWorkload
    server: Server
    catalog: Catalog
    card: ModelCard
    precision: str

    def engine(self, cut: Layout) -> tuple[Engine, Anchor]:
        """An engine of this cut, anchored where somebody measured it."""
        engine = _engine(self.workload, self.server, self.catalog, self.card, self.precision, cut)
        anchor = anchor_of(engine, self.card, self.catalog)
        return with_anchor(engine, anchor), anchor

    def where(self, cut: Layout, does: str) -> str:
        """For people."""
        return f"{self.card.id} {self.precision}-tp{cut.tensor_parallel} {does} on {self.server.id}"


def prefill_stage(asked: Asked, cut: Layout) -> Stage:
    """An engine that reads prompts in full steps."""
    engine, anchor = asked.engine(cut)
    room, _ = _room(asked.workload, engine, asked.card, BUDGET, asked.where(cut, "prefilling"))
    prompt = asked.workload.prompt
    pairs = prompt.mean_tokens**2 * (1.0 + prompt.cv**2) / 2.0
    dense = float(engine.dense_s(np.array([float(BUDGET)]))[0]) * prompt.mean_tokens / BUDGET
    draw = replica_draw(asked.server, asked.catalog, cut.slots, 0.0, 0.0, prefill_share=1.0)
    return Stage(engine, cut, room, anchor, MOST_PROMPTS, 1.0 / (dense + engine.pair_s() * pairs), draw)


def decode_stage(asked: Asked, cut: Layout) -> Stage:
    """An engine with the largest batch whose step stays inside the TPOT level."""
    engine, anchor = asked.engine(cut)
    where = asked.where(cut, "decoding")
    room, most = _room(asked.workload, engine, asked.card, BUDGET, where)
    level_s = asked.workload.service_level.tpot_ms / 1e3
    sizes = np.array(batch_grid(most), dtype=float)
    context = mean_context_tokens(asked.workload)
    steps = engine.decode_base_s(sizes) + engine.context_s() * sizes * context
    inside = np.flatnonzero(steps <= np.where(sizes > 1, engine.settings.tpot_margin_share, 1.0) * level_s)
    if not inside.size:
        level, alone = asked.workload.service_level.tpot_ms, float(steps[0]) * 1e3
        raise Refused("latency", f"{where}: TPOT {alone:.1f} ms at batch 1 is not within {level:g} ms")
    batch, step_s = sizes[inside[-1]], float(steps[inside[-1]])
    rate = float(batch) / step_s / (asked.workload.output.mean_tokens - 1.0)
    return Stage(engine, cut, room, anchor, int(batch), rate, _decode_draw(asked, engine, float(batch), step_s))


def _decode_draw(asked: Asked, engine: Engine, batch: float, step_s: float) -> Draw:
    context = batch * mean_context_tokens(asked.workload)
    reads = engine.token_bytes(batch, context) / step_s / engine.chip.read_bytes_per_s
    flops = engine.step_flop(engine.computed(batch), 0.0) / step_s / engine.chip.flop_per_s("bf16")
    slots = engine.served.ranks.total
    return replica_draw(asked.server, asked.catalog, slots, min(reads, 1.0), min(flops, 1.0))


def best_unit(asked: Asked, prefill: Stage, decode: Stage) -> Unit | None:
    """The proportion with most requests/s of an accelerator: inside one node, or of engines that fill nodes."""
    counts, server = range(1, MOST_ENGINES + 1), asked.server
    whole = prefill.cut.slots == decode.cut.slots == server.accelerators_count
    if whole and server.nic_gb_per_s is None:
        return None
    transfer_s = transfer_ps_per_token(asked, prefill, decode, far=whole) / PS_PER_S * asked.workload.prompt.mean_tokens
    units = [Unit(prefill, decode, first, second, transfer_s) for first, second in product(counts, counts)]
    units = [unit for unit in units if whole or unit.slots <= server.accelerators_count]
    return max(units, key=lambda unit: (round(unit.requests_per_s / unit.slots, 9), -unit.slots), default=None)


def transfer_ps_per_token(asked: Asked, prefill: Stage, decode: Stage, *, far: bool) -> int:
    """Sending the cache of one prompt token, all ranks at once: over the links of the node, or between nodes."""
    chip, constants = decode.engine.chip, decode.engine.constants
    share = constants.slow_link_share if far or not chip.scaleup(2) else constants.link_share
    rate = (asked.server.nic_gb_per_s or 0.0) * 1e9 / chip.per_node if far else chip.link_bytes_per_s(2)
    sent = max(prefill.room.kv_bytes_per_token, decode.room.kv_bytes_per_token)
    return math.ceil(sent / (rate * share) * PS_PER_S)


def unit_point(asked: Asked, unit: Unit) -> OperatingPoint | Refusal:
    """The operating point of a unit, or why its first token comes too late."""
    workload, server, decode = asked.workload, asked.server, unit.decode
    nodes = math.ceil(unit.slots / server.accelerators_count)
    transfer = transfer_ps_per_token(asked, unit.prefill, decode, far=nodes > 1)
    service = split_service(unit, asked.card.context_tokens, transfer)
    latency = _unloaded_ms(workload, service)
    level = workload.service_level
    if latency["ttft"] > level.ttft_ms:
        late = f"TTFT {latency['ttft']:.0f} ms exceeds {level.ttft_ms:g} ms"
        return Refusal("latency", f"{asked.where(unit.prefill.cut, 'prefilling')}: {late}")
    spread = _spread(unit)
    return OperatingPoint(
        id=f"{workload.id}@{server.id}/{_name(asked.precision, unit)}",
        workload=workload.id,
        server=server.id,
        model=asked.card.id,
        engine=decode.engine.settings.name,
        precision=asked.precision,
        slots_per_replica=unit.slots // nodes,
        nodes_per_replica=nodes,
        capacity_per_s=unit.requests_per_s,
        dynamic_kw=unit.draw.mean_kw,
        latency_ms=latency,
        memory_gb=decode.room.in_gb(),
        error_low_factor=1.0 / spread,
        error_high_factor=spread,
        why=_binding(unit),
        peak_kw=unit.draw.peak_kw,
        service=service,
        measured=decode.anchor.said,
    )


def split_service(unit: Unit, context_tokens: int | None, transfer: int) -> SplitService:
    """What the kernel simulates; a request must fit in an engine of each stage."""
    first, second = (stage.service(context_tokens) for stage in (unit.prefill, unit.decode))
    second = replace(second, longest_tokens=min(first.longest_tokens, second.longest_tokens))
    return SplitService(first, second, unit.prefill_engines, unit.decode_engines, transfer)


def _name(precision: str, unit: Unit) -> str:
    first, second = unit.prefill.cut.tensor_parallel, unit.decode.cut.tensor_parallel
    return f"{precision}-p{unit.prefill_engines}tp{first}-d{unit.decode_engines}tp{second}-b{unit.decode.batch}"


def _unloaded_ms(workload: LlmWorkload, service: SplitService) -> dict[str, float]:
    prompt = quantile_tokens(workload.prompt, workload.service_level.percentile)
    ttft = unloaded_ttft_ps(service.prefill.step, prompt, BUDGET) + prompt * service.transfer_ps_per_token
    context = round(workload.prompt.mean_tokens + workload.output.mean_tokens / 2.0)
    return {"ttft": ttft / PS_PER_MS, "tpot": service.decode.step.step_ps(0, 0, 1, context) / PS_PER_MS}


def _spread(unit: Unit) -> float:
    """As unanchored: what was measured ran in one engine."""
    engine = unit.decode.engine
    usual = serving_file().interval("rate", engine.settings.engine, moe=engine.shape.moe_layers > 0)
    return max(usual, *(stage.anchor.interval_factor or usual for stage in (unit.prefill, unit.decode)))


def _binding(unit: Unit) -> str:
    first, second = unit.prefill_engines, unit.decode_engines
    prefill, decode = first * unit.prefill.requests_per_s, second * unit.decode.requests_per_s
    bound = "prefill" if prefill <= decode else f"decode, batch {unit.decode.batch}"
    bound = "sending of caches" if unit.requests_per_s < min(prefill, decode) else bound
    return f"engines that prefill: {first}, that decode: {second}; {bound} binds; {unit.requests_per_s:.3g} requests/s"
