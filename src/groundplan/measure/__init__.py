"""A user's own benchmark: results of load generators, compared with the model, made into anchors."""

from groundplan.measure._anchors import anchors_text
from groundplan.measure._fit import Anchored, Compared, anchor
from groundplan.measure._node import ResultError
from groundplan.measure._results import read_results
from groundplan.measure._run import Run

__all__ = ["Anchored", "Compared", "ResultError", "Run", "anchor", "anchors_text", "read_results"]
