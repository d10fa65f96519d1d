"""How right the speeds are: score the shipped models against measured rows, and fit their few constants."""

from groundplan.validation._outcome import Outcome, Predicted, Scored, Skipped
from groundplan.validation._score import Errors, Validation, errors, score
from groundplan.validation._table import TruthError, TruthRow, read_truth
from groundplan.validation._validate import Kind, kinds, validate

__all__ = [
    "Errors",
    "Kind",
    "Outcome",
    "Predicted",
    "Scored",
    "Skipped",
    "TruthError",
    "TruthRow",
    "Validation",
    "errors",
    "kinds",
    "read_truth",
    "score",
    "validate",
]
