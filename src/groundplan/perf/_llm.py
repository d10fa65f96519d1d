"""Operating points of a language-model workload on one server model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from groundplan.catalog import BITS, Catalog, ModelCard, Server, TransformerArch
from groundplan.kernel import EngineLimits, StepTime
from groundplan.perf._chip import Chip, chip_of
from groundplan.perf._constants import serving_file
from groundplan.perf._engine import Engine, engine_of
from groundplan.perf._measured import anchor_of, with_anchor
from groundplan.perf._power import Draw, replica_draw
from groundplan.perf._profile import EngineSettings
from groundplan.perf._room import CONTEXT_BYTES, activation_bytes, kv_bytes, weight_bytes
from groundplan.perf._shape import Floats, Shape, formats_of
from groundplan.perf._speculation import drafts_of
from groundplan.perf._terms import Ranks, Served
from groundplan.perf._types import PS_PER_MS, EngineService, OperatingPoint, Refusal, Refused, short_of
from groundplan.spec import Lengths, LlmWorkload

LOCAL = "local"
"""llama.cpp and its kind: layers after one another, no data groups, no caches sent."""
LEAST = 1e-9
"""Fewer decoding sequences in a mean step are none."""
LONGEST = 0.999
"""Requests up to this percentile of prompt and output must fit in the KV cache."""
BUDGETS = (8192, 4096, 2048, 1024, 512)
KV_FILL_SHARE = 0.95
"""Mean fill of the KV cache in saturation: whole prompts wait for room, and what is preempted is computed again."""
MAX_TENSOR_PARALLEL = 16
NO_WINDOW = 10**9
NODE_COUNTS = (1, 2, 4, 8)
Ways = Callable[[LlmWorkload, Server, Catalog, ModelCard, str], "Iterator[OperatingPoint | Refusal]"]


def quantile_tokens(lengths: Lengths, probability: float) -> int:
    """Quantile of a lognormal of this mean and coefficient of variation, at least 1."""
    sigma2 = math.log1p(lengths.cv**2)
    score = NormalDist().inv_cdf(probability)
    return max(1, math.ceil(lengths.mean_tokens * math.exp(score * math.sqrt(sigma2) - sigma2 / 2)))


def mean_context_tokens(workload: LlmWorkload) -> float:
    """Mean cached tokens of a running sequence; long outputs stay longer: S + O (1 + cv^2) / 2."""
    output = workload.output
    return workload.prompt.mean_tokens + output.mean_tokens * (1.0 + output.cv**2) / 2.0


@dataclass(frozen=True)
class Layout:
    """How a replica is cut: ranks per stage, pipeline stages, nodes, accelerators on each node, data groups."""

    tensor_parallel: int
    stages: int
    nodes: int
    slots: int
    data: int = 1
    """Groups that each attend to requests of their own, experts spread over all of them."""


def layouts(card: ModelCard, chip: Chip, nodes: int) -> Iterator[Layout]:
    """Cuts over this many nodes: on one, each power of two that divides accelerators and heads; else whole nodes."""
    heads = card.transformer().heads
    ranks = [2**i for i in range(MAX_TENSOR_PARALLEL.bit_length())]
    fitting = [n for n in ranks if chip.per_node % n == 0 and heads % n == 0]
    if nodes == 1:
        yield from (Layout(n, 1, 1, n) for n in fitting)
    else:
        yield Layout(fitting[-1], nodes * chip.per_node // fitting[-1], nodes, chip.per_node)


def data_layouts(card: ModelCard, chip: Chip, engine: str) -> Iterator[Layout]:
    """Mixtures of experts on one node with attention on single ranks: the cache is not copied, nothing is reduced."""
    if card.transformer().experts and engine != LOCAL:
        counts = [2**i for i in range(1, MAX_TENSOR_PARALLEL.bit_length())]
        yield from (Layout(1, 1, 1, count, count) for count in counts if chip.per_node % count == 0)


@dataclass(frozen=True)
class Memory:
    """Bytes per accelerator of one layout, and the tokens whose KV cache the replica (a data group) can hold."""

    weights: float
    activations: float
    reserve: float
    available: float
    kv_bytes_per_token: float

    @property
    def kv(self) -> float:
        """What is left for KV cache; negative when the weights do not fit."""
        return self.available - self.weights - self.activations - self.reserve

    @property
    def kv_tokens(self) -> int:
        """Tokens of a data group."""
        return max(0, int(self.kv / self.kv_bytes_per_token))

    def in_gb(self) -> dict[str, float]:
        """For the plan file, 1 GB = 1e9 bytes."""
        total = self.weights + self.activations + max(self.kv, 0.0) + self.reserve
        parts = {"weights": self.weights, "kv": max(self.kv, 0.0), "activations": self.activations}
        rest = {"reserve": self.reserve, "total": total, "available": self.available}
        return {name: round(value / 1e9, 4) for name, value in {**parts, **rest}.items()}


def memory(engine: Engine, max_batch: int, token_budget: int) -> Memory:
    """Accounting of one accelerator: weights, step activations, logits, the engine's reserve, KV in bf16."""
    shape, ranks, served, drafts = engine.shape, engine.tensor_parallel, engine.served, engine.drafts
    available = engine.chip.memory_bytes
    cache = kv_bytes(shape, served.formats) / (shape.kv_shards(ranks) * engine.stages)
    return Memory(
        weights=weight_bytes(shape, served) + (drafts.weight_bytes if drafts else 0.0),
        activations=activation_bytes(shape.arch, served, token_budget, max_batch) + CONTEXT_BYTES,
        reserve=(1.0 - engine.settings.memory_share) * available,
        available=available,
        kv_bytes_per_token=cache + (drafts.kv_bytes_per_token if drafts else 0.0),
    )


@dataclass(frozen=True)
class Saturation:
    """A replica (a data group) that always has work: requests and seconds per mean step, and what a step holds."""

    batch: int
    requests_per_s: float
    step_s: float
    tokens: float
    decoding: float
    """Sequences that gain a token in a mean step; in `tokens` too."""
    context_tokens: float
    pairs: float


def saturate(engine: Engine, workload: LlmWorkload, batch: int, token_budget: int) -> Saturation:
    """Closed-form throughput of a full batch; see `saturations`."""
    return saturations(engine, workload, [batch], token_budget)[0]


def saturations(engine: Engine, workload: LlmWorkload, sizes: Sequence[int], token_budget: int) -> list[Saturation]:
    """Closed-form throughput of full batches of these sizes.

    A request holds its place for O steps: one ends its prefill and yields the first token, O - 1 decode. So
    batch / O prompts start in a mean step (Poisson about that mean), unless the token budget allows fewer.
    """
    prompt, output = workload.prompt.mean_tokens, max(workload.output.mean_tokens, 1.0)
    batch = np.array(sizes, dtype=float)
    starts = np.minimum(batch / output, token_budget / (prompt + output - 1.0))
    decoding = starts * (output - 1.0)
    base = np.where(decoding >= LEAST, engine.decode_base_s(np.maximum(decoding, LEAST)), 0.0)
    weight, count = poisson(starts)
    room = np.maximum(token_budget - decoding, 1.0)[:, None]
    tokens = count * prompt + 0.0 * room
    mixed = engine.dense_s(np.minimum(tokens, room) + decoding[:, None], batch[:, None])
    mixed = np.maximum(base[:, None], mixed) * np.maximum(tokens / room, 1.0)
    mixed[:, 0] = base
    pairs = starts * prompt**2 * (1.0 + workload.prompt.cv**2) / 2.0
    context = decoding * mean_context_tokens(workload)
    step = (weight * mixed).sum(axis=1) + engine.context_s() * context + engine.pair_s() * pairs
    columns = (starts / step, step, decoding + starts * prompt, decoding, context, pairs)
    return [Saturation(size, *map(float, row)) for size, row in zip(sizes, zip(*columns, strict=True), strict=True)]


def poisson(means: Floats) -> tuple[Floats, Floats]:
    """Probabilities [means, counts] of the counts that matter."""
    most = float(means.max())
    count = np.arange(int(most + 8.0 * math.sqrt(most) + 12.0), dtype=float)
    factorials = np.cumsum(np.log(np.maximum(count, 1.0)))
    return np.exp(count * np.log(means)[:, None] - means[:, None] - factorials), count


def batch_grid(most: int) -> list[int]:
    """Batch sizes to try, about a quarter apart."""
    sizes = {most} | {max(1, round(1.25**i)) for i in range(80)}
    return sorted(size for size in sizes if size <= most)


def best_batch(engine: Engine, workload: LlmWorkload, most: int, token_budget: int) -> Saturation | None:
    """The fastest saturated batch whose mean step stays inside the TPOT level; None when not even batch 1 does."""
    level_s = workload.service_level.tpot_ms / 1e3
    limit_s = level_s * engine.settings.tpot_margin_share
    found = saturations(engine, workload, batch_grid(most), token_budget)
    inside = (s for s in found if s.step_s <= (limit_s if s.batch > 1 else level_s))
    return max(inside, key=lambda s: s.requests_per_s, default=None)


def unloaded_ttft_ps(step: StepTime, prompt_tokens: int, token_budget: int) -> int:
    """Time to first token of a prompt alone on the engine [ps], in chunks of the token budget."""
    done, total = 0, 0
    while done < prompt_tokens:
        chunk = min(token_budget, prompt_tokens - done)
        total += step.step_ps(chunk, chunk * done + chunk * (chunk + 1) // 2, 0, 0)
        done += chunk
    return total


def token_budget(engine: Engine, tpot_ms: float) -> int:
    """Largest prefill chunk whose step takes at most four TPOT levels: longer ones stall the running sequences."""
    times = engine.dense_s(np.array(BUDGETS, dtype=float)) * 1e3
    return next((b for b, ms in zip(BUDGETS, times, strict=True) if ms <= 4.0 * tpot_ms), BUDGETS[-1])


def llm_points(
    workload: LlmWorkload, server: Server, catalog: Catalog, ways: Ways | None = None
) -> Iterator[OperatingPoint | Refusal]:
    """A point per precision and layout that fits and meets the service level unloaded, or why not.

    `ways`: what makes the points of one precision; None: engines that prefill and decode.
    """
    card, chip = catalog.model(workload.model), chip_of(server, catalog)
    if not isinstance(card.arch, TransformerArch):
        raise Refused("kind", f"{card.id} is a {card.arch.type} model, not a language model")
    needed = quantile_tokens(workload.prompt, 0.5) + quantile_tokens(workload.output, 0.5)
    if card.context_tokens is not None and needed > card.context_tokens:
        raise Refused("kind", f"half the requests exceed the {card.context_tokens} tokens of context of {card.id}")
    for precision in precisions(workload.allowed_precisions, card):
        try:
            chip.compute_format(precision)
            yield from (ways or _layout_points)(workload, server, catalog, card, precision)
        except Refused as refused:
            yield refused.refusal


def precisions(allowed: tuple[str, ...], card: ModelCard) -> list[str]:
    """The checkpoint's own format, then the others that the workload allows, widest first."""
    others = sorted(set(allowed) - {card.native_precision}, key=lambda p: (-BITS[p], p))
    return [card.native_precision, *others]


def _layout_points(
    workload: LlmWorkload, server: Server, catalog: Catalog, card: ModelCard, precision: str
) -> Iterator[OperatingPoint | Refusal]:
    """Points on one node; on 2, 4, 8 nodes only when no cut of fewer fits."""
    chip = chip_of(server, catalog)
    for nodes in NODE_COUNTS:
        cuts = [*layouts(card, chip, nodes), *(data_layouts(card, chip, workload.engine) if nodes == 1 else ())]
        made = [_attempt(workload, server, catalog, card, precision, cut) for cut in cuts]
        yield from made
        if any(isinstance(outcome, OperatingPoint) or outcome.rule != "memory" for outcome in made):
            return


def _attempt(
    workload: LlmWorkload, server: Server, catalog: Catalog, card: ModelCard, precision: str, cut: Layout
) -> OperatingPoint | Refusal:
    try:
        return _point(workload, server, catalog, card, precision, cut)
    except Refused as refused:
        return refused.refusal


def _engine(
    workload: LlmWorkload, server: Server, catalog: Catalog, card: ModelCard, precision: str, cut: Layout
) -> Engine:
    if cut.nodes > 1 and server.nic_gb_per_s is None:
        raise Refused("missing-figure", f"{server.id} has no nic_gb_per_s: a replica over {cut.nodes} nodes needs it")
    arch, chip, context = card.transformer(), chip_of(server, catalog), mean_context_tokens(workload)
    settings = EngineSettings(engine=workload.engine, untuned=float(workload.tuning == "default"))
    served = Served(
        chip,
        formats_of(arch, precision),
        Ranks(cut.tensor_parallel, cut.data, cut.stages, cut.nodes),
        nic_bytes_per_s=(server.nic_gb_per_s or 1.0) * 1e9 / chip.per_node,
        engine=serving_file().engine_names.index(settings.engine),
        software_year=settings.software_year,
        untuned=settings.untuned,
    )
    asked = workload.speculation
    drafts = drafts_of(asked, card, context, served, catalog) if asked else None
    return engine_of(Shape(arch, context), served, precision, settings, drafts)


def _name(precision: str, layout: Layout) -> str:
    pipeline = f"-pp{layout.stages}" if layout.stages > 1 else ""
    data = f"-dp{layout.data}" if layout.data > 1 else ""
    return f"{precision}-tp{layout.tensor_parallel}{pipeline}{data}"


def _room(workload: LlmWorkload, engine: Engine, card: ModelCard, budget: int, where: str) -> tuple[Memory, int]:
    """Memory of the layout and the sequences that its KV cache holds on average; refuses what does not fit."""
    room = memory(engine, engine.head_rows, budget)
    longest = quantile_tokens(workload.prompt, LONGEST) + quantile_tokens(workload.output, LONGEST)
    longest = min(longest, card.context_tokens or longest)
    if room.kv_tokens < longest:
        held, least = room.in_gb(), room.kv_bytes_per_token * longest / 1e9
        parts = f"weights {held['weights']:.1f} + activations {held['activations']:.1f} + reserve {held['reserve']:.1f}"
        short = short_of(held["weights"] + held["activations"] + held["reserve"] + least, held["available"])
        why = f"{where}: {parts} + {least:.2f} GB of KV exceed {held['available']:.1f} GB per accelerator: {short}"
        raise Refused("memory", why)
    most = int(KV_FILL_SHARE * room.kv_tokens / mean_context_tokens(workload))
    return room, max(1, min(most, engine.head_rows, budget))


def _point(
    workload: LlmWorkload, server: Server, catalog: Catalog, card: ModelCard, precision: str, cut: Layout
) -> OperatingPoint:
    engine = _engine(workload, server, catalog, card, precision, cut)
    anchor = anchor_of(engine, card, catalog)
    engine = with_anchor(engine, anchor)
    budget = token_budget(engine, workload.service_level.tpot_ms)
    where = f"{card.id} {_name(precision, cut)} on {server.id}"
    room, most = _room(workload, engine, card, budget, where)
    full = _within_level(engine, workload, most, budget, where)
    step = engine.step_time(full.batch, budget)
    latency = _unloaded_ms(workload, step, budget, where)
    block = engine.settings.block_tokens
    limits = EngineLimits(full.batch, budget, room.kv_tokens // block, block)
    longest = min(card.context_tokens or NO_WINDOW, limits.kv_blocks * block)
    read_use = engine.token_bytes(full.tokens, full.context_tokens) / full.step_s / engine.chip.read_bytes_per_s
    peak = engine.chip.flop_per_s(engine.compute_format)
    computed = full.tokens - full.decoding + engine.computed(full.decoding)
    flop_use = engine.step_flop(computed, full.pairs) / full.step_s / peak
    draw = _draw(server, catalog, engine, full, workload.output.mean_tokens)
    usual = serving_file().interval("rate", engine.settings.engine, moe=bool(engine.shape.moe_layers))
    spread = anchor.interval_factor or usual
    return OperatingPoint(
        id=f"{workload.id}@{server.id}/{_name(precision, cut)}-b{full.batch * cut.data}",
        workload=workload.id,
        server=server.id,
        model=card.id,
        engine=engine.settings.name,
        precision=precision,
        slots_per_replica=cut.slots,
        nodes_per_replica=cut.nodes,
        capacity_per_s=full.requests_per_s * cut.data,
        dynamic_kw=draw.mean_kw,
        latency_ms=latency,
        memory_gb=room.in_gb(),
        error_low_factor=1.0 / spread,
        error_high_factor=spread,
        why=_binding(full, most, engine, read_use, flop_use),
        peak_kw=draw.peak_kw,
        service=EngineService(step, limits, longest, cut.data),
        measured=anchor.said,
    )


def _draw(server: Server, catalog: Catalog, engine: Engine, full: Saturation, output_tokens: float) -> Draw:
    """Draw of a saturated replica: uses while it decodes, and the share of the time that prompts add to steps."""
    slots, bf16 = engine.served.ranks.total, engine.chip.flop_per_s("bf16")
    decoding = full.requests_per_s * full.step_s * max(0.0, output_tokens - 1.0)
    if decoding < 1e-6:
        return replica_draw(server, catalog, slots, 0.0, 0.0, prefill_share=1.0)
    base_s = float(engine.decode_base_s(np.array([decoding]))[0]) + engine.context_s() * full.context_tokens
    reads = engine.token_bytes(decoding, full.context_tokens) / base_s / engine.chip.read_bytes_per_s
    flops = engine.step_flop(engine.computed(decoding), 0.0) / base_s / bf16
    prefill = max(0.0, 1.0 - base_s / full.step_s)
    return replica_draw(server, catalog, slots, min(reads, 1.0), min(flops, 1.0), prefill)


def _within_level(engine: Engine, workload: LlmWorkload, most: int, budget: int, where: str) -> Saturation:
    full = best_batch(engine, workload, most, budget)
    if full is None:
        alone = saturate(engine, workload, 1, budget).step_s * 1e3
        level = workload.service_level.tpot_ms
        raise Refused("latency", f"{where}: TPOT {alone:.1f} ms at batch 1 is not within {level:g} ms")
    return full


def _unloaded_ms(workload: LlmWorkload, step: StepTime, budget: int, where: str) -> dict[str, float]:
    """TTFT of the prompt at the stated percentile and TPOT at the mean context, alone on the engine."""
    level = workload.service_level
    prompt = quantile_tokens(workload.prompt, level.percentile)
    ttft = unloaded_ttft_ps(step, prompt, budget) / PS_PER_MS
    if ttft > level.ttft_ms:
        raise Refused("latency", f"{where}: TTFT {ttft:.0f} ms of a {prompt}-token prompt exceeds {level.ttft_ms:g} ms")
    context = round(workload.prompt.mean_tokens + workload.output.mean_tokens / 2.0)
    return {"ttft": ttft, "tpot": step.step_ps(0, 0, 1, context) / PS_PER_MS}


def _binding(full: Saturation, most: int, engine: Engine, read_use: float, flop_use: float) -> str:
    if full.batch < most:
        cap = "TPOT level or token budget"
    else:
        cap = "KV memory" if most < engine.head_rows else "engine batch limit"
    groups = f"attention in {engine.groups} data groups; " if engine.groups > 1 else ""
    uses = f"bandwidth use {read_use:.0%}, FLOP use {flop_use:.0%}"
    rate = f"{full.requests_per_s * engine.groups:.3g} requests/s"
    return f"{groups}batch {full.batch * engine.groups} ({cap}); {uses}; {rate}"
