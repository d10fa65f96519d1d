"""Why a file has no plan: by its mask where nothing may serve a load, by its limits where too much is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from time import monotonic

import numpy as np

from groundplan.catalog import Catalog
from groundplan.errors import GroundplanError
from groundplan.optimize import diagnose as diagnose_limits
from groundplan.optimize import has_plan
from groundplan.problem import (
    Change,
    Conflict,
    Diagnosis,
    Limit,
    Pool,
    Problem,
    Reason,
    Relaxation,
    Way,
    applied,
    rebuilt,
)
from groundplan.spec import LoadedSpec
from groundplan.study._expected import NOT_ENOUGH, at_expected_speeds, slowed
from groundplan.study._obstacles import Ask, Lift, Obstacle, export, law, quoted, room, way
from groundplan.study._speed import Bench, speed

Progress = Callable[[str], None]
SECONDS = 55.0
CHECK_S = 8.0
SPEEDS_S = 20.0
"""Of the time, what is kept to see whether expected speeds would do."""
MOST_TRIED = 6
MOST_GOOD = 3
EASED = 2.0
"""Factor by which a level is eased further where a server that just meets it carries too little."""


@dataclass(frozen=True)
class Candidate:
    """One way to serve a load, with all that stands in its way."""

    ask: Ask
    site: str
    server: str
    obstacles: tuple[Obstacle, ...]


def diagnose(
    loaded: LoadedSpec, catalog: Catalog, problem: Problem, progress: Progress = lambda _: None
) -> Diagnosis | None:
    """Explain a problem that `build` (see `Uncovered.problem`) or `solve` found infeasible; None: not in time.

    About a minute at most on the example. Each relaxation that says `enough` was applied and solved.
    """
    asks = unserved(loaded, catalog.for_file(loaded), problem)
    if not asks:
        return _too_much(loaded, catalog, problem, progress)
    found: list[list[Candidate]] = []
    for ask in asks:
        progress(f"what stands in the way of {ask.key}")
        found.append(sorted(candidates(ask), key=lambda row: len(row.obstacles)))
    quick = _faster(loaded, catalog, problem, asks, progress)
    judge = _Judge(loaded, catalog, problem, tuple(asks), monotonic() + SECONDS - SPEEDS_S * bool(quick))
    rows = _relaxations(found[0], judge, progress) if len(asks) == 1 else _joint(found, judge, progress)
    return Diagnosis(
        conflicts=tuple(_conflict(ask, mine) for ask, mine in zip(asks, found, strict=True)),
        relaxations=(*quick, *rows),
        ways=tuple(_way(row) for mine in found for row in mine),
    )


def _faster(
    loaded: LoadedSpec, catalog: Catalog, problem: Problem, asks: Sequence[Ask], progress: Progress
) -> list[Relaxation]:
    """Expected speeds, where they let the loads that wait be served."""
    waiting = {ask.workload.id for ask in asks}
    if waiting.isdisjoint(slowed(problem)):
        return []
    row = at_expected_speeds(loaded, catalog, problem, waiting, progress)
    return [row] if row.enough or not row.least else []


def _too_much(loaded: LoadedSpec, catalog: Catalog, problem: Problem, progress: Progress) -> Diagnosis | None:
    """Limits that cannot all hold; where speeds are planned below expectation, whether that is what is too much."""
    if not slowed(problem):
        return diagnose_limits(problem, seconds=SECONDS, progress=progress)
    found = diagnose_limits(problem, seconds=SECONDS - SPEEDS_S, progress=progress)
    if found is None:
        return None
    named = {limit.id.split("@")[0] for conflict in found.conflicts for limit in conflict.limits}
    row = at_expected_speeds(loaded, catalog, problem, named, progress)
    return found.model_copy(update={"relaxations": (row, *found.relaxations)})


def unserved(loaded: LoadedSpec, catalog: Catalog, problem: Problem) -> list[Ask]:
    """Loads for which law, way or speed leave nothing, whatever could be bought."""
    found = []
    for i, commodity in enumerate(problem.commodities):
        cells = [c.allowed for c in (*problem.cells, *problem.token_cells) if c.commodity == i]
        open_ = np.any(cells, axis=0) if cells else np.zeros(problem.periods, dtype=bool)
        missing = np.flatnonzero((commodity.load[:, -1] > 0) & ~open_)
        if missing.size and commodity.workload.required:
            periods = tuple(int(t) for t in missing)
            found.append(
                Ask(loaded, catalog, problem, commodity.workload, commodity.origin, periods, commodity.peak_load)
            )
    for j, job in enumerate(problem.jobs):
        cells = [c.allowed for c in problem.batch_cells if c.job == j]
        open_ = np.any(cells, axis=0) if cells else np.zeros(problem.periods, dtype=bool)
        missing = [t for window in job.windows if not open_[list(window.periods)].any() for t in window.periods]
        if missing:
            found.append(Ask(loaded, catalog, problem, job.workload, job.origin, tuple(missing), 0.0))
    return found


def candidates(ask: Ask) -> Iterator[Candidate]:
    """Every site and server, and every token API, that the file offers, with every rule against it."""
    bench = Bench(ask)
    for site in ask.factory.sites:
        named = [o.server for o in ask.factory.purchases if site.id in o.sites]
        named += [o.server for o in ask.factory.rentals if o.site == site.id]
        named += [o.server for o in ask.factory.existing if site.id in {move.to for move in o.moves}]
        held = {ask.catalog.server(o.server).id for o in ask.factory.existing if o.site == site.id}
        held |= {pool.server.id for pool in ask.problem.pools if pool.site.id == site.id and pool.transfers}
        servers = dict.fromkeys([*(ask.catalog.server(name).id for name in named), *sorted(held)])
        legal, (way_ms, crossed) = list(law(ask, site)), way(ask, site)
        for name in servers:
            server = ask.catalog.server(name)
            bought = () if name in held else (*export(ask, site, server), *room(ask, site, server))
            fast = speed(bench, site, server, way_ms)
            yield Candidate(ask, site.id, name, (*bought, *legal, *crossed, *fast))
        for offer in ask.factory.token_offers:
            if offer.site == site.id and ask.workload.id in offer.workloads:
                yield Candidate(ask, site.id, offer.id, (*legal, *crossed, *quoted(ask, offer, way_ms)))


def _way(row: Candidate) -> Way:
    reasons = tuple(
        Reason(rule=o.key if o.kind in ("residency", "export") else o.kind, why=o.why) for o in row.obstacles
    )
    return Way(workload=row.ask.workload.id, origin=row.ask.origin, site=row.site, server=row.server, reasons=reasons)


def _conflict(ask: Ask, found: Sequence[Candidate]) -> Conflict:
    """The load, and the fewest rules found that together close every way that anything could open."""
    ways = [{(o.kind, o.key): o for o in row.obstacles} for row in found if not _hopeless(row)]
    closing = _covering([set(mine) for mine in ways])
    first = {key: next(mine[key] for mine in ways if key in mine) for key in closing}
    period = ask.problem.calendar.periods[ask.periods[0]].id
    name = f"{ask.workload.id} from {ask.origin}"
    limits = [Limit(kind=kind, id=key, title=row.why, path=row.path) for (kind, key), row in first.items()]
    demand = Limit(kind="demand", id=ask.key, title=name, path=("workloads", ask.index))
    said = "; ".join(limit.title for limit in limits) or "no offer of the file can run it"
    text = f"nothing can serve {name} in {period}: {said}"
    return Conflict(limits=(demand, *limits), text=text, period=period, irreducible=True)


def _hopeless(row: Candidate) -> bool:
    """A server of the wrong kind, or one without the figures to judge it."""
    return any(obstacle.kind in ("kind", "missing-figure") for obstacle in row.obstacles)


def _covering(ways: Sequence[set[tuple[str, str]]]) -> list[tuple[str, str]]:
    """Rules that close every way, none of them in vain: those that close most first, then what is not needed goes."""
    closing: list[tuple[str, str]] = []
    left = [mine for mine in ways if mine]
    while left:
        counts = Counter(key for mine in left for key in sorted(mine))
        closing.append(max(counts, key=lambda key: counts[key]))
        left = [mine for mine in left if closing[-1] not in mine]
    for key in list(closing):
        if all(mine & (set(closing) - {key}) for mine in ways):
            closing.remove(key)
    return closing


@dataclass(frozen=True)
class _Judge:
    """Applies changes and asks whether a plan exists then."""

    loaded: LoadedSpec
    catalog: Catalog
    problem: Problem
    asks: tuple[Ask, ...]
    ends: float

    def late(self) -> bool:
        """Whether the time is spent."""
        return monotonic() > self.ends - 1.0

    def enough(self, changes: Sequence[Change], rows: Sequence[Candidate]) -> bool | None:
        """Speeds are worked out anew for the loads that wait, on the servers and at the sites of `rows`, and where
        the load arises. None: not known in time.
        """
        waiting = {(ask.workload.id, ask.origin) for ask in self.asks}
        places = {row.site for row in rows} | {row.server for row in rows}

        def again(workload: str, origin: str, pool: Pool) -> bool:
            near = not places.isdisjoint((pool.site.id, pool.server.id)) or pool.site.id == origin
            return (workload, origin) in waiting and near

        try:
            factory = applied(self.loaded.factory, changes)
            problem = rebuilt(self.loaded, self.catalog, self.problem, factory, again)
        except (GroundplanError, ValueError):
            return False
        left = self.ends - monotonic()
        return has_plan(problem, min(CHECK_S, left)) if left > 1 else None


Step = tuple[Candidate, Sequence[Lift]]
"""A way, and what would lift all that is against it."""


def _relaxations(found: Sequence[Candidate], judge: _Judge, progress: Progress) -> Iterator[Relaxation]:
    """The ways nearest to being allowed, those that ask least first; more distant ones only where none of them will."""
    seen: set[str] = set()
    for distance in sorted({len(row.obstacles) for row in found}):
        near = [row for row in found if len(row.obstacles) == distance and not _hopeless(row)]
        good = 0
        for row, lifts in _options(near, progress):
            name = str([str(change) for change in _distinct(lifts)])
            if name in seen:
                continue
            if good >= MOST_GOOD or len(seen) >= MOST_TRIED or judge.late():
                break
            seen.add(name)
            made = _tried([(row, lifts)], judge)
            good += made.enough
            yield made
        if good:
            return


def _options(near: Sequence[Candidate], progress: Progress) -> Iterator[Step]:
    """Ways with what would lift all that is against them, least burden first; worked out as they are asked for."""
    for row in sorted(near, key=lambda row: sum(obstacle.burden for obstacle in row.obstacles)):
        progress(f"what would let {row.server} at {row.site} serve {row.ask.key}")
        yield from ((row, lifts) for lifts in product(*(obstacle.lifts() for obstacle in row.obstacles)))


def _joint(found: Sequence[Sequence[Candidate]], judge: _Judge, progress: Progress) -> Iterator[Relaxation]:
    """Several loads are served nowhere: one step for each, first steps of one kind for all, then the easiest ones."""
    kinds = [_first_of_each_kind(mine, progress) for mine in found]
    shared = [kind for kind in kinds[0] if all(kind in mine for mine in kinds)]
    shared.sort(key=lambda kind: kind != "latency")  # a level eased once is eased for every load
    choices = [[mine[kind] for mine in kinds] for kind in shared]
    if all(kinds):
        choices.append([next(iter(mine.values())) for mine in kinds])
    seen: set[str] = set()
    for steps in choices:
        name = str(_changes(steps))
        if name not in seen and not judge.late():
            seen.add(name)
            made = _tried(steps, judge)
            yield made
            if made.enough:
                return


def _first_of_each_kind(found: Sequence[Candidate], progress: Progress) -> dict[str, Step]:
    """The least burden of each kind of step, from the two least numbers of obstacles."""
    kinds: dict[str, Step] = {}
    for distance in sorted({len(row.obstacles) for row in found if not _hopeless(row)})[:2]:
        near = [row for row in found if len(row.obstacles) == distance and not _hopeless(row)]
        for row in sorted(near, key=lambda row: sum(obstacle.burden for obstacle in row.obstacles)):
            asked = "+".join(obstacle.kind for obstacle in row.obstacles)
            if asked not in kinds and (step := next(_options([row], progress), None)):
                kinds[asked] = step
    return kinds


def _changes(steps: Sequence[Step]) -> tuple[Change, ...]:
    return _distinct([lift for _, lifts in steps for lift in lifts])


def _distinct(lifts: Sequence[Lift]) -> tuple[Change, ...]:
    """Each edit once; of two figures for one field the larger, which allows more."""
    found: dict[str, Change] = {}
    for lift in lifts:
        for change in lift.changes:
            name = str(change) if change.path[-1] == "+" else str(change.path)
            other = found.get(name)
            larger = other is not None and isinstance(change.new, (int, float)) and change.new > other.new
            if other is None or larger:
                found[name] = change
    return tuple(found.values())


def _tried(steps: Sequence[Step], judge: _Judge) -> Relaxation:
    """A level that a server just meets may carry too little: it is eased until a plan exists."""
    least = changes = _changes(steps)
    rows, lifts = [row for row, _ in steps], [lift for _, lifts in steps for lift in lifts]
    verdict = judge.enough(changes, rows)
    for _ in range(2):
        if verdict is not False or judge.late() or not any(lift.kind == "latency" for lift in lifts):
            break
        changes = tuple(_eased(change) for change in changes)
        verdict = judge.enough(changes, rows)
    kinds = {lift.kind for lift in lifts}
    amount = lifts[0].amount if len(lifts) == 1 and changes == least else None
    return Relaxation(
        kind=kinds.pop() if len(kinds) == 1 else "several", id=" and ".join(row.ask.key for row in rows),
        text=_words(steps, changes, eased=changes != least, verdict=verdict), enough=bool(verdict), amount=amount,
        unit=lifts[0].unit if amount is not None else "", least=changes == least and verdict is not None,
        changes=changes,
    )  # fmt: skip


def _words(steps: Sequence[Step], changes: Sequence[Change], *, eased: bool, verdict: bool | None) -> str:
    just = " would just do, eased on until it carries the load," if eased else ","
    parts = [
        f"{' and '.join(lift.text for lift in lifts)}{just} for {row.server} at {row.site}" for row, lifts in steps
    ]
    return f"{'; '.join(dict.fromkeys(parts))}: {'; '.join(map(str, changes))}{NOT_ENOUGH[verdict]}"


def _eased(change: Change) -> Change:
    level = "service_level" in change.path
    return change.model_copy(update={"new": float(f"{change.new * EASED:.3g}")}) if level else change
