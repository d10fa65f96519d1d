"""Model cards from Hugging Face configurations: the same shapes as the catalogue, and honest refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from groundplan.catalog import Catalog, model_from_hf_config
from groundplan.errors import CatalogError
from groundplan.spec import LoadedSpec, loads, starter

CATALOG = Catalog.default()
LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "max_position_embeddings": 131072, "torch_dtype": "bfloat16", "tie_word_embeddings": False, "rope_theta": 5e5,
    "rope_scaling": {"factor": 8.0, "rope_type": "llama3"}, "rms_norm_eps": 1e-5, "bos_token_id": 128000,
}  # fmt: skip
QWEN_MOE = {
    "model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "moe_intermediate_size": 768,
    "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "num_experts": 128,
    "num_experts_per_tok": 8, "decoder_sparse_step": 1, "mlp_only_layers": [], "max_position_embeddings": 40960,
    "vocab_size": 151936, "tie_word_embeddings": False, "sliding_window": None, "use_sliding_window": False,
    "torch_dtype": "bfloat16", "norm_topk_prob": True,
}  # fmt: skip
DEEPSEEK = {
    "model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "num_hidden_layers": 61,
    "num_attention_heads": 128, "num_key_value_heads": 128, "vocab_size": 129280, "q_lora_rank": 1536,
    "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128, "n_routed_experts": 256,
    "num_experts_per_tok": 8, "n_shared_experts": 1, "moe_intermediate_size": 2048, "first_k_dense_replace": 3,
    "moe_layer_freq": 1, "max_position_embeddings": 163840, "quantization_config": {"quant_method": "fp8"},
    "num_nextn_predict_layers": 1, "torch_dtype": "bfloat16", "routed_scaling_factor": 2.5,
}  # fmt: skip
GPT_OSS = {
    "model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 36,
    "num_local_experts": 128, "num_experts_per_tok": 4, "num_attention_heads": 64, "num_key_value_heads": 8,
    "head_dim": 64, "vocab_size": 201088, "sliding_window": 128, "max_position_embeddings": 131072,
    "layer_types": ["sliding_attention", "full_attention"] * 18, "tie_word_embeddings": False,
    "quantization_config": {"quant_method": "mxfp4"}, "swiglu_limit": 7.0, "attention_bias": True,
}  # fmt: skip
GEMMA = {
    "model_type": "gemma3", "torch_dtype": "bfloat16", "vision_config": {"hidden_size": 1152},
    "text_config": {
        "model_type": "gemma3_text", "hidden_size": 5376, "intermediate_size": 21504, "num_hidden_layers": 62,
        "num_attention_heads": 32, "num_key_value_heads": 16, "head_dim": 128, "vocab_size": 262208,
        "sliding_window": 1024, "sliding_window_pattern": 6, "max_position_embeddings": 131072,
    },
}  # fmt: skip
EXAONE = {
    "model_type": "exaone4", "hidden_size": 5120, "intermediate_size": 27392, "num_hidden_layers": 64,
    "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 102400, "sliding_window": 4096,
    "sliding_window_pattern": "LLLG", "max_position_embeddings": 131072, "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}  # fmt: skip
QWEN_HYBRID = {
    "model_type": "qwen3_5_moe", "vision_config": {"hidden_size": 1152}, "image_token_id": 248056,
    "text_config": {
        "model_type": "qwen3_5_moe_text", "hidden_size": 4096, "num_hidden_layers": 60, "num_attention_heads": 32,
        "num_key_value_heads": 2, "head_dim": 256, "vocab_size": 248320, "max_position_embeddings": 262144,
        "num_experts": 512, "num_experts_per_tok": 10, "moe_intermediate_size": 1024, "dtype": "bfloat16",
        "shared_expert_intermediate_size": 1024, "attn_output_gate": True, "full_attention_interval": 4,
        "layer_types": [*["linear_attention"] * 3, "full_attention"] * 15, "linear_conv_kernel_dim": 4,
        "linear_key_head_dim": 128, "linear_num_key_heads": 16, "linear_num_value_heads": 64,
        "linear_value_head_dim": 128, "mtp_num_hidden_layers": 1, "mamba_ssm_dtype": "float32",
    },
}  # fmt: skip
NEMOTRON = {
    "model_type": "nemotron_h", "hidden_size": 4096, "num_hidden_layers": 88, "num_attention_heads": 32,
    "num_key_value_heads": 2, "head_dim": 128, "intermediate_size": 2688, "vocab_size": 131072, "n_groups": 8,
    "hybrid_override_pattern": "MEMEMEM*" + "EMEMEMEM*" * 2 + "EMEMEMEMEM*" * 4 + "EMEMEMEM*EMEMEMEME",
    "mamba_num_heads": 128, "mamba_head_dim": 64, "ssm_state_size": 128, "conv_kernel": 4, "mlp_hidden_act": "relu2",
    "n_routed_experts": 512, "num_experts_per_tok": 22, "n_shared_experts": 1, "moe_intermediate_size": 2688,
    "moe_latent_size": 1024, "moe_shared_expert_intermediate_size": 5376, "num_nextn_predict_layers": 1,
    "max_position_embeddings": 262144, "dtype": "bfloat16", "tie_word_embeddings": False, "expand": 2,
}  # fmt: skip
GLM = {
    "model_type": "glm_moe_dsa", "hidden_size": 6144, "intermediate_size": 12288, "num_hidden_layers": 78,
    "num_attention_heads": 64, "num_key_value_heads": 64, "head_dim": 64, "vocab_size": 154880, "q_lora_rank": 2048,
    "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 192, "qk_head_dim": 256, "v_head_dim": 256,
    "n_routed_experts": 256, "num_experts_per_tok": 8, "n_shared_experts": 1, "moe_intermediate_size": 2048,
    "first_k_dense_replace": 3, "moe_layer_freq": 1, "index_n_heads": 32, "index_head_dim": 128, "index_topk": 2048,
    "num_nextn_predict_layers": 1, "max_position_embeddings": 202752, "dtype": "bfloat16",
    "tie_word_embeddings": False, "indexer_rope_interleave": True,
}  # fmt: skip
MINIMAX = {
    "model_type": "minimax_m3", "hidden_size": 6144, "dense_intermediate_size": 12288, "intermediate_size": 3072,
    "moe_intermediate_size": 3072, "shared_intermediate_size": 3072, "n_shared_experts": 1, "num_hidden_layers": 60,
    "num_attention_heads": 64, "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 200064,
    "num_local_experts": 128, "num_experts_per_tok": 4, "moe_layer_freq": [0] * 3 + [1] * 57,
    "sparse_attention_config": {
        "sparse_attention_freq": [0] * 3 + [1] * 57, "sparse_block_size": 128, "sparse_topk_blocks": 16,
        "sparse_index_dim": 128, "sparse_num_index_heads": 4,
    },
    "num_nextn_predict_layers": 1, "num_mtp_modules": 7, "max_position_embeddings": 1048576,
    "torch_dtype": "bfloat16", "attention_output_gate": False,
}  # fmt: skip
LLAMA4 = {
    "model_type": "llama4", "vision_config": {"hidden_size": 1408},
    "text_config": {
        "model_type": "llama4_text", "hidden_size": 5120, "intermediate_size": 8192, "intermediate_size_mlp": 16384,
        "num_hidden_layers": 48, "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128,
        "vocab_size": 202048, "num_local_experts": 128, "num_experts_per_tok": 1, "interleave_moe_layer_step": 2,
        "attention_chunk_size": 8192, "max_position_embeddings": 1048576, "torch_dtype": "bfloat16",
    },
}  # fmt: skip
HYBRIDS = [QWEN_HYBRID, NEMOTRON, GLM, MINIMAX, LLAMA4]


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (LLAMA, "llama-3.1-8b"), (QWEN_MOE, "qwen3-30b-a3b"), (DEEPSEEK, "deepseek-v3"), (GPT_OSS, "gpt-oss-120b"),
        (GEMMA, "gemma-3-27b"), (EXAONE, "exaone-4.0-32b"), (QWEN_HYBRID, "qwen3.5-397b-a17b"), (GLM, "glm-5"),
        (NEMOTRON, "nemotron-3-super-120b-a12b"), (MINIMAX, "minimax-m3"), (LLAMA4, "llama-4-maverick"),
    ],
)  # fmt: skip
def test_a_config_gives_the_card_of_the_catalogue(config: dict, name: str):
    ours, theirs = model_from_hf_config(config, name=f"owner/{name}"), CATALOG.model(name)
    assert ours.id == theirs.id
    assert ours.arch.model_dump() == theirs.arch.model_dump()
    assert (ours.native_precision, ours.context_tokens) == (theirs.native_precision, theirs.context_tokens)
    assert ours.params_total_b == pytest.approx(theirs.params_total_b, rel=0.02)


def test_layers_that_share_an_index_hold_no_indexer():
    shared = {**GLM, "max_position_embeddings": 1048576, "indexer_types": [*["full"] * 3, *["shared"] * 3] * 13}
    sparse = model_from_hf_config(shared, name="m").transformer().sparse
    assert sparse is not None
    assert (sparse.layers, sparse.index_count) == (78, 39)
    every = model_from_hf_config({**GLM, "indexer_types": ["full"] * 78}, name="m")
    assert every.transformer().sparse == CATALOG.model("glm-5").transformer().sparse


def test_files_and_folders_are_read(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    card = model_from_hf_config(tmp_path, name="mine")
    assert card == model_from_hf_config(tmp_path / "config.json", name="mine")
    assert card.source.who.endswith("config.json")


REQUIRED = ["hidden_size", "num_hidden_layers", "vocab_size", "max_position_embeddings", "torch_dtype"]


@pytest.mark.parametrize("key", REQUIRED)
def test_missing_keys_are_named_with_their_file(tmp_path: Path, key: str):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({k: v for k, v in LLAMA.items() if k != key}))
    with pytest.raises(CatalogError, match=f"config.json: key {key}: missing"):
        model_from_hf_config(path, name="mine")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"linear_num_key_heads": 16}, "linear_num_key_heads"),
        ({"model_type": "mamba2"}, "model_type"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        ({"hidden_size": "4096"}, "hidden_size"),
        ({"num_attention_heads": True}, "num_attention_heads"),
        ({"quantization_config": {"quant_method": "mystery"}}, "quantization_config"),
        ({"torch_dtype": "int3"}, "torch_dtype"),
        ({"sliding_window": 4096}, "layer_types"),
        ({"sliding_window": 4096, "layer_types": ["linear_attention"] * 32}, "layer_types"),
        ({"sliding_window": 4096, "layer_types": ["full_attention"] * 3}, "layer_types"),
        ({"num_key_value_heads": 5}, "shape"),
        ({"num_experts": 8, "num_experts_per_tok": 2, "decoder_sparse_step": 2}, "decoder_sparse_step"),
    ],
)
def test_what_is_not_understood_is_refused(change: dict, key: str):
    with pytest.raises(CatalogError, match=f"mine/config.json: key {key}: "):
        model_from_hf_config({**LLAMA, **change}, name="mine")


@pytest.mark.parametrize(
    ("base", "change", "key"),
    [
        (NEMOTRON, {"hybrid_override_pattern": "MEX*" * 22}, "hybrid_override_pattern"),
        (NEMOTRON, {"hybrid_override_pattern": "ME*"}, "hybrid_override_pattern"),
        (NEMOTRON, {"linear_num_value_heads": 64}, "linear_num_value_heads"),
        (NEMOTRON, {"moe_shared_expert_intermediate_size": 5377}, "moe_shared_expert_intermediate_size"),
        (MINIMAX, {"moe_layer_freq": [0, 1]}, "moe_layer_freq"),
        (MINIMAX, {"sparse_attention_config": {"sparse_block_size": 128}}, "sparse_attention_config"),
        (MINIMAX, {"attention_output_gate": True}, "attention_output_gate"),
        (MINIMAX, {"attn_type_list": [0] * 60}, "attn_type_list"),
        (GLM, {"indexer_types": ["full"]}, "indexer_types"),
        (QWEN_HYBRID, {"text_config": {**QWEN_HYBRID["text_config"], "attn_output_gate": False}}, "attn_output_gate"),
        (QWEN_HYBRID, {"text_config": {**QWEN_HYBRID["text_config"], "layer_types": ["x"] * 60}}, "layer_types"),
        (QWEN_HYBRID, {"text_config": {**QWEN_HYBRID["text_config"], "num_hidden_layers": 61}}, "layer_types"),
    ],
)
def test_layers_that_are_not_understood_are_refused(base: dict, change: dict, key: str):
    with pytest.raises(CatalogError, match=f"mine/config.json: key {key}: "):
        model_from_hf_config({**base, **change}, name="mine")


def test_unreadable_files_are_named(tmp_path: Path):
    broken = tmp_path / "config.json"
    broken.write_bytes(b"\x00{")
    with pytest.raises(CatalogError, match=r"config\.json"):
        model_from_hf_config(broken, name="mine")
    with pytest.raises(CatalogError, match=r"absent\.json"):
        model_from_hf_config(tmp_path / "absent.json", name="mine")
    broken.write_text("[1]")
    with pytest.raises(CatalogError, match="not a JSON object"):
        model_from_hf_config(broken, name="mine")


@pytest.mark.parametrize(
    ("quantized", "precision"),
    [
        ({"quant_method": "awq", "bits": 4}, "int4"), ({"quant_method": "gptq", "bits": 8}, "int8"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "fp4"), ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4"),
    ],
)  # fmt: skip
def test_the_format_of_the_checkpoint_is_read(quantized: dict, precision: str):
    assert model_from_hf_config({**LLAMA, "quantization_config": quantized}, name="m").native_precision == precision


def _packed(**weights: object) -> dict[str, object]:
    groups = {"group_0": {"weights": weights, "targets": ["Linear"]}}
    return {**LLAMA, "quantization_config": {"quant_method": "compressed-tensors", "config_groups": groups}}


@pytest.mark.parametrize(("kind", "bits", "precision"), [("float", 8, "fp8"), ("int", 8, "int8"), ("int", 4, "int4")])
def test_compressed_tensors_state_the_format_of_the_weights(kind, bits, precision):
    assert model_from_hf_config(_packed(type=kind, num_bits=bits), name="m").native_precision == precision


def test_compressed_tensors_of_an_unread_format_are_refused():
    with pytest.raises(CatalogError, match="weights of int 3"):
        model_from_hf_config(_packed(type="int", num_bits=3), name="m")


@pytest.mark.parametrize(
    "base", [LLAMA, QWEN_MOE, DEEPSEEK, GPT_OSS, GEMMA, EXAONE, *HYBRIDS], ids=lambda c: c["model_type"]
)
def test_a_value_of_the_wrong_type_never_gets_past_the_reader_as_another_error(base):
    for key in base:
        for value in ("x", -1, 0, 1.5, [], {}, True, [1], {"a": 1}, 10**40):
            try:
                card = model_from_hf_config({**base, key: value}, name="m")
            except CatalogError:
                continue
            assert card.arch.layers >= 1


# --- models that a factory file brings ---

OURS = {"id": "ours", "config": LLAMA}


def _file(*models: dict[str, object], rate: str = "") -> LoadedSpec:
    head = f"money:\n  exchange_rates: [{rate}]" if rate else "money:"
    text = starter().replace("model: qwen3-8b", "model: ours" if models else "model: qwen3-8b").replace("money:", head)
    return loads(text + f"\nmodels: {json.dumps(models)}\n")


def test_a_file_brings_its_models_and_the_fingerprint_stays():
    catalog = CATALOG.for_file(_file(OURS))
    assert catalog.model("ours").arch == CATALOG.model("llama-3.1-8b").arch
    assert catalog.content_hash == CATALOG.content_hash
    assert CATALOG.models.find("ours") is None
    assert catalog.for_file(_file(OURS)).model("ours") == catalog.model("ours")
    assert catalog.for_file(_file()).models.find("ours") is None


def test_a_model_of_the_catalogue_or_of_an_unknown_kind_is_refused_with_its_line():
    known = _file({"id": "ours", "config": {**LLAMA, "model_type": "mamba"}})
    with pytest.raises(CatalogError, match=r"factory.yaml:\d+: model ours: key model_type: unknown 'mamba'"):
        CATALOG.for_file(known)
    text = starter() + f"\nmodels: {json.dumps([{**OURS, 'id': 'qwen3-8b'}])}\n"
    with pytest.raises(CatalogError, match="in the catalogue already, as qwen3-8b"):
        CATALOG.for_file(loads(text))


KRW = "{currency: KRW, local_per_usd: %s, dated: 2026-11-01, source: {who: bank, kind: vendor, dated: 2026-11-01}}"


def test_an_exchange_rate_far_from_the_dated_one_is_refused_and_names_both():
    for fine in ("1380", "2000", "700"):
        CATALOG.for_file(_file(rate=KRW % fine))
    with pytest.raises(CatalogError) as caught:
        CATALOG.for_file(_file(rate=KRW % "0.000725"))
    (issue,) = caught.value.issues
    assert issue.what == "exchange rate 0.000725 KRW per US dollar is far from the 1380 of the catalogue (2025-10-01)"
    assert issue.hint == "write KRW for one US dollar: 1379.31, not its inverse"
    assert issue.where.startswith("factory.yaml:")
    with pytest.raises(CatalogError, match=r"3000 KRW per US dollar is far from the 1380"):
        CATALOG.for_file(_file(rate=KRW % "3000"))
