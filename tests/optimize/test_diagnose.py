"""Conflicts of limits are irreducible, and each relaxation that is called enough gives a plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from optimize_cases import instances, problem_of

from groundplan.optimize import diagnose, has_plan
from groundplan.optimize._diagnose import Case, case_of
from groundplan.problem import Diagnosis, Problem, Uncovered, applied, build_from_tables

SEEDS = {8: "delivery", 10: "power", 12: "power", 14: "rental", 15: "capex", 34: "lead", 36: "power", 38: "power"}
"""Infeasible instances of the oracle, and a limit that each of them must name."""


@pytest.fixture(scope="module", params=sorted(SEEDS))
def explained(request) -> tuple[int, Problem, Diagnosis]:
    case = instances.instance(request.param)
    try:
        problem = problem_of(case, instances.tiny_catalog())
    except Uncovered as error:
        problem = error.problem
    assert has_plan(problem, 20.0) is False
    found = diagnose(problem)
    assert found is not None
    return request.param, problem, found


def _positions(case: Case, limits) -> list[int]:
    wanted = {(limit.kind, limit.id) for limit in limits}
    found = [k for k, group in enumerate(case.limits) if (group.limit.kind, group.limit.id) in wanted]
    assert len(found) == len(wanted)
    return found


def test_a_conflict_is_irreducible(explained):
    """Its limits alone rule out every plan; without any one of them there is one."""
    _, problem, found = explained
    case = case_of(problem, 60.0)
    for conflict in found.conflicts:
        members = _positions(case, conflict.limits)
        assert conflict.irreducible
        assert case.alone(members) is False
        for k in members:
            assert case.alone([other for other in members if other != k]) is True, case.limits[k].limit.title


def test_the_limit_that_binds_is_named(explained):
    seed, _, found = explained
    assert SEEDS[seed] in {limit.kind for conflict in found.conflicts for limit in conflict.limits}


def test_what_is_called_enough_is_enough_and_the_rest_is_not(explained):
    """Applied to the file and solved again; a little less of an amount that is proved least is not enough."""
    seed, problem, found = explained
    case = instances.instance(seed)
    rows = [row for row in found.relaxations if row.enough and all(change.new is not None for change in row.changes)]
    assert rows
    for row in rows:
        loaded = replace(case.loaded, factory=applied(problem.factory, row.changes))
        mended = build_from_tables(loaded, instances.tiny_catalog(), problem.points, problem.staffing)
        assert has_plan(mended, 20.0) is True, row.text


def test_less_than_the_least_amount_is_not_enough(explained):
    """One unit less, or 5 % less, of what is proved least."""
    _, problem, found = explained
    case = case_of(problem, 60.0)
    for row in found.relaxations:
        if not (row.enough and row.least and row.amount) or row.kind in ("lead", "start"):
            continue
        k = next(k for k, group in enumerate(case.limits) if (group.limit.kind, group.limit.id) == (row.kind, row.id))
        group = case.limits[k]
        less = row.amount - 1 if group.whole else row.amount * 0.95
        model = replace(case.model, most=case.model.most.copy())
        model.most[case.model.spans[k].start] = less / group.per_column
        assert model.has_plan([k], case.clock.stop(20.0)) is False, row.text
