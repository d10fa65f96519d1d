"""Image models against measured rows: what was measured is read right, and the shipped constants hold their scores."""

from __future__ import annotations

import pytest

from groundplan.catalog import Catalog
from groundplan.perf.frames import frame_file
from groundplan.validation import Skipped, TruthRow, read_truth, validate
from groundplan.validation._calibrate_vision import calibrate_vision, free_constants
from groundplan.validation._vision import predicted_s
from groundplan.validation._vision_rows import read_vision_row

CATALOG = Catalog.default()
ENTRY = {
    "source_id": "MLPerf-inf-v4.1",
    "metric": "samples_s",
    "value": "700000",
    "model": "resnet50",
    "accelerator": "NVIDIA H100-SXM-80GB",
    "n_accelerators": "8",
    "framework": "TensorRT 10.2.0, CUDA 12.4",
    "notes": "A; system; closed/datacenter/Offline; available",
}
CALL = {"source_id": "x", "metric": "latency_ms", "value": "5", "model": "rfdetr-medium 576", "hardware": "L4"}


def _read(base, **cells):
    return read_vision_row(TruthRow(1, {**base, **cells}), CATALOG)


def test_entries_are_read_from_their_scenario():
    found = _read(ENTRY)
    assert (found.engine, found.format, found.way, found.count) == ("mlperf", "int8", "offline", 8)
    assert found.seconds == pytest.approx(8 / 700000)
    server = _read(ENTRY, notes="closed/datacenter/Server")
    assert predicted_s(server) == pytest.approx(predicted_s(found) / frame_file().server_share)
    calls = {"metric": "latency_ms", "value": "0.4", "percentile": "p50", "n_accelerators": "1"}
    assert _read(ENTRY, **calls, notes="closed/edge/SingleStream").batch == 1
    assert _read(ENTRY, **calls, notes="closed/edge/MultiStream").batch == 8


def test_calls_are_read_from_the_stack():
    found = _read(CALL, stack_precision="TensorRT", config="bs4")
    assert (found.engine, found.format, found.way, found.batch) == ("tensorrt", "bf16", "call", 4)
    assert _read(CALL, stack_precision="TensorRT INT8").format == "int8"
    assert (_read(CALL, stack_precision="ONNX").engine, _read(CALL, stack_precision="ONNX").format) == (
        "onnxruntime",
        "fp32",
    )


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"metric": "tpot_ms"}, "not modelled: metric tpot_ms"),
        ({"value": ""}, "not modelled: metric"),
        ({"model": "isaac_ros_dope_graph"}, "not in catalogue: model"),
        ({"model": "Llama-3.1-8B"}, "not modelled: no image model"),
        ({"hardware": "Jetson Orin Nano CPU"}, "not in catalogue: accelerator"),
        ({"kind": "measured (read off plot +-20%)"}, "not modelled: read off a plot"),
        ({"notes": "8x H200, MaxQ; closed/edge/SingleStream"}, "not modelled: a power mode"),
        ({"notes": "closed/datacenter/Server", "percentile": "p99"}, "not modelled: waiting times"),
        ({"model": "isaac_ros_rtdetr_graph", "percentile": "first frame"}, "not modelled: the first frame"),
        ({"notes": "closed/edge/SingleStream", "percentile": "p99"}, "not modelled: a tail"),
        ({"hardware": "Jetson AGX Orin 64GB", "stack_precision": "TensorRT fp8"}, "missing input: jetson-agx-orin-64"),
    ],
)
def test_rows_that_cannot_be_scored_say_why(cells, said):
    found = _read(CALL, **cells)
    assert isinstance(found, Skipped)
    assert found.reason.startswith(said)


def test_shipped_constants_on_the_visible_tables(shared):
    pytest.importorskip("pyarrow")
    serving, latency = shared / "truth" / "serving.parquet", shared / "truth" / "latency.csv"
    served = validate("vision", serving, CATALOG).metrics()
    assert served["samples_s"].n == 131
    assert served["samples_s"].mape < 0.07
    assert served["latency_ms"].mape < 0.14
    assert served["fps"].mape < 0.06
    calls = validate("vision", latency, CATALOG).metrics()["latency_ms"]
    assert calls.n >= 16
    assert calls.mape < 0.11
    assert min(found.coverage_90 for found in (*served.values(), calls)) >= 0.9
    rows = [
        *read_truth(latency),
        *(row for row in read_truth(serving) if row.metric in ("fps", "samples_s", "latency_ms")),
    ]
    found = calibrate_vision(rows, CATALOG, "leave-one-accelerator-out")
    scores = {one.rows: one.errors for one in found.columns}
    assert scores["rate"].mape < 0.18
    assert scores["call"].mape < 0.18
    shipped = {f"{name}.{key}": value for name, row in frame_file().engines.items() for key, value in row.items()}
    shipped |= {f"shared.{key}": value for key, value in frame_file().shared.items()}
    assert set(shipped) == {one.name for one in free_constants()}
    shipped |= {f"effects.{part}": value for part, value in frame_file().effects.items()}
    for one in found.constants:
        assert shipped[one.name] == pytest.approx(one.value, rel=0.03), one.name
