"""Reading measured serving rows, and the scores of the shipped constants on them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from groundplan.catalog import Catalog
from groundplan.perf import serving as perf
from groundplan.validation import Skipped, TruthRow, read_truth
from groundplan.validation._serving import predict_serving, predicted
from groundplan.validation._serving_replay import first_token
from groundplan.validation._serving_rows import Case, gpus, kv_format, protocol_of, read_case, weight_format

CATALOG = Catalog.default()
BASE = {
    "source_id": "mine", "publisher": "me", "model": "meta-llama/Llama-3.1-8B", "accelerator": "H100-SXM-80GB",
    "n_accelerators": "1", "tp": "1", "precision": "fp8", "framework": "vLLM", "framework_version": "0.12.0",
    "isl": "1000", "osl": "500", "concurrency_or_batch": "32", "metric": "tpot_ms", "value": "9",
}  # fmt: skip


def row(**more):
    return TruthRow(1, {**BASE, **{name: str(value) for name, value in more.items()}})


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"model": "nobody/knows-70B"}, "not in catalogue: model"),
        ({"accelerator": "Abacus 9000"}, "not in catalogue: accelerator"),
        ({"precision": ""}, "missing input: precision"),
        ({"osl": ""}, "missing input: prompt and output"),
        ({"metric": "smiles_per_s"}, "not modelled: metric"),
        ({"flag": "DERIVED_NOT_MEASURED(x)"}, "not modelled: derived"),
        ({"notes": "aggregated; MTP-3"}, "not modelled: llama-3.1-8b has no layer of its own"),
        ({"notes": "MTP-99"}, "missing input: draft"),
        ({"notes": "MTP-0"}, "missing input: draft"),
        ({"notes": "MTP-3, acceptance 1.5"}, "missing input: draft"),
        ({"notes": "speculative decoding, Sonnet dataset"}, "missing input: draft"),
        ({"accelerator": "hosted API, hardware unknown"}, "missing input: accelerator"),
        ({"model": "meta-llama/Llama-3.1-405B", "precision": "bf16"}, "not modelled: no layout"),
    ],
)
def test_what_cannot_be_read_says_why(cells, reason):
    found = read_case(row(**cells), CATALOG)
    assert isinstance(found, Skipped)
    assert found.reason.startswith(reason)


def test_speculative_rows_count_what_the_draft_gets_right():
    big = {"model": "deepseek-ai/DeepSeek-R1", "accelerator": "B200-180GB", "n_accelerators": 8, "tp": 8}
    notes = ("", "MTP-1", "MTP-3", "MTP-3, acceptance 90%")
    plain, one, three, better = predict_serving(
        [row(**big, precision="nvfp4", concurrency_or_batch=1, notes=said) for said in notes], CATALOG
    )
    assert plain.value > one.value > three.value > better.value


def test_a_scheduler_that_looks_at_its_queue_now_and_then_lets_prompts_wait():
    """InferenceX runs SGLang on B200 so that it takes prompts up every 30 steps, every 10 at small loads."""
    big = {"publisher": "SemiAnalysis InferenceX", "model": "deepseek-ai/DeepSeek-R1", "precision": "fp8", "tp": 8,
           "n_accelerators": 8, "metric": "ttft_ms", "framework": "SGLang"}  # fmt: skip
    b200 = [row(**big, accelerator="B200-180GB", concurrency_or_batch=load) for load in (4, 64)]
    others = [
        row(**big, accelerator="H200-SXM-141GB", concurrency_or_batch=64),
        row(**{**big, "publisher": "somebody"}, accelerator="B200-180GB", concurrency_or_batch=64),
    ]
    assert [read_case(one, CATALOG).wait_steps for one in (*b200, *others)] == [5.0, 15.0, 0.0, 0.0]
    case = read_case(b200[1], CATALOG)
    c = perf.serving_file().constants()
    waits, plain = predicted([case, replace(case, wait_steps=0.0)], c) / case.factor
    step_s = predicted([replace(case, quantity="tpot", factor=1.0)], c)[0]
    assert waits - plain == pytest.approx(15.0 * step_s, rel=0.2)


def test_a_first_token_is_its_replay_and_what_stands_around_it():
    big = {"model": "deepseek-ai/DeepSeek-R1", "accelerator": "H200-SXM-141GB", "n_accelerators": 8, "tp": 8}
    case = read_case(row(**big, metric="ttft_ms"), CATALOG)
    c = perf.serving_file().constants()
    part = first_token(case, c)
    said = predicted([case], c)[0] / case.factor
    assert said == pytest.approx(c.front_s[part.engine] + part.added_s + c.moe_prefill_factor * part.replayed_s)
    assert part.added_s > float(perf.launches_s(case.variants[0].terms, c)) * (1.0 - case.untuned)


def test_a_plain_row_is_answered_within_its_interval():
    (said,) = predict_serving([row()], CATALOG)
    assert not isinstance(said, Skipped)
    assert said.low < said.value < said.high
    (slow,) = predict_serving([row(concurrency_or_batch=256)], CATALOG)
    assert slow.value > said.value


@pytest.mark.parametrize(
    ("text", "fmt"),
    [("fp8/fp8", "fp8"), ("nvfp4/fp8", "fp4"), ("nvfp4 MoE", "fp4"), ("Q4_K_M", "int4"), ("bfloat16", "bf16"),
     ("fp16/fp16", "bf16"), ("", None), ("ternary", None)],
)  # fmt: skip
def test_formats(text, fmt):
    assert weight_format(text) == fmt


def test_cache_formats():
    assert kv_format(row(precision="bf16/fp8 kv"), "vllm") == "fp8"
    assert kv_format(row(precision="fp8"), "vllm") == "bf16"
    assert kv_format(row(precision="fp8"), "trtllm") == "fp8"


def test_multiplied_counts_are_read_as_the_machines_they_are():
    """A dump that prints tensor x expert ranks: 16 for four accelerators, 64 for eight; others are as they are."""
    assert gpus(row(n_accelerators=16, tp=16, ep=4, notes="attention_dp=1; moe_tp=4")) == 4
    assert gpus(row(n_accelerators=64, tp=64, ep=8, notes="attention_dp=1; moe_tp=8")) == 8
    assert gpus(row(n_accelerators=8, tp=8, ep=8, notes="attention_dp=1; moe_tp=1")) == 8
    assert gpus(row(n_accelerators=4, tp=4, ep=1)) == 4


@pytest.mark.parametrize(
    ("cells", "protocol"),
    [({}, "closed"), ({"request_rate": "inf"}, "offline"), ({"request_rate": "10"}, "open"),
     ({"notes": "static batch"}, "static"), ({"notes": "task=gpqa; max_num_seqs=64"}, "batch"),
     ({"isl": "", "concurrency_or_batch": "1"}, "single")],
)  # fmt: skip
def test_the_load_is_read_from_what_the_row_states(cells, protocol):
    assert protocol_of(row(**cells)) == protocol


def test_the_cliff_of_a_70b_model_on_one_accelerator(shared):
    """TensorRT-LLM 0.17, FP8: 840, 1,746 and 2,823 tokens/s on H100, GH200 and H200 at 1000/1000; within 15 %."""
    rows = read_truth(shared / "truth" / "serving.parquet", ["TRT-v0.17"])
    chosen = [
        r for r in rows
        if "70B" in r.text("model") and r.text("tp") == "1" and (r.text("isl"), r.text("osl")) == ("1000", "1000")
    ]  # fmt: skip
    assert len(chosen) == 3
    for one, said in zip(chosen, predict_serving(chosen, CATALOG), strict=True):
        assert said.value == pytest.approx(one.figure("value"), rel=0.15), one.text("accelerator")


@cache
def errors_of(path, protocol, quantity, moe):
    rows = read_truth(path)
    found = [(r, c) for r in rows if isinstance(c := read_case(r, CATALOG), Case)]
    own = [(r, c) for r, c in found if (c.protocol, c.quantity, c.moe) == (protocol, quantity, moe)]
    from groundplan.perf import serving as perf

    values = predicted([c for _, c in own], perf.serving_file().constants())
    return np.abs(values / np.array([r.figure("value") for r, _ in own]) - 1.0)


@pytest.mark.parametrize(
    ("protocol", "quantity", "moe", "median", "p90"),
    [("offline", "output_rate", False, 0.09, 0.28), ("offline", "output_rate", True, 0.16, 0.52),
     ("closed", "tpot", False, 0.10, 0.30), ("closed", "tpot", True, 0.16, 0.42)],
)  # fmt: skip
def test_scores_on_the_visible_rows(shared, protocol, quantity, moe, median, p90):
    found = errors_of(shared / "truth" / "serving.parquet", protocol, quantity, moe)
    assert len(found) > 250
    assert np.median(found) < median
    assert np.quantile(found, 0.9) < p90
