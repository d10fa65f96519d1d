"""Families for batch work: done by its date, in the room that serving leaves, in one pool at a time (8-10)."""

from __future__ import annotations

from typing import Any

import pandas as pd
import xarray as xr

from groundplan.optimize._frame import Frame, take, total
from groundplan.optimize._serving import Rows, available
from groundplan.optimize._variables import Variables


def batch_work(f: Frame, v: Variables) -> Rows:
    """sum units per gang-hour x gang-hours / work >= 1 for each job and window [share of the work]."""
    windows = [(j, k, window) for j, job in enumerate(f.problem.jobs) for k, window in enumerate(job.windows)]
    if not windows or not len(f.run):
        return
    index = pd.Index([f"{f.job[j]}#{k}" for j, k, _ in windows], name="window", dtype=object)
    hours = v.run.sum("bucket")
    for row, (j, _, window) in enumerate(windows):
        mine = [r for r, cell in enumerate(f.problem.batch_cells) if cell.job == j]
        if not mine:
            continue
        speed = f.per_run([cell.point.capacity_per_s / window.work_units for cell in f.problem.batch_cells])
        some = {"run": f.run[mine], "period": f.period[list(window.periods)]}
        yield f"batch_work[{index[row]}]", (hours.sel(some) * speed.sel(run=f.run[mine])).sum() >= 1


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
    """run <= hours x gang [h]; a job runs in one pool in a period [flag]; a gang finds its nodes there [nodes].

    Two half-speed gangs in two pools must not pose as one, nor half the nodes for twice the hours.
    """
    if not len(f.run):
        return
    timed = f.bucket[:-1]
    yield "gang_on", v.run.sel(bucket=timed) - v.gang * f.hours.sel(bucket=timed) <= 0
    owner = f.of(f.run, f.job, [cell.job for cell in f.problem.batch_cells])
    yield "gang_one", total(1 * v.gang, owner, f.job) <= 1
    gangs = f.per_run([cell.gang_nodes for cell in f.problem.batch_cells])
    yield "gang_fits", v.gang * gangs - take(available(f, v), "pool", f.pool_of_run) <= f.per_run(_burst_quota(f))


def _burst_quota(f: Frame) -> list[float]:
    """[run] nodes that may be rented by the hour in the pool."""
    pools = f.problem.pools
    quota = [sum(r.offer.quota_nodes for r in pool.rentals if r.term_months is None) for pool in pools]
    return [float(quota[cell.pool]) for cell in f.problem.batch_cells]
