"""The funding ladder: what capped money serves, by priority and value, and what the next million buys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field

from groundplan.catalog import Catalog
from groundplan.errors import Infeasible, Issue, NoPlanFound, RuleBroken, SpecError
from groundplan.finance import cash_by_year
from groundplan.optimize import fund as solve_goals
from groundplan.plan import CAPEX_LINES, Plan
from groundplan.problem import Goals, Problem, Uncovered, all_optional, asked, goals_of, granted
from groundplan.spec import Budgets, LoadedSpec, Strict
from groundplan.study._base import Base, Planned, Progress
from groundplan.study._diagnose import diagnose
from groundplan.verify import verify

STEP_USD = 1_000_000.0
SEEN = 0.001
"""A share that moves by less is said to stay."""
NOTHING = "nothing more"


class ServedShare(Strict):
    """How much of a workload a plan serves: of its volume (load x hours, or work) over the whole plan."""

    workload: str
    priority: int
    share: float


class YearMoney(Strict):
    """Money of a plan year (from 1), in US dollars."""

    year: int
    cash_usd: float
    capex_usd: float
    beyond_usd: float
    """Beyond the tighter of the caps of that year."""


class Rung(Strict):
    """The plan at one level of money."""

    added_usd: float | None
    """Beyond the caps, for whichever plan years; None: as much as is needed."""
    served: tuple[ServedShare, ...]
    buys: str
    """In words, against the rung before."""
    objective_usd: float
    bound_usd: float
    gap: float
    evaluated_usd: float
    """By `verify`, which found no fault."""
    years: tuple[YearMoney, ...]

    @property
    def beyond_usd(self) -> float:
        return sum(row.beyond_usd for row in self.years)


class Ladder(Strict):
    """What the budgets of a file serve, and what more money would."""

    format: Literal["groundplan-ladder-1"] = "groundplan-ladder-1"
    name: str
    spec_hash: str
    catalog_hash: str
    step_usd: float
    rungs: tuple[Rung, ...] = Field(min_length=1)
    """The caps as they are first, then one step more each."""
    ample: Rung
    """The same without the caps."""
    end: str
    """Why the ladder ends where it does, and what all of it takes."""
    limits: tuple[str, ...] = ()
    """What holds back the rest, where money does not."""


@dataclass(frozen=True)
class Laddered:
    """The ladder with its plans: one of each rung, then that without caps; and the files that they answer."""

    ladder: Ladder
    plans: tuple[Planned, ...]
    files: tuple[LoadedSpec, ...]


@dataclass(frozen=True)
class _Step:
    """One solve: the plan judged, the file it was judged under, and what the next solve needs."""

    planned: Planned
    loaded: LoadedSpec
    scores: tuple[float, ...]
    x: Any
    shares: tuple[float, ...]
    """By commodity, then by job."""


def fund(
    loaded: LoadedSpec,
    catalog: Catalog,
    *,
    steps: int = 3,
    step_usd: float = STEP_USD,
    speeds: Base | None = None,
    progress: Progress = lambda _: None,
) -> Laddered:
    """What the budgets of a file serve when every workload may be shed, and what each further step of money buys.

    `docs/conventions.md` (Funding) says in which order money is spent. `speeds`: tables of the same file at other
    money, else they are worked out. Raises SpecError for a file without budgets
    in money, Infeasible where they do not even hold what stands today, NoPlanFound.
    """
    caps = loaded.factory.budgets
    if not (caps.capex_usd_by_year or caps.cash_usd_by_year):
        what = "no budget in money: capex_usd_by_year and cash_usd_by_year are blank"
        raise SpecError(Issue("no-budget", "budgets", what, "state the money of each plan year that is capped"))
    maker = _Maker.of(loaded, catalog, speeds, progress)
    progress("planning without the caps")
    ample, whole, limits = maker.ample(progress)
    most = Goals(maker.goals.goals, *maker.split(maker.most(ample) if whole else None))
    found = [maker.step(most, 0.0, [ample], progress)]
    while len(found) <= steps and not _reached(found[-1], ample):
        added = step_usd * len(found)
        progress(f"planning with USD {added:,.0f} more")
        found.append(maker.step(most, added, [found[-1], ample], progress))
    rungs = [maker.rung(step, step_usd * k, found[k - 1] if k else None) for k, step in enumerate(found)]
    last = maker.rung(ample, None, found[-1])
    if not whole and not limits:
        limits = tuple(maker.held_back(progress))
    every = [*found, ample]
    ladder = Ladder(
        name=loaded.factory.name,
        spec_hash=loaded.spec_hash,
        catalog_hash=ample.planned.plan.catalog_hash,
        step_usd=step_usd,
        rungs=tuple(rungs),
        ample=last,
        end=_end(rungs[-1], last, _reached(found[-1], ample), whole),
        limits=limits,
    )
    return Laddered(ladder, tuple(step.planned for step in every), tuple(step.loaded for step in every))


def _reached(step: _Step, ample: _Step) -> bool:
    """Whether more money serves no more: each share is what it is without caps."""
    return all(abs(a - b) < SEEN for a, b in zip(step.shares, ample.shares, strict=True))


@dataclass(frozen=True)
class _Maker:
    """The file in which all may be shed, with its tables, and the goals."""

    given: LoadedSpec
    base: Base
    problem: Problem
    goals: Goals

    @staticmethod
    def of(loaded: LoadedSpec, catalog: Catalog, speeds: Base | None, progress: Progress) -> _Maker:
        optional = _derived(loaded, "all may be shed", factory=all_optional(loaded.factory))
        if speeds is None:
            base, problem = Base.of(optional, catalog, progress)
        else:
            base = replace(speeds, loaded=optional)
            problem = base.problem(optional)
        goals = Goals(goals_of(problem), (1.0,) * len(problem.commodities), (1.0,) * len(problem.jobs))
        return _Maker(loaded, base, problem, goals)

    def split(self, shares: Sequence[float] | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Shares by commodity and by job."""
        if shares is None:
            return self.goals.most_commodities, self.goals.most_jobs
        count = len(self.problem.commodities)
        return tuple(shares[:count]), tuple(shares[count:])

    def ample(self, progress: Progress) -> tuple[_Step, bool, tuple[str, ...]]:
        """The plan without caps; whether it serves all that is required; else a first word on what holds it back."""
        required = {row.id: row.required for row in self.given.factory.workloads}
        try:
            kept = self.base.problem(_with_required(self.base.loaded, required))
            nothing = Goals((), *self.split(None))
            return self._solved(granted(kept, float("inf")), nothing, [], progress, required), True, ()
        except Uncovered as error:
            limits = tuple(dict.fromkeys(f"{issue.what} ({issue.hint})" for issue in error.issues))
        except (Infeasible, NoPlanFound):
            limits = ()
        return self.step(self.goals, float("inf"), [], progress), False, limits

    def most(self, ample: _Step) -> tuple[float, ...]:
        """What the file lets the plan shed counts no further than it is worth serving with ample money."""
        rows = (*self.problem.commodities, *self.problem.jobs)
        required = {row.id: row.required for row in self.given.factory.workloads}
        return tuple(
            1.0 if required[row.workload.id] or share > 1 - 1e-6 else share
            for row, share in zip(rows, ample.shares, strict=True)
        )

    def step(self, goals: Goals, grant_usd: float, known: Sequence[_Step], progress: Progress) -> _Step:
        return self._solved(granted(self.problem, grant_usd), goals, known, progress, None)

    def _solved(
        self,
        problem: Problem,
        goals: Goals,
        known: Sequence[_Step],
        progress: Progress,
        required: Mapping[str, bool] | None,
    ) -> _Step:
        got = solve_goals(problem, goals, known=[step.x for step in known], progress=progress)
        budgets = _raised(self.given.factory.budgets, got.plan)
        loaded = self.base.loaded if required is None else _with_required(self.base.loaded, required)
        factory = loaded.factory.model_copy(update={"budgets": budgets})
        loaded = _derived(loaded, budgets.model_dump_json(), factory=factory)
        plan = got.plan.model_copy(update={"spec_hash": loaded.spec_hash})
        report = verify(plan, loaded, self.base.catalog)
        if report.findings:
            raise RuleBroken(report.findings)
        return _Step(Planned(plan, report), loaded, got.scores, got.x, tuple(_shares(problem, plan)))

    def rung(self, step: _Step, added_usd: float | None, before: _Step | None) -> Rung:
        result = step.planned.plan.result
        served = self._served(step)
        return Rung(
            added_usd=added_usd,
            served=served,
            buys="" if before is None else _buys(self._served(before), served) + _saves(before.planned, step.planned),
            objective_usd=result.objective_usd,
            bound_usd=result.bound_usd,
            gap=result.gap,
            evaluated_usd=step.planned.report.evaluated_usd,
            years=tuple(_years(self.given.factory.budgets, step.planned.plan)),
        )

    def _served(self, step: _Step) -> tuple[ServedShare, ...]:
        """By priority, then in the order of the file; origins weigh by what they ask for."""
        rows = list(zip((*self.problem.commodities, *self.problem.jobs), step.shares, strict=True))
        found = []
        for workload in sorted(self.given.factory.workloads, key=lambda row: row.priority):
            mine = [(asked(self.problem, row), share) for row, share in rows if row.workload.id == workload.id]
            total = sum(units for units, _ in mine)
            share = sum(units * share for units, share in mine) / total if total else 1.0
            found.append(ServedShare(workload=workload.id, priority=workload.priority, share=share))
        return tuple(found)

    def held_back(self, progress: Progress) -> Iterator[str]:
        """The conflict that is left when money has no cap."""
        budgets = self.given.factory.budgets.model_copy(update={"capex_usd_by_year": (), "cash_usd_by_year": ()})
        free = _derived(self.given, "no caps", factory=self.given.factory.model_copy(update={"budgets": budgets}))
        progress("looking for what limits the rest")
        found = diagnose(free, self.base.catalog, self.base.problem(free), progress)
        if found is not None:
            yield from (conflict.text for conflict in found.conflicts)


def _derived(loaded: LoadedSpec, mark: str, **changes: Any) -> LoadedSpec:
    """Another file: its hash says so."""
    return replace(loaded, spec_hash=hashlib.sha256(f"{loaded.spec_hash} {mark}".encode()).hexdigest(), **changes)


def _with_required(loaded: LoadedSpec, required: Mapping[str, bool]) -> LoadedSpec:
    workloads = tuple(row.model_copy(update={"required": required[row.id]}) for row in loaded.factory.workloads)
    factory = loaded.factory.model_copy(update={"workloads": workloads})
    return _derived(loaded, "required as stated", factory=factory)


def _shares(problem: Problem, plan: Plan) -> Iterator[float]:
    """Of the volume of each commodity, then of the work of each job, that a plan serves."""
    calendar = problem.calendar
    hours = {
        (period.id, bucket): float(calendar.hours[t, b])
        for t, period in enumerate(calendar.periods)
        for b, bucket in enumerate(calendar.bucket_ids)
    }
    speed = {point.id: point.capacity_per_s for point in plan.points}
    done: dict[tuple[str, str], float] = {}
    for row in (*plan.loads, *plan.tokens):
        key = row.workload, row.origin
        done[key] = done.get(key, 0.0) + row.units_per_s * hours[row.period, row.bucket] * 3600
    for row in plan.batch:
        key = row.workload, row.origin
        done[key] = done.get(key, 0.0) + row.gang_hours * speed[row.point]
    for one in (*problem.commodities, *problem.jobs):
        units = asked(problem, one)
        yield min(1.0, done.get((one.workload.id, one.origin), 0.0) / units) if units else 1.0


def _spent(plan: Plan) -> tuple[Mapping[int, float], Mapping[int, float]]:
    """(capex, cash) by plan year."""
    year = {row.id: row.plan_year for row in plan.periods}
    cash = cash_by_year(plan).by_year
    capex = dict.fromkeys(cash, 0.0)
    for row in plan.costs:
        if row.line in CAPEX_LINES:
            capex[year[row.period]] += row.usd
    return capex, cash


def _raised(caps: Budgets, plan: Plan) -> Budgets:
    """The caps, raised where a plan spends beyond them: the file under which it is judged."""
    capex, cash = _spent(plan)
    return caps.model_copy(
        update={
            "capex_usd_by_year": tuple(max(cap, capex.get(y, 0.0)) for y, cap in enumerate(caps.capex_usd_by_year, 1)),
            "cash_usd_by_year": tuple(max(cap, cash.get(y, 0.0)) for y, cap in enumerate(caps.cash_usd_by_year, 1)),
        }
    )


def _years(caps: Budgets, plan: Plan) -> Iterator[YearMoney]:
    capex, cash = _spent(plan)
    stated = ((capex, dict(enumerate(caps.capex_usd_by_year, 1))), (cash, dict(enumerate(caps.cash_usd_by_year, 1))))
    for year in sorted(cash):
        beyond = max((spent[year] - cap[year] for spent, cap in stated if year in cap), default=0.0)
        # Caps hold to one part in a million, which is not money that anybody granted.
        beyond = beyond if beyond > 1e-6 * cash[year] else 0.0
        yield YearMoney(year=year, cash_usd=cash[year], capex_usd=capex[year], beyond_usd=beyond)


def _buys(before: Sequence[ServedShare], after: Sequence[ServedShare]) -> str:
    """``34 % of weld-haiphong (12 % to 46 %); gives up 2 % of ...``"""
    moves = [(row.workload, old.share, row.share) for old, row in zip(before, after, strict=True)]
    more = [_move(*move) for move in moves if move[2] - move[1] >= SEEN]
    less = [_move(*move) for move in moves if move[1] - move[2] >= SEEN]
    said = ", ".join(more) or NOTHING
    return f"{said}; for {', '.join(less)} less" if less else said


def _move(workload: str, old: float, new: float) -> str:
    return f"{percent(abs(new - old))} of {workload} ({percent(old)} to {percent(new)})"


def _saves(before: Planned, after: Planned) -> str:
    """More money may buy a cheaper plan too, such as servers instead of rent; what is proved of it."""
    usd = before.bound_usd - after.usd
    return f", and a plan that costs at least USD {usd:,.0f} less in present value" if usd > 0 else ""


def percent(share: float) -> str:
    """A tenth of a percent where there is one."""
    return f"{share * 100:.1f}".removesuffix(".0") + "%"


def _end(last: Rung, ample: Rung, reached: bool, whole: bool) -> str:
    takes = "; ".join(f"USD {row.beyond_usd:,.0f} in plan year {row.year}" for row in ample.years if row.beyond_usd)
    if reached and whole:
        return "Everything is served."
    if reached:
        return "Money is not what limits the rest."
    everything = "Everything" if whole else "All that money can buy"
    return f"{everything} takes more: the cheapest plan for it spends, beyond the caps, {takes}."
