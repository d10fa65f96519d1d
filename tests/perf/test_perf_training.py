"""Training gangs: work per token, memory by hand, published speeds, deadlines."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perf_cases import CATALOG, finetune, pretrain

from groundplan.perf import operating_points
from groundplan.perf._chip import chip_of
from groundplan.perf._train_profile import Recipe, shipped_profile, terms_of, train_part
from groundplan.perf._train_shape import forward_flop, total_params
from groundplan.perf._train_step import Layout, step_time
from groundplan.perf._training import Gang, fits_of, trained_model


def _points(workload, server):
    return operating_points(workload, CATALOG.server(server), CATALOG)


def _fit(workload, server, gang):
    row = CATALOG.server(server)
    model = trained_model(CATALOG.model(workload.model))
    return fits_of(workload, model, row, chip_of(row, CATALOG), (gang,))[0]


def test_work_of_a_token_by_hand():
    model = trained_model(CATALOG.model("llama-3.1-8b"))
    weights = 8.03e9 - 128256 * 4096  # an embedding is looked up, not multiplied
    attention = 2 * 32 * 4096 * 4096
    assert model.token_flop(4096, lora=False) == pytest.approx(3 * (2 * weights + attention), rel=0.001)
    assert model.token_flop(4096, lora=True) == pytest.approx(2 * (2 * weights + attention), rel=0.001)


def test_states_are_sixteen_bytes_a_parameter_shared_by_the_gang():
    work = finetune("llama-3.1-8b", "sft")
    alone, eight = (_fit(work, "hgx-h200-8", Gang(n, 1)).memory_gb for n in (1, 8))
    assert alone["weights"] == pytest.approx(16 * 8.03, rel=0.001)
    assert eight["weights"] == pytest.approx(2 * 8.03, rel=0.001)
    adapters = _fit(finetune("llama-3.1-8b"), "hgx-h200-8", Gang(1, 1)).memory_gb
    assert adapters["weights"] == pytest.approx((2 + 0.08) * 8.03, rel=0.001)


def test_a_fit_keeps_a_fifth_in_reserve():
    gb = _fit(finetune("llama-3.1-8b"), "hgx-h100-8", Gang(8, 1)).memory_gb
    peak = gb["weights"] + gb["activations"] + 4.0  # the process itself holds 4 GB
    assert gb["total"] == pytest.approx(1.2 * peak, rel=0.001)
    assert gb["total"] == pytest.approx(sum(gb[k] for k in ("weights", "kv", "activations", "reserve")), abs=0.001)


def test_a_robot_policy_trains_all_its_towers():
    card = CATALOG.model("pi0")
    assert float(total_params(trained_model(card).shape)) == pytest.approx(card.weights_params(), rel=0.001)


@pytest.mark.parametrize(("name", "recompute", "stated_s"), [("pi0.5", 2, 2.548), ("smolvla", 0, 0.312)])
def test_step_times_of_policies_that_a_guide_states(name, recompute, stated_s):
    # huggingface/lerobot docs/source/hardware_guide.mdx: all weights, 32 samples on each of 4 H100, PyTorch without a
    # compiler; three cameras (assumed). Data loading is 0.01 s of it. SmolVLA's towers see 16 patches for each token.
    arch = CATALOG.model(name).arch
    tokens = 3 * arch.tokens_per_camera + arch.text_tokens + arch.chunk_steps
    layout = Layout(float(tokens), 32, 128, dp=4, recompute=recompute)
    terms = terms_of(Recipe(train_part("h100-sxm", CATALOG), "bf16", "torchtitan-eager"), shipped_profile())
    found = float(step_time(trained_model(CATALOG.model(name)).work, layout, terms).total)
    assert found == pytest.approx(stated_s, rel=0.1)


def test_towers_that_see_more_patches_than_the_trunk_cost_time_and_no_memory():
    model = trained_model(CATALOG.model("smolvla"))
    assert float(total_params(model.shape)) == pytest.approx(CATALOG.model("smolvla").weights_params(), rel=0.001)
    assert model.token_flop(512, lora=False) > 2 * 3 * float(forward_flop(model.shape, 512))
    same = trained_model(CATALOG.model("pi0"))
    assert same.work == same.shape


def test_published_speed_of_a_known_gang():
    # torchtitan, benchmarks/llama3_h100_202412: Llama 3 8B, 8 H100 of 500 W with FlashAttention 2, FSDP and compile,
    # sequence 8192: 6,667 tokens/s each. A 700 W part with kernels of 2026 is 1.1 to 1.6 times faster.
    work = pretrain("llama-3-8b", 1e12).model_copy(update={"sequence_tokens": 8192})
    assert 1.1 < _fit(work, "hgx-h100-8", Gang(8, 1)).tokens_per_s / 8 / 6667 < 1.6


def test_memory_decides_the_smallest_gang():
    assert _points(finetune("exaone-4.0-32b"), "hgx-h200-8").points[0].slots_per_replica == 1
    # on two L40S: 33.3 GB of weights, 4.0 of the process and about 10 of activations, times 1.2, is above 48.4 GB
    assert _points(finetune("exaone-4.0-32b"), "l40s-8").points[0].slots_per_replica == 4
    # 16 bytes x 70.6e9 / 16 ranks = 70.6 GB, and activations, logits and margin do not fit beside it
    full = _points(finetune("llama-3.1-70b", "sft"), "hgx-h100-8").points
    assert (full[0].nodes_per_replica, full[0].slots_per_replica) == (4, 8)
    for point in full:
        assert point.memory_gb["total"] <= point.memory_gb["available"]


def test_what_never_fits_is_refused():
    found = _points(finetune("llama-3.1-405b", "sft"), "jetson-agx-thor")
    assert found.points == ()
    assert [r.rule for r in found.refusals] == ["memory"]
    assert "GB on each of" in found.refusals[0].why
    assert [r.rule for r in _points(finetune("efficientad-s"), "hgx-h100-8").refusals] == ["kind"]


def test_a_larger_gang_is_faster_and_less_efficient():
    points = sorted(_points(finetune("llama-3.1-8b"), "hgx-h100-8").points, key=lambda p: p.total_slots)
    assert len(points) > 1
    for small, large in pairwise(points):
        assert large.capacity_per_s > small.capacity_per_s
        assert large.capacity_per_slot < small.capacity_per_slot


def test_runs_per_hour_are_tokens_over_run_length():
    short = _points(finetune("llama-3.1-8b", tokens=1e8), "hgx-h100-8").points[0]
    long = _points(finetune("llama-3.1-8b", tokens=4e8), "hgx-h100-8").points[0]
    assert short.capacity_per_s == pytest.approx(4 * long.capacity_per_s)


def test_pretraining_gangs_finish_in_their_window():
    points = _points(pretrain("llama-3.1-8b", 1e12), "hgx-h100-8").points
    assert 1 <= len(points) <= 3
    for point in points:
        assert point.capacity_per_s * 6 * 730 >= 1e12
        assert point.slots_per_replica == 8
    late = _points(pretrain("llama-3.1-405b", 1e15), "hgx-h100-8")
    assert late.points == ()
    assert [r.rule for r in late.refusals] == ["latency"]


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(["llama-3.1-8b", "exaone-4.0-32b", "qwen3-30b-a3b", "pi0"]),
    server=st.sampled_from(["hgx-a100-8", "hgx-h100-8", "hgx-b200-8", "l40s-8"]),
    nodes=st.integers(1, 64),
    lora=st.booleans(),
)
def test_no_gang_beats_its_peak(model, server, nodes, lora):
    work = finetune(model, "lora" if lora else "sft")
    gang, row = Gang(8, nodes), CATALOG.server(server)
    chip, trained = chip_of(row, CATALOG), trained_model(CATALOG.model(model))
    found, twice = (_fit(work, server, g) for g in (gang, Gang(8, 2 * nodes)))
    assert found.tokens_per_s * trained.token_flop(4096, lora=lora) < gang.ranks * chip.flop_per_s("bf16")
    if found.fits:
        assert twice.fits
        assert twice.tokens_per_s > found.tokens_per_s
        assert twice.memory_gb["weights"] < found.memory_gb["weights"]


def test_intervals_are_wider_where_no_row_measures_the_part_or_experts_route():
    def factor(model, server):
        return _points(finetune(model), server).points[0].error_high_factor

    dense, experts = factor("llama-3.1-8b", "hgx-h100-8"), factor("qwen3-30b-a3b", "hgx-h100-8")
    assert 1.0 < dense < factor("llama-3.1-8b", "ascend-910b-8")
    assert dense < experts
    low = _points(finetune("llama-3.1-8b"), "hgx-h100-8").points[0].error_low_factor
    assert np.isclose(low * dense, 1.0)
