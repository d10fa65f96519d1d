"""Training gangs: work per token, memory that fixes the smallest gang, work units per hour."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from groundplan.catalog import BITS, Catalog, ModelCard, Server, TransformerArch
from groundplan.perf._chip import Chip, chip_of
from groundplan.perf._power import replica_draw
from groundplan.perf._shape import BYTES
from groundplan.perf._types import OperatingPoint, Refusal, Refused, short_of
from groundplan.spec import FinetuneWorkload, PretrainWorkload

ENGINE = "fsdp2 bf16 default 2026"
COMPUTE_SHARE = 0.40
"""Model FLOP over dense bf16 peak, no recompute: as a constant it is within 24 % (mean) on 550 published dense
pre-training rows and within 18 % on LoRA rows that it was not fitted to; mixtures of experts reach less."""
MOE_FACTOR = 0.6
DENSE_ERROR = (1 / 1.53, 1.53)
"""90 % of dense rows lie within 53 % of one constant per accelerator."""
MOE_ERROR = (1 / 2.45, 2.45)
LORA_OVERHEAD = 1.04
RECOMPUTE_FACTOR = 4.0 / 3.0
"""Full activation recompute adds one forward pass."""
EXPOSED_GATHER_SHARE = 0.42
"""Share of FSDP gather and scatter time that compute does not hide."""
LINK_SHARE = 0.77
MICRO_BATCH_TOKENS = 8192.0
"""Tokens per accelerator between two gathers of the weights: at least one sequence."""
SCALE_EXPONENT = 0.03
"""Speed per accelerator falls as nodes^-0.03 (stragglers, fabric; 48.7 -> 41.2 % from 3,072 to 12,288 GPUs is more)."""
ADAPTER_SHARE = 0.01
"""LoRA parameters over all parameters at usual ranks (assumed)."""
STATE_BYTES = 16.0
"""Bytes per trained parameter: bf16 weight and gradient, fp32 master weight and two Adam moments."""
ACTIVATION_BYTES = 34.0
"""Per token, layer and hidden unit with flash attention and no recompute (arXiv 2205.05198)."""
RESERVE_SHARE = 0.08
READ_USE = 0.30
MAX_NODES = 1024
MOST_GANGS = 3
HOURS_PER_MONTH = 730.0
IN_TIME_SHARE = 0.9
"""A pre-training gang is offered when it finishes in this share of its window: failures and restarts take the rest."""


@dataclass(frozen=True)
class TrainedModel:
    """What training needs of a model: parameters, widths, and the attention work of a token."""

    total_params: float
    active_params: float
    layers: int
    hidden: int
    vocab: int
    attention_width: int
    experts: int
    frozen_bytes: float
    """Bytes per frozen base weight (LoRA on the checkpoint's own format)."""

    def token_flop(self, sequence_tokens: int, *, lora: bool) -> float:
        """FLOP of one token: 6 N (LoRA 4 N: no weight gradients of frozen layers) and causal attention."""
        passes = 2.0 if lora else 3.0
        attention = 2.0 * self.layers * self.attention_width * sequence_tokens
        return passes * (2.0 * self.active_params + attention) * (LORA_OVERHEAD if lora else 1.0)


def trained_model(card: ModelCard) -> TrainedModel:
    """From a transformer card; robot policies by their trunk. Other kinds are refused."""
    frozen = BYTES[card.native_precision] if BITS[card.native_precision] <= 16 else BYTES["bf16"]
    arch, total = card.arch, float(card.weights_params())
    if isinstance(arch, TransformerArch):
        active, width = float(arch.active_params()), arch.heads * arch.head_dim
        return TrainedModel(total, active, arch.layers, arch.hidden, arch.vocab, width, arch.experts, frozen)
    if arch.type == "vla":
        width = arch.vlm.heads * arch.vlm.head_dim
        return TrainedModel(total, total, arch.vlm.layers, arch.vlm.hidden, arch.vocab, width, 0, frozen)
    raise Refused("kind", f"training a {arch.type} model ({card.id}) is not modelled")


@dataclass(frozen=True)
class Gang:
    """Accelerators that train together: slots on each of some nodes."""

    slots: int
    nodes: int

    @property
    def ranks(self) -> int:
        """All accelerators."""
        return self.slots * self.nodes


def training_memory_gb(
    model: TrainedModel, chip: Chip, ranks: int, sequence_tokens: int, *, lora: bool, recompute: bool
) -> dict[str, float]:
    """GB per accelerator, everything sharded over the gang (FSDP): states, one sequence of activations, logits."""
    if lora:
        states = model.total_params * (model.frozen_bytes + ADAPTER_SHARE * STATE_BYTES) / ranks
    else:
        states = model.total_params * STATE_BYTES / ranks
    gathered = 2.0 * BYTES["bf16"] * model.total_params / model.layers if ranks > 1 else 0.0
    kept = 2.0 if recompute else ACTIVATION_BYTES
    layer = sequence_tokens * model.hidden
    activations = layer * (model.layers * kept + (ACTIVATION_BYTES if recompute else 0.0))
    logits = 6.0 * sequence_tokens * model.vocab
    available = chip.memory_bytes
    parts = {"weights": states, "kv": 0.0, "activations": activations + logits + gathered}
    parts |= {"reserve": RESERVE_SHARE * available}
    gb = {name: round(value / 1e9, 4) for name, value in parts.items()}
    return gb | {"total": round(sum(gb.values()), 4), "available": round(available / 1e9, 4)}


def gangs(server: Server, max_nodes: int) -> Iterator[Gang]:
    """Powers of two inside a node that divide it, then whole nodes."""
    count = server.accelerators_count
    inside = [2**i for i in range(count.bit_length()) if count % 2**i == 0 and 2**i < count]
    yield from (Gang(slots, 1) for slots in inside)
    yield from (Gang(count, 2**i) for i in range(max_nodes.bit_length()) if 2**i <= max_nodes)


def training_points(
    workload: FinetuneWorkload | PretrainWorkload, server: Server, catalog: Catalog
) -> Iterator[OperatingPoint | Refusal]:
    """A point per gang, at most three. Fine-tuning: the smallest that fits, a node, two nodes.

    Pre-training is one job: whole nodes, the smallest gangs that finish inside their window, each twice the last.
    """
    card, chip = catalog.model(workload.model), chip_of(server, catalog)
    model = trained_model(card)
    scales_out = server.nic_gb_per_s is not None and chip.row.market != "edge"
    most = MAX_NODES if scales_out else 1
    fitting = [(gang, fit) for gang in gangs(server, most) if (fit := _fit(workload, model, chip, gang)) is not None]
    if not fitting:
        largest = Gang(server.accelerators_count, most)
        raise Refused("memory", _too_big(workload, model, chip, largest))
    made = (_point(workload, server, catalog, model, gang, *fit) for gang, fit in _useful(workload, server, fitting))
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


Fit = tuple[dict[str, float], bool]


def _useful(
    workload: FinetuneWorkload | PretrainWorkload, server: Server, fitting: list[tuple[Gang, Fit]]
) -> list[tuple[Gang, Fit]]:
    whole = [(gang, fit) for gang, fit in fitting if gang.slots == server.accelerators_count]
    if isinstance(workload, PretrainWorkload):
        return whole
    small = fitting[0]
    return [small, *(entry for entry in whole if entry[0] != small[0] and entry[0].nodes <= 2 * small[0].nodes)][:3]


def _window_hours(workload: PretrainWorkload) -> float:
    """The longest of the windows, in hours."""
    months = [_month_index(once.due_month) - _month_index(once.start_month) for once in workload.demand]
    return max(months) * HOURS_PER_MONTH


def _month_index(month: object) -> int:
    year, number = str(month).split("-")[:2]
    return 12 * int(year) + int(number)


def _finishes(workload: PretrainWorkload, point: OperatingPoint) -> bool:
    return point.capacity_per_s * _window_hours(workload) * IN_TIME_SHARE >= workload.train_tokens


def _fit(workload: FinetuneWorkload | PretrainWorkload, model: TrainedModel, chip: Chip, gang: Gang) -> Fit | None:
    """Memory and whether activations are computed again; without recompute when it fits."""
    for recompute in (False, True):
        gb = _gang_memory(workload, model, chip, gang, recompute=recompute)
        if gb["total"] <= gb["available"]:
            return gb, recompute
    return None


def _gang_memory(
    workload: FinetuneWorkload | PretrainWorkload, model: TrainedModel, chip: Chip, gang: Gang, *, recompute: bool
) -> dict[str, float]:
    length, lora = workload.sequence_tokens, _is_lora(workload)
    return training_memory_gb(model, chip, gang.ranks, length, lora=lora, recompute=recompute)


def _too_big(workload: FinetuneWorkload | PretrainWorkload, model: TrainedModel, chip: Chip, gang: Gang) -> str:
    gb = _gang_memory(workload, model, chip, gang, recompute=True)
    need, have = gb["total"], gb["available"]
    what = f"{workload.model} needs {need:.1f} GB on each of {gang.ranks} {chip.id}, which have {have:.1f} GB"
    return f"{what}: {short_of(need, have)}"


def _is_lora(workload: FinetuneWorkload | PretrainWorkload) -> bool:
    return isinstance(workload, FinetuneWorkload) and workload.method == "lora"


def tokens_per_s(
    workload: FinetuneWorkload | PretrainWorkload,
    model: TrainedModel,
    chip: Chip,
    server: Server,
    gang: Gang,
    *,
    recompute: bool,
) -> float:
    """Tokens per second of a gang: compute at a share of peak, exposed weight traffic, loss with scale."""
    flop = model.token_flop(workload.sequence_tokens, lora=_is_lora(workload))
    share = COMPUTE_SHARE * (MOE_FACTOR if model.experts else 1.0)
    compute_s = flop * (RECOMPUTE_FACTOR if recompute else 1.0) / (share * chip.flop_per_s("bf16"))
    passes = 2.0 if _is_lora(workload) else 3.0
    token_s = compute_s + _gather_s(model, chip, server, gang, passes) / max(
        MICRO_BATCH_TOKENS, workload.sequence_tokens
    )
    return gang.ranks / token_s / gang.nodes**SCALE_EXPONENT


def _gather_s(model: TrainedModel, chip: Chip, server: Server, gang: Gang, passes: float) -> float:
    """Exposed seconds of gathering (and scattering) all weights once per pass."""
    if gang.ranks == 1:
        return 0.0
    link = chip.link_bytes_per_s(gang.slots) if gang.slots > 1 else math.inf
    if gang.nodes > 1:
        if server.nic_gb_per_s is None:
            raise Refused("missing-figure", f"{server.id} has no nic_gb_per_s: a gang of {gang.nodes} nodes needs it")
        link = min(link, server.nic_gb_per_s * 1e9)
    moved = passes * BYTES["bf16"] * model.total_params * (gang.ranks - 1) / gang.ranks
    return EXPOSED_GATHER_SHARE * moved / (LINK_SHARE * link)


def _point(
    workload: FinetuneWorkload | PretrainWorkload,
    server: Server,
    catalog: Catalog,
    model: TrainedModel,
    gang: Gang,
    memory_gb: dict[str, float],
    recompute: bool,
) -> OperatingPoint:
    chip = chip_of(server, catalog)
    rate = tokens_per_s(workload, model, chip, server, gang, recompute=recompute)
    per_unit = workload.tokens_per_run if isinstance(workload, FinetuneWorkload) else 1.0
    flop = model.token_flop(workload.sequence_tokens, lora=_is_lora(workload))
    use = rate * flop * (RECOMPUTE_FACTOR if recompute else 1.0) / gang.ranks / chip.flop_per_s("bf16")
    draw = replica_draw(server, catalog, gang.ranks, READ_USE, use)
    low, high = MOE_ERROR if model.experts else DENSE_ERROR
    name = f"x{gang.slots}" if gang.nodes == 1 else f"x{gang.slots}-n{gang.nodes}"
    method = workload.method if isinstance(workload, FinetuneWorkload) else "pretrain"
    how = "activations recomputed" if recompute else "no recompute"
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
        memory_gb=memory_gb,
        error_low_factor=low,
        error_high_factor=high,
        why=f"{rate:.4g} tokens/s, FLOP use {use:.0%}, {how}",
        peak_kw=draw.peak_kw,
    )
