"""Speeds from outside, made into anchors: a user's own benchmark, or another tool's tables of step times."""

from groundplan.measure._aiconfigurator import aiconfigurator
from groundplan.measure._anchors import anchors_text
from groundplan.measure._bake import Baked, bake, bake_factory
from groundplan.measure._fit import Anchored, Compared, anchor
from groundplan.measure._node import ResultError
from groundplan.measure._results import read_results
from groundplan.measure._run import Run
from groundplan.measure._tables import NotCovered, Provider, ProviderError

__all__ = [
    "Anchored",
    "Baked",
    "Compared",
    "NotCovered",
    "Provider",
    "ProviderError",
    "ResultError",
    "Run",
    "aiconfigurator",
    "anchor",
    "anchors_text",
    "bake",
    "bake_factory",
    "read_results",
]
