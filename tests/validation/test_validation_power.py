"""Power against measured rows: what a row states is read right, and the shipped constants hold their scores."""

from __future__ import annotations

import numpy as np
import pytest

from groundplan.catalog import Catalog
from groundplan.perf.power import TokenUse, power_file
from groundplan.validation import Skipped, TruthRow, read_truth, validate
from groundplan.validation._calibrate_power import calibrate_power, power_table, tables
from groundplan.validation._power import predict_power
from groundplan.validation._power_predicted import at_predicted_point
from groundplan.validation._power_rows import read_power_row

CATALOG = Catalog.default()
SERVED = {
    "source_id": "ML.ENERGY-v3",
    "metric": "avg_power_total",
    "workload": "vLLM lm-arena-chat meta-llama/Llama-3.1-8B-Instruct",
    "hardware": "H100",
    "n_gpus": "1",
    "setting": "avg_batch=16.0;prec=bfloat16;active_b=8.0;total_b=8.0;out_len=400;tok_s=1900;itl_med_ms=8.0",
    "value": "513.3",
}


def _row(**cells):
    return TruthRow(1, {**SERVED, **cells})


def test_a_served_row_by_hand():
    found = read_power_row(_row(), CATALOG)
    assert (found.part.id, found.family, found.count, found.watts) == ("h100-sxm", "text", 1, 513.3)
    kv_bytes = 16 * (150 + 200) * 32 * 2 * 8 * 128 * 2
    assert found.use.read_use == pytest.approx((16e9 + kv_bytes) / 8e-3 / 3.35e12)
    assert found.use.flop_use == pytest.approx(2 * 8e9 * 16 / 8e-3 / 989.4e12)
    assert found.use.prefill_share == pytest.approx(1 - 8e-3 * 1900 / 16)


def test_a_diffusion_row_by_hand():
    setting = {"workload": "diffusion text-to-image black-forest-labs/FLUX.1-dev", "n_gpus": "2"}
    found = read_power_row(_row(**setting, setting="batch=4;steps=50;latency_s=40"), CATALOG)
    work = 4 * (2 * 11.9e9 * 4608 + 4 * 4608**2 * 3072 * 57)
    assert found.use.forward_s == pytest.approx(work / 2 / 989.4e12)
    assert found.use.flop_use == pytest.approx(work * 50 / 40 / 2 / 989.4e12)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"metric": "mean_power"}, "not modelled: metric mean_power"),
        ({"hardware": "TPU v99"}, "not in catalogue: accelerator TPU v99"),
        ({"n_gpus": ""}, "missing input: n_gpus"),
        ({"setting": "avg_batch=8"}, "missing input: one of"),
        ({"setting": SERVED["setting"].replace("bfloat16", "nf3")}, "missing input: precision nf3"),
        ({"workload": "diffusion text-to-image nobody/knows"}, "not in catalogue: denoiser nobody/knows"),
    ],
)
def test_rows_without_an_operating_point_say_why(cells, said):
    found = read_power_row(_row(**cells), CATALOG)
    assert isinstance(found, Skipped)
    assert found.reason.startswith(said)


def _mape(rows, family, part):
    read = ((read_power_row(one.row, CATALOG), abs(one.error)) for one in rows)
    return float(np.mean([error for found, error in read if (found.family, found.part.id) == (family, part)]))


def test_shipped_constants_on_the_visible_table(shared):
    """In sample; the same fit with each model left out is in the next test."""
    found = validate("power", shared / "truth" / "energy.csv", CATALOG)
    assert len(found.scored) == 1672
    assert _mape(found.scored, "text", "h100-sxm") < 0.068
    assert _mape(found.scored, "text", "b200") < 0.105
    assert _mape(found.scored, "image", "h100-sxm") < 0.085
    assert _mape(found.scored, "image", "b200") < 0.070
    assert 0.9 <= found.metrics()["avg_power_total"].coverage_90 <= 1.0


def test_models_left_out_meet_the_goal(shared):
    rows = [r for r in read_truth(shared / "truth" / "energy.csv") if not r.text("workload").startswith("diffusion")]
    columns = calibrate_power(rows, CATALOG, "leave-one-publisher-out").columns
    scored = {one.rows: one.errors for one in columns if one.scored == "model left out"}
    assert scored["text.h100-sxm"].mape <= 0.10
    assert scored["text.b200"].mape <= 0.12
    assert min(scored[f"text.{part}"].coverage_90 for part in ("h100-sxm", "b200")) >= 0.9


def test_shipped_constants_are_those_of_the_fit(shared):
    rows = read_truth(shared / "truth" / "energy.csv")
    for one in calibrate_power(rows, CATALOG, None).constants:
        family, part, name = one.name.split(".")
        assert getattr(power_file().draw(family, part), name) == pytest.approx(one.value, rel=0.02), one.name


def test_media_is_fitted_with_text_that_decodes():
    served = [read_power_row(_row(n_gpus=str(n)), CATALOG) for n in (1, 2)]
    shown = read_power_row(_row(workload="vLLM video-chat Qwen/Qwen3-VL-8B-Instruct"), CATALOG)
    prefilling = read_power_row(_row(setting=SERVED["setting"].replace("tok_s=1900", "tok_s=900")), CATALOG)
    found = tables([*served, shown, prefilling])
    assert {name: len(table.rows) for name, table in found.items()} == {
        "text.h100-sxm": 3, "text.*": 3, "media.h100-sxm": 3, "media.*": 3,
    }  # fmt: skip
    assert isinstance(found["text.*"].use, TokenUse)
    assert power_table(served).watts.tolist() == [513.3, 513.3 / 2]


RUN = {
    "source_id": "ML.ENERGY-v3",
    "model": "meta-llama/Llama-3.1-8B-Instruct",
    "accelerator": "H100-SXM-80GB",
    "n_accelerators": "1",
    "concurrency_or_batch": "16.0",
    "osl": "400",
    "precision": "bfloat16",
    "notes": "task=lm-arena-chat; max_num_seqs=16",
}


def _run(**figures):
    return [
        TruthRow(place, {**RUN, "metric": name, "value": str(value)})
        for place, (name, value) in enumerate(figures.items())
    ]


def test_serving_tables_say_the_same_as_power_tables():
    rows = _run(output_tok_s_total=1900, tpot_ms=8.0, gpu_power_w_sum=513.3, energy_j_per_output_token=513.3 / 1900)
    rate, tpot, power, energy = predict_power(rows, CATALOG)
    plain = predict_power([_row()], CATALOG)[0]
    assert isinstance(rate, Skipped)
    assert isinstance(tpot, Skipped)
    assert power.value == pytest.approx(plain.value, rel=0.01)  # the card has 8.03 billion parameters, the row 8.0
    assert energy.value == pytest.approx(power.value / 1900)


def test_power_without_throughput_of_the_run_says_so():
    (outcome,) = predict_power(_run(gpu_power_w_sum=513.3), CATALOG)
    assert outcome == Skipped("missing input: measured throughput and TPOT of the same run")


def test_energy_of_an_image_is_power_times_its_share_of_the_batch():
    run = {"model": "black-forest-labs/FLUX.1-dev", "concurrency_or_batch": "4", "notes": "task=text-to-image"}
    rows = [TruthRow(1, {**RUN, **run, "metric": name, "value": "40000"}) for name in
            ("batch_latency_ms", "gpu_power_w_sum", "energy_per_image_joules")]  # fmt: skip
    _, power, energy = predict_power(rows, CATALOG)
    assert energy.value == pytest.approx(power.value * 40.0 / 4)


def test_the_predicted_operating_point_keeps_the_batch_and_brings_its_own_step_time():
    measured = read_power_row(_row(), CATALOG)
    predicted = at_predicted_point(measured, CATALOG)
    slow = at_predicted_point(read_power_row(_row(setting=SERVED["setting"]
        .replace("itl_med_ms=8.0", "itl_med_ms=80.0")), CATALOG), CATALOG)  # fmt: skip
    assert predicted.use == slow.use
    assert 0.3 < predicted.use.read_use < 1.0
    image = {"workload": "diffusion text-to-image black-forest-labs/FLUX.1-dev"}
    drawn = read_power_row(_row(**image, setting="batch=4;steps=50;latency_s=40"), CATALOG)
    assert isinstance(at_predicted_point(drawn, CATALOG), Skipped)
    unknown = read_power_row(_row(workload="vLLM lm-arena-chat nobody/knows-8b"), CATALOG)
    assert at_predicted_point(unknown, CATALOG) == Skipped("not in catalogue: model nobody/knows-8b")
