"""Time of a training step, for many configurations at once: columns in, columns of seconds out.

Step = [(micro-batches + bubble) x stage] x jitter + exposed data parallelism + optimiser + floor. A stage is its layers
plus, on the last one, the head; a layer pass is GPU time joined with host time, plus exposed collectives. Backward
computes the products of data and weight gradients with their own shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from groundplan.perf._train_profile import Terms
from groundplan.perf._train_shape import Column, Floats, Mask, TrainShape, attended_tokens, block_params, products

ALIGNED = 64.0
"""Widths that are no multiple of this leave parts of tiles empty."""
BYTES = 2.0


@dataclass(frozen=True, slots=True)
class Layout:
    """How a job is laid out; columns of shape () or (n,)."""

    sequence_tokens: Column
    micro_batch: Column
    """Sequences."""
    global_batch: Column
    tp: Column = 1.0
    pp: Column = 1.0
    vpp: Column = 1.0
    dp: Column = 1.0
    """Replicas of the model: ranks / (tp x pp x cp)."""
    cp: Column = 1.0
    ep: Column = 1.0
    recompute: Column = 0.0
    """0 none, 1 selective, 2 full."""
    sharded: Column = 0.0
    """1 = weights are sharded over data parallelism (FSDP, ZeRO-3)."""
    adapters: Column = 0.0
    """1 = low-rank adapters; base weights are frozen."""
    replicated_states: Column = 0.0
    """1 = every replica updates all its parameters (no ZeRO, no distributed optimiser)."""
    micro_batches: Column = 0.0
    """In a step and replica; 0 = global_batch / (dp x micro_batch), rounded up."""

    @property
    def ranks(self) -> Floats:
        """All accelerators."""
        return np.asarray(self.tp) * self.pp * self.dp * self.cp

    @property
    def steps_of_pipeline(self) -> Floats:
        """Micro-batches of a step."""
        dealt = np.ceil(self.global_batch / (np.asarray(self.dp) * self.micro_batch) - 1e-9)
        return np.where(np.asarray(self.micro_batches) > 0, self.micro_batches, np.maximum(dealt, 1.0))

    @property
    def local_tokens(self) -> Floats:
        """Tokens of a micro-batch on one context-parallel rank."""
        return np.asarray(self.micro_batch) * self.sequence_tokens / self.cp


class Pass(NamedTuple):
    """Seconds of one micro-batch through all blocks of one kind on one tensor-parallel group: forward, backward."""

    forward: Floats
    backward: Floats


class StepTime(NamedTuple):
    """Seconds of a step and where they go."""

    total: Floats
    pipeline: Floats
    """Micro-batches in steady state, without the bubble."""
    bubble: Floats
    data_parallel: Floats
    """Exposed gradients and weights."""
    optimiser: Floats
    head: Floats
    attention: Floats
    gemm: Floats
    experts: Floats
    collectives: Floats
    """Exposed tensor and context parallelism, inside `pipeline`."""


def _product_s(rows: Floats, reduce: Floats, width: Floats, terms: Terms) -> Floats:
    """Peak-rate seconds x rate of one product: (outputs + wave remainder) x (reduction + ramp), both in elements."""
    return 2.0 * (rows * width + terms.tile_outputs) * (reduce + terms.reduce_tokens)


class Operands(NamedTuple):
    """Products of one micro-batch, slots x configurations."""

    rows: Floats
    reduce: Floats
    width: Floats
    depth: Floats
    """Rows that one weight gradient sums over: all, or those of one expert."""
    many: Floats
    """Weight matrices of a slot on a rank."""
    scale: Floats
    """Blocks, over rate, with the loss of widths that fill no tiles."""
    moved: Floats
    """Seconds of reading and writing what a product touches."""
    grouped: Floats


def _operands(shape: TrainShape, lay: Layout, terms: Terms) -> Operands:
    tokens = lay.local_tokens
    found = products(shape, lay.tp * np.ones_like(tokens))
    k, n = found.reduce, found.width
    experts = found.grouped.reshape(-1, *([1] * (k.ndim - 1))) > 0
    routed = tokens * shape.top_k / lay.tp
    per_expert = np.maximum(routed * lay.ep / np.maximum(shape.experts, 1.0), 1.0)
    many = np.where(experts, np.maximum(np.asarray(shape.experts) / lay.ep, 1.0), 1.0)
    rows = np.where(experts, routed, tokens)
    loss = np.where(_misaligned(k) | _misaligned(n), 1.0 + np.asarray(terms.misaligned), 1.0)
    rate = np.where(experts, np.asarray(terms.gemm_rate) * terms.grouped, terms.gemm_rate)
    moved = found.blocks * terms.gemm_bytes * BYTES * (rows * (k + n) + many * k * n) / terms.read_rate
    depth = np.where(experts, per_expert, tokens)
    return Operands(rows, k, n, depth, many, found.blocks * loss / rate, moved, np.where(experts, 1.0, 0.0))


def _gemms(shape: TrainShape, lay: Layout, terms: Terms) -> tuple[Pass, Pass]:
    """Dense and expert products of all blocks: seconds forward, and backward without recompute."""
    op = _operands(shape, lay, terms)
    ahead = op.scale * _product_s(op.rows, op.reduce, op.width, terms) + op.moved
    data = op.scale * _product_s(op.rows, op.width, op.reduce, terms) + op.moved
    outputs = op.reduce * op.width * op.many + terms.tile_outputs
    weight = op.scale * 2.0 * outputs * (op.depth + terms.reduce_tokens) + op.moved
    behind = data + np.where(np.asarray(lay.adapters) > 0, 0.0, weight)
    dense, experts = 1.0 - op.grouped, op.grouped
    return (
        Pass((ahead * dense).sum(axis=0), (behind * dense).sum(axis=0)),
        Pass((ahead * experts).sum(axis=0), (behind * experts).sum(axis=0)),
    )


def _misaligned(width: Floats) -> Mask:
    return (width % ALIGNED > 1e-6) & (width > ALIGNED)


def _attention(shape: TrainShape, lay: Layout, terms: Terms) -> Pass:
    """Scores and their products with values; a kernel without tiling also writes and reads the matrix."""
    tokens, heads = lay.local_tokens, np.asarray(shape.heads) / lay.tp
    pairs = tokens * attended_tokens(shape, lay.sequence_tokens)
    whole = np.asarray(terms.whole_scores)
    flop = 2.0 * heads * shape.score_widths * pairs * (1.0 + whole)
    matrix = whole * 2.0 * pairs * heads * BYTES * terms.score_passes / terms.read_rate
    ahead = flop / terms.attention_rate + matrix * (3.0 / 7.0)
    effort = np.where(whole > 0, 2.0, 2.5) / terms.attention_backward
    return Pass(ahead, effort * flop / terms.attention_rate + matrix * (4.0 / 7.0))


def _elementwise(shape: TrainShape, lay: Layout, terms: Terms) -> Pass:
    """Norms, residuals, rotary embedding, gates; state scans of Mamba blocks."""
    tokens, tp = lay.local_tokens, np.asarray(lay.tp)
    spread = np.where(np.asarray(terms.sequence_parallel) > 0, tp, 1.0)
    blocks = np.asarray(shape.attention_blocks) + shape.mtp_layers + shape.state_blocks
    feed = np.asarray(shape.dense_blocks) + shape.moe_blocks
    wide = (10.0 * shape.hidden) * (blocks + feed) / spread
    qkv = 4.0 * (np.asarray(shape.heads) + 2.0 * np.asarray(shape.kv_heads)) * shape.head_dim
    qkv = qkv * shape.attention_blocks / tp
    routed = np.asarray(shape.top_k) * shape.moe_ffn + shape.shared_ffn
    gated = np.asarray(shape.dense_blocks) * shape.ffn + np.asarray(shape.moe_blocks) * routed
    gates = (2.0 + 2.0 * np.asarray(shape.ffn_inputs)) * gated / tp
    scans = terms.scan_bytes * np.asarray(shape.state_blocks) * shape.state_inner / tp
    ahead = terms.elementwise * tokens * (wide + qkv + gates + scans) / terms.read_rate
    return Pass(ahead, ahead * terms.backward_elementwise)


def _collectives(shape: TrainShape, lay: Layout, terms: Terms, attention_s: Floats) -> Floats:
    """Exposed seconds of tensor- and context-parallel collectives in one pass through all layers."""
    tp, cp, tokens = np.asarray(lay.tp), np.asarray(lay.cp), lay.local_tokens
    twice = 2.0 * np.asarray(shape.attention_blocks) + shape.state_blocks
    volume = 2.0 * (tp - 1.0) / tp * BYTES * tokens * shape.hidden
    inside = tp <= terms.domain
    across = np.minimum(terms.scaleup_rate, np.asarray(terms.nic_rate) * np.minimum(tp, terms.domain))
    rate = np.where(inside, terms.scaleup_rate, across)
    alpha = np.where(inside, terms.alpha_scaleup_s, terms.alpha_nic_s)
    tensor = np.where(tp > 1, terms.tp_exposed * twice * (volume / rate + 2.0 * alpha), 0.0)
    if not (cp > 1).any():
        return tensor
    return tensor + _ring_s(shape, lay, terms, attention_s)


def _ring_s(shape: TrainShape, lay: Layout, terms: Terms, attention_s: Floats) -> Floats:
    """Keys and values of the other context ranks, hidden behind attention as far as it reaches."""
    cp, tokens = np.asarray(lay.cp), lay.local_tokens
    inside = np.asarray(lay.tp) * cp <= terms.domain
    width = np.where(
        shape.latent > 0, shape.score_widths * shape.heads, 2.0 * np.asarray(shape.kv_heads) * shape.head_dim
    )
    rate = np.where(inside, terms.scaleup_rate, terms.nic_rate)
    each = BYTES * tokens * width / lay.tp / rate + np.where(inside, terms.alpha_scaleup_s, terms.alpha_nic_s)
    hidden = attention_s / np.maximum(shape.attention_blocks, 1.0) / cp
    return np.asarray(shape.attention_blocks) * (each + (cp - 1.0) * np.maximum(each - hidden, 0.0)) * (cp > 1)


def _expert_traffic(shape: TrainShape, lay: Layout, terms: Terms) -> Floats:
    """Seconds of dispatch, combine and permutation in one pass through all expert blocks."""
    blocks = np.asarray(shape.moe_blocks) + np.where(np.asarray(shape.moe_blocks) > 0, shape.mtp_layers, 0.0)
    copies = lay.local_tokens / lay.tp * shape.top_k * shape.hidden
    permuted = terms.expert_passes * copies * BYTES / terms.read_rate
    ep = np.asarray(lay.ep)
    sent = 2.0 * copies * terms.exchange_bytes
    inside = sent * (ep - 1.0) / np.maximum(ep, 1.0) / terms.scaleup_rate
    groups = np.maximum(ep / terms.domain, 1.0)
    reached = groups * (1.0 - (1.0 - 1.0 / groups) ** np.maximum(shape.top_k, 1.0)) * (groups - 1.0) / groups
    outside = sent / np.maximum(shape.top_k, 1.0) * reached / terms.nic_rate * terms.expert_exposed_outside
    exchange = np.where(ep > 1, inside + outside, 0.0)
    return blocks * terms.expert_factor * (permuted + exchange)


def _joined(gpu: Floats, host: Floats, power: Column) -> Floats:
    """Soft maximum: what the slower of the two takes, and a little more where they are close."""
    top = np.maximum(np.maximum(gpu, host), 1e-30)
    power = np.asarray(power)
    return top * ((gpu / top) ** power + (host / top) ** power) ** (1.0 / power)


def _head(shape: TrainShape, lay: Layout, terms: Terms) -> Floats:
    """Output table, loss and their backward on the last stage, one micro-batch; always bf16."""
    tokens, width = lay.local_tokens, np.asarray(shape.vocab) / lay.tp
    ahead = _product_s(tokens, np.asarray(shape.hidden), width, terms)
    data = _product_s(tokens, width, np.asarray(shape.hidden), terms)
    weight = 2.0 * (np.asarray(shape.hidden) * width + terms.tile_outputs) * (tokens + terms.reduce_tokens)
    flop = ahead + data + np.where(np.asarray(lay.adapters) > 0, 0.0, weight)
    loss = terms.logit_bytes * tokens * width / terms.read_rate
    return (flop / terms.head_rate + loss) * shape.heads_of_output


def layers_of_stage(shape: TrainShape, lay: Layout) -> tuple[Floats, Floats]:
    """Layers of the slowest stage, and of the last one, which also holds the head.

    Layers that stages do not divide are dealt out with embedding and loss as two more; what is then left over is
    taken from the last stage.
    """
    layers, pp = np.asarray(shape.layers, dtype=float), np.asarray(lay.pp, dtype=float)
    even = layers % pp < 1e-9
    most = np.where(even, layers / pp, np.ceil((layers + 2.0) / pp))
    spare = pp * most - layers - 2.0
    return most, np.where(even, most, np.maximum(most - 1.0 - spare, 0.0))


def local_params(shape: TrainShape, lay: Layout) -> tuple[Floats, Floats]:
    """Parameters of the fullest rank before sharding over data parallelism: dense (head included), routed experts."""
    plain, experts = block_params(shape)
    most, _ = layers_of_stage(shape, lay)
    share = most / np.asarray(shape.layers)
    table = np.asarray(shape.vocab) * shape.hidden * np.where(np.asarray(lay.pp) > 1, 1.0, 2.0 - np.asarray(shape.tied))
    return (plain * share + table) / lay.tp, experts * share / lay.ep


def _group_rate(lay: Layout, terms: Terms) -> Floats:
    """Bytes per second of a data-parallel ring: scale-up inside a domain, else the NICs of ranks that share a node."""
    size = np.asarray(lay.dp) * lay.cp * lay.tp
    nodes = np.maximum(lay.ranks / terms.per_node, 1.0)
    together = np.clip(np.asarray(terms.domain) / lay.tp, 1.0, np.asarray(lay.dp) * lay.cp)
    outside = np.minimum(terms.scaleup_rate, np.asarray(terms.nic_rate) * together)
    slower = 1.0 + np.asarray(terms.congestion) * np.log2(nodes)
    return np.where(size <= terms.domain, terms.scaleup_rate, outside / slower)


def _expert_group_rate(lay: Layout, terms: Terms) -> Floats:
    """The same for the ring of expert weights, whose ranks stand `ep` apart."""
    inside = np.asarray(lay.dp) * lay.cp * lay.tp <= terms.domain
    return np.where(inside, terms.scaleup_rate, terms.nic_rate)


class Work(NamedTuple):
    """Seconds of one micro-batch through all layers of one model replica's stage, by operator class."""

    dense: Pass
    expert: Pass
    attention: Pass
    light: Pass
    """Elementwise."""
    wires: Floats
    """Exposed tensor- and context-parallel collectives, one pass."""
    traffic: Floats
    """Dispatch, combine and permutation for experts, one pass."""

    @property
    def forward(self) -> Floats:
        """GPU seconds of a forward pass."""
        return self.dense.forward + self.expert.forward + self.attention.forward + self.light.forward + self.traffic

    @property
    def backward(self) -> Floats:
        """GPU seconds of a backward pass without recompute."""
        products = self.dense.backward + self.expert.backward
        return products + self.attention.backward + self.light.backward + self.traffic


def _work(shape: TrainShape, lay: Layout, terms: Terms) -> Work:
    dense, expert = _gemms(shape, lay, terms)
    attention, light = _attention(shape, lay, terms), _elementwise(shape, lay, terms)
    wires = _collectives(shape, lay, terms, attention.forward)
    return Work(dense, expert, attention, light, wires, _expert_traffic(shape, lay, terms))


def _again(lay: Layout, terms: Terms, work: Work) -> Floats:
    """Seconds that the backward pass spends on computing activations once more."""
    mode = np.asarray(lay.recompute)
    scores = np.where(np.asarray(terms.whole_scores) > 0, work.attention.forward, 0.0)
    part = scores + terms.selective_share * (work.dense.forward + work.light.forward)
    return np.where(mode > 1.5, work.forward, np.where(mode > 0.5, part, 0.0))


def _host(shape: TrainShape, lay: Layout, terms: Terms) -> Floats:
    """Host seconds of one pass: launches of every layer, of every expert block, of every expert held."""
    launched = terms.host_moe_s + terms.host_expert_s * np.asarray(shape.experts) / lay.ep
    return np.asarray(shape.layers) * terms.host_s + np.asarray(shape.moe_blocks) * launched


def _passes(lay: Layout) -> Floats:
    """Passes through the layers in a backward: one, two with full recompute."""
    return np.where(np.asarray(lay.recompute) > 1.5, 2.0, 1.0)


def _layer(shape: TrainShape, lay: Layout, terms: Terms, work: Work) -> Pass:
    """Seconds of one layer: the slower of GPU and host, and exposed collectives."""
    host, passes = _host(shape, lay, terms), _passes(lay)
    forward = _joined(work.forward, host, terms.host_joined) + work.wires
    backward = _joined(work.backward + _again(lay, terms, work), host * passes, terms.host_joined)
    share = np.where(np.asarray(lay.adapters) > 0, terms.lora_overhead, 1.0) / np.asarray(shape.layers)
    return Pass(forward * share, (backward + work.wires * passes) * share)


def step_time(shape: TrainShape, lay: Layout, terms: Terms) -> StepTime:
    """Seconds of one step: forward, backward, gradients, optimiser."""
    work = _work(shape, lay, terms)
    found = _assembled(shape, lay, terms, _layer(shape, lay, terms, work), _head(shape, lay, terms))
    return found._replace(
        attention=work.attention.forward + work.attention.backward,
        gemm=work.dense.forward + work.dense.backward,
        experts=work.expert.forward + work.expert.backward + 2.0 * work.traffic,
        collectives=work.wires * (1.0 + _passes(lay)),
    )


def _assembled(shape: TrainShape, lay: Layout, terms: Terms, layer: Pass, head: Floats) -> StepTime:
    """From seconds of a layer to those of a step."""
    pp, vpp = np.asarray(lay.pp, dtype=float), np.maximum(lay.vpp, 1.0)
    most, last = layers_of_stage(shape, lay)
    both = layer.forward + layer.backward
    stage = np.maximum(most * both, last * both + head)
    stage = stage + _stage_wires(shape, lay, terms) * np.where(pp > 1, vpp, 0.0)
    n = lay.steps_of_pipeline
    gathers = (np.asarray(lay.sharded) > 0) & (pp < 1.5) & (np.asarray(lay.dp) > 1)
    stage = np.where(gathers, _sharded_stage(shape, lay, terms, stage), stage)
    shaken = 1.0 + np.asarray(terms.jitter) * np.log2(np.maximum(lay.ranks / terms.per_node, 1.0))
    steady, bubble = n * stage * shaken, (pp - 1.0) / vpp * most * both * shaken
    window = most * layer.backward * np.where(vpp > 1, 2.0, 1.0)
    exchange = np.where(gathers, 0.0, _exposed_gradients(shape, lay, terms, window))
    optimiser = _optimiser(shape, lay, terms)
    total = steady + bubble + exchange + optimiser + terms.floor_s
    nothing = np.zeros_like(total)
    return StepTime(total, steady, bubble, exchange, optimiser, head * n, *[nothing] * 4)


def _stage_wires(shape: TrainShape, lay: Layout, terms: Terms) -> Floats:
    """Exposed activations and gradients between two stages, one micro-batch."""
    spread = np.where(np.asarray(terms.sequence_parallel) > 0, lay.tp, 1.0)
    sent = BYTES * lay.local_tokens * shape.hidden / spread
    inside = lay.ranks <= terms.domain
    rate = np.where(inside, terms.scaleup_rate, terms.nic_rate)
    return terms.stage_exposed * 2.0 * (sent / rate + np.where(inside, terms.alpha_scaleup_s, terms.alpha_nic_s))


def _sharded_stage(shape: TrainShape, lay: Layout, terms: Terms, compute: Floats) -> Floats:
    """A micro-batch with weights gathered twice and gradients scattered once, partly behind computing.

    Adapters scatter no gradients of frozen weights.
    """
    dense, experts = local_params(shape, lay)
    passes = np.where(np.asarray(lay.adapters) > 0, 2.0, 3.0)
    away = 1.0 - 1.0 / np.asarray(lay.dp)
    moved = passes * BYTES * away * (dense / _group_rate(lay, terms) + experts / _expert_group_rate(lay, terms))
    moved = moved + passes * np.asarray(shape.layers) * terms.alpha_nic_s
    exposed = np.asarray(terms.fsdp_exposed)
    return _joined(compute, (1.0 - exposed) * moved, 3.0) + exposed * moved


def _exposed_gradients(shape: TrainShape, lay: Layout, terms: Terms, window: Floats) -> Floats:
    """Gradients out and weights back, once a step, less what the backward of the last micro-batch hides."""
    dense, experts = local_params(shape, lay)
    replicas = np.asarray(lay.dp) * lay.cp
    twins = np.maximum(replicas * lay.tp / lay.ep, 1.0)
    bytes_each = np.asarray(terms.gradient_bytes)
    whole = bytes_each * dense * (1.0 - 1.0 / replicas) / _group_rate(lay, terms)
    whole = whole + bytes_each * experts * (1.0 - 1.0 / twins) / _expert_group_rate(lay, terms)
    share = np.asarray(terms.dp_exposed)
    seen = share * whole + (1.0 - share) * np.maximum(whole - window, 0.0)
    return np.where(np.asarray(lay.adapters) > 0, 0.0, seen)


def _optimiser(shape: TrainShape, lay: Layout, terms: Terms) -> Floats:
    """States of the parameters that a rank updates, read and written once."""
    dense, experts = local_params(shape, lay)
    replicas = np.asarray(lay.dp) * lay.cp
    twins = np.maximum(replicas * lay.tp / lay.ep, 1.0)
    own = np.where(np.asarray(lay.replicated_states) > 0, dense + experts, dense / replicas + experts / twins)
    return np.where(np.asarray(lay.adapters) > 0, 0.0, terms.optimiser_bytes * own / terms.read_rate)
