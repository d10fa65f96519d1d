"""From a solution vector to a plan: rows by name, costs by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.optimize._frame import Frame
from groundplan.optimize._model import Program
from groundplan.optimize._variables import life_end
from groundplan.plan import (
    COST_LINES,
    BatchRow,
    BlockRow,
    BurstRow,
    CostRow,
    FailoverRow,
    LinkRow,
    LoadRow,
    MoveRow,
    OrderRow,
    PeakRow,
    Plan,
    RentRow,
    ReplicaRow,
    Result,
    RetireRow,
    ShedRow,
    StaffRow,
    TokenRow,
)

Values = NDArray[np.float64]
DUST = 1e-9
"""Shares and hours below this are nothing."""


@dataclass(frozen=True)
class Reached:
    """What the solver reached, in US dollars."""

    status: str
    bound_usd: float
    incumbent_usd: float
    residual: float


class Reader:
    """Values of variables in a solution."""

    def __init__(self, made: Program, x: Values) -> None:
        self._blocks = {block.name: block for block in made.columns.blocks}
        self.x = x

    def values(self, name: str) -> Values:
        """Values in the shape of the variable."""
        return self._blocks[name].values(self.x)

    def counts(self, name: str) -> NDArray[np.int64]:
        """Values of an integer variable."""
        return np.rint(self.values(name)).astype(np.int64)


def extract(made: Program, x: Values, reached: Reached) -> Plan:
    """The plan of a solution. Costs are evaluated on the very values that its rows carry."""
    reader, f = Reader(made, x), made.frame
    problem = f.problem
    costs, objective = _costs(made, reader)
    return Plan(
        name=problem.factory.name,
        spec_hash=problem.spec_hash,
        catalog_hash=problem.catalog_hash,
        periods=problem.calendar.periods,
        buckets=problem.calendar.bucket_ids[:-1],
        result=_result(reached, objective),
        points=problem.points,
        staffing=problem.staffing,
        orders=tuple(_orders(f, reader.values("order"))),
        blocks=tuple(_blocks(f, reader.counts("built"))),
        moves=tuple(_moves(f, reader.counts("moved"))),
        retirements=tuple(_retirements(f, reader.counts("retired"))),
        rents=tuple(_rents(f, reader.counts("commit"), reader.counts("on_demand"))),
        bursts=tuple(_bursts(f, reader.values("burst"))),
        replicas=tuple(_replicas(f, reader.counts("replicas"))),
        loads=tuple(_loads(f, reader.values("load"))),
        failovers=tuple(_failovers(f, reader.values("escape"))),
        tokens=tuple(_tokens(f, reader.values("token"))),
        shed=tuple(_shed(f, reader.values("shed"))),
        batch=tuple(_batch(f, reader.values("run"))),
        staff=tuple(_staff(f, reader.counts("fte"))),
        peaks=tuple(_peaks(f, reader.values("billed"))),
        links=tuple(_links(f, reader.counts("link_on"))),
        opened=_opened(f, reader.counts("opened")),
        costs=costs,
        refusals=problem.refusals,
        refused_moves=problem.refused_moves,
    )


def _result(reached: Reached, objective: float) -> Result:
    return Result(
        status="optimal" if reached.status == "optimal" else "limit",
        objective_usd=objective,
        bound_usd=min(reached.bound_usd, objective),
        gap=max(0.0, (objective - reached.bound_usd) / max(abs(objective), 1e-9)),
        rounding_cost_usd=objective - reached.incumbent_usd,
        max_residual=reached.residual,
        reproducible=reached.status != "limit-time",
    )


def _costs(made: Program, reader: Reader) -> tuple[tuple[CostRow, ...], float]:
    """Cost rows in period and line order, and their net present value."""
    book, periods = made.ledger, made.frame.period.labels
    lines = {name: line.values(reader.x) for name, line in book.lines.items()}
    residual = float(book.residual.values(reader.x))
    lines["residual"] = np.array([0.0] * (len(periods) - 1) + [residual])
    rows = tuple(
        CostRow(period=period, line=line, usd=float(lines[line][t]) + 0.0)
        for t, period in enumerate(periods)
        for line in COST_LINES
    )
    flows = sum(float(values @ book.discount.values) for name, values in lines.items() if name != "residual")
    return rows, flows + residual * book.discount_at_end


def _nonzero(values: NDArray[Any]) -> Iterator[tuple[int, ...]]:
    yield from (tuple(int(k) for k in place) for place in np.argwhere(values > DUST))


def _orders(f: Frame, order: Values) -> Iterator[OrderRow]:
    calendar = f.problem.calendar
    for g, t in _nonzero(order):
        pool = f.problem.pools[g]
        assert pool.purchase is not None
        arrives = calendar.arrival(t, pool.purchase.lead_months)
        assert arrives is not None
        nodes = round(order[g, t]) * pool.purchase.lot_nodes
        yield OrderRow(offer=pool.purchase.id, site=pool.site.id, server=pool.server.id, period=f.period[t],
                       arrives=f.period[arrives], nodes=nodes)  # fmt: skip


def _rises(cumulative: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    rise = np.diff(cumulative, axis=1, prepend=0)
    yield from ((int(k), int(t), int(rise[k, t])) for k, t in np.argwhere(rise > 0))


def _blocks(f: Frame, built: NDArray[np.int64]) -> Iterator[BlockRow]:
    for k, t, count in _rises(built):
        site, block = f.problem.blocks[k]
        ready = f.problem.calendar.arrival(t, block.lead_months)
        usable = f.period[ready] if ready is not None else "after the horizon"
        yield BlockRow(site=f.site[site], block=block.id, period=f.period[t], usable_from=usable, count=count)


def _retirements(f: Frame, retired: NDArray[np.int64]) -> Iterator[RetireRow]:
    """Voluntary ones: the end of life needs no decision."""
    ends = life_end(f)
    for k, t, count in _rises(retired):
        if t < ends[k]:
            site = f.problem.pools[f.existing_pools[k]].site.id
            yield RetireRow(existing=f.owned[k].id, site=site, period=f.period[t], nodes=count)


def _moves(f: Frame, moved: NDArray[np.int64]) -> Iterator[MoveRow]:
    for m, t, count in _rises(moved):
        owned, move = f.transfers[m].owned, f.transfers[m].move
        arrives = f.problem.calendar.arrival(t, move.lead_months)
        assert arrives is not None
        yield MoveRow(existing=owned.id, to=move.to, period=f.period[t], arrives=f.period[arrives], nodes=count)


def _rents(f: Frame, commit: NDArray[np.int64], on_demand: NDArray[np.int64]) -> Iterator[RentRow]:
    for k, t in _nonzero(commit + on_demand):
        yield RentRow(offer=f.rental[k], period=f.period[t], nodes=int(commit[k, t] + on_demand[k, t]))


def _bursts(f: Frame, burst: Values) -> Iterator[BurstRow]:
    hours = f.problem.calendar.hours
    for k, t, b in _nonzero(burst):
        node_hours = float(burst[k, t, b] * hours[t, b])
        yield BurstRow(offer=f.rental[k], period=f.period[t], bucket=f.bucket[b], node_hours=node_hours)


def _cell_names(f: Frame, c: int) -> dict[str, str]:
    cell = f.problem.cells[c]
    commodity, pool = f.problem.commodities[cell.commodity], f.problem.pools[cell.pool]
    return {
        "workload": commodity.workload.id,
        "origin": commodity.origin,
        "site": pool.site.id,
        "server": pool.server.id,
        "point": cell.point.id,
    }


def _replicas(f: Frame, replicas: NDArray[np.int64]) -> Iterator[ReplicaRow]:
    for c, t in _nonzero(replicas):
        yield ReplicaRow(**_cell_names(f, c), period=f.period[t], replicas=int(replicas[c, t]))


def _loads(f: Frame, load: Values) -> Iterator[LoadRow]:
    peaks = f.peak_load.values
    for c, t, b in _nonzero(load):
        rate = float(load[c, t, b] * peaks[f.problem.cells[c].commodity])
        yield LoadRow(**_cell_names(f, c), period=f.period[t], bucket=f.bucket[b], units_per_s=rate)


def _failovers(f: Frame, escape: Values) -> Iterator[FailoverRow]:
    peaks = f.peak_load.values
    for k, t in _nonzero(escape):
        loss, c = f.escapes[k]
        rate = float(escape[k, t] * peaks[f.problem.cells[c].commodity])
        yield FailoverRow(**_cell_names(f, c), lost_site=f.losses[loss][1], period=f.period[t], units_per_s=rate)


def _tokens(f: Frame, token: Values) -> Iterator[TokenRow]:
    for c, t, b in _nonzero(token):
        cell = f.problem.token_cells[c]
        commodity = f.problem.commodities[cell.commodity]
        yield TokenRow(offer=cell.offer.id, workload=commodity.workload.id, origin=commodity.origin, period=f.period[t],
                       bucket=f.bucket[b], units_per_s=float(token[c, t, b] * commodity.peak_load))  # fmt: skip


def _shed(f: Frame, shed: Values) -> Iterator[ShedRow]:
    for i, t, b in _nonzero(shed):
        row = f.problem.commodities[i]
        yield ShedRow(workload=row.workload.id, origin=row.origin, period=f.period[t], bucket=f.bucket[b],
                      units_per_s=float(shed[i, t, b] * row.peak_load))  # fmt: skip


def _batch(f: Frame, run: Values) -> Iterator[BatchRow]:
    for r, t, b in _nonzero(run):
        cell = f.problem.batch_cells[r]
        job, pool = f.problem.jobs[cell.job], f.problem.pools[cell.pool]
        yield BatchRow(workload=job.workload.id, origin=job.origin, site=pool.site.id, server=pool.server.id,
                       point=cell.point.id, period=f.period[t], bucket=f.bucket[b],
                       gang_hours=float(run[r, t, b]))  # fmt: skip


def _staff(f: Frame, fte: NDArray[np.int64]) -> Iterator[StaffRow]:
    for k, t in product(range(len(f.site)), range(len(f.period))):
        yield StaffRow(site=f.site[k], period=f.period[t], fte=int(fte[k, t]))


def _peaks(f: Frame, billed: Values) -> Iterator[PeakRow]:
    for k, t in product(range(len(f.site)), range(len(f.period))):
        yield PeakRow(site=f.site[k], period=f.period[t], billed_peak_kw=float(billed[k, t]))


def _links(f: Frame, link_on: NDArray[np.int64]) -> Iterator[LinkRow]:
    for k, t in _nonzero(link_on):
        origin, site = f.problem.links[k].origin, f.problem.links[k].site
        yield LinkRow(origin=origin, site=site, period=f.period[t])


def _opened(f: Frame, opened: NDArray[np.int64]) -> dict[str, str]:
    """Site -> first period in which it is open."""
    return {f.site[k]: f.period[int(np.argmax(row > 0))] for k, row in enumerate(opened) if row.any()}
