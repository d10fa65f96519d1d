"""Step time of one LLM engine replica: operator classes over data-sheet rates, to the kernel's integer tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundplan.kernel import StepTime
from groundplan.perf._chip import Chip
from groundplan.perf._profile import EngineProfile
from groundplan.perf._shape import BYTES, Floats, Shape, expected_active_experts
from groundplan.perf._types import PS_PER_S

HOP_ALPHA_S = 31e-6
"""One message between nodes (fit over multi-node training, 20-70 us)."""


def join(memory_s: Floats, compute_s: Floats, norm: float) -> Floats:
    """Time of an operator that reads and computes: p-norm, never below either part."""
    return (memory_s**norm + compute_s**norm) ** (1.0 / norm)


@dataclass(frozen=True)
class Engine:
    """One replica: `tensor_parallel` ranks per stage, `stages` pipeline stages that each hold a part of the layers.

    A pipeline runs as many micro-batches as stages: in one step time each of them passes all stages once, so a
    step of n tokens takes the whole model's time at n / stages tokens.
    """

    shape: Shape
    chip: Chip
    precision: str
    tensor_parallel: int
    stages: int
    nodes: int
    nic_bytes_per_s: float
    """Between nodes, per rank; used only when nodes > 1."""
    head_rows: int
    """Sequences at once, and so rows of logits in a step, at most."""
    profile: EngineProfile

    @property
    def compute_format(self) -> str:
        """Format of the multiplications of most weights."""
        return self.chip.compute_format(self.precision)

    def _gemm_s(self, params: float, tokens: Floats, precision: str) -> Floats:
        profile, ranks = self.profile, self.tensor_parallel
        read = params * BYTES[precision] / ranks / (profile.weight_read_share * self.chip.read_bytes_per_s)
        compute = self.chip.compute_format(precision)
        rate = profile.gemm_share[compute] * self.chip.flop_per_s(compute)
        return join(np.full_like(tokens, read), 2.0 * params * tokens / ranks / rate, profile.norm)

    def _experts_s(self, tokens: Floats) -> Floats:
        shape, profile, ranks = self.shape, self.profile, self.tensor_parallel
        if not shape.moe_layers:
            return np.zeros_like(tokens)
        arch = shape.arch
        touched = expected_active_experts(arch.experts, arch.experts_active, tokens) * shape.expert_params
        speed = profile.expert_read_share * self.chip.read_bytes_per_s
        read = touched * BYTES[self.precision] / ranks / speed
        rate = profile.gemm_share[self.compute_format] * profile.grouped_gemm_factor
        flop = 2.0 * arch.experts_active * shape.expert_params * tokens / ranks
        return join(read, flop / (rate * self.chip.flop_per_s(self.compute_format)), profile.norm)

    def _moved_s(self, tokens: Floats) -> Floats:
        """Activation traffic, windowed attention and collectives."""
        shape, profile, ranks = self.shape, self.profile, self.tensor_parallel
        layers, width = shape.arch.layers, shape.arch.hidden * 2.0
        passes = profile.activation_passes * (0.5 + 0.5 / ranks)
        activations = passes * width * layers * tokens / self.chip.read_bytes_per_s
        return activations + self._window_s(tokens) + self._collectives_s(tokens) + self._hops_s(tokens)

    def _window_s(self, tokens: Floats) -> Floats:
        """Every token reads (decode) or multiplies (prefill) one window per windowed layer: the slower of both."""
        shape, profile = self.shape, self.profile
        if not shape.window_layers:
            return np.zeros_like(tokens)
        seen = shape.window_layers * (shape.arch.sliding_window_tokens or 0) * tokens
        flop = seen * shape.pair_flop / self.tensor_parallel
        compute = flop / (profile.attention_share * self.chip.flop_per_s("bf16"))
        decoding = np.minimum(tokens, self.head_rows) / np.maximum(tokens, 1.0)
        read = seen * decoding * shape.kv_layer_bytes / shape.kv_shards(self.tensor_parallel)
        return np.maximum(compute, read / (profile.kv_read_share * self.chip.read_bytes_per_s))

    def _collectives_s(self, tokens: Floats) -> Floats:
        """Two all-reduces per layer: a start-up time that grows with log2(ranks) and a ring."""
        shape, profile, ranks = self.shape, self.profile, self.tensor_parallel
        if ranks == 1:
            return np.zeros_like(tokens)
        first = profile.alpha_scaleup_s if self.chip.scaleup(ranks) else profile.alpha_pcie_s
        alpha = first * (1.0 + (np.log2(ranks) - 1.0) / 3.0)
        ring = 2.0 * (ranks - 1) / ranks * shape.arch.hidden * 2.0 * tokens
        return 2 * shape.arch.layers * (alpha + ring / (profile.link_share * self.chip.link_bytes_per_s(ranks)))

    def _hops_s(self, tokens: Floats) -> Floats:
        """Hidden states handed from stage to stage."""
        if self.stages == 1:
            return np.zeros_like(tokens)
        sent = self.shape.arch.hidden * 2.0 * tokens / self.tensor_parallel
        return (self.stages - 1) * (HOP_ALPHA_S + sent / self.nic_bytes_per_s)

    def dense_s(self, tokens: Floats) -> Floats:
        """Seconds of a step of this many tokens, attention over cached context and cost per sequence left out."""
        per_batch = np.maximum(np.asarray(tokens, dtype=float) / self.stages, 1.0)
        shape, profile, wide = self.shape, self.profile, "fp32" if self.precision == "fp32" else "bf16"
        attention = self.precision if shape.attention_bytes(self.precision) < BYTES["bf16"] else wide
        total = self._gemm_s(shape.attention_params, per_batch, attention)
        total = total + self._gemm_s(shape.dense_ffn_params, per_batch, self.precision)
        total = total + self._gemm_s(shape.head_params, np.minimum(per_batch, self.head_rows), wide)
        fixed = profile.layer_s * shape.arch.layers + profile.moe_layer_s * shape.moe_layers + profile.host_s
        return (total + self._experts_s(per_batch) + self._moved_s(per_batch) + fixed) * self._pipeline_factor()

    def _pipeline_factor(self) -> float:
        return float(self.stages**self.profile.pipeline_exponent)

    def decode_base_s(self, sequences: Floats) -> Floats:
        """Seconds of a step that decodes this many sequences, their cached context left out."""
        rows = np.asarray(sequences, dtype=float)
        return self.dense_s(rows) + self.profile.sequence_s * rows

    def context_s(self) -> float:
        """Seconds per cached token that a decode step reads (and, with MLA, multiplies).

        With fewer sequences than stages a pipeline is not full and this is too short: there weights decide anyway.
        """
        shape, profile = self.shape, self.profile
        read = shape.full_layers * shape.kv_layer_bytes / shape.kv_shards(self.tensor_parallel)
        slope = read / (profile.kv_read_share * self.chip.read_bytes_per_s)
        if shape.latent_flop:
            flop = shape.full_layers * shape.latent_flop / self.tensor_parallel
            slope += flop / (profile.latent_attention_share * self.chip.flop_per_s("bf16"))
        return slope / self.stages * self._pipeline_factor()

    def pair_s(self) -> float:
        """Seconds per query-key pair of prefill attention."""
        flop = self.shape.full_layers * self.shape.pair_flop / self.tensor_parallel / self.stages
        rate = self.profile.attention_share * self.chip.flop_per_s("bf16")
        return flop / rate * self._pipeline_factor()

    def step_bytes(self, tokens: float, context_tokens: float) -> float:
        """Bytes that one accelerator reads in a step: touched weights and KV cache."""
        shape, arch = self.shape, self.shape.arch
        untouched = arch.experts - expected_active_experts(arch.experts, arch.experts_active, tokens / self.stages)
        weights = shape.weight_bytes(self.precision) - float(untouched) * shape.expert_params * BYTES[self.precision]
        shards = shape.kv_shards(self.tensor_parallel) * self.stages
        kv = shape.full_layers * shape.kv_layer_bytes * context_tokens / shards
        return weights / self.tensor_parallel + kv

    def step_flop(self, tokens: float, pairs: float) -> float:
        """FLOP of one accelerator in a step: two per active parameter and token, and attention."""
        shape = self.shape
        active = shape.attention_params + shape.dense_ffn_params
        active += shape.arch.experts_active * shape.expert_params
        ranks = self.tensor_parallel * self.stages
        return (2.0 * active * tokens + shape.full_layers * shape.pair_flop * pairs) / ranks

    def step_time(self, max_batch: int, token_budget: int) -> StepTime:
        """The kernel's tables: decode for 0..max_batch sequences, prefill at powers of two up to the budget."""
        base = np.concatenate([[0.0], self.decode_base_s(np.arange(1, max_batch + 1, dtype=float))])
        base_ps = np.maximum.accumulate(np.ceil(base * PS_PER_S)).astype(np.int64)
        slope = np.full(max_batch + 1, int(np.ceil(self.context_s() * PS_PER_S)), np.int64)
        slope[0] = 0
        breaks = np.array([2**i for i in range(token_budget.bit_length())], np.int64)
        reach = np.append(breaks, 2 * breaks[-1])
        prefill_ps = np.maximum.accumulate(np.ceil(self.dense_s(reach.astype(float)) * PS_PER_S)).astype(np.int64)
        rise = np.diff(prefill_ps) // np.diff(reach)
        pair_fs = int(np.ceil(self.pair_s() * PS_PER_S * 1000))
        return StepTime(base_ps, slope, breaks, prefill_ps[:-1], rise, pair_fs)
