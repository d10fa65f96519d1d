"""Memory of a serving engine: weights, activations, the engine's reserve, and the tokens of context that are left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from groundplan.catalog import TransformerArch
from groundplan.perf._shape import BYTES, Formats, Shape
from groundplan.perf._terms import Served

MemoryRule = Literal["share-of-all", "share-of-free"]
"""vLLM and SGLang fill a share of all memory, weights included; TensorRT-LLM a share of what weights leave."""
CACHE_SHARE = 0.90
CONTEXT_BYTES = 1.0e9
"""CUDA context, graphs and workspaces of one rank (assumed: 0.6-1.5 GB)."""


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes on one accelerator, and tokens of the whole replica."""

    weights: float
    activations: float
    available: float
    cache: float
    tokens: float

    @property
    def fits(self) -> bool:
        """Whether anything is left for context."""
        return self.tokens > 0


def weight_bytes(shape: Shape, served: Served) -> float:
    """Weights of one rank: attention in its tensor group, all else over the ranks of a stage, embeddings kept wide."""
    arch, formats, ranks = shape.arch, served.formats, served.ranks
    attention = shape.attention_params * BYTES[formats.attention] / ranks.tensor
    dense = shape.dense_ffn_params * BYTES[formats.dense]
    experts = arch.experts * shape.expert_params * BYTES[formats.experts]
    tables = shape.embedding_params * BYTES[formats.head]
    return (attention + (dense + experts + tables) / ranks.per_stage) / ranks.stages


def activation_bytes(arch: TransformerArch, served: Served, tokens: float, sequences: float) -> float:
    """Largest live activations of a step of this many tokens, and fp32 logits."""
    wide = max(arch.ffn, (arch.experts_active + arch.experts_shared) * arch.moe_ffn)
    step = tokens * (4.0 * arch.hidden + 2.0 * wide / served.ranks.tensor) * 2.0
    return step + sequences * arch.vocab * 4.0 / served.ranks.tensor


def room(arch: TransformerArch, context: float, served: Served, rule: MemoryRule, step_tokens: float = 8192.0) -> Room:
    """What is left for context of this mean length; below 0 tokens the weights do not fit."""
    shape, ranks = Shape(arch, context), served.ranks
    available = served.chip.memory_bytes
    weights = weight_bytes(shape, served)
    activations = activation_bytes(arch, served, step_tokens, 256.0) + CONTEXT_BYTES
    if rule == "share-of-free":
        cache = CACHE_SHARE * (available - weights - activations)
    else:
        cache = CACHE_SHARE * available - weights - activations
    per_token = kv_bytes(shape, served.formats) / shape.kv_shards(ranks.tensor) / ranks.stages
    return Room(weights, activations, available, cache, cache / per_token * ranks.data)


def kv_bytes(shape: Shape, formats: Formats) -> float:
    """Mean bytes of cache per token of context, all layers, before sharding; recurrent states are spread over it."""
    window = (shape.arch.sliding_window_tokens or 0) / shape.context_tokens
    cache = shape.kv_width * BYTES[formats.kv] * (shape.full_layers + shape.window_layers * window)
    return cache + shape.state_bytes / shape.context_tokens
