"""What one step of a serving engine reads, multiplies and sends: counted from shape, format and layout alone.

Nothing here is fitted. `_steps` turns these counts into seconds with the constants of `_constants`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from groundplan.catalog import TransformerArch
from groundplan.perf._chip import Chip
from groundplan.perf._shape import BYTES, Floats, Formats, Shape

FORMATS = ("fp32", "bf16", "fp8", "int8", "fp4")
"""Formats of multiplication; the index of a format is its place here."""
WATTS_PER_TFLOP = 0.7


@dataclass(frozen=True, slots=True)
class Ranks:
    """How a replica is cut: attention over `tensor` ranks in each of `data` groups, layers over `stages`."""

    tensor: int = 1
    data: int = 1
    stages: int = 1
    nodes: int = 1

    @property
    def per_stage(self) -> int:
        """Accelerators that hold the same layers."""
        return self.tensor * self.data

    @property
    def total(self) -> int:
        """Accelerators of the replica."""
        return self.per_stage * self.stages


@dataclass(frozen=True, slots=True)
class Terms:
    """Counts of one rank and step over all layers; floats, or arrays over deployments. Bytes, FLOP, per second."""

    engine: Floats
    """Index of the engine profile's host times in the constants."""
    software_year: Floats
    untuned: Floats
    """0 = tuned, 1 = defaults, 0.5 = nobody says, -1 = a race: every setting searched for one load."""
    tensor: Floats
    data: Floats
    stages: Floats
    per_stage: Floats
    power_ratio: Floats
    """Watts of the limit per TFLOP/s of bf16 peak over 0.7, at most 1: below it, large GEMMs run at lower clocks."""
    read_rate: Floats
    bf16_rate: Floats
    attention_read: Floats
    attention_flop: Floats
    attention_rate: Floats
    attention_format: Floats
    dense_read: Floats
    dense_flop: Floats
    dense_rate: Floats
    dense_format: Floats
    experts: Floats
    experts_active: Floats
    expert_read: Floats
    """Bytes of one routed expert on one rank, if all ranks share each expert alike."""
    expert_flop: Floats
    """FLOP of one token in its experts on one rank."""
    expert_rate: Floats
    expert_format: Floats
    head_read: Floats
    head_flop: Floats
    head_rate: Floats
    kv_read: Floats
    """Bytes per cached token of layers that see all of it."""
    window_read: Floats
    """Bytes per cached token of layers that see a window."""
    window: Floats
    latent_flop: Floats
    pair_flop: Floats
    window_flop: Floats
    """FLOP per query-key pair inside the windows."""
    state_bytes: Floats
    """Recurrent state of one sequence (Mamba, linear attention), read and written each step."""
    hidden_bytes: Floats
    """Hidden states of one token over all layers, 16 bit."""
    layers: Floats
    moe_layers: Floats
    state_layers: Floats
    sparse_layers: Floats
    reduce_steps: Floats
    """All-reduces of a step; 0 on one rank."""
    reduce_doublings: Floats
    """Doublings of the ranks beyond two."""
    reduce_bytes: Floats
    """Bytes that one rank sends per token of its own batch for all-reduces."""
    exchange_steps: Floats
    """The same for the dispatch and combine of experts between data groups."""
    exchange_doublings: Floats
    exchange_bytes: Floats
    link_rate: Floats
    slow_link: Floats
    """0 = scale-up link, 1 = PCIe or network."""
    kv_tokens: Floats
    """Tokens of context whose cache the replica holds; below 0: the weights alone do not fit."""

    @classmethod
    def stack(cls, parts: Sequence[Self]) -> Self:
        """Arrays over deployments."""
        return cls(*(np.array([getattr(p, f.name) for p in parts], dtype=float) for f in fields(cls)))

    def take(self, index: np.ndarray) -> Self:
        """The deployments at these places (indices, or a mask)."""
        return type(self)(*(np.asarray(getattr(self, f.name))[index] for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Served:
    """An engine on parts: all that a deployment states beside the model."""

    chip: Chip
    formats: Formats
    ranks: Ranks
    nic_bytes_per_s: float = 50e9
    """Per rank, between nodes; used only where a stage spans several."""
    engine: int = 0
    software_year: float = 2026.0
    untuned: float = 0.5


def terms(arch: TransformerArch, mean_context: float, served: Served, kv_tokens: float) -> Terms:
    """Count one deployment. Raises Refused where the part lacks a figure or a format."""
    shape, ranks = Shape(arch, mean_context), served.ranks
    return Terms(
        engine=_f(served.engine),
        software_year=_f(served.software_year),
        untuned=_f(served.untuned),
        tensor=_f(ranks.tensor),
        data=_f(ranks.data),
        stages=_f(ranks.stages),
        per_stage=_f(ranks.per_stage),
        power_ratio=_f(power_ratio(served.chip)),
        read_rate=_f(served.chip.read_bytes_per_s),
        bf16_rate=_f(served.chip.flop_per_s(served.chip.compute_format("bf16"))),
        **_gemms(shape, served),
        **_attention(shape, served),
        **_traffic(shape, served),
        layers=_f(arch.layers),
        moe_layers=_f(shape.moe_layers),
        kv_tokens=_f(kv_tokens),
    )


def power_ratio(chip: Chip) -> float:
    """Watts per TFLOP/s of bf16 over what an H100 SXM has (0.7), at most 1; 1 where the limit is not stated."""
    watts, peak = chip.row.tdp_w, chip.flop_per_s(chip.compute_format("bf16")) / 1e12
    return min(1.0, watts / peak / WATTS_PER_TFLOP) if watts else 1.0


def _f(value: float) -> Floats:
    return np.asarray(value, dtype=float)


def _gemms(shape: Shape, served: Served) -> dict[str, Floats]:
    """Weights over the ranks of a stage; layers of a pipeline are passed one stage after another."""
    made: dict[str, Floats] = {}
    ranks, formats, arch = served.ranks, served.formats, shape.arch
    for name, params, fmt, cut in (
        ("attention", shape.attention_params, formats.attention, ranks.tensor),
        ("dense", shape.dense_ffn_params, formats.dense, ranks.per_stage),
        ("expert", shape.expert_params, formats.experts, ranks.per_stage),
        ("head", shape.head_params, formats.head, ranks.per_stage),
    ):
        compute = served.chip.compute_format(fmt)
        per_token = params * (arch.experts_active if name == "expert" else 1)
        made[f"{name}_read"] = _f(params * BYTES[fmt] / cut)
        made[f"{name}_flop"] = _f(2.0 * per_token / cut)
        made[f"{name}_rate"] = _f(served.chip.flop_per_s(compute))
        if name != "head":
            made[f"{name}_format"] = _f(FORMATS.index(compute))
    return made | {"experts": _f(arch.experts), "experts_active": _f(arch.experts_active)}


def _attention(shape: Shape, served: Served) -> dict[str, Floats]:
    tensor = served.ranks.tensor
    far, near = shape.full_layers - shape.sparse_layers, shape.window_layers + shape.sparse_layers
    kv = shape.kv_width * BYTES[served.formats.kv] / shape.kv_shards(tensor)
    return {
        "kv_read": _f(far * kv + shape.index_bytes),
        "window_read": _f(near * kv),
        "window": _f(shape.seen_tokens),
        "latent_flop": _f(far * shape.latent_flop / tensor),
        "pair_flop": _f(far * shape.pair_flop / tensor),
        "window_flop": _f(near * shape.pair_flop / tensor),
        "state_bytes": _f(shape.state_bytes / tensor),
        "state_layers": _f(shape.state_layers),
        "sparse_layers": _f(shape.sparse_layers),
    }


def _traffic(shape: Shape, served: Served) -> dict[str, Floats]:
    """An all-reduce a block over the tensor ranks; between data groups, tokens travel to experts and back."""
    ranks, arch = served.ranks, shape.arch
    near, width = served.chip.scaleup(ranks.per_stage), arch.hidden * 2.0
    inside = ranks.nodes == 1 or near
    linked = ranks.per_stage > 1 and inside
    link = served.chip.link_bytes_per_s(ranks.per_stage) if linked else served.nic_bytes_per_s
    moe = shape.moe_layers if ranks.data > 1 else 0
    sent = min(arch.experts_active, ranks.per_stage) * arch.hidden * 4.0  # 16 bit, there and back
    return {
        "hidden_bytes": _f(width * arch.layers),
        "reduce_steps": _f(arch.block_count if ranks.tensor > 1 else 0.0),
        "reduce_doublings": _f(np.log2(max(ranks.tensor, 2)) - 1.0),
        "reduce_bytes": _f(arch.block_count * 2.0 * (ranks.tensor - 1) / ranks.tensor * width),
        "exchange_steps": _f(2 * moe),
        "exchange_doublings": _f(np.log2(max(ranks.per_stage, 2)) - 1.0),
        "exchange_bytes": _f(moe * sent * (ranks.per_stage - 1) / ranks.per_stage / ranks.tensor),
        "link_rate": _f(link),
        "slow_link": _f(0.0 if near or ranks.per_stage == 1 else 1.0),
    }
