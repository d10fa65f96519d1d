"""Predict measured serving rows: throughput, time per token, time to first token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from groundplan.catalog import Catalog
from groundplan.perf import serving as perf
from groundplan.validation._outcome import Outcome, Skipped, not_modelled
from groundplan.validation._score import interval
from groundplan.validation._serving_answers import ANSWERS, Bench, answers
from groundplan.validation._serving_replay import REPLAYED, best_variant, replayed
from groundplan.validation._serving_rows import Case, read_case
from groundplan.validation._split_replay import SPLIT, split_answers
from groundplan.validation._table import TruthRow
from groundplan.validation._validate import Kind

Floats = NDArray[np.float64]
MEDIAN = 0.5
CLASSES: Mapping[str, str] = {
    "output_rate": "rate", "input_rate": "rate", "tpot": "tpot", "itl": "tpot", "user_rate": "tpot", "ttft": "ttft",
    "e2e": "tpot",
}  # fmt: skip


def serving_kind() -> Kind:
    """The shipped serving model."""
    return Kind(perf.serving_file().version, predict_serving)


def predict_serving(rows: Sequence[TruthRow], catalog: Catalog) -> tuple[Outcome, ...]:
    """One outcome a row."""
    read = [read_case(row, catalog) for row in rows]
    values = iter(predicted([case for case in read if isinstance(case, Case)], perf.serving_file().constants()))
    return tuple(_outcome(found, values) for found in read)


def predicted(cases: Sequence[Case], constants: perf.Constants) -> Floats:
    """Predictions [len(cases)] in the units of the rows; NaN where the model has no answer."""
    found = np.full(len(cases), np.nan)
    keys = [f"{case.protocol} {case.quantity}" for case in cases]
    closed = [i for i, key in enumerate(keys) if key in ANSWERS and not _drafted(cases[i])]
    simulated = [i for i, key in enumerate(keys) if key in REPLAYED]
    if closed:
        found[closed] = answers(Bench.of([cases[i] for i in closed]), constants)
    split = [i for i, key in enumerate(keys) if key in SPLIT]
    found[simulated] = replayed([cases[i] for i in simulated], constants)
    found[split] = split_answers([cases[i] for i in split], constants)
    for i in (i for i, key in enumerate(keys) if key in ANSWERS and _drafted(cases[i])):
        chosen = replace(cases[i], variants=(best_variant(cases[i], constants),))
        found[i] = answers(Bench.of([chosen]), constants)[0]
    return found


def _drafted(case: Case) -> bool:
    return case.variants[0].drafts is not None


def _outcome(found: Case | Skipped, values: Iterator[float]) -> Outcome:
    if isinstance(found, Skipped):
        return found
    value = float(next(values))
    if not np.isfinite(value) or value <= 0.0:
        return not_modelled(f"{found.quantity} in a {found.protocol} load")
    factor = perf.serving_file().intervals[class_of(found)]
    return interval(value, 1.0 / factor, factor)


def class_of(case: Case) -> str:
    """Rows that share an interval: by figure, dense or mixture, tails of gaps and local runtimes apart."""
    if case.engine == "local":
        return "local"
    if case.protocol == "split" and case.quantity == "ttft":
        return "ttft split"
    tail = case.quantity == "itl" and (case.percentile or MEDIAN) > MEDIAN
    return f"{'tail' if tail else CLASSES[case.quantity]} {'moe' if case.moe else 'dense'}"
