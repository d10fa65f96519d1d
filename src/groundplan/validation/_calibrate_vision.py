"""Fit the constants of image models, with an effect of each part, and scores with each part or publisher left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.catalog import Catalog
from groundplan.perf.frames import SHARED_FORMATS, FrameConstants, FrameWork, frames_s, stream_s, work_s
from groundplan.validation._calibration import Calibration, Column
from groundplan.validation._fit import Fitted, Floats, Free, fit
from groundplan.validation._outcome import Predicted, Scored, Skipped
from groundplan.validation._score import errors
from groundplan.validation._splits import Mask, balanced_weights, conformal_factor, leave_one_out
from groundplan.validation._table import TruthRow
from groundplan.validation._vision_rows import VisionRow, read_vision_row

NOISE = 0.15
PART_SPREAD, SOURCE_SPREAD = 0.20, 0.10
"""Log spread of a part (cache, power cap, clocks) and of a publisher and engine."""
ENGINES: Mapping[str, tuple[float, float, float, float, float]] = {
    "mlperf": (0.60, 0.60, 0.45, 0.2e-3, 0.1),
    "tensorrt": (0.45, 0.45, 0.30, 1.0e-3, 0.5),
    "onnxruntime": (0.35, 0.30, 0.20, 3.0e-3, 0.8),
    "pytorch": (0.35, 0.30, 0.20, 8.0e-3, 1.0),
}
"""Priors: share of the dense peak in fp32, bf16 and int8; call_s; elements (fused operators write fewer activations).
mlperf: closed entries, tuned by hand for one model; tensorrt: a checkpoint exported and built."""
FORMATS = ("fp32", "bf16", "int8")
SHARED = (
    Free("shared.read_share", 0.70, 0.2, 0.3, 0.95),
    Free("shared.slow_factor", 2.5, 0.4, 1.0, 8.0),
    Free("shared.attention_factor", 1.4, 0.3, 0.7, 4.0),
    Free("shared.grouped_factor", 0.7, 0.3, 0.2, 1.1),
    Free("shared.server_share", 0.95, 0.05, 0.8, 1.0),
)
WAYS = ("call", "rate")


def free_constants() -> tuple[Free, ...]:
    """Five constants an engine, then the shared ones."""
    found: list[Free] = []
    for name, (*shares, call, elements) in ENGINES.items():
        found += [
            Free(f"{name}.{fmt}_share", share, 0.3, 0.05, 0.95) for fmt, share in zip(FORMATS, shares, strict=True)
        ]
        found.append(Free(f"{name}.call_s", call, 0.6, 5e-5, 3e-2))
        found.append(Free(f"{name}.elements", elements, 0.5, 0.01, 4.0))
    return (*found, *SHARED)


@dataclass(frozen=True, slots=True)
class VisionTable:
    """Rows as columns."""

    rows: tuple[VisionRow, ...]
    measured_s: Floats
    work: FrameWork
    batch: Floats
    share_at: NDArray[np.intp]
    call_at: NDArray[np.intp]
    elements_at: NDArray[np.intp]
    rate: Mask
    server: Mask
    stream: Mask
    parts: NDArray[np.str_]

    def where(self, mask: Mask) -> VisionTable:
        """The rows of a mask."""
        return vision_table([row for row, kept in zip(self.rows, mask, strict=True) if kept])

    def predicted_s(self, values: Floats, effect: Floats) -> Floats:
        """Seconds of a call, or a frame of a saturated accelerator, at these constants and effects of parts."""
        *shared, server = (float(value) for value in values[-len(SHARED) :])
        constants = FrameConstants(values[self.share_at], values[self.call_at], values[self.elements_at], *shared)
        call = np.where(
            self.stream, stream_s(constants, self.work, effect), frames_s(constants, self.work, self.batch, effect)
        )
        full = work_s(constants, self.work, self.batch) / effect / self.batch / np.where(self.server, server, 1.0)
        return np.where(self.rate, full, call)


def vision_table(rows: Sequence[VisionRow]) -> VisionTable:
    """Columns of rows."""
    names = [one.name for one in free_constants()]
    work = FrameWork(*(np.array([getattr(row.work, name) for row in rows]) for name in FrameWork.__slots__))
    share = [names.index(f"{row.engine}.{SHARED_FORMATS.get(row.format, row.format)}_share") for row in rows]
    return VisionTable(
        tuple(rows),
        np.array([row.seconds for row in rows]),
        work,
        np.array([row.batch for row in rows], dtype=float),
        np.array(share),
        np.array([names.index(f"{row.engine}.call_s") for row in rows]),
        np.array([names.index(f"{row.engine}.elements") for row in rows]),
        np.array([row.saturated for row in rows]),
        np.array([row.way == "server" for row in rows]),
        np.array([row.way == "stream" for row in rows]),
        np.array([row.part.id for row in rows]),
    )


def fitted(table: VisionTable) -> tuple[Fitted, ...]:
    """Constants, then effects of parts; the effects of publishers are left behind."""
    free, parts = free_constants(), sorted(set(table.parts.tolist()))
    groups = _levels(table)
    part_at = np.array([parts.index(part) for part in table.parts.tolist()])
    group_at = np.array([groups.index(row.group) if row.group in groups else len(groups) for row in table.rows])
    effects = [Free(f"effects.{name}", 1.0, PART_SPREAD, 0.3, 3.0) for name in parts]
    levels = [Free(name, 1.0, SOURCE_SPREAD, 0.1, 10.0) for name in groups]
    kept = len(free) + len(parts)

    def log_ratios(values: Floats) -> Floats:
        said = table.predicted_s(values[: len(free)], values[len(free) : kept][part_at])
        return np.log(said / table.measured_s) + np.log(np.append(values[kept:], 1.0))[group_at]

    weights = balanced_weights([f"{row.part.id} {row.model} {row.way}" for row in table.rows])
    return fit([*free, *effects, *levels], log_ratios, weights, NOISE)[:kept]


def _levels(table: VisionTable) -> list[str]:
    """Publishers with a level of their own: where an engine is known from one alone, its constants are the level."""
    groups = {(row.engine, row.group) for row in table.rows}
    counts = Counter(engine for engine, _ in groups)
    return sorted(group for engine, group in groups if counts[engine] > 1)


def log_errors(table: VisionTable, constants: Sequence[Fitted]) -> Floats:
    """Log of predicted over measured seconds; parts without an effect count as 1."""
    values = {one.name: one.value for one in constants}
    effect = np.array([values.get(f"effects.{part}", 1.0) for part in table.parts.tolist()])
    said = table.predicted_s(np.array([values[one.name] for one in free_constants()]), effect)
    return np.log(said / table.measured_s)


def calibrate_vision(rows: Sequence[TruthRow], catalog: Catalog, report: str | None) -> Calibration:
    """Constants and effects of all image rows of a table."""
    read = [found for row in rows if not isinstance(found := read_vision_row(row, catalog), Skipped)]
    table = vision_table(read)
    columns, factors = _report(table, report) if report is not None else ((), ())
    publishers = tuple(sorted({row.row.publisher for row in read}))
    return Calibration("vision", len(read), publishers, fitted(table), columns, factors)


def _report(table: VisionTable, report: str) -> tuple[tuple[Column, ...], tuple[tuple[str, float], ...]]:
    by_part = report == "leave-one-accelerator-out"
    labels = table.parts.tolist() if by_part else [row.row.publisher for row in table.rows]
    logs = np.zeros(len(table.rows))
    for _, left_out in leave_one_out(labels):
        if not left_out.all():
            logs[left_out] = log_errors(table.where(left_out), fitted(table.where(~left_out)))
    columns: list[Column] = []
    factors: list[tuple[str, float]] = []
    said = "accelerator left out" if by_part else "publisher left out"
    for name in WAYS:
        mine = table.rate == (name == "rate")
        if mine.any():
            near = table.where(mine)
            factor = conformal_factor(logs[mine], [f"{row.model} on {row.part.id}" for row in near.rows])
            columns.append(Column(name, said, errors(_scored(near, logs[mine], factor))))
            factors.append((name, factor))
    return tuple(columns), tuple(factors)


def _scored(table: VisionTable, logs: Floats, factor: float) -> list[Scored]:
    """In the unit of each row: a longer time is a lower rate."""
    found = []
    for row, log in zip(table.rows, logs.tolist(), strict=True):
        measured = row.row.figure("value") or 0.0
        value = measured * float(np.exp(log if row.row.metric == "latency_ms" else -log))
        found.append(Scored(row.row, measured, Predicted(value, value / factor, value * factor)))
    return found
