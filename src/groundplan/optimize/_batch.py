"""Families for batch work: done by its date, in the room that serving leaves, gangs whole (formulation 8-10)."""

from __future__ import annotations

from math import ceil

import numpy as np

from groundplan.optimize._algebra import Axis, Constraint, Expression, Table, table
from groundplan.optimize._frame import Frame
from groundplan.optimize._serving import Rows, available, installed_and_committed
from groundplan.optimize._variables import Variables
from groundplan.problem import BatchCell


def batch_work(f: Frame, v: Variables) -> Rows:
    """sum units per gang-hour x gang-hours / work >= 1 for each job and window [share of the work].

    A job that need not be done may stop anywhere below 1.
    """
    windows = [(j, k, window) for j, job in enumerate(f.problem.jobs) for k, window in enumerate(job.windows)]
    axis = Axis("window", tuple(f"{f.job[j]}#{k}" for j, k, _ in windows))
    rows = [
        (r, t, w, cell.point.capacity_per_s / window.work_units)
        for w, (j, _, window) in enumerate(windows)
        for r, cell in enumerate(f.problem.batch_cells)
        for t in window.periods
        if cell.job == j
    ]
    entry = Axis("entry", tuple(map(str, range(len(rows)))))
    hours = v.run.sum(f.bucket).entries(entry, run=[r for r, *_ in rows], period=[t for _, t, *_ in rows])
    done = (hours * table([speed for *_, speed in rows], entry)).total(entry, [w for _, _, w, _ in rows], axis)
    needed = np.array([float(f.problem.jobs[j].workload.required) for j, *_ in windows])
    yield "batch_work", done >= table(needed, axis)
    optional = np.flatnonzero(needed == 0).tolist()
    if optional:
        yield "batch_work_most", done.part(axis, optional) <= 1.0


def batch_room(f: Frame, v: Variables) -> Rows:
    """busy serving nodes + running gangs + spares <= own + rented + bursts, in every bucket but the peak [nodes]."""
    pools = sorted({cell.pool for cell in f.problem.batch_cells})
    timed = slice(0, len(f.bucket) - 1)
    busy = f.by_pool(v.load * (f.replica_load * _node_share(f)))
    gangs = f.per_run([cell.gang_nodes for cell in f.problem.batch_cells])
    running = f.runs_by_pool(v.run * gangs * f.per_hour)
    spare = f.per_pool([pool.spare_nodes for pool in f.problem.pools])
    room = available(f, v) - v.critical * spare
    used = (busy + running - bursts(f, v)).part(f.bucket, timed).part(f.pool, pools)
    yield "batch_room", used <= room.part(f.pool, pools)


def _node_share(f: Frame) -> Table:
    """[cell] nodes that one busy replica fills."""
    pools = f.problem.pools
    return f.per_cell(
        [c.point.slots_per_replica * c.point.nodes_per_replica / pools[c.pool].slots for c in f.problem.cells]
    )


def bursts(f: Frame, v: Variables) -> Expression:
    """[pool, period, bucket] on-demand nodes rented for batch alone."""
    return v.burst.total(f.rental, f.rental_pools, f.pool)


def batch_gang(f: Frame, v: Variables) -> Rows:
    """run <= hours x gang [h]; pretraining runs in one pool in a period [flag]; a gang finds its nodes there [nodes].

    Two half-speed gangs in two pools must not pose as one, nor half the nodes for twice the hours. Independent
    units (fine-tuning runs, video-seconds, core-hours) may use many gangs, so only gangs above one node need the flag.
    """
    cells = f.problem.batch_cells
    yield "gang_units", _one_gang_a_run(f, v)
    bound = [r for r, cell in enumerate(cells) if whole_gang(f, cell)]
    some, timed = f.run[bound], slice(0, len(f.bucket) - 1)
    gang = v.gang.part(f.run, bound)
    most = table([most_gangs(f, cells[r]) for r in bound], some)
    yield "gang_on", v.run.part(f.run, bound).part(f.bucket, timed) <= gang * most * f.hours.part(f.bucket, timed)
    single = [k for k, r in enumerate(bound) if f.problem.jobs[cells[r].job].workload.kind == "pretrain"]
    one = gang.part(some, single)
    yield "gang_one", one.total(some[single], [cells[bound[k]].job for k in single], f.job) <= 1.0
    room = installed_and_committed(f, v).take(f.pool, [cells[r].pool for r in bound], some)
    needed = gang * table([cells[r].gang_nodes for r in bound], some)
    yield "gang_fits", needed - room <= table([_burst_quota(f, cells[r]) for r in bound], some)


def _one_gang_a_run(f: Frame, v: Variables) -> Constraint:
    """[job, period, bucket] gang-hours of fine-tuning <= hours x runs of the window: a run is not shared out [h]."""
    runs = np.zeros((len(f.job), len(f.period)))
    tuned = [j for j, job in enumerate(f.problem.jobs) if job.workload.kind == "finetune"]
    for j in tuned:
        for window in f.problem.jobs[j].windows:
            runs[j, list(window.periods)] = ceil(window.work_units - 1e-9)
    timed = slice(0, len(f.bucket) - 1)
    hours = v.run.total(f.run, [cell.job for cell in f.problem.batch_cells], f.job).part(f.job, tuned)
    limit = table(runs, f.job, f.period).part(f.job, tuned) * f.hours.part(f.bucket, timed)
    return hours.part(f.bucket, timed) <= limit


def whole_gang(f: Frame, cell: BatchCell) -> bool:
    """Whether running there at all takes a decision: pretraining, or a gang of more than one node."""
    return f.problem.jobs[cell.job].workload.kind == "pretrain" or cell.gang_nodes > 1


def most_gangs(f: Frame, cell: BatchCell) -> float:
    """Gangs that can work at once."""
    if f.problem.jobs[cell.job].workload.kind == "pretrain":
        return 1.0
    return max(1.0, f.problem.pools[cell.pool].max_nodes / cell.gang_nodes)


def _burst_quota(f: Frame, cell: BatchCell) -> float:
    """Nodes that may be rented on demand in the pool of a batch cell."""
    return sum(r.offer.quota_nodes for r in f.problem.pools[cell.pool].rentals if r.term_months is None)
