"""Peak memory of a training rank: weights, gradients, states, activations, loss; columns in, columns of bytes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from groundplan.perf._train_adapters import Adapters, at_output_bytes, counted_layer_bytes
from groundplan.perf._train_profile import Profile, Stack
from groundplan.perf._train_shape import Column, Floats, TrainShape
from groundplan.perf._train_step import Layout, layers_of_stage, local_params

ACTIVATION = 2.0
"""Bytes of a kept activation."""
SCORE_BYTES = 5.0
"""Softmax, dropout mask and result for each score of a kernel that writes the matrix (arXiv 2205.05198)."""
CAPPED_SCORE_BYTES = 8.0
"""The same where scores are soft-capped: what the cap returns, softmax in 32 bits and its copy in 16."""
ADAPTER_SHARE = 0.005
"""Adapter parameters over all parameters at ranks of 8-32 (assumed)."""
QUANTISED_BYTES = 0.5625
"""4-bit weights with a 32-bit scale for each 64 (NF4)."""


@dataclass(frozen=True, slots=True)
class MemoryRecipe:
    """What a stack keeps in memory; columns of shape () or (n,)."""

    weight_bytes: Column
    """Per parameter of the model that is computed with."""
    frozen_bytes: Column
    """Per frozen parameter under adapters."""
    gradient_bytes: Column
    state_bytes: Column
    """Optimiser states and master weights, per parameter that a rank updates."""
    gradients_stay: Column
    """1 = gradient buffers live through the whole step; 0 = they are made in the backward pass and freed."""
    fused_gate: Column
    """1 = a gated block keeps gate, up and product; 0 = also what the activation made of the gate."""
    input_bytes: Column
    """Of what a product keeps of its input: 2, or 1 where products are in eight bits or fewer."""
    norm_bytes: Column
    """Extra copies of the hidden state that eager kernels keep, per hidden unit and token of a layer."""
    loss_bytes: Column
    """Per logit."""
    adapters: Adapters
    tables_apart: Column
    """1 = input and output table are two in memory also where the model ties them."""
    offloaded: Column
    """1 = checkpoints of layers wait in host memory."""
    sequence_parallel: Column
    score_bytes: Column
    """Per score of a kernel that writes the matrix out; 0 = it does not."""
    selective_share: Column
    reserve_bytes: Column
    """Context, communication buffers, fragmentation."""


class Memory(NamedTuple):
    """Bytes of the fullest rank at its peak."""

    total: Floats
    weights: Floats
    gradients: Floats
    states: Floats
    activations: Floats
    """Kept activations, the working set of a layer, gathered weights, logits."""
    reserve: Floats


def memory_recipe(stack: Stack, profile: Profile) -> MemoryRecipe:
    """From an engine profile."""
    said = profile.memory[stack.memory or stack.shares_of]
    return MemoryRecipe(
        weight_bytes=said["weight_bytes"],
        frozen_bytes=ACTIVATION,
        gradient_bytes=said["gradient_bytes"],
        state_bytes=said["state_bytes"],
        gradients_stay=said["gradients_stay"],
        fused_gate=said["fused_gate"],
        input_bytes=ACTIVATION,
        norm_bytes=said["eager_norm_bytes"] if stack.eager else said["norm_bytes"],
        loss_bytes=said["loss_bytes"],
        adapters=Adapters(**{name: said[name] for name in Adapters.__slots__ if name in said}),
        tables_apart=said.get("tables_apart", 0.0),
        offloaded=0.0,
        sequence_parallel=float(stack.sequence_parallel),
        score_bytes=SCORE_BYTES if stack.attention == "score" else 0.0,
        selective_share=stack.selective_share,
        reserve_bytes=said["reserve_gb"] * 1e9,
    )


def layer_bytes(shape: TrainShape, lay: Layout, recipe: MemoryRecipe) -> Floats:
    """Activations that one layer keeps for a micro-batch without recompute, mean over layers."""
    plain = (np.asarray(shape.moe_blocks) + shape.state_blocks + shape.latent) < 0.5
    counted = plain & (np.asarray(lay.adapters) > 0) & (np.asarray(recipe.adapters.counted) > 0)
    usual = _usual_layer_bytes(shape, lay, recipe)
    return np.where(counted, counted_layer_bytes(shape, lay, recipe.adapters), usual)


def _usual_layer_bytes(shape: TrainShape, lay: Layout, recipe: MemoryRecipe) -> Floats:
    layers, tp = np.asarray(shape.layers, dtype=float), np.asarray(lay.tp)
    tokens = lay.local_tokens
    spread = np.where(np.asarray(recipe.sequence_parallel) > 0, tp, 1.0)
    latent = shape.latent > 0
    query = np.where(
        latent, shape.heads * (np.asarray(shape.nope_dim) + shape.rope_dim), shape.heads * np.asarray(shape.head_dim)
    )
    keys = np.where(latent, query, np.asarray(shape.kv_heads) * shape.head_dim)
    gates = np.asarray(shape.ffn_inputs)
    unfused = np.where(np.asarray(recipe.fused_gate) > 0, 0.0, gates - 1.0)
    inner = ACTIVATION * (gates + unfused) + recipe.input_bytes
    entering = np.asarray(recipe.input_bytes)
    wide = (ACTIVATION + entering + np.asarray(recipe.norm_bytes) / 2.0) * np.asarray(shape.hidden) / spread
    attention = ACTIVATION * 2.0 * (query + keys) / tp
    dense, shared = inner * shape.ffn / tp, inner * shape.shared_ffn / tp
    routed = np.asarray(shape.top_k) * (inner * shape.moe_ffn + 2.0 * entering * np.asarray(shape.hidden)) / tp
    state = ACTIVATION * 3.0 * (np.asarray(shape.state_width_in) + shape.state_inner) / tp
    per_token = (
        np.asarray(shape.attention_blocks) * (wide + attention)
        + np.asarray(shape.dense_blocks) * (wide + dense)
        + np.asarray(shape.moe_blocks) * (wide + shared + routed)
        + np.asarray(shape.state_blocks) * (wide + state)
    )
    return tokens * per_token / layers


def score_bytes(shape: TrainShape, lay: Layout, recipe: MemoryRecipe) -> Floats:
    """The score matrix of one layer, where the kernel writes it out."""
    pairs = lay.local_tokens * np.asarray(lay.sequence_tokens)
    return np.asarray(recipe.score_bytes) * np.asarray(shape.heads) / lay.tp * pairs


def layers_kept(lay: Layout, layers: Floats) -> Floats:
    """Layers whose activations the first stage holds at once: stages x layers, more under interleaving."""
    pp, vpp = np.asarray(lay.pp, dtype=float), np.maximum(lay.vpp, 1.0)
    ahead = np.where(vpp > 1, pp * (1.0 + (pp - 1.0) / (pp * vpp)), pp)
    return layers * np.minimum(ahead, lay.steps_of_pipeline)


def _activations(shape: TrainShape, lay: Layout, recipe: MemoryRecipe) -> Floats:
    """The larger of first stage (most micro-batches in flight) and last stage (logits)."""
    most, last = layers_of_stage(shape, lay)
    spread = np.where(np.asarray(recipe.sequence_parallel) > 0, lay.tp, 1.0)
    one, scores = layer_bytes(shape, lay, recipe), score_bytes(shape, lay, recipe)
    mode = np.asarray(lay.recompute)
    input_bytes = ACTIVATION * lay.local_tokens * shape.hidden / spread
    checkpoint = input_bytes * (1.0 - np.asarray(recipe.offloaded))
    kept = np.where(
        mode > 1.5, checkpoint, np.where(mode > 0.5, one * (1.0 - np.asarray(recipe.selective_share)), one + scores)
    )
    working = np.where(mode > 1.5, 2.0, 1.0) * (one + scores) * np.where(mode > 0.5, 1.0, 0.0)
    logits = at_output_bytes(shape, lay, recipe.adapters, recipe.loss_bytes, last)
    first = layers_kept(lay, most) * kept + working
    alone = np.asarray(lay.pp) < 1.5
    final = np.where(alone, most, last) * kept + np.where(mode > 1.5, np.maximum(working, logits), working + logits)
    return np.where(alone, final, np.maximum(first, final))


def _gathered(shape: TrainShape, lay: Layout, dense: Floats, experts: Floats) -> Floats:
    """Weights of two layers that a rank holds whole while it computes them, and the gradient of one."""
    sharded = (np.asarray(lay.sharded) > 0) & (np.asarray(lay.dp) > 1)
    most, _ = layers_of_stage(shape, lay)
    return np.where(sharded, 3.0 * ACTIVATION * (dense + experts) / np.maximum(most, 1.0), 0.0)


class Held(NamedTuple):
    """Parameters of a rank: held in memory, updated by it, and of the tables among those held."""

    held: Floats
    own: Floats
    tables: Floats


def _held(shape: TrainShape, lay: Layout, recipe: MemoryRecipe, dense: Floats, experts: Floats) -> Held:
    replicas = np.asarray(lay.dp, dtype=float) * lay.cp
    twins = np.maximum(replicas * lay.tp / lay.ep, 1.0)
    sharded, spread = np.asarray(lay.sharded) > 0, dense / replicas + experts / twins
    own = np.where(np.asarray(lay.replicated_states) > 0, dense + experts, spread)
    table = np.asarray(shape.vocab) * shape.hidden / lay.tp / np.where(sharded, replicas, 1.0)
    copy = np.asarray(recipe.tables_apart) * np.asarray(shape.tied) * table
    held = np.where(sharded, spread, dense + experts) + copy
    return Held(held, own, (2.0 - np.asarray(shape.tied)) * table + copy)


def _weights(lay: Layout, recipe: MemoryRecipe, found: Held) -> Floats:
    """Bytes of weights: trained ones, or frozen ones in their format, tables of inputs never below bf16."""
    share = 1.0 - np.asarray(recipe.adapters.all_in_four_bits) / 2.0
    wide = share * np.minimum(found.tables, found.held)
    small = QUANTISED_BYTES * np.maximum(found.held - wide, 0.0) + ACTIVATION * wide
    frozen = np.where(np.asarray(recipe.adapters.quantised) > 0, small, recipe.frozen_bytes * found.held)
    return np.where(np.asarray(lay.adapters) > 0, frozen, recipe.weight_bytes * found.held)


def training_memory(shape: TrainShape, lay: Layout, recipe: MemoryRecipe) -> Memory:
    """Peak of the fullest rank: at the start of the backward pass, or at its end where gradients are made in it."""
    dense, experts = local_params(shape, lay)
    found, adapters = _held(shape, lay, recipe, dense, experts), np.asarray(lay.adapters) > 0
    weights = _weights(lay, recipe, found)
    states = np.where(
        adapters, recipe.adapters.adapter_bytes * ADAPTER_SHARE * found.held, recipe.state_bytes * found.own
    )
    gradients = np.where(adapters, 0.0, recipe.gradient_bytes * found.held)
    activations = _activations(shape, lay, recipe) + _gathered(shape, lay, dense, experts)
    stay, last = np.asarray(recipe.gradients_stay) > 0, gradients >= activations
    gradients = np.where(stay | last, gradients, 0.0)
    activations = np.where(stay | ~last, activations, 0.0)
    reserve = recipe.reserve_bytes + np.zeros_like(weights)
    total = weights + gradients + states + activations + reserve
    return Memory(total, weights, gradients, states, activations, reserve)
