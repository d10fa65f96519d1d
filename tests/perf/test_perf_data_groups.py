"""Mixtures of experts with attention in data groups: what a group does, what a replica carries."""

import numpy as np
import pytest
from perf_cases import CATALOG, llm

from groundplan.perf import StaffingCache, operating_points, staffing
from groundplan.perf._chip import chip_of
from groundplan.perf._llm import Layout, _engine, data_layouts, memory, saturate
from groundplan.perf._steps import Work, step_s

SERVER = CATALOG.server("hgx-h200-8")


def grouped(model="deepseek-v3", groups=8, precision="fp8"):
    return _engine(llm(model), SERVER, CATALOG, CATALOG.model(model), precision, Layout(1, 1, 1, groups, groups))


def test_only_mixtures_of_experts_have_them():
    chip = chip_of(SERVER, CATALOG)
    assert [cut.data for cut in data_layouts(CATALOG.model("deepseek-v3"), chip, "vllm")] == [2, 4, 8]
    assert not list(data_layouts(CATALOG.model("llama-3.1-70b"), chip, "vllm"))
    assert not list(data_layouts(CATALOG.model("deepseek-v3"), chip, "local"))


@pytest.mark.parametrize("batch", [1, 16, 200])
def test_a_group_decodes_at_the_pace_of_the_whole_replica(batch):
    found = grouped()
    rows, context = np.array([float(batch)]), found.shape.context_tokens
    mine = found.decode_base_s(rows) + found.context_s() * rows * context
    whole = step_s(found.terms, found.constants, Work(8 * rows, 8 * rows, 8 * rows * context))
    assert mine == pytest.approx(whole)
    step = found.step_time(256, 8192)
    assert step.step_ps(0, 0, batch, round(batch * context)) / 1e12 == pytest.approx(float(whole[0]), rel=1e-3)


def test_a_prompt_alone_is_read_by_its_own_group():
    """Nothing of its attention is spread: a prompt takes longer than on as many tensor ranks."""
    tensor = _engine(llm("deepseek-v3"), SERVER, CATALOG, CATALOG.model("deepseek-v3"), "fp8", Layout(8, 1, 1, 8))
    tokens = np.array([4096.0])
    assert grouped().dense_s(tokens)[0] > 1.5 * tensor.dense_s(tokens)[0]
    assert grouped().pair_s() == pytest.approx(8 * tensor.pair_s())


def test_a_latent_cache_is_not_copied():
    """Eight tensor ranks hold the same latent eight times; eight groups hold eight times as much of it."""
    tensor = _engine(llm("deepseek-v3"), SERVER, CATALOG, CATALOG.model("deepseek-v3"), "fp8", Layout(8, 1, 1, 8))
    one, all_of_them = memory(grouped(), 256, 8192), memory(tensor, 256, 8192)
    assert one.kv_bytes_per_token == pytest.approx(all_of_them.kv_bytes_per_token)
    attention = grouped().shape.attention_params
    assert one.weights - all_of_them.weights == pytest.approx(attention * 7 / 8, rel=1e-6)  # attention on every rank
    assert 8 * one.kv_tokens > 5 * all_of_them.kv_tokens


def test_the_kernel_agrees_with_the_closed_form():
    workload = llm("deepseek-v3")
    points = operating_points(workload, SERVER, CATALOG).points
    found = next(point for point in points if point.service.groups == 8)
    assert "-tp1-dp8-" in found.id
    curve = staffing(workload, found, 0.0, 1.0, StaffingCache())
    assert 0.6 < curve.max_load[0] < 1.0


def test_one_group_reads_and_multiplies_what_a_replica_without_groups_does():
    alone, tensor = grouped("qwen3-30b-a3b", 1, "bf16"), grouped("qwen3-30b-a3b", 4, "bf16")
    assert alone.step_bytes(64, 64_000) == pytest.approx(
        alone.shape.weight_bytes("bf16") - untouched(alone, 64) + 64_000 * alone.shape.kv_bytes_per_token
    )
    assert tensor.step_bytes(64, 64_000) < alone.step_bytes(64, 64_000)
    assert tensor.step_flop(64, 0.0) == alone.step_flop(64, 0.0)
    workload = llm("qwen3-30b-a3b")
    assert saturate(tensor, workload, 64, 8192).step_s < saturate(alone, workload, 64, 8192).step_s


def untouched(engine, tokens):
    arch = engine.shape.arch
    share = (1.0 - arch.experts_active / arch.experts) ** tokens
    return arch.experts * share * engine.shape.expert_params * 2.0
