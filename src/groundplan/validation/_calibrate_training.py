"""Fit of the training constants: few, with priors; publishers and accelerators are scored by fits without them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from groundplan.catalog import Catalog
from groundplan.errors import Issue
from groundplan.perf.training import Profile, shipped_profile
from groundplan.validation._calibration import Calibration, CalibrationError, Column
from groundplan.validation._fit import Fitted, Free, fit
from groundplan.validation._outcome import Scored, Skipped
from groundplan.validation._score import errors, interval
from groundplan.validation._splits import Floats, cluster_votes, conformal_factor, leave_one_out
from groundplan.validation._table import TruthRow
from groundplan.validation._train_rows import Run
from groundplan.validation._training import Batch, measured_seconds, read_runs, value_of

NOISE = 0.12
"""Log error of a row of a source never seen: 0.080 between sources and 0.092 within them."""
SHARED = 0.43
"""Part of that variance which rows of one origin share, 0.080^2 / (0.080^2 + 0.092^2)."""
NEVER_FITTED = frozenset({"time_to_train_min"})
"""Metrics that hold more than step times."""
CLASSES = ("dense multi-node", "dense", "moe", "tuning")
ONE_NODE = 8.0


@dataclass(frozen=True, slots=True)
class Errors:
    """Log errors of runs, beside the runs."""

    runs: tuple[Run, ...]
    logs: Floats


def calibrate_training(rows: Sequence[TruthRow], catalog: Catalog, report: str | None) -> Calibration:
    """Constants fitted on all rows; with a report, scores and interval factors of rows left out one group at a time.

    Raises CalibrationError when no row can be fitted on.
    """
    profile = shipped_profile()
    runs = fitted_runs(rows, catalog, profile)
    if not runs:
        raise CalibrationError(Issue("truth-file", "training", "no row that a step time can be fitted on"))
    constants = fit_runs(runs, profile)
    publishers = tuple(sorted({run.row.publisher for run in runs}))
    columns: tuple[Column, ...] = ()
    factors: tuple[tuple[str, float], ...] = ()
    if report is not None:
        found = unseen_errors(runs, profile, _labels(runs, report))
        columns, factors = tuple(_columns(found)), tuple(_factors(found))
    return Calibration("training", len(runs), publishers, constants, columns, factors)


def fitted_runs(rows: Sequence[TruthRow], catalog: Catalog, profile: Profile) -> tuple[Run, ...]:
    """Rows that state a step time or a rate and are no outlier by their own word."""
    read = read_runs(rows, catalog, profile)
    runs = (run for run in read if not isinstance(run, Skipped) and run.row.metric not in NEVER_FITTED)
    return tuple(run for run in runs if (run.row.figure("value") or 0.0) > 0.0)


def fit_runs(runs: Sequence[Run], profile: Profile) -> tuple[Fitted, ...]:
    """Free constants of the profile fitted on runs; rows of one origin count as the few that they are worth."""
    batch, measured = Batch(runs), np.log(measured_seconds(runs))
    free = [Free(one.name, one.prior, one.spread, one.low, one.high) for one in profile.free()]

    def log_ratios(values: Floats) -> Floats:
        named = {one.name: float(value) for one, value in zip(free, values, strict=True)}
        return np.log(batch.seconds(profile.with_values(named))) - measured

    return fit(free, log_ratios, cluster_votes([origin_of(run) for run in runs], SHARED), NOISE)


def origin_of(run: Run) -> Hashable:
    """What rows share an error with: publisher, part, precision and kind of job; a release where experts route."""
    who = run.row.source_id if run.kind == "moe" else run.row.publisher
    return who, run.recipe.part.id, run.recipe.precision, run.kind


def values_of(constants: Sequence[Fitted]) -> Mapping[str, float]:
    """Names and values, for `Profile.with_values`."""
    return {one.name: one.value for one in constants}


def unseen_errors(runs: Sequence[Run], profile: Profile, labels: Sequence[str]) -> Errors:
    """Log errors, each from a fit on the rows of all other labels; a lone label is scored on priors."""
    logs = np.full(len(runs), np.nan)
    for _, mask in leave_one_out(labels):
        seen = [run for run, out in zip(runs, mask, strict=True) if not out]
        unseen = [run for run, out in zip(runs, mask, strict=True) if out]
        prior = {one.name: one.prior for one in profile.free()}
        values = values_of(fit_runs(seen, profile)) if seen else prior
        seconds = Batch(unseen).seconds(profile.with_values(values))
        logs[mask] = np.log(seconds) - np.log(measured_seconds(unseen))
    return Errors(tuple(runs), logs)


def _labels(runs: Sequence[Run], report: str) -> list[str]:
    by_part = report == "leave-one-accelerator-out"
    return [run.recipe.part.id if by_part else run.row.publisher for run in runs]


def class_of(run: Run) -> str:
    """What intervals are told apart by."""
    return run.kind


def _in_class(run: Run, name: str) -> bool:
    if name == "dense multi-node":
        wanted = run.row.metric in ("iteration_s", "tokens_per_s_per_gpu")
        return run.kind == "dense" and wanted and float(run.layout.ranks) > ONE_NODE
    return run.kind == name


def anchored(found: Errors) -> Errors:
    """Errors after the residual of a matched anchor is taken off: same model, part and precision, release before.

    Only runs that have such an anchor.
    """
    logs = {id(run): log for run, log in zip(found.runs, found.logs, strict=True)}
    pairs = [(run, anchor) for run in found.runs if (anchor := _anchor(run, found.runs)) is not None]
    shifted = np.array([logs[id(run)] - logs[id(anchor)] for run, anchor in pairs])
    return Errors(tuple(run for run, _ in pairs), shifted)


def _anchor(run: Run, runs: Sequence[Run]) -> Run | None:
    """The nearest run of the latest earlier release of the same publisher."""
    earlier = [other for other in runs if _same_subject(run, other) and other.row.source_id < run.row.source_id]
    if not earlier:
        return None
    latest = max(other.row.source_id for other in earlier)
    return max((o for o in earlier if o.row.source_id == latest), key=lambda other: _alike(run, other))


def _same_subject(run: Run, other: Run) -> bool:
    same = run.recipe.part.id == other.recipe.part.id and run.recipe.precision == other.recipe.precision
    return same and run.row.publisher == other.row.publisher and run.shape == other.shape and run.kind == other.kind


def _alike(run: Run, other: Run) -> int:
    names = ("tp", "pp", "cp", "ep", "vpp", "micro_batch", "global_batch")
    return sum(getattr(run.layout, name) == getattr(other.layout, name) for name in names)


def _columns(found: Errors) -> Iterator[Column]:
    for way, rows in (("zero-shot", found), ("matched anchor", anchored(found))):
        for name in CLASSES:
            picked = [i for i, run in enumerate(rows.runs) if _in_class(run, name)]
            if picked:
                yield Column(name, way, errors(_scored([rows.runs[i] for i in picked], rows.logs[picked])))


def _scored(runs: Sequence[Run], logs: Floats) -> list[Scored]:
    """Rows beside predictions, each with an interval from the sources other than its own."""
    sources = np.array([run.row.source_id for run in runs])
    factors = {}
    for source, mask in leave_one_out(list(sources)):
        others = logs[~mask] if (~mask).any() else logs
        named = list(sources[~mask]) if (~mask).any() else list(sources)
        factors[source] = conformal_factor(others, named)
    return [_scored_run(run, log, factors[run.row.source_id]) for run, log in zip(runs, logs, strict=True)]


def _scored_run(run: Run, log: float, factor: float) -> Scored:
    seconds = float(measured_seconds([run])[0]) * float(np.exp(log))
    value = value_of(run, seconds)
    measured = run.row.figure("value")
    assert not isinstance(value, Skipped)
    assert measured is not None
    return Scored(run.row, measured, interval(value, 1.0 / factor, factor))


def _factors(found: Errors) -> Iterator[tuple[str, float]]:
    """Zero-shot interval factor by class, from sources that the fits had not seen."""
    for name in ("dense", "moe", "tuning"):
        picked = [i for i, run in enumerate(found.runs) if class_of(run) == name]
        if picked:
            sources = [found.runs[i].row.source_id for i in picked]
            yield name, conformal_factor(found.logs[picked], sources)
