"""Why (not) there: the rule that refuses, or the interval of what it costs to force it (or to forbid it)."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal

import numpy as np

from groundplan.errors import Infeasible, Issue, LimitReached, NoPlanFound, SpecError
from groundplan.plan import Plan
from groundplan.problem import Choice, Floor, Problem, restricted, stocked
from groundplan.spec import Strict
from groundplan.study._base import Base, Planned, Progress

SHARE = 0.1
"""What is forced there. Less would hide behind the gap; all of it would ask another question."""

Answer = Literal["refused", "chosen", "dearer", "no-provable-difference", "impossible", "no-plan"]


class Refused(Strict):
    """One closed way with its proof."""

    origin: str
    server: str
    rule: str
    why: str


class Why(Strict):
    """The answer to ``why not there?``, or, where the plan is there already, to ``why there?``."""

    workload: str
    site: str
    hardware: str
    answer: Answer
    share: float
    """Of its volume that the plan serves there."""
    extra_usd: tuple[float, float] | None = None
    """Interval of what forcing a tenth there (or, where it is chosen, going elsewhere) adds to the cost."""
    proofs: tuple[Refused, ...] = ()
    reasons: tuple[str, ...] = ()
    """Of an impossible one: what stands against it."""

    @property
    def there_already(self) -> bool:
        """Then the interval is what going without costs."""
        return self.share >= SHARE


class Ways(Strict):
    """Open ways, by index in the problem."""

    cells: tuple[int, ...]
    batch_cells: tuple[int, ...]
    token_cells: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.cells or self.batch_cells or self.token_cells)


def why(
    base: Base,
    problem: Problem,
    first: Planned | None,
    workload: str,
    site: str,
    hardware: str = "",
    progress: Progress = lambda _: None,
) -> Why:
    """Why a workload is, or is not, served at a site (on a server model). Raises SpecError for unknown names.

    `first` is the plan as it is; it is made where it is needed and not given.
    A way that no rule closes is forced to carry a tenth of the volume that could go there, and planned again:
    the true difference lies in [bound with it - cost without, cost with it - bound without].
    """
    server = _checked(base, problem, workload, site, hardware)
    about = {"workload": workload, "site": site, "hardware": server}
    ways = _ways(problem, workload, site, server)
    if not ways:
        return Why(**about, answer="refused", share=0.0, proofs=_proofs(problem, workload, site, server))
    if first is None:
        progress("planning as it is")
        first = base.planned(problem, base.loaded)
    share = _share(first.plan, workload, site, server, problem)
    progress("planning with it" if share < SHARE else "planning without it")
    try:
        other = _with(base, problem, ways) if share < SHARE else _without(base, problem, ways)
    except Infeasible as error:
        answer: Answer = "impossible" if share < SHARE else "chosen"
        return Why(**about, answer=answer, share=share, reasons=tuple(issue.what for issue in error.issues))
    except (LimitReached, NoPlanFound) as error:
        return Why(**about, answer="no-plan", share=share, reasons=tuple(issue.what for issue in error.issues))
    extra = (other.bound_usd - first.usd, other.usd - first.bound_usd)
    proved: Answer = "dearer" if share < SHARE else "chosen"
    return Why(**about, answer=proved if extra[0] > 0 else "no-provable-difference", share=share, extra_usd=extra)


def _checked(base: Base, problem: Problem, workload: str, site: str, hardware: str) -> str:
    """The catalogue id of the hardware ('' for any)."""
    factory = problem.factory
    issues = [
        *_unknown("workload", workload, [row.id for row in factory.workloads]),
        *_unknown("site", site, [row.id for row in factory.sites]),
    ]
    if issues:
        raise SpecError(issues)
    if not hardware or hardware in {offer.id for offer in factory.token_offers}:
        return hardware
    return _server(base, problem, site, hardware)


def _server(base: Base, problem: Problem, site: str, hardware: str) -> str:
    """A server by its name, or by that of the accelerator in it."""
    catalog = base.catalog
    if catalog.servers.find(hardware) is None and (part := catalog.accelerators.find(hardware)) is not None:
        here = [pool.server.id for pool in problem.pools if pool.site.id == site and pool.server.accelerator == part.id]
        return here[0] if here else part.id
    return catalog.server(hardware).id


def _unknown(kind: str, name: str, known: list[str]) -> Iterable[Issue]:
    if name not in known:
        near = get_close_matches(name, known, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the file has {', '.join(known)}"
        yield Issue(f"unknown-{kind}", f"--{kind}", f"no {kind} {name!r} in the file", hint)


def _ways(problem: Problem, workload: str, site: str, server: str) -> Ways:
    def there(pool: int) -> bool:
        one = problem.pools[pool]
        return one.site.id == site and server in ("", one.server.id) and bool(stocked(problem, pool).any())

    commodities, jobs = problem.commodities, problem.jobs
    return Ways(
        cells=tuple(
            c
            for c, cell in enumerate(problem.cells)
            if there(cell.pool) and commodities[cell.commodity].workload.id == workload
        ),
        batch_cells=tuple(
            r
            for r, cell in enumerate(problem.batch_cells)
            if there(cell.pool) and jobs[cell.job].workload.id == workload
        ),
        token_cells=tuple(
            k
            for k, cell in enumerate(problem.token_cells)
            if (cell.offer.site, commodities[cell.commodity].workload.id) == (site, workload)
            and server in ("", cell.offer.id)
        ),
    )


def _share(plan: Plan, workload: str, site: str, server: str, problem: Problem) -> float:
    """Part of the volume (load x hours, or work) of a workload that a plan serves there."""
    hours = {
        (period.id, bucket): float(problem.calendar.hours[t, b])
        for t, period in enumerate(problem.calendar.periods)
        for b, bucket in enumerate(problem.calendar.bucket_ids)
    }
    speed = {point.id: point.capacity_per_s for point in plan.points}
    offers = {offer.id: offer.site for offer in problem.factory.token_offers}
    rows = [(r.site, r.server, r.units_per_s * hours[r.period, r.bucket]) for r in plan.loads if r.workload == workload]
    rows += [
        (offers[r.offer], r.offer, r.units_per_s * hours[r.period, r.bucket])
        for r in plan.tokens
        if r.workload == workload
    ]
    rows += [(r.site, r.server, r.gang_hours * speed[r.point]) for r in plan.batch if r.workload == workload]
    total = sum(volume for *_, volume in rows)
    return sum(v for s, h, v in rows if s == site and server in ("", h)) / total if total else 0.0


def _proofs(problem: Problem, workload: str, site: str, server: str) -> tuple[Refused, ...]:
    rows = [
        row for row in problem.refusals if (row.workload, row.site) == (workload, site) and server in ("", row.server)
    ]
    found = [Refused(origin=row.origin, server=row.server, rule=row.rule, why=row.why) for row in rows]
    if found:
        return tuple(found)
    what = f"no offer puts {server or 'any server'} at {site}, and none stands there"
    return (Refused(origin="", server=server, rule="no-offer", why=what),)


def _with(base: Base, problem: Problem, ways: Ways) -> Planned:
    """The best plan in which the ways carry a tenth of what they may."""
    open_in = [
        *(problem.cells[c].allowed & stocked(problem, problem.cells[c].pool) for c in ways.cells),
        *(problem.batch_cells[r].allowed & stocked(problem, problem.batch_cells[r].pool) for r in ways.batch_cells),
        *(problem.token_cells[k].allowed for k in ways.token_cells),
    ]
    periods = tuple(int(t) for t in np.flatnonzero(np.logical_or.reduce(open_in)))
    floor = Floor(SHARE, periods, ways.cells, ways.batch_cells, ways.token_cells)
    return base.planned(problem, base.loaded, floor)


def _without(base: Base, problem: Problem, ways: Ways) -> Planned:
    """The best plan that leaves the ways alone."""
    choice = Choice.all_of(problem)
    for mask, closed in (
        (choice.cells, ways.cells),
        (choice.batch_cells, ways.batch_cells),
        (choice.token_cells, ways.token_cells),
    ):
        mask[list(closed)] = False
    return base.planned(restricted(problem, choice), base.loaded)
