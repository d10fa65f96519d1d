"""Step times of AIConfigurator (NVIDIA, Apache-2.0): its tables of measured operators, asked for one deployment.

An optional package that nothing else needs. It is asked with a configuration written from the model card, in a folder
of its own, so that it looks nothing up on the network and models of the user are covered like any other.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from groundplan.catalog import TransformerArch
from groundplan.errors import Issue
from groundplan.measure._tables import NotCovered, ProviderError, StepTables
from groundplan.perf.serving import Deployment

PACKAGE = "aiconfigurator-core"
INSTALL = "pip install groundplan[aiconfigurator]"
SYSTEMS: Mapping[str, str] = {
    "a100-80-sxm": "a100_sxm", "h100-sxm": "h100_sxm", "h200-sxm": "h200_sxm", "b200": "b200_sxm", "b300": "b300_sxm",
    "gb200": "gb200", "gb300": "gb300", "l40s": "l40s", "rtx-pro-6000": "rtx_pro_6000_server", "arc-pro-b60": "b60",
}  # fmt: skip
"""Accelerators that it has tables of, by catalogue id."""
FORMATS: Mapping[tuple[str, bool], tuple[str, str]] = {
    ("bf16", False): ("bfloat16", "bfloat16"), ("bf16", True): ("bfloat16", "bfloat16"),
    ("fp8", False): ("fp8_static", "fp8"), ("fp8", True): ("fp8_block", "fp8_block"),
    ("fp4", False): ("nvfp4", "nvfp4"), ("fp4", True): ("bfloat16", "nvfp4"),
}  # fmt: skip
"""(Format, mixture of experts) -> its names for projections and experts; 4-bit mixtures keep attention in 16 bit."""
HARMONY_WINDOW = 128
"""Tokens that every second layer of gpt-oss sees; it knows no other mixture with windows."""


@dataclass(frozen=True, slots=True)
class AIConfigurator:
    """The installed package."""

    compile: Any
    release: str

    @property
    def name(self) -> str:
        """For people."""
        return f"AIConfigurator {self.release}"

    def tables(self, deployment: Deployment, engine: str) -> StepTables:
        """Step times of a deployment under an engine; NotCovered where it has no tables."""
        arch, part = deployment.card.transformer(), deployment.server.accelerator or ""
        if part not in SYSTEMS:
            raise NotCovered(f"it has no tables of {part or deployment.server.id}, only of {', '.join(SYSTEMS)}")
        config = config_of(arch, deployment.card.context_tokens)
        asked = _formats(deployment.precision, arch)
        handles: list[Any] = []
        why = ""
        with TemporaryDirectory() as folder:
            (Path(folder) / "config.json").write_text(json.dumps(config), "utf-8")
            for tensor, experts in _splits(deployment.tensor_ranks, arch):
                how = {"tp_size": deployment.tensor_ranks, "moe_tp_size": tensor, "moe_ep_size": experts}
                try:
                    handles.append(self.compile(folder, SYSTEMS[part], engine, **how, **asked))
                except Exception as error:  # its errors have no common type
                    why = _said(error)
        if not handles:
            raise NotCovered(why)
        return Tables(tuple(handles), f"{SYSTEMS[part]} {engine}")


def aiconfigurator() -> AIConfigurator:
    """The package, loaded; ProviderError where it is not installed."""
    try:
        compiled = import_module("aiconfigurator_core.sdk").EngineHandle.compile
    except ImportError as error:
        what = f"{PACKAGE} cannot be loaded: {error}"
        raise ProviderError(Issue("not-installed", "--provider aiconfigurator", what, INSTALL)) from None
    logging.getLogger("aiconfigurator_core").setLevel(logging.CRITICAL)
    return AIConfigurator(compiled, version(PACKAGE))


@dataclass(frozen=True, slots=True)
class Tables:
    """Compiled tables of one deployment, for each way to split experts over its ranks."""

    handles: tuple[Any, ...]
    name: str

    def decode_s(self, batch: int, context_tokens: int) -> float:
        """Seconds of a decode step."""
        return self._fastest_s("predict_decode_latency", batch, context_tokens)

    def prefill_s(self, prompt_tokens: int) -> float:
        """Seconds of the prefill of one prompt."""
        return self._fastest_s("predict_prefill_latency", 1, prompt_tokens)

    def _fastest_s(self, question: str, *point: int) -> float:
        """By the split of experts that is faster there: who sets an engine up takes that one."""
        found: list[float] = []
        why = ""
        for handle in self.handles:
            try:
                found.append(float(getattr(handle, question)(*point)) / 1e3)
            except Exception as error:
                why = _said(error)
        if not found:
            raise NotCovered(why)
        return min(found)


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:160]


def _formats(precision: str, arch: TransformerArch) -> dict[str, str]:
    key = (precision, arch.experts > 0)
    if key not in FORMATS:
        raise NotCovered(f"it is not asked for {precision} weights, only for bf16, fp8 and fp4")
    dense, experts = FORMATS[key]
    if precision == "fp4" and arch.sliding_window_tokens:
        experts = "w4a16_mxfp4"
    wide = {"kvcache_quant_mode": "bfloat16", "fmha_quant_mode": "bfloat16"}
    return {"gemm_quant_mode": dense, "moe_quant_mode": experts, **wide}


def _splits(ranks: int, arch: TransformerArch) -> list[tuple[int, int]]:
    """Tensor and expert ranks that experts can be cut over: each expert over all ranks, or whole experts to each."""
    return sorted({(ranks, 1), (1, ranks)}) if arch.experts else [(ranks, 1)]


def config_of(arch: TransformerArch, context_tokens: int | None) -> dict[str, Any]:
    """The configuration of a shape as Hugging Face spells it; NotCovered for one that it would take for another."""
    config = {
        "architectures": [_architecture(arch)],
        "num_hidden_layers": arch.layers,
        "hidden_size": arch.hidden,
        "num_attention_heads": arch.heads,
        "num_key_value_heads": arch.kv_heads,
        "head_dim": arch.head_dim,
        "intermediate_size": arch.ffn,
        "vocab_size": arch.vocab,
        "max_position_embeddings": context_tokens or 131072,
        "tie_word_embeddings": arch.tied_embeddings,
    }
    if arch.experts:
        config |= {"num_experts_per_tok": arch.experts_active, "n_routed_experts": arch.experts}
        config |= {"moe_intermediate_size": arch.moe_ffn, "n_shared_experts": arch.experts_shared}
        config |= {"first_k_dense_replace": arch.dense_layers}
    if arch.mla:
        config |= {"q_lora_rank": arch.mla.q_lora_rank, "kv_lora_rank": arch.mla.kv_lora_rank}
        config |= {"qk_rope_head_dim": arch.mla.rope_dim, "qk_nope_head_dim": arch.mla.nope_dim}
        config |= {"v_head_dim": arch.mla.v_dim}
    return config


def _architecture(arch: TransformerArch) -> str:
    plain = not (arch.recurrent or arch.sparse or arch.attention_gate or arch.moe_latent) and arch.gated
    whole = arch.attention_count == arch.ffn_count == arch.layers
    alike = not (arch.dense_layers or arch.experts_shared)
    windows = arch.sliding_window_tokens
    if plain and whole and arch.experts and arch.mla and not windows:
        return "DeepseekV3ForCausalLM"
    if plain and whole and arch.experts and alike and not arch.mla:
        if windows is None:
            return "Qwen2MoeForCausalLM"
        if windows == HARMONY_WINDOW and arch.global_layers == arch.layers // 2:
            return "GptOssForCausalLM"
    if plain and whole and not (arch.experts or arch.mla or windows):
        return "LlamaForCausalLM"
    raise NotCovered("it is not asked for this shape: only plain dense models, mixtures of experts and MLA are alike")
