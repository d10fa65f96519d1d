"""A floor under chosen ways: what `why not there?` adds to the program to see what it would cost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from groundplan.optimize._algebra import Expression, table
from groundplan.optimize._frame import Frame
from groundplan.optimize._serving import Rows
from groundplan.optimize._variables import Variables, demand_share
from groundplan.problem import Floor


def forced(floor: Floor) -> Callable[[Frame, Variables], Rows]:
    """sum of volume over the ways >= share x volume asked for, in the periods of the floor [share of the volume]."""

    def family(f: Frame, v: Variables) -> Rows:
        if floor.cells or floor.token_cells:
            yield "forced_load", _load(f, v, floor) >= floor.share
        if floor.batch_cells:
            yield "forced_work", _work(f, v, floor) >= floor.share

    return family


def _load(f: Frame, v: Variables, floor: Floor) -> Expression:
    """Share of the volume (load x hours) of their commodities that the ways carry."""
    problem = f.problem
    hours = problem.calendar.hours * _inside(f, floor)[:, None]
    asked = {problem.cells[c].commodity for c in floor.cells}
    asked |= {problem.token_cells[k].commodity for k in floor.token_cells}
    volume = (demand_share(f) * hours).sum(axis=(1, 2)) * f.peak_load.values
    part = f.peak_load.values / sum(volume[i] for i in asked)
    by_cell = [part[c.commodity] * (k in floor.cells) for k, c in enumerate(problem.cells)]
    by_token = [part[c.commodity] * (k in floor.token_cells) for k, c in enumerate(problem.token_cells)]
    weights = table(hours, f.period, f.bucket)
    served = (v.load * (weights * f.per_cell(by_cell))).sum(f.cell, f.period, f.bucket)
    bought = (v.token * (weights * table(by_token, f.token))).sum(f.token, f.period, f.bucket)
    return served + bought


def _work(f: Frame, v: Variables, floor: Floor) -> Expression:
    """Share of the work of their jobs that the ways do."""
    problem, inside = f.problem, set(floor.periods)
    jobs = {problem.batch_cells[r].job for r in floor.batch_cells}
    work = sum(w.work_units for j in jobs for w in problem.jobs[j].windows if inside & set(w.periods))
    speed = [c.point.capacity_per_s / work * (r in floor.batch_cells) for r, c in enumerate(problem.batch_cells)]
    here = table(_inside(f, floor), f.period)
    return (v.run * (f.per_run(speed) * here)).sum(f.run, f.period, f.bucket)


def _inside(f: Frame, floor: Floor) -> np.ndarray:
    inside = np.zeros(len(f.period))
    inside[list(floor.periods)] = 1.0
    return inside
