"""Error statistics of scored rows: by metric, and by source and metric."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from groundplan.validation._outcome import Outcome, Predicted, Scored, Skipped, missing_input
from groundplan.validation._table import TruthRow


@dataclass(frozen=True, slots=True)
class Errors:
    """Statistics of relative errors, as fractions. Source-balanced: every source has one vote."""

    n: int
    median_ape: float
    mape: float
    p90_ape: float
    bias: float
    """Mean signed relative error; above 0 = predicted too large."""
    median_bias: float
    coverage_90: float
    """Share of rows inside their 90 % interval."""
    median_interval_width: float
    """Upper end over lower end."""
    sources: int
    mape_source_balanced: float
    coverage_90_source_balanced: float


@dataclass(frozen=True, slots=True)
class Validation:
    """One frozen model against one table."""

    kind: str
    model_version: str
    rows: tuple[tuple[TruthRow, Scored | Skipped], ...]

    @property
    def scored(self) -> tuple[Scored, ...]:
        """Rows with a prediction."""
        return tuple(outcome for _, outcome in self.rows if isinstance(outcome, Scored))

    @property
    def skipped(self) -> Mapping[str, int]:
        """Rows without one, by reason, most frequent first."""
        return dict(Counter(o.reason for _, o in self.rows if isinstance(o, Skipped)).most_common())

    def metrics(self) -> dict[str, Errors]:
        """Errors by metric."""
        return {name: errors(rows) for name, rows in sorted(_grouped(self.scored, ("metric",)).items())}

    def groups(self) -> dict[tuple[str, str], Errors]:
        """Errors by source and metric."""
        found = _grouped(self.scored, ("source_id", "metric"))
        return {key: errors(rows) for key, rows in sorted(found.items())}

    def as_json(self) -> dict[str, Any]:
        """Everything but the rows; fractions, not percents."""
        return {
            "kind": self.kind,
            "model_version": self.model_version,
            "rows": len(self.rows),
            "scored": len(self.scored),
            "skipped": dict(self.skipped),
            "metrics": {name: asdict(found) for name, found in self.metrics().items()},
            "groups": [
                {"source_id": source, "metric": metric, **asdict(found)}
                for (source, metric), found in self.groups().items()
            ],
        }


def score(kind: str, version: str, rows: Sequence[TruthRow], outcomes: Sequence[Outcome]) -> Validation:
    """Join rows and predictions; a row whose measured value is no positive number is skipped with that reason."""
    joined = ((row, _scored(row, outcome)) for row, outcome in zip(rows, outcomes, strict=True))
    return Validation(kind, version, tuple(joined))


def _scored(row: TruthRow, outcome: Outcome) -> Scored | Skipped:
    if isinstance(outcome, Skipped):
        return outcome
    measured = row.figure("value")
    if measured is None or measured <= 0.0:
        return missing_input("value is no positive number")
    return Scored(row, measured, outcome)


def _grouped(rows: Iterable[Scored], columns: tuple[str, ...]) -> dict[Any, list[Scored]]:
    found: dict[Any, list[Scored]] = defaultdict(list)
    for scored in rows:
        key = tuple(getattr(scored.row, column) for column in columns)
        found[key if len(key) > 1 else key[0]].append(scored)
    return found


def errors(rows: Sequence[Scored]) -> Errors:
    """Statistics of at least one row."""
    signed = np.array([scored.error for scored in rows])
    size = np.abs(signed)
    covered = np.array([scored.covered for scored in rows], dtype=float)
    by_source = _grouped(rows, ("source_id",)).values()
    return Errors(
        n=len(rows),
        median_ape=float(np.median(size)),
        mape=float(size.mean()),
        p90_ape=float(np.quantile(size, 0.9)),
        bias=float(signed.mean()),
        median_bias=float(np.median(signed)),
        coverage_90=float(covered.mean()),
        median_interval_width=float(np.median([scored.width for scored in rows])),
        sources=len(by_source),
        mape_source_balanced=float(np.mean([np.mean([abs(s.error) for s in part]) for part in by_source])),
        coverage_90_source_balanced=float(np.mean([np.mean([s.covered for s in part]) for part in by_source])),
    )


def interval(value: float, low_factor: float, high_factor: float) -> Predicted:
    """A prediction whose measured value is expected within [value x low_factor, value x high_factor]."""
    return Predicted(value, value * low_factor, value * high_factor)
