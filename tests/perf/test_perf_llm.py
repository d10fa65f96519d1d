"""Language models: memory by hand, published speeds, rooflines, and directions that must hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perf_cases import CATALOG, engine, llm

from groundplan.errors import CatalogError
from groundplan.kernel import LlmPool
from groundplan.perf import operating_points
from groundplan.perf._llm import best_batch, memory, quantile_tokens, saturate
from groundplan.perf._power import accelerator_kw
from groundplan.perf._shape import Shape, expected_active_experts, kv_bytes_per_token
from groundplan.perf._staffing import llm_pool


def _points(workload, server):
    return operating_points(workload, CATALOG.server(server), CATALOG)


# --- memory ------------------------------------------------------------------------------------------


def test_kv_bytes_of_a_token_by_hand():
    gqa, mla = CATALOG.model("llama-3.1-70b").transformer(), CATALOG.model("deepseek-v3").transformer()
    assert kv_bytes_per_token(gqa) == 2 * 8 * 128 * 2 * 80  # keys and values, 8 heads of 128, bf16, 80 layers
    assert kv_bytes_per_token(mla) == 576 * 2 * 61  # latent 512 + rotary 64, bf16, 61 layers


def test_windowed_layers_keep_their_window_only():
    arch = CATALOG.model("gpt-oss-120b").transformer()
    shape = Shape(arch, context_tokens=10_000.0)
    per_layer = 2 * arch.kv_heads * arch.head_dim * 2
    assert shape.kv_bytes_per_token == pytest.approx(per_layer * (18 + 18 * 128 / 10_000))
    assert Shape(arch, context_tokens=100.0).kv_bytes_per_token == per_layer * 36


def test_weights_by_hand():
    dense, mixture = Shape(CATALOG.model("llama-3.1-70b").transformer(), 1.0), CATALOG.model("gpt-oss-120b")
    assert dense.weight_bytes("bf16") == pytest.approx(2 * 70.55e9, rel=0.001)
    tables = dense.embedding_params
    assert dense.weight_bytes("fp8") == pytest.approx(2 * tables + (70.55e9 - tables), rel=0.001)
    # gpt-oss-120b ships as 60.8 GiB: attention and tables in bf16, experts in MXFP4
    assert Shape(mixture.transformer(), 1.0).weight_bytes("fp4") == pytest.approx(60.8 * 2**30, rel=0.03)


@given(tokens=st.integers(0, 5000), experts=st.integers(1, 256), data=st.data())
def test_expected_experts_is_the_closed_form(tokens, experts, data):
    active = data.draw(st.integers(1, experts))
    found = float(expected_active_experts(experts, active, tokens))
    assert found == pytest.approx(experts * (1 - (1 - active / experts) ** tokens))
    assert found <= min(experts, active * tokens) + 1e-9


def test_expected_experts_matches_a_draw():
    random = np.random.default_rng(7)  # Qwen3-30B-A3B: 128 experts, 8 a token; Mixtral: 8 and 2
    for experts, active, tokens in ((128, 8, 16), (8, 2, 3)):
        routed = [np.stack([random.permutation(experts)[:active] for _ in range(tokens)]) for _ in range(400)]
        seen = np.mean([len(np.unique(choice)) for choice in routed])
        assert float(expected_active_experts(experts, active, tokens)) == pytest.approx(seen, rel=0.03)


def test_ranks_share_kv_up_to_the_heads_and_an_mla_latent_not_at_all():
    gqa = [memory(engine(llm("llama-3.1-70b"), "hgx-h200-8", "fp8", n), 256, 2048) for n in (4, 8)]
    assert (
        gqa[0].kv_bytes_per_token
        == 2 * gqa[1].kv_bytes_per_token
        == kv_bytes_per_token(CATALOG.model("llama-3.1-70b").transformer()) / 4
    )
    mla = [memory(engine(llm("deepseek-v3"), "hgx-b200-8", "fp8", n), 256, 2048) for n in (4, 8)]
    assert mla[0].kv_bytes_per_token == mla[1].kv_bytes_per_token == 576 * 2 * 61
    assert mla[0].weights == 2 * mla[1].weights


def test_the_parts_of_memory_add_up_and_fit():
    for server in ("hgx-h100-8", "l40s-8", "hgx-b200-8"):
        for point in _points(llm("llama-3.1-8b"), server).points:
            gb = point.memory_gb
            parts = gb["weights"] + gb["kv"] + gb["activations"] + gb["reserve"]
            assert parts == pytest.approx(gb["total"], rel=1e-3)
            assert gb["total"] <= gb["available"] * (1 + 1e-6)


# --- refusals ----------------------------------------------------------------------------------------


def test_a_70b_model_in_bf16_does_not_fit_one_80_gb_part():
    found = _points(llm("llama-3.1-70b"), "hgx-h100-8")
    assert [r.rule for r in found.refusals if "tp1" in r.why] == ["memory"]
    assert min(point.slots_per_replica for point in found.points) >= 2


def test_a_model_beyond_one_node_spans_whole_nodes():
    point = _points(llm("deepseek-v3"), "hgx-h100-8").points[0]
    assert (point.nodes_per_replica, point.slots_per_replica) == (2, 8)
    assert all(p.nodes_per_replica == 1 for p in _points(llm("deepseek-v3"), "hgx-h200-8").points)


def test_fp8_on_a100_is_refused_by_format():
    found = _points(llm("deepseek-v3"), "hgx-a100-8")
    assert found.points == ()
    assert [r.rule for r in found.refusals] == ["format"]
    lower = _points(llm("llama-3.1-8b", allowed=("fp8",)), "hgx-a100-8")
    assert {point.precision for point in lower.points} == {"bf16"}
    assert "format" in [r.rule for r in lower.refusals]


def test_lower_precision_only_where_allowed():
    plain, open_ = llm("llama-3.1-70b"), llm("llama-3.1-70b", allowed=("fp8",))
    assert {p.precision for p in _points(plain, "hgx-h200-8").points} == {"bf16"}
    points = _points(open_, "hgx-h200-8").points
    assert points[0].precision == "fp8"
    best_plain = max(p.capacity_per_slot for p in _points(plain, "hgx-h200-8").points)
    assert points[0].capacity_per_slot > best_plain


def test_int8_is_slow_where_the_part_is_slow_at_it():
    workload = llm("llama-3.1-8b", allowed=("int8", "fp8"))
    peak = {p: engine(workload, "hgx-b300-8", p, 1).dense_s(np.array([8192.0]))[0] for p in ("int8", "fp8")}
    assert peak["int8"] > 4 * peak["fp8"]


def test_a_local_runtime_holds_four_requests_at_an_interval_of_its_own():
    asked = {name: llm("llama-3.1-8b").model_copy(update={"engine": name}) for name in ("vllm", "local")}
    points = {name: _points(workload, "l40s-8").points[0] for name, workload in asked.items()}
    assert (points["local"].error_high_factor, points["vllm"].error_high_factor) == (2.15, 1.65)
    assert points["local"].id.endswith("-b4")
    assert points["local"].capacity_per_s < points["vllm"].capacity_per_s


def test_levels_that_cannot_be_met_are_refused_with_the_number():
    slow = _points(llm("llama-3.1-70b", tpot_ms=1.0), "hgx-h100-8")
    assert slow.points == ()
    assert "latency" in {r.rule for r in slow.refusals}
    late = _points(llm("llama-3.1-70b", prompt=20_000, ttft_ms=50), "hgx-h100-8")
    assert any(r.rule == "latency" and "TTFT" in r.why and "50 ms" in r.why for r in late.refusals)


def test_cpu_servers_and_unknown_models():
    assert [r.rule for r in _points(llm("llama-3.1-8b"), "cpu-2s-64").refusals] == ["kind"]
    assert [r.rule for r in _points(llm("pi0"), "hgx-h100-8").refusals] == ["kind"]
    with pytest.raises(CatalogError, match="did you mean"):
        _points(llm("llama-3.1-8bb"), "hgx-h100-8")


def test_a_pipeline_shares_weights_and_layers_among_its_stages():
    workload = llm("deepseek-v3")
    flat, split = (engine(workload, "hgx-h100-8", "fp8", 8, stages=n, nodes=n) for n in (1, 2))
    assert memory(flat, 256, 2048).weights == 2 * memory(split, 256, 2048).weights
    assert memory(flat, 256, 2048).kv_bytes_per_token == 2 * memory(split, 256, 2048).kv_bytes_per_token
    alone = [e.dense_s(np.array([1.0]))[0] for e in (flat, split)]
    assert alone[1] > alone[0]  # one token passes all layers, and a hop
    full = [e.dense_s(np.array([8192.0]))[0] for e in (flat, split)]
    assert 1 < full[0] / full[1] < 2  # two micro-batches at once, not quite twice as fast


# --- speed -------------------------------------------------------------------------------------------


def test_single_stream_decode_matches_the_published_latency_floor():
    # vLLM 0.19.1, Llama-3.1-8B bf16 on H100: ITL 6.44 ms + 4.37e-5 ms per context token
    found = engine(llm("llama-3.1-8b"), "hgx-h100-8", "bf16", 1)
    assert found.decode_base_s(np.array([1.0]))[0] * 1e3 == pytest.approx(6.44, rel=0.10)
    assert found.context_s() * 1e3 == pytest.approx(4.37e-5, rel=0.10)


# ML.ENERGY v3 (arXiv 2601.22076), vLLM, chat, bf16: (model, server, ranks, batch, tokens/s, watts per GPU).
# Prompt lengths are not published; 150 tokens are assumed, outputs are about 350.
MEASURED = [
    ("llama-3.1-70b", "hgx-h100-8", 4, 8, 470, 441),
    ("llama-3.1-70b", "hgx-h100-8", 4, 128, 3876, 546),
    ("llama-3.1-70b", "hgx-h100-8", 4, 512, 5921, 623),
    ("llama-3.1-70b", "hgx-b200-8", 2, 32, 1590, 867),
    ("llama-3.1-70b", "hgx-b200-8", 2, 512, 7134, 966),
    ("llama-3.1-8b", "hgx-b200-8", 1, 8, 1637, 639),
    ("llama-3.1-8b", "hgx-b200-8", 1, 1024, 10922, 600),
]


@pytest.mark.parametrize(("model", "server", "ranks", "batch", "tokens_per_s", "watt"), MEASURED)
def test_measured_throughput_within_a_factor_of_two(model, server, ranks, batch, tokens_per_s, watt):
    workload = llm(model, 150, 350, ttft_ms=1e6, tpot_ms=1e6, cv=0.0)
    found = saturate(engine(workload, server, "bf16", ranks), workload, batch, 8192)
    assert 0.5 < found.requests_per_s * 350 / tokens_per_s < 2.0


@pytest.mark.parametrize(("model", "server", "ranks", "batch", "tokens_per_s", "watt"), MEASURED)
def test_measured_power_within_a_quarter(model, server, ranks, batch, tokens_per_s, watt):
    workload = llm(model, 150, 350, ttft_ms=1e6, tpot_ms=1e6, cv=0.0)
    found = engine(workload, server, "bf16", ranks)
    full = saturate(found, workload, batch, 8192)
    steps_per_s = tokens_per_s / batch  # uses at the measured speed, so that only the power model is judged
    reads = found.step_bytes(full.tokens, full.context_tokens) * steps_per_s / found.chip.read_bytes_per_s
    flops = found.step_flop(full.tokens, full.pairs) * steps_per_s / found.chip.flop_per_s("bf16")
    drawn = accelerator_kw(found.chip.row, reads, flops) * 1e3 + found.chip.row.idle_w
    assert drawn == pytest.approx(watt, rel=0.25)


@pytest.mark.parametrize(
    ("model", "server", "prompt", "output"),
    [
        ("llama-3.1-8b", "hgx-h100-8", 2000, 300),
        ("exaone-4.0-32b", "l40s-8", 3000, 400),
        ("qwen3-30b-a3b", "hgx-h100-8", 1000, 1000),
        ("deepseek-v3", "hgx-h100-8", 1000, 500),
        ("gpt-oss-120b", "hgx-h100-8", 1000, 500),
    ],
)
def test_closed_form_saturation_agrees_with_the_kernel(model, server, prompt, output):
    workload = llm(model, prompt, output, ttft_ms=4000)
    points = _points(workload, server).points
    assert points
    for point in points:
        pool: LlmPool = llm_pool(workload, point.service)
        assert point.capacity_per_s == pytest.approx(pool.saturation_per_s, rel=0.07)


CASES = st.sampled_from(
    [
        ("llama-3.1-8b", "hgx-h100-8", "bf16", 1),
        ("llama-3.1-70b", "hgx-h200-8", "fp8", 4),
        ("qwen3-235b-a22b", "hgx-b200-8", "bf16", 8),
        ("deepseek-v3", "hgx-h200-8", "fp8", 8),
        ("exaone-4.0-32b", "l40s-8", "bf16", 4),
    ]
)


@settings(max_examples=60, deadline=None)
@given(case=CASES, tokens=st.integers(1, 8192), more=st.integers(1, 4000))
def test_no_step_is_faster_than_its_roofline_and_more_work_never_is(case, tokens, more):
    model, server, precision, ranks = case
    found = engine(llm(model), server, precision, ranks)
    times = found.dense_s(np.array([tokens, tokens + more], dtype=float))
    assert times[0] <= times[1]
    chip = found.chip
    head = found.shape.embedding_params * 2  # tables are read in rows, not in full
    assert times[0] >= (found.step_bytes(tokens, 0.0) - head / ranks) / chip.read_bytes_per_s
    assert times[0] >= found.step_flop(tokens, 0.0) / chip.flop_per_s(found.compute_format)


@settings(max_examples=60, deadline=None)
@given(case=CASES, batch=st.integers(1, 200), context=st.integers(0, 400_000), grow=st.integers(1, 50_000))
def test_more_context_is_never_faster_and_larger_batches_pay(case, batch, context, grow):
    model, server, precision, ranks = case
    step = engine(llm(model), server, precision, ranks).step_time(256, 2048)
    assert step.step_ps(0, 0, batch, context) <= step.step_ps(0, 0, batch, context + grow)
    small, large = step.step_ps(0, 0, batch, context), step.step_ps(0, 0, batch + 1, context)
    assert (batch + 1) / large >= batch / small * (1 - 1e-6)


@settings(max_examples=40, deadline=None)
@given(case=CASES, tokens=st.integers(1, 4096), factor=st.floats(1.0, 3.0))
def test_more_bandwidth_or_flop_is_never_slower(case, tokens, factor):
    model, server, precision, ranks = case
    found = engine(llm(model), server, precision, ranks)
    row = found.chip.row
    # A part with more FLOP/s at the same watts clocks lower under load: the limit rises with the rates.
    flop = ("dense_bf16_tflops", "dense_fp8_tflops", "tdp_w")
    for names in (("mem_bw_gb_per_s",), flop, ("scaleup_gb_per_s_per_direction",)):
        stated = {name: value * factor for name in names if (value := getattr(row, name)) is not None}
        quick = found.chip.__class__(row.model_copy(update=stated), found.chip.per_node)
        better = replace(found, served=replace(found.served, chip=quick))
        at = np.array([float(tokens)])
        assert better.dense_s(at)[0] <= found.dense_s(at)[0] * (1 + 1e-12)
        assert better.context_s() <= found.context_s() * (1 + 1e-12)


def test_the_batch_is_the_fastest_that_keeps_tpot():
    workload = llm("llama-3.1-8b", tpot_ms=20)
    found = engine(workload, "hgx-h100-8", "bf16", 1)
    best = best_batch(found, workload, 512, 8192)
    assert best.step_s <= 0.9 * 0.020
    rates = [saturate(found, workload, b, 8192) for b in range(1, 512)]
    top = max((s.requests_per_s for s in rates if s.step_s <= 0.9 * 0.020), default=0)
    assert best.requests_per_s == pytest.approx(top, rel=0.10)


def test_points_are_a_small_pareto_set_with_readable_ids():
    points = _points(llm("llama-3.1-8b", allowed=("fp8",)), "hgx-h200-8").points
    assert 1 <= len(points) <= 3
    assert len({p.id for p in points}) == len(points)
    assert all(p.id.startswith("copilot@hgx-h200-8/") and p.row().id == p.id for p in points)
    key = [(-p.capacity_per_slot, p.total_slots, sum(p.latency_ms.values())) for p in points]
    for one in key:
        assert not any(all(a < b for a, b in zip(other, one, strict=True)) for other in key)


@given(mean=st.floats(1, 1e5), cv=st.floats(0, 3), p=st.floats(0.5, 0.999))
def test_length_quantiles_rise(mean, cv, p):
    lengths = llm("llama-3.1-8b").prompt.model_copy(update={"mean_tokens": mean, "cv": cv})
    assert 1 <= quantile_tokens(lengths, 0.5) <= quantile_tokens(lengths, p)
