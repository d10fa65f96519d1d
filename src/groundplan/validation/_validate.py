"""Score the shipped models against measured rows: one frozen model, many sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundplan.catalog import Catalog
from groundplan.validation._outcome import Outcome
from groundplan.validation._score import Validation, score
from groundplan.validation._table import TruthRow, read_truth

Predictor = Callable[[Sequence[TruthRow], Catalog], Sequence[Outcome]]
"""One outcome a row, in their order."""
Extender = Callable[[Sequence[TruthRow]], Sequence[TruthRow]]
"""The rows of a table, and what they state beside their metric as rows of their own."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of models that is scored on its own."""

    version: str
    predict: Predictor
    extend: Extender = tuple


def kinds() -> Mapping[str, Kind]:
    """What can be validated; their modules load when they are used."""
    from groundplan.validation._control import control_kind
    from groundplan.validation._power import power_kind
    from groundplan.validation._serving import serving_kind
    from groundplan.validation._training import training_kind
    from groundplan.validation._vision import vision_kind

    return {
        "control": control_kind(),
        "power": power_kind(),
        "serving": serving_kind(),
        "training": training_kind(),
        "vision": vision_kind(),
    }


def validate(kind: str, path: Path, catalog: Catalog, sources: Sequence[str] = ()) -> Validation:
    """Score the model of `kind` on the rows of a table; TruthError where it cannot be read."""
    chosen = kinds()[kind]
    rows = chosen.extend(read_truth(path, sources))
    return score(kind, chosen.version, rows, chosen.predict(rows, catalog))
