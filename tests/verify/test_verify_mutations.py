"""Spoilt plans: each is caught, and the family that it breaks is named."""

from __future__ import annotations

import pytest
from mutations import MUTATIONS
from sample import sample

from groundplan.errors import RuleBroken
from groundplan.verify import FAMILIES, check, verify

NOT_IN_THE_SAMPLE = {"broken_lot"}


@pytest.fixture(scope="module")
def made():
    return sample()


def test_the_sample_is_sound(made):
    report = check(*made)
    assert report.max_residual <= 1e-6
    assert report.evaluated_usd == pytest.approx(made[0].result.objective_usd, rel=1e-12)


def test_every_family_is_spoilt_and_there_are_fifty():
    assert {mutation.family for mutation in MUTATIONS} == set(FAMILIES)
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 50 + len(NOT_IN_THE_SAMPLE)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.family}-{mutation.name}")
def test_a_spoilt_plan_is_caught_by_its_family(made, mutation):
    spoilt = mutation.spoil(*made)
    if spoilt is None:
        assert mutation.name in NOT_IN_THE_SAMPLE
        pytest.skip("the sample has no such row")
    report = verify(spoilt, *made[1:])
    assert mutation.family in report.families
    with pytest.raises(RuleBroken) as caught:
        check(spoilt, *made[1:])
    assert caught.value.exit_code == 3
    found = [issue for issue in caught.value.issues if issue.code == mutation.family]
    assert all(issue.where and issue.what for issue in found)
