"""What a solve promises: a bound, the same plan again, errors with their exit codes, and a silent output."""

from __future__ import annotations

import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optimize_cases import WORKLOADS, Instance, catalog, instances, problem_of, rich

from groundplan.catalog import Catalog
from groundplan.errors import Infeasible, NoPlanFound
from groundplan.optimize import _highs, _solve, solve
from groundplan.plan import Plan, plan_text
from groundplan.problem import Problem
from groundplan.verify import verify

CHAT = WORKLOADS[0]


PLAIN = {k: v for k, v in CHAT.items() if k != "failover_share"} | {"survives": "none"}
FREE: dict[str, Any] = {"budgets": {}, "on_premise_floors": []}


def _small_case(requests_per_s: float = 3.0) -> Instance:
    """One workload without failover: solved in a moment."""
    demand = [{**CHAT["demand"][0], "requests_per_s": requests_per_s}]
    return rich(workloads=[{**PLAIN, "demand": demand}], **FREE)


def _small(requests_per_s: float = 3.0) -> Problem:
    return problem_of(_small_case(requests_per_s))


def _grid(ratchet_months: int) -> Catalog:
    """The catalogue with another memory of peaks."""
    texts = dict(catalog().texts)
    return Catalog(
        texts | {"tariffs": texts["tariffs"].replace("ratchet_months = 13", f"ratchet_months = {ratchet_months}")}
    )


def _seeded(seed: int) -> Problem:
    """An instance of the oracle."""
    case = instances.instance(seed)
    return problem_of(case, instances.tiny_catalog())


@pytest.fixture(scope="module")
def plan() -> Plan:
    return solve(problem_of(rich()))


def test_the_bound_is_below_the_objective_and_the_gap_is_what_was_asked_for(plan):
    result = plan.result
    assert result.status == "optimal"
    assert result.bound_usd <= result.objective_usd + 1e-9 * abs(result.objective_usd)
    assert result.gap == pytest.approx((result.objective_usd - result.bound_usd) / abs(result.objective_usd), abs=1e-9)
    assert result.gap <= 1e-4


def test_two_solves_give_the_same_text(plan):
    assert plan_text(solve(problem_of(rich()))) == plan_text(plan)


@pytest.mark.parametrize("seed", [18, 31])
def test_a_relaxation_rounded_up_costs_no_less_and_its_bound_is_weaker(seed):
    problem = _seeded(seed)
    whole, relaxed = solve(problem).result, solve(problem, relax=True).result
    assert relaxed.objective_usd >= whole.bound_usd * (1 - 1e-9)
    assert relaxed.bound_usd < whole.bound_usd * 0.9
    assert relaxed.max_residual <= 1e-6


@pytest.mark.parametrize("requests_per_s", [1e-3, 1e-6, 1e-9, 1e-15])
def test_a_load_far_below_one_replica_is_planned(requests_per_s):
    """One replica stands wherever there is any load; what it is does not vanish in the solver's tolerance."""
    case = _small_case(requests_per_s)
    found = solve(problem_of(case))
    assert {row.replicas for row in found.replicas} == {1}
    assert sorted(row.period for row in found.replicas) == [row.id for row in found.periods]
    assert sum(row.units_per_s for row in found.loads if row.bucket == "peak") == pytest.approx(2.64 * requests_per_s)
    assert verify(found, case.loaded, catalog()).findings == ()


def test_a_peak_binds_the_year_after_it_and_no_later():
    """The load of the first year alone: its peak is billed in the second too, the contract minimum in the third."""
    demand = [{**CHAT["demand"][0], "requests_per_s": 9.0, "until_month": "2028-01"}]
    case = rich(
        workloads=[{**PLAIN, "demand": demand}], rentals=[], token_offers=[], **FREE, periods={"months": 0, "years": 3}
    )
    found = solve(problem_of(case, _grid(12)))
    billed = [row.billed_peak_kw for row in found.peaks if row.site == "plant"]
    assert billed[0] == pytest.approx(billed[1])
    assert billed[0] > 2 * billed[2] > 0
    assert verify(found, case.loaded, _grid(12)).findings == ()


def test_what_is_shed_needs_no_failover():
    """Worth nothing and cheap to shed, chat is shed whole; nobody stands by for it. Served by rule, somebody does."""
    shed = {**CHAT, "required": False, "shed_usd_per_unit": 1e-9}
    case = rich(workloads=[shed], **FREE)
    found = solve(problem_of(case))
    assert (found.replicas, found.failovers, found.loads) == ((), (), ())
    assert verify(found, case.loaded, catalog()).findings == ()
    kept = rich(workloads=[{**CHAT, "demand": [{**CHAT["demand"][0], "requests_per_s": 3}]}], **FREE)
    assert solve(problem_of(kept)).failovers


def test_a_relaxation_that_no_rounding_up_saves_says_so():
    with pytest.raises(NoPlanFound) as caught:
        solve(_small(), relax=True)
    assert caught.value.issues[0].code == "rounding"


def test_no_plan_is_an_error_of_its_own():
    """A load beyond every node that may be bought or rented."""
    with pytest.raises(Infeasible) as caught:
        solve(_small(3000.0))
    assert caught.value.exit_code == 3
    assert caught.value.issues[0].code == "infeasible"


def test_a_relaxation_without_a_plan_is_infeasible_too():
    with pytest.raises(Infeasible):
        solve(_small(3000.0), relax=True)


def _script(folder: Path, text: str) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_solver_that_does_not_come_back_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", _script(tmp_path, "exec sleep 60"))
    monkeypatch.setattr(_highs, "KILL_AFTER_S", 0.2)
    with pytest.raises(NoPlanFound) as caught:
        _highs.run(_arrays(), _highs.Stop(0.0, 10, 0.1))
    assert caught.value.exit_code == 5
    assert caught.value.issues[0].code == "solver-killed"


def test_a_solver_that_dies_says_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", _script(tmp_path, "cat > /dev/null; echo out of memory >&2; exit 9"))
    with pytest.raises(NoPlanFound, match="ended with code 9 and without a plan: out of memory") as caught:
        solve(_small())
    assert caught.value.exit_code == 5
    assert caught.value.issues[0].code == "solver-died"


def test_no_solution_in_time_is_a_limit(monkeypatch):
    monkeypatch.setattr(_solve, "run", lambda arrays, stop: _highs.Answer("limit-time", None, 0.0, -np.inf))
    with pytest.raises(NoPlanFound, match="ended without a plan within 45 s") as caught:
        solve(_small())
    assert caught.value.exit_code == 5
    assert caught.value.issues[0].code == "no-plan"


def _arrays(*, low: float = 2.5, most: float = 10.0) -> _highs.Arrays:
    """min x + 2y + 1, x + y >= low, x <= 1, y whole and at most `most`."""
    return _highs.Arrays(
        cost=np.array([1.0, 2.0]), offset=1.0, lower=np.zeros(2), upper=np.array([1.0, most]),
        integer=np.array([False, True]), row_lower=np.array([low]), row_upper=np.array([np.inf]),
        starts=np.array([0, 2], dtype=np.int32), columns=np.array([0, 1], dtype=np.int32), values=np.ones(2),
    )  # fmt: skip


STOP = _highs.Stop(0.0, 100, 10.0)


def test_child_and_parent_give_one_answer():
    away, here = _highs.run(_arrays(), STOP), _highs.solve(_arrays(), STOP)
    assert away.status == here.status == "optimal"
    assert away.x == pytest.approx([0.5, 2.0])
    assert away.objective == away.bound == here.objective == pytest.approx(5.5)
    assert (away.x == here.x).all()


def test_a_program_without_a_solution_says_so():
    answer = _highs.run(_arrays(low=20.0), STOP)
    assert answer.status == "infeasible"
    assert answer.x is None


def test_only_a_proof_is_called_infeasible():
    """Without bound on its cost a program is no less feasible; both at once are told apart."""
    endless = replace(_arrays(most=np.inf), cost=np.array([1.0, -2.0]))
    assert _highs.solve(endless, STOP).x is None
    assert _highs.solve(endless, STOP).status == "unbounded"
    none = replace(endless, row_lower=np.array([-np.inf]), row_upper=np.array([-1.0]))
    assert _highs.solve(none, STOP).status == "infeasible"


def test_the_largest_breach_is_relative_to_its_limit():
    arrays = _arrays(low=20.0, most=50.0)
    assert _solve.max_residual(arrays, np.array([1.0, 19.0])) == 0
    assert _solve.max_residual(arrays, np.array([1.0, 14.0])) == pytest.approx(5 / 20)
    assert _solve.max_residual(arrays, np.array([1.5, 30.0])) == pytest.approx(0.5)


def test_nothing_is_printed(capfd):
    said: list[str] = []
    solve(_seeded(31), progress=said.append)
    solve(_seeded(31), relax=True)
    assert capfd.readouterr().out == ""
    assert said[0] == "writing the program"
    assert "columns" in said[1]
