"""Predict calls and saturated rates of image models."""

from __future__ import annotations

from collections.abc import Sequence

from groundplan.catalog import Catalog
from groundplan.perf.frames import frame_file, frames_s, stream_s, work_s
from groundplan.validation._outcome import Outcome, Predicted, Skipped
from groundplan.validation._table import TruthRow
from groundplan.validation._validate import Kind
from groundplan.validation._vision_rows import VisionRow, read_vision_row


def vision_kind() -> Kind:
    """The shipped engines."""
    return Kind(frame_file().version, predict_vision)


def predict_vision(rows: Sequence[TruthRow], catalog: Catalog) -> tuple[Outcome, ...]:
    """One outcome a row: milliseconds a call, or frames per second of all accelerators of the row."""
    return tuple(_outcome(read_vision_row(row, catalog)) for row in rows)


def _outcome(found: VisionRow | Skipped) -> Outcome:
    if isinstance(found, Skipped):
        return found
    file, seconds = frame_file(), predicted_s(found)
    value = seconds * 1e3 if found.row.metric == "latency_ms" else found.count / seconds
    factor = file.factors["rate" if found.saturated else "call"]
    return Predicted(value, value / factor, value * factor)


def predicted_s(found: VisionRow) -> float:
    """Seconds of a call, or of a frame of a saturated accelerator."""
    file = frame_file()
    constants, effect = file.constants(found.engine, found.format), file.effect(found.part.id)
    if found.way == "stream":
        return float(stream_s(constants, found.work, effect))
    if not found.saturated:
        return float(frames_s(constants, found.work, found.batch, effect))
    frame = float(work_s(constants, found.work, found.batch)) / found.batch / effect
    return frame / (file.server_share if found.way == "server" else 1.0)
