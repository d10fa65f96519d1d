"""Files that GuideLLM and AIPerf wrote of a real server (results/README.md): what is read is what they counted."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from groundplan.catalog import Catalog
from groundplan.measure import read_results

HERE = Path(__file__).parent / "results"
AIPERF = {"1": (1, 128, 64), "2": (2, 128, 64), "4": (4, 128, 64), "2-long": (2, 256, 128)}


@pytest.mark.parametrize("name", AIPERF)
def test_aiperf_says_the_load_and_rates_that_follow_from_its_counts(name):
    file = HERE / f"aiperf_llama_cpp_{name}.json"
    (run,), written = read_results(file), json.loads(file.read_text())
    held, prompt, output = AIPERF[name]
    assert (run.concurrency, run.prompt_tokens, run.output_tokens) == (held, prompt, pytest.approx(output, abs=0.2))
    rate = written["total_output_tokens"]["avg"] / written["benchmark_duration"]["avg"]
    assert run.output_tokens_per_s == pytest.approx(rate, rel=1e-3)
    after_first_ms = written["request_latency"]["avg"] - written["time_to_first_token"]["avg"]
    assert run.tpot_ms == pytest.approx(after_first_ms / (run.output_tokens - 1.0), rel=0.01)
    assert (run.tool, run.dated) == ("AIPerf 0.13.0", date(2026, 11, 30))


def test_aiperf_figures_by_hand():
    runs = [read_results(HERE / f"aiperf_llama_cpp_{name}.json")[0] for name in AIPERF]
    assert [round(run.tpot_ms, 1) for run in runs] == [17.8, 47.5, 81.5, 46.6]
    assert [round(run.output_tokens_per_s, 1) for run in runs] == [27.2, 25.4, 26.8, 25.9]
    assert [run.requests_count for run in runs] == [10, 16, 24, 12]
    assert runs[2].output_tokens_per_s == pytest.approx(1535 / 57.3, rel=1e-3)


def test_the_csv_of_aiperf_rounds_the_same_figures_and_knows_no_load():
    (run,), (whole,) = (read_results(HERE / f"aiperf_llama_cpp_4.{ending}") for ending in ("csv", "json"))
    assert run.tpot_ms == pytest.approx(whole.tpot_ms, abs=0.005)
    assert run.output_tokens_per_s == pytest.approx(whole.output_tokens_per_s, abs=0.005)
    assert run.concurrency is None
    assert run.running == pytest.approx(26.79 * 0.08154)  # Little's law over the decoding alone


def test_guidellm_has_three_loads():
    file = HERE / "guidellm_llama_cpp.json"
    runs, written = read_results(file), json.loads(file.read_text())["benchmarks"]
    assert [run.concurrency for run in runs] == [1, 2, 4]
    assert {(run.prompt_tokens, run.output_tokens, run.requests_count) for run in runs} == {(128, 64, 16)}
    assert [round(run.tpot_ms, 1) for run in runs] == [20.5, 46.2, 84.0]
    for run, one in zip(runs, written, strict=True):
        clock = one["scheduler_metrics"]
        seconds = clock["measure_end_time"] - clock["measure_start_time"]
        assert run.output_tokens_per_s == pytest.approx(16 * 64 / seconds, rel=1e-3)
        assert (run.tool, run.dated) == ("GuideLLM 0.8.1", date(2026, 11, 30))


def test_the_served_name_says_model_and_format():
    (run, *_) = read_results(HERE / "guidellm_llama_cpp.json")
    name = Catalog.default().find_model(run.models[0])
    assert name == ("smollm2-135m", "int4")
