"""Why no plan exists: elastic groups, then a deletion filter, then the least that each limit would have to give.

The elastic filter (Chinneck and Dravnieks, 1991): solve with give everywhere, enforce what gave, until nothing is
left that could; what is enforced then holds a conflict, and deleting limits one by one leaves an irreducible one.
That is for the linear relaxation; what only whole numbers forbid is found by QuickXplain on the integer program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np

from groundplan.optimize._elastic import NODES, Elastic, Rows, elastic, roomy_program, rows_by_name
from groundplan.optimize._groups import Group, groups, late
from groundplan.optimize._highs import Floats, Stop
from groundplan.optimize._model import Program
from groundplan.problem import Change, Conflict, Diagnosis, Problem, Relaxation, with_lead

Progress = Callable[[str], None]
CHECK_S = 6.0
SEARCH_S = 2.5
"""For each question of a search: a plan is found, or ruled out, in about a second, or in minutes."""
LATER_S = 8.0
LEAST_S = 0.5
SEARCH_SHARE = 0.5
MOST_CONFLICTS = 3
GAP = 0.01
MOST_NAMED = 6
USED = 1e-6
ASKED = frozenset({"demand", "work", "floor", "failover", "survival"})
"""Kinds of limits by which a file asks for something; all others are caps."""


@dataclass(frozen=True)
class Case:
    """A program with give, the limits that may, and the columns that let go of demand period by period."""

    problem: Problem
    made: Program
    model: Elastic
    limits: tuple[Group, ...]
    places: dict[str, Rows]
    clock: Clock

    def every(self) -> range:
        return range(len(self.limits))

    def late(self, demand: int) -> int:
        """Position of the group of columns that let go of a demand period by period."""
        return len(self.limits) + demand

    def holds(self, free: Iterable[int] = (), columns: Iterable[int] = (), seconds: float = CHECK_S) -> bool | None:
        """Whether a plan exists with some limits open; None where it is not known in time."""
        return None if self.clock.out else self.model.has_plan(free, self.clock.stop(seconds), columns)

    def alone(self, enforced: Iterable[int], columns: Iterable[int] = (), seconds: float = CHECK_S) -> bool | None:
        """Whether a plan exists under these limits alone; None where it is not known in time."""
        return self.holds(sorted(set(self.every()) - set(enforced)), columns, seconds)


@dataclass(frozen=True)
class Clock:
    """Wall time that the whole diagnosis may take, and its first part, the search for conflicts."""

    searched: float
    ends: float

    def left(self) -> float:
        return max(self.ends - monotonic(), LEAST_S)

    @property
    def out(self) -> bool:
        """Whether nothing more should be begun."""
        return monotonic() > self.ends - LEAST_S

    @property
    def search_out(self) -> bool:
        return monotonic() > self.searched

    def stop(self, seconds: float, gap: float = GAP) -> Stop:
        return Stop(gap, NODES, min(seconds, self.left()))


def diagnose(problem: Problem, seconds: float, progress: Progress = lambda _: None) -> Diagnosis | None:
    """Conflicts and least relaxations of a problem without a plan; None where no conflict is found in time.

    Each relaxation was solved for with everything else as it stands. At most about `seconds` of wall time; what it
    cuts short says so (`irreducible`, `least`).
    """
    case = case_of(problem, seconds)
    found: list[tuple[list[int], bool]] = []
    freed: set[int] = set()
    while len(found) < MOST_CONFLICTS:
        progress(f"looking for conflict {len(found) + 1}")
        conflict = _conflict(case, freed)
        if conflict is None:
            break
        found.append(conflict)
        limits = {k for k in conflict[0] if case.limits[k].demand is None}
        freed |= limits or set(conflict[0])
        if case.clock.search_out:
            break
    if not found:
        return None
    progress("measuring what each limit would have to give")
    named = list(dict.fromkeys(k for members, _ in found for k in members))
    relaxations = _relaxations(case, named)
    alone = any(row.enough for row in relaxations if row.kind not in ("demand", "work", "start"))
    together = () if alone else _together(case, [k for k in named if case.limits[k].demand is None])
    conflicts = tuple(_said(case, members, irreducible) for members, irreducible in found)
    return Diagnosis(conflicts=conflicts, relaxations=tuple(relaxations), together=together)


def case_of(problem: Problem, seconds: float) -> Case:
    """The elastic program of a problem."""
    clock = Clock(monotonic() + SEARCH_SHARE * seconds, monotonic() + seconds)
    made, arrays = roomy_program(problem)
    places = rows_by_name(made)
    limits = groups(made.frame, places)
    columns = [*(group.gives for group in limits), *late(made.frame, places)]
    return Case(problem, made, elastic(made, arrays, columns), limits, places, clock)


def _conflict(case: Case, freed: set[int]) -> tuple[list[int], bool] | None:
    """Limits that rule out every plan, and whether each of them is needed for that; None where there are none."""
    enforced = _elastic_filter(case, freed)
    return _deletion_filter(case, enforced) if enforced is not None else _whole_conflict(case, freed)


def _elastic_filter(case: Case, freed: set[int]) -> set[int] | None:
    """Enforce what gives until nothing can: the enforced limits hold a conflict. None: the relaxation has a plan."""
    enforced: set[int] = set()
    while True:
        free = [k for k in case.every() if k not in enforced]
        price = case.model.price_of(k for k in free if k not in freed)
        answer = case.model.solve(free, case.clock.stop(CHECK_S), price=price, relaxed=True)
        if answer.status == "infeasible":
            return enforced
        gave = {
            k
            for k in free
            if answer.x is not None and k not in freed and case.model.given(answer.x, k).max(initial=0.0) > USED
        }
        if not gave:
            return None
        enforced |= gave


def _whole_conflict(case: Case, freed: set[int]) -> tuple[list[int], bool] | None:
    """What only whole numbers forbid, by QuickXplain (Junker, 2004): first the caps beside all that is asked for,
    then as little of what is asked for as those caps refuse. What time cuts short stays in the conflict.
    """
    wanted = [k for k in case.every() if k not in freed and case.limits[k].limit.kind in ASKED]
    caps = [k for k in case.every() if k not in freed and k not in wanted]
    if freed and case.alone([*wanted, *caps]) is not False:
        return None
    search = Search(case)
    kept = search.least(wanted, True, caps)
    return sorted([*search.least(kept, True, wanted), *kept]), search.sure


@dataclass
class Search:
    """QuickXplain over limits; `sure` turns False when a question was not answered in time."""

    case: Case
    sure: bool = True

    def least(self, background: list[int], changed: bool, candidates: list[int]) -> list[int]:
        """A least part of the candidates that, with the background, rules out every plan; all of them together do."""
        if changed and background and self._impossible(background):
            return []
        if len(candidates) <= 1:
            return candidates
        half = len(candidates) // 2
        first, second = candidates[:half], candidates[half:]
        of_second = self.least([*background, *first], True, second)
        of_first = self.least([*background, *of_second], bool(of_second), first)
        return [*of_first, *of_second]

    def _impossible(self, limits: list[int]) -> bool:
        possible = None if self.case.clock.search_out else self.case.alone(limits, seconds=SEARCH_S)
        self.sure = self.sure and possible is not None
        return possible is False


def _deletion_filter(case: Case, enforced: set[int]) -> tuple[list[int], bool]:
    """Drop each limit without which the others still rule out every plan, least telling ones first."""
    kept, sure = sorted(enforced), True
    for k in sorted(enforced, reverse=True):
        without = [other for other in kept if other != k]
        possible = case.alone(without)
        if possible is False:
            kept = without
        sure = sure and possible is not None
    return kept, sure


def _relaxations(case: Case, named: Sequence[int]) -> list[Relaxation]:
    """The least of each limit, caps first: they are what a user can most often change, should time run out."""
    rows: list[Relaxation] = []
    for n, k in enumerate(sorted(named, key=lambda k: case.limits[k].limit.kind in ASKED)):
        seconds = min(CHECK_S * 2, max(case.clock.left() / 2, case.clock.left() / (len(named) - n)))
        if case.clock.out:
            rows.append(_none(case.limits[k], known=False))
        elif case.limits[k].limit.kind == "lead":
            rows.append(_lead(case, k))
        else:
            rows += _least(case, [k], seconds)
        demand = case.limits[k].demand
        if demand is not None and demand < len(case.problem.commodities) and case.clock.left() > LATER_S:
            rows += _later(case, k, demand)
    return rows


def _least(case: Case, opened: list[int], seconds: float) -> list[Relaxation]:
    """The least that some limits must give, all else as it stands; one row each."""
    price = case.model.price_of(opened, even=len(opened) == 1)
    if case.model.solve(opened, case.clock.stop(CHECK_S), relaxed=True).status == "infeasible":
        return [_none(case.limits[k]) for k in opened]
    answer = case.model.solve(opened, case.clock.stop(seconds), price=price)
    if answer.x is None:
        return [_none(case.limits[k], known=answer.status == "infeasible") for k in opened]
    least = answer.status == "optimal"
    return [_gives(case, k, answer.x, least) for k in opened]


def _none(group: Group, *, known: bool = True) -> Relaxation:
    limit = group.limit
    why = "no change of this alone is enough" if known else "whether a change of this alone is enough is not known"
    return Relaxation(
        kind=limit.kind, id=limit.id, text=f"{limit.title}: {why}", enough=False, amount=None, unit=group.unit,
        least=known,
    )  # fmt: skip


def _gives(case: Case, k: int, x: Floats, least: bool) -> Relaxation:
    group = case.limits[k]
    amount = group.rounded(float(case.model.given(x, k).max(initial=0.0)))
    text = group.said(amount) if least else f"at most {group.said(amount)}"
    return Relaxation(
        kind=group.limit.kind,
        id=group.limit.id,
        text=text,
        enough=True,
        amount=amount,
        unit=group.unit,
        period=_first_used(case, k, x),
        least=least,
        changes=group.changes(amount),
    )


def _first_used(case: Case, k: int, x: Floats) -> str:
    """The first period in which a row that the limit loosens has nothing left."""
    group = case.limits[k]
    if group.demand is not None:
        return ""
    spent: list[int] = []
    for name, values in group.gives[0].parts:
        place = case.places[name]
        where = [n for n, axis in enumerate(place.axes) if axis.name == "period"]
        if not where:
            continue
        constraint = dict(case.made.rows)[name]
        loose = constraint.left.values(x[: case.made.columns.width])
        loose = loose + np.broadcast_to(values, place.shape) * case.model.given(x, k)[0]
        tight = (np.abs(loose) < 1e-5) & (np.broadcast_to(values, place.shape) != 0)
        axes = tuple(n for n in range(tight.ndim) if n != where[0])
        labels = place.axes[where[0]].labels
        spent += [case.made.frame.period.labels.index(labels[t]) for t in np.flatnonzero(tight.any(axis=axes))]
    return case.made.frame.period.labels[min(spent)] if spent else ""


def _lead(case: Case, k: int) -> Relaxation:
    """The longest lead time with which a plan exists, by bisection: a shorter one never hurts."""
    group = case.limits[k]
    offer = next(row for row in case.problem.factory.purchases if row.id == group.limit.id)

    def works(months: int) -> bool:
        made, arrays = roomy_program(with_lead(case.problem, offer.id, months))
        return bool(elastic(made, arrays, []).has_plan((), case.clock.stop(CHECK_S)))

    if not works(0):
        return _none(group, known=not case.clock.out)
    low, high = 0, offer.lead_months
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if works(middle) else (low, middle)
    return Relaxation(
        kind="lead",
        id=offer.id,
        text=group.said(low),
        enough=True,
        amount=float(low),
        unit="months",
        changes=group.changes(low),
    )


def _later(case: Case, k: int, demand: int) -> list[Relaxation]:
    """The first month from which a demand can be served, where serving it later is enough."""
    span = case.model.spans[case.late(demand)]
    active = np.flatnonzero(case.problem.commodities[demand].load[:, -1] > 0)
    low, high = int(active[0]), int(active[-1])
    if low == high or not case.holds((), span[:high]):
        return []
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if not case.holds((), span[:middle]) else (low, middle)
    return [_start(case, k, case.made.frame.period.labels[high])]


def _start(case: Case, k: int, period: str) -> Relaxation:
    limit = case.limits[k].limit
    workload = case.problem.factory.workloads[int(limit.path[1])]
    demand = workload.demand[int(limit.path[3])]
    old = getattr(demand, "from_month", None) or case.problem.factory.start
    field = f"workloads[{workload.id}].demand[{demand.origin}].from_month"
    change = Change(path=(*limit.path, "from_month"), field=field, old=old, new=period[:7])
    text = f"start {limit.title} later: {change}"
    return Relaxation(
        kind="start", id=limit.id, text=text, enough=True, amount=None, unit="", period=period, changes=(change,)
    )


def _together(case: Case, limits: list[int]) -> tuple[Relaxation, ...]:
    """Changes of several limits that are enough together, small against the limits as they are."""
    measured = [k for k in limits if case.limits[k].limit.kind != "lead"]
    rows = _least(case, measured, CHECK_S * 1.5) if measured else []
    return tuple(row for row in rows if row.amount)


def _said(case: Case, members: list[int], irreducible: bool) -> Conflict:
    limits = [case.limits[k].limit for k in members]
    period = _first_period(case, members)
    names = [limit.title for limit in limits]
    asked = [limit.title for limit in limits if limit.kind in ASKED]
    tail = f"; first in {period}" if period else ""
    if not irreducible and len(asked) > MOST_NAMED:
        caps = [limit.title for limit in limits if limit.kind not in ASKED]
        names = [f"what the file asks for ({len(asked)} limits)", *caps]
        tail += " (not narrowed down further in the time allowed)"
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    verb = "cannot all hold" if len(names) > 2 else "cannot both hold" if len(names) == 2 else "cannot hold"
    return Conflict(limits=tuple(limits), text=f"{listed} {verb}{tail}", period=period, irreducible=irreducible)


def _first_period(case: Case, members: list[int]) -> str:
    """The first period whose demand, with all demand before it, is too much for the other limits."""
    demands = [case.limits[k].demand for k in members]
    spans = [case.model.spans[case.late(demand)] for demand in demands if demand is not None]
    low, high = -1, case.problem.periods - 1
    if not spans or not case.alone(members, [column for span in spans for column in span]):
        return ""
    while high - low > 1:
        middle = (low + high) // 2
        after = [column for span in spans for column in span[middle + 1 :]]
        low, high = (low, middle) if case.alone(members, after) is False else (middle, high)
    return case.made.frame.period.labels[high]
