"""Training gangs: slots of some nodes under the training model, memory that fixes the smallest, work units per hour."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from groundplan.catalog import BITS, Catalog, ModelCard, Server, TransformerArch, VlaArch
from groundplan.perf._chip import Chip, chip_of
from groundplan.perf._power import replica_draw
from groundplan.perf._shape import BYTES
from groundplan.perf._train_memory import Memory, memory_recipe, training_memory
from groundplan.perf._train_profile import PartFacts, Recipe, TrainPart, part_facts, part_of, shipped_profile, terms_of
from groundplan.perf._train_search import one_of
from groundplan.perf._train_shape import Floats, TrainShape, forward_flop, shape_of, total_params
from groundplan.perf._train_step import Layout, step_time
from groundplan.perf._types import OperatingPoint, Refusal, Refused, short_of
from groundplan.spec import FinetuneWorkload, PretrainWorkload

STACK = "fsdp2-2026"
ENGINE = "fsdp2 bf16 default 2026"
STEP_TOKENS: Mapping[str, float] = {"pretrain": 2.0**20, "finetune": 2.0**17}
"""Tokens between two updates, at least one micro-batch on every accelerator."""
MICRO_BATCHES = (1, 2, 4, 8)
UNITS_UNKNOWN = 100.0
ONE_RANK_RESERVE_BYTES = 1e9
"""A process alone holds no communication buffers."""
READ_USE = 0.30
CAMERAS = 2.0
"""Of a training sample of a robot policy (assumed)."""
MAX_NODES = 1024
MOST_GANGS = 3
HOURS_PER_MONTH = 730.0
IN_TIME_SHARE = 0.9
"""A pre-training gang is offered when it finishes in this share of its window: failures and restarts take the rest."""
Work = FinetuneWorkload | PretrainWorkload


@dataclass(frozen=True)
class TrainedModel:
    """What training needs of a model: its shape, and how its checkpoint is kept under adapters."""

    shape: TrainShape
    work: TrainShape
    """The same with what is computed for a token: image towers of policies see more patches than the trunk tokens."""
    frozen_bytes: float
    """Bytes per frozen base weight (LoRA on the checkpoint's own format)."""

    def token_flop(self, sequence_tokens: int, *, lora: bool) -> float:
        """FLOP of one token: forward, data gradients and, without adapters, weight gradients."""
        return (2.0 if lora else 3.0) * float(forward_flop(self.work, sequence_tokens))


def trained_model(card: ModelCard) -> TrainedModel:
    """From a transformer card; robot policies by their trunk. Other kinds are refused."""
    frozen = BYTES[card.native_precision] if BITS[card.native_precision] <= 16 else BYTES["bf16"]
    arch = card.arch
    if isinstance(arch, TransformerArch):
        return TrainedModel(shape_of(arch), shape_of(arch), frozen)
    if isinstance(arch, VlaArch):
        params = float(card.weights_params())
        return TrainedModel(_trunk(arch, params), _trunk(arch, params + _more_patches(arch)), frozen)
    raise Refused("kind", f"training a {arch.type} model ({card.id}) is not modelled")


def _trunk(arch: VlaArch, params: float) -> TrainShape:
    """The language trunk of a robot policy, its feed-forward width raised to these parameters."""
    trunk = arch.vlm
    inputs = 2.0 if trunk.gated else 1.0
    shape = TrainShape(
        layers=trunk.layers, hidden=trunk.hidden, attention_blocks=trunk.layers, dense_blocks=trunk.layers,
        heads=trunk.heads, kv_heads=trunk.kv_heads, head_dim=trunk.head_dim, ffn=trunk.ffn, ffn_inputs=inputs,
        vocab=arch.vocab, tied=float(arch.tied_embeddings),
    )  # fmt: skip
    missing = max(params - float(total_params(shape)), 0.0)
    return replace(shape, ffn=trunk.ffn + missing / (trunk.layers * (inputs + 1.0) * trunk.hidden))


def _more_patches(arch: VlaArch) -> float:
    """Parameters that a token of a sample meets beyond once each, since towers see patches before a projector joins
    them; of the tokens of a sample with CAMERAS."""
    patches = (arch.vision_tokens_per_camera or arch.tokens_per_camera) / arch.tokens_per_camera
    images = CAMERAS * arch.tokens_per_camera
    share = images / (images + arch.text_tokens)
    return share * (patches - 1.0) * sum(tower.weights_params() for tower in arch.vision)


@dataclass(frozen=True)
class Gang:
    """Accelerators that train together: slots on each of some nodes."""

    slots: int
    nodes: int

    @property
    def ranks(self) -> int:
        """All accelerators."""
        return self.slots * self.nodes


def part_at(server: Server, chip: Chip) -> TrainPart:
    """The accelerator in this server; a part without a line of its own is taken as one of no known family."""
    row, count = chip.row, server.accelerators_count
    known = part_facts(shipped_profile(), row.id) or PartFacts("other", UNITS_UNKNOWN, count, 0.0)
    nic = (server.nic_gb_per_s or 0.0) / count
    part = part_of(row, replace(known, per_node=count, nic_gb_per_s=nic), row.tdp_w or math.inf)
    if count > 1 and not chip.scaleup(count):
        part = replace(part, scaleup_bytes_per_s=chip.link_bytes_per_s(count), scaleup_domain=float(count))
    return replace(part, memory_bytes=chip.memory_bytes)


@dataclass(frozen=True)
class GangFit:
    """The fastest layout of a gang that fits: rate of all its accelerators, memory of one."""

    gang: Gang
    tokens_per_s: float
    recompute: bool
    memory_gb: dict[str, float]

    @property
    def fits(self) -> bool:
        """Whether the peak with its margin is within the memory."""
        return self.memory_gb["total"] <= self.memory_gb["available"]


def gang_layouts(work: Work, model: TrainedModel, gangs: Sequence[Gang]) -> tuple[Layout, list[int]]:
    """Ways to run each gang, weights sharded over all of it; and the place of the gang of each way."""
    length = float(work.sequence_tokens)
    rows: list[tuple[float, ...]] = []
    owner: list[int] = []
    for place, gang in enumerate(gangs):
        for micro, again, ep in product(MICRO_BATCHES, (0.0, 2.0), _expert_cuts(model, gang)):
            each = gang.ranks * micro
            batch = each * max(1, round(STEP_TOKENS[work.kind] / length / each))
            rows.append((micro, batch, gang.ranks, again, ep, float(gang.ranks > 1)))
            owner.append(place)
    columns = np.array(rows, dtype=float).T
    named = dict(zip(("micro_batch", "global_batch", "dp", "recompute", "ep", "sharded"), columns, strict=True))
    return Layout(sequence_tokens=length, adapters=float(_is_lora(work)), **named), owner


def _expert_cuts(model: TrainedModel, gang: Gang) -> tuple[int, ...]:
    experts, slots = int(model.shape.experts), gang.slots
    return (1, slots) if experts and slots > 1 and experts % slots == 0 else (1,)


def fits_of(work: Work, model: TrainedModel, server: Server, chip: Chip, gangs: Sequence[Gang]) -> list[GangFit]:
    """For each gang the fastest way that fits; the leanest where none does."""
    part = part_at(server, chip)
    layouts, owner = gang_layouts(work, model, gangs)
    used = _memory(work, model, layouts)
    profile = shipped_profile()
    terms = terms_of(Recipe(part, "bf16", STACK), profile)
    seconds = step_time(model.work, layouts, terms).total
    rate = np.asarray(layouts.global_batch) * work.sequence_tokens / seconds
    return [
        _best(gang, np.flatnonzero(np.array(owner) == place), layouts, used, rate, part)
        for place, gang in enumerate(gangs)
    ]


def _memory(work: Work, model: TrainedModel, layouts: Layout) -> Memory:
    profile = shipped_profile()
    recipe = memory_recipe(profile.stack(STACK), profile)
    alone = np.asarray(layouts.dp) < 1.5
    reserve = np.where(alone, ONE_RANK_RESERVE_BYTES, recipe.reserve_bytes)
    return training_memory(
        model.shape, layouts, replace(recipe, frozen_bytes=model.frozen_bytes, reserve_bytes=reserve)
    )


def _best(gang: Gang, ways: np.ndarray, layouts: Layout, used: Memory, rate: Floats, part: TrainPart) -> GangFit:
    margin = shipped_profile().intervals["fits"]
    fitting = ways[used.total[ways] * margin <= part.memory_bytes]
    best = int(fitting[np.argmax(rate[fitting])]) if len(fitting) else int(ways[np.argmin(used.total[ways])])
    table = _memory_gb(used, best, margin, part.memory_bytes)
    return GangFit(gang, float(rate[best]), float(one_of(layouts, best).recompute) > 1.5, table)


def _memory_gb(used: Memory, index: int, margin: float, available: float) -> dict[str, float]:
    """GB per accelerator; the reserve holds the margin that keeps a job from running out."""
    total, reserve = float(used.total[index]), float(used.reserve[index])
    weights = float(used.weights[index] + used.gradients[index] + used.states[index])
    parts = {"weights": weights, "kv": 0.0, "activations": total - reserve - weights}
    parts["reserve"] = reserve + (margin - 1.0) * total
    gb = {name: round(value / 1e9, 4) for name, value in parts.items()}
    return gb | {"total": round(sum(gb.values()), 4), "available": round(available / 1e9, 4)}


def gangs(server: Server, max_nodes: int) -> Iterator[Gang]:
    """Powers of two inside a node that divide it, then whole nodes."""
    count = server.accelerators_count
    inside = [2**i for i in range(count.bit_length()) if count % 2**i == 0 and 2**i < count]
    yield from (Gang(slots, 1) for slots in inside)
    yield from (Gang(count, 2**i) for i in range(max_nodes.bit_length()) if 2**i <= max_nodes)


def training_points(workload: Work, server: Server, catalog: Catalog) -> Iterator[OperatingPoint | Refusal]:
    """A point per gang, at most three. Fine-tuning: the smallest that fits, a node, two nodes.

    Pre-training is one job: whole nodes, the smallest gangs that finish inside their window, each twice the last.
    """
    card, chip = catalog.model(workload.model), chip_of(server, catalog)
    model = trained_model(card)
    scales_out = server.nic_gb_per_s is not None and chip.row.market != "edge"
    most = MAX_NODES if scales_out else 1
    every = fits_of(workload, model, server, chip, tuple(gangs(server, most)))
    fitting = [fit for fit in every if fit.fits]
    if not fitting:
        raise Refused("memory", _too_big(workload, chip, every[-1]))
    made = (_point(workload, server, catalog, model, fit) for fit in _useful(workload, server, fitting))
    if isinstance(workload, FinetuneWorkload):
        yield from made
        return
    points = list(made)
    in_time = [point for point in points if _finishes(workload, point)]
    if not in_time:
        hours, best = _window_hours(workload), points[-1]
        need = workload.train_tokens / best.capacity_per_s
        why = f"{best.id} needs {need:.0f} h for {workload.train_tokens:.3g} tokens, the window has {hours:.0f} h"
        raise Refused("latency", why)
    yield from in_time[:MOST_GANGS]


def _useful(workload: Work, server: Server, fitting: list[GangFit]) -> list[GangFit]:
    whole = [fit for fit in fitting if fit.gang.slots == server.accelerators_count]
    if isinstance(workload, PretrainWorkload):
        return whole
    small = fitting[0]
    more = (fit for fit in whole if fit.gang != small.gang and fit.gang.nodes <= 2 * small.gang.nodes)
    return [small, *more][:MOST_GANGS]


def _window_hours(workload: PretrainWorkload) -> float:
    """The longest of the windows, in hours."""
    months = [_month_index(once.due_month) - _month_index(once.start_month) for once in workload.demand]
    return max(months) * HOURS_PER_MONTH


def _month_index(month: object) -> int:
    year, number = str(month).split("-")[:2]
    return 12 * int(year) + int(number)


def _finishes(workload: PretrainWorkload, point: OperatingPoint) -> bool:
    return point.capacity_per_s * _window_hours(workload) * IN_TIME_SHARE >= workload.train_tokens


def _too_big(workload: Work, chip: Chip, largest: GangFit) -> str:
    need, have = largest.memory_gb["total"], largest.memory_gb["available"]
    ranks = largest.gang.ranks
    what = f"{workload.model} needs {need:.1f} GB on each of {ranks} {chip.id}, which have {have:.1f} GB"
    return f"{what}: {short_of(need, have)}"


def _is_lora(workload: Work) -> bool:
    return isinstance(workload, FinetuneWorkload) and workload.method == "lora"


def _interval(workload: Work, model: TrainedModel, part_id: str) -> float:
    """Factor of the interval: by kind of job where rows measure the family of the part, else the widest."""
    profile = shipped_profile()
    if part_facts(profile, part_id) is None:
        return profile.intervals["other"]
    tuned = isinstance(workload, FinetuneWorkload)
    kind = "moe" if float(model.shape.moe_blocks) > 0 else "tuning" if tuned else "dense"
    return profile.interval_factor(kind, assumed=True)


def _point(workload: Work, server: Server, catalog: Catalog, model: TrainedModel, fit: GangFit) -> OperatingPoint:
    chip, gang, rate = chip_of(server, catalog), fit.gang, fit.tokens_per_s
    per_unit = workload.tokens_per_run if isinstance(workload, FinetuneWorkload) else 1.0
    flop = model.token_flop(workload.sequence_tokens, lora=_is_lora(workload))
    again = float(forward_flop(model.work, workload.sequence_tokens)) if fit.recompute else 0.0
    use = rate * (flop + again) / gang.ranks / chip.flop_per_s("bf16")
    draw = replica_draw(server, catalog, gang.ranks, READ_USE, use)
    factor = _interval(workload, model, chip.id)
    name = f"x{gang.slots}" if gang.nodes == 1 else f"x{gang.slots}-n{gang.nodes}"
    method = workload.method if isinstance(workload, FinetuneWorkload) else "pretrain"
    how = "activations recomputed" if fit.recompute else "no recompute"
    return OperatingPoint(
        id=f"{workload.id}@{server.id}/{method}-{name}",
        workload=workload.id,
        server=server.id,
        model=catalog.model(workload.model).id,
        engine=ENGINE,
        precision="bf16",
        slots_per_replica=gang.slots,
        nodes_per_replica=gang.nodes,
        capacity_per_s=rate * 3600.0 / per_unit,
        dynamic_kw=draw.mean_kw,
        latency_ms={},
        memory_gb=fit.memory_gb,
        error_low_factor=1.0 / factor,
        error_high_factor=factor,
        why=f"{rate:.4g} tokens/s, FLOP use {use:.0%}, {how}",
        peak_kw=draw.peak_kw,
    )
