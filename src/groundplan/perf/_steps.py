"""Seconds of one step of a serving engine: counted work over data-sheet rates, by operator class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundplan.perf._constants import Constants
from groundplan.perf._shape import Floats, expected_active_experts
from groundplan.perf._terms import Terms

LATENT_KERNELS = 2.0
"""Kernels of a layer's prefill with latent attention over those without: it projects down and up again, queries and
keys apart, with norms between (counted roughly)."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one step of a replica does, all its ranks together; arrays that broadcast against the terms."""

    tokens: Floats
    """Prompt tokens and decoding sequences."""
    decode: Floats
    context: Floats | float = 0.0
    """Cached tokens that the decoding sequences read."""
    pairs: Floats | float = 0.0
    """Query-key pairs of prefill."""
    queries: float = 1.0
    """Tokens that each decoding sequence puts to the step: more than one where drafts are verified."""


def join(memory_s: Floats, compute_s: Floats, c: Constants) -> Floats:
    """Time of an operator that reads and computes: the longer part, and what of the shorter one is not hidden."""
    return np.maximum(memory_s, compute_s) + c.exposed_share * np.minimum(memory_s, compute_s)


def step_s(t: Terms, c: Constants, work: Work) -> Floats:
    """Seconds of a step. A pipeline of n stages holds n micro-batches: in one step each of them passes all stages."""
    tokens = np.maximum(work.tokens / t.stages, 1.0)
    decode, rows = work.decode / t.stages, work.queries * work.decode / t.stages
    prefill = np.maximum(work.tokens - work.queries * work.decode, 0.0) / t.stages
    total = dense_s(t, c, tokens, rows) + decode_attention_s(t, c, decode, work.context / t.stages, work.queries)
    total = total + fixed_s(t, c, work.decode)
    if np.any(prefill > 0.0):
        total = total + prefill_attention_s(t, c, prefill, work.pairs / t.stages) + launched_s(t, c, prefill)
    return total * to_power(t.stages, c.pipeline_exponent) * np.where(t.untuned < 0.0, 1.0 / c.race_factor, 1.0)


def dense_s(t: Terms, c: Constants, tokens: Floats, decode: Floats) -> Floats:
    """Everything whose work is a number of tokens: projections, experts, head (of decoded ones), collectives."""
    own = np.maximum(tokens / t.data, 1.0)
    rows = np.maximum(np.minimum(decode + 1.0, tokens), t.data)
    read = t.read_rate * c.weight_read_share
    flop = to_power(t.power_ratio, c.power_exponent)
    attention = flop * t.attention_rate * c.gemm_share[_i(t.attention_format)]
    dense = flop * t.dense_rate * c.gemm_share[_i(t.dense_format)]
    head = flop * t.head_rate * c.gemm_share[1]
    total = join(t.attention_read / read, t.attention_flop * own / attention, c)
    total = total + join(t.dense_read / read, t.dense_flop * tokens / dense, c)
    total = total + join(t.head_read / read, t.head_flop * rows / head, c) + experts_s(t, c, tokens, flop)
    passes = c.activation_passes * (0.5 + 0.5 / t.tensor)
    return total + passes * t.hidden_bytes * own / read + collectives_s(t, c, own)


def experts_s(t: Terms, c: Constants, tokens: Floats, flop: Floats) -> Floats:
    """Touched experts are read once; between data groups the fullest rank sets the pace."""
    touched = expected_active_experts(t.experts, t.experts_active, tokens)
    read = t.read_rate * c.expert_read_share
    rate = t.expert_rate * flop * c.gemm_share[_i(t.expert_format)] * c.grouped_gemm_factor
    seconds = join(touched * t.expert_read / read, t.expert_flop * tokens / rate, c)
    return seconds * np.where(t.data > 1.0, c.imbalance_factor, 1.0)


def collectives_s(t: Terms, c: Constants, own: Floats) -> Floats:
    """Bytes of all-reduces in a tensor group, and of the exchange with experts elsewhere."""
    share = np.where(t.slow_link > 0.0, c.slow_link_share, c.link_share)
    return (t.reduce_bytes + t.exchange_bytes) * own / (share * t.link_rate)


def decode_attention_s(t: Terms, c: Constants, decode: Floats, context: Floats, queries: float = 1.0) -> Floats:
    """Reading the cache (a window of it where layers see no more), multiplying the latent of MLA, recurrent states."""
    read = t.read_rate * c.kv_read_share
    flop = t.bf16_rate * to_power(t.power_ratio, c.power_exponent) * c.latent_attention_share
    seen = np.minimum(context, t.window * decode)
    moved = t.kv_read * context + t.window_read * seen + 2.0 * t.state_bytes * decode
    return (moved / read + queries * t.latent_flop * context / flop) / t.data


def prefill_attention_s(t: Terms, c: Constants, tokens: Floats, pairs: Floats) -> Floats:
    """Query-key pairs of prompt tokens; a layer with a window sees no more than the window of each."""
    rate = t.bf16_rate * to_power(t.power_ratio, c.power_exponent) * c.attention_share
    return (t.pair_flop * pairs + t.window_flop * np.minimum(pairs, t.window * tokens)) / rate / t.data


def fixed_s(t: Terms, c: Constants, decode: Floats) -> Floats:
    """What no rate decides: launches, start-ups, host work of a step and of each running sequence.

    Each data group has a host process of its own; software of each year needs less.
    """
    engine, untuned = _i(t.engine), to_power(c.untuned_host_factor, np.maximum(t.untuned, 0.0))
    host = (c.host_s[engine] + c.sequence_s[engine] * decode / t.data) * untuned
    return ((bare_layers_s(t, c) + starts_s(t, c)) * c.layer_factor[engine] + host) * age(t, c)


def starts_s(t: Terms, c: Constants) -> Floats:
    """Start-up times of all-reduces, and of the dispatch and combine of experts, by software of 2026."""
    alpha = np.where(t.slow_link > 0.0, c.alpha_pcie_s, c.alpha_scaleup_s)
    reduces = t.reduce_steps * (1.0 + c.alpha_growth * t.reduce_doublings)
    return alpha * (reduces + t.exchange_steps * (1.0 + c.alpha_growth * t.exchange_doublings))


def launched_s(t: Terms, c: Constants, prefill: Floats) -> Floats:
    """Engines capture the kernels of decode steps; in default deployments a prefill launches its own one by one."""
    return np.where(prefill > 0.0, np.maximum(t.untuned, 0.0), 0.0) * launches_s(t, c)


def bare_layers_s(t: Terms, c: Constants) -> Floats:
    """Fixed time of all layers of a decode step, by software of 2026 on no engine in particular."""
    moe = c.moe_layer_s * to_power(c.untuned_layer_factor, np.maximum(t.untuned, 0.0))
    layers = c.layer_s * t.layers + moe * t.moe_layers
    return layers + c.state_layer_s * t.state_layers + c.sparse_layer_s * t.sparse_layers


def layers_s(t: Terms, c: Constants) -> Floats:
    """The same on the engine of its year."""
    return bare_layers_s(t, c) * c.layer_factor[_i(t.engine)] * age(t, c)


def launches_s(t: Terms, c: Constants) -> Floats:
    """What the layers of a prefill take beyond those of a decode step, where only the latter is captured."""
    kernels = np.where(t.latent_flop > 0.0, LATENT_KERNELS, 1.0)
    return c.captured[_i(t.engine)] * (c.launch_factor * kernels - 1.0) * layers_s(t, c)


def age(t: Terms, c: Constants) -> Floats:
    """Fixed times of software of this year over those of 2026."""
    return np.exp(c.age_rate * (2026.0 - np.clip(t.software_year, 2024.0, 2026.5)))


def to_power(base: Floats | float, exponent: Floats | float) -> Floats:
    """base ** exponent of positive numbers, in a third of the time."""
    return np.exp(exponent * np.log(base))


def _i(index: Floats) -> np.ndarray:
    return np.asarray(index).astype(np.int64)
