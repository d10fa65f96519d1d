"""Result files as GuideLLM 0.8, AIPerf 0.13, GenAI-Perf 0.0.16 and vllm bench serve write them, small and made up."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.measure import ResultError, read_results

HERE = Path(__file__).parent / "results"
VLLM = {
    "date": "20261104-101500", "endpoint_type": "openai", "backend": "openai", "label": None,
    "model_id": "Qwen/Qwen3-8B", "tokenizer_id": "Qwen/Qwen3-8B", "num_prompts": 100, "request_rate": "inf",
    "burstiness": 1.0, "max_concurrency": 16, "duration": 40.0, "completed": 100, "failed": 0,
    "total_input_tokens": 51200, "total_output_tokens": 12800, "request_throughput": 2.5, "request_goodput": None,
    "output_throughput": 320.0, "total_token_throughput": 1600.0, "mean_ttft_ms": 80.0, "mean_tpot_ms": 45.0,
    "median_tpot_ms": 44.0, "p99_tpot_ms": 60.0, "mean_itl_ms": 45.0,
}  # fmt: skip


@pytest.fixture
def wrote(tmp_path):
    def write(content, name="result.json"):
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def refused(path) -> str:
    with pytest.raises(ResultError) as caught:
        read_results(path)
    (issue,) = caught.value.issues
    assert issue.hint
    assert issue.where.startswith(str(path))
    return str(issue)


def test_guidellm_has_a_run_for_each_strategy():
    light, heavy, paced = read_results(HERE / "guidellm.json")
    assert [run.concurrency for run in (light, heavy, paced)] == [1.0, 32.0, None]
    assert (heavy.prompt_tokens, heavy.output_tokens, heavy.tpot_ms, heavy.requests_count) == (512, 128, 20, 640)
    assert heavy.output_tokens_per_s == 1450.0  # of all requests, cut off ones too
    assert (heavy.tool, heavy.dated) == ("GuideLLM 0.8.1", date(2026, 11, 4))
    assert heavy.models == ("Qwen/Qwen3-8B",)
    assert paced.running == pytest.approx(768.0 * 0.015)  # Little's law: rate x time
    assert heavy.where.endswith("benchmarks[1]")


@pytest.mark.parametrize(("name", "held"), [("aiperf.json", 8), ("genai_perf.json", 8), ("aiperf.csv", None)])
def test_exports_of_aiperf_and_genai_perf_say_the_same(name, held):
    (run,) = read_results(HERE / name)
    assert (run.prompt_tokens, run.output_tokens, run.tpot_ms, run.output_tokens_per_s) == (550, 128, 18.5, 409.6)
    assert (run.requests_count, run.concurrency) == (256, held)
    assert run.running == pytest.approx(held or 409.6 * 0.0185)


def test_commas_of_genai_perf_stand_between_thousands():
    (run,) = read_results(HERE / "genai_perf.csv")
    assert run.output_tokens_per_s == 1409.6


def test_the_phase_that_counts_is_not_the_warm_up():
    (run,) = read_results(HERE / "aiperf.json")
    assert run.concurrency == 8.0
    assert run.dated == date(2026, 11, 4)
    assert run.models == ("Qwen/Qwen3-8B",)


@pytest.mark.parametrize("text", [json.dumps([VLLM, VLLM]), "\n".join([json.dumps(VLLM)] * 2) + "\n"])
def test_vllm_appends_results_or_lists_them(wrote, text):
    one, two = read_results(wrote(text))
    assert (one.prompt_tokens, one.output_tokens, one.tpot_ms, one.concurrency) == (512, 128, 45, 16)
    assert one.dated == date(2026, 11, 4)
    assert two.tpot_ms == one.tpot_ms


def test_a_cap_on_requests_in_flight_is_no_load_where_arrivals_are_paced(wrote):
    (run,) = read_results(wrote({**VLLM, "request_rate": 2.5}))
    assert run.concurrency is None
    assert run.running == pytest.approx(320.0 * 0.045)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mean_tpot_ms": None}, "states no mean_tpot_ms"),
        ({"mean_tpot_ms": "fast"}, "mean_tpot_ms: 'fast' is no number"),
        ({"mean_tpot_ms": 0}, "mean_tpot_ms: is 0, must be above 0"),
        ({"mean_tpot_ms": float("nan")}, "mean_tpot_ms: is nan, must be above 0"),
        ({"mean_tpot_ms": 10**400}, "mean_tpot_ms: is 1000"),
        ({"mean_tpot_ms": True}, "is no number"),
        ({"completed": 0}, "no request succeeded"),
        ({"failed": 50}, "33% of the requests failed"),
        ({"date": "yesterday"}, "date: 'yesterday' is no date"),
        ({"spec_decode_acceptance_rate": 71.0}, "the server speculated"),
        ({"max_concurrency": "many"}, "max_concurrency: 'many' is no number"),
    ],
)
def test_a_bad_figure_of_vllm_is_refused_at_its_key(wrote, change, said):
    assert said in refused(wrote({**VLLM, **change}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("hello", ":1: is no JSON"),
        ("{}", "is the result of no known tool"),
        ("[]", "is the result of no known tool (it holds list)"),
        ("3", "it holds int"),
        ('{"benchmarks": []}', "benchmarks: is no list of runs"),
        ('{"benchmarks": [3]}', "benchmarks[0]: states no metrics"),
        ("[" * 100_000, "nests too deep"),
        ('{"what": 1, "else": 2}', "it holds what, else"),
    ],
)
def test_another_shape_is_refused(wrote, text, said):
    assert said in refused(wrote(text))


def test_a_missing_or_binary_file_is_refused(tmp_path):
    assert "no such file" in refused(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in refused(tmp_path / "binary.json")
    assert "cannot be read" in refused(tmp_path)


def test_a_unit_that_is_another_is_refused(wrote):
    export = json.loads((HERE / "aiperf.json").read_text())
    seconds = deepcopy(export)
    seconds["inter_token_latency"]["unit"] = "s"
    assert "inter_token_latency: its unit is 's'" in refused(wrote(seconds))
    assert "was_cancelled: the run was cancelled" in refused(wrote({**export, "was_cancelled": True}))
    text = (HERE / "aiperf.csv").read_text()
    assert "its unit is 's'" in refused(
        wrote(text.replace("Inter Token Latency (ms)", "Inter Token Latency (s)"), "a.csv")
    )
    assert "is no export of AIPerf" in refused(wrote("a,b\n1,2\n", "b.csv"))
    assert "'N/A' is no number" in refused(wrote(text.replace("Count,256", "Count,N/A"), "c.csv"))


def test_a_run_that_does_not_stream_is_refused(wrote):
    report = json.loads((HERE / "guidellm.json").read_text())
    del report["benchmarks"][1]["metrics"]["inter_token_latency_ms"]["successful"]
    said = refused(wrote(report))
    assert "benchmarks[1].metrics.inter_token_latency_ms: states no successful" in said
    assert "streams" in said


ODD = st.sampled_from([None, 0, -1, 1e308, float("inf"), float("nan"), "x", [], {}, True, 10**400, {"mean": 2}])
WHOLE = [VLLM, *(json.loads(path.read_text()) for path in sorted(HERE.glob("*.json")))]


def places(value, path=()):
    """Every key and index of a JSON value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in members:
        yield (*path, key)
        yield from places(below, (*path, key))


@settings(max_examples=300)
@given(data=st.data())
def test_whatever_a_file_holds_it_is_read_or_refused(data, tmp_path_factory):
    content = deepcopy(data.draw(st.sampled_from(WHOLE)))
    *way, last = data.draw(st.sampled_from(sorted(places(content), key=str)))
    holder = content
    for key in way:
        holder = holder[key]
    holder[last] = data.draw(ODD)
    path = tmp_path_factory.getbasetemp() / "odd.json"
    path.write_text(json.dumps(content))
    runs, issues = (), ()
    try:
        runs = read_results(path)
    except ResultError as error:
        issues = error.issues
    assert runs or issues
    assert all(issue.where.startswith(str(path)) and issue.hint for issue in issues)
    assert all(run.tpot_ms > 0 and run.running >= 1 for run in runs)
