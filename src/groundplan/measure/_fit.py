"""Level and fixed time of one deployment from a few measured loads, shrunk towards one factor for both.

A step takes level x work + fixed x fixed times. With measured times m, work w and fixed times f of the model, the
fit minimises sum((level w + fixed f) / m - 1)^2 + (NOISE / APART)^2 (level - fixed)^2, in closed form. One load leaves
level = fixed = its ratio; loads that differ in how much of a step is fixed tell the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Any

import numpy as np

from groundplan.catalog import Catalog
from groundplan.measure._node import Node
from groundplan.measure._run import Run
from groundplan.perf.serving import ClosedLoop, Deployment, Parts, closed_loop, serving_file
from groundplan.spec import MeasuredSpeed

NOISE = 0.05
"""Standard deviation of the log of a measured time about an anchored model (the prior of a version on total time)."""
APART = 0.3
"""The same of fixed over level factor before anything is measured (the prior of a version on fixed time: .15-.3)."""
MOST_APART = 4.0
MOST_FACTOR = 5.0
"""A deployment further off than this is not the one that was named."""
MOST_SPREAD = 3.0
NINETY = 1.645
DIGITS = 6
STEADY_ROUNDS = 4.0
"""A run of fewer requests for each one in flight is mostly ramp: its rate is not that of a steady load."""


Times = tuple[tuple[float, Parts], ...]
"""Measured seconds of one point, each with its prediction."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One load: what was measured, what was predicted."""

    run: Run
    loop: ClosedLoop

    @property
    def tpot_ratio(self) -> float:
        """Measured over predicted time per output token; above 1 is slower."""
        return self.run.tpot_ms / 1e3 / self.loop.tpot.at(1.0, 1.0)

    @property
    def rate_ratio(self) -> float | None:
        """Measured over predicted output tokens per second; None where the load was not steady, or unknown."""
        held = self.run.concurrency
        if held is None or self.run.requests_count < STEADY_ROUNDS * held:
            return None
        return self.run.output_tokens_per_s * self.loop.token.at(1.0, 1.0)

    @property
    def times(self) -> Times:
        """Measured seconds and their prediction."""
        tpot = (self.run.tpot_ms / 1e3, self.loop.tpot)
        return (tpot,) if self.rate_ratio is None else (tpot, (1.0 / self.run.output_tokens_per_s, self.loop.token))


@dataclass(frozen=True, slots=True)
class Anchored:
    """What the measurements say of a deployment."""

    speed: MeasuredSpeed
    compared: tuple[Compared, ...]
    usual_factor: float
    """Nine in ten deployments that the model had not seen lie within this factor of it."""


def anchor(deployment: Deployment, catalog: Catalog, runs: Sequence[Run]) -> Anchored:
    """Compare each run with the shipped model and fit the factors; ResultError where one is of another deployment."""
    compared = tuple(_compared(deployment, catalog, run) for run in runs)
    times = [one.times for one in compared]
    level, fixed = (round(factor, DIGITS) for factor in fitted(times))
    left = spread(times, level, fixed)
    if left > MOST_SPREAD:
        what = f"the points scatter by a factor of {left:.2g} about any one model of {deployment.name}"
        Node(None, ", ".join(run.where for run in runs)).refuse(what, "give the results of one deployment")
    speed = MeasuredSpeed(
        **corrected(deployment, catalog, level, fixed, left),
        points_count=len(compared),
        tool=", ".join(dict.fromkeys(run.tool for run in runs)),
        files=tuple(dict.fromkeys(run.file for run in runs)),
        dated=max((run.dated for run in runs if run.dated), default=None),
    )
    usual = serving_file().interval("tpot", deployment.engine, moe=deployment.card.transformer().experts > 0)
    return Anchored(speed, compared, usual)


def corrected(deployment: Deployment, catalog: Catalog, level: float, fixed: float, left: float) -> dict[str, Any]:
    """The keys of a row of corrections that do not tell where they are from."""
    return {
        "model": model_id(deployment, catalog),
        "accelerator": deployment.server.accelerator or deployment.server.id,
        "engine": deployment.engine,
        "tuning": deployment.tuning,
        "precision": deployment.precision,
        "tensor_ranks_count": deployment.tensor_ranks,
        "level_factor": level,
        "fixed_factor": fixed,
        "spread_factor": round(left, DIGITS),
        "against": serving_file().version,
    }


def model_id(deployment: Deployment, catalog: Catalog) -> str:
    """The model without the format that its name may end with."""
    name = catalog.find_model(deployment.card.id)
    return name.id if name else deployment.card.id


def _compared(deployment: Deployment, catalog: Catalog, run: Run) -> Compared:
    place, mine = Node(None, run.where), model_id(deployment, catalog)
    for name in run.models:
        if (known := catalog.find_model(name)) is not None and known.id != mine:
            place.refuse(f"speaks of {name}, not of {mine}", "name the model that was measured")
    loop = closed_loop(deployment, catalog, run.prompt_tokens, run.output_tokens, run.running)
    found = Compared(run, loop)
    if run.tpot_ms / 1e3 < loop.tpot.floor_s:
        floor = f"{loop.tpot.floor_s * 1e3:.2f} ms that data-sheet rates allow {deployment.name}"
        hint = "check --on, --tp and --precision; speculative decoding is not modelled"
        place.refuse(f"{run.tpot_ms:.2f} ms a token is less than the {floor}", hint)
    for ratio in filter(None, (found.tpot_ratio, found.rate_ratio)):
        if not 1.0 / MOST_FACTOR <= ratio <= MOST_FACTOR:
            what = f"{ratio:.2g} times the predicted {'time' if ratio == found.tpot_ratio else 'rate'} of tokens of "
            place.refuse(what + deployment.name, "check --model, --on, --tp, --precision and --engine")
    return found


def fitted(points: Sequence[Times]) -> tuple[float, float]:
    """Level and fixed factor; times of one point share its weight."""
    rows = [(parts.work_s / m, parts.fixed_s / m, len(times)) for times in points for m, parts in times]
    weight = np.sqrt([1.0 / shared for *_, shared in rows])
    table = np.array([row[:2] for row in rows]) * weight[:, None]
    ridge = NOISE / APART * np.array([[1.0, -1.0]])
    level, fixed = np.linalg.lstsq(np.vstack([table, ridge]), np.append(weight, 0.0), rcond=None)[0]
    apart = float(fixed / level) if level > 0 else MOST_APART
    if level > 0 and 1.0 / MOST_APART <= apart <= MOST_APART:
        return float(level), float(fixed)
    apart = min(max(apart, 1.0 / MOST_APART), MOST_APART)
    whole = table @ np.array([1.0, apart])
    level = float(whole @ weight / (whole @ whole))
    return level, level * apart


def spread(points: Sequence[Times], level: float, fixed: float) -> float:
    """Factor that holds nine in ten of the residuals, were they lognormal; 1 for one point that is met."""
    errors = [log(m / parts.at(level, fixed)) for times in points for m, parts in times]
    return exp(NINETY * sqrt(sum(error**2 for error in errors) / len(errors)))
