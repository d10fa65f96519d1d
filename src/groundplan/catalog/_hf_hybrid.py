"""Layers of a configuration that are not plain attention: recurrences, blocks of one kind, learned sparse attention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from groundplan.catalog._hf_reader import Reader
from groundplan.catalog._models import RecurrentArch, SparseAttention

BLOCKS: Mapping[str, str] = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}


def layer_mix(r: Reader) -> dict[str, Any]:
    """Fields of the shape that say which layers are what; empty for a model of attention layers."""
    if r.type == "nemotron_h":
        return _single_blocks(r)
    if r.first("linear_num_value_heads") is not None:
        r.unless("attn_output_gate", True)
        return {"attention_gate": True, "recurrent": _gated_delta(r)}
    r.unless("attention_output_gate", False)
    r.unless("attn_type_list", [1] * r.layers())
    return {}


def _gated_delta(r: Reader) -> RecurrentArch:
    return RecurrentArch(
        kind="gated_delta", layers=_linear_layers(r), heads=r.whole("linear_num_value_heads"),
        head_dim=r.whole("linear_value_head_dim"), key_heads=r.whole("linear_num_key_heads"),
        state_dim=r.whole("linear_key_head_dim"), conv_kernel=r.whole("linear_conv_kernel_dim"),
    )  # fmt: skip


def _linear_layers(r: Reader) -> int:
    kinds = r.first("layer_types")
    if kinds is None:
        return r.layers() - r.layers() // r.whole("full_attention_interval")
    if not isinstance(kinds, list) or set(map(str, kinds)) - {"linear_attention", "full_attention"}:
        raise r.error("layer_types", f"{str(kinds)[:80]} is no list of linear and full attention", "add a card")
    if len(kinds) != r.layers():
        raise r.error("layer_types", f"{len(kinds)} entries for {r.layers()} layers", "correct the file")
    return kinds.count("linear_attention")


def _single_blocks(r: Reader) -> dict[str, Any]:
    """Nemotron-H: each layer is one block, named by a letter of a pattern or by a list."""
    count = Counter(_blocks(r))
    mamba = RecurrentArch(
        kind="mamba2", layers=count["mamba"], heads=r.whole("mamba_num_heads"), head_dim=r.whole("mamba_head_dim"),
        key_heads=r.whole("n_groups"), state_dim=r.whole("ssm_state_size"), conv_kernel=r.whole("conv_kernel"),
    )  # fmt: skip
    mix = {"attention_layers": count["attention"], "ffn_layers": count["mlp"] + count["moe"], "recurrent": mamba}
    return {**mix, **({"dense_layers": count["mlp"]} if count["moe"] else {})}


def _blocks(r: Reader) -> list[str]:
    named, pattern = r.first("layers_block_type"), r.first("hybrid_override_pattern")
    kinds = named if isinstance(named, list) else [BLOCKS.get(letter, letter) for letter in str(pattern or "")]
    strange = sorted({str(kind) for kind in kinds} - set(BLOCKS.values()))
    if strange or len(kinds) != r.layers():
        what = f"unknown {', '.join(strange)}" if strange else f"{len(kinds)} blocks for {r.layers()} layers"
        raise r.error("hybrid_override_pattern", what, "correct the file")
    return [str(kind) for kind in kinds]


def _indexers(r: Reader) -> int | None:
    """Layers with an indexer of their own, where a list names those that share; None = all."""
    r.unless("index_topk_pattern", None)
    kinds = r.first("indexer_types")
    if kinds is None:
        return None
    if not isinstance(kinds, list) or len(kinds) != r.layers() or set(map(str, kinds)) - {"full", "shared"}:
        raise r.error("indexer_types", f"is no list of full and shared for {r.layers()} layers", "correct the file")
    return kinds.count("full") if "shared" in kinds else None


def sparse_attention(r: Reader) -> SparseAttention | None:
    """The indexer of DeepSeek-V3.2, GLM-5 and MiniMax-M3; None = every query sees everything."""
    if r.first("index_topk") is not None:
        return SparseAttention(
            top_tokens=r.whole("index_topk"), index_heads=r.whole("index_n_heads"),
            index_dim=r.whole("index_head_dim"), layers=r.layers(), index_layers=_indexers(r),
        )  # fmt: skip
    blocks = r.first("sparse_attention_config")
    if blocks is None:
        return None
    try:
        return SparseAttention(
            top_tokens=blocks["sparse_topk_blocks"] * blocks["sparse_block_size"],
            index_heads=blocks["sparse_num_index_heads"], index_dim=blocks["sparse_index_dim"],
            layers=sum(blocks["sparse_attention_freq"]),
        )  # fmt: skip
    except (TypeError, KeyError) as error:
        raise r.error("sparse_attention_config", f"cannot be read ({error})", "add a card") from error
