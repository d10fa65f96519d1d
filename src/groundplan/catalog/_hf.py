"""Model cards from a Hugging Face ``config.json``.

Every key is either read, or known not to change shape or size, or refused: a key that nobody looked at
could change the memory or the work of the model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from groundplan.catalog._base import Precision
from groundplan.catalog._hf_hybrid import layer_mix, sparse_attention
from groundplan.catalog._hf_reader import STATE_HEAD_DIM, STATE_KV_HEADS, TIED_BY_DEFAULT, Reader
from groundplan.catalog._models import MlaArch, ModelCard, TransformerArch
from groundplan.errors import CatalogError, Issue
from groundplan.spec import Source

FFN_WIDTHS = ("dense_intermediate_size", "intermediate_size_mlp", "intermediate_size", "moe_intermediate_size")
SHARED_WIDTHS = (
    "shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "shared_intermediate_size",
)  # fmt: skip
LLAMA4_GLOBAL_EVERY = 4
"""Every fourth layer of Llama 4 has no rotary embedding and sees everything (class default)."""
DTYPES: Mapping[str, Precision] = {
    "bfloat16": "bf16", "float16": "bf16", "float32": "fp32", "torch.bfloat16": "bf16", "torch.float16": "bf16",
}  # fmt: skip


def model_from_hf_config(config: Mapping[str, Any] | Path | str, *, name: str) -> ModelCard:
    """Card of a llama, qwen, mistral, exaone, deepseek, gpt_oss, gemma, glm, minimax or nemotron style configuration.

    `config` is the parsed mapping or the path of a file or of its folder. Raises CatalogError naming the key
    and the file for a missing key, a key of unknown meaning, an unknown `model_type` or an impossible shape.
    Parameter totals are recomputed from the shape; of a multimodal model only the text decoder is read.
    """
    raw, where = _read(config, name)
    text = raw.get("text_config") or {}
    if not isinstance(text, Mapping):
        raise CatalogError(Issue("hf-config", where, f"key text_config: {text!r} is no mapping", "correct the file"))
    reader = Reader({**raw, **text}, where)
    reader.refuse_unknown()
    try:
        arch = _arch(reader)
    except ValidationError as error:
        faults = "; ".join(fault["msg"] for fault in error.errors())
        raise reader.error("shape", faults, "correct the file") from error
    source = Source(who=where, kind="vendor", confidence="high", note="totals recomputed from the shape")
    return ModelCard(
        id=re.sub(r"[^a-z0-9.]+", "-", name.rsplit("/", 1)[-1].casefold()).strip("-."), name=name, source=source,
        kind="llm", params_total_b=arch.weights_params() / 1e9, params_active_b=arch.active_params() / 1e9,
        native_precision=_precision(reader), context_tokens=reader.whole("max_position_embeddings"), arch=arch,
    )  # fmt: skip


def _read(config: Mapping[str, Any] | Path | str, name: str) -> tuple[Mapping[str, Any], str]:
    if isinstance(config, Mapping):
        return config, f"{name}/config.json"
    path = Path(config)
    path = path / "config.json" if path.is_dir() else path
    try:
        parsed = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogError(Issue("hf-config", str(path), str(error), "give a readable config.json")) from error
    if not isinstance(parsed, dict):
        raise CatalogError(Issue("hf-config", str(path), "not a JSON object", "give a model's config.json"))
    return parsed, str(path)


def _arch(r: Reader) -> TransformerArch:
    for key in ("is_encoder_decoder", "add_cross_attention"):
        r.unless(key, False)
    heads, hidden = r.whole("num_attention_heads"), r.whole("hidden_size")
    mla = _mla(r)
    kv_default = None if r.type in STATE_KV_HEADS else heads
    window, global_layers = _window(r)
    shape = {
        "layers": r.layers(),
        "hidden": hidden,
        "heads": heads,
        "kv_heads": r.first("num_key_value_heads") or kv_default or r.whole("num_key_value_heads"),
        "head_dim": mla.nope_dim if mla else _head_dim(r, hidden, heads),
        "ffn": r.whole(*FFN_WIDTHS),
        "gated": "relu2" not in (r.first("mlp_hidden_act"), r.first("hidden_act")),
        "vocab": r.whole("vocab_size"),
        "tied_embeddings": _tied(r),
        "mla": mla,
        "sliding_window_tokens": window,
        "global_layers": global_layers,
        "sparse": sparse_attention(r),
        "mtp_layers": r.count("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules"),
    }
    return TransformerArch.model_validate({**shape, **_experts(r), **layer_mix(r)})


def _head_dim(r: Reader, hidden: int, heads: int) -> int:
    if r.first("head_dim", "attention_head_dim") is not None or r.type in STATE_HEAD_DIM or hidden % heads:
        return r.whole("head_dim", "attention_head_dim")
    return hidden // heads


def _tied(r: Reader) -> bool:
    value = r.keys.get("tie_word_embeddings", TIED_BY_DEFAULT[r.type])
    if not isinstance(value, bool):
        raise r.error("tie_word_embeddings", "missing", "state true or false in the file")
    return value


def _mla(r: Reader) -> MlaArch | None:
    if r.first("kv_lora_rank") is None:
        return None
    return MlaArch(
        q_lora_rank=r.first("q_lora_rank") or 0, kv_lora_rank=r.whole("kv_lora_rank"),
        rope_dim=r.whole("qk_rope_head_dim"), nope_dim=r.whole("qk_nope_head_dim"), v_dim=r.whole("v_head_dim"),
    )  # fmt: skip


def _experts(r: Reader) -> dict[str, int]:
    if not r.first("num_experts", "n_routed_experts", "num_local_experts"):
        return {}
    r.unless("decoder_sparse_step", 1)
    r.unless("mlp_only_layers", [])
    width = r.whole("moe_intermediate_size", "intermediate_size")
    return {
        "experts": r.whole("num_experts", "n_routed_experts", "num_local_experts"),
        "experts_active": r.whole("num_experts_per_tok", "experts_per_token"),
        "experts_shared": _shared(r, width),
        "moe_ffn": width,
        "moe_latent": r.count("moe_latent_size"),
        "dense_layers": _dense_layers(r),
    }


def _dense_layers(r: Reader) -> int:
    """Layers without experts: the leading ones, those that a list marks, or all but every n-th."""
    marked, step = r.first("moe_layer_freq"), r.count("interleave_moe_layer_step")
    if isinstance(marked, list):
        if len(marked) != r.layers() or set(marked) - {0, 1}:
            raise r.error("moe_layer_freq", f"is no list of 0 and 1 for {r.layers()} layers", "correct the file")
        return marked.count(0)
    r.unless("moe_layer_freq", 1)
    return r.layers() - r.layers() // step if step else r.first("first_k_dense_replace") or 0


def _shared(r: Reader, width: int) -> int:
    if r.type in ("llama4", "llama4_text"):
        return 1
    key = next((k for k in SHARED_WIDTHS if r.first(k)), SHARED_WIDTHS[0])
    shared_width = r.count(key)
    if shared_width % width:
        raise r.error(key, f"{shared_width} is no multiple of {width}", "add a card")
    return shared_width // width or r.first("n_shared_experts", "num_shared_experts") or 0


def _window(r: Reader) -> tuple[int | None, int | None]:
    """(window in tokens, layers with full attention); (None, None) = full attention everywhere."""
    if r.first("attention_chunk_size") is not None:
        return r.whole("attention_chunk_size"), r.layers() // LLAMA4_GLOBAL_EVERY
    if r.first("sliding_window") is None or r.keys.get("use_sliding_window") is False:
        return None, None
    layers = r.layers()
    kinds, pattern = r.first("layer_types"), r.first("sliding_window_pattern")
    if kinds is not None:
        return r.whole("sliding_window"), _full_layers(r, kinds, layers)
    if isinstance(pattern, str):
        return r.whole("sliding_window"), sum(pattern[i % len(pattern)] == "G" for i in range(layers))
    if pattern is not None:
        return r.whole("sliding_window"), layers // r.whole("sliding_window_pattern")
    if r.type in ("mistral", "mixtral", "phi3"):
        return r.whole("sliding_window"), 0
    raise r.error("layer_types", "missing beside sliding_window", "state which layers have full attention")


def _full_layers(r: Reader, kinds: object, layers: int) -> int:
    if not isinstance(kinds, list):
        raise r.error("layer_types", f"{kinds!r} is no list", "name the attention of each layer")
    strange = sorted({str(kind) for kind in kinds} - {"full_attention", "sliding_attention"})
    if strange or len(kinds) != layers:
        what = f"unsupported {', '.join(strange)}" if strange else f"{len(kinds)} entries for {layers} layers"
        raise r.error("layer_types", what, "add a card to the catalogue")
    return kinds.count("full_attention")


def _precision(r: Reader) -> Precision:
    quantized = r.first("quantization_config")
    if quantized is not None and not isinstance(quantized, Mapping):
        raise r.error("quantization_config", f"{quantized!r} is no mapping", "give the block of the checkpoint")
    if quantized is not None:
        return _quantized(r, quantized)
    value = str(r.first("torch_dtype", "dtype") or "")
    if value not in DTYPES:
        raise r.error("torch_dtype", f"unknown {value!r}" if value else "missing", "state bfloat16, float16 or float32")
    return DTYPES[value]


def _quantized(r: Reader, quantized: Mapping[str, Any]) -> Precision:
    method = str(quantized.get("quant_method", "")).casefold()
    algorithm = str(quantized.get("quant_algo", "")).casefold()
    bits = quantized.get("bits") or (4 if quantized.get("load_in_4bit") else 8 if quantized.get("load_in_8bit") else 0)
    if method in ("fp8", "fbgemm_fp8") or algorithm == "fp8":
        return "fp8"
    if method == "mxfp4" or algorithm == "nvfp4":
        return "fp4"
    if method in ("awq", "gptq", "bitsandbytes") and bits in (4, 8):
        return "int4" if bits == 4 else "int8"
    if method == "compressed-tensors":
        return _compressed(r, quantized)
    raise r.error("quantization_config", f"unknown format {method or algorithm!r}", "state fp8, mxfp4, awq or gptq")


def _compressed(r: Reader, quantized: Mapping[str, Any]) -> Precision:
    """Format of the weights (compressed-tensors); groups of more than one format are refused."""
    groups = quantized.get("config_groups")
    weights = [group.get("weights") or {} for group in groups.values()] if isinstance(groups, Mapping) else []
    formats = {(str(w.get("type", "")), w.get("num_bits")) for w in weights if isinstance(w, Mapping)}
    known: dict[tuple[str, Any], Precision] = {
        ("float", 8): "fp8", ("int", 8): "int8", ("float", 4): "fp4", ("int", 4): "int4",
    }  # fmt: skip
    if len(formats) != 1 or (found := known.get(next(iter(formats)))) is None:
        said = ", ".join(sorted(f"{kind} {bits}" for kind, bits in formats)) or "none"
        raise r.error("quantization_config.config_groups", f"weights of {said}", "one format of 8 or 4 bits is read")
    return found
