"""Training rows: step times, token rates, conversions of published totals; predicted or skipped with a reason."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from groundplan.catalog import Catalog
from groundplan.perf.training import (
    Layout,
    Profile,
    Recipe,
    Terms,
    TrainShape,
    gathered,
    shipped_profile,
    stacked,
    step_time,
    terms_of,
)
from groundplan.validation._outcome import Outcome, Skipped, missing_input, not_modelled
from groundplan.validation._score import interval
from groundplan.validation._table import TruthRow
from groundplan.validation._train_memory import MEMORY, predict_memory, with_memory_rows
from groundplan.validation._train_rows import Run, read_run
from groundplan.validation._validate import Kind

Floats = NDArray[np.float64]
LORA_RUN_SHARE = 1.12
"""Time to train of a LoRA run over samples / batch x step time: start and evaluations (MLPerf v5.0 pairs)."""


class Batch:
    """Runs as columns; each choice of a micro-batch is a column of its own, and the fastest counts."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = tuple(runs)
        spread = [(i, choice) for i, run in enumerate(runs) for choice in (run.choices or (None,))]
        self.owner = np.array([i for i, _ in spread], dtype=np.intp)
        picked = [(runs[i], choice) for i, choice in spread]
        self.shape: TrainShape = stacked([run.shape for run, _ in picked])
        self.layout: Layout = stacked(
            [run.layout if c is None else replace(run.layout, micro_batch=c) for run, c in picked]
        )
        recipes: list[Recipe] = list(dict.fromkeys(run.recipe for run in runs))
        place = {recipe: i for i, recipe in enumerate(recipes)}
        self.recipes = tuple(recipes)
        self.recipe_of = np.array([place[run.recipe] for run, _ in picked], dtype=np.intp)

    def seconds(self, profile: Profile) -> Floats:
        """Step time of every run."""
        terms: Terms = gathered(stacked([terms_of(recipe, profile) for recipe in self.recipes]), self.recipe_of)
        every = step_time(self.shape, self.layout, terms).total
        best = np.full(len(self.runs), np.inf)
        np.minimum.at(best, self.owner, every)
        return best


def value_of(run: Run, seconds: float) -> float | Skipped:
    """What the row states, from a step time."""
    row, ranks = run.row, float(run.layout.ranks)
    if row.metric == "iteration_s":
        return seconds
    if row.metric == "tokens_per_s_per_gpu":
        return run.tokens / ranks / seconds
    if row.metric == "tflops_per_gpu":
        return _published_rate(run, seconds)
    if row.metric == "time_to_train_min" and row.text("kind") == "lora":
        return _lora_minutes(run, seconds)
    return not_modelled(f"metric {row.metric}")


def _published_rate(run: Run, seconds: float) -> float | Skipped:
    """TFLOP/s where the row says how they were counted: with the recompute of the Megatron papers."""
    if "hardware" not in run.row.text("notes"):
        return not_modelled("published TFLOP/s without a stated convention")
    s, lay = run.shape, run.layout
    layers, h = float(s.layers), float(s.hidden)
    length = float(lay.sequence_tokens)
    flop = 96.0 * run.tokens * layers * h * h
    flop *= 1.0 + length / (6.0 * h) + float(s.vocab) / (16.0 * layers * h)
    return flop / seconds / float(lay.ranks) / 1e12


def _lora_minutes(run: Run, seconds: float) -> float | Skipped:
    found = re.search(r"mean samples to target (\d+)", run.row.text("notes"))
    if found is None:
        return missing_input("samples to target")
    return LORA_RUN_SHARE * float(found[1]) / float(run.layout.global_batch) * seconds / 60.0


def read_runs(rows: Sequence[TruthRow], catalog: Catalog, profile: Profile) -> list[Run | Skipped]:
    """One entry a row."""
    return [_readable(read_run(row, catalog, profile)) for row in rows]


def _readable(found: Run | Skipped) -> Run | Skipped:
    if isinstance(found, Skipped):
        return found
    value = value_of(found, 1.0)
    return value if isinstance(value, Skipped) else found


def log_errors(batch: Batch, profile: Profile) -> Floats:
    """log(predicted / measured) of the step time, one a run: above 0 = predicted too slow."""
    seconds = batch.seconds(profile)
    return np.log(seconds) - np.log(measured_seconds(batch.runs))


def measured_seconds(runs: Sequence[Run]) -> Floats:
    """Step times that the rows state or imply."""
    return np.array([_measured(run) for run in runs])


def _measured(run: Run) -> float:
    stated = run.row.figure("value") or math.nan
    per_second = value_of(run, 1.0)
    assert not isinstance(per_second, Skipped)
    grows = run.row.metric in ("iteration_s", "time_to_train_min")
    return stated / per_second if grows else per_second / stated


def predict_training(rows: Sequence[TruthRow], catalog: Catalog) -> list[Outcome]:
    """One outcome a row: a prediction with its interval, or why there is none."""
    profile = shipped_profile()
    read = read_runs(rows, catalog, profile)
    runs = [run for run in read if not isinstance(run, Skipped)]
    times = iter(Batch(runs).seconds(profile)) if runs else iter(())
    said = [one if isinstance(one, Skipped) else _predicted(one, float(next(times)), profile) for one in read]
    return [
        predict_memory(row, catalog, profile) if row.metric == MEMORY else one
        for row, one in zip(rows, said, strict=True)
    ]


def _predicted(run: Run, seconds: float, profile: Profile) -> Outcome:
    value = value_of(run, seconds)
    if isinstance(value, Skipped):
        return value
    kind = "whole_run" if run.row.metric == "time_to_train_min" else run.kind
    factor = profile.interval_factor(kind, assumed=run.assumed)
    return interval(value, 1.0 / factor, factor)


def training_kind() -> Kind:
    """The line of `kinds()`."""
    return Kind(shipped_profile().version, predict_training, with_memory_rows)
