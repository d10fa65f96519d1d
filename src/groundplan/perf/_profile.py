"""The few efficiencies that turn data-sheet rates into an engine's speed: global, none per model.

Serving figures are fits over 4,339 published measurements (11 publishers, 29 accelerators): ML.ENERGY, InferenceX,
TensorRT-LLM documents, MLPerf v4.1, Splitwise. Ranges in comments are the spread over variants of the fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class EngineProfile:
    """A serving engine, its release and tuning, as shares of data-sheet peaks and fixed times in seconds."""

    name: str = "vllm default 2026"
    weight_read_share: float = 0.90
    """0.85-0.96 of memory bandwidth on dense weights."""
    expert_read_share: float = 0.82
    """0.75-0.97 on expert weights."""
    kv_read_share: float = 0.95
    """0.83-0.95 on KV cache."""
    gemm_share: Mapping[str, float] = field(
        default_factory=lambda: {"fp32": 0.57, "bf16": 0.57, "fp8": 0.67, "int8": 0.60, "fp4": 0.40}
    )
    """Share of the dense peak by compute format: .55-.65, .55-.68, .38-.45; int8 is assumed between bf16 and fp8."""
    grouped_gemm_factor: float = 0.74
    """Expert GEMM over dense GEMM: .42 / .57."""
    attention_share: float = 0.44
    """Prefill attention as a share of the bf16 peak, .40-.60."""
    latent_attention_share: float = 0.55
    """MLA decode compute as a share of the bf16 peak, .5-.65."""
    norm: float = 1.3
    """p of the norm that joins memory and compute time; near a plain sum."""
    link_share: float = 0.70
    """Share of link bandwidth in a ring, .60-.75, NVLink and PCIe alike."""
    alpha_scaleup_s: float = 9e-6
    """One collective over two GPUs of a scale-up domain; a third more for each further doubling. 9-13 us."""
    alpha_pcie_s: float = 19e-6
    """The same over PCIe, 18-28 us."""
    layer_s: float = 24e-6
    """Fixed time per layer and step, 24-48 us at 2026 software."""
    moe_layer_s: float = 20e-6
    """Extra per mixture-of-experts layer, 20-57 us."""
    host_s: float = 0.3e-3
    """Host time of a step: low end of 0.3-1.2 ms, as vLLM 0.19 shows (Llama-3.1-8B on H100: 6.44 ms a token)."""
    sequence_s: float = 33e-6
    """Host time per running sequence and step, 33-45 us."""
    activation_passes: float = 16.0
    """Reads and writes of the hidden state per layer (15-20 x hidden x 2 bytes), half of them shared among TP ranks."""
    pipeline_exponent: float = 0.15
    """Step time grows as stages^0.15 beyond the ideal pipeline, .13-.17."""
    memory_share: float = 0.90
    """vLLM `gpu_memory_utilization`: share of all memory that weights, activations and KV may fill."""
    max_batch: int = 1024
    """vLLM `max_num_seqs` on accelerators of 70 GiB and more (from memory of its argument defaults)."""
    small_max_batch: int = 256
    """The same on smaller ones."""
    block_tokens: int = 16
    small_memory_gb: float = 70.0
    tpot_margin_share: float = 0.90
    """The batch is capped where the mean step takes this share of the TPOT level, so that the percentile can hold."""

    def batch_cap(self, memory_gb: float) -> int:
        """Sequences that the engine admits at once on an accelerator of this nominal memory."""
        return self.max_batch if memory_gb >= self.small_memory_gb else self.small_max_batch


# 90 % of rows of publishers never seen lie within these factors of the predicted throughput.
DENSE_ERROR = (1 / 1.27, 1.27)
MOE_ERROR = (1 / 1.6, 1.46)
"""Wider below: default deployments of mixture-of-experts models run about 1.6 times slower than tuned ones."""

USABLE_MEMORY: Mapping[str, float] = {"hbm": 0.985, "gddr6": 0.94, "gddr7": 0.985, "lpddr": 0.93}
"""Bytes that the driver reports over nominal GiB ("80 GB" is GiB): H100 85.0e9, H200 150.7e9, L40S 48.3e9 (ECC),
RTX PRO 6000 102.6e9; unified memory also holds the operating system (assumed)."""
