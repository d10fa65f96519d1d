"""Training rows: what is read, what is skipped and why, scores of the shipped constants, fit and anchors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from groundplan.catalog import Catalog
from groundplan.perf._train_profile import shipped_profile
from groundplan.validation import CalibrationError, Errors, Skipped, TruthRow, calibrate, errors, read_truth, validate
from groundplan.validation._calibrate_training import Errors as RunErrors
from groundplan.validation._calibrate_training import (
    anchored,
    fit_runs,
    fitted_runs,
    unseen_errors,
    values_of,
)
from groundplan.validation._train_memory import MEMORY, peak_gb, predict_memory, with_memory_rows
from groundplan.validation._train_rows import read_run, source_of
from groundplan.validation._training import Batch, log_errors, measured_seconds, predict_training

CATALOG, PROFILE = Catalog.default(), shipped_profile()
LLAMA = {
    "source_id": "somewhere", "publisher": "p", "model": "llama3-8b", "params_total": "8030000000", "layers": "32",
    "hidden": "4096", "heads": "32", "kv_heads": "8", "ffn": "14336", "vocab": "128256", "seq_len": "8192",
    "accelerator": "H100", "n_accelerators": "8", "precision": "bf16", "tp": "1", "pp": "1", "dp": "8", "cp": "1",
    "micro_batch": "2", "global_batch": "128", "recompute": "full", "kind": "pretrain", "metric": "iteration_s",
    "value": "10",
}  # fmt: skip


def row(**changed):
    return TruthRow(1, {**LLAMA, **changed})


def said(**changed):
    return predict_training([row(**changed)], CATALOG)[0]


def test_a_rate_and_a_step_time_say_the_same():
    seconds, rate = said(), said(metric="tokens_per_s_per_gpu")
    assert rate.value == pytest.approx(128 * 8192 / 8 / seconds.value)
    assert rate.high / rate.value == pytest.approx(seconds.value / seconds.low)


def test_a_shape_comes_from_the_row_and_the_gate_from_the_parameter_count():
    gated = read_run(row(), CATALOG, PROFILE).shape
    plain = read_run(row(params_total="6100000000"), CATALOG, PROFILE).shape
    assert (gated.ffn_inputs, plain.ffn_inputs) == (2.0, 1.0)
    assert said(layers="64", params_total="").value > 1.8 * said(params_total="").value


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"kind": "vision"}, "not modelled: training of kind vision"),
        ({"source_id": "vtrain_single"}, "not modelled: composed, not measured"),
        ({"accelerator": "ABC-1"}, "not in catalogue: ABC-1"),
        ({"layers": "", "model": "no-such-model"}, "not in catalogue: no-such-model"),
        ({"seq_len": ""}, "missing input: seq_len"),
        ({"global_batch": "-1"}, "missing input: global_batch is no positive number"),
        ({"layers": "0"}, "missing input: layers is no positive number"),
        ({"n_accelerators": ""}, "missing input: n_accelerators"),
        ({"tp": "", "pp": "", "dp": ""}, "missing input: mapping"),
        ({"tp": "3"}, "not modelled: mapping contradicts"),
        ({"precision": ""}, "missing input: precision"),
        ({"precision": "tf32"}, "not modelled: precision tf32"),
        ({"accelerator": "A100", "precision": "fp8"}, "missing input: a100-80-sxm has no stated dense fp8"),
        ({"micro_batch": "", "zero_stage": "3"}, "missing input: micro_batch"),
        ({"metric": "gpu_hours"}, "not modelled: metric gpu_hours"),
        ({"metric": "tflops_per_gpu"}, "not modelled: published TFLOP/s without a stated convention"),
        ({"notes": "peak ...; act offload"}, "not modelled: states or activations offloaded"),
    ],
)
def test_what_is_not_answered_says_why(changed, reason):
    found = said(**changed)
    assert isinstance(found, Skipped)
    assert found.reason.startswith(reason)


def test_a_blank_micro_batch_is_the_fastest_of_those_that_divide():
    choices = {m: said(micro_batch=str(m)).value for m in (1, 2, 4, 8, 16)}
    assert said(micro_batch="").value == pytest.approx(min(choices.values()))


def test_a_default_that_decides_widens_the_interval():
    stated, blank = said(), said(micro_batch="")
    assert blank.high / blank.value > stated.high / stated.value


def test_the_longest_pattern_names_the_stack_of_a_source():
    names = ("megatron_bridge_26.06", "megatron_bridge_27.01", "torchtitan_2030", "never_heard_of")
    stacks = [source_of(name).facts["stack"] for name in names]
    assert stacks == ["megatron-bridge-26.06", "megatron-core", "torchtitan", "unknown"]


@pytest.mark.parametrize(
    ("note", "peak"),
    [
        ("91.67 hardware TFLOP/s; 47GB peak; single", 47.0),
        ("lora; peak 16.69 GB; config", 16.69),
        ("+packed, cumulative; peak 60.0 GiB; model", 64.42),
        ("GB peak; single", None),
        ("nothing", None),
    ],
)
def test_peaks_are_read_from_notes_in_decimal_gb(note, peak):
    assert peak_gb(note) == (None if peak is None else pytest.approx(peak, abs=0.01))


def test_a_stated_peak_is_a_row_of_its_own():
    rows = with_memory_rows([row(notes="x; 47GB peak"), row(notes="x")])
    assert [one.metric for one in rows] == ["iteration_s", "iteration_s", MEMORY]
    assert rows[2].figure("value") == 47.0


@pytest.fixture(scope="module")
def truth(shared):
    return shared / "truth" / "training.csv"


@pytest.fixture(scope="module")
def visible(truth):
    return validate("training", truth, CATALOG)


def _of(visible, wanted):
    return errors([scored for scored in visible.scored if wanted(scored.row)])


def _dense(cells):
    return cells.text("kind") == "pretrain" and not cells.text("experts") and "GPT OSS" not in cells.text("model")


def test_shipped_constants_on_the_visible_table(visible):
    speed = ("iteration_s", "tokens_per_s_per_gpu")

    def dense(one):
        hybrid = "Nemotron" in one.text("model")
        return _dense(one) and not hybrid and one.metric in speed and (one.figure("n_accelerators") or 0) > 8

    def tuned(one):
        return one.text("kind") in ("lora", "sft") and one.metric in speed

    found: Errors = _of(visible, dense)
    assert found.n >= 350
    assert found.mape < 0.085
    assert found.mape_source_balanced < 0.08
    assert abs(found.bias) < 0.03
    assert 0.85 < found.coverage_90_source_balanced <= 1.0
    tuning = _of(visible, tuned)
    assert tuning.n >= 45
    assert tuning.mape < 0.09
    experts = _of(visible, lambda one: one.text("experts") != "" and one.metric in speed)
    assert experts.n >= 95
    assert experts.mape < 0.16


def test_peak_memory_on_the_visible_table(visible):
    found = _of(visible, lambda one: one.metric == MEMORY)
    assert found.n >= 90
    assert found.mape < 0.04
    margin = PROFILE.intervals["fits"]
    for scored in (one for one in visible.scored if one.row.metric == MEMORY):
        for gib in (8, 12, 16, 24, 32, 40, 48, 64, 80, 96, 141, 180):
            usable = gib * 2**30 * 0.95 / 1e9
            false_fit = scored.predicted.value * margin <= usable < scored.measured
            assert not false_fit, (gib, scored)


def test_every_row_is_scored_or_skipped_with_a_known_reason(visible):
    starts = ("not in catalogue:", "missing input:", "not modelled:")
    assert all(reason.startswith(starts) for reason in visible.skipped)
    assert len(visible.scored) + sum(visible.skipped.values()) == len(visible.rows)
    measured = [1 for scored in visible.scored if scored.row.source_id.startswith("vtrain_single")]
    assert not measured


def _some(truth, *sources):
    rows = [one for one in read_truth(truth) if one.source_id in sources]
    return fitted_runs(rows, CATALOG, PROFILE)


def test_a_fit_finds_constants_that_made_the_rows(truth):
    runs = _some(truth, "torchtitan_2024_12", "mlperf_v5.0")
    wanted = PROFILE.with_values({"gemm.hopper.fp8": 0.62, "gemm.blackwell.fp8": 0.82})
    made = [
        replace(run, row=TruthRow(run.row.number, {**run.row.cells, "metric": "iteration_s", "value": repr(float(s))}))
        for run, s in zip(runs, Batch(runs).seconds(wanted), strict=True)
    ]
    # judged from the shipped values, so that everything else is already right
    priors = {n: replace(c, prior=c.value) for n, c in PROFILE.constants.items()}
    found = values_of(fit_runs(made, replace(PROFILE, constants=priors)))
    assert found["gemm.hopper.fp8"] == pytest.approx(0.62, rel=0.06)
    assert found["gemm.blackwell.fp8"] == pytest.approx(0.82, rel=0.06)


def test_an_unseen_source_is_scored_without_its_rows(truth):
    runs = _some(truth, "torchtitan_2024_12", "trainy_h200_2025_06")
    labels = [run.row.publisher for run in runs]
    found = unseen_errors(runs, PROFILE, labels)
    assert np.isfinite(found.logs).all()
    own = log_errors(Batch(runs), PROFILE.with_values(values_of(fit_runs(runs, PROFILE))))
    assert np.abs(own).mean() < np.abs(found.logs).mean() < 0.25


def test_a_matched_anchor_takes_its_residual_off(truth):
    runs = _some(truth, "megatron_bridge_26.04", "megatron_bridge_26.04.01")
    raw = RunErrors(runs, log_errors(Batch(runs), PROFILE))
    near = anchored(raw)
    assert {run.row.source_id for run in near.runs} == {"megatron_bridge_26.04.01"}
    assert np.abs(near.logs).mean() < 0.6 * np.abs(raw.logs).mean()


def test_published_totals_convert_to_step_times(truth):
    runs = _some(truth, "megatron_a100_2021")
    assert len(runs) == 10
    # hardware FLOP of Narayanan et al. 2021, equation 3: 1.7B on 32 A100 at 137 TFLOP/s
    first = next(i for i, run in enumerate(runs) if run.row.text("model") == "GPT-1.7B")
    flop = 96 * 512 * 2048 * 24 * 2304**2 * (1 + 2048 / (6 * 2304) + 51200 / (16 * 24 * 2304))
    assert measured_seconds(runs)[first] == pytest.approx(flop / 32 / 137e12, rel=1e-6)


def test_a_table_without_training_rows_cannot_be_fitted(tmp_path):
    (tmp_path / "rows.csv").write_text("source_id,kind,metric,value\na,vision,images_per_s_per_gpu,1\n")
    with pytest.raises(CalibrationError, match="no row"):
        calibrate("training", tmp_path / "rows.csv", CATALOG)
    with pytest.raises(CalibrationError, match="no row of nobody"):
        calibrate("training", tmp_path / "rows.csv", CATALOG, ["nobody"])


def test_memory_of_a_ladder_needs_its_steps():
    unknown = row(source_id="torchtune", notes="lora; peak 16.2 GiB", zero_stage="", n_accelerators="1", dp="1")
    assert isinstance(predict_memory(unknown, CATALOG, PROFILE), Skipped)
