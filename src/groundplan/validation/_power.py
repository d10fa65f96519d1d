"""Predict the mean draw of the accelerators of a run, given its measured operating point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from groundplan.catalog import Catalog
from groundplan.perf.power import ImageUse, TokenUse, Watts, image_watts, power_file, token_watts
from groundplan.validation._outcome import Outcome, Predicted, Skipped
from groundplan.validation._power_rows import PowerRow, read_power_row
from groundplan.validation._power_serving import Run, Told, runs, told
from groundplan.validation._table import TruthRow
from groundplan.validation._validate import Kind


def power_kind() -> Kind:
    """The shipped power model."""
    return Kind(power_file().version, predict_power)


def predict_power(rows: Sequence[TruthRow], catalog: Catalog) -> tuple[Outcome, ...]:
    """One outcome a row: watts summed over the accelerators of the run, or joules a token or an image.

    The throughput, batch and latency that a row or its run states are taken as given: only the draw is judged.
    """
    known = runs(rows)
    return tuple(_predict(row, known, catalog) for row in rows)


def _predict(row: TruthRow, known: Mapping[Run, Mapping[str, float]], catalog: Catalog) -> Outcome:
    found = told(row, known, catalog)
    if isinstance(found, Skipped):
        return found
    return _outcome(read_power_row(row, catalog)) if found is None else _told_outcome(found, catalog)


def _told_outcome(found: Told, catalog: Catalog) -> Outcome:
    said = _outcome(read_power_row(found.row, catalog))
    if isinstance(said, Skipped):
        return said
    scale = found.per_watt
    return Predicted(said.value * scale, said.low * scale, said.high * scale)


def _outcome(found: PowerRow | Skipped) -> Outcome:
    if isinstance(found, Skipped):
        return found
    drawn = _watts(found)
    return Predicted(drawn.watts * found.count, drawn.low * found.count, drawn.high * found.count)


def _watts(found: PowerRow) -> Watts:
    match found.use:
        case ImageUse():
            return image_watts(found.part, found.use)
        case TokenUse():
            return token_watts(found.part, found.use, "media" if found.family == "media" else "text")
