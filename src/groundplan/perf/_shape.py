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


def expected_active_experts(experts: int, active: int, tokens: Floats | float) -> Floats:
    """Mean number of distinct experts that a batch touches: E (1 - (1 - k/E)^tokens), tokens routed independently."""
    share = active / experts if experts else 0.0
    return np.asarray(experts * (1.0 - (1.0 - share) ** np.asarray(tokens, dtype=float)))


def kv_bytes_per_token(arch: TransformerArch, kv_bytes: float = KV_BYTES) -> float:
    """KV cache of one token over all layers, before sharding and windows: 2 x kv heads x width, or the MLA latent."""
    return arch.layers * _kv_width(arch) * kv_bytes


def _kv_width(arch: TransformerArch) -> int:
    if arch.mla is not None:
        return arch.mla.kv_lora_rank + arch.mla.rope_dim
    return 2 * arch.kv_heads * arch.head_dim


@dataclass(frozen=True)
class Shape:
    """A transformer as a serving engine sees it at one mean context; sums over all layers unless said otherwise."""

    arch: TransformerArch
    context_tokens: float

    @property
    def moe_layers(self) -> int:
        """Layers with routed experts."""
        return self.arch.layers - self.arch.dense_layers if self.arch.experts else 0

    @property
    def attention_params(self) -> float:
        """Attention projections."""
        return float(self.arch.layers * self.arch.attention_params())

    @property
    def dense_ffn_params(self) -> float:
        """Dense feed-forward blocks and shared experts: every token goes through them."""
        dense = (self.arch.layers - self.moe_layers) * self.arch.ffn_params(self.arch.ffn)
        shared = self.arch.experts_shared * self.expert_params
        return float(dense + shared + self.moe_layers * self.arch.hidden * self.arch.experts)

    @property
    def expert_params(self) -> float:
        """One routed expert, all layers."""
        return float(self.moe_layers * self.arch.ffn_params(self.arch.moe_ffn)) if self.moe_layers else 0.0

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
        """Layers whose window is shorter than the context."""
        window, full = self.arch.sliding_window_tokens, self.arch.global_layers
        if window is None or full is None or window >= self.context_tokens:
            return 0
        return self.arch.layers - full

    @property
    def full_layers(self) -> int:
        """Layers that attend to the whole context."""
        return self.arch.layers - self.window_layers

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
        """All weights: tables stay bf16, and 4-bit mixtures keep attention in bf16 (gpt-oss, Kimi K2, DeepSeek FP4)."""
        wide, low = max(BYTES[precision], BYTES["bf16"]), BYTES[precision]
        body = self.attention_params * self.attention_bytes(precision) + self.dense_ffn_params * low
        return body + self.arch.experts * self.expert_params * low + self.embedding_params * wide

    def attention_bytes(self, precision: str) -> float:
        """Bytes per attention weight."""
        low = BYTES[precision]
        return BYTES["bf16"] if self.moe_layers and low < 1.0 else low
