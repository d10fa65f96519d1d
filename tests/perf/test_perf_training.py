"""Training gangs: work per token, memory by hand, published speeds, deadlines."""

from __future__ import annotations

import csv
import statistics
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perf_cases import CATALOG, finetune, pretrain

from groundplan.perf import operating_points
from groundplan.perf._chip import chip_of
from groundplan.perf._training import Gang, TrainedModel, tokens_per_s, trained_model, training_memory_gb

TRUTH = Path(__file__).resolve().parents[3] / "shared" / "truth" / "training.csv"
SERVERS = {"H100-80GB-SXM": "hgx-h100-8", "H100": "hgx-h100-8", "H200": "hgx-h200-8", "B200": "hgx-b200-8"}
SERVERS |= {"A100-80GB-SXM": "hgx-a100-8", "A100-80GB": "hgx-a100-8"}


def _points(workload, server):
    return operating_points(workload, CATALOG.server(server), CATALOG)


def _speed(workload, server, gang, *, recompute=False):
    row = CATALOG.server(server)
    model, chip = trained_model(CATALOG.model(workload.model)), chip_of(row, CATALOG)
    return tokens_per_s(workload, model, chip, row, gang, recompute=recompute)


def test_work_of_a_token_by_hand():
    model = trained_model(CATALOG.model("llama-3.1-8b"))
    attention = 3 * 2 * 32 * 4096 * 4096
    assert model.token_flop(4096, lora=False) == pytest.approx(6 * 8.03e9 + attention, rel=0.001)
    assert model.token_flop(4096, lora=True) == pytest.approx(1.04 * (4 * 8.03e9 + attention * 2 / 3), rel=0.001)


def test_states_are_sixteen_bytes_a_parameter_shared_by_the_gang():
    model, chip = trained_model(CATALOG.model("llama-3.1-8b")), chip_of(CATALOG.server("hgx-h200-8"), CATALOG)
    full = [training_memory_gb(model, chip, n, 4096, lora=False, recompute=True) for n in (1, 8)]
    assert full[0]["weights"] == pytest.approx(16 * 8.03, rel=0.001)
    assert full[1]["weights"] == pytest.approx(2 * 8.03, rel=0.001)
    lora = training_memory_gb(model, chip, 1, 4096, lora=True, recompute=True)
    assert lora["weights"] == pytest.approx((2 + 0.16) * 8.03, rel=0.001)
    lazy = training_memory_gb(model, chip, 8, 4096, lora=False, recompute=False)
    assert lazy["activations"] > full[1]["activations"]


def test_published_speed_of_a_known_gang():
    # torchtitan, benchmarks/llama3_h100_202412: Llama 3 8B, 8 H100 (500 W parts), FSDP, sequence 8192
    work = pretrain("llama-3-8b", 1e12).model_copy(update={"sequence_tokens": 8192})
    assert 0.67 < _speed(work, "hgx-h100-8", Gang(8, 1)) / 8 / 5762 < 1.5


def _measured_rows():
    for row in csv.DictReader(TRUTH.open(encoding="utf-8")):
        wanted = row["kind"] == "pretrain" and row["metric"] == "tokens_per_s_per_gpu" and row["precision"] == "bf16"
        shaped = all(row[name] for name in ("params_total", "layers", "hidden", "vocab", "seq_len"))
        if wanted and shaped and not row["experts"] and row["accelerator"] in SERVERS:
            yield row


def _predicted_per_accelerator(row):
    params, hidden = float(row["params_total"]), int(row["hidden"])
    model = TrainedModel(params, params, int(row["layers"]), hidden, int(row["vocab"]), hidden, 0, 2.0)
    count, server = int(row["n_accelerators"]), CATALOG.server(SERVERS[row["accelerator"]])
    gang = Gang(8, count // 8) if count >= 8 else Gang(count, 1)
    work = pretrain("llama-3.1-8b", 1e12).model_copy(update={"sequence_tokens": int(row["seq_len"])})
    again = row["recompute"] == "full"
    return tokens_per_s(work, model, chip_of(server, CATALOG), server, gang, recompute=again) / gang.ranks


@pytest.mark.skipif(not TRUTH.exists(), reason="measured rows are not part of the repository")
def test_published_dense_rows_within_a_factor_of_two():
    rows = [row for row in _measured_rows() if float(row["params_total"]) > 2e9]
    ratios = [_predicted_per_accelerator(row) / float(row["value"]) for row in rows]
    assert len(ratios) >= 30
    assert 0.67 < statistics.median(ratios) < 1.5
    assert sum(0.5 < ratio < 2.0 for ratio in ratios) / len(ratios) > 0.9


def test_memory_decides_the_smallest_gang():
    assert _points(finetune("exaone-4.0-32b"), "hgx-h200-8").points[0].slots_per_replica == 1
    assert _points(finetune("exaone-4.0-32b"), "l40s-8").points[0].slots_per_replica == 2
    # 16 bytes x 70.6e9 / 16 ranks = 70.6 GB, and activations, logits and reserve do not fit beside it
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
    rate = _speed(work, server, gang)
    assert rate * trained.token_flop(4096, lora=lora) < gang.ranks * chip.flop_per_s("bf16")
    assert _speed(work, server, gang, recompute=True) < rate
    assert _speed(work, server, Gang(8, 2 * nodes)) > rate
