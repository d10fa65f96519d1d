"""Families for batch work: done by its date, in the room that serving leaves, in one pool at a time (8-10)."""

from __future__ import annotations

from typing import Any

import pandas as pd
import xarray as xr

from groundplan.optimize._frame import Frame, entries, keyed, table, take, total
from groundplan.optimize._serving import Rows, available, installed_and_committed
from groundplan.optimize._variables import Variables
from groundplan.problem import BatchCell


def batch_work(f: Frame, v: Variables) -> Rows:
    """sum units per gang-hour x gang-hours / work >= 1 for each job and window [share of the work]."""
    windows = [(j, k, window) for j, job in enumerate(f.problem.jobs) for k, window in enumerate(job.windows)]
    if not windows or not len(f.run):
        return
    rows = [
        (r, t, f"{f.job[j]}#{k}", cell.point.capacity_per_s / window.work_units)
        for j, k, window in windows
        for r, cell in enumerate(f.problem.batch_cells)
        for t in window.periods
        if cell.job == j
    ]
    run, period, keys, speed = (list(column) for column in zip(*rows, strict=True))
    done = entries(v.run, run=run, period=period).sum("bucket") * table(speed, pd.RangeIndex(len(rows), name="entry"))
    index = pd.Index([f"{f.job[j]}#{k}" for j, k, _ in windows], name="window", dtype=object)
    yield "batch_work", total(done, keyed(keys), index) >= 1


def batch_room(f: Frame, v: Variables) -> Rows:
    """busy serving nodes + running gangs <= own + rented - spares + bursts, in every bucket but the peak [nodes]."""
    if not len(f.run):
        return
    timed = f.bucket[:-1]
    busy = total(v.load * (f.replica_load * _node_share(f)), f.pool_of_cell, f.pool)
    gangs = f.per_run([cell.gang_nodes for cell in f.problem.batch_cells])
    running = total(v.run * gangs * f.per_hour, f.pool_of_run, f.pool)
    spare = f.per_pool([float(pool.spare_nodes) for pool in f.problem.pools])
    limit = available(f, v) - v.critical * spare
    pools = pd.Index(sorted({f.pool[cell.pool] for cell in f.problem.batch_cells}), name="pool", dtype=object)
    pick = {"pool": pools, "bucket": timed}
    yield "batch_room", (busy + running - bursts(f, v)).sel(pick) - limit.sel(pool=pools) <= 0


def _node_share(f: Frame) -> xr.DataArray:
    """[cell] nodes that one busy replica fills."""
    pools = f.problem.pools
    shares = [c.point.slots_per_replica * c.point.nodes_per_replica / pools[c.pool].slots for c in f.problem.cells]
    return f.per_cell(shares)


def bursts(f: Frame, v: Variables) -> Any:
    """[pool, period, bucket] on-demand nodes rented for batch alone."""
    owner = f.of(f.rental, f.pool, [g for g, pool in enumerate(f.problem.pools) for _ in pool.rentals])
    return total(1 * v.burst, owner, f.pool)


def batch_gang(f: Frame, v: Variables) -> Rows:
    """run <= hours x gang [h]; pretraining runs in one pool in a period [flag]; a gang finds its nodes there [nodes].

    Two half-speed gangs in two pools must not pose as one, nor half the nodes for twice the hours. Independent
    units (fine-tuning runs, video-seconds, core-hours) may use many gangs, so only gangs above one node need the flag.
    """
    bound = [r for r, cell in enumerate(f.problem.batch_cells) if whole_gang(f, cell)]
    if not bound:
        return
    some, timed = f.run[bound], f.bucket[:-1]
    most = f.per_run([most_gangs(f, cell) for cell in f.problem.batch_cells]).sel(run=some)
    yield "gang_on", v.run.sel(run=some, bucket=timed) - v.gang.sel(run=some) * (f.hours.sel(bucket=timed) * most) <= 0
    single = [r for r in bound if f.problem.jobs[f.problem.batch_cells[r].job].workload.kind == "pretrain"]
    if single:
        owner = f.of(f.run[single], f.job, [f.problem.batch_cells[r].job for r in single])
        yield "gang_one", total(1 * v.gang.sel(run=f.run[single]), owner, f.job) <= 1
    gangs = f.per_run([cell.gang_nodes for cell in f.problem.batch_cells]).sel(run=some)
    room = take(installed_and_committed(f, v), "pool", f.pool_of_run.sel(run=some))
    yield "gang_fits", v.gang.sel(run=some) * gangs - room <= f.per_run(_burst_quota(f)).sel(run=some)


def whole_gang(f: Frame, cell: BatchCell) -> bool:
    """Whether running there at all takes a decision: pretraining, or a gang of more than one node."""
    return f.problem.jobs[cell.job].workload.kind == "pretrain" or cell.gang_nodes > 1


def most_gangs(f: Frame, cell: BatchCell) -> float:
    """Gangs that can work at once."""
    if f.problem.jobs[cell.job].workload.kind == "pretrain":
        return 1.0
    return max(1.0, f.problem.pools[cell.pool].max_nodes / cell.gang_nodes)


def _burst_quota(f: Frame) -> list[float]:
    """[run] nodes that may be rented on demand in the pool."""
    pools = f.problem.pools
    quota = [sum(r.offer.quota_nodes for r in pool.rentals if r.term_months is None) for pool in pools]
    return [float(quota[cell.pool]) for cell in f.problem.batch_cells]
