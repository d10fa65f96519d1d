"""Fit the stacks of robot policies: few constants a stack, with an effect of each source that is thrown away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.catalog import Catalog
from groundplan.perf.policies import (
    Asked,
    Calls,
    Host,
    Levels,
    Stack,
    call_s,
    policy_call,
    slow_cores,
    unified_memory,
)
from groundplan.validation._calibration import Calibration, Column
from groundplan.validation._control_rows import ControlRow, read_control_row
from groundplan.validation._fit import Fitted, Floats, Free, fit
from groundplan.validation._outcome import Predicted, Scored, Skipped
from groundplan.validation._score import errors
from groundplan.validation._shares import anchored_by_shares
from groundplan.validation._splits import Mask, balanced_weights, conformal_factor, held_out
from groundplan.validation._table import TruthRow

NOISE = 0.15
CLASSES = ("launched", "captured")
LAUNCHED = frozenset({"eager", "compiled"})
SOURCE_SPREAD = 0.6
"""Log spread of a source and stack around the family: versions, preparation of images, drivers, power modes."""
PRIORS: Mapping[str, tuple[float, float, float]] = {
    "eager": (0.50, 400e-6, 5e-3),
    "compiled": (0.55, 100e-6, 5e-3),
    "graph": (0.60, 20e-6, 5e-3),
    "jax": (0.60, 60e-6, 5e-3),
    "tensorrt": (0.60, 80e-6, 5e-3),
    "native": (0.65, 20e-6, 5e-3),
    "tuned": (0.75, 5e-6, 0.5e-3),
}
"""share, layer_s, call_s; a launch takes 5-10 us, and an eager layer has some forty."""


def free_constants() -> tuple[Free, ...]:
    """Per stack share, layer_s, call_s; then what small parts change."""
    found: list[Free] = []
    for name, (share, layer_s, call) in PRIORS.items():
        found.append(Free(f"{name}.share", share, 0.3, 0.1, 0.95))
        found.append(Free(f"{name}.layer_s", layer_s, 0.5, 1e-6, 2e-3))
        found.append(Free(f"{name}.call_s", call, 0.4, 1e-4, 2e-2))
    found.append(Free("host.slow_factor", 2.5, 0.4, 1.0, 8.0))
    found.append(Free("host.unified_factor", 0.5, 0.4, 0.15, 1.0))
    return (*found, Free("host.read_share", 0.7, 0.2, 0.3, 0.95))


@dataclass(frozen=True, slots=True)
class ControlTable:
    """Rows as columns."""

    rows: tuple[ControlRow, ...]
    measured_s: Floats
    calls: Calls

    def where(self, mask: Mask) -> ControlTable:
        """The rows of a mask."""
        return control_table([row for row, kept in zip(self.rows, mask, strict=True) if kept])

    def predicted_s(self, values: Floats) -> Floats:
        """Seconds a call at these constants (order of `free_constants`)."""
        host, found = Host(*(float(value) for value in values[-3:])), np.zeros(len(self.rows))
        stacks = np.array([row.stack for row in self.rows])
        for index, name in enumerate(PRIORS):
            stack = Stack(*(float(value) for value in values[3 * index : 3 * index + 3]))
            mine = stacks == name
            found[mine] = call_s(name, stack, host, self.calls)[mine]
        return found


def control_table(rows: Sequence[ControlRow]) -> ControlTable:
    """Columns of rows."""
    columns = [_columns(row) for row in rows]
    calls = {name: np.array([getattr(call, name) for _, call in columns]) for name in Calls.__slots__}
    return ControlTable(tuple(rows), np.array([seconds for seconds, _ in columns]), Calls(**calls))


def _columns(row: ControlRow) -> tuple[float, Calls]:
    asked = Asked(row.cameras, row.denoise_steps, row.chunk_steps)
    return (row.row.figure("value") or 0.0) / 1e3, policy_call(
        row.arch, row.part, row.precision, asked, weight_only=True
    )


def fitted(table: ControlTable) -> tuple[Fitted, ...]:
    """Constants of a table; the effect of each source and stack is fitted beside them, and left behind."""
    free, groups = free_constants(), sorted({row.group for row in table.rows})
    index = np.array([groups.index(row.group) for row in table.rows])
    effects = [Free(name, 1.0, SOURCE_SPREAD, 0.05, 20.0) for name in groups]

    def log_ratios(values: Floats) -> Floats:
        level = np.log(values[len(free) :])[index]
        return np.log(table.predicted_s(values[: len(free)]) / table.measured_s) + level

    weights = balanced_weights([row.group for row in table.rows])
    return fit([*free, *effects], log_ratios, weights, NOISE)[: len(free)]


def log_errors(table: ControlTable, values: Floats) -> Floats:
    """Log of predicted over measured."""
    return np.log(table.predicted_s(values) / table.measured_s)


def held_out_log_errors(table: ControlTable, labels: Sequence[str]) -> Floats:
    """Log errors of every row by constants fitted without the rows that share its label."""

    def unseen(left_out: Mask) -> Floats:
        values = np.array([one.value for one in fitted(table.where(~left_out))])
        return log_errors(table.where(left_out), values)

    return held_out(labels, unseen)


def anchored(logs: Floats, groups: Sequence[str]) -> tuple[Floats, Mask]:
    """Error of each row when one other row of its group sets the level, and whether there is one.

    Each other row anchors in turn; the answer is the log of 1 + the mean absolute relative error over anchors.
    """
    label, found, has = np.array(groups), np.zeros(len(logs)), np.zeros(len(logs), dtype=bool)
    for place, log in enumerate(logs):
        others = (label == label[place]) & (np.arange(len(logs)) != place)
        if others.any():
            found[place], has[place] = np.log1p(np.mean(np.abs(np.expm1(log - logs[others])))), True
    return found, has


def levels_of(rows: Sequence[ControlRow]) -> Levels:
    """What rows of a publisher share: a stack, then its kind of host, then the part that it runs on."""
    hosts = [(slow_cores(row.part), unified_memory(row.part)) for row in rows]
    stacks = [(row.row.publisher, row.group) for row in rows]
    parts = [row.part.id for row in rows]
    return stacks, list(zip(stacks, hosts, strict=True)), list(zip(stacks, parts, strict=True))


def calibrate_control(rows: Sequence[TruthRow], catalog: Catalog, report: str | None) -> Calibration:
    """Constants of all stacks; a report scores each source left out: zero-shot, and with one row as anchor."""
    read = [found for row in rows if not isinstance(found := read_control_row(row, catalog), Skipped)]
    table = control_table(read)
    columns: tuple[Column, ...] = ()
    factors: tuple[tuple[str, float], ...] = ()
    if report is not None:
        columns, factors = _report(table, report)
    publishers = tuple(sorted({row.row.publisher for row in read}))
    return Calibration("control", len(read), publishers, fitted(table), columns, factors)


def stack_class(stack: str) -> str:
    """Stacks that share an interval: kernels launched one by one from Python, or as one captured program."""
    return "launched" if stack in LAUNCHED else "captured"


def _report(table: ControlTable, report: str) -> tuple[tuple[Column, ...], tuple[tuple[str, float], ...]]:
    by_part = report == "leave-one-accelerator-out"
    labels = [row.part.id if by_part else row.row.publisher for row in table.rows]
    logs, levels = held_out_log_errors(table, labels), levels_of(table.rows)
    publishers, classes = (np.array([row.row.publisher for row in table.rows]), _classes(table))
    factors = {name: conformal_factor(logs[classes == name], list(publishers[classes == name])) for name in CLASSES}
    factor = np.array([factors[name] for name in classes])
    alone, has = anchored_by_shares(logs, levels, publishers.tolist())
    own = log_errors(table, np.array([one.value for one in fitted(table)]))
    shapes, _ = anchored_by_shares(own, levels, publishers.tolist())
    said = "accelerator left out" if by_part else "publisher left out"
    columns = [Column("all", f"{said}, zero-shot", errors(_scored(table, logs, factor)))]
    for name in CLASSES:
        mine = classes == name
        columns.append(Column(name, f"{said}, zero-shot", errors(_scored(table.where(mine), logs[mine], factor[mine]))))
    for name in ("all", *CLASSES):
        near = has & ((classes == name) | (name == "all"))
        for way, found in ((f"{said}, one anchor", alone), ("in sample, one anchor", shapes)):
            columns.append(Column(name, way, errors(_scored(table.where(near), found[near], factor[near]))))
    return tuple(columns), tuple(factors.items())


def _classes(table: ControlTable) -> NDArray[np.str_]:
    return np.array([stack_class(row.stack) for row in table.rows])


def _scored(table: ControlTable, logs: Floats, factors: Floats) -> list[Scored]:
    values = table.measured_s * np.exp(logs) * 1e3
    return [
        Scored(row.row, row.row.figure("value") or 0.0, Predicted(value, value / factor, value * factor))
        for row, value, factor in zip(table.rows, values.tolist(), factors.tolist(), strict=True)
    ]
