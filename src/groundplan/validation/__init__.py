"""How right the speeds are: score the shipped models against measured rows, and fit their few constants."""

from groundplan.validation._calibration import Calibration, CalibrationError, Column, calibrate
from groundplan.validation._fit import Fitted
from groundplan.validation._outcome import Outcome, Predicted, Scored, Skipped
from groundplan.validation._score import Errors, Validation, errors, score
from groundplan.validation._table import TruthError, TruthRow, read_truth
from groundplan.validation._validate import Kind, kinds, validate

__all__ = [
    "Calibration",
    "CalibrationError",
    "Column",
    "Errors",
    "Fitted",
    "Kind",
    "Outcome",
    "Predicted",
    "Scored",
    "Skipped",
    "TruthError",
    "TruthRow",
    "Validation",
    "calibrate",
    "errors",
    "kinds",
    "read_truth",
    "score",
    "validate",
]
