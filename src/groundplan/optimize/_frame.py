"""The frame that variables and families share: the axes of the program and who belongs to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from groundplan.optimize._algebra import Axis, Expression, Table, table
from groundplan.problem import Cell, Problem, Rental, Transfer
from groundplan.spec import Existing


@dataclass(frozen=True)
class Group:
    """Cells that may share nodes in one pool: all of them, or those of one workload with nodes of its own."""

    key: str
    pool: int
    cells: tuple[int, ...]
    patterns: tuple[tuple[int, ...], ...]
    """Maximal node fillings (count per size); empty where sizes divide each other and the node: slots then suffice."""
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Holding:
    """Existing nodes at one of the places where they may stand: their own site, or one that a move leads to."""

    owned: Existing
    pool: int
    transfer: Transfer | None
    """The move that brings them there; None at their own site."""

    @property
    def key(self) -> str:
        return f"{self.owned.id}>{self.transfer.move.to}" if self.transfer else self.owned.id


@dataclass(frozen=True)
class Frame:
    """Indexes of the program."""

    problem: Problem

    def _index(self, name: str, keys: Sequence[str]) -> Axis:
        return Axis(name, tuple(keys))

    @cached_property
    def period(self) -> Axis:
        return self._index("period", [row.id for row in self.problem.calendar.periods])

    @cached_property
    def bucket(self) -> Axis:
        return self._index("bucket", self.problem.calendar.bucket_ids)

    @cached_property
    def commodity(self) -> Axis:
        return self._index("commodity", [row.key for row in self.problem.commodities])

    @cached_property
    def job(self) -> Axis:
        return self._index("job", [row.key for row in self.problem.jobs])

    @cached_property
    def pool(self) -> Axis:
        return self._index("pool", [row.key for row in self.problem.pools])

    @cached_property
    def cell(self) -> Axis:
        return self._index("cell", [row.key for row in self.problem.cells])

    @cached_property
    def run(self) -> Axis:
        return self._index("run", [row.key for row in self.problem.batch_cells])

    @cached_property
    def token(self) -> Axis:
        return self._index("token", [row.key for row in self.problem.token_cells])

    @cached_property
    def site(self) -> Axis:
        return self._index("site", [row.site.id for row in self.problem.sites])

    @cached_property
    def link(self) -> Axis:
        return self._index("link", [f"{row.origin}>{row.site}" for row in self.problem.links])

    @cached_property
    def block(self) -> Axis:
        return self._index("block", [f"{self.site[k]}/{block.id}" for k, block in self.problem.blocks])

    @cached_property
    def granted_year(self) -> Axis:
        """Plan years with a cap that a grant may exceed."""
        caps = self.problem.factory.budgets
        years = max(len(caps.capex_usd_by_year), len(caps.cash_usd_by_year))
        return self._index("year", [str(y + 1) for y in range(years if self.problem.grant_usd is not None else 0)])

    @cached_property
    def existing(self) -> Axis:
        """Existing nodes by the place where they stand."""
        return self._index("existing", [row.key for row in self.holdings])

    @cached_property
    def move(self) -> Axis:
        return self._index("move", [self.existing[h] for h in self.moved_to])

    @cached_property
    def rental(self) -> Axis:
        return self._index("rental", [rental.offer.id for rental in self.rentals])

    @cached_property
    def tangents(self) -> tuple[tuple[int, float, float, float], ...]:
        """(cell, alpha, beta, load_max) of each tangent that is of use below the largest load of its cell."""
        return tuple((c, *row) for c, cell in enumerate(self.problem.cells) for row in self._useful(cell))

    def _useful(self, cell: Cell) -> list[tuple[float, float, float]]:
        most = min(self.problem.commodities[cell.commodity].peak_load / cell.point.capacity_per_s, cell.load_max)
        rows = [(t.alpha, t.beta, min(t.load_max, most)) for t in cell.staffing.tangents]
        ends = sorted({row[2] for row in rows} | {0.0} | set(_crossings(rows, most)))
        middles = [(low + high) / 2 for low, high in pairwise(ends)]
        best = {
            min((row for row in rows if row[2] >= load), key=lambda row: row[0] * load + row[1]) for load in middles
        }
        return [row for row in rows if row in best]

    @cached_property
    def tangent(self) -> Axis:
        cells = self.problem.cells
        return self._index("tangent", [f"{cells[c].key}#{k}" for k, (c, *_) in enumerate(self.tangents)])

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Cells by pool and by who may share a node with whom."""
        named: dict[tuple[int, str], list[int]] = {}
        for c, cell in enumerate(self.problem.cells):
            named.setdefault((cell.pool, self._sharing(cell)), []).append(c)
        return tuple(self._group(pool, name, tuple(cells)) for (pool, name), cells in named.items())

    def _sharing(self, cell: Cell) -> str:
        workload = self.problem.commodities[cell.commodity].workload
        if cell.point.nodes_per_replica > 1:
            return f"whole:{cell.key}"
        return f"only:{workload.id}" if workload.isolation == "node" else "shared"

    def _group(self, pool: int, name: str, cells: tuple[int, ...]) -> Group:
        slots = self.problem.pools[pool].slots
        sizes = tuple(sorted({self.problem.cells[c].point.slots_per_replica for c in cells}, reverse=True))
        patterns = () if _divides(sizes, slots) else maximal_patterns(sizes, slots)
        return Group(f"{self.pool[pool]}:{name}", pool, cells, patterns, sizes)

    @cached_property
    def group(self) -> Axis:
        return self._index("group", [row.key for row in self.groups])

    @cached_property
    def filling(self) -> Axis:
        """(group, pattern) columns of the groups that need them."""
        keys = [f"{row.key}|{'+'.join(map(str, pattern))}" for row in self.groups for pattern in row.patterns]
        return self._index("filling", keys)

    @cached_property
    def losses(self) -> tuple[tuple[int, str], ...]:
        """(commodity, lost site) that must be carried elsewhere; what arises at the lost site still asks."""
        found: list[tuple[int, str]] = []
        for i, row in enumerate(self.problem.commodities):
            if row.workload.survives != "site":
                continue
            sites = [self.problem.pools[c.pool].site.id for c in self.problem.cells if c.commodity == i]
            sites += [c.offer.site for c in self.problem.token_cells if c.commodity == i]
            found += [(i, site) for site in dict.fromkeys(sites)]
        return tuple(found)

    @cached_property
    def loss(self) -> Axis:
        return self._index("loss", [f"{self.commodity[i]}-{site}" for i, site in self.losses])

    @cached_property
    def escapes(self) -> tuple[tuple[int, int], ...]:
        """(loss, cell) by which a lost site's load may be carried."""
        cells = self.problem.cells
        return tuple(
            (k, c)
            for k, (i, lost) in enumerate(self.losses)
            for c, cell in enumerate(cells)
            if cell.commodity == i and self.problem.pools[cell.pool].site.id != lost
        )

    @cached_property
    def escape(self) -> Axis:
        return self._index("escape", [f"{self.cell[c]}-{self.losses[k][1]}" for k, c in self.escapes])

    def per_cell(self, values: Sequence[float]) -> Table:
        return table(values, self.cell)

    def per_pool(self, values: Sequence[float]) -> Table:
        return table(values, self.pool)

    def per_run(self, values: Sequence[float]) -> Table:
        return table(values, self.run)

    def by_pool(self, of_cells: Expression) -> Expression:
        """Sum over the cells of each pool."""
        return of_cells.total(self.cell, [cell.pool for cell in self.problem.cells], self.pool)

    def by_commodity(self, of_cells: Expression) -> Expression:
        """Sum over the cells of each commodity."""
        return of_cells.total(self.cell, [cell.commodity for cell in self.problem.cells], self.commodity)

    def runs_by_pool(self, of_runs: Expression) -> Expression:
        """Sum over the batch cells of each pool."""
        return of_runs.total(self.run, [cell.pool for cell in self.problem.batch_cells], self.pool)

    def tokens_by_commodity(self, of_tokens: Expression) -> Expression:
        """Sum over the token APIs of each commodity."""
        return of_tokens.total(self.token, [cell.commodity for cell in self.problem.token_cells], self.commodity)

    @cached_property
    def rental_pools(self) -> list[int]:
        """[rental] its pool."""
        return [g for g, pool in enumerate(self.problem.pools) for _ in pool.rentals]

    @cached_property
    def rentals(self) -> list[Rental]:
        return [rental for pool in self.problem.pools for rental in pool.rentals]

    @cached_property
    def holdings(self) -> list[Holding]:
        """[existing] pool by pool: what stands there today, then what may come."""
        found: list[Holding] = []
        for g, pool in enumerate(self.problem.pools):
            found += [Holding(owned, g, None) for owned in pool.existing]
            found += [Holding(transfer.owned, g, transfer) for transfer in pool.transfers]
        return found

    @cached_property
    def existing_pools(self) -> list[int]:
        """[existing] its pool."""
        return [row.pool for row in self.holdings]

    @cached_property
    def owned(self) -> list[Existing]:
        """[existing]"""
        return [row.owned for row in self.holdings]

    @cached_property
    def moved_to(self) -> list[int]:
        """[move] the holding that it fills."""
        return [h for h, row in enumerate(self.holdings) if row.transfer is not None]

    @cached_property
    def moved_from(self) -> list[int]:
        """[move] the holding that it empties."""
        homes = {row.owned.id: h for h, row in enumerate(self.holdings) if row.transfer is None}
        return [homes[self.owned[h].id] for h in self.moved_to]

    @cached_property
    def transfers(self) -> list[Transfer]:
        """[move]"""
        found = [self.holdings[h].transfer for h in self.moved_to]
        return [transfer for transfer in found if transfer is not None]

    @cached_property
    def start(self) -> Axis:
        """Periods read as the period of an order."""
        return self.period.renamed("start")

    @cached_property
    def hours(self) -> Table:
        return table(self.problem.calendar.hours, self.period, self.bucket)

    @cached_property
    def per_hour(self) -> Table:
        """1 / hours; 0 in the peak bucket."""
        hours = self.problem.calendar.hours
        return table(np.divide(1.0, hours, out=np.zeros_like(hours), where=hours > 0), self.period, self.bucket)

    @cached_property
    def months(self) -> Table:
        return table(self.problem.calendar.months, self.period)

    @cached_property
    def peak_load(self) -> Table:
        """[commodity] units per second that a share of 1 stands for."""
        return table([max(row.peak_load, 1e-12) for row in self.problem.commodities], self.commodity)

    @cached_property
    def replica_load(self) -> Table:
        """[cell] busy replicas at a share of 1."""
        rows = self.problem.commodities
        return self.per_cell([rows[c.commodity].peak_load / c.point.capacity_per_s for c in self.problem.cells])

    @cached_property
    def staffed_unit(self) -> Table:
        """[cell] replicas' worth that a staffed load of 1 stands for.

        One, but less where the whole load keeps less than one replica busy: else a load of a millionth would vanish
        in the solver's tolerance.
        """
        busy = self.replica_load.values
        return self.per_cell(np.where(busy > 0, np.minimum(busy, 1.0), 1.0).tolist())

    @cached_property
    def staffed_load(self) -> Table:
        """[cell] staffed load at a share of 1."""
        return self.per_cell((self.replica_load.values / self.staffed_unit.values).tolist())

    def later(self, flow: Expression) -> Expression:
        """Rows of all periods but the first."""
        return flow.part(self.period, slice(1, None))

    def earlier(self, flow: Expression) -> Expression:
        """Rows of the period before each of `later`, under the later label."""
        return flow.take(self.period, np.arange(len(self.period) - 1), self.period[1:])

    def first(self, flow: Expression) -> Expression:
        """Rows of the first period."""
        return flow.part(self.period, [0])

    def rise(self, cumulative: Expression) -> Expression:
        """[..., period] increase over the period before; all of it in the first."""
        before = np.maximum(np.arange(len(self.period)) - 1, 0)
        kept = table(np.arange(len(self.period)) > 0, self.period)
        return cumulative - cumulative.take(self.period, before, self.period) * kept


def _crossings(rows: list[tuple[float, float, float]], most: float) -> list[float]:
    found = []
    for k, (a, b, _) in enumerate(rows):
        for a2, b2, _ in rows[k + 1 :]:
            if a != a2 and 0 < (b2 - b) / (a - a2) < most:
                found.append((b2 - b) / (a - a2))
    return found


def _divides(sizes: Sequence[int], slots: int) -> bool:
    """Sizes form a chain of divisors of the node: then slots alone decide whether replicas fit."""
    chain = [slots, *sizes]
    return all(big % small == 0 for big, small in pairwise(chain))


def maximal_patterns(sizes: Sequence[int], slots: int) -> tuple[tuple[int, ...], ...]:
    """All ways to fill a node to which no further replica can be added (Gilmore-Gomory columns)."""
    found: list[tuple[int, ...]] = []

    def fill(k: int, left: int, counts: tuple[int, ...]) -> None:
        if k == len(sizes):
            if left < min(sizes):
                found.append(counts)
            return
        for count in range(left // sizes[k], -1, -1):
            fill(k + 1, left - count * sizes[k], (*counts, count))

    fill(0, slots, ())
    return tuple(found)
