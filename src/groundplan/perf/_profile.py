"""How a serving engine is set up where nobody says otherwise, and the memory that drivers report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class EngineSettings:
    """Settings that users of an engine choose, with the defaults of vLLM."""

    engine: str = "vllm"
    software_year: float = 2026.5
    """Release of the engine, with the fraction of the year."""
    untuned: float = 1.0
    """0 = tuned for this model and part, 1 = defaults."""
    memory_share: float = 0.90
    """vLLM `gpu_memory_utilization`: share of all memory that weights, activations and KV may fill."""
    max_batch: int = 1024
    """vLLM `max_num_seqs` on accelerators of 70 GiB and more (from memory of its argument defaults)."""
    small_max_batch: int = 256
    """The same on smaller ones."""
    block_tokens: int = 16
    small_memory_gb: float = 70.0
    local_max_batch: int = 4
    """llama.cpp `--parallel` of its server, unless somebody tuned it (from memory of its argument defaults)."""
    tpot_margin_share: float = 0.90
    """The batch is capped where the mean step takes this share of the TPOT level, so that the percentile can hold."""

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.engine} {'default' if self.untuned else 'tuned'} {self.software_year:.0f}"

    def batch_cap(self, memory_gb: float) -> int:
        """Sequences that the engine admits at once on an accelerator of this nominal memory."""
        if self.engine == "local" and self.untuned:
            return self.local_max_batch
        return self.max_batch if memory_gb >= self.small_memory_gb else self.small_max_batch


USABLE_MEMORY: Mapping[str, float] = {"hbm": 0.985, "gddr6x": 0.999, "gddr6": 0.94, "gddr7": 0.985, "lpddr": 0.93}
"""Bytes that the driver reports over nominal GiB ("80 GB" is GiB): H100 85.0e9, H200 150.7e9, L40S 48.3e9 (ECC),
RTX PRO 6000 102.6e9, RTX 4090 25.75e9; unified memory also holds the operating system (assumed)."""
