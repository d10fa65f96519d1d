"""Numbers that a transformer's shape fixes: parameters by operator class, KV bytes, expected active experts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.catalog import TransformerArch

Floats = NDArray[np.float64]

BYTES: Mapping[str, float] = {
    "fp32": 4.0, "bf16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.53125, "int4": 0.53125,
}  # fmt: skip
"""Bytes per weight. Four-bit formats carry an 8-bit scale for 32 weights (OCP MX specification)."""
KV_BYTES = 2.0


def expected_active_experts(experts: Floats | int, active: Floats | int, tokens: Floats | float) -> Floats:
    """Mean number of distinct experts that a batch touches: E (1 - (1 - k/E)^tokens), tokens routed independently."""
    share = np.minimum(active / np.maximum(experts, 1.0), 1.0 - 1e-15)
    return np.asarray(experts * -np.expm1(np.log1p(-share) * np.asarray(tokens, dtype=float)))


def kv_bytes_per_token(arch: TransformerArch, kv_bytes: float = KV_BYTES) -> float:
    """KV cache of one token over all layers, before sharding and windows: 2 x kv heads x width, or the MLA latent."""
    return arch.attention_count * _kv_width(arch) * kv_bytes


def _kv_width(arch: TransformerArch) -> int:
    if arch.mla is not None:
        return arch.mla.kv_lora_rank + arch.mla.rope_dim
    return 2 * arch.kv_heads * arch.head_dim


@dataclass(frozen=True, slots=True)
class Formats:
    """Number formats of a deployment, by operator; a weight format the part cannot multiply is unpacked to bf16."""

    attention: str
    dense: str
    experts: str
    head: str = "bf16"
    kv: str = "bf16"


def formats_of(arch: TransformerArch, precision: str, kv: str = "bf16") -> Formats:
    """Usual checkpoints: tables in 16 bit; 4-bit mixtures keep attention in bf16 (gpt-oss, Kimi K2, DeepSeek FP4)."""
    wide = "fp32" if precision == "fp32" else "bf16"
    mixture = arch.experts > 0 and BYTES[precision] < 1.0
    return Formats(wide if mixture else precision, precision, precision, wide, kv)


@dataclass(frozen=True)
class Shape:
    """A transformer as a serving engine sees it at one mean context; sums over all layers unless said otherwise."""

    arch: TransformerArch
    context_tokens: float

    @property
    def moe_layers(self) -> int:
        """Layers with routed experts."""
        return self.arch.moe_count

    @property
    def attention_params(self) -> float:
        """Projections of attention and recurrent layers, and indexers."""
        arch = self.arch
        mixers = arch.attention_count * arch.attention_params() + arch.recurrent_count * arch.recurrent_params()
        return float(mixers + (arch.sparse.layers * arch.indexer_params() if arch.sparse else 0))

    @property
    def dense_ffn_params(self) -> float:
        """Dense feed-forward blocks and shared experts: every token goes through them."""
        dense = (self.arch.ffn_count - self.moe_layers) * self.arch.ffn_params(self.arch.ffn)
        return float(dense + self.moe_layers * self.arch.moe_params(0))

    @property
    def expert_params(self) -> float:
        """One routed expert, all layers."""
        return float(self.moe_layers * self.arch.expert_params()) if self.moe_layers else 0.0

    @property
    def head_params(self) -> float:
        """The output table."""
        return float(self.arch.vocab * self.arch.hidden)

    @property
    def embedding_params(self) -> float:
        """Input and output tables, one when tied."""
        return self.head_params * (1 if self.arch.tied_embeddings else 2)

    @property
    def window_layers(self) -> int:
        """Attention layers whose window is shorter than the context."""
        window, full = self.arch.sliding_window_tokens, self.arch.global_layers
        if window is None or full is None or window >= self.context_tokens:
            return 0
        return self.arch.attention_count - full

    @property
    def sparse_layers(self) -> int:
        """Attention layers whose indexer picks fewer tokens than the context; their cache still holds all of it."""
        sparse = self.arch.sparse
        return sparse.layers if sparse and sparse.top_tokens < self.context_tokens else 0

    @property
    def seen_tokens(self) -> float:
        """Tokens that a query of a window or sparse layer attends to."""
        if self.sparse_layers and self.arch.sparse:
            return float(self.arch.sparse.top_tokens)
        return float(self.arch.sliding_window_tokens or 1)

    @property
    def full_layers(self) -> int:
        """Attention layers that cache the whole context."""
        return self.arch.attention_count - self.window_layers

    @property
    def kv_width(self) -> int:
        """Numbers of KV cache of one token in one layer."""
        return _kv_width(self.arch)

    @property
    def state_layers(self) -> int:
        """Layers with a recurrent state instead of attention."""
        return self.arch.recurrent_count

    @property
    def state_bytes(self) -> float:
        """Recurrent state of one sequence, all layers, in 32 bit."""
        return 4.0 * self.state_layers * self.arch.recurrent.state_values() if self.arch.recurrent else 0.0

    @property
    def index_bytes(self) -> float:
        """Index keys of one cached token that sparse layers read, 8 bit."""
        return float(self.sparse_layers * self.arch.sparse.index_dim) if self.arch.sparse else 0.0

    @property
    def kv_layer_bytes(self) -> float:
        """KV bytes of one token in one layer."""
        return _kv_width(self.arch) * KV_BYTES

    @property
    def kv_bytes_per_token(self) -> float:
        """Mean KV bytes per cached token; windowed layers keep their window only.

        Taken at the mean context, it bounds the mean total from above (the cache is concave in length).
        """
        window = (self.arch.sliding_window_tokens or 0) / self.context_tokens
        return self.kv_layer_bytes * (self.full_layers + self.window_layers * window)

    @property
    def pair_flop(self) -> float:
        """FLOP of one query-key pair in prefill, one layer: 2 (d_qk + d_v) per head."""
        arch = self.arch
        if arch.mla is not None:
            return 2.0 * arch.heads * (arch.mla.nope_dim + arch.mla.rope_dim + arch.mla.v_dim)
        return 4.0 * arch.heads * arch.head_dim

    @property
    def latent_flop(self) -> float:
        """FLOP per cached token and decoding sequence of MLA in one layer (weights absorbed); 0 without MLA."""
        mla = self.arch.mla
        return 2.0 * self.arch.heads * (2 * mla.kv_lora_rank + mla.rope_dim) if mla is not None else 0.0

    def kv_shards(self, tensor_parallel: int) -> int:
        """Ranks that share the KV cache: at most one per KV head, and none for an MLA latent."""
        return 1 if self.arch.mla is not None else min(tensor_parallel, self.arch.kv_heads)

    def weight_bytes(self, precision: str) -> float:
        """All weights of a checkpoint as formats_of reads it."""
        formats = formats_of(self.arch, precision)
        body = self.attention_params * BYTES[formats.attention] + self.dense_ffn_params * BYTES[formats.dense]
        experts = self.arch.experts * self.expert_params * BYTES[formats.experts]
        return body + experts + self.embedding_params * BYTES[formats.head]
