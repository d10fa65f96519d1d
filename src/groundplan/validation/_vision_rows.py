"""Rows of measured image models: model, part, engine, format, and whether a call or a saturated rate was measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from groundplan.catalog import Accelerator, Catalog, ModelCard, VisionArch
from groundplan.perf.frames import FrameWork, compute_format, frame_work
from groundplan.perf.policies import Refused
from groundplan.validation._control_rows import format_of
from groundplan.validation._outcome import Skipped, missing_input, not_in_catalogue, not_modelled
from groundplan.validation._table import TruthRow

Way = Literal["call", "stream", "offline", "server"]
"""One call; calls one after the other; a full batch; answers with a deadline."""
METRICS = frozenset({"fps", "samples_s", "latency_ms"})
STREAM_BATCH, FULL_BATCH = 1, 64
GRAPHS = {"isaac_ros_rtdetr_graph": "rt-detr-r50"}
"""Graphs of robot software that run one model of the catalogue, and little beside it."""
MULTI_STREAM = 8
"""Frames of one query of the MLPerf multi-stream scenario; all on one accelerator, as the times of two show."""


@dataclass(frozen=True, slots=True)
class VisionRow:
    """What a row measured, and the work of one frame on its part."""

    row: TruthRow
    model: str
    part: Accelerator
    engine: str
    format: str
    """In which the frame is computed."""
    way: Way
    batch: int
    count: int
    work: FrameWork

    @property
    def saturated(self) -> bool:
        """Whether a rate at full batch was measured, not a call."""
        return self.way in ("offline", "server")

    @property
    def group(self) -> str:
        """Rows of one publisher and engine."""
        return f"{self.row.publisher}: {self.engine}"

    @property
    def seconds(self) -> float:
        """Measured seconds of a call, or of a frame on one accelerator."""
        value = self.row.figure("value") or 0.0
        return value / 1e3 if self.row.metric == "latency_ms" else self.count / value


def read_vision_row(row: TruthRow, catalog: Catalog) -> VisionRow | Skipped:
    """What a row says of an image model, or why it cannot be scored."""
    if row.metric not in METRICS or not (row.figure("value") or 0.0) > 0.0:
        return not_modelled(f"metric {row.metric or '(blank)'}")
    if "read off" in f"{row.text('kind')} {row.text('note')}".lower():
        return not_modelled("read off a plot")
    name = GRAPHS.get(row.text("model"), row.text("model"))
    if (found := catalog.find_model(name)) is None:
        return not_in_catalogue(f"model {name}")
    card = catalog.model(found.id)
    if not isinstance(card.arch, VisionArch):
        return not_modelled("no image model")
    hardware = row.text("accelerator") or row.text("hardware")
    if (part := _accelerator(hardware, catalog)) is None:
        return not_in_catalogue(f"accelerator {hardware or '(blank)'}")
    if isinstance(measured := _way(row), Skipped):
        return measured
    return _read(row, card, catalog.accelerator(part), measured)


def _read(row: TruthRow, card: ModelCard, part: Accelerator, measured: tuple[Way, int]) -> VisionRow | Skipped:
    if not isinstance(card.arch, VisionArch):
        return not_modelled("no image model")
    precision, count = _precision(row), int(row.figure("n_accelerators") or 1)
    try:
        work, compute = frame_work(card, card.arch, part, precision), compute_format(part, precision)
    except Refused as refused:
        return missing_input(str(refused))
    return VisionRow(row, card.id, part, _engine(row), compute, *measured, count, work)


def _accelerator(text: str, catalog: Catalog) -> str | None:
    return None if re.search(r"\bCPU\b|\bcore\b", text) else catalog.find_accelerator(text)


def _way(row: TruthRow) -> tuple[Way, int] | Skipped:
    """Way and frames of a call."""
    if "maxq" in row.text("notes").lower():
        return not_modelled("a power mode below the rating")
    notes, config = row.text("notes").lower(), f"{row.text('config')} {row.text('note')}"
    if "singlestream" in notes:
        return ("call", 1) if row.text("percentile") in ("p50", "mean") else not_modelled("a tail of single calls")
    if "multistream" in notes:
        return ("call", MULTI_STREAM) if row.text("percentile") in ("p50", "mean") else not_modelled("a tail of calls")
    if row.text("percentile") == "first frame":
        return not_modelled("the first frame through a graph")
    if row.metric == "latency_ms" and "closed/" in notes:
        return not_modelled("waiting times near saturation")
    if row.metric == "samples_s":
        return ("server" if "/server" in notes else "offline"), FULL_BATCH
    if row.metric == "fps":
        return "stream", STREAM_BATCH
    return "call", _batch(config)


def _batch(text: str) -> int:
    found = re.search(r"\b(?:bs|batch)\s?=?\s?(\d+)", text)
    return int(found.group(1)) if found else 1


def _engine(row: TruthRow) -> str:
    text = f"{row.text('stack_precision')} {row.text('framework')}".lower()
    if "closed/" in row.text("notes").lower() and "tensorrt" in text:
        return "mlperf"
    if "tensorrt" in text or not text.strip():
        return "tensorrt"
    return "onnxruntime" if "onnx" in text else "pytorch" if "torch" in text else "tensorrt"


def _precision(row: TruthRow) -> str:
    """As stated; MLPerf closed entries of image models run int8, TensorRT elsewhere fp16, other engines fp32."""
    stated = f"{row.text('precision')} {row.text('stack_precision')}".lower()
    if re.search(r"fp8|int8|int4|fp4|fp16|bf16|float16|bfloat16", stated):
        return format_of(stated)
    if "closed/" in row.text("notes").lower():
        return "int8"
    return "bf16" if _engine(row) == "tensorrt" else "fp32"
