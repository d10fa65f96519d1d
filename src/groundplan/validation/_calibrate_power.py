"""Fit the power constants: by family and accelerator, scored with each model left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from groundplan.catalog import Catalog
from groundplan.perf.power import ImageDraw, ImageUse, TokenDraw, TokenUse
from groundplan.validation._calibration import Calibration, Column
from groundplan.validation._fit import Fitted, Floats, Free, fit
from groundplan.validation._outcome import Predicted, Scored, Skipped
from groundplan.validation._power_predicted import at_predicted_point
from groundplan.validation._power_rows import PowerRow, read_power_row
from groundplan.validation._score import errors
from groundplan.validation._splits import Mask, balanced_weights, conformal_factor, held_out
from groundplan.validation._table import TruthRow

NOISE = 0.06
"""Of one row, log: runs of one configuration repeat within a few per cent, operating points are read with more."""
ANY_PART = "*"
DECODING_SHARE = 0.15
"""Text rows below this share of prefill say how media rows decode."""
TOKEN_FREE = (
    Free("active", 0.25, 0.7, 0.01, 0.6),
    Free("read", 0.45, 0.7, 0.05, 1.5),
    Free("flop", 1.10, 0.5, 0.3, 2.5),
    Free("rank", 0.97, 0.1, 0.8, 1.2),
    Free("prefill", 0.80, 0.4, 0.05, 1.0),
)
IMAGE_FREE = (
    Free("active", 0.20, 0.7, 0.01, 0.6),
    Free("busy", 0.50, 0.5, 0.05, 1.2),
    Free("flop", 0.40, 0.7, 0.02, 1.5),
    Free("rank", 0.97, 0.1, 0.8, 1.2),
    Free("gap_s", 0.015, 0.7, 0.001, 0.1),
)


@dataclass(frozen=True, slots=True)
class PowerTable:
    """Rows of one family as columns."""

    rows: tuple[PowerRow, ...]
    watts: Floats
    idle_w: Floats
    span_w: Floats
    use: TokenUse | ImageUse

    @property
    def free(self) -> tuple[Free, ...]:
        """Constants of the family."""
        return IMAGE_FREE if isinstance(self.use, ImageUse) else TOKEN_FREE

    def where(self, mask: Mask) -> PowerTable:
        """The rows of a mask."""
        return power_table([row for row, kept in zip(self.rows, mask, strict=True) if kept])

    def predicted(self, values: Floats) -> Floats:
        """Watts per accelerator at these constants."""
        named = dict(zip((one.name for one in self.free), (float(value) for value in values), strict=True))
        use = self.use
        share = ImageDraw(**named).share(use) if isinstance(use, ImageUse) else TokenDraw(**named).share(use)
        return self.idle_w + self.span_w * share

    def log_errors(self, values: Floats) -> Floats:
        """Log of predicted over measured."""
        return np.log(self.predicted(values) / self.watts)


def power_table(rows: Sequence[PowerRow]) -> PowerTable:
    """Columns of at least one row, all of one family."""
    names = type(rows[0].use).__slots__
    columns = {name: np.array([getattr(row.use, name) for row in rows], dtype=float) for name in names}
    idle = np.array([row.part.idle_w or 0.0 for row in rows])
    tdp = np.array([row.part.tdp_w or 0.0 for row in rows])
    return PowerTable(
        tuple(rows), np.array([row.watts for row in rows]), idle, tdp - idle, replace(rows[0].use, **columns)
    )


def fitted(table: PowerTable) -> tuple[Fitted, ...]:
    """Constants of a table; a model's many rows weigh as the square root of their number."""
    weights = balanced_weights([row.model for row in table.rows])
    return fit(table.free, table.log_errors, weights, NOISE)


def held_out_log_errors(table: PowerTable, labels: Sequence[str]) -> Floats:
    """Log errors of every row by constants fitted without the rows that share its label."""

    def unseen(left_out: Mask) -> Floats:
        if left_out.all():
            return np.zeros(len(table.rows))
        values = np.array([one.value for one in fitted(table.where(~left_out))])
        return table.where(left_out).log_errors(values)

    return held_out(labels, unseen)


def calibrate_power(rows: Sequence[TruthRow], catalog: Catalog, report: str | None) -> Calibration:
    """Constants of each family and accelerator, and of all accelerators together for parts never measured.

    A report scores by model left out, whichever split is asked for (one publisher, two accelerators), and the
    pooled constants by accelerator left out.
    """
    read = [found for row in rows if not isinstance(found := read_power_row(row, catalog), Skipped) and found.watts > 0]
    constants: list[Fitted] = []
    columns: list[Column] = []
    factors: list[tuple[str, float]] = []
    for name, table in tables(read).items():
        constants += [replace(one, name=f"{name}.{one.name}") for one in fitted(table)]
        if report is not None:
            column, factor = _column(name, table)
            columns += [column, *_at_predicted_points(name, table, factor, catalog)]
            factors.append((name, factor))
    publishers = tuple(sorted({row.row.publisher for row in read}))
    return Calibration("power", len(read), publishers, tuple(constants), tuple(columns), tuple(factors))


def _column(name: str, table: PowerTable) -> tuple[Column, float]:
    """Scores of the rows of the family, and the factor that nine in ten of the models left out lie within."""
    said, labels = _split(name, table)
    own = np.array([name.startswith(f"{row.family}.") for row in table.rows])
    logs, models = held_out_log_errors(table, labels)[own], np.array([row.model for row in table.rows])[own]
    factor = conformal_factor(logs, list(models))
    kept = [row for row, mine in zip(table.rows, own, strict=True) if mine]
    return Column(name, said, errors(list(_scored(kept, logs, factor)))), factor


def _at_predicted_points(name: str, table: PowerTable, factor: float, catalog: Catalog) -> list[Column]:
    """The same constants where step time and rate come from the serving model: both models' errors together."""
    own = [row for row in table.rows if name == f"{row.family}.{row.part.id}"]
    found = [at for row in own if not isinstance(at := at_predicted_point(row, catalog), Skipped)]
    if not found:
        return []
    values, near = np.array([one.value for one in fitted(table)]), power_table(found)
    scored = list(_scored(near.rows, near.log_errors(values), factor))
    return [Column(name, "in sample, at the predicted operating point", errors(scored))]


def _split(name: str, table: PowerTable) -> tuple[str, list[str]]:
    if name.endswith(ANY_PART):
        return "accelerator left out", [row.part.id for row in table.rows]
    return "model left out", [row.model for row in table.rows]


def tables(rows: Sequence[PowerRow]) -> Mapping[str, PowerTable]:
    """By `family.accelerator`, and `family.*` of all; media is fitted with text that decodes most of the time."""
    groups: dict[str, list[PowerRow]] = defaultdict(list)
    for row in rows:
        for part in (row.part.id, ANY_PART):
            groups[f"{row.family}.{part}"].append(row)
            if row.family == "text" and isinstance(row.use, TokenUse) and row.use.prefill_share < DECODING_SHARE:
                groups[f"media.{part}"].append(row)
    return {name: power_table(found) for name, found in sorted(groups.items())}


def _scored(rows: Sequence[PowerRow], logs: Floats, factor: float) -> Iterator[Scored]:
    for row, log in zip(rows, logs, strict=True):
        value = row.watts * float(np.exp(log)) * row.count
        yield Scored(row.row, row.watts * row.count, Predicted(value, value / factor, value * factor))
