"""Robust fit with priors, splits, weights and conformal factors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.validation._fit import Free, fit, pseudo_huber
from groundplan.validation._splits import balanced_weights, cluster_votes, conformal_factor, leave_one_out

ONE = Free("a", 1.0, 0.5, 0.1, 10.0)


def test_many_rows_outweigh_the_prior_and_one_does_not():
    def run(count):
        return fit([ONE], lambda v: np.full(count, np.log(v[0] / 2.0)), np.ones(count), 0.1)[0]

    many, none = run(400), run(1)
    assert many.value == pytest.approx(2.0, rel=0.01)
    assert many.informed
    assert 1.0 < none.value < many.value
    assert many.deviation < none.deviation < ONE.spread


def test_outliers_hardly_move_the_fit():
    pulls = np.array([0.0] * 20 + [3.0] * 2)
    found = fit([ONE], lambda v: np.log(v[0]) - pulls, np.ones(22), 0.05)[0]
    assert abs(np.log(found.value)) < 0.1


def test_a_constant_stays_in_its_range():
    found = fit([ONE], lambda v: np.full(50, np.log(v[0] / 1000.0)), np.ones(50), 0.1)[0]
    assert found.value == pytest.approx(ONE.high, rel=1e-3)


def test_a_prior_outside_its_range_is_named():
    with pytest.raises(ValueError, match="wrong"):
        fit([Free("wrong", 1.0, 0.1, 2.0, 3.0)], lambda v: np.zeros(1), np.ones(1), 0.1)


@given(st.floats(-50, 50))
def test_pseudo_huber_is_near_itself_when_small_and_grows_slower_when_large(value):
    found = float(pseudo_huber(np.array(value)))
    assert np.sign(found) == np.sign(value)
    assert abs(found) <= abs(value) + 1e-12
    if abs(value) < 0.3:
        assert found == pytest.approx(value, rel=0.01, abs=1e-9)


def test_each_label_is_left_out_once():
    found = dict(leave_one_out(["b", "a", "b"]))
    assert list(found) == ["a", "b"]
    assert found["b"].tolist() == [True, False, True]
    assert sum(found.values()).tolist() == [1, 1, 1]


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=30), st.sampled_from([0.0, 0.5, 1.0]))
def test_votes_have_mean_one_and_full_balance_gives_sources_equal_votes(labels, power):
    votes = balanced_weights(labels, power)
    assert votes.mean() == pytest.approx(1.0)
    sums = [votes[np.array(labels) == one].sum() for one in set(labels)]
    if power == 1.0:
        assert np.allclose(sums, sums[0])


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=40), st.floats(0.0, 1.0))
def test_rows_that_share_an_error_count_as_fewer(labels, shared):
    votes = cluster_votes(labels, shared)
    for one in set(labels):
        count = labels.count(one)
        worth = votes[np.array(labels) == one].sum()
        assert worth == pytest.approx(count / (1 + (count - 1) * shared))
        assert 1.0 - 1e-9 <= worth <= count + 1e-9


def test_a_conformal_factor_holds_its_share_of_sources_not_of_rows():
    # 90 rows of one source are exact, nine sources of one row are 20 % off: nine sources in ten need the 20 %
    logs = np.array([0.0] * 90 + [0.2] * 9)
    labels = ["big"] * 90 + [f"s{i}" for i in range(9)]
    assert conformal_factor(logs, labels) == pytest.approx(np.exp(0.2))
    assert conformal_factor(logs, ["one"] * 99) == pytest.approx(np.exp(0.2 if 90 / 99 < 0.95 else 0.0))


@given(st.lists(st.floats(0.0, 1.0), min_size=20, max_size=60))
def test_a_conformal_factor_covers_at_least_nine_tenths_of_what_it_was_taken_from(errors):
    logs = np.array(errors)
    factor = conformal_factor(logs, [str(i) for i in range(len(logs))])
    assert (logs <= np.log(factor) + 1e-12).mean() >= 0.9
