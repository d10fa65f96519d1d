"""Spoilt plans: each is caught, and the family that it breaks is named."""

from __future__ import annotations

import pytest
from mutations import MUTATIONS
from sample import moving_sample, sample

from groundplan.errors import RuleBroken
from groundplan.verify import FAMILIES, check, verify

NOT_IN_THE_SAMPLE = {"broken_lot"}


@pytest.fixture(scope="module")
def made():
    return sample()


@pytest.fixture(scope="module")
def moving():
    return moving_sample()


@pytest.mark.parametrize("which", ["made", "moving"])
def test_the_samples_are_sound(which, request):
    plan, spec, catalog = request.getfixturevalue(which)
    report = check(plan, spec, catalog)
    assert report.max_residual <= 1e-6
    assert report.evaluated_usd == pytest.approx(plan.result.objective_usd, rel=1e-12)


def test_every_family_is_spoilt_and_there_are_fifty():
    assert {mutation.family for mutation in MUTATIONS} == set(FAMILIES)
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 50 + len(NOT_IN_THE_SAMPLE)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.family}-{mutation.name}")
def test_a_spoilt_plan_is_caught_by_its_family(made, moving, mutation):
    tried = ((case, mutation.spoil(*case)) for case in (made, moving))
    case, spoilt = next((pair for pair in tried if pair[1] is not None), (made, None))
    if spoilt is None:
        assert mutation.name in NOT_IN_THE_SAMPLE
        pytest.skip("no sample has such a row")
    report = verify(spoilt, *case[1:])
    assert mutation.family in report.families
    with pytest.raises(RuleBroken) as caught:
        check(spoilt, *case[1:])
    assert caught.value.exit_code == 3
    found = [issue for issue in caught.value.issues if issue.code == mutation.family]
    assert all(issue.where and issue.what for issue in found)
