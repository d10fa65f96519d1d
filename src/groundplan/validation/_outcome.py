"""What becomes of a measured row: a prediction with its interval, or a reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from groundplan.validation._table import TruthRow


@dataclass(frozen=True, slots=True)
class Predicted:
    """A prediction in the unit of the row, with the interval that should hold it in nine cases of ten."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why a row has no prediction: begins with ``not in catalogue:``, ``missing input:`` or ``not modelled:``."""

    reason: str


Outcome = Predicted | Skipped


@dataclass(frozen=True, slots=True)
class Scored:
    """A measured row beside what the model says of it."""

    row: TruthRow
    measured: float
    predicted: Predicted

    @property
    def error(self) -> float:
        """Signed relative error, predicted / measured - 1; above 0 = predicted too large."""
        return self.predicted.value / self.measured - 1.0

    @property
    def covered(self) -> bool:
        """Whether the interval holds the measured value."""
        return self.predicted.low <= self.measured <= self.predicted.high

    @property
    def width(self) -> float:
        """Upper end over lower end of the interval."""
        return self.predicted.high / self.predicted.low


def not_in_catalogue(what: str) -> Skipped:
    """The model or part is unknown here."""
    return Skipped(f"not in catalogue: {what}")


def missing_input(what: str) -> Skipped:
    """The row does not say what the model needs to know."""
    return Skipped(f"missing input: {what}")


def not_modelled(what: str) -> Skipped:
    """The row is about something this package makes no claim on."""
    return Skipped(f"not modelled: {what}")
