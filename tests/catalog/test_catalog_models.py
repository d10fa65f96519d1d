"""Model cards: shapes reproduce the stated sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from groundplan.catalog import (
    Catalog,
    MlaArch,
    ModelCard,
    RecurrentArch,
    SparseAttention,
    TransformerArch,
    VisionArch,
    VlaArch,
    WorldArch,
)
from groundplan.errors import CatalogError

CATALOG = Catalog.default()
TRANSFORMERS = [card for card in CATALOG.models.rows if isinstance(card.arch, TransformerArch)]


def test_the_table_covers_every_kind():
    assert {card.kind for card in CATALOG.models.rows} >= {"llm", "vla", "vision", "timeseries", "world", "embedding"}
    assert len(TRANSFORMERS) >= 30


@pytest.mark.parametrize("card", TRANSFORMERS, ids=lambda card: card.id)
def test_parameters_recomputed_from_the_shape_match_the_stated_total(card: ModelCard):
    assert card.params_total_b is not None
    assert card.weights_params() / 1e9 == pytest.approx(card.params_total_b, rel=0.02)


@pytest.mark.parametrize("card", [c for c in TRANSFORMERS if c.transformer().experts], ids=lambda card: card.id)
def test_active_parameters_match(card: ModelCard):
    """Publishers differ in whether the embedding tables count as active: compare with and without them."""
    arch = card.transformer()
    embeddings = arch.vocab * arch.hidden * (1 if arch.tied_embeddings else 2)
    without, full = (arch.active_params() - embeddings) / 1e9, arch.active_params() / 1e9
    assert card.params_active_b is not None
    assert 0.97 * without <= card.params_active_b <= 1.03 * full


# Publishers round (SmolVLA: 450 M), and of GR00T N1.7 no layer count of every part is public.
ROUNDED = {"smolvla": 0.03, "gr00t-n1.7": 0.2}


@pytest.mark.parametrize(
    "card", [c for c in CATALOG.models.rows if isinstance(c.arch, VlaArch)], ids=lambda card: card.id
)
def test_robot_policies_match_their_stated_size(card: ModelCard):
    assert card.weights_params() / 1e9 == pytest.approx(card.params_total_b, rel=ROUNDED.get(card.id, 0.02))


def test_pi0_is_the_published_2_7_billion_without_embeddings():
    arch = CATALOG.model("pi0").arch
    assert isinstance(arch, VlaArch)
    assert (arch.weights_params() - arch.vocab * arch.vlm.hidden) / 1e9 == pytest.approx(2.7, rel=0.01)


def test_a_wrong_shape_would_be_seen():
    card = CATALOG.model("llama-3.1-8b")
    wrong = card.model_copy(update={"arch": card.transformer().model_copy(update={"layers": 33})})
    assert abs(wrong.weights_params() / 1e9 / card.params_total_b - 1) > 0.02


@given(st.integers(1, 80), st.integers(1, 64), st.sampled_from([64, 128]), st.integers(1, 30000))
def test_dense_count_equals_the_sum_over_matrices(layers: int, heads: int, head_dim: int, ffn: int):
    hidden, vocab = heads * head_dim, 1000
    arch = TransformerArch(
        layers=layers, hidden=hidden, heads=heads, kv_heads=1, head_dim=head_dim, ffn=ffn, vocab=vocab
    )  # fmt: skip
    matrices = [(hidden, hidden), (hidden, head_dim), (hidden, head_dim), (hidden, hidden), *[(hidden, ffn)] * 3]
    assert arch.weights_params() == layers * sum(a * b for a, b in matrices) + 2 * vocab * hidden
    assert arch.active_params() == arch.weights_params()


def test_latent_attention_counts_its_five_projections():
    mla = MlaArch(q_lora_rank=6, kv_lora_rank=5, rope_dim=2, nope_dim=4, v_dim=3)
    arch = TransformerArch(layers=1, hidden=7, heads=2, kv_heads=2, head_dim=4, ffn=1, vocab=1, mla=mla)
    down_q, up_q, down_kv, up_kv, out = 7 * 6, 6 * 2 * (4 + 2), 7 * (5 + 2), 5 * 2 * (4 + 3), 2 * 3 * 7
    assert arch.attention_params() == down_q + up_q + down_kv + up_kv + out


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [
        # Sums over the published checkpoint headers, without the layers for multi-token prediction.
        ("nemotron-3-super-120b-a12b", 123_611_012_096 - 2_942_324_736, 12_770_216_960),
        ("qwen3-next-80b-a3b", 79_674_391_296, 3_874_929_408),
    ],
)
def test_hybrids_match_their_checkpoints(name: str, total: int, active: int):
    arch = CATALOG.model(name).transformer()
    assert arch.weights_params() == pytest.approx(total, rel=2e-4)
    assert arch.active_params() == pytest.approx(active, rel=2e-3)


def test_multi_token_prediction_layers_match_their_checkpoint():
    arch = CATALOG.model("nemotron-3-super-120b-a12b").transformer()
    assert arch.mtp_params() == pytest.approx(2_942_324_736, rel=1e-3)
    without = arch.model_copy(update={"mtp_layers": 0})
    assert (without.mtp_params(), without.weights_params()) == (0, arch.weights_params())


@pytest.mark.parametrize(("kind", "scalars"), [("mamba2", 1), ("gated_delta", 2), ("lightning", 0)])
def test_a_recurrent_layer_counts_its_projections_and_keeps_one_matrix_a_head(kind, scalars: int):
    layer = RecurrentArch(kind=kind, layers=1, heads=6, head_dim=5, key_heads=2, state_dim=3, conv_kernel=4)
    value, query = 6 * 5, 2 * 3
    into, out, taps = 7 * (2 * value + 2 * query + scalars * 6), value * 7, 4 * (value + 2 * query)
    assert layer.params(7) == into + out + taps
    assert layer.state_values() == 6 * 5 * 3 + 3 * (value + 2 * query)
    assert layer.model_copy(update={"conv_kernel": 0}).state_values() == 6 * 5 * 3


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_layers_of_one_block_each_add_up(mixers: int, attention: int, feeds: int):
    """Blocks of one kind (Nemotron-H): their parameters sum, and only attention layers hold a KV cache."""
    mamba = {"kind": "mamba2", "layers": 1 + mixers, "heads": 2, "head_dim": 4, "key_heads": 1, "state_dim": 3}
    arch = TransformerArch(
        layers=1 + mixers + attention + feeds, hidden=8, heads=2, kv_heads=1, head_dim=4, ffn=16, vocab=10,
        gated=False, attention_layers=attention, ffn_layers=feeds, recurrent=mamba,
    )  # fmt: skip
    attend, feed, mix = 2 * 8 * 4 * (2 + 1), 2 * 8 * 16, 8 * (2 * 8 + 2 * 3 + 2) + 8 * 8
    assert arch.weights_params() == attention * attend + feeds * feed + (1 + mixers) * mix + 2 * 8 * 10
    assert (arch.attention_count, arch.block_count) == (attention, arch.layers)


def test_latent_experts_work_in_their_own_width():
    arch = TransformerArch(
        layers=1, hidden=8, heads=2, kv_heads=1, head_dim=4, ffn=1, vocab=1, experts=5, experts_active=2,
        experts_shared=3, moe_ffn=6, moe_latent=4,
    )  # fmt: skip
    assert arch.expert_params() == 3 * 4 * 6
    assert arch.moe_params(2) == 2 * 3 * 4 * 6 + 3 * 3 * 8 * 6 + 8 * 5 + 2 * 8 * 4


def test_an_indexer_and_a_gate_add_their_projections():
    base = TransformerArch(layers=2, hidden=8, heads=2, kv_heads=1, head_dim=4, ffn=16, vocab=10)
    sparse = SparseAttention(top_tokens=4, index_heads=3, index_dim=5, layers=1)
    assert sparse.params(8, 6) == 6 * 3 * 5 + 8 * (5 + 3)
    indexed = base.model_copy(update={"sparse": sparse})
    assert indexed.weights_params() == base.weights_params() + sparse.params(8, 8)
    two = base.model_copy(update={"sparse": sparse.model_copy(update={"layers": 2, "index_layers": 1})})
    assert two.weights_params() == indexed.weights_params()
    gated = base.model_copy(update={"attention_gate": True})
    assert gated.weights_params() == base.weights_params() + 2 * 8 * 8


@pytest.mark.parametrize(
    "change",
    [
        {"attention_layers": 5}, {"ffn_layers": 5},
        {"attention_layers": 1, "sliding_window_tokens": 8, "global_layers": 2},
        {"recurrent": {"kind": "mamba2", "layers": 5, "heads": 1, "head_dim": 1, "key_heads": 1, "state_dim": 1}},
        {"recurrent": {"kind": "mamba2", "layers": 2, "heads": 1, "head_dim": 1, "key_heads": 1, "state_dim": 1},
         "attention_layers": 3},
        {"ffn_layers": 2, "dense_layers": 3}, {"mtp_layers": -1},
        {"sparse": {"top_tokens": 4, "index_heads": 1, "index_dim": 1, "layers": 5}},
        {"sparse": {"top_tokens": 4, "index_heads": 1, "index_dim": 1, "layers": 2, "index_layers": 3}},
    ],
)  # fmt: skip
def test_layers_that_do_not_add_up_are_refused(change: dict):
    base = {"layers": 4, "hidden": 8, "heads": 4, "kv_heads": 2, "head_dim": 2, "ffn": 16, "vocab": 32}
    with pytest.raises(ValidationError):
        TransformerArch(**{**base, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"kv_heads": 3}, {"experts": 8}, {"experts": 8, "experts_active": 9, "moe_ffn": 4}, {"global_layers": 2},
        {"sliding_window_tokens": 8, "global_layers": 5}, {"dense_layers": 5}, {"layers": 0}, {"hiden": 4},
    ],
)  # fmt: skip
def test_inconsistent_shapes_are_refused(change: dict):
    base = {"layers": 4, "hidden": 8, "heads": 4, "kv_heads": 2, "head_dim": 2, "ffn": 16, "vocab": 32}
    assert TransformerArch(**base).layers == 4
    with pytest.raises(ValidationError):
        TransformerArch(**{**base, **change})


def test_world_models_know_measured_anchors_only():
    arch = CATALOG.model("cosmos-transfer2.5-2b").arch
    assert isinstance(arch, WorldArch)
    assert arch.gpu_seconds_per_video_second("h100-nvl") == pytest.approx(719 / 5.8, rel=0.01)
    assert all(CATALOG.accelerator(anchor.accelerator).id == anchor.accelerator for anchor in arch.measured)
    with pytest.raises(CatalogError, match="measured on"):
        arch.gpu_seconds_per_video_second("l4")


def test_a_card_of_another_kind_is_no_transformer():
    with pytest.raises(CatalogError, match="vision model"):
        CATALOG.model("yolov8n").transformer()
    with pytest.raises(CatalogError, match="params_total_b"):
        CATALOG.model("vibration-envelope").weights_params()


@pytest.mark.parametrize(
    ("name", "stem", "tail"),
    [
        ("efficientad-s", [(253, 3, 128, 4), (123, 128, 256, 4), (59, 256, 256, 3)], [(56, 256, 384, 4)]),
        (
            "efficientad-m",
            [(253, 3, 256, 4), (123, 256, 512, 4), (61, 512, 512, 1), (59, 512, 512, 3)],
            [(56, 512, 384, 4), (56, 384, 384, 1)],
        ),
    ],
)
def test_inspection_work_equals_its_convolutions(name: str, stem: list, tail: list):
    """Teacher and student (twice the output channels) of arXiv 2303.14535; the autoencoder adds a few percent."""
    teacher = sum(side**2 * c_in * c_out * kernel**2 for side, c_in, c_out, kernel in [*stem, *tail])
    wide = [
        (side, c_in if i == 0 else 2 * c_in, 2 * c_out, kernel) for i, (side, c_in, c_out, kernel) in enumerate(tail)
    ]
    student = sum(side**2 * c_in * c_out * kernel**2 for side, c_in, c_out, kernel in [*stem, *wide])
    card = CATALOG.model(name)
    assert isinstance(card.arch, VisionArch)
    assert 1.0 < card.arch.gflops_per_frame / (2 * (teacher + student) / 1e9) < 1.08
