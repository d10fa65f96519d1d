"""Keys of a Hugging Face configuration: which are read, which change nothing, and errors that name key and file."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from groundplan.errors import CatalogError, Issue

# model_type -> whether embeddings are tied when the key is absent (default of the model's class).
TIED_BY_DEFAULT: Mapping[str, bool | None] = {
    "llama": False, "mistral": False, "mixtral": False, "qwen2": False, "qwen2_moe": False, "qwen3": False,
    "qwen3_moe": False, "deepseek_v2": False, "deepseek_v3": False, "gpt_oss": False, "phi3": False,
    "gemma": True, "gemma2": True, "gemma3": True, "gemma3_text": True, "smollm3": True, "exaone": None,
    "exaone4": None, "exaone_moe": None, "solar": None, "solar_open": None, "glm4_moe": None, "kimi_k2": False,
    "qwen3_next": False, "qwen3_5": False, "qwen3_5_text": False, "qwen3_5_moe": False, "qwen3_5_moe_text": False,
    "qwen3_vl_text": False, "qwen3_vl_moe_text": False, "nemotron_h": False, "nemotron": False, "deepseek_v32": False,
    "glm_moe_dsa": None, "minimax_m2": False, "minimax_m3": False, "llama4": False, "llama4_text": False,
}  # fmt: skip
# Classes whose default differs from the usual rule, so that an absent key has to be stated.
STATE_HEAD_DIM = frozenset({"qwen3", "qwen3_moe", "gemma", "gemma2", "gemma3", "gemma3_text", "gpt_oss"})
STATE_KV_HEADS = frozenset({"mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "gpt_oss"})
SAME: tuple[str, ...] = (
    "_*", "architectures", "model_type", "auto_map", "transformers_version", "*token_id", "*token_index", "*dropout*",
    "pdrop", "initializer_*", "*_eps", "*epsilon", "rope*", "*rope_theta", "rotary*", "use_cache", "output_*",
    "return_dict", "attention_bias", "mlp_bias", "qkv_bias", "lm_head_bias", "bias", "pretraining_tp", "hidden_act",
    "hidden_activation", "activation_function", "*logit_softcapping", "query_pre_attn_scalar", "attention_multiplier",
    "embedding_multiplier", "logits_scaling", "residual_multiplier", "*aux_loss*", "norm_topk_prob", "scoring_func",
    "topk_method", "topk_group", "n_group", "routed_scaling_factor", "seq_aux", "ep_size", "swiglu_limit",
    "initial_context_length", "use_qk_norm", "qk_norm", "*layernorm*", "cache_implementation",
    "original_max_position_embeddings", "max_window_layers", "partial_rotary_factor", "name", "id2label", "label2id",
    "num_labels", "problem_type", "unk_token", "gradient_checkpointing", "vision_config", "mm_tokens_per_image",
    "boi_*", "eoi_*", "ignore_index", "*_placeholder", "no_rope_layer*", "scale_*", "post_norm",
    "use_bidirectional_attention", "do_sample", "early_stopping", "*_penalty", "max_length", "min_length",
    "num_beam*", "num_return_sequences", "*no_repeat_ngram_size", "bad_words_ids", "*suppress_tokens",
    "chunk_size_feed_forward", "cross_attention_hidden_size", "finetuning_task", "temperature", "top_k", "top_p",
    "typical_p", "prefix", "pruned_heads", "remove_invalid_values", "return_dict_in_generate", "task_specific_params",
    "tf_legacy_loss", "tie_encoder_decoder", "tokenizer_class", "torchscript", "use_bfloat16", "router_jitter_noise",
    "use_unified_vision_chunk",
)  # fmt: skip
READ = frozenset({
    "num_hidden_layers", "num_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim",
    "intermediate_size", "vocab_size", "tie_word_embeddings", "max_position_embeddings", "torch_dtype", "dtype",
    "quantization_config", "num_experts", "n_routed_experts", "num_local_experts", "num_experts_per_tok",
    "experts_per_token", "moe_intermediate_size", "n_shared_experts", "num_shared_experts", "first_k_dense_replace",
    "shared_expert_intermediate_size", "moe_layer_freq", "decoder_sparse_step", "mlp_only_layers", "sliding_window",
    "use_sliding_window", "sliding_window_pattern", "layer_types", "q_lora_rank", "kv_lora_rank", "v_head_dim",
    "qk_rope_head_dim", "qk_nope_head_dim", "qk_head_dim", "text_config", "num_nextn_predict_layers",
    "is_decoder", "is_encoder_decoder", "add_cross_attention",
})  # fmt: skip
# Keys that only some model types know: read there, refused elsewhere.
_LINEAR = frozenset({
    "linear_num_value_heads", "linear_num_key_heads", "linear_value_head_dim", "linear_key_head_dim",
    "linear_conv_kernel_dim", "full_attention_interval", "attn_output_gate", "mtp_num_hidden_layers",
})  # fmt: skip
_MAMBA = frozenset({
    "hybrid_override_pattern", "layers_block_type", "mamba_num_heads", "mamba_head_dim", "ssm_state_size", "n_groups",
    "conv_kernel", "moe_latent_size", "moe_shared_expert_intermediate_size", "mlp_hidden_act", "attention_head_dim",
})  # fmt: skip
_INDEX = frozenset({"index_n_heads", "index_head_dim", "index_topk", "index_topk_pattern", "indexer_types"})
_MINIMAX = frozenset({
    "dense_intermediate_size", "shared_intermediate_size", "sparse_attention_config", "attention_output_gate",
    "num_mtp_modules", "attn_type_list",
})  # fmt: skip
_LLAMA4 = frozenset({"attention_chunk_size", "interleave_moe_layer_step", "intermediate_size_mlp"})
READ_BY_TYPE: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"), _LINEAR),
    "nemotron_h": _MAMBA, "deepseek_v32": _INDEX, "glm_moe_dsa": _INDEX, "minimax_m2": _MINIMAX,
    "minimax_m3": _MINIMAX, "llama4": _LLAMA4, "llama4_text": _LLAMA4,
}  # fmt: skip
SAME_BY_TYPE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"), ("mamba_ssm_dtype", "mtp_use_*")),
    "nemotron_h": (
        "mamba_hidden_act", "mamba_proj_bias", "mamba_ssm_*", "expand", "chunk_size", "time_step_*", "use_conv_bias",
        "use_mamba_kernels", "use_bias", "rescale_prenorm_residual", "residual_in_fp32", "num_logits_to_keep",
        "mtp_*", "moe_shared_expert_overlap",
    ),
    "glm_moe_dsa": (
        "indexer_rope_interleave", "index_topk_freq", "index_skip_topk_offset", "index_share_for_*", "mlp_layer_types",
        "moe_router_dtype",
    ),
    "minimax_m2": ("use_routing_bias", "qk_norm_type", "mtp_transformer_layers", "use_mtp"),
    "minimax_m3": ("use_routing_bias", "qk_norm_type", "swiglu_alpha", "use_gemma_norm"),
    "llama4": ("attn_temperature_tuning", "attn_scale", "floor_scale", "for_llm_compressor"),
    "llama4_text": ("attn_temperature_tuning", "attn_scale", "floor_scale", "for_llm_compressor"),
}  # fmt: skip
MOST, MOST_LAYERS = 10**8, 10**4


class Reader:
    """Reads keys of one configuration and names key and file when it cannot."""

    def __init__(self, keys: Mapping[str, Any], where: str) -> None:
        self.keys, self.where = keys, where
        self.type = str(keys.get("model_type", ""))
        if self.type not in TIED_BY_DEFAULT:
            known = ", ".join(sorted(TIED_BY_DEFAULT))
            raise self.error("model_type", f"unknown {self.type!r}", f"known: {known}")

    def error(self, key: str, what: str, fix: str) -> CatalogError:
        return CatalogError(Issue("hf-config", self.where, f"key {key}: {what}", fix))

    def refuse_unknown(self) -> None:
        read = READ | READ_BY_TYPE.get(self.type, frozenset())
        patterns = (*SAME, *SAME_BY_TYPE.get(self.type, ()))
        strange = [k for k in self.keys if k not in read and not any(fnmatchcase(k, same) for same in patterns)]
        if strange:
            fix = "it may change shape or size; remove it if it does not, else add a card to the catalogue"
            raise CatalogError([Issue("hf-config", self.where, f"key {key}: unknown meaning", fix) for key in strange])

    def first(self, *names: str) -> Any:
        return next((self.keys[name] for name in names if self.keys.get(name) is not None), None)

    def whole(self, *names: str) -> int:
        value = self.first(*names)
        if isinstance(value, bool) or not isinstance(value, int):
            what = "missing" if value is None else f"{value!r} is not a whole number"
            raise self.error(names[0], what, "state it in the file")
        if not 1 <= value <= MOST:
            raise self.error(names[0], f"is not between 1 and {MOST:,}", "correct the file")
        return value

    def count(self, *names: str) -> int:
        """A whole number that may be absent or zero: 0."""
        return self.whole(*names) if self.first(*names) not in (None, 0) else 0

    def layers(self) -> int:
        """Number of layers."""
        blocks = self.first("layers_block_type") if self.type == "nemotron_h" else None
        layers = len(blocks) if isinstance(blocks, list) else self.whole("num_hidden_layers", "num_layers")
        if layers > MOST_LAYERS:
            raise self.error("num_hidden_layers", f"is above {MOST_LAYERS:,}", "correct the file")
        return layers

    def unless(self, key: str, allowed: object) -> None:
        if self.keys.get(key) not in (None, allowed):
            raise self.error(key, f"{self.keys[key]!r} is not supported yet", "add a card to the catalogue")
