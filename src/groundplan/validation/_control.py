"""Predict the latency of one robot-policy call, zero-shot: no row anchors another."""

from __future__ import annotations

from collections.abc import Sequence

from groundplan.catalog import Catalog
from groundplan.perf.policies import Asked, call_s, policy_call, stack_file
from groundplan.validation._control_rows import ControlRow, read_control_row
from groundplan.validation._outcome import Outcome, Predicted, Skipped
from groundplan.validation._table import TruthRow
from groundplan.validation._validate import Kind


def control_kind() -> Kind:
    """The shipped stacks."""
    return Kind(stack_file().version, predict_control)


def predict_control(rows: Sequence[TruthRow], catalog: Catalog) -> tuple[Outcome, ...]:
    """One outcome a row: milliseconds a call."""
    return tuple(_outcome(read_control_row(row, catalog)) for row in rows)


def _outcome(found: ControlRow | Skipped) -> Outcome:
    if isinstance(found, Skipped):
        return found
    constants, asked = stack_file(), Asked(found.cameras, found.denoise_steps, found.chunk_steps)
    work = policy_call(found.arch, found.part, found.precision, asked, weight_only=True)
    value = 1e3 * float(call_s(found.stack, constants.stacks[found.stack], constants.host, work))
    factor = constants.factors[found.stack]
    return Predicted(value, value / factor, value * factor)
