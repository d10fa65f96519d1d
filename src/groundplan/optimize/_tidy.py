"""Integers follow what the plan does: what carries nothing is closed, unpaid and unstaffed.

Inside its gap a solver leaves idle replicas and links that are paid for nothing. None of these can be worth
keeping, and removing them only loosens what binds, so the plan stays feasible and never costs more.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from groundplan.optimize._algebra import Floats
from groundplan.optimize._batch import whole_gang
from groundplan.optimize._frame import Frame
from groundplan.optimize._model import Program
from groundplan.optimize._serving import link_of_cell, link_of_token

CARRIES = 1e-9


def tidy(made: Program, x: Floats) -> Floats:
    """A copy of the solution whose integer columns say no more than its continuous ones need."""
    f, out = made.frame, x.copy()
    view = {block.name: block.values(out) for block in made.columns.blocks}
    carries = view["load"].max(axis=2, initial=0.0) > CARRIES
    for row, (_, c) in enumerate(f.escapes):
        carries[c] |= view["escape"][row] > CARRIES
    _close(f, view, carries)
    _follow_sites(f, view)
    _follow_links(f, view, carries)
    for r, cell in enumerate(f.problem.batch_cells):
        runs = view["run"][r].max(axis=1) > CARRIES
        view["gang"][r] = runs if whole_gang(f, cell) else 0.0
    most = np.array([block.max_count for _, block in f.problem.blocks]).reshape(-1, 1)
    view["complete"][:] = view["built"] >= most - 0.5
    return out


def _close(f: Frame, view: dict[str, Floats], carries: np.ndarray) -> None:
    """Cells without load close; the others keep their tangent and the replicas that it asks for."""
    view["open"][:] = carries
    needed, unit = np.zeros(carries.shape), f.staffed_unit.values
    for k, (c, alpha, beta, _) in enumerate(f.tangents):
        view["pick"][k] *= carries[c]
        needed[c] += view["pick"][k] * (alpha * unit[c] * view["staffed"][k] + beta)
    for c, cell in enumerate(f.problem.cells):
        whole = np.array([ceil(value - 1e-7) for value in needed[c]])
        view["replicas"][c] = np.minimum(view["replicas"][c], np.maximum(whole, cell.least_replicas)) * carries[c]
    for g, pool in enumerate(f.problem.pools):
        mine = [c for c, cell in enumerate(f.problem.cells) if cell.pool == g and _survives(f, c)]
        view["critical"][g] = carries[mine].any(axis=0) & (pool.spare_nodes > 0) if mine else 0.0
    for k, group in enumerate(f.groups):
        if not group.patterns:
            cells = list(group.cells)
            size = [
                f.problem.cells[c].point.slots_per_replica * f.problem.cells[c].point.nodes_per_replica for c in cells
            ]
            view["held"][k] = np.ceil(
                np.array(size) @ view["replicas"][cells] / f.problem.pools[group.pool].slots - 1e-9
            )


def _survives(f: Frame, c: int) -> bool:
    return f.problem.commodities[f.problem.cells[c].commodity].workload.survives != "none"


def _follow_sites(f: Frame, view: dict[str, Floats]) -> None:
    """A site opens with its first node. People stay as they are: letting one go and training another costs."""
    for k, row in enumerate(f.problem.sites):
        nodes = view["installed"][list(row.pools)].sum(axis=0)
        view["opened"][k] = np.maximum.accumulate((nodes > 0.5) | row.starts_open)


def _follow_links(f: Frame, view: dict[str, Floats], carries: np.ndarray) -> None:
    """A link is paid from the first period in which a cell at its end is open, or a token API is used over it."""
    used = np.zeros((len(f.link), len(f.period)), dtype=bool)
    for c, link in enumerate(link_of_cell(f)):
        if link >= 0:
            used[link] |= carries[c]
    for c, link in enumerate(link_of_token(f)):
        if link >= 0:
            used[link] |= view["token"][c].max(axis=1) > CARRIES
    view["link_on"][:] = np.maximum.accumulate(used, axis=1)
