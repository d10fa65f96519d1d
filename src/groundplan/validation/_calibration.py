"""A fit of a model's few constants on measured rows, with its scores on sources that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from groundplan.catalog import Catalog
from groundplan.errors import GroundplanError, Issue
from groundplan.validation._fit import Fitted
from groundplan.validation._score import Errors
from groundplan.validation._table import TruthRow, read_truth

REPORTS = ("leave-one-publisher-out", "leave-one-accelerator-out")


class CalibrationError(GroundplanError):
    """A table that nothing can be fitted on, or a kind that has no fit."""


@dataclass(frozen=True, slots=True)
class Column:
    """Errors of one class of rows under one way of scoring, such as ("dense multi-node", "zero-shot")."""

    rows: str
    scored: str
    errors: Errors


@dataclass(frozen=True, slots=True)
class Calibration:
    """Constants fitted on the rows of `publishers`, and, where asked for, errors with each group left out."""

    kind: str
    rows: int
    publishers: tuple[str, ...]
    constants: tuple[Fitted, ...]
    columns: tuple[Column, ...] = ()
    interval_factors: tuple[tuple[str, float], ...] = ()
    """By class of rows: the measured value lies within value / f .. value x f in nine unseen cases of ten."""

    def as_json(self) -> dict[str, Any]:
        """Everything, fractions not percents."""
        constants = [asdict(one) | {"informed": one.informed} for one in self.constants]
        head = {"kind": self.kind, "rows": self.rows, "publishers": list(self.publishers)}
        tail = {"columns": [asdict(one) for one in self.columns], "interval_factors": dict(self.interval_factors)}
        return {**head, "free_parameters": len(self.constants), "constants": constants, **tail}


Calibrator = Callable[[Sequence[TruthRow], Catalog, "str | None"], Calibration]
"""Rows, catalogue and one of REPORTS (None = fit only)."""


def calibrators() -> Mapping[str, Calibrator]:
    """Kinds that have a fit; their modules load when they are used."""
    from groundplan.validation._calibrate_control import calibrate_control
    from groundplan.validation._calibrate_power import calibrate_power
    from groundplan.validation._calibrate_serving import calibrate_serving
    from groundplan.validation._calibrate_training import calibrate_training
    from groundplan.validation._calibrate_vision import calibrate_vision

    return {
        "control": calibrate_control,
        "power": calibrate_power,
        "serving": calibrate_serving,
        "training": calibrate_training,
        "vision": calibrate_vision,
    }


def calibrate(
    kind: str, path: Path, catalog: Catalog, leave_out: Sequence[str] = (), report: str | None = None
) -> Calibration:
    """Fit the constants of a kind on a table without the sources of `leave_out`.

    Raises CalibrationError: no fit for this kind, a source that the table lacks, or no rows left; TruthError.
    """
    if (chosen := calibrators().get(kind)) is None:
        known = ", ".join(calibrators()) or "none yet"
        raise CalibrationError(Issue("calibrate-kind", kind, "has no constants to fit", f"kinds: {known}"))
    rows = read_truth(path)
    known_sources = {row.source_id for row in rows}
    if unknown := [source for source in leave_out if source not in known_sources]:
        fix = f"sources here: {', '.join(sorted(known_sources))}"
        raise CalibrationError(Issue("source", str(path), f"no row of {', '.join(unknown)}", fix))
    kept = tuple(row for row in rows if row.source_id not in set(leave_out))
    if not kept:
        raise CalibrationError(Issue("truth-file", str(path), "no rows are left", "leave fewer sources out"))
    return chosen(kept, catalog, report)
