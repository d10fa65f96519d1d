"""A model as training sees it: columns of widths and layer counts, its matrix products, its FLOP per token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from groundplan.catalog import TransformerArch

Floats = NDArray[np.float64]
Column = Floats | float
"""One value for all configurations, or one for each: shape () or (n,)."""
Mask = NDArray[np.bool_]

D = TypeVar("D")


def stacked(rows: Sequence[D]) -> D:
    """Dataclasses of plain numbers as one dataclass of columns (n,)."""
    kind = type(rows[0])
    columns = {f.name: np.array([getattr(row, f.name) for row in rows], dtype=float) for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**columns)


def gathered(rows: D, index: NDArray[np.intp]) -> D:
    """Columns picked by position; what is one value for all stays so."""
    picked = {}
    for f in fields(rows):  # type: ignore[arg-type]
        value = getattr(rows, f.name)
        picked[f.name] = value[index] if np.ndim(value) else value
    return type(rows)(**picked)


@dataclass(frozen=True)
class TrainShape:
    """Decoder of attention, feed-forward, expert and Mamba blocks. A standard layer holds one attention block and
    one feed-forward (dense or expert) block; a hybrid names its blocks one by one."""

    layers: Column
    """Pipeline units: what is dealt out to stages."""
    hidden: Column
    attention_blocks: Column
    dense_blocks: Column
    heads: Column
    kv_heads: Column
    head_dim: Column
    ffn: Column
    ffn_inputs: Column
    """Input matrices of a feed-forward block: 2 gated, 1 plain."""
    vocab: Column
    tied: Column = 0.0
    moe_blocks: Column = 0.0
    experts: Column = 0.0
    top_k: Column = 0.0
    moe_ffn: Column = 0.0
    shared_ffn: Column = 0.0
    """Width of all shared experts together."""
    q_rank: Column = 0.0
    kv_rank: Column = 0.0
    """Above 0 = multi-head latent attention, and the next three widths count."""
    rope_dim: Column = 0.0
    nope_dim: Column = 0.0
    v_dim: Column = 0.0
    window_tokens: Column = 0.0
    window_blocks: Column = 0.0
    """Attention blocks that see `window_tokens` only."""
    gate_heads: Column = 0.0
    """Heads of a projection that gates what attention returns."""
    moe_latent: Column = 0.0
    """Width that routed experts work in, between two projections; 0 = hidden."""
    state_blocks: Column = 0.0
    """Recurrent blocks: Mamba-2, gated delta rule, lightning attention."""
    state_width_in: Column = 0.0
    state_inner: Column = 0.0
    state_dim: Column = 0.0
    mtp_layers: Column = 0.0
    """Layers of multi-token prediction, each with a projection and another pass through the head."""

    @property
    def latent(self) -> Floats:
        """1 where attention is latent (MLA)."""
        return np.where(np.asarray(self.kv_rank) > 0, 1.0, 0.0)

    @property
    def score_widths(self) -> Floats:
        """Width of keys plus width of values, one head."""
        return np.where(self.latent > 0, self.nope_dim + self.rope_dim + self.v_dim, 2.0 * np.asarray(self.head_dim))

    @property
    def heads_of_output(self) -> Floats:
        """Passes through the output table."""
        return 1.0 + np.asarray(self.mtp_layers)


@dataclass(frozen=True)
class Products:
    """Matrix products of one token batch, slots x configurations: reduction width, output width, blocks, share."""

    reduce: Floats
    width: Floats
    blocks: Floats
    grouped: Floats
    """1 for products of routed experts: `blocks` counts them, rows are tokens x top_k."""


def _latent_products(s: TrainShape) -> list[tuple[Column, Column]]:
    """Query down and up, keys and values down and up; zero widths without latent attention."""
    on, query = s.latent, np.asarray(s.heads) * (s.nope_dim + np.asarray(s.rope_dim))
    low = np.where(np.asarray(s.q_rank) > 0, s.q_rank, s.hidden)
    return [
        (s.hidden * on, np.asarray(s.q_rank) * on),
        (low * on, query * on),
        (s.hidden * on, (np.asarray(s.kv_rank) + s.rope_dim) * on),
        (np.asarray(s.kv_rank) * on, s.heads * (np.asarray(s.nope_dim) + s.v_dim) * on),
    ]


COLUMN, ROW, WHOLE = 0, 1, 2
"""How tensor parallelism cuts a product: output width, reduction width, not at all."""
_SPLITS = (
    WHOLE, COLUMN, WHOLE, COLUMN, COLUMN, ROW, COLUMN, ROW, COLUMN, ROW, WHOLE, WHOLE, WHOLE, WHOLE, COLUMN, ROW,
)  # fmt: skip
_GROUPED = (10, 11)


def products(s: TrainShape, tensor_parallel: Column = 1.0) -> Products:
    """Local products of each kind of block after tensor parallelism: the slots that any configuration uses."""
    gqa, heads = 1.0 - s.latent, np.asarray(s.heads)
    v_width = np.where(s.latent > 0, s.v_dim, s.head_dim)
    gated, latent = np.asarray(s.ffn_inputs), np.asarray(s.moe_latent)
    width = np.where(latent > 0, latent, s.hidden)
    pairs = [
        *_latent_products(s),
        (s.hidden * gqa, (heads + s.gate_heads + 2.0 * np.asarray(s.kv_heads)) * s.head_dim * gqa),
        (heads * v_width, s.hidden),
        (s.hidden, gated * s.ffn), (s.ffn, s.hidden),
        (s.hidden, gated * s.shared_ffn), (s.shared_ffn, s.hidden),
        (width, gated * s.moe_ffn), (s.moe_ffn, width),
        (s.hidden, latent), (latent, s.hidden),
        (s.hidden, s.state_width_in), (s.state_inner, s.hidden),
    ]  # fmt: skip
    attention = np.asarray(s.attention_blocks) + s.mtp_layers
    moe = np.asarray(s.moe_blocks) + np.where(np.asarray(s.moe_blocks) > 0, s.mtp_layers, 0.0)
    dense = np.asarray(s.dense_blocks) + np.where(np.asarray(s.moe_blocks) > 0, 0.0, s.mtp_layers)
    counts = [attention] * 6 + [dense] * 2 + [moe] * 6 + [np.asarray(s.state_blocks)] * 2
    return _cut(pairs, counts, np.asarray(tensor_parallel))


def _cut(pairs: Sequence[tuple[Column, Column]], counts: Sequence[Column], ranks: Floats) -> Products:
    reduce, width = [np.asarray(k, dtype=float) for k, _ in pairs], [np.asarray(n, dtype=float) for _, n in pairs]
    for slot, split in enumerate(_SPLITS):
        if split == COLUMN:
            width[slot] = width[slot] / ranks
        elif split == ROW:
            reduce[slot] = reduce[slot] / ranks
    shape = np.broadcast_shapes(*(np.shape(x) for x in (*reduce, *width, *counts)))
    columns = [np.stack([np.broadcast_to(x, shape) for x in part]) for part in (reduce, width, counts)]
    blocks = np.where((columns[0] == 0) | (columns[1] == 0), 0.0, columns[2])
    grouped = np.zeros(len(pairs))
    grouped[list(_GROUPED)] = 1.0
    used = blocks.reshape(len(pairs), -1).any(axis=1)
    return Products(columns[0][used], columns[1][used], blocks[used], grouped[used])


def block_params(s: TrainShape) -> tuple[Floats, Floats]:
    """Parameters of all blocks without routed experts, and of all routed experts."""
    found = products(s)
    each = found.reduce * found.width * found.blocks
    grouped = found.grouped.reshape(-1, *([1] * (each.ndim - 1)))
    router = np.asarray(s.moe_blocks) * s.hidden * s.experts
    plain = (each * (1.0 - grouped)).sum(axis=0) + router + 2.0 * np.asarray(s.mtp_layers) * np.square(s.hidden)
    return plain, (each * grouped).sum(axis=0) * s.experts


def total_params(s: TrainShape) -> Floats:
    """All parameters, embeddings included, without prediction layers beyond the first token."""
    bare = TrainShape(**{**{f.name: getattr(s, f.name) for f in fields(s)}, "mtp_layers": 0.0})
    plain, experts = block_params(bare)
    return plain + experts + np.asarray(s.vocab) * s.hidden * (2.0 - np.asarray(s.tied))


def attended_tokens(s: TrainShape, sequence_tokens: Column) -> Floats:
    """Keys that a token sees, summed over attention blocks, causal: half a sequence in full blocks."""
    length = np.asarray(sequence_tokens, dtype=float)
    window = np.minimum(np.where(np.asarray(s.window_tokens) > 0, s.window_tokens, length), length)
    short = window - window * window / (2.0 * length)
    full = np.asarray(s.attention_blocks) + s.mtp_layers - np.asarray(s.window_blocks)
    return full * length / 2.0 + np.asarray(s.window_blocks) * short


def scan_flop(s: TrainShape) -> Floats:
    """Forward FLOP of a token in the state updates of all recurrent blocks: about six per element of the state."""
    return 6.0 * np.asarray(s.state_blocks) * s.state_inner * s.state_dim


def forward_flop(s: TrainShape, sequence_tokens: Column) -> Floats:
    """Forward FLOP of a token: products, causal attention, head; embedding look-ups count nothing."""
    found = products(s)
    grouped = found.grouped.reshape(-1, *([1] * (found.reduce.ndim - 1)))
    weights = (found.reduce * found.width * found.blocks * np.where(grouped > 0, s.top_k, 1.0)).sum(axis=0)
    weights = weights + np.asarray(s.vocab) * s.hidden * s.heads_of_output
    weights = weights + 2.0 * np.asarray(s.mtp_layers) * np.square(s.hidden)
    scores = attended_tokens(s, sequence_tokens) * s.heads * s.score_widths
    return 2.0 * (weights + scores) + scan_flop(s)


def shape_of(arch: TransformerArch, mtp_layers: int = 0) -> TrainShape:
    """From a catalogue card; layers of multi-token prediction are trained only where one says so."""
    windowed = arch.attention_count - (arch.attention_count if arch.global_layers is None else arch.global_layers)
    return TrainShape(
        layers=arch.layers,
        hidden=arch.hidden,
        attention_blocks=arch.attention_count,
        dense_blocks=arch.ffn_count - arch.moe_count,
        heads=arch.heads,
        kv_heads=arch.kv_heads,
        head_dim=arch.head_dim,
        ffn=arch.ffn,
        ffn_inputs=2 if arch.gated else 1,
        vocab=arch.vocab,
        tied=float(arch.tied_embeddings),
        window_tokens=arch.sliding_window_tokens or 0,
        window_blocks=windowed if arch.sliding_window_tokens else 0,
        gate_heads=arch.heads if arch.attention_gate else 0,
        mtp_layers=mtp_layers,
        **_expert_widths(arch),
        **_latent_widths(arch),
        **_state_widths(arch),
    )


def _expert_widths(arch: TransformerArch) -> dict[str, float]:
    return {
        "moe_blocks": arch.moe_count,
        "experts": arch.experts,
        "top_k": arch.experts_active,
        "moe_ffn": arch.moe_ffn,
        "shared_ffn": arch.experts_shared * arch.moe_ffn,
        "moe_latent": arch.moe_latent,
    }


def _latent_widths(arch: TransformerArch) -> dict[str, float]:
    if (mla := arch.mla) is None:
        return {}
    ranks: dict[str, float] = {"q_rank": mla.q_lora_rank, "kv_rank": mla.kv_lora_rank}
    return ranks | {"rope_dim": mla.rope_dim, "nope_dim": mla.nope_dim, "v_dim": mla.v_dim}


def _state_widths(arch: TransformerArch) -> dict[str, float]:
    if (state := arch.recurrent) is None:
        return {}
    inner = state.value_width
    entering = state.params(arch.hidden) - state.conv_kernel * state.conv_width
    width_in = entering // arch.hidden - inner
    return {
        "state_blocks": state.layers, "state_width_in": width_in, "state_inner": inner, "state_dim": state.state_dim,
    }  # fmt: skip
