"""The serving model: figures that others published, rooflines, and closed forms against a replay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perf_cases import CATALOG

from groundplan.kernel import EngineLimits, simulate_closed
from groundplan.perf import serving as perf

CONSTANTS = perf.serving_file().constants()
DEPLOYMENTS = [
    ("llama-3.1-8b", "h100-sxm", "fp8", perf.Ranks()),
    ("llama-3.1-70b", "h200-sxm", "fp8", perf.Ranks(4)),
    ("qwen3-30b-a3b", "h100-sxm", "bf16", perf.Ranks(2)),
    ("deepseek-v3", "b200", "fp4", perf.Ranks(1, 8)),
    ("gemma-3-27b", "h100-sxm", "bf16", perf.Ranks(2)),
]


def deployment(model, part, precision, ranks, *, engine="vllm", year=2026.0, untuned=0.0, context=1500.0):
    arch = CATALOG.model(model).transformer()
    chip = perf.Chip(CATALOG.accelerator(part), 8)
    index = perf.serving_file().engine_names.index(engine)
    served = perf.Served(
        chip, perf.formats_of(arch, precision), ranks, engine=index, software_year=year, untuned=untuned
    )
    return arch, served, perf.terms(arch, context, served, perf.room(arch, context, served, "share-of-all").tokens)


def at(value):
    return np.array([float(value)])


def test_single_stream_decode_of_vllm_0_19_on_an_h100():
    """vLLM blog of 2026-04-22, Llama-3.1-8B: 6.44 ms + 4.37e-5 ms a cached token in bf16, 2.37e-5 with an fp8 cache."""
    _, _, terms = deployment("llama-3.1-8b", "h100-sxm", "bf16", perf.Ranks(), year=2026.27, untuned=0.5)
    step = perf.step_time(terms, CONSTANTS, 1500.0, 4, 2048)
    assert step.decode_base_ps[1] / 1e9 == pytest.approx(6.44, rel=0.10)
    assert step.context_slope_ps[1] / 1e9 == pytest.approx(4.37e-5, rel=0.05)


def test_cache_of_an_rtx_4090_as_vllm_reports_it():
    """2,588 blocks of 16 tokens for Llama-3.1-8B at max_num_batched_tokens 2048 (run of LLMServingSim's authors)."""
    arch = CATALOG.model("llama-3.1-8b").transformer()
    chip = perf.Chip(CATALOG.accelerator("rtx-4090"), 1)
    served = perf.Served(chip, perf.formats_of(arch, "bf16"), perf.Ranks())
    found = perf.room(arch, 1500.0, served, "share-of-all", 2048.0)
    assert found.tokens == pytest.approx(2588 * 16, rel=0.10)


@pytest.mark.parametrize(
    ("model", "part", "precision", "ranks", "fits"),
    [
        ("llama-3.1-70b", "h100-sxm", "fp8", 1, True), ("llama-3.1-70b", "h100-sxm", "bf16", 1, False),
        ("llama-3.1-70b", "l40s", "fp8", 1, False), ("llama-3.1-70b", "l40s", "fp8", 4, True),
        ("llama-3.1-405b", "h100-sxm", "fp8", 4, False), ("llama-3.1-405b", "h100-sxm", "fp8", 8, True),
        ("deepseek-v3", "h100-sxm", "fp8", 8, False), ("deepseek-v3", "h200-sxm", "fp8", 8, True),
    ],
)  # fmt: skip
def test_what_fits_is_what_people_run(model, part, precision, ranks, fits):
    arch = CATALOG.model(model).transformer()
    served = perf.Served(
        perf.Chip(CATALOG.accelerator(part), 8), perf.formats_of(arch, precision, "fp8"), perf.Ranks(ranks)
    )
    assert perf.room(arch, 2000.0, served, "share-of-free").fits == fits


@settings(max_examples=60, deadline=None)
@given(
    case=st.sampled_from(DEPLOYMENTS), batch=st.integers(1, 512), context=st.integers(1, 20000), more=st.floats(1, 3)
)
def test_a_step_is_never_faster_than_its_bytes_and_more_work_never_is(case, batch, context, more):
    _, served, terms = deployment(*case)
    step = float(perf.decode_s(terms, CONSTANTS, at(batch), at(context))[0])
    own = float(terms.attention_read + terms.dense_read + terms.head_read)
    cache = float(terms.kv_read) * batch * context / case[3].data
    assert step >= (own + cache) / served.chip.read_bytes_per_s
    assert float(perf.decode_s(terms, CONSTANTS, at(batch * more), at(context))[0]) >= step
    assert float(perf.decode_s(terms, CONSTANTS, at(batch), at(context * more))[0]) >= step


@pytest.mark.parametrize("case", DEPLOYMENTS, ids=lambda case: f"{case[0]}-{case[1]}")
@pytest.mark.parametrize(("prompt", "output", "concurrency"), [(1000, 500, 16), (2000, 300, 64)])
def test_the_closed_form_of_a_closed_loop_agrees_with_its_replay(case, prompt, output, concurrency):
    _, _, terms = deployment(*case, context=prompt + output / 2)
    asked = perf.Asked(at(prompt), at(output))
    said = float(perf.tpot_s(terms, CONSTANTS, asked, at(concurrency))[0])
    count = 12 * concurrency
    rng = np.random.default_rng(3)
    lengths = [rng.uniform(0.5, 1.5, count) * mean for mean in (prompt, output)]
    step = perf.step_time(terms, CONSTANTS, prompt + output / 2, concurrency, 8192)
    limits = EngineLimits(concurrency, 8192, 10**6)
    run = simulate_closed(*(values.astype(int) for values in lengths), step, limits, concurrency=concurrency)
    settled = run.tpot_ps[3 * concurrency : -2 * concurrency]
    weight = run.output_tokens[3 * concurrency : -2 * concurrency]
    assert said == pytest.approx(float(np.average(settled, weights=weight)) / 1e12, rel=0.12)


def test_defaults_are_slower_than_tuned_engines_and_old_ones_slower_than_new():
    def speed(**more):
        _, _, terms = deployment("qwen3-30b-a3b", "h100-sxm", "bf16", perf.Ranks(), **more)
        return float(perf.decode_s(terms, CONSTANTS, at(8), at(1000))[0])

    assert speed(untuned=1.0) > speed(untuned=0.5) > speed(untuned=0.0)
    assert speed(year=2024.5) > speed(year=2025.5) > speed(year=2026.5)


def test_only_prefills_of_default_deployments_are_launched_kernel_by_kernel():
    """Decode steps are captured everywhere: the step that holds a prompt pays, in closed form and in the tables."""
    work = perf.Work(at(65.0), at(64.0))
    for untuned, share in ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)):
        _, _, terms = deployment("deepseek-v3", "h200-sxm", "fp8", perf.Ranks(8), untuned=untuned)
        bare = replace(CONSTANTS, captured=CONSTANTS.captured * 0.0)
        paid = float((perf.step_s(terms, CONSTANTS, work) - perf.step_s(terms, bare, work))[0])
        assert paid == pytest.approx(share * float(perf.launches_s(terms, CONSTANTS)))
        assert perf.decode_s(terms, CONSTANTS, at(64), at(500)) == perf.decode_s(terms, bare, at(64), at(500))
        tables = [perf.step_time(terms, c, 500.0, 64, 2048) for c in (CONSTANTS, bare)]
        longer = (tables[0].prefill_base_ps[-1] - tables[1].prefill_base_ps[-1]) / 1e12
        assert longer == pytest.approx(paid, rel=1e-6, abs=1e-9)


def test_latent_attention_has_more_to_launch():
    dense, latent = (
        deployment(model, "h200-sxm", "fp8", perf.Ranks(8), untuned=1.0)[2]
        for model in ("qwen3-235b-a22b", "deepseek-v3")
    )
    assert float(perf.launches_s(latent, CONSTANTS) / latent.layers) > 1.5 * float(
        perf.launches_s(dense, CONSTANTS) / dense.layers
    )


def test_releases_are_dated_by_the_longest_beginning():
    assert perf.release_year("trtllm", "v0.20") > perf.release_year("trtllm", "0.17") > 2025.0
    assert perf.release_year("trtllm", "1.0.0rc3") < perf.release_year("trtllm", "1.0")
    assert perf.release_year("vllm", "9.9") is None
    assert perf.generation("vllm", 2023.9) == "vllm-2023"
    assert perf.generation("vllm", 2025.9) == "vllm"


def test_every_constant_lies_in_its_range():
    for name, row in perf.serving_file().shared.items():
        assert row["low"] <= row["value"] <= row["high"], name
        assert row["low"] < row["prior"] < row["high"], name
